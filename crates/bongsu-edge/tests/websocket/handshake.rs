//! From HTTP to WebSocket: what is asked for, what is answered, and what is not upgraded.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::client::{ACCEPT, Client, head, lines, post, request, text, texts};
use crate::server::Server;

const GET: &str = "GET /ws HTTP/1.1";

#[tokio::test]
async fn the_answer_is_what_the_rfc_asks_for() {
    let server = Server::start().await;
    let answer = server.ask(head(GET, &lines())).await;
    assert!(
        answer.head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{answer:?}"
    );
    let mut names: Vec<_> = answer.headers.iter().map(|pair| pair.0.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "connection",
            "content-security-policy",
            "date",
            "sec-websocket-accept",
            "upgrade",
            "x-content-type-options",
            "x-request-id",
        ],
        "no length, no subprotocol, no extension"
    );
    assert_eq!(answer.header("connection"), Some("upgrade"));
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert_eq!(answer.header("sec-websocket-accept"), Some(ACCEPT));
}

#[tokio::test]
async fn the_client_s_order_of_subprotocols_decides() {
    let server = Server::start().await;
    for (offered, chosen) in [
        (&[][..], None),
        (&["bongsu.type.v1"], Some("bongsu.type.v1")),
        (&["bongsu.action.v1"], Some("bongsu.action.v1")),
        (&["bongsu.action.v1, bongsu.type.v1"], Some("bongsu.action.v1")),
        (&["graphql-ws ,bongsu.type.v1,x"], Some("bongsu.type.v1")),
        (&["graphql-ws", "bongsu.action.v1"], Some("bongsu.action.v1")),
    ] {
        let offers: Vec<_> = offered
            .iter()
            .map(|names| format!("Sec-WebSocket-Protocol: {names}"))
            .collect();
        let mut lines = lines();
        lines.extend(offers.iter().map(String::as_str));
        let mut client = Client::open(server.address).await;
        client.raw(head(GET, &lines)).await;
        let answer = client.http().await;
        assert_eq!(answer.status, 101, "{offered:?}");
        assert_eq!(answer.header("sec-websocket-protocol"), chosen, "{offered:?}");
        // What was chosen is what is spoken.
        if chosen == Some("bongsu.action.v1") {
            client
                .say(&json!({ "action": "CONNECT", "seq_id": "c", "data": { "jwt_token": "1" } }))
                .await;
            assert_eq!(client.next().await["action"], "CONNECT_SUCCESS");
        } else {
            client.sign_in(1).await;
        }
    }
    for offered in [
        "",
        "graphql-ws",
        "BONGSU.TYPE.V1",
        "bongsu.type",
        "bongsu.type.v1 bongsu.action.v1",
    ] {
        let offer = format!("Sec-WebSocket-Protocol: {offered}");
        let mut lines = lines();
        lines.push(&offer);
        server.ask(head(GET, &lines)).await.refused(400, "subprotocol");
    }
    server.until_empty().await;
}

#[tokio::test]
async fn headers_are_lists_in_any_case_and_order() {
    let server = Server::start().await;
    for (number, with) in [
        &["Connection: upgrade"][..],
        &["Connection: keep-alive, Upgrade"],
        &["Connection: UPGRADE ,keep-alive"],
        &["Connection: keep-alive", "Connection: Upgrade"],
        &["Upgrade: WebSocket"],
        &["Upgrade: h2c, websocket"],
        &["Upgrade: h2c", "Upgrade: websocket"],
        &["Sec-WebSocket-Extensions: permessage-deflate"],
        &["Cookie: a=b", "User-Agent: somebody"],
    ]
    .into_iter()
    .enumerate()
    {
        let replaced = |line: &&str| {
            let name = line.split(':').next().unwrap();
            !with.iter().any(|other| other.starts_with(&format!("{name}:")))
        };
        let mut lines: Vec<_> = lines().into_iter().filter(replaced).collect();
        lines.splice(0..0, with.iter().copied());
        let answer = server.ask(head(GET, &lines)).await;
        assert_eq!(answer.status, 101, "{number}: {with:?}");
        assert_eq!(
            answer.header("sec-websocket-extensions"),
            None,
            "compression is switched off"
        );
    }
}

/// A header of the handshake, what stands in its place, and what that is told.
const NO_HANDSHAKES: [(&str, &[&str], u16, &str); 14] = [
    ("Upgrade", &[], 400, "no_handshake"),
    ("Upgrade", &["Upgrade: h2c"], 400, "no_handshake"),
    ("Upgrade", &["Upgrade: websockets"], 400, "no_handshake"),
    ("Connection", &[], 400, "no_handshake"),
    ("Connection", &["Connection: keep-alive"], 400, "no_handshake"),
    ("Sec-WebSocket-Version", &[], 426, "version"),
    (
        "Sec-WebSocket-Version",
        &["Sec-WebSocket-Version: 8"],
        426,
        "version",
    ),
    (
        "Sec-WebSocket-Version",
        &["Sec-WebSocket-Version: 013"],
        426,
        "version",
    ),
    ("Sec-WebSocket-Key", &[], 400, "no_handshake"),
    ("Sec-WebSocket-Key", &["Sec-WebSocket-Key:"], 400, "no_handshake"),
    (
        "Sec-WebSocket-Key",
        &["Sec-WebSocket-Key: x"],
        400,
        "no_handshake",
    ),
    (
        "Sec-WebSocket-Key",
        &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"],
        400,
        "no_handshake",
    ),
    (
        "Sec-WebSocket-Key",
        &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSEhdGhlIHNhbXBsZSBub25jZSEh"],
        400,
        "no_handshake",
    ),
    (
        "Sec-WebSocket-Key",
        &["Sec-WebSocket-Key: \u{e9}"],
        400,
        "no_handshake",
    ),
];

#[tokio::test]
async fn what_is_no_handshake_is_told_so_and_the_connection_goes_on() {
    let server = Server::start().await;
    let mut client = Client::open(server.address).await;
    for (without, with, status, reason) in NO_HANDSHAKES {
        let kept = |line: &&str| !line.starts_with(&format!("{without}:"));
        let mut lines: Vec<_> = lines().into_iter().filter(kept).collect();
        lines.extend(with);
        client.raw(head(GET, &lines)).await;
        let answer = client.http().await;
        answer.refused(status, reason);
        // Who speaks another version is told which one is spoken here.
        let version = (status == 426).then_some("13");
        assert_eq!(answer.header("sec-websocket-version"), version, "{with:?}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        client
            .raw(head(&format!("{method} /ws HTTP/1.1"), &lines()))
            .await;
        let answer = client.http().await;
        assert_eq!(
            (answer.status, answer.header("sec-websocket-accept")),
            (405, None)
        );
    }
    client.raw(head("GET /ws/ HTTP/1.1", &lines())).await;
    assert_eq!(client.http().await.status, 404);
    // The very same connection still serves HTTP, and can be upgraded.
    client.raw(head("GET /healthz HTTP/1.1", &[])).await;
    assert_eq!(client.http().await.status, 200);
    client.upgrade("/ws", None).await;
    client.sign_in(1).await;
}

#[tokio::test]
async fn only_get_upgrades() {
    let server = Server::start().await;
    let mut client = Client::open(server.address).await;
    client.raw(head("HEAD /ws HTTP/1.1", &lines())).await;
    // The answer to HEAD has no body, whatever its length says.
    let mut status = String::new();
    tokio::io::AsyncBufReadExt::read_line(&mut client.reader, &mut status)
        .await
        .unwrap();
    assert!(status.starts_with("HTTP/1.1 4"), "{status}");
}

#[tokio::test]
async fn older_versions_of_http_are_not_upgraded() {
    let server = Server::start().await;
    let mut lines = lines();
    lines.push("Connection: Upgrade, keep-alive");
    let answer = server.ask(head("GET /ws HTTP/1.0", &lines)).await;
    assert_eq!(answer.status, 400, "{answer:?}");
}

#[tokio::test]
async fn newer_versions_of_http_are_not_upgraded() {
    let server = Server::start().await;
    let client: Http<_, Empty<Bytes>> = Http::builder(TokioExecutor::new()).http2_only(true).build_http();
    let answer = client
        .get(format!("http://{}/ws", server.address).parse().unwrap())
        .await
        .unwrap();
    assert_eq!(answer.status(), 400);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["reason"], "no_handshake", "{problem}");
}

#[tokio::test]
async fn a_request_names_one_host() {
    let server = Server::start().await;
    let mut twice = lines();
    twice.push("Host: other.test");
    server.ask(head(GET, &twice)).await.refused(400, "host");
    let none = head(GET, &lines()).replace("Host: bongsu.test\r\n", "");
    server.ask(none).await.refused(400, "host");
}

#[tokio::test]
async fn what_comes_with_the_handshake_is_served_in_order() {
    let server = Server::start().await;
    let auth = request("auth", "a", &json!({ "token": "1" }));
    let last = text(post("3", "third"));
    let (begun, rest) = last.split_at(last.len() / 2);
    let mut packet = head(GET, &lines()).into_bytes();
    packet.extend(texts(&[auth, post("1", "first"), post("2", "second")]));
    packet.extend_from_slice(begun);
    let mut client = Client::open(server.address).await;
    client.raw(packet).await;
    assert_eq!(client.http().await.status, 101);
    client.answer("auth.ok", "a").await;
    for (id, seq) in [("1", 1), ("2", 2)] {
        assert_eq!(client.wait_for(id).await["data"]["seq"], seq);
    }
    client.raw(rest).await;
    assert_eq!(client.wait_for("3").await["data"]["seq"], 3);
}

#[tokio::test]
async fn much_may_come_with_the_handshake() {
    let server = Server::limited(bongsu_model::Limits {
        posts_burst: 1_000,
        posts_per_s: 1_000,
        flood_repeats_max: 0,
        ..bongsu_model::Limits::DEFAULT
    })
    .await;
    let mut packet = head("GET /ws?token=1 HTTP/1.1", &lines()).into_bytes();
    let long = "x".repeat(2_000);
    for n in 0..100 {
        packet.extend(text(post(&n.to_string(), &long)));
    }
    assert!(packet.len() > 200_000, "far more than the buffer of HTTP");
    let mut client = Client::open(server.address).await;
    let sent = async {
        let (reader, writer) = (&mut client.reader, &mut client.writer);
        let _ = reader;
        tokio::io::AsyncWriteExt::write_all(writer, &packet)
            .await
            .unwrap();
    };
    sent.await;
    assert_eq!(client.http().await.status, 101);
    assert_eq!(client.expect("auth.ok").await.get("ref_id"), None);
    for n in 0..100 {
        assert_eq!(client.wait_for(&n.to_string()).await["data"]["seq"], n + 1);
    }
}
