//! Frames and messages however they are cut; and frames that RFC 6455 does not allow.

use bongsu_wire::websocket::{Opcode, frame as server_frame};
use serde_json::json;

use crate::client::{Said, close, frame, post, request, text, texts};
use crate::server::Server;

#[tokio::test]
async fn a_message_may_be_cut_at_every_byte() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    let message = text(request("ping", "가", &json!({})));
    for cut in 1..message.len() {
        let (begun, rest) = message.split_at(cut);
        one.raw(begun).await;
        one.raw(rest).await;
        one.answer("pong", "가").await;
    }
    for byte in &message {
        one.raw([*byte]).await;
    }
    one.answer("pong", "가").await;
}

#[tokio::test]
async fn two_messages_may_share_packets_in_every_way() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    let both = texts(&[request("ping", "1", &json!({})), request("ping", "2", &json!({}))]);
    for cut in 0..both.len() {
        let (begun, rest) = both.split_at(cut);
        one.raw(begun).await;
        one.raw(rest).await;
        for id in ["1", "2"] {
            one.answer("pong", id).await;
        }
    }
}

#[tokio::test]
async fn a_message_in_fragments_is_one_with_pings_between() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    // Cut within a character and between them, with empty fragments as well.
    let message = post("1", "가나다").to_string();
    let bytes = message.as_bytes();
    let mut packet = frame(0x01, b"");
    for (n, byte) in bytes.iter().enumerate() {
        packet.extend(frame(0x00, &[*byte]));
        packet.extend(frame(0x89, n.to_string().as_bytes()));
        packet.extend(frame(0x8a, b"nobody asked"));
    }
    packet.extend(frame(0x80, b""));
    one.raw(&packet).await;
    for n in 0..bytes.len() {
        assert_eq!(one.said().await, Said::Pong(n.to_string().into_bytes()));
    }
    assert_eq!(one.answer("chat.ack", "1").await["seq"], 1);
    assert_eq!(one.expect("chat.message").await["data"]["text"], "가나다");
    // Byte by byte over the wire it is the same.
    for byte in &packet {
        one.raw([*byte]).await;
    }
    for n in 0..bytes.len() {
        assert_eq!(one.said().await, Said::Pong(n.to_string().into_bytes()));
    }
    assert_eq!(one.answer("chat.ack", "1").await["seq"], 2);
}

#[tokio::test]
async fn pings_are_answered_with_what_they_hold() {
    let server = Server::start().await;
    for signed_in in [false, true] {
        let mut one = server.connect().await;
        if signed_in {
            one.sign_in(1).await;
        }
        for payload in [&b""[..], b"x", "가".as_bytes(), &[0xff; 124], &[0; 125]] {
            one.raw(frame(0x89, payload)).await;
            assert_eq!(one.said().await, Said::Pong(payload.to_vec()));
        }
    }
}

/// What RFC 6455 or we do not allow: what it is, its bytes, and the code that it is closed with.
fn violations() -> Vec<(&'static str, Vec<u8>, u16)> {
    let text_of = |bytes: &[u8]| frame(0x81, bytes);
    let after_a_fragment = |bytes: Vec<u8>| [frame(0x01, b"{"), bytes].concat();
    vec![
        ("no mask", server_frame(Opcode::Text, b"{}").to_vec(), 1002),
        (
            "no mask on a ping",
            server_frame(Opcode::Ping, b"").to_vec(),
            1002,
        ),
        ("reserved bit 1", frame(0xc1, b"{}"), 1002),
        ("reserved bit 2", frame(0xa1, b"{}"), 1002),
        ("reserved bit 3", frame(0x91, b"{}"), 1002),
        ("opcode 3", frame(0x83, b"{}"), 1002),
        ("opcode 11", frame(0x8b, b""), 1002),
        ("a ping in fragments", frame(0x09, b""), 1002),
        ("a close in fragments", frame(0x08, b""), 1002),
        ("a ping of 126 bytes", frame(0x89, &[0; 126]), 1002),
        ("nothing to continue", frame(0x80, b"{}"), 1002),
        ("a message in a message", after_a_fragment(text_of(b"{}")), 1002),
        (
            "126 in too many bytes",
            b"\x81\xfe\x00\x02\0\0\0\0{}".to_vec(),
            1002,
        ),
        (
            "127 in too many bytes",
            b"\x81\xff\0\0\0\0\0\0\x00\x02\0\0\0\0{}".to_vec(),
            1002,
        ),
        ("a length with its highest bit", b"\x81\xff\x80".to_vec(), 1002),
        ("a close of one byte", frame(0x88, b"\x03"), 1002),
        ("close code 0", close(0, b""), 1002),
        ("close code 999", close(999, b""), 1002),
        ("close code 1004", close(1004, b""), 1002),
        ("close code 1005", close(1005, b""), 1002),
        ("close code 1006", close(1006, b""), 1002),
        ("close code 1015", close(1015, b""), 1002),
        ("close code 2999", close(2999, b""), 1002),
        ("close code 5000", close(5000, b""), 1002),
        ("a reason that is not utf-8", close(1000, b"\xff"), 1007),
        ("text that is not utf-8", text_of(b"{\"a\":\"\xff\"}"), 1007),
        (
            "text with a surrogate",
            text_of(b"{\"a\":\"\xed\xa0\x80\"}"),
            1007,
        ),
        ("text that ends within a character", text_of(b"{\"\xea\xb0"), 1007),
        ("a fragment that is not utf-8", frame(0x01, b"{\"\xff"), 1007),
        (
            "a character never finished",
            after_a_fragment(frame(0x80, b"\xea")),
            1007,
        ),
        ("binary", frame(0x82, b"{}"), 4400),
        ("binary and empty", frame(0x82, b""), 4400),
        (
            "binary in fragments",
            [frame(0x02, b"{"), frame(0x80, b"}")].concat(),
            4400,
        ),
    ]
}

#[tokio::test]
async fn what_the_rfc_does_not_allow_ends_with_its_code() {
    let server = Server::start().await;
    for (what, bytes, close_code) in violations() {
        let mut stranger = server.connect().await;
        stranger.raw(&bytes).await;
        let told = stranger.closed("invalid_data", close_code, "never").await;
        assert_eq!(told.get("ref_id"), None, "{what}");
        let mut one = server.session(1).await;
        one.raw(&bytes).await;
        one.closed("invalid_data", close_code, "never").await;
        // However it is cut.
        let mut slow = server.session(1).await;
        let (last, before) = bytes.split_last().unwrap();
        let before = if bytes.len() <= 64 { before } else { &bytes[..2] };
        for byte in before {
            // The fault may be known before the last byte.
            if tokio::io::AsyncWriteExt::write_all(&mut slow.writer, &[*byte])
                .await
                .is_err()
            {
                break;
            }
        }
        let _ = tokio::io::AsyncWriteExt::write_all(&mut slow.writer, &[*last]).await;
        slow.closed("invalid_data", close_code, "never").await;
    }
    server.until_empty().await;
}

#[tokio::test]
async fn what_came_before_the_fault_is_answered_first() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    let mut packet = texts(&[post("1", "hello"), request("ping", "2", &json!({}))]);
    packet.extend(frame(0x82, b""));
    packet.extend(text(post("3", "never")));
    one.raw(packet).await;
    one.answer("chat.ack", "1").await;
    one.expect("chat.message").await;
    one.answer("pong", "2").await;
    one.closed("invalid_data", 4400, "never").await;
}

#[tokio::test]
async fn a_message_that_makes_no_sense_is_answered_and_the_session_goes_on() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    for (message, code) in [
        ("", "invalid_data"),
        ("x", "invalid_data"),
        ("[]", "invalid_data"),
        ("null", "invalid_data"),
        ("{}", "invalid_data"),
        ("{}{}", "invalid_data"),
        (r#"{"type":"ping"} x"#, "invalid_data"),
        (r#"{"type":1}"#, "invalid_data"),
        (r#"{"type":"ping","type":"ping"}"#, "invalid_data"),
        (r#"{"type":"ping","data":[]}"#, "invalid_data"),
        (r#"{"type":"ping","id":1}"#, "invalid_data"),
        (r#"{"type":"PING"}"#, "unknown_type"),
        (r#"{"type":"room.join","data":{}}"#, "invalid_data"),
        (
            r#"{"type":"room.join","data":{"room":"nowhere else"}}"#,
            "invalid_data",
        ),
    ] {
        one.raw(text(message)).await;
        let told = one.expect("error").await;
        assert_eq!(told["code"], code, "{message}: {told}");
        assert_eq!(told.get("reconnect"), None, "nothing ends with it");
    }
    one.raw(text(format!("{}{}", "[".repeat(30_000), "]".repeat(30_000))))
        .await;
    one.expect("error").await;
    assert_eq!(one.settled().await.len(), 0);
}
