//! What is no TLS, or takes too long.

use std::net::SocketAddr;

use bongsu_edge::tls::ClientAuth;
use bongsu_model::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::server::{PATIENCE, Server, until};

/// What is answered to bytes, up to an end that is none by reset.
async fn said_to(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("the end in time")
        .expect("no reset");
    answer
}

#[tokio::test]
async fn who_speaks_no_tls_is_told_and_closed() {
    let server = Server::start(ClientAuth::None).await;
    let answer = said_to(server.https, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("https"), "{answer}");
    assert!(said_to(server.https, b"\x00\x01\x02garbage").await.is_empty());
    assert!(
        said_to(server.tcps, b"{\"action\":\"CONNECT\"}\n")
            .await
            .is_empty()
    );
    assert_eq!(server.handshakes("not_tls"), 3);
    // An alert of its version, fatal.
    for address in [server.https, server.tcps] {
        let answer = said_to(address, b"\x16\x03\x01\x00\x06\x01\x00\x00\x02\xff\xff").await;
        assert_eq!(answer.first(), Some(&21), "{answer:?}");
    }
    assert_eq!(server.handshakes("failed"), 2);
    server.until_empty().await;
}

#[tokio::test]
async fn a_handshake_has_a_time_also_while_it_waits_for_a_place() {
    let server = Server::limited(
        ClientAuth::None,
        Limits {
            tls_handshake_ms: 200,
            tls_handshakes_max: 1,
            ..Limits::DEFAULT
        },
    )
    .await;
    // The first has the only place, the second waits for it, the third says nothing at all.
    for begun in [&b"\x16"[..], b"\x16", b""] {
        assert!(said_to(server.tcps, begun).await.is_empty());
    }
    let mut streams = Vec::new();
    for begun in [&b"\x16"[..], b"\x16", b""] {
        let mut stream = TcpStream::connect(server.tcps).await.unwrap();
        stream.write_all(begun).await.unwrap();
        streams.push(stream);
    }
    until("all of them ran out of time", || {
        server.handshakes("timed_out") == 6
    })
    .await;
    server.until_empty().await;
    assert_eq!(server.metric("bongsu_tls_handshakes_under_way"), 0);
    server.action(None).await.connect(1).await;
}

#[tokio::test]
async fn connections_count_from_before_their_handshake() {
    let server = Server::limited(
        ClientAuth::None,
        Limits {
            connections_per_address_max: 2,
            ..Limits::DEFAULT
        },
    )
    .await;
    let _first = TcpStream::connect(server.tcps).await.unwrap();
    let _second = TcpStream::connect(server.https).await.unwrap();
    server
        .until("both are let in", |it| it.admission.counts().0 == 2)
        .await;
    for address in [server.https, server.tcps] {
        assert!(said_to(address, b"").await.is_empty(), "closed without a word");
    }
    assert_eq!(
        server.metric("bongsu_connections_refused_total{reason=\"address_full\"}"),
        2
    );
}

#[tokio::test]
async fn a_listener_that_stops_waits_for_no_handshake() {
    let server = Server::start(ClientAuth::None).await;
    let mut held = [
        TcpStream::connect(server.https).await.unwrap(),
        TcpStream::connect(server.tcps).await.unwrap(),
    ];
    server
        .until("both are let in", |it| it.admission.counts().0 == 2)
        .await;
    server.stopped().await;
    for stream in &mut held {
        assert!(!matches!(stream.read(&mut [0; 1]).await, Ok(1..)));
    }
}
