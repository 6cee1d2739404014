//! Catalogues that are read, and every mistake in those that are not.

use bongsu_node::devices::catalogue::{ArgsWrong, is_name};

use super::*;

const LIMITS: Limits = Limits::DEFAULT;

fn taken(text: &str) -> Catalogue {
    parse(text, &LIMITS).unwrap_or_else(|found| panic!("{found:?}"))
}

fn mistakes(text: &str) -> Vec<(usize, String, String)> {
    let found = parse(text, &LIMITS).expect_err("it has mistakes");
    found.into_iter().map(|it| (it.line, it.key, it.wrong)).collect()
}

#[test]
fn the_example_is_taken_and_does_what_it_says() {
    let catalogue = taken(EXAMPLE);
    assert!(!catalogue.allows_unlisted());
    let (window, args) = catalogue.short("window", "open").expect("it is listed");
    assert_eq!((window.ttl_ms, window.pace), (Some(3_000), Pace::LatestWins));
    assert_eq!(args["position"].as_text(), Some("open"));
    let horn = catalogue.entry("horn.honk").expect("it is listed");
    assert_eq!(
        (horn.pace, horn.debounce_ms, horn.target.clone()),
        (Pace::Serial, 0, None)
    );
    for entry in catalogue.entries() {
        let call = catalogue.call(&entry.name, &Object::new(), Role::Service);
        let critical = call.is_err_and(|refusal| refusal.code.name() == "COMMAND_REFUSED");
        assert_eq!(critical, &*entry.name == "steering.set", "{}", entry.name);
        for it in &entry.short {
            assert!(
                catalogue.call(&entry.name, &it.args, Role::Admin).is_ok(),
                "{}",
                entry.name
            );
        }
    }
}

#[test]
fn what_is_not_said_is_as_usual() {
    let catalogue = taken("[[command]]\nname = 'a'\n[[command]]\nname = 'b'\ntarget = 't'\n");
    let plain = catalogue.entry("a").expect("it is listed");
    assert_eq!(
        (plain.ttl_ms, plain.execution_ms, plain.debounce_ms),
        (None, 300_000, 500)
    );
    assert_eq!((plain.pace, plain.if_offline), (Pace::Serial, IfOffline::Fail));
    assert_eq!(
        (&*plain.roles, plain.safety),
        ([Role::Service, Role::Admin].as_slice(), Safety::Normal)
    );
    assert_eq!(catalogue.entry("b").expect("it is listed").pace, Pace::LatestWins);
    let wrong: Result<(), ArgsWrong> = plain.args.check(&Object::from([("x".into(), Value::Null)]));
    assert!(wrong.is_err(), "without a schema it takes no arguments");
    assert!(is_name(&plain.name));
}

#[test]
fn an_empty_catalogue_has_no_command() {
    assert_eq!(taken("").entries().count(), 0);
    assert!(taken("allow_unlisted = true").allows_unlisted());
}

#[test]
fn every_mistake_has_its_line() {
    let text = "alow_unlisted = true
[[command]]
name = 'window.toggle'
policy = 'newest'
rate = '10 a second'
ttl_ms = 0
roles = ['boss', 'admin']
[[command]]
name = 'window.toggle'
target = 't'
if_offline = 'wait'
safety = 'high'
short = [
  { part = 'window', action = 'open', args = { position = 1 } },
  { part = 'window', action = 'Open' },
]
[command.args]
type = 'object'
properties = { position = { type = 'string' } }
[[command]]
target = 'u'
colour = 'red'
[command.args]
type = 'objekt'
";
    let found = mistakes(text);
    let lines: Vec<_> = found.iter().map(|(line, key, _)| (*line, key.as_str())).collect();
    assert_eq!(
        lines,
        [
            (1, "alow_unlisted"),
            (2, "command[0].target"),
            (4, "command[0].policy"),
            (5, "command[0].rate"),
            (6, "command[0].ttl_ms"),
            (7, "command[0].roles"),
            (9, "command[1].name"),
            (11, "command[1].if_offline"),
            (12, "command[1].safety"),
            (14, "command[1].short[0].args"),
            (15, "command[1].short[1].args"),
            (20, "command[2].name"),
            (22, "command[2].colour"),
            (23, "command[2].args"),
        ],
        "{found:#?}"
    );
    assert!(found[0].2.contains("allow_unlisted"), "{}", found[0].2);
    assert!(found[9].2.contains("/position"), "{}", found[9].2);
}

#[test]
fn dates_and_lists_of_tables_are_understood_or_told() {
    let found = mistakes(
        "[[command]]\nname = 'a'\nshort = [{ part = 'p', action = 'q', args = { at = 2026-01-01 } }]\n",
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].2.contains("date"), "{found:?}");
    let schema = "[[command]]\nname = 'a'\n[command.args]\ntype = 'object'\n[[command.args.allOf]]\nrequired = ['x']\n";
    let args = Object::from([("x".into(), Value::Null)]);
    let entry = taken(schema).entry("a").expect("it is listed");
    assert!(entry.args.check(&args).is_ok());
    assert!(entry.args.check(&Object::new()).is_err());
}

#[test]
fn the_configuration_names_it_and_tells_its_mistakes() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("commands.toml");
    std::fs::write(&file, "[[command]]\nname = 'a'\nttl_ms = 0\n").expect("it is written");
    let text = "[devices]\ncatalogue = 'commands.toml'\n";
    let found = super::super::Settings::parse(text, folder.path()).expect_err("it has a mistake");
    assert_eq!((found[0].line, found[0].key.as_str()), (2, "devices.catalogue"));
    assert!(
        found[0].wrong.contains("commands.toml:3: command[0].ttl_ms"),
        "{found:?}"
    );
    std::fs::write(&file, EXAMPLE).expect("it is written");
    let settings = super::super::Settings::parse(text, folder.path()).expect("it has none");
    assert_eq!(settings.devices.catalogue.as_deref(), Some(&*file));
    let catalogue = settings.devices.load(&LIMITS, false).expect("it is taken");
    assert!(catalogue.entry("window.set").is_some());
    let given = DeviceSettings {
        given: Some(folder.path().join("none.toml")),
        ..settings.devices
    };
    assert!(given.load(&LIMITS, true).is_err(), "what is given wins");
    assert!(
        DeviceSettings::default()
            .load(&LIMITS, true)
            .expect("a demo's")
            .entry("horn.honk")
            .is_some()
    );
    assert_eq!(
        DeviceSettings::default()
            .load(&LIMITS, false)
            .expect("none")
            .entries()
            .count(),
        0
    );
}
