//! The commands that call a running server.

use crate::support::{Server, bongsu, folder, run};

#[test]
fn users_are_made_listed_and_looked_after() {
    let (_home, data) = folder();
    let server = Server::start(&data, &[]);
    let make = [
        "user",
        "create",
        "--id",
        "41",
        "--handle",
        "hana",
        "--nickname",
        "하나",
        "--en",
        "Hana",
        "--region",
        "KR",
    ];
    let made = server.ask(&data, &make);
    assert_eq!(
        (made["user_id"].as_i64(), made["nick"]["en"].as_str()),
        (Some(41), Some("Hana"))
    );
    let err = server.call(&data, &make).bad(1);
    assert!(err.contains("INVALID_DATA") && err.contains("taken"), "{err}");
    for id in ["42", "43", "44"] {
        server.call(&data, &["user", "create", "--id", id]).good();
    }
    assert_eq!(
        server
            .ask(&data, &["user", "list", "--limit", "2"])
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let list = server.call(&data, &["user", "list"]).good();
    assert_eq!(list.lines().count(), 5, "a head and four users: {list}");
    assert!(list.contains("하나"), "{list}");
    server
        .call(&data, &["user", "ban", "hana", "--reason", "spam"])
        .good();
    assert_eq!(
        server.ask(&data, &["user", "show", "41"])["ban"]["reason"],
        "spam"
    );
    server.call(&data, &["user", "unban", "hana"]).good();
    assert!(server.ask(&data, &["user", "show", "hana"])["ban"].is_null());
    server.call(&data, &["user", "disconnect", "41"]).good();
    let token = server.call(&data, &["user", "token", "41", "--ttl", "1d"]).good();
    assert!(
        token.trim().len() == 48 && token.trim().bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{token}"
    );
    server.call(&data, &["user", "block", "41", "42"]).good();
    server.call(&data, &["user", "unblock", "41", "42"]).good();
    let err = server.call(&data, &["user", "show", "nobody"]).bad(1);
    assert!(err.contains("USER_NOT_FOUND"), "{err}");
}

#[test]
fn rooms_are_made_filled_and_read() {
    let (_home, data) = folder();
    let server = Server::start(&data, &[]);
    for id in ["1", "2", "3"] {
        server.call(&data, &["user", "create", "--id", id]).good();
    }
    let make = [
        "room",
        "create",
        "--id",
        "7",
        "--name",
        "den",
        "--member",
        "1",
        "--owner",
        "2",
        "--visibility",
        "open",
    ];
    let made = server.ask(&data, &make);
    assert_eq!(
        (made["room_id"].as_i64(), made["members_count"].as_i64()),
        (Some(7), Some(2))
    );
    server.call(&data, &["room", "add", "den", "3"]).good();
    let members = server.ask(&data, &["room", "members", "7"]);
    let roles: Vec<_> = members
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["member", "owner", "member"]);
    server.call(&data, &["room", "remove", "7", "3"]).good();
    assert_eq!(
        server.ask(&data, &["room", "show", made["token"].as_str().unwrap()])["members_count"],
        2
    );
    assert_eq!(
        server
            .ask(&data, &["room", "list", "--user", "3"])
            .as_array()
            .unwrap()
            .len(),
        0
    );
}

#[test]
fn messages_are_sent_once_and_read_back() {
    let (_home, data) = folder();
    let server = Server::start(&data, &["--dev"]);
    for n in 1..=3 {
        let text = format!("말 {n}");
        assert_eq!(
            server.ask(&data, &["send", "--room", "general", "--as", "1", &text])["seq"],
            n
        );
    }
    let again = [
        "send",
        "--room",
        "1",
        "--as",
        "1",
        "--client-message-id",
        "a",
        "once",
    ];
    assert_eq!(
        server.ask(&data, &again)["message_id"],
        server.ask(&data, &again)["message_id"]
    );
    let page = server.ask(
        &data,
        &["room", "messages", "general", "--after", "1", "--limit", "2"],
    );
    let seqs: Vec<_> = page["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["seq"].as_i64().unwrap())
        .collect();
    assert_eq!(seqs, [2, 3]);
    let words = server
        .call(&data, &["room", "messages", "1", "--before", "2"])
        .good();
    assert!(words.lines().count() == 2 && words.contains("말 1"), "{words}");
}

#[test]
fn a_message_is_sent_over_any_protocol_and_is_the_same_message() {
    let (_home, data) = folder();
    let server = Server::start(&data, &["--dev"]);
    let send = |protocol: &str, args: &[&str]| {
        let over = [
            "send",
            "--room",
            "general",
            "--tcp",
            server.address("tcp"),
            "--protocol",
            protocol,
        ];
        server.call(&data, &[&over[..], args].concat())
    };
    let mut ids = Vec::new();
    for protocol in ["type", "socketio", "action", "http"] {
        let said = send(
            protocol,
            &["--as", "1", "--client-message-id", "a", "한 번", "--json"],
        )
        .good();
        let accepted: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(accepted["seq"], 1, "{protocol}");
        ids.push(accepted["message_id"].as_str().unwrap().to_owned());
    }
    assert!(ids.iter().all(|id| *id == ids[0] && id.len() == 32), "{ids:?}");
    // Nobody need be named: a user of the tool's own is made.
    for (at, protocol) in ["type", "socketio", "action", "http"].into_iter().enumerate() {
        let said = send(protocol, &["hello"]).good();
        let start = format!("message {} of room general, id ", at + 2);
        assert!(said.starts_with(&start), "{protocol}: {said}");
    }
    let page = server.ask(&data, &["room", "messages", "general", "--after", "1"]);
    let handles: Vec<_> = page["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["sender"]["user_id"].as_i64().unwrap())
        .collect();
    assert!(
        handles.len() == 4 && handles.iter().all(|it| *it == handles[0]),
        "{page}"
    );
}

#[test]
fn who_cannot_send_is_told_why_over_any_protocol() {
    let (_home, data) = folder();
    let server = Server::start(&data, &["--dev"]);
    let (http, tcp) = (server.url(), server.address("tcp"));
    let send = |protocol: &str, args: &[&str]| {
        let over = ["send", "--room", "1", "--protocol", protocol];
        server.call(&data, &[&over[..], args].concat()).bad(1)
    };
    for (protocol, wrong) in [
        ("type", "INVALID_DATA"),
        ("socketio", "INVALID_PARAM"),
        ("action", "INVALID_DATA"),
    ] {
        let err = send(protocol, &["--tcp", tcp, "--token", "a.b.c", "x"]);
        assert!(err.contains("INVALID_TOKEN"), "{protocol}: {err}");
        let err = send(protocol, &["--tcp", tcp, "--as", "1", "--type", "smoke", "x"]);
        assert!(err.contains(wrong), "{protocol}: {err}");
        let err = send(protocol, &["--tcp", tcp, "--api-key", "k", "x"]);
        assert!(err.contains("--token"), "{protocol}: {err}");
    }
    // Nobody listens where somebody just has.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let free_url = format!("http://{free}");
    let err = send("type", &["--url", &free_url, "x"]);
    assert!(err.contains(&free_url) && err.contains("--url"), "{err}");
    let err = send("action", &["--tcp", &free.to_string(), "x"]);
    assert!(err.contains("bongsu serve") && err.contains("--tcp"), "{err}");
    // What is there is not what was thought.
    let err = send("type", &["--url", &format!("{http}/elsewhere"), "x"]);
    assert!(err.contains("404"), "{err}");
    let err = send("type", &["--url", &format!("http://{tcp}"), "x"]);
    assert!(err.contains("no WebSocket at"), "{err}");
}

#[test]
fn announcements_and_revocations_are_taken() {
    let (_home, data) = folder();
    let server = Server::start(&data, &["--dev"]);
    let said = server
        .call(
            &data,
            &["announce", "--title", "점검", "--type", "maintenance", "오전 2시"],
        )
        .good();
    assert_eq!(said.trim(), "delivered to 0 sessions");
    let path = data.to_str().unwrap();
    let token = run(&["token", "--sub", "1", "--jti", "mine", "--data-dir", path]).good();
    let show = ["user", "show", "1", "--token", token.trim()];
    server.call(&data, &show).good();
    server.call(&data, &["token", "revoke", "mine"]).good();
    let err = server.call(&data, &show).bad(1);
    assert!(err.contains("INVALID_TOKEN") && err.contains("revoked"), "{err}");
    let own = run(&["token", "--sub", "2", "--data-dir", path]).good();
    let sent = server.ask(
        &data,
        &["send", "--room", "general", "--token", own.trim(), "내 이름으로"],
    );
    assert_eq!(sent["seq"], 1, "a user's own token speaks for its user");
}

#[test]
fn what_went_wrong_says_what_to_do() {
    let (home, data) = folder();
    // Nobody listens where somebody just has.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{free}");
    run(&["token", "--sub", "1", "--data-dir", data.to_str().unwrap()]).good();
    let err = run(&[
        "user",
        "list",
        "--url",
        &url,
        "--data-dir",
        data.to_str().unwrap(),
    ])
    .bad(1);
    assert!(
        err.contains(&url) && err.contains("bongsu serve") && err.contains("--url"),
        "{err}"
    );
    let none = home.path().join("none");
    let err = run(&[
        "user",
        "list",
        "--url",
        &url,
        "--data-dir",
        none.to_str().unwrap(),
    ])
    .bad(1);
    assert!(err.contains("--data-dir") && err.contains("--token"), "{err}");
    let server = Server::start(&data, &[]);
    let other = home.path().join("other");
    run(&["token", "--sub", "1", "--data-dir", other.to_str().unwrap()]).good();
    let err = server.call(&other, &["user", "list"]).bad(1);
    assert!(
        err.contains("INVALID_TOKEN") && err.contains("--data-dir"),
        "{err}"
    );
    let korean = bongsu(&[
        "user",
        "show",
        "9",
        "--url",
        &server.url(),
        "--data-dir",
        data.to_str().unwrap(),
    ])
    .env("LC_ALL", "ko_KR.UTF-8")
    .output()
    .unwrap();
    assert!(String::from_utf8(korean.stderr).unwrap().contains("사용자"));
}
