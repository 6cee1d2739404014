//! What one message may cost: bytes and fragments, to the limit and one beyond.

use bongsu_model::Limits;
use serde_json::{Value, json};

use crate::client::{Client, frame, text};
use crate::server::Server;

const MAX: usize = Limits::DEFAULT.frame_bytes_max;

/// A ping of exactly so many bytes.
fn ping(bytes: usize) -> String {
    let empty = json!({ "type": "ping", "id": "p", "x": "" }).to_string().len();
    json!({ "type": "ping", "id": "p", "x": "y".repeat(bytes - empty) }).to_string()
}

/// A message in so many fragments, as evenly cut as can be.
fn fragments(message: &str, count: usize) -> Vec<u8> {
    let mut packet = Vec::new();
    let bytes = message.as_bytes();
    for n in 0..count {
        let piece = &bytes[bytes.len() * n / count..bytes.len() * (n + 1) / count];
        let first = u8::from(n == 0) | if n + 1 == count { 0x80 } else { 0 };
        packet.extend(frame(first, piece));
    }
    packet
}

async fn is_answered(server: &Server, one: &mut Client, bytes: &[u8]) {
    one.raw(bytes).await;
    one.answer("pong", "p").await;
    assert_eq!(server.node.sessions_count(), 1);
}

async fn is_closed(server: &Server, bytes: &[u8], code: &str, close_code: u16) -> Value {
    let mut one = server.session(2).await;
    // What is too much is known before it was all sent.
    let _ = tokio::io::AsyncWriteExt::write_all(&mut one.writer, bytes).await;
    one.closed(code, close_code, "never").await
}

#[tokio::test]
async fn a_message_may_be_as_long_as_the_limit_and_no_longer() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    for bytes in [MAX - 1, MAX] {
        let message = ping(bytes);
        assert_eq!(message.len(), bytes);
        is_answered(&server, &mut one, &text(&message)).await;
        for count in [2, 3, 100] {
            is_answered(&server, &mut one, &fragments(&message, count)).await;
        }
    }
    drop(one);
    server.until_empty().await;
    let message = ping(MAX + 1);
    let told = is_closed(&server, &text(&message), "message_too_large", 4413).await;
    assert!(told["message"].as_str().unwrap().contains("65536"), "{told}");
    for count in [2, 3, 100] {
        is_closed(&server, &fragments(&message, count), "message_too_large", 4413).await;
    }
    server.until_empty().await;
}

#[tokio::test]
async fn a_header_that_announces_too_much_is_enough() {
    let server = Server::start().await;
    // Not one byte of the payload, and of the last not even the whole header.
    let length = |bytes: u64| [&b"\x81\xff"[..], &bytes.to_be_bytes(), b"mask"].concat();
    for header in [
        length(MAX as u64 + 1),
        length(1 << 32),
        length(i64::MAX.unsigned_abs()),
        [frame(0x01, &vec![b' '; MAX]), frame(0x80, b" ")[..6].to_vec()].concat(),
    ] {
        is_closed(&server, &header, "message_too_large", 4413).await;
    }
    server.until_empty().await;
}

#[tokio::test]
async fn a_message_has_so_many_fragments_and_no_more() {
    let most = Limits::DEFAULT.websocket_fragments_max;
    assert_eq!(most, 10_000);
    let server = Server::start().await;
    let mut one = server.session(1).await;
    let message = ping(MAX / 2);
    for count in [most - 1, most] {
        is_answered(&server, &mut one, &fragments(&message, count)).await;
    }
    // Empty ones count as well.
    let empty = |count: usize| {
        let mut packet = frame(0x01, ping(100).as_bytes());
        packet.extend(frame(0x00, b"").repeat(count - 2));
        packet.extend(frame(0x80, b""));
        packet
    };
    is_answered(&server, &mut one, &empty(most)).await;
    drop(one);
    server.until_empty().await;
    for packet in [
        fragments(&message, most + 1),
        empty(most + 1),
        // Without end.
        [frame(0x01, b""), frame(0x00, b"").repeat(100_000)].concat(),
    ] {
        let told = is_closed(&server, &packet, "invalid_data", 4400).await;
        assert!(told["message"].as_str().unwrap().contains("10000"), "{told}");
    }
    server.until_empty().await;
}

#[tokio::test]
async fn limits_are_settings() {
    let server = Server::limited(Limits {
        frame_bytes_max: 16 * 1024,
        signal_bytes_max: 16 * 1024,
        websocket_fragments_max: 3,
        ..Limits::DEFAULT
    })
    .await;
    let mut one = server.session(1).await;
    is_answered(&server, &mut one, &text(ping(16 * 1024))).await;
    is_answered(&server, &mut one, &fragments(&ping(1_000), 3)).await;
    drop(one);
    is_closed(&server, &text(ping(16 * 1024 + 1)), "message_too_large", 4413).await;
    is_closed(&server, &fragments(&ping(1_000), 4), "invalid_data", 4400).await;
}
