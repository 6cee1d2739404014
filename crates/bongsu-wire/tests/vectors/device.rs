//! What devices say and are told: one value, its JSON and its packet, in hex digits.

use std::sync::Arc;

use bongsu_model::device::{
    Command, CommandFrame, CommandId, CommandState, ConnectionEpoch, DeviceId, FromDevice, Hello, IfOffline,
    Object, Pace, Status, ToDevice, Value, Welcome, Word,
};
use bongsu_model::refusal::CloseCause;
use bongsu_model::{Closing, Code, Limits, Locale, Refusal, SessionId, Timestamp, Want};
use bongsu_wire::device::{Format, Heard, value};
use bongsu_wire::websocket::{Decoder, Heard as Frame, MessageLimits, Role};

use super::Sections;
use super::values::NOW;

const ID: CommandId = CommandId(0x0190_0000_0000_7000_8000_0000_0000_0029);
const EPOCH: ConnectionEpoch = ConnectionEpoch(7);
const LIMITS: &Limits = &Limits::DEFAULT;

pub(crate) fn vectors() -> Vec<(String, Sections)> {
    let mut vectors = Vec::new();
    for (name, about, value) in said() {
        vectors.push((format!("device_said_{name}"), spoken(about, &value)));
    }
    for (name, about, text) in wrong() {
        let Heard::Refused(refusal) = Format::Json.text(text, LIMITS).unwrap() else {
            panic!("{name}");
        };
        let sections = vec![
            ("about", about.into()),
            ("value", print(&refusal)),
            ("device_json", text.into()),
        ];
        vectors.push((format!("device_refused_{name}"), sections));
    }
    for (name, about, value) in told() {
        let epoch = if name.contains("before") {
            ConnectionEpoch(0)
        } else {
            EPOCH
        };
        vectors.push((format!("device_told_{name}"), said_to(about, &value, epoch)));
    }
    vectors
}

fn print(value: &impl std::fmt::Debug) -> String {
    format!("{value:#?}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn spoken(about: &str, said: &FromDevice) -> Sections {
    let [(_, text), (_, packet)] = Format::ALL.map(|format| format.say(said));
    let text = String::from_utf8(text).unwrap();
    let same = Heard::Said(said.clone());
    assert_eq!(Format::Json.text(&text, LIMITS).unwrap(), same);
    assert_eq!(Format::Proto.binary(&packet, LIMITS).unwrap(), same);
    vec![
        ("about", about.into()),
        ("value", print(said)),
        ("device_json", text),
        ("device_proto", hex(&packet)),
    ]
}

fn said_to(about: &str, said: &ToDevice, epoch: ConnectionEpoch) -> Sections {
    let [(text, closed), (packet, same_end)] =
        Format::ALL.map(|format| message(&format.frames(said, epoch, Locale::En)));
    assert_eq!(closed, same_end);
    let told = [(Format::Json, &text), (Format::Proto, &packet)].map(|(format, it)| format.told(it, LIMITS));
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].as_ref().unwrap().as_ref().unwrap().epoch, epoch);
    let mut sections = vec![
        ("about", about.into()),
        ("context", format!("epoch {epoch}\nlocale en")),
        ("value", print(said)),
        ("device_json", String::from_utf8(text).unwrap()),
        ("device_proto", hex(&packet)),
    ];
    sections.extend(closed.map(|close| ("close", close)));
    sections
}

/// The one message that frames of a server hold, and the close after it.
fn message(frames: &[u8]) -> (Vec<u8>, Option<String>) {
    let limits = MessageLimits {
        message_bytes_max: 1 << 24,
        fragments_max: 1,
    };
    let (mut messages, mut closed) = (Vec::new(), None);
    Decoder::new(Role::Client, false)
        .push(&mut frames.to_vec(), &limits, &mut |heard| match heard {
            Frame::Text(text) => messages.push(text.as_bytes().to_vec()),
            Frame::Binary(bytes) => messages.push(bytes.to_vec()),
            Frame::Close(close) => closed = close.map(|it| format!("{} {}", it.code, it.reason)),
            other @ (Frame::Ping(_) | Frame::Pong(_)) => panic!("{other:?}"),
        })
        .unwrap();
    assert_eq!(messages.len(), 1);
    (messages.remove(0), closed)
}

fn object(text: &str) -> Object {
    value::read_object(text, 32).unwrap()
}

fn car() -> DeviceId {
    DeviceId::parse("car-1234").unwrap()
}

fn word(status: Status) -> Word {
    Word {
        reply_to: ID,
        status,
        result: None,
        error: None,
        epoch: Some(EPOCH),
    }
}

type Said = (&'static str, &'static str, FromDevice);
type Told = (&'static str, &'static str, ToDevice);

fn said() -> Vec<Said> {
    [hellos(), words(), states()].concat()
}

fn hellos() -> Vec<Said> {
    let hello = Hello {
        device: car(),
        kind: None,
        version: None,
        capabilities: Vec::new(),
        reported: None,
        reported_version: None,
        running: Vec::new(),
        clock: None,
        token: None,
    };
    let full = Hello {
        kind: Some("vehicle".into()),
        version: Some("1.4.0".into()),
        capabilities: vec!["window.set".into(), "door.set".into()],
        reported: Some(object(r#"{"window":{"position":"closed"}}"#)),
        reported_version: Some(41),
        running: vec![ID],
        clock: Some(Timestamp(1_704_110_400_000)),
        token: Some("abc".into()),
        ..hello.clone()
    };
    vec![
        ("hello", "A device comes.", FromDevice::Hello(Box::new(hello))),
        (
            "hello_full",
            "A device comes back and says all that it can.",
            FromDevice::Hello(Box::new(full)),
        ),
    ]
}

fn words() -> Vec<Said> {
    let done = Word {
        result: Some(object(r#"{"position":"open"}"#).into()),
        ..word(Status::Ok)
    };
    let failed = Word {
        error: Some(object(r#"{"code":"JAMMED","message":"창문이 걸렸습니다"}"#).into()),
        ..word(Status::Failed)
    };
    let rejected = Word {
        error: Some("expired".into()),
        epoch: None,
        ..word(Status::Rejected)
    };
    vec![
        (
            "received",
            "The device has the command.",
            FromDevice::Word(word(Status::Received)),
        ),
        (
            "in_progress",
            "The device is at it.",
            FromDevice::Word(word(Status::InProgress)),
        ),
        ("ok", "It is done.", FromDevice::Word(done)),
        ("failed", "It was tried in vain.", FromDevice::Word(failed)),
        ("rejected", "It came too late.", FromDevice::Word(rejected)),
    ]
}

fn states() -> Vec<Said> {
    let measured = object(
        r#"{"speed":63.4,"battery_level":85,"latitude":37.566535,"longitude":126.977969,"doors":["locked",null],"trips":18446744073709551615}"#,
    );
    let reported = |version, state: &str| FromDevice::Reported {
        version,
        state: object(state),
    };
    vec![
        (
            "heartbeat",
            "The device is there.",
            FromDevice::Heartbeat { clock: None },
        ),
        (
            "heartbeat_clock",
            "The device is there, and says what its clock shows.",
            FromDevice::Heartbeat {
                clock: Some(Timestamp(1_704_110_400_000)),
            },
        ),
        (
            "telemetry",
            "What a car measures.",
            FromDevice::Telemetry(measured),
        ),
        (
            "reported",
            "A window is open, and a roof is gone.",
            reported(Some(42), r#"{"window":{"position":"open"},"roof":null}"#),
        ),
        (
            "reported_empty",
            "Nothing to report, of no version.",
            reported(None, "{}"),
        ),
        (
            "auth_update",
            "A new token.",
            FromDevice::AuthUpdate { token: "abc".into() },
        ),
    ]
}

/// What is not understood; the session goes on.
fn wrong() -> Vec<(&'static str, &'static str, &'static str)> {
    vec![
        (
            "type_missing",
            "Neither a type nor a reply.",
            r#"{"status":"ok"}"#,
        ),
        ("type_unknown", "No such type.", r#"{"type":"open_window"}"#),
        (
            "reply_to",
            "No id of a command.",
            r#"{"reply_to":"req_123","status":"ok"}"#,
        ),
        (
            "status",
            "No such status.",
            r#"{"reply_to":"01900000000070008000000000000029","status":"done"}"#,
        ),
        (
            "device_id",
            "No id of a device.",
            r#"{"type":"hello","device_id":"차 1234"}"#,
        ),
        (
            "key_twice",
            "A key of the state stands twice.",
            r#"{"type":"state.reported","state":{"a":1,"a":2}}"#,
        ),
        (
            "number",
            "A number that no double holds.",
            r#"{"type":"telemetry","data":{"speed":1e999}}"#,
        ),
        ("not_json", "Balanced, and no JSON.", r#"{"type":"heartbeat",}"#),
    ]
}

fn command(attempt: u32) -> ToDevice {
    let command = Command {
        id: ID,
        device: car(),
        name: "window.set".into(),
        args: object(r#"{"position":"open"}"#),
        target: Some("window".into()),
        pace: Pace::LatestWins,
        if_offline: IfOffline::Fail,
        by: "operator".into(),
        from: None,
        at: NOW,
        deadline: NOW.plus_ms(5_000),
        execution_ms: 300_000,
        state: CommandState::Routed,
        since: NOW,
        epoch: EPOCH,
        result: None,
        error: None,
        late: None,
        history: Vec::new(),
    };
    ToDevice::Command(CommandFrame {
        command: Arc::new(command),
        attempt,
    })
}

fn told() -> Vec<Told> {
    [frames(), ends()].concat()
}

fn frames() -> Vec<Told> {
    let welcome = |delta, clock| {
        ToDevice::Welcome(Box::new(Welcome {
            session: SessionId(0x0190_0000_0000_7000_8000_0000_0000_0001),
            epoch: EPOCH,
            heartbeat_ms: 15_000,
            server_time: NOW,
            clock,
            delta,
        }))
    };
    let wish = object(r#"{"window":{"position":"closed"},"roof":null}"#);
    let exact = Value::Object(object(r#"{"a":-0.0,"b":1.0,"c":9007199254740993,"d":5e-324}"#));
    vec![
        ("welcome", "The session has begun.", welcome(None, None)),
        (
            "welcome_delta",
            "The session has begun, and the device is not as it should be.",
            welcome(Some((42, wish.clone())), Some(Timestamp(1_704_110_400_000))),
        ),
        ("command", "Do this.", command(0)),
        ("command_again", "The same for the third time.", command(2)),
        (
            "delta",
            "Become this.",
            ToDevice::Delta {
                version: 43,
                state: wish,
            },
        ),
        (
            "delta_exact",
            "Numbers arrive as they are.",
            ToDevice::Delta {
                version: 44,
                state: Object::from([("numbers".into(), exact)]),
            },
        ),
        (
            "heartbeat_plain",
            "The answer to a heartbeat that says no clock.",
            ToDevice::Heartbeat {
                server_time: NOW,
                clock: None,
            },
        ),
        (
            "heartbeat",
            "The answer to a heartbeat.",
            ToDevice::Heartbeat {
                server_time: NOW,
                clock: Some(Timestamp(1_704_110_400_000)),
            },
        ),
    ]
}

fn ends() -> Vec<Told> {
    let closing = |cause| ToDevice::Closing(Closing::new(cause));
    vec![
        (
            "auth_updated",
            "The new token is in force.",
            ToDevice::AuthUpdated {
                expires_at: NOW.plus_ms(3_600_000),
            },
        ),
        (
            "token_expiring",
            "The token ends soon.",
            ToDevice::TokenExpiring {
                expires_at: NOW.plus_ms(60_000),
            },
        ),
        (
            "refused_field",
            "A field was wrong.",
            ToDevice::Refused(Refusal::field("reply_to", Want::Hex(32))),
        ),
        (
            "refused_rate",
            "Too much at once.",
            ToDevice::Refused(Refusal::retry(Code::RateLimited, 50)),
        ),
        (
            "refused_reason",
            "A token was not taken.",
            ToDevice::Refused(Refusal::because(Code::InvalidToken, "expired")),
        ),
        (
            "refused_before",
            "Something was wrong before there was a session.",
            ToDevice::Refused(Refusal::field("device_id", Want::Present)),
        ),
        (
            "closing_busy",
            "Not now.",
            closing(CloseCause::Refused(Refusal::retry(Code::Overloaded, 1_500))),
        ),
        (
            "closing_replaced",
            "A newer session took this one's place.",
            closing(CloseCause::Replaced),
        ),
        (
            "closing_idle",
            "Three heartbeats were missed.",
            closing(CloseCause::Idle),
        ),
        (
            "closing_stop",
            "The gateway stops.",
            closing(CloseCause::ShuttingDown),
        ),
        (
            "closing_before",
            "No session: the token has expired.",
            closing(CloseCause::Refused(Refusal::because(
                Code::InvalidToken,
                "expired",
            ))),
        ),
    ]
}
