//! One test for each rule of the catalogue, and one for each way in which a call is refused.

use super::*;

const LIMITS: Limits = Limits::DEFAULT;

/// Takes `position` and nothing else.
struct Position;

impl ArgsCheck for Position {
    fn check(&self, args: &Object) -> Result<(), ArgsWrong> {
        match args.get("position") {
            Some(Value::Text(text)) if matches!(&**text, "open" | "closed") => Ok(()),
            _ => Err(ArgsWrong {
                pointer: "/position".into(),
                says: "it is neither open nor closed".into(),
            }),
        }
    }
}

fn plain(name: &str) -> Entry {
    Entry::plain(name.into(), &LIMITS)
}

fn short(part: &str, action: &str, position: &str) -> Short {
    Short {
        part: part.into(),
        action: action.into(),
        args: Object::from([("position".into(), position.into())]),
    }
}

fn window() -> Entry {
    Entry {
        target: Some("window".into()),
        short: vec![
            short("window", "open", "open"),
            short("window", "close", "closed"),
        ],
        pace: Pace::LatestWins,
        args: Arc::new(Position),
        ..plain("window.set")
    }
}

fn wrong(entries: Vec<Entry>) -> Vec<(usize, &'static str, CatalogueWrong)> {
    let faults = Catalogue::new(entries, false, &LIMITS).expect_err("it has mistakes");
    faults
        .into_iter()
        .map(|it| (it.entry, it.key, it.wrong))
        .collect()
}

fn one_wrong(entry: Entry) -> (&'static str, CatalogueWrong) {
    let mut faults = wrong(vec![entry]);
    assert_eq!(faults.len(), 1, "{faults:?}");
    let (_, key, wrong) = faults.remove(0);
    (key, wrong)
}

fn catalogue(entries: Vec<Entry>) -> Catalogue {
    Catalogue::new(entries, false, &LIMITS).expect("it has no mistakes")
}

#[test]
fn names_are_names_and_each_has_one_command() {
    assert_eq!(one_wrong(plain("Window")), ("name", CatalogueWrong::Name));
    assert_eq!(
        wrong(vec![plain("a"), plain("b"), plain("a")]),
        [(2, "name", CatalogueWrong::NameTaken)]
    );
    let target = Entry {
        target: Some("The window".into()),
        ..plain("window.set")
    };
    assert_eq!(one_wrong(target), ("target", CatalogueWrong::Name));
}

#[test]
fn what_turns_round_needs_a_target() {
    for name in [
        "window.toggle",
        "toggle",
        "lock_flip",
        "light-switch",
        "screen.invert",
    ] {
        let (key, wrong) = one_wrong(plain(name));
        assert_eq!((key, wrong), ("target", CatalogueWrong::Toggle(name.into())));
        let with = Entry {
            target: Some("it".into()),
            ..plain(name)
        };
        catalogue(vec![with]);
    }
    let action = Entry {
        short: vec![Short {
            part: "window".into(),
            action: "toggle".into(),
            args: Object::new(),
        }],
        ..plain("window.move")
    };
    assert_eq!(
        one_wrong(action),
        ("target", CatalogueWrong::Toggle("toggle".into()))
    );
    catalogue(vec![plain("toggled")]);
}

#[test]
fn policy_and_target_go_together() {
    let newest = Entry {
        pace: Pace::LatestWins,
        ..plain("a")
    };
    assert_eq!(one_wrong(newest), ("policy", CatalogueWrong::LatestWinsOfNothing));
    let target = |name, pace| Entry {
        target: Some("t".into()),
        pace,
        ..plain(name)
    };
    assert_eq!(
        one_wrong(target("a", Pace::Parallel(2))),
        ("policy", CatalogueWrong::ParallelTarget)
    );
    assert_eq!(
        wrong(vec![target("a", Pace::LatestWins), target("b", Pace::Serial)]),
        [(1, "policy", CatalogueWrong::Paces("a".into()))]
    );
    catalogue(vec![target("a", Pace::Serial), target("b", Pace::Serial)]);
    let parallel = |n| Entry {
        pace: Pace::Parallel(n),
        ..plain("a")
    };
    for n in [0, 65] {
        assert_eq!(one_wrong(parallel(n)), ("policy", CatalogueWrong::Parallel(64)));
    }
    for n in [1, 64] {
        catalogue(vec![parallel(n)]);
    }
}

#[test]
fn times_and_rates_are_within_limits() {
    let most = LIMITS.command_ttl_max_ms;
    for (ms, right) in [(0, false), (1, true), (most, true), (most + 1, false)] {
        let ttl = Entry {
            ttl_ms: Some(ms),
            ..plain("a")
        };
        let execution = Entry {
            execution_ms: ms,
            ..plain("a")
        };
        if right {
            catalogue(vec![ttl]);
            catalogue(vec![execution]);
        } else {
            assert_eq!(one_wrong(ttl), ("ttl_ms", CatalogueWrong::Time(most)));
            assert_eq!(one_wrong(execution), ("execution_ms", CatalogueWrong::Time(most)));
        }
    }
    let debounce = Entry {
        debounce_ms: most + 1,
        ..plain("a")
    };
    assert_eq!(
        one_wrong(debounce),
        ("debounce_ms", CatalogueWrong::Debounce(most))
    );
    let rate = Entry {
        rate: Some(Rate::within(0, 1_000)),
        ..plain("a")
    };
    assert_eq!(one_wrong(rate), ("rate", CatalogueWrong::Rate));
    let schema = Entry {
        schema: Value::text(&"x".repeat(LIMITS.command_args_bytes_max)),
        ..plain("a")
    };
    let most = LIMITS.command_args_bytes_max;
    assert_eq!(one_wrong(schema), ("args", CatalogueWrong::Schema(most)));
}

#[test]
fn somebody_may_send_it() {
    let nobody = Entry {
        roles: Vec::new(),
        ..plain("a")
    };
    assert_eq!(one_wrong(nobody), ("roles", CatalogueWrong::Roles));
}

#[test]
fn a_short_form_stands_for_one_command_and_says_what_that_takes() {
    let twice = Entry {
        name: "window.move".into(),
        target: None,
        pace: Pace::Serial,
        short: vec![short("window", "open", "open")],
        ..window()
    };
    assert_eq!(
        wrong(vec![window(), twice]),
        [(
            1,
            "short",
            CatalogueWrong::ShortTaken {
                part: "window".into(),
                action: "open".into(),
                name: "window.set".into()
            }
        )]
    );
    let ajar = Entry {
        short: vec![short("window", "open", "open"), short("window", "tilt", "ajar")],
        ..window()
    };
    let faults = Catalogue::new(vec![ajar], false, &LIMITS).expect_err("ajar is no position");
    assert_eq!(faults.len(), 1);
    assert_eq!((faults[0].key, faults[0].item), ("short", Some(1)));
    assert!(matches!(faults[0].wrong, CatalogueWrong::ShortArgs { .. }));
    let named = Entry {
        short: vec![short("Window", "open", "open")],
        ..window()
    };
    assert_eq!(one_wrong(named), ("short", CatalogueWrong::Name));
    let many = Entry {
        short: (0..=SHORTS_MAX)
            .map(|n| short("window", &format!("open{n}"), "open"))
            .collect(),
        ..window()
    };
    assert_eq!(one_wrong(many), ("short", CatalogueWrong::TooManyShorts));
}

#[test]
fn all_mistakes_come_at_once() {
    let bad = Entry {
        ttl_ms: Some(0),
        roles: Vec::new(),
        ..plain("Toggle me")
    };
    assert_eq!(wrong(vec![bad, plain("B")]).len(), 4);
    let many = (0..=ENTRIES_MAX).map(|n| plain(&format!("c{n}"))).collect();
    assert_eq!(
        wrong(many),
        [(ENTRIES_MAX + 1, "command", CatalogueWrong::TooMany)]
    );
}

#[test]
fn a_call_passes_or_is_refused_for_one_reason() {
    let steering = Entry {
        safety: Safety::Critical,
        ..plain("steering.set")
    };
    let catalogue = catalogue(vec![window(), steering, plain("horn.honk")]);
    let args = |position: &str| Object::from([("position".into(), position.into())]);
    let call = |name, position: &str, role| {
        catalogue
            .call(name, &args(position), role)
            .map(|it| it.name.to_string())
    };
    assert_eq!(
        call("window.set", "open", Role::Service),
        Ok("window.set".to_owned())
    );
    assert_eq!(
        call("door.set", "open", Role::Admin),
        Err(Refusal::because(Code::CommandRefused, "unlisted"))
    );
    for role in Role::ALL {
        assert_eq!(
            call("steering.set", "open", role),
            Err(Refusal::because(Code::CommandRefused, "safety_critical"))
        );
    }
    for role in [Role::User, Role::Device] {
        assert_eq!(
            call("window.set", "open", role),
            Err(Refusal::new(Code::PermissionDenied))
        );
    }
    let refusal = call("window.set", "ajar", Role::Admin).expect_err("ajar is no position");
    assert_eq!(refusal.code, Code::InvalidData);
    assert!(matches!(&refusal.why, Why::Argument { pointer, .. } if &**pointer == "/position"));
    let long = "x".repeat(LIMITS.command_args_bytes_max);
    assert_eq!(
        call("horn.honk", &long, Role::Admin),
        Err(Refusal::too_large("args", LIMITS.command_args_bytes_max as u64))
    );
}

#[test]
fn what_is_not_listed_passes_where_the_catalogue_says_so() {
    let open = Catalogue::new(vec![window()], true, &LIMITS).expect("it has no mistakes");
    let entry = open
        .call("seat.heat", &Object::new(), Role::Service)
        .expect("it passes");
    assert_eq!((entry.target.clone(), entry.pace), (None, Pace::Serial));
    assert!(open.entry("seat.heat").is_none());
    let refusal = open.call("Seat heat", &Object::new(), Role::Service);
    assert_eq!(refusal.expect_err("no name").code, Code::InvalidData);
    let refusal = open.call("seat.heat", &Object::new(), Role::User);
    assert_eq!(refusal.expect_err("no user").code, Code::PermissionDenied);
}

#[test]
fn a_short_form_is_found() {
    let catalogue = catalogue(vec![window()]);
    let (entry, args) = catalogue.short("window", "close").expect("it is there");
    assert_eq!(
        (&*entry.name, args["position"].as_text()),
        ("window.set", Some("closed"))
    );
    assert!(catalogue.short("window", "break").is_none());
    assert!(catalogue.short("door", "open").is_none());
}

#[test]
fn a_command_without_arguments_takes_none() {
    assert_eq!(NoArgs.check(&Object::new()), Ok(()));
    let wrong = NoArgs
        .check(&Object::from([("a/b".into(), Value::Null)]))
        .expect_err("one is there");
    assert_eq!(&*wrong.pointer, "/a~1b");
}
