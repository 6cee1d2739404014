//! Connections under bad input: slow, many, malformed, pipelined, draining.

use std::time::Duration;

use bongsu_model::Limits;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

use crate::client::request;
use crate::server::{Server, Wanted};

const SIGNED: [(&str, &str); 2] = [
    ("authorization", "Bearer back-end/service"),
    ("content-type", "application/json"),
];

fn get(path: &str) -> Vec<u8> {
    request("GET", path, &[], None)
}

#[tokio::test]
async fn slow_headers_are_cut() {
    let server = Server::limited(Limits {
        http_header_ms: 100,
        ..Limits::DEFAULT
    })
    .await;
    let mut silent = server.line().await;
    let mut slow = server.line().await;
    slow.send_anyway("GET /healthz HTTP/1.1\r\nhost: ").await;
    let mut half_http2 = server.line().await;
    half_http2.send_anyway("PRI * HT").await;
    assert!(silent.ended().await.is_empty());
    slow.ended().await;
    half_http2.ended().await;
    // One that has asked and asks no more is cut as well. On a busy machine even the quick may come too late: again.
    loop {
        let mut quick = server.line().await;
        quick.send_anyway(get("/healthz")).await;
        if let Some(answer) = quick.read().await {
            answer.is(200);
            quick.ended().await;
            break;
        }
    }
}

#[tokio::test]
async fn idle_connections_of_http2_are_told_goodbye() {
    let server = Server::limited(Limits {
        idle_ms: 50,
        http_header_ms: 50,
        drain_ms: 50,
        ..Limits::DEFAULT
    })
    .await;
    let mut line = server.line().await;
    // The preface and empty settings: a connection that never asks.
    line.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await;
    line.ended().await;
}

#[tokio::test]
async fn headers_have_their_limits() {
    let limit = 16 * 1024;
    let server = Server::limited(Limits {
        http_header_bytes_max: limit,
        ..Limits::DEFAULT
    })
    .await;
    // `host: bongsu.test` and `x: …` with what separates them.
    let overhead = 4 + 11 + 4 + 1 + 4;
    for (bytes, statuses) in [(limit - 1, &[200][..]), (limit, &[200]), (limit + 1, &[431])] {
        let value = "x".repeat(bytes - overhead);
        let answer = server
            .raw(request("GET", "/healthz", &[("x", value.as_str())], None))
            .await
            .unwrap();
        assert!(statuses.contains(&answer.status), "{bytes}: {}", answer.status);
    }
    let huge = "x".repeat(100_000);
    let answer = server
        .raw(request("GET", "/healthz", &[("x", huge.as_str())], None))
        .await;
    assert!(answer.is_none_or(|answer| answer.status == 431));
    let many: Vec<_> = (0..200).map(|_| ("x", "y")).collect();
    assert_eq!(
        server
            .raw(request("GET", "/healthz", &many, None))
            .await
            .unwrap()
            .status,
        431
    );
    server
        .raw(request("GET", "/healthz", &many[..90], None))
        .await
        .unwrap()
        .is(200);
    let long = format!("/healthz?{}", "x".repeat(100_000));
    let answer = server.raw(get(&long)).await;
    assert!(answer.is_none_or(|answer| matches!(answer.status, 414 | 431)));
    server.raw(get("/healthz")).await.unwrap().is(200);
}

#[tokio::test]
async fn what_is_no_http_is_closed() {
    let server = Server::start().await;
    let close = "host: x\r\nconnection: close\r\n\r\n";
    for bytes in [
        "hello\r\n\r\n".to_owned(),
        "{\"action\":\"PING\"}\r\n\r\n".to_owned(),
        format!("GET /\0 HTTP/1.1\r\n{close}"),
        format!("GET /healthz HTTP/9.9\r\n{close}"),
        format!("GET /healthz HTTP/1.1\r\nno colon\r\n{close}"),
        format!("GET /healthz HTTP/1.1\r\nx : y\r\n{close}"),
        format!("POST /api/v1/rooms HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n{close}"),
        format!("POST /api/v1/rooms HTTP/1.1\r\ncontent-length: -1\r\n{close}"),
        format!("POST /api/v1/rooms HTTP/1.1\r\ntransfer-encoding: gzip\r\n{close}"),
    ] {
        let mut line = server.line().await;
        line.send_anyway(&bytes).await;
        let said = line.ended().await;
        let said = String::from_utf8_lossy(&said);
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 400") || said.starts_with("HTTP/1.1 505"),
            "{bytes:?}: {said}"
        );
    }
    server.raw(get("/healthz")).await.unwrap().is(200);
}

#[tokio::test]
async fn a_length_beside_chunks_smuggles_nothing() {
    let server = Server::start().await;
    let mut line = server.line().await;
    line.send_anyway(
        "POST /api/v1/rooms HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
    )
    .await;
    let first = line.read().await;
    assert!(
        first.is_none_or(|answer| matches!(answer.status, 400 | 401)),
        "the request itself is not served"
    );
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start().await;
    let mut line = server.line().await;
    let auth = ("authorization", "Bearer back-end/service");
    let json_type = ("content-type", "application/json");
    let mut bytes = get("/healthz");
    bytes.extend(get("/nowhere"));
    for number in 1..=3 {
        let body = json!({ "user_id": number }).to_string();
        bytes.extend(request(
            "POST",
            "/api/v1/users",
            &[auth, json_type],
            Some(body.as_bytes()),
        ));
    }
    bytes.extend(request("HEAD", "/version", &[], None));
    bytes.extend(get("/version"));
    line.send(bytes).await;
    line.read().await.unwrap().is(200);
    line.read().await.unwrap().refused(404, "INVALID_ACTION");
    for number in 1..=3 {
        assert_eq!(line.read().await.unwrap().is(201)["user_id"], number);
    }
    let head = line.read_to("HEAD").await.unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(line.read().await.unwrap().is(200)["version"], "9.8.7");
}

#[tokio::test]
async fn a_request_in_two_pieces_is_one() {
    let server = Server::start().await;
    let body = json!({ "user_id": 7 }).to_string();
    let headers = [
        ("authorization", "Bearer back-end/service"),
        ("content-type", "application/json"),
    ];
    let bytes = request("POST", "/api/v1/users", &headers, Some(body.as_bytes()));
    for cut in [1, 20, bytes.len() - body.len(), bytes.len() - 1] {
        let mut line = server.line().await;
        line.send(&bytes[..cut]).await;
        tokio::task::yield_now().await;
        line.send(&bytes[cut..]).await;
        let status = line.read().await.unwrap().status;
        assert!(matches!(status, 201 | 409), "cut at {cut}: {status}");
    }
    let mut line = server.line().await;
    let patient = [headers[0], headers[1], ("expect", "100-continue")];
    let bytes = request("POST", "/api/v1/users", &patient, Some(b"{}"));
    line.send(&bytes[..bytes.len() - 2]).await;
    assert_eq!(line.read().await.unwrap().status, 100);
    line.send("{}").await;
    line.read().await.unwrap().is(201);
}

#[tokio::test]
async fn connections_of_one_address_are_counted() {
    let server = Server::limited(Limits {
        connections_per_address_max: 2,
        ..Limits::DEFAULT
    })
    .await;
    let (mut one, mut two) = (server.line().await, server.line().await);
    for line in [&mut one, &mut two] {
        line.send(get("/healthz")).await;
        line.read().await.unwrap().is(200);
    }
    let mut three = server.line().await;
    let said = three.ended().await;
    assert!(
        said.is_empty() || said.starts_with(b"HTTP/1.1 503"),
        "{}",
        String::from_utf8_lossy(&said)
    );
    drop(one);
    // As soon as the end of the first is noticed, there is a place again.
    loop {
        let mut line = server.line().await;
        line.send_anyway(get("/healthz")).await;
        if line.read().await.is_some_and(|answer| answer.status == 200) {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn http2_is_spoken_too() {
    let server = Server::start().await;
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let ask = |path: &str| client.get(format!("http://{}{path}", server.address).parse().unwrap());
    let (first, second) = tokio::join!(ask("/healthz"), ask("/api/v1/rooms"));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(
        (first.version(), first.status().as_u16()),
        (hyper::Version::HTTP_2, 200)
    );
    assert_eq!(second.status(), 401);
    let body = second.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("INVALID_TOKEN"));
}

#[tokio::test]
async fn a_stop_lets_requests_in_flight_end() {
    let mut server = Server::with(Wanted {
        manual_store: true,
        ..Wanted::default()
    })
    .await;
    let mut idle = server.line().await;
    idle.send(get("/healthz")).await;
    idle.read().await.unwrap().is(200);
    let mut busy = server.line().await;
    busy.send(request("POST", "/api/v1/rooms", &SIGNED, Some(b"{}")))
        .await;
    server.writes_wait(1).await;
    server.tell_to_stop();
    assert!(idle.ended().await.is_empty(), "idle connections end at once");
    server.synced(busy.read()).await.unwrap().is(201);
    busy.ended().await;
    let address = server.address;
    server.stopped().await;
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let limits = Limits {
        drain_ms: 50,
        ..Limits::DEFAULT
    };
    let mut server = Server::with(Wanted {
        limits,
        manual_store: true,
        ..Wanted::default()
    })
    .await;
    let mut busy = server.line().await;
    busy.send(request("POST", "/api/v1/rooms", &SIGNED, Some(b"{}")))
        .await;
    server.writes_wait(1).await;
    server.tell_to_stop();
    tokio::time::timeout(Duration::from_secs(20), server.stopped())
        .await
        .expect("an end");
    assert!(busy.ended().await.is_empty());
}
