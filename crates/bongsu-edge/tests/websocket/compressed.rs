//! permessage-deflate where both sides want it: compressed both ways, small frames as they are, and no bombs.

use bongsu_model::Limits;
use bongsu_wire::websocket::{Opcode, deflated};
use serde_json::{Value, json};

use crate::client::{Client, Said, frame, post, request, text, upgrade};
use crate::server::{Server, Wanted};

async fn server() -> Server {
    Server::with(Wanted {
        deflates: true,
        ..Wanted::default()
    })
    .await
}

async fn connect(server: &Server, subprotocols: Option<&str>) -> Client {
    let mut client = Client::open(server.address).await;
    let upgraded = client
        .upgrade_with(&bongsu_wire::websocket::Upgrade {
            deflate: true,
            ..upgrade("/ws", subprotocols)
        })
        .await;
    assert!(upgraded.deflate);
    client
}

async fn session(server: &Server, user: i64) -> Client {
    let mut client = connect(server, None).await;
    client.sign_in(user).await;
    client
}

/// The compressed payload of a message.
fn packed(message: &[u8]) -> Vec<u8> {
    let whole = deflated(Opcode::Text, message);
    assert_eq!(whole[0], 0xc1, "it pays to compress this");
    let header = match whole[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    whole[header..].to_vec()
}

/// A long message that compresses well, and what it says.
fn long(id: &str) -> (Value, String) {
    let text = format!("{id} {}", "가나다 ".repeat(300));
    (post(id, &text), text)
}

#[tokio::test]
async fn an_offer_is_taken_where_it_is_switched_on() {
    let server = server().await;
    for (offer, taken) in [
        ("permessage-deflate", true),
        ("permessage-deflate; client_max_window_bits", true),
        ("x-webkit-deflate-frame, permessage-deflate", true),
        ("permessage-deflate; server_max_window_bits=9", false),
        ("x-webkit-deflate-frame", false),
    ] {
        let offered = format!("Sec-WebSocket-Extensions: {offer}");
        let mut lines = crate::client::lines();
        lines.push(&offered);
        let answer = server.ask(crate::client::head("GET /ws HTTP/1.1", &lines)).await;
        assert_eq!(answer.status, 101, "an offer that is not taken is no fault");
        let expected =
            taken.then_some("permessage-deflate; server_no_context_takeover; client_no_context_takeover");
        assert_eq!(answer.header("sec-websocket-extensions"), expected, "{offer}");
    }
}

#[tokio::test]
async fn messages_are_compressed_both_ways_and_small_ones_are_not() {
    let server = server().await;
    let (mut one, mut two, mut plain) = (
        session(&server, 1).await,
        session(&server, 2).await,
        server.session(3).await,
    );
    one.settled().await;
    two.settled().await;
    let (message, content) = long("1");
    one.raw(frame(0xc1, &packed(message.to_string().as_bytes())))
        .await;
    one.answer("chat.ack", "1").await;
    let (mine, theirs) = (one.frame().await.unwrap(), two.frame().await.unwrap());
    assert_eq!(mine, theirs, "one encoding serves both");
    assert_eq!(mine.first(), 0xc1);
    let Said::Text(event) = one.read(&mine) else {
        panic!("{mine:?}");
    };
    assert_eq!(event["data"]["text"], content);
    assert!(mine.bytes.len() < content.len());
    let other = plain.frame().await.unwrap();
    assert_eq!(other.first(), 0x81, "who did not ask for it gets it as it is");
    assert_eq!(plain.read(&other), Said::Text(event));
    // Small ones, answers and events alike; and what comes in need not be compressed.
    one.raw(text(post("2", "short"))).await;
    for _ in 0..2 {
        let small = one.frame().await.unwrap();
        assert_eq!(small.first(), 0x81);
    }
    // A page of history is long, and an answer.
    one.send("room.history", "h", json!({ "room": "1" })).await;
    let page = one.frame().await.unwrap();
    assert_eq!(page.first(), 0xc1);
    let Said::Text(page) = one.read(&page) else {
        panic!("{page:?}");
    };
    assert_eq!(
        (
            &page["ref_id"],
            page["data"]["messages"].as_array().unwrap().len()
        ),
        (&json!("h"), 2)
    );
}

#[tokio::test]
async fn a_compressed_message_may_come_in_fragments() {
    let server = server().await;
    let mut one = session(&server, 1).await;
    let (message, content) = long("1");
    let packed = packed(message.to_string().as_bytes());
    let (first, rest) = packed.split_at(packed.len() / 2);
    let mut packet = frame(0x41, first);
    packet.extend(frame(0x89, b"between"));
    packet.extend(frame(0x80, rest));
    for byte in packet {
        one.raw([byte]).await;
    }
    assert_eq!(one.said().await, Said::Pong(b"between".to_vec()));
    one.answer("chat.ack", "1").await;
    assert_eq!(one.expect("chat.message").await["data"]["text"], content);
}

#[tokio::test]
async fn the_limit_is_that_of_what_comes_out() {
    let server = server().await;
    let max = Limits::DEFAULT.frame_bytes_max;
    let ping = |bytes: usize| {
        let empty = request("ping", "p", &json!({ "x": "" })).to_string().len();
        request("ping", "p", &json!({ "x": "y".repeat(bytes - empty) })).to_string()
    };
    let mut one = session(&server, 1).await;
    for bytes in [max - 1, max] {
        one.raw(frame(0xc1, &packed(ping(bytes).as_bytes()))).await;
        one.answer("pong", "p").await;
    }
    for bytes in [max + 1, 4 << 20] {
        let mut bomb = session(&server, 2).await;
        let frame = frame(0xc1, &packed(ping(bytes).as_bytes()));
        assert!(frame.len() < max, "what is sent is small: {}", frame.len());
        bomb.raw(frame).await;
        bomb.closed("message_too_large", 4413, "never").await;
    }
    one.send("ping", "still here", json!({})).await;
    one.wait_for("still here").await;
}

#[tokio::test]
async fn what_cannot_be_inflated_ends_the_connection() {
    let server = server().await;
    let not_utf8 = packed(&[0xff; 1_000]);
    let mut cut = packed(&[b' '; 1_000]);
    cut.pop();
    for (what, bytes, close_code) in [
        ("nonsense", frame(0xc1, b"\xff\xff\xff\xff"), 1007),
        ("cut off", frame(0xc1, &cut), 1007),
        ("not utf-8 inside", frame(0xc1, &not_utf8), 1007),
        ("a compressed ping", frame(0xc9, b""), 1002),
        (
            "a compressed continuation",
            [frame(0x01, b"{"), frame(0xc0, b"}")].concat(),
            1002,
        ),
        ("compressed binary", frame(0xc2, &packed(&[b' '; 1_000])), 4400),
    ] {
        let mut one = session(&server, 1).await;
        one.raw(bytes).await;
        let told = one.closed("invalid_data", close_code, "never").await;
        assert_eq!(told.get("ref_id"), None, "{what}");
    }
    // Whoever did not negotiate it may not compress.
    let mut plain = server.session(1).await;
    plain.raw(frame(0xc1, &packed(&[b' '; 1_000]))).await;
    plain.closed("invalid_data", 1002, "never").await;
    drop(plain);
    server.until_empty().await;
}

#[tokio::test]
async fn the_action_protocol_may_be_compressed_by_its_client() {
    let server = server().await;
    let mut one = connect(&server, Some("bongsu.action.v1")).await;
    let connect =
        json!({ "action": "CONNECT", "seq_id": "c", "data": { "jwt_token": "1" }, "x": "y".repeat(1_000) });
    one.raw(frame(0xc1, &packed(connect.to_string().as_bytes())))
        .await;
    assert_eq!(one.next().await["action"], "CONNECT_SUCCESS");
    let content = "x".repeat(2_000);
    let data = json!({ "chatroom_id": 1, "content": content, "message_type": "text" });
    one.say(&json!({ "action": "SEND_MESSAGE", "seq_id": "m", "data": data }))
        .await;
    let event = one.frame().await.unwrap();
    // It has its own way to compress, and its frames are as they are.
    assert_eq!(event.first(), 0x81);
    let Said::Text(event) = one.read(&event) else {
        panic!("{event:?}");
    };
    assert_eq!(event["data"]["content"], content);
}
