//! What is wrong is refused alike in both formats, under the same names; what is no frame at all ends the session.

use bongsu_model::refusal::{CloseCause, Malformed};
use bongsu_model::{Code, Fatal, Limits, Refusal, Want, Why};
use bongsu_proto::v1;
use bongsu_proto::v1::value::Kind;
use bongsu_proto::v1::web_socket_packet::Payload;
use bongsu_wire::close::close_code;
use bongsu_wire::device::{Format, Heard, proto};
use prost::Message;

const ID: [u8; 16] = [7; 16];
const ID_HEX: &str = "07070707070707070707070707070707";

fn json(text: &str) -> Refusal {
    match Format::Json.text(text, &Limits::DEFAULT).unwrap() {
        Heard::Refused(refusal) => refusal,
        Heard::Said(said) => panic!("{text}: {said:?}"),
    }
}

fn packed(payload: Payload) -> Vec<u8> {
    v1::WebSocketPacket {
        payload: Some(payload),
    }
    .encode_to_vec()
}

fn packet(payload: Payload) -> Refusal {
    match Format::Proto.binary(&packed(payload), &Limits::DEFAULT).unwrap() {
        Heard::Refused(refusal) => refusal,
        Heard::Said(said) => panic!("{said:?}"),
    }
}

fn hello() -> v1::Hello {
    v1::Hello {
        device_id: "car-1".into(),
        ..Default::default()
    }
}

fn reply() -> v1::CommandReply {
    v1::CommandReply {
        reply_to: ID.into(),
        status: v1::ReplyStatus::Ok.into(),
        ..Default::default()
    }
}

fn integer(value: i64) -> v1::Value {
    v1::Value {
        kind: Some(Kind::IntValue(value)),
    }
}

#[test]
fn a_wrong_field_is_named_alike() {
    let long = "x".repeat(129);
    let reply_of = |rest: &str| format!(r#"{{"reply_to":"{ID_HEX}",{rest}}}"#);
    let hello_of = |rest: &str| format!(r#"{{"type":"hello","device_id":"car-1",{rest}}}"#);
    let alike = [
        (
            format!(r#"{{"type":"hello","device_id":"{long}"}}"#),
            Payload::Hello(v1::Hello {
                device_id: long,
                ..hello()
            }),
            Refusal::field("device_id", Want::TextOf(1, 128)),
        ),
        (
            r#"{"type":"hello","device_id":"a b"}"#.into(),
            Payload::Hello(v1::Hello {
                device_id: "a b".into(),
                ..hello()
            }),
            Refusal::field("device_id", Want::Other),
        ),
        (
            hello_of(r#""kind":"""#),
            Payload::Hello(v1::Hello {
                kind: Some(String::new()),
                ..hello()
            }),
            Refusal::field("kind", Want::TextOf(1, 255)),
        ),
        (
            hello_of(&format!(r#""capabilities":[{}"x"]"#, r#""x","#.repeat(64))),
            Payload::Hello(v1::Hello {
                capabilities: vec!["x".into(); 65],
                ..hello()
            }),
            Refusal::field("capabilities", Want::ArrayOf(64)),
        ),
        (
            reply_of(r#""status":"done""#),
            Payload::Reply(v1::CommandReply {
                status: 99,
                ..reply()
            }),
            Refusal::field("status", Want::OneOf(bongsu_model::device::Status::NAMES)),
        ),
        (
            r#"{"type":"auth_update","token":""}"#.into(),
            Payload::AuthUpdate(v1::AuthUpdate { token: String::new() }),
            Refusal::field("token", Want::TextOf(1, 16 * 1024)),
        ),
        (
            format!(
                r#"{{"type":"telemetry","data":{{{}"x":0}}}}"#,
                (0..256).map(|it| format!(r#""{it}":0,"#)).collect::<String>()
            ),
            Payload::Telemetry(v1::Telemetry {
                data: (0..257).map(|it| (it.to_string(), integer(0))).collect(),
                ..Default::default()
            }),
            Refusal::field("data", Want::EntriesOf(256)),
        ),
    ];
    for (text, payload, refusal) in alike {
        assert_eq!(json(&text), refusal, "{text}");
        assert_eq!(packet(payload), refusal);
    }
}

#[test]
fn what_only_one_format_can_say_wrong() {
    for (text, refusal) in [
        ("{}", Refusal::field("type", Want::Present)),
        (r#"{"type":"open"}"#, Refusal::new(Code::InvalidAction)),
        (r#"{"type":"telemetry"}"#, Refusal::field("data", Want::Present)),
        (
            r#"{"type":"telemetry","data":[]}"#,
            Refusal::field("data", Want::Object),
        ),
        (
            r#"{"type":"telemetry","data":{"a":1,"a":2}}"#,
            Refusal::field("data", Want::Once),
        ),
        (
            r#"{"type":"telemetry","data":{"a":1e999}}"#,
            Refusal::field("data", Want::Other),
        ),
        (
            r#"{"type":"heartbeat","clock":1.5}"#,
            Refusal::field("clock", Want::Integer),
        ),
        (
            r#"{"reply_to":"req_123","status":"ok"}"#,
            Refusal::field("reply_to", Want::Hex(32)),
        ),
    ] {
        assert_eq!(json(text), refusal, "{text}");
    }
    for (text, what, offset) in [
        ("[]", Malformed::NotAnObject, 0),
        (r#"{"type":"heartbeat",}"#, Malformed::NotJson, 20),
        (
            r#"{"type":"heartbeat","type":"hello"}"#,
            Malformed::DuplicateKey,
            25,
        ),
    ] {
        assert_eq!(json(text).why, Why::Malformed { offset, what }, "{text}");
    }
    let id = |reply_to: Vec<u8>| Payload::Reply(v1::CommandReply { reply_to, ..reply() });
    assert_eq!(
        packet(id(vec![7; 15])),
        Refusal::field("reply_to", Want::TextOf(16, 16))
    );
    let late = Payload::Hello(v1::Hello {
        reported_version: Some(1 << 63),
        ..hello()
    });
    assert_eq!(
        packet(late),
        Refusal::field("reported_version", Want::Between(0, i64::MAX))
    );
    let kindless = Payload::Reply(v1::CommandReply {
        result: Some(v1::Value { kind: None }),
        ..reply()
    });
    assert_eq!(packet(kindless), Refusal::field("result", Want::Other));
}

/// `{"type":…,"state":{"a":…}}` with so many levels in all, of lists or of objects, in both formats.
fn nested(levels: usize, objects: bool) -> (String, Vec<u8>) {
    let inner = levels - 2;
    let (open, close) = if objects { (r#"{"a":"#, "}") } else { ("[", "]") };
    let text = format!(
        r#"{{"type":"state.reported","state":{{"a":{}0{}}}}}"#,
        open.repeat(inner),
        close.repeat(inner)
    );
    let mut value = integer(0);
    for _ in 0..inner {
        let kind = if objects {
            Kind::FieldsValue(v1::Fields {
                fields: [("a".into(), value)].into(),
            })
        } else {
            Kind::ListValue(v1::ListValue { values: vec![value] })
        };
        value = v1::Value { kind: Some(kind) };
    }
    let reported = v1::StateReported {
        version: None,
        state: [("a".into(), value)].into(),
    };
    (text, packed(Payload::Reported(reported)))
}

#[test]
fn depth_is_limited_alike() {
    let limits = &Limits::DEFAULT;
    for objects in [false, true] {
        let (text, packet) = nested(limits.json_depth_max, objects);
        let heard = Format::Json.text(&text, limits).unwrap();
        assert!(matches!(heard, Heard::Said(_)), "{heard:?}");
        assert_eq!(Format::Proto.binary(&packet, limits).unwrap(), heard);
        let (text, packet) = nested(limits.json_depth_max + 1, objects);
        assert!(matches!(
            Format::Json.text(&text, limits).unwrap(),
            Heard::Refused(_)
        ));
        assert!(matches!(
            Format::Proto.binary(&packet, limits).unwrap(),
            Heard::Refused(_)
        ));
    }
    // What nests deeper than a decoder of Protobuf goes is no packet.
    let (_, packet) = nested(60, false);
    assert!(Format::Proto.binary(&packet, limits).is_err());
}

fn ends(outcome: Result<Heard, Fatal>) -> (u16, Malformed) {
    let Err(Fatal {
        refusal,
        close_code: None,
    }) = outcome
    else {
        panic!("{outcome:?}");
    };
    let Why::Malformed { what, .. } = refusal.why else {
        panic!("{refusal:?}")
    };
    (close_code(&CloseCause::Refused(refusal)), what)
}

#[test]
fn what_is_no_frame_ends_the_session() {
    let limits = &Limits::DEFAULT;
    let binary = |bytes: &[u8]| ends(Format::Proto.binary(bytes, limits));
    for bytes in [
        &b"\xff\xff\xff"[..],
        b"{\"type\":\"heartbeat\"}",
        b"",
        b"\x0a\x7f",
        b"\xa2\x06\x00",
    ] {
        assert_eq!(binary(bytes), (4400, Malformed::NotProtobuf), "{bytes:?}");
    }
    // A device that sends what only a gateway sends is none.
    let command = packed(Payload::Command(v1::ControlCommand::default()));
    assert_eq!(binary(&command), (4400, Malformed::NotProtobuf));
    assert!(proto::hear_packet(v1::WebSocketPacket::default(), limits).is_err());
    assert_eq!(ends(Format::Proto.text("{}", limits)), (4400, Malformed::Text));
    assert_eq!(
        ends(Format::Json.binary(&command, limits)),
        (4400, Malformed::Binary)
    );
}

#[test]
fn a_frame_has_its_limit() {
    let text = r#"{"type":"heartbeat"}"#;
    let packet = packed(Payload::Hello(hello()));
    for (format, len) in [(Format::Json, text.len()), (Format::Proto, packet.len())] {
        let hear = |frame_bytes_max| {
            let limits = Limits {
                frame_bytes_max,
                ..Limits::DEFAULT
            };
            match format {
                Format::Json => format.text(text, &limits),
                Format::Proto => format.binary(&packet, &limits),
            }
        };
        assert!(hear(len + 1).is_ok() && hear(len).is_ok());
        assert_eq!(
            ends(hear(len - 1)),
            (4413, Malformed::FrameTooLarge(len as u64 - 1))
        );
    }
}
