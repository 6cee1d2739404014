//! What is spoken over TLS is what is spoken without it.

use std::sync::Arc;

use bongsu_edge::tls::ClientAuth;
use serde_json::json;

use crate::client::{Client, action, config};
use crate::server::Server;

#[tokio::test]
async fn http_is_chosen_by_name() {
    let server = Server::start(ClientAuth::None).await;
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let mut config = Arc::unwrap_or_clone(config(&server.ca, None));
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let client = Client::open(server.https, Arc::new(config)).await.unwrap();
        let connection = client.stream.get_ref().get_ref().1;
        assert_eq!(connection.alpn_protocol(), chosen.map(str::as_bytes));
    }
}

#[tokio::test]
async fn a_client_is_told_to_come_back_the_way_it_came() {
    let server = Server::start(ClientAuth::None).await;
    let mut client = server.http(None).await;
    let status: serde_json::Value = serde_json::from_str(&client.get("/status").await.body).unwrap();
    assert_eq!(status["host"], "https://localhost", "{status}");
    assert_eq!(
        status["port"], 443,
        "the port of the scheme, since it named none: {status}"
    );
}

#[tokio::test]
async fn the_action_protocol_is_spoken_to_its_end() {
    let server = Server::start(ClientAuth::None).await;
    let (mut one, mut two) = (server.action(None).await, server.action(None).await);
    one.connect(1).await;
    two.connect(2).await;
    let fields = json!({ "chatroom_id": 1, "content": "봉수", "message_type": "text" });
    one.raw(action("SEND_MESSAGE", &fields)).await;
    for client in [&mut one, &mut two] {
        loop {
            let line = client.line().await.expect("more before the end");
            if line["action"] == "NEW_MESSAGE" {
                assert_eq!(line["data"]["content"], "봉수", "{line}");
                break;
            }
        }
    }
    server.stopped().await;
    let mut last = None;
    while let Some(line) = two.line().await {
        last = Some(line);
    }
    let last = last.expect("it is told");
    assert_eq!(last["action"], "SESSION_CLOSED", "{last}");
}

#[tokio::test]
async fn a_websocket_takes_the_stream_over_with_what_was_sent_behind_the_handshake() {
    let server = Server::start(ClientAuth::None).await;
    let mut one = server.http(None).await;
    one.upgrade().await;
    one.sign_in(1).await;
    let mut two = server.http(None).await;
    two.upgrade().await;
    two.sign_in(2).await;
    // In many records, and of more bytes than one has.
    let text = "봉수 ".repeat(550);
    for count in 0..40 {
        one.say(&json!({ "type": "chat.message", "id": count.to_string(), "data": { "room": "1", "text": format!("{count} {text}") } }))
            .await;
        let heard = two.wait("chat.message").await;
        assert_eq!(heard["data"]["text"], format!("{count} {text}"));
    }
    // One frame of many records.
    one.say(&json!({ "type": "room.history", "id": "h", "data": { "room": "1", "limit": 40 } }))
        .await;
    let page = one.wait("room.messages").await;
    assert_eq!(page["data"]["messages"].as_array().unwrap().len(), 40);
}

#[tokio::test]
async fn an_end_is_told_before_the_socket_is_closed() {
    let server = Server::start(ClientAuth::None).await;
    let mut client = server.http(None).await;
    client.upgrade().await;
    client.raw([0xff; 16]).await;
    let mut rest = Vec::new();
    // Whoever closes without a word of TLS has it look like an attack, which is an error here.
    let read = tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut rest).await;
    assert!(read.is_ok(), "{read:?}");
    assert!(!rest.is_empty(), "it was told why");
}

#[tokio::test]
async fn socketio_is_polled_and_changes_to_a_websocket() {
    let server = Server::start(ClientAuth::None).await;
    let mut polling = server.http(None).await;
    let opened = polling.get("/socket.io/?EIO=4&transport=polling").await;
    let opened: serde_json::Value = serde_json::from_str(opened.body.strip_prefix('0').unwrap()).unwrap();
    let sid = opened["sid"].as_str().unwrap();
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    polling
        .raw(format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n40"
        ))
        .await;
    assert_eq!(polling.answer().await.body, "ok");
    let connected = polling.get(&target).await;
    assert!(connected.body.starts_with("40{"), "{connected:?}");

    let mut socket = server.http(None).await;
    socket
        .upgrade_to(&format!("/socket.io/?EIO=4&transport=websocket&sid={sid}"))
        .await;
    socket.say_text("2probe").await;
    assert_eq!(socket.hear_text().await.as_deref(), Some("3probe"));
    socket.say_text("5").await;
    socket.say_text("40/").await;
    assert!(socket.hear_text().await.is_some());
}
