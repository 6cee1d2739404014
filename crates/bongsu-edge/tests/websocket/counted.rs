//! A WebSocket's place among the connections, and what `/status` and `/metrics` say of it.

use bongsu_model::Limits;

use crate::client::{Client, Said, close, head, lines, text};
use crate::server::{PATIENCE, Server, until};

fn places(count: usize) -> Limits {
    Limits {
        connections_per_address_max: count,
        ..Limits::DEFAULT
    }
}

/// How a connection is answered that asks for an upgrade: the status; `None` if it is closed without a word.
async fn try_upgrade(server: &Server) -> Option<(Client, String)> {
    let mut client = Client::open(server.address).await;
    // Who is not let in may be gone before it has said anything.
    let _ = tokio::io::AsyncWriteExt::write_all(
        &mut client.writer,
        head("GET /ws HTTP/1.1", &lines()).as_bytes(),
    )
    .await;
    let mut status = String::new();
    let read = tokio::io::AsyncBufReadExt::read_line(&mut client.reader, &mut status);
    match tokio::time::timeout(PATIENCE, read).await.expect("in time") {
        Ok(1..) => Some((client, status)),
        Ok(0) | Err(_) => None,
    }
}

#[tokio::test]
async fn a_place_is_held_as_long_as_the_connection_and_no_longer() {
    let server = Server::limited(places(2)).await;
    let (mut one, two) = (server.session(1).await, server.connect().await);
    assert_eq!(server.admission.counts().0, 2);
    if let Some((_, status)) = try_upgrade(&server).await {
        assert!(status.starts_with("HTTP/1.1 503"), "{status}");
    }
    // One leaves by the door, the other just drops.
    one.raw(close(1000, b"")).await;
    while one.next_or_end().await.is_some() {}
    drop(one);
    server
        .until("a place is free", |it| it.admission.counts().0 == 1)
        .await;
    let mut three = server.session(3).await;
    drop(two);
    server
        .until("another place is free", |it| it.admission.counts().0 == 1)
        .await;
    three.post("still here").await;
    three.wait_for("still here").await;
    drop(three);
    server.until_empty().await;
}

#[tokio::test]
async fn a_handshake_that_is_refused_gives_its_place_back() {
    let server = Server::limited(places(1)).await;
    for _ in 0..5 {
        let mut client = Client::open(server.address).await;
        let refused = head("GET /ws HTTP/1.1", &lines()[..3]);
        client
            .raw(refused.replace("Connection: Upgrade", "Connection: close"))
            .await;
        client.http().await.refused(400, "no_handshake");
        drop(client);
        server
            .until("its place is free", |it| it.admission.counts().0 == 0)
            .await;
    }
    // The upgrade takes over the place of the connection that it came on.
    let mut client = server.session(1).await;
    assert_eq!(server.admission.counts().0, 1);
    // Whoever is refused after the handshake leaves as well.
    client.raw(frame_of_nonsense()).await;
    client.closed("invalid_data", 1002, "never").await;
    drop(client);
    server.until_empty().await;
}

fn frame_of_nonsense() -> Vec<u8> {
    crate::client::frame(0x83, b"")
}

#[tokio::test]
async fn it_counts_as_a_websocket_and_not_as_http() {
    let server = Server::start().await;
    let one = server.session(1).await;
    let two = server.connect().await;
    let open = |protocol: &str| server.metric(&format!("bongsu_connections{{protocol=\"{protocol}\"}}"));
    until("HTTP has let go of both", || open("http") == 0).await;
    assert_eq!(open("websocket"), 2);
    assert_eq!(
        server.metric("bongsu_connections_opened_total{protocol=\"websocket\"}"),
        2
    );
    assert_eq!(
        server.metric("bongsu_connections_opened_total{protocol=\"http\"}"),
        2
    );
    assert_eq!(server.metric("bongsu_sessions"), 1);
    let status = server.status().await;
    assert_eq!(
        status["connections"], 3,
        "this request's own among them: {status}"
    );
    assert_eq!(status["http_connections"], 1, "{status}");
    assert_eq!(status["sessions"], 1, "{status}");
    drop((one, two));
    server.until_empty().await;
    until("the meters have seen it", || {
        open("websocket") == 0 && open("http") == 0
    })
    .await;
    assert_eq!(
        server.metric("bongsu_connections_closed_total{cause=\"client\"}"),
        5,
        "two that were upgraded, each as HTTP and as a WebSocket, and the one that asked"
    );
}

#[tokio::test]
async fn what_is_refused_is_counted_as_that() {
    let server = Server::start().await;
    // In the address, in the first frame, and as nonsense.
    let mut by_address = Client::open(server.address).await;
    by_address.upgrade("/ws?token=bad", None).await;
    by_address.closed("invalid_token", 4401, "never").await;
    let mut by_frame = server.connect().await;
    by_frame.auth("bad").await;
    by_frame.closed("invalid_token", 4401, "never").await;
    let mut nonsense = server.connect().await;
    nonsense.raw(frame_of_nonsense()).await;
    nonsense.closed("invalid_data", 1002, "never").await;
    drop((by_address, by_frame, nonsense));
    server.until_empty().await;
    let open = || server.metric("bongsu_connections{protocol=\"websocket\"}");
    until("the meters have seen it", || open() == 0).await;
    assert_eq!(
        server.metric("bongsu_connections_closed_total{cause=\"refused\"}"),
        3
    );
    assert_eq!(server.metric("bongsu_malformed_streams_total"), 1);
    assert_eq!(
        server.metric("bongsu_tokens_refused_total{reason=\"malformed\"}"),
        2
    );
}

#[tokio::test]
async fn bytes_are_counted_with_those_that_came_with_the_handshake() {
    let server = Server::start().await;
    let ping = text(crate::client::request(
        "auth",
        "a",
        &serde_json::json!({ "token": "1" }),
    ));
    let mut packet = head("GET /ws HTTP/1.1", &lines()).into_bytes();
    packet.extend_from_slice(&ping);
    let mut client = Client::open(server.address).await;
    client.raw(packet).await;
    assert_eq!(client.http().await.status, 101);
    client.answer("auth.ok", "a").await;
    assert_eq!(server.metric("bongsu_read_bytes_total"), ping.len() as u64);
    client.raw(crate::client::frame(0x89, b"x")).await;
    assert_eq!(client.said().await, Said::Pong(b"x".to_vec()));
    assert_eq!(server.metric("bongsu_read_bytes_total"), ping.len() as u64 + 7);
}

/// Waits until so many clients are counted for whoever chooses a node.
async fn counted(server: &Server, clients: u64) {
    let counting = async {
        while server.status().await["num_connection"] != clients {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, counting).await;
    in_time.unwrap_or_else(|_| panic!("{clients} clients are never counted"));
}

#[tokio::test]
async fn who_stays_is_counted_for_the_choice_of_a_node_and_who_asks_is_not() {
    let server = Server::start().await;
    counted(&server, 0).await;
    let stays = server.connect().await;
    counted(&server, 1).await;
    // Between polls nothing is connected, and the session stays all the same.
    let opened = server
        .ask("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    assert_eq!(opened.status, 200, "{opened:?}");
    counted(&server, 2).await;
    drop(stays);
    counted(&server, 1).await;
}
