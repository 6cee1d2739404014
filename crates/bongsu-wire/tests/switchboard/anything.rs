//! Whatever stands in a display's event it is heard or refused, once; and what is heard is the same when it is said again.

use bongsu_model::display::FromDisplay;
use bongsu_model::{Limits, Refusal, Timestamp};
use bongsu_wire::incoming::Incoming;
use bongsu_wire::socketio::chat::Chat;
use bongsu_wire::socketio::connection::Connection;
use bongsu_wire::socketio::engine::{Heard, Version};
use bongsu_wire::socketio::switchboard::client::{Saying, hear, say};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::common::rules;

const EVENTS: [&str; 6] = [
    "register_client",
    "heartbeat",
    "connection_check_response",
    "execution_result",
    "process_status",
    "reconnection_success",
];
const TOLD: [&str; 8] = [
    "registration_success",
    "registration_failed",
    "heartbeat_response",
    "connection_check",
    "execute_command",
    "stop_command",
    "server_shutdown",
    "server_error",
];

/// What the server makes of the one event that a packet is.
fn heard(packet: &str) -> Result<FromDisplay, Refusal> {
    let limits = Limits::DEFAULT;
    let mut connection = Connection::new(Version::V4, 1, None, Chat::new());
    let mut out = vec![];
    for text in ["0", packet] {
        out.clear();
        connection
            .hear(Heard::Text(text), &rules(&limits), &mut out)
            .unwrap();
    }
    match <[Incoming; 1]>::try_from(out) {
        Ok([Incoming::Display { said, .. }]) => Ok(said),
        Ok([Incoming::Refused { refusal, .. }]) => Err(refusal),
        other => panic!("{packet}: {other:?}"),
    }
}

/// A value as clients may write one, right or wrong.
fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1_000_000..1_000_000_i32).prop_map(|it| json!(f64::from(it) / 8.0)),
        "[ -~]{0,8}".prop_map(Value::from),
        "-?[0-9]{1,20}(\\.[0-9]{1,3})?".prop_map(Value::from),
        "[0-9a-f]{32}".prop_map(Value::from),
        prop::sample::select(vec!["starting", "running", "failed", "ok", "never", "TERM"])
            .prop_map(Value::from),
    ]
}

fn value(keys: &'static [&'static str]) -> impl Strategy<Value = Value> {
    scalar().prop_recursive(2, 8, 3, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map(prop::sample::select(keys), inner, 0..3).prop_map(|it| json!(it)),
        ]
    })
}

/// An object with a name, and some of these keys.
fn object(keys: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop::collection::hash_map(prop::sample::select(keys), value(keys), 0..6).prop_map(|fields| {
        let mut object = json!(fields);
        for name in ["name", "clientName"] {
            object[name] = "Display_01".into();
        }
        object
    })
}

const SAID: &[&str] = &[
    "clientType",
    "ip_address",
    "version",
    "capabilities",
    "token",
    "running",
    "status",
    "uptime",
    "process_count",
    "presetId",
    "commandId",
    "details",
    "running_processes",
    "preset_id",
    "pid",
];
const HEARD: &[&str] = &[
    "clientId",
    "message",
    "epoch",
    "heartbeatMs",
    "serverTime",
    "reason",
    "code",
    "status",
    "timestamp",
    "nextHeartbeatIn",
    "shouldReconnect",
    "command",
    "presetId",
    "commandId",
    "ttlMs",
    "issuedAt",
    "shell",
    "env",
    "stopSignal",
    "graceMs",
    "when",
    "runId",
    "reconnectAfter",
    "reconnect",
];

/// Whether a display's times are such as a double holds to the millisecond.
fn holds(said: &FromDisplay) -> bool {
    let short = |ms: Option<u64>| ms.is_none_or(|ms| ms < 1 << 42);
    match said {
        FromDisplay::Heartbeat(beat) => short(beat.uptime_ms),
        FromDisplay::Processes(processes) => processes.running.iter().all(|it| short(it.uptime_ms)),
        FromDisplay::Register(_)
        | FromDisplay::Alive { .. }
        | FromDisplay::Execution(_)
        | FromDisplay::Back { .. } => true,
    }
}

proptest! {
    #[test]
    fn a_display_is_heard_or_refused(event in prop::sample::select(&EVENTS[..]), data in object(SAID)) {
        let packet = format!("2{}", json!([event, data]));
        if let Ok(said) = heard(&packet)
            && holds(&said)
        {
            let saying = Saying { namespace: "/", ack: None, now: Timestamp(0) };
            let again = say(saying, &said);
            prop_assert_eq!(heard(again.strip_prefix('4').unwrap()), Ok(said), "{}", packet);
        }
    }

    #[test]
    fn a_display_survives_what_it_is_told(event in prop::sample::select(&TOLD[..]), data in object(HEARD)) {
        // Whatever is wrong is an error, and nothing else.
        let _ = hear(&format!("42{}", json!([event, data])), "/");
    }
}
