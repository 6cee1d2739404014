//! What the reader takes, and every kind of mistake that it tells.

use std::path::Path;

use super::*;

fn mistakes(text: &str) -> Vec<(usize, String, String)> {
    let found = Settings::parse(text, Path::new("")).unwrap_err();
    found.into_iter().map(|it| (it.line, it.key, it.wrong)).collect()
}

#[test]
fn the_default_configuration_says_the_defaults() {
    let read = Settings::parse(&default_toml(), Path::new("")).unwrap();
    assert_eq!(format!("{read:#?}"), format!("{:#?}", Settings::default()));
}

#[test]
fn an_empty_file_says_the_defaults() {
    let read = Settings::parse("", Path::new("")).unwrap();
    assert_eq!(format!("{read:?}"), format!("{:?}", Settings::default()));
}

#[test]
fn every_setting_of_the_default_configuration_is_read() {
    // A value of another type is a mistake at each key, so that none can be passed over.
    for (index, line) in default_toml().lines().enumerate() {
        let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let text = default_toml();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines[index] = format!("{key} = 1979-05-27");
        let found = mistakes(&lines.join("\n"));
        assert!(
            found.iter().any(|it| it.0 == index + 1 && it.1.ends_with(key)),
            "{key}: {found:?}"
        );
    }
}

#[test]
fn all_mistakes_are_found_at_once_with_their_lines() {
    let found = mistakes(
        "[server]\nhttp = \"localhost\"\nlocal = \"en\"\n[limits]\nidle_ms = -1\nframe_bytes_max = \"large\"\n\
         [no_such_table]\nx = 1\n[policy]\ncreated_visibility = \"opne\"\n",
    );
    let places: Vec<_> = found.iter().map(|it| (it.0, it.1.as_str())).collect();
    let want = [
        (2, "server.http"),
        (3, "server.local"),
        (5, "limits.idle_ms"),
        (6, "limits.frame_bytes_max"),
        (7, "no_such_table"),
        (10, "policy.created_visibility"),
    ];
    assert_eq!(places, want);
    assert!(found[1].2.contains("server.locale"), "{:?}", found[1]);
    assert!(found[5].2.contains("`open` is near"), "{:?}", found[5]);
}

#[test]
fn what_is_no_toml_is_told_beside_the_rest() {
    let found = mistakes("[server]\nhttp = \n[limits]\nidle_ms = 0\n");
    assert!(found.iter().any(|it| it.0 == 2), "{found:?}");
    assert!(
        found.iter().any(|it| it.1 == "limits.idle_ms" && it.0 == 4),
        "{found:?}"
    );
}

#[test]
fn a_key_twice_is_a_mistake() {
    assert_eq!(mistakes("[limits]\nidle_ms = 90000\nidle_ms = 90000\n")[0].0, 3);
}

#[test]
fn limits_that_do_not_go_together_are_told_at_the_one_that_was_set() {
    let found = mistakes("[limits]\nidle_ms = 1000\n");
    assert_eq!((found[0].0, found[0].1.as_str()), (2, "limits.idle_ms"));
    assert!(found[0].2.contains("ping_interval_ms is 30000"), "{found:?}");
    let found = mistakes("[limits]\nshard_inbox_max = 0\nposts_burst = 5000000000\n");
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn values_of_every_kind_are_taken_over() {
    let text = "
        [server]
        data_dir = 'data'
        tcp = '[::1]:0'
        log = 'warn,bongsu_store=debug'
        log_format = 'json'
        durability = 'process'
        shards = 3
        cors_origins = ['https://chat.example']
        advertise = 'https://ws-1.example'
        [socketio]
        enabled = false
        sticky_cookie = 'bongsu_node'
        [limits]
        idle_ms = 0x20000
        [policy]
        create_users = false
        [moderation]
        links = 'hosts'
        link_hosts = ['example.com']
        [review]
        url = 'http://127.0.0.1:1/review'
        on_fault = 'closed'
        [ice]
        urls = ['stun:stun.example', 'turn:turn.example:3478']
        secret = 'north'
        [[api_keys]]
        name = 'shop'
        key = '0123456789abcdef01234567'
    ";
    let read = Settings::parse(text, Path::new("/etc/bongsu")).unwrap();
    assert_eq!(read.server.data_dir, Path::new("/etc/bongsu/data"));
    assert_eq!((read.server.shards, read.server.threads), (Some(3), None));
    assert!(read.server.advertise.is_some_and(|it| it.port == 443));
    assert_eq!(
        (read.socketio.enabled, read.socketio.sticky_cookie.as_deref()),
        (false, Some("bongsu_node"))
    );
    assert_eq!(read.limits.idle_ms, 0x2_0000);
    assert!(!read.policy.create_users);
    assert!(
        read.review
            .is_some_and(|review| !review.pass_unasked && review.timeout_ms == 1_000)
    );
    assert_eq!(read.ice.urls.len(), 2);
    assert_eq!(read.api_keys.len(), 1);
}

#[test]
fn what_clients_are_told_must_be_usable() {
    let wrong = |text: &str| mistakes(text).remove(0);
    for url in ["ws-1.example", "ws://ws-1.example", "https://ws-1.example/chat"] {
        let (line, key, wrong) = wrong(&format!("[server]\nadvertise = \"{url}\"\n"));
        assert_eq!((line, key.as_str()), (2, "server.advertise"), "{url}");
        assert!(wrong.contains("https://ws-1.example:8443"), "{wrong}");
    }
    for name in ["", "two words", "a=b", "a;b", "쿠키"] {
        let (line, key, _) = wrong(&format!("[socketio]\nsticky_cookie = \"{name}\"\n"));
        assert_eq!((line, key.as_str()), (2, "socketio.sticky_cookie"), "{name}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let text = "[ice]\nsecret = \"hunter2hunter2\"\nsecret_file = \"/none\"\n[[api_keys]]\nname = \"a\"\nkey = \"hunter2\"\n\
                [[tokens.secrets]]\nsecret = \"hunter2\"\n";
    let found = Settings::parse(text, Path::new("")).unwrap_err();
    let shown = Mistakes {
        file: "x.toml".into(),
        found,
    }
    .to_string();
    assert!(!shown.contains("hunter2"), "{shown}");
    for key in ["ice.secret_file", "api_keys[0].key", "tokens.secrets[0].secret"] {
        assert!(shown.contains(key), "{key}: {shown}");
    }
}

#[test]
fn files_that_are_named_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("list.txt", "fine\n/(/\n/x*/\n");
    write("jwks.json", "{}");
    write("key.pem", "no key");
    let text = "[moderation]\nblocklist = \"list.txt\"\n[tokens]\njwks_files = [\"jwks.json\",\n\"missing.json\"]\n\
                jwks_urls = [\"ftp://x/\"]\n[[tokens.public_keys]]\nfile = \"key.pem\"\n[[api_keys]]\nrole = \"user\"\n";
    let found = Settings::parse(text, folder.path()).unwrap_err();
    let shown = Mistakes {
        file: "x.toml".into(),
        found,
    }
    .to_string();
    for part in [
        "x.toml:2: moderation.blocklist",
        "list.txt:2",
        "list.txt:3",
        "x.toml:4: tokens.jwks_files",
        "x.toml:5: ",
        "missing.json",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    for part in [
        "x.toml:6: tokens.jwks_urls",
        "x.toml:8: tokens.public_keys[0].file",
        "api_keys[0].name",
        "x.toml:10: api_keys[0].role",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn two_api_keys_do_not_share_a_name() {
    let key =
        |name: &str, key: &str| format!("[[api_keys]]\nname = \"{name}\"\nkey = \"{}\"\n", key.repeat(24));
    let found = mistakes(&[key("a", "x"), key("a", "y")].concat());
    assert_eq!(
        (found[0].0, found[0].1.as_str()),
        (6, "api_keys[1].key"),
        "{found:?}"
    );
}

#[test]
fn every_spelling_of_toml_is_read() {
    for text in [
        "[limits]\nidle_ms = 131_072",
        "limits.idle_ms = 0x20000",
        "limits = { idle_ms = +131072 }",
        "[limits]\r\n\"idle_ms\" = 0b10_0000_0000_0000_0000\r\n",
    ] {
        let read = Settings::parse(text, Path::new("")).unwrap_or_else(|found| panic!("{text}: {found:?}"));
        assert_eq!(read.limits.idle_ms, 131_072, "{text}");
    }
    let key = "api_keys = [{ name = \"a\", key = \"0123456789abcdef01234567\" }]";
    assert_eq!(Settings::parse(key, Path::new("")).unwrap().api_keys.len(), 1);
}

#[test]
fn values_of_the_wrong_type_are_told_wherever_they_stand() {
    let found = mistakes(
        "server = 1\nlimits = [1]\napi_keys = \"x\"\n[tokens]\nissuers = [1, \"a\"]\nfetch = true\n[ice]\nurls = [\"http:x\"]\n",
    );
    let places: Vec<_> = found.iter().map(|it| (it.0, it.1.as_str())).collect();
    let want = [
        (1, "server"),
        (2, "limits"),
        (3, "api_keys"),
        (5, "tokens.issuers"),
        (6, "tokens.fetch"),
        (8, "ice.urls"),
    ];
    assert_eq!(places, want);
}

#[test]
fn a_broken_file_is_told_and_never_breaks_the_reader() {
    let whole = default_toml();
    let mut chance: u64 = 7;
    let mut next = |below: usize| {
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(chance >> 33).unwrap() % below
    };
    let noise = [
        '[', ']', '"', '\n', '=', '\u{0}', '봉', '{', '#', '9', '-', '.', '\'',
    ];
    for _ in 0..300 {
        let mut chars: Vec<char> = whole.chars().collect();
        for _ in 0..3 {
            let at = next(chars.len());
            match next(3) {
                0 => chars.truncate(at.max(1)),
                1 => chars.insert(at, noise[next(noise.len())]),
                _ => chars[at] = noise[next(noise.len())],
            }
        }
        let text: String = chars.into_iter().collect();
        let lines = text.lines().count();
        if let Err(found) = Settings::parse(&text, Path::new("")) {
            assert!(!found.is_empty());
            assert!(
                found.iter().all(|it| (1..=lines + 1).contains(&it.line)),
                "{found:?}"
            );
        }
    }
}
