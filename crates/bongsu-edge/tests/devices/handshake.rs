//! The WebSocket at `/device`: which requests become one, and what WebSocket itself asks of it.

use bongsu_wire::websocket::Opcode;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::device::Device;
use crate::link::{Comes, End, KEY, Kind};
use crate::server::{PATIENCE, Server};

/// The answer to a request with these lines besides those of a handshake: its head, and its document if it has one.
async fn ask(server: &Server, lines: &[&str]) -> (String, Value) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "GET /device HTTP/1.1\r\nHost: bongsu.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{}\r\n\r\n",
        lines.join("\r\n")
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("an answer in time")
        .unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.to_ascii_lowercase(),
        serde_json::from_str(body).unwrap_or(Value::Null),
    )
}

#[tokio::test]
async fn json_is_spoken_where_nothing_is_offered() {
    let server = Server::start().await;
    let (head, _) = ask(&server, &["X-A: b"]).await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(!head.contains("sec-websocket-protocol"), "{head}");
    for (offered, chosen) in [
        (
            "bongsu.device.proto.v1, bongsu.device.json.v1",
            "bongsu.device.proto.v1",
        ),
        ("x, bongsu.device.json.v1", "bongsu.device.json.v1"),
    ] {
        let (head, _) = ask(&server, &[&format!("Sec-WebSocket-Protocol: {offered}")]).await;
        assert!(head.starts_with("http/1.1 101"), "{head}");
        assert!(
            head.contains(&format!("sec-websocket-protocol: {chosen}")),
            "{head}"
        );
    }
    let (head, problem) = ask(&server, &["Sec-WebSocket-Protocol: bongsu.type.v1"]).await;
    assert!(head.starts_with("http/1.1 400"), "{head}");
    assert_eq!(problem["reason"], "subprotocol");
    server.until_empty().await;
}

#[tokio::test]
async fn a_page_may_not_be_a_device_unless_it_is_allowed() {
    let server = Server::start().await;
    let (head, problem) = ask(&server, &["Origin: https://elsewhere.example"]).await;
    assert!(head.starts_with("http/1.1 403"), "{head}");
    assert_eq!(problem["reason"], "origin");
    let (head, _) = ask(&server, &["Origin: https://allowed.example"]).await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
}

#[tokio::test]
async fn nothing_is_compressed_for_devices() {
    let server = Server::start().await;
    let (head, _) = ask(&server, &["Sec-WebSocket-Extensions: permessage-deflate"]).await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(!head.contains("sec-websocket-extensions"), "{head}");
}

#[tokio::test]
async fn a_hello_may_come_right_behind_the_handshake() {
    let server = Server::start().await;
    for kind in [Kind::Json, Kind::Proto] {
        let mut device = Device::connect(&server, kind, "car").await;
        // One write for all: what is read behind the hello counts as well.
        device.say(&crate::device::hello("car")).await;
        device.say(&crate::device::heartbeat(3)).await;
        device.epoch = device.welcome().await.epoch;
        device.told().await;
    }
}

#[tokio::test]
async fn pings_and_farewells_are_answered() {
    let server = Server::start().await;
    for kind in [Kind::Json, Kind::Proto] {
        for welcome in [false, true] {
            let mut device = Device::connect(&server, kind, "car").await;
            if welcome {
                device.enter("car").await;
            }
            device.link.socket().frame(Opcode::Ping, b"there?").await;
            assert_eq!(device.link.comes().await, Comes::Pong(b"there?".to_vec()));
            device.link.socket().frame(Opcode::Close, &[0x03, 0xe8]).await;
            let end = device.link.comes().await;
            assert_eq!(end, Comes::End(End::Closed(1000, String::new())));
            assert_eq!(device.link.comes().await, Comes::End(End::Cut));
        }
        server.until("it is offline", |it| !it.is_online("car")).await;
    }
    server.until_empty().await;
}
