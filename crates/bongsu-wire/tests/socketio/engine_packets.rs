//! One packet of Engine.IO at a time, and the frames of what a server says.

use bongsu_wire::socketio::engine::{
    self, ECHO_BYTES_MAX, Heard, Opening, Version, Violation, message_binary, message_text,
};
use bongsu_wire::websocket::{Opcode, frame};

const BOTH: [Version; 2] = [Version::V3, Version::V4];

#[test]
fn versions_are_those_of_the_query() {
    assert_eq!(Version::parse("3"), Some(Version::V3));
    assert_eq!(Version::parse("4"), Some(Version::V4));
    for other in ["", "2", "5", "04", "4 "] {
        assert_eq!(Version::parse(other), None, "{other}");
    }
}

#[test]
fn every_type_of_text_is_heard() {
    for version in BOTH {
        for (packet, heard) in [
            ("0{}", Heard::Open),
            ("1", Heard::Close),
            ("2", Heard::Ping("")),
            ("2probe", Heard::Ping("probe")),
            ("3", Heard::Pong("")),
            ("3probe", Heard::Pong("probe")),
            ("4", Heard::Text("")),
            ("42[\"안녕\"]", Heard::Text("2[\"안녕\"]")),
            ("5", Heard::Upgrade),
            ("6", Heard::Noop),
        ] {
            assert_eq!(engine::text(version, packet), Ok(heard), "{packet}");
        }
    }
}

#[test]
fn other_types_are_violations() {
    for version in BOTH {
        assert_eq!(engine::text(version, ""), Err(Violation::Empty));
        for packet in ["7", "9", "a", "B", " 4", "\u{0}", "/", ":"] {
            let first = packet.as_bytes()[0];
            assert_eq!(
                engine::text(version, packet),
                Err(Violation::UnknownType(first)),
                "{packet}"
            );
        }
        assert_eq!(
            engine::text(version, "안"),
            Err(Violation::UnknownType("안".as_bytes()[0]))
        );
    }
}

#[test]
fn what_a_ping_wants_echoed_is_bounded() {
    for version in BOTH {
        for kind in ["2", "3"] {
            let most = format!("{kind}{}", "x".repeat(ECHO_BYTES_MAX));
            assert!(engine::text(version, &most).is_ok());
            assert_eq!(
                engine::text(version, &format!("{most}x")),
                Err(Violation::EchoTooLong)
            );
        }
    }
}

fn heard_bytes(bytes: &[u8]) -> Heard<'_> {
    Heard::Binary(bytes.into())
}

#[test]
fn bytes_come_as_messages_of_bytes() {
    assert_eq!(
        engine::binary(Version::V4, b"\x01\x02"),
        Ok(heard_bytes(b"\x01\x02"))
    );
    assert_eq!(engine::binary(Version::V4, b""), Ok(heard_bytes(b"")));
    assert_eq!(
        engine::binary(Version::V3, b"\x04\x01\x02"),
        Ok(heard_bytes(b"\x01\x02"))
    );
    assert_eq!(engine::binary(Version::V3, b"\x04"), Ok(heard_bytes(b"")));
    assert_eq!(engine::binary(Version::V3, b""), Err(Violation::Empty));
    for first in [0, 1, 2, 3, 5, 6, b'4', b'b', 255] {
        assert_eq!(
            engine::binary(Version::V3, &[first, 1]),
            Err(Violation::UnknownType(first))
        );
    }
}

#[test]
fn bytes_come_as_base64_too() {
    for (text, bytes) in [
        ("", &b""[..]),
        ("AAEC/w==", b"\x00\x01\x02\xff"),
        ("+/+/", b"\xfb\xff\xbf"),
        ("AAEC\n/w==\n", b"\x00\x01\x02\xff"),
        ("AAEC\r\n/w==\r\n", b"\x00\x01\x02\xff"),
    ] {
        assert_eq!(
            engine::text(Version::V4, &format!("b{text}")),
            Ok(heard_bytes(bytes)),
            "{text:?}"
        );
        assert_eq!(
            engine::text(Version::V3, &format!("b4{text}")),
            Ok(heard_bytes(bytes)),
            "{text:?}"
        );
    }
    assert_eq!(engine::text(Version::V3, "b"), Err(Violation::Empty));
    assert_eq!(
        engine::text(Version::V3, "bAAEC"),
        Err(Violation::UnknownType(b'A'))
    );
    assert_eq!(
        engine::text(Version::V3, "b2AAEC"),
        Err(Violation::UnknownType(b'2'))
    );
}

#[test]
fn base64_is_what_everybody_writes() {
    for text in [
        "AAEC/w",
        "AAEC/w=",
        "AAEC/x==",
        "AAEC_w==",
        "AA EC",
        "A",
        "====",
        "AAEC/w==AAEC",
        "안",
        "AA\tEC",
    ] {
        assert_eq!(
            engine::text(Version::V4, &format!("b{text}")),
            Err(Violation::NotBase64),
            "{text}"
        );
        assert_eq!(
            engine::text(Version::V3, &format!("b4{text}")),
            Err(Violation::NotBase64),
            "{text}"
        );
    }
}

#[test]
fn a_server_says_whole_frames() {
    let text = |packet: &str| frame(Opcode::Text, packet.as_bytes());
    assert_eq!(message_text("2[\"안녕\"]"), text("42[\"안녕\"]"));
    assert_eq!(
        message_text(&"x".repeat(70_000)),
        text(&format!("4{}", "x".repeat(70_000)))
    );
    assert_eq!(engine::pong("probe"), text("3probe"));
    assert_eq!(engine::pong(""), text("3"));
    assert_eq!(engine::ping(), text("2"));
    assert_eq!(engine::noop(), text("6"));
    assert_eq!(engine::close(), text("1"));
    assert_eq!(
        message_binary(Version::V4, &[1, 2]),
        frame(Opcode::Binary, &[1, 2])
    );
    assert_eq!(
        message_binary(Version::V3, &[1, 2]),
        frame(Opcode::Binary, &[4, 1, 2])
    );
}

#[test]
fn the_first_packet_says_what_the_client_goes_by() {
    let opening = Opening {
        sid: "0a1b2c3d-00",
        upgrades: &["websocket"],
        ping_interval_ms: 25_000,
        ping_timeout_ms: 20_000,
        payload_max: 65_536,
    };
    let v3 = r#"0{"sid":"0a1b2c3d-00","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}"#;
    assert_eq!(opening.frame(Version::V3), frame(Opcode::Text, v3.as_bytes()));
    let v4 = v3.replace('}', r#","maxPayload":65536}"#);
    assert_eq!(opening.frame(Version::V4), frame(Opcode::Text, v4.as_bytes()));
    let none = Opening {
        upgrades: &[],
        ..opening
    };
    let v4 = v4.replace(r#"["websocket"]"#, "[]");
    assert_eq!(none.frame(Version::V4), frame(Opcode::Text, v4.as_bytes()));
}
