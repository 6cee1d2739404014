//! Polling payloads that go out: what a WebSocket would have got, for a poll.

use bongsu_wire::socketio::engine::{
    self, Opening, Payload, Version, message_binary, message_text, payload, script,
};
use bongsu_wire::websocket::{Opcode, close_frame, frame};

fn frames(version: Version) -> Vec<u8> {
    [
        message_text("2[\"가😀\"]"),
        engine::ping(),
        message_binary(version, &[0, 1, 255]),
        message_text("plain"),
    ]
    .concat()
}

fn plain(body: &[u8], packets: usize) -> Payload {
    Payload {
        content_type: "text/plain; charset=UTF-8",
        body: body.to_vec().into(),
        packets,
        closes: false,
    }
}

#[test]
fn version_4_separates_its_packets() {
    let all = plain("42[\"가😀\"]\u{1e}2\u{1e}bAAH/\u{1e}4plain".as_bytes(), 4);
    for binary_ok in [false, true] {
        assert_eq!(payload(Version::V4, binary_ok, &frames(Version::V4)), all);
    }
    assert_eq!(payload(Version::V4, true, &engine::noop()), plain(b"6", 1));
    assert_eq!(
        payload(Version::V4, true, &message_binary(Version::V4, b"")),
        plain(b"b", 1)
    );
}

#[test]
fn version_3_escapes_what_is_not_ascii() {
    let all = plain(b"24:42[\"\\uac00\\ud83d\\ude00\"]1:26:b4AAH/6:4plain", 4);
    assert_eq!(payload(Version::V3, false, &frames(Version::V3)), all);
    let open = engine::noop();
    assert_eq!(
        payload(Version::V3, true, &open),
        plain(b"1:6", 1),
        "without bytes it is text"
    );
}

#[test]
fn version_3_leaves_a_namespace_alone() {
    let frame = message_text("4/가😀,\"아\"");
    assert_eq!(
        payload(Version::V3, false, &frame),
        plain("15:44/가😀,\"\\uc544\"".as_bytes(), 1)
    );
}

#[test]
fn version_3_has_a_form_in_bytes() {
    let made = payload(Version::V3, true, &frames(Version::V3));
    assert_eq!(made.content_type, "application/octet-stream");
    let mut body = b"\x00\x01\x03\xff".to_vec();
    body.extend_from_slice("42[\"가😀\"]".as_bytes());
    body.extend_from_slice(b"\x00\x01\xff2\x01\x04\xff\x04\x00\x01\xff\x00\x06\xff4plain");
    assert_eq!(made.body, body);
    assert_eq!((made.packets, made.closes), (4, false));
}

#[test]
fn a_close_is_the_last_packet() {
    for end in [close_frame(4403, "reconnect=never"), engine::close()] {
        let frames = [message_text("a"), end, message_text("b")].concat();
        for (version, body) in [(Version::V3, &b"2:4a1:1"[..]), (Version::V4, b"4a\x1e1")] {
            let made = payload(version, true, &frames);
            assert_eq!(
                made,
                Payload {
                    closes: true,
                    ..plain(body, 2)
                }
            );
        }
    }
}

#[test]
fn the_first_frames_are_whole() {
    let all = frames(Version::V4);
    let mut before = 0;
    for most in 0..=4 {
        let (first, count) = engine::first(most, &all);
        assert_eq!(count, most);
        assert_eq!(payload(Version::V4, true, first).packets, most);
        assert!(all.starts_with(first) && (most == 0 || first.len() > before));
        before = first.len();
    }
    assert_eq!(engine::first(5, &all), (&all[..], 4));
    assert_eq!(engine::first(usize::MAX, b""), (&b""[..], 0));
}

#[test]
fn pings_of_the_transport_are_not_for_a_poll() {
    for opcode in [Opcode::Ping, Opcode::Pong] {
        let only = frame(opcode, b"42");
        assert_eq!(payload(Version::V4, true, &only), plain(b"", 0));
        assert_eq!(payload(Version::V3, true, &only), plain(b"", 0));
        let between = [message_text("a"), only, message_text("b")].concat();
        assert_eq!(payload(Version::V4, true, &between), plain(b"4a\x1e4b", 2));
    }
}

#[test]
fn frames_of_every_length_are_read() {
    for length in [0, 1, 124, 125, 126, 127, 65_534, 65_535, 65_536, 70_000] {
        let text = "x".repeat(length);
        let frames = [message_text(&text), message_text("2[]")].concat();
        let body = format!("4{text}\u{1e}42[]");
        assert_eq!(
            payload(Version::V4, true, &frames),
            plain(body.as_bytes(), 2),
            "{length}"
        );
    }
}

#[test]
#[should_panic(expected = "a mailbox holds whole frames of ours")]
fn half_a_frame_is_a_mistake_of_ours() {
    let frame = message_text("2[]");
    let _made = payload(Version::V4, true, &frame[..frame.len() - 1]);
}

#[test]
fn a_script_is_valid_and_calls_back() {
    let frames = message_text("2[\"a\\n\\\"\u{2028}\u{2029}€\"]");
    let made = script(Version::V4, "7", &frames);
    assert_eq!(made.content_type, "text/javascript; charset=UTF-8");
    assert_eq!(
        made.body,
        "___eio[7](\"42[\\\"a\\\\n\\\\\\\"\\u2028\\u2029€\\\"]\");".as_bytes()
    );
    let made = script(Version::V3, "0", &engine::close());
    assert_eq!(made.body, &b"___eio[0](\"1:1\");"[..]);
    assert!(made.closes);
    for (index, digits) in [
        ("", ""),
        ("1](alert(2))//", "12"),
        ("٣", ""),
        ("123456789012", "1234567890"),
    ] {
        let made = script(Version::V3, index, &engine::noop());
        assert_eq!(
            made.body,
            format!("___eio[{digits}](\"1:6\");").as_bytes(),
            "{index}"
        );
    }
}

#[test]
fn the_first_packet_goes_out_like_any_other() {
    let opening = Opening {
        sid: "s",
        upgrades: &[],
        ping_interval_ms: 1,
        ping_timeout_ms: 2,
        payload_max: 3,
    };
    let json = r#"0{"sid":"s","upgrades":[],"pingInterval":1,"pingTimeout":2}"#;
    let frames = [opening.frame(Version::V3), message_text("0")].concat();
    assert_eq!(
        payload(Version::V3, true, &frames),
        plain(format!("{}:{json}2:40", json.len()).as_bytes(), 2)
    );
}
