//! What one side writes the other reads back as the same, in both namespaces.

use std::sync::Arc;

use bongsu_model::device::{Number, Object, Value};
use bongsu_model::display::{
    Beat, Doing, Execute, Execution, FromDisplay, PresetId, Process, Processes, Program, Registration, Stop,
    StopSignal, ToDisplay,
};
use bongsu_model::refusal::CloseCause;
use bongsu_model::{
    Closing, Code, CommandId, ConnectionEpoch, DeviceId, Limits, Locale, Reconnect, Refusal, Tag, Timestamp,
};
use bongsu_wire::incoming::Incoming;
use bongsu_wire::socketio::chat::{Chat, ChatVoice, Manner};
use bongsu_wire::socketio::connection::Connection;
use bongsu_wire::socketio::engine::{Heard, Version};
use bongsu_wire::socketio::switchboard::NAMESPACE;
use bongsu_wire::socketio::switchboard::client::{
    Order, Problem, Registered, Said, Saying, StopOrder, alive, hear, say,
};
use proptest::prelude::*;

use super::common::{TEXT, frames, rules};

const NOW: Timestamp = Timestamp(1_704_110_400_123);

fn saying(namespace: &str, ack: Option<u64>) -> Saying<'_> {
    Saying {
        namespace,
        ack,
        now: NOW,
    }
}

/// What the server makes of a client's packet.
fn heard(namespace: &str, packet: &str) -> (Tag, FromDisplay) {
    let limits = Limits::DEFAULT;
    let mut connection = Connection::new(Version::V4, 1, None, Chat::new());
    let mut out = vec![];
    for packet in [&*format!("40{namespace},"), packet] {
        out.clear();
        let text = packet.strip_prefix('4').unwrap();
        connection
            .hear(Heard::Text(text), &rules(&limits), &mut out)
            .unwrap();
    }
    match <[Incoming; 1]>::try_from(out) {
        Ok([Incoming::Display { tag, said }]) => (tag, said),
        other => panic!("{packet}: {other:?}"),
    }
}

fn told(tag: &Tag, said: &ToDisplay, namespace: &str) -> Vec<Said> {
    let bytes = ChatVoice::new(Manner::FIRST).display(tag, said, Locale::Ko, NOW);
    let texts = frames(&bytes.unwrap_or_default())
        .into_iter()
        .filter(|(kind, _)| *kind == TEXT);
    texts
        .map(|(_, text)| hear(&String::from_utf8(text).unwrap(), namespace).unwrap())
        .collect()
}

fn text() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![
        "[ -~]{0,12}",
        Just("디스플레이 \"01\"\\\n\u{1}\u{2028}😀".to_owned()),
    ]
    .prop_map(Into::into)
}

fn name() -> impl Strategy<Value = Arc<str>> {
    prop_oneof!["[A-Za-z0-9._:-]{1,128}", "[가-힣 ]{1,40}"].prop_map(Into::into)
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::Int),
        (i64::MAX.unsigned_abs() + 1..).prop_map(Number::Uint),
        (-1e9..1e9_f64).prop_map(|it| Number::Float(it + 0.5)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number().prop_map(Value::Number),
        text().prop_map(Value::Text),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|it| Value::List(it.into())),
            prop::collection::btree_map(text(), inner, 0..3).prop_map(Value::Object),
        ]
    })
}

fn object() -> impl Strategy<Value = Object> {
    prop::collection::btree_map(text(), value(), 0..4)
}

fn command() -> impl Strategy<Value = CommandId> {
    any::<u128>().prop_map(CommandId)
}

fn preset() -> impl Strategy<Value = Option<PresetId>> {
    prop::option::of(any::<i64>().prop_map(PresetId))
}

/// So long a time that a double holds it to the millisecond.
fn ms() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(0..1_u64 << 42)
}

fn count() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(0..=i64::MAX.unsigned_abs())
}

fn registration() -> impl Strategy<Value = FromDisplay> {
    let words = || prop::option::of(text());
    (
        name(),
        (words(), words(), words()),
        prop::collection::vec(text(), 0..4),
        prop::option::of("[ -~]{1,40}"),
        prop::collection::vec(command(), 0..4),
    )
        .prop_map(
            |(name, (client, address, version), capabilities, token, running)| {
                FromDisplay::Register(Box::new(Registration {
                    name,
                    client,
                    address,
                    version,
                    capabilities,
                    token: token.map(Into::into),
                    certificate: None,
                    running,
                }))
            },
        )
}

fn process() -> impl Strategy<Value = Process> {
    (preset(), prop::option::of(command()), count(), ms()).prop_map(|(preset, command, pid, uptime_ms)| {
        Process {
            preset,
            command,
            pid,
            uptime_ms,
        }
    })
}

fn from_display() -> impl Strategy<Value = FromDisplay> {
    let word = || prop::option::of(text());
    let doing = prop::sample::select(Doing::NAMES).prop_map(|it| Doing::parse(it).unwrap());
    prop_oneof![
        registration(),
        (name(), word(), ms(), count()).prop_map(|(name, status, uptime_ms, processes)| {
            FromDisplay::Heartbeat(Beat {
                name,
                status,
                uptime_ms,
                processes,
            })
        }),
        name().prop_map(|name| FromDisplay::Alive { name }),
        name().prop_map(|name| FromDisplay::Back { name }),
        (name(), doing, preset(), prop::option::of(command()), object()).prop_map(
            |(name, status, preset, command, details)| {
                FromDisplay::Execution(Box::new(Execution {
                    name,
                    status,
                    preset,
                    command,
                    details,
                }))
            }
        ),
        (name(), word(), prop::collection::vec(process(), 0..4)).prop_map(|(name, status, running)| {
            FromDisplay::Processes(Processes {
                name,
                status,
                running,
            })
        }),
    ]
}

fn device() -> impl Strategy<Value = DeviceId> {
    "[A-Za-z0-9._:-]{1,128}".prop_map(|it| DeviceId::parse(&it).unwrap())
}

fn moment() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp)
}

fn program() -> impl Strategy<Value = Program> {
    let signal = prop::sample::select(StopSignal::NAMES).prop_map(|it| StopSignal::parse(it).unwrap());
    (
        text(),
        any::<bool>(),
        prop::option::of(text()),
        prop::collection::btree_map(text(), text(), 0..4),
        prop::option::of(signal),
        count(),
    )
        .prop_map(|(line, shell, cwd, env, stop_signal, grace_ms)| Program {
            line,
            shell,
            cwd,
            env,
            stop_signal,
            grace_ms,
        })
}

fn execute() -> impl Strategy<Value = Execute> {
    (
        (command(), device(), preset(), program()),
        (moment(), 0..=i64::MAX.unsigned_abs(), prop::option::of(moment())),
    )
        .prop_map(
            |((command, name, preset, program), (issued_at, ttl_ms, start_at))| Execute {
                command,
                name,
                preset,
                program,
                issued_at,
                ttl_ms,
                start_at,
            },
        )
}

fn order(it: &Execute) -> Box<Order> {
    Box::new(Order {
        command: Some(it.command),
        name: Arc::clone(it.name.shared()),
        preset: it.preset,
        program: it.program.clone(),
        issued_at: Some(it.issued_at),
        ttl_ms: Some(it.ttl_ms),
        when: it.start_at,
    })
}

fn of(namespace: &str, ack: Option<u64>) -> Tag {
    Tag {
        reference: ack.map(|it| format!("#{it}").into()),
        verb: Some(format!("{namespace} register_client").into()),
    }
}

proptest! {
    #[test]
    fn what_a_display_says_is_heard(said in from_display(), main: bool, ack in prop::option::of(0..1_u64 << 53)) {
        let namespace = if main { "/" } else { NAMESPACE };
        let packet = say(saying(namespace, ack), &said);
        let (tag, again) = heard(namespace, &packet);
        prop_assert_eq!(again, said, "{}", packet);
        let awaited = ack.map(|it| format!("#{it}"));
        prop_assert_eq!(tag.reference.as_deref(), awaited.as_deref());
        let place = format!("{namespace} ");
        prop_assert!(tag.verb.unwrap().starts_with(&place));
    }

    #[test]
    fn what_a_display_is_to_run_is_read(it in execute(), main: bool, ack in prop::option::of(0..1_u64 << 53)) {
        let namespace = if main { "/" } else { NAMESPACE };
        let tag = of(namespace, ack);
        let expected = order(&it);
        let it = Box::new(it);
        prop_assert_eq!(told(&tag, &ToDisplay::Execute(it.clone()), namespace), [Said::Execute(expected.clone())]);
        prop_assert_eq!(told(&tag, &ToDisplay::Prepare(it.clone()), namespace), [Said::Prepare(expected)]);
        let elsewhere = if main { NAMESPACE } else { "/" };
        prop_assert_eq!(told(&tag, &ToDisplay::Execute(it), elsewhere), [Said::Other]);
    }

    #[test]
    fn what_a_display_is_to_stop_is_read(
        command in command(), name in device(), preset in preset(), run in prop::option::of(command()), grace_ms in count(),
    ) {
        let stop = Stop { command, name: name.clone(), preset, run, grace_ms };
        let expected = StopOrder { command: Some(command), name: Arc::clone(name.shared()), preset, run, grace_ms };
        prop_assert_eq!(told(&of("/", None), &ToDisplay::Stop(stop), "/"), [Said::Stop(expected)]);
    }
}

#[test]
fn how_a_session_stands_is_read() {
    let name = DeviceId::parse("Display_01").unwrap();
    let tag = of(NAMESPACE, Some(7));
    let registered = ToDisplay::Registered {
        client: 123,
        name: name.clone(),
        epoch: ConnectionEpoch(5),
        heartbeat_ms: 30_000,
    };
    let taken = Said::Ack { id: 7, taken: Ok(()) };
    assert_eq!(
        told(&tag, &registered, NAMESPACE),
        [
            taken.clone(),
            Said::Registered(Registered {
                client: Some(123),
                name: "Display_01".into(),
                message: "클라이언트 등록이 완료되었습니다.".into(),
                epoch: Some(ConnectionEpoch(5)),
                heartbeat_ms: Some(30_000),
                server_time: Some(NOW),
            })
        ]
    );
    assert_eq!(told(&tag, &ToDisplay::Taken, NAMESPACE), [taken]);
    let beat = told(&of("/", None), &ToDisplay::Beat { next_ms: 30_000 }, "/");
    assert_eq!(
        beat,
        [Said::Beat {
            server_time: Some(NOW),
            next_ms: Some(30_000)
        }]
    );
    let [
        Said::Check {
            timestamp: Some(timestamp),
        },
    ] = &told(&tag, &ToDisplay::Check, NAMESPACE)[..]
    else {
        panic!("a check")
    };
    let answer = alive(saying(NAMESPACE, None), name.as_str(), Some(timestamp));
    assert!(answer.contains(r#""received_at":1704110400.123"#), "{answer}");
    assert_eq!(
        heard(NAMESPACE, &answer).1,
        FromDisplay::Alive {
            name: "Display_01".into()
        }
    );
    let shutdown = &told(
        &tag,
        &ToDisplay::Shutdown {
            reconnect_after_ms: 4_321,
        },
        NAMESPACE,
    )[..];
    assert!(matches!(
        shutdown,
        [Said::Shutdown {
            reconnect_after_ms: Some(4_321),
            ..
        }]
    ));
}

#[test]
fn what_is_refused_is_read() {
    let busy = Refusal::retry(Code::Overloaded, 1_500);
    let tag = of("/", Some(7));
    let said = told(&tag, &ToDisplay::NotRegistered(busy.clone()), "/");
    let [
        Said::Ack {
            id: 7,
            taken: Err(problem),
        },
        Said::NotRegistered {
            code, retry_after_ms, ..
        },
    ] = &said[..]
    else {
        panic!("{said:?}")
    };
    assert_eq!(
        (&*problem.code, problem.retry_after_ms),
        ("OVERLOADED", Some(1_500))
    );
    assert_eq!(
        (code.as_deref(), *retry_after_ms),
        (Some("OVERLOADED"), Some(1_500))
    );
    let said = told(
        &of("/", None),
        &ToDisplay::NotBeat(Refusal::new(Code::NotAuthenticated)),
        "/",
    );
    assert!(
        matches!(
            &said[..],
            [Said::NotBeat {
                should_reconnect: true,
                code: Some(_),
                ..
            }]
        ),
        "{said:?}"
    );
    let said = told(&of("/", None), &ToDisplay::Refused(busy), "/");
    assert!(
        matches!(&said[..], [Said::Error(Problem { reconnect: None, .. })]),
        "{said:?}"
    );
    let closing = |cause| told(&tag, &ToDisplay::Closed(Closing::new(cause)), "/");
    let said = closing(CloseCause::Replaced);
    let never = Some(Reconnect::Never);
    assert!(
        matches!(&said[..], [Said::Error(problem), Said::Disconnected] if problem.reconnect == never),
        "{said:?}"
    );
    let said = closing(CloseCause::Idle);
    assert!(
        matches!(&said[..], [Said::Error(problem)] if problem.reconnect == Some(Reconnect::Now)),
        "{said:?}"
    );
}

#[test]
fn a_server_that_knows_only_the_guide_is_understood() {
    let hear = |packet| hear(packet, "/").unwrap();
    let registered =
        hear(r#"42["registration_success",{"clientId":123,"clientName":"Display_01","message":"m"}]"#);
    let Said::Registered(registered) = registered else {
        panic!("{registered:?}")
    };
    assert_eq!(
        (registered.client, registered.epoch, registered.heartbeat_ms),
        (Some(123), None, None)
    );
    let order =
        hear(r#"42["execute_command",{"clientName":"Display_01","command":"x -f","presetId":"456"}]"#);
    let Said::Execute(order) = order else {
        panic!("{order:?}")
    };
    assert_eq!(
        (order.command, order.preset, order.ttl_ms),
        (None, Some(PresetId(456)), None)
    );
    assert!(order.program.shell, "the guide's clients give a line to a shell");
    let stop = hear(r#"42["stop_command",{"clientName":"Display_01","presetId":456}]"#);
    assert!(matches!(
        stop,
        Said::Stop(StopOrder {
            command: None,
            preset: Some(PresetId(456)),
            run: None,
            ..
        })
    ));
    assert_eq!(
        hear(
            r#"42["heartbeat_response",{"status":"error","timestamp":"2024-01-15T10:30:00.000Z","message":"m","shouldReconnect":true}]"#
        ),
        Said::NotBeat {
            should_reconnect: true,
            code: None,
            message: "m".into()
        }
    );
    assert_eq!(
        hear(r#"42["registration_failed",{"reason":"r","message":"m"}]"#),
        Said::NotRegistered {
            code: None,
            reason: "r".into(),
            message: "m".into(),
            retry_after_ms: None
        }
    );
}

#[test]
fn how_it_stands_with_a_namespace_is_read() {
    let hear = |packet| hear(packet, "/").unwrap();
    for packet in ["40", r#"40{"sid":"x"}"#] {
        assert_eq!(hear(packet), Said::Connected);
    }
    for packet in [
        r#"44{"message":"no"}"#,
        r#"44"no""#,
        r#"44{"message":"no","data":{"odd":1}}"#,
    ] {
        let Said::NotConnected { problem } = hear(packet) else {
            panic!("{packet}")
        };
        assert_eq!(&*problem.message, "no", "{packet}");
    }
    for packet in [
        "2",
        "3",
        "6",
        r#"42["chat.message",{}]"#,
        r#"42/chat,["execute_command",{}]"#,
        "40/chat,",
    ] {
        assert_eq!(hear(packet), Said::Other, "{packet}");
    }
}

#[test]
fn what_no_server_says_is_an_error() {
    for packet in [
        "",
        "9",
        "42[",
        r#"42["execute_command",{}]"#,
        r#"42["execute_command",{"clientName":"d","command":"x","commandId":"x"}]"#,
        r#"42["execute_command",{"clientName":"d","command":"x","env":{"A":1}}]"#,
        r#"42["execute_command",{"clientName":"d","command":"x","stopSignal":"STOP"}]"#,
        r#"42["stop_command",[]]"#,
        r#"42["heartbeat_response",{}]"#,
        r#"42["server_shutdown",{"reconnectAfter":-1}]"#,
    ] {
        assert!(hear(packet, "/").is_err(), "{packet}");
    }
}
