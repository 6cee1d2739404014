//! `/status`: the node to connect to, as clients, browsers and proxies ask for it.

use std::sync::Arc;

use bongsu_edge::http::Advertised;
use bongsu_model::Limits;
use serde_json::Value;

use crate::client::{Answer, request};
use crate::server::{Server, Wanted};

async fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Answer {
    server.raw(request("GET", path, headers, None)).await.unwrap()
}

/// What one is told who asks for this host.
async fn at(server: &Server, host: &str) -> (String, u64) {
    let head = format!("GET /status HTTP/1.1\r\nHost: {host}\r\n\r\n");
    named(&server.raw(head).await.unwrap().is(200))
}

fn named(status: &Value) -> (String, u64) {
    let host = status["host"].as_str().unwrap();
    (host.to_owned(), status["port"].as_u64().unwrap())
}

fn is(host: &str, port: u16) -> (String, u64) {
    (host.to_owned(), port.into())
}

#[tokio::test]
async fn who_asks_alone_is_told_this_node_and_that_nobody_is_connected() {
    let server = Server::start().await;
    let answer = get(&server, "/status", &[]).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let status = answer.is(200);
    assert_eq!(named(&status), is("http://127.0.0.1", server.address.port()));
    assert_eq!(status["num_connection"], 0, "who asks is no client");
}

#[tokio::test]
async fn on_loopback_the_host_that_was_asked_is_told_if_it_is_one_of_ours() {
    let server = Server::start().await;
    let port = server.address.port();
    for (host, told) in [
        ("localhost:8000", is("http://localhost", 8_000)),
        ("localhost", is("http://localhost", 80)),
        ("192.0.2.7:9000", is("http://192.0.2.7", 9_000)),
        ("[::1]:8000", is("http://[::1]", 8_000)),
        ("evil.example:8000", is("http://127.0.0.1", port)),
        ("localhost:80/@evil.example", is("http://127.0.0.1", port)),
        ("me@localhost", is("http://127.0.0.1", port)),
        ("localhost:", is("http://127.0.0.1", port)),
    ] {
        assert_eq!(at(&server, host).await, told, "{host}");
    }
    let hosts: Vec<Arc<str>> = vec!["chat.example".into()];
    let server = Server::with(Wanted {
        hosts,
        ..Wanted::default()
    })
    .await;
    assert_eq!(
        at(&server, "Chat.Example:8000").await,
        is("http://Chat.Example", 8_000)
    );
    assert_eq!(
        at(&server, "evil.example").await,
        is("http://127.0.0.1", server.address.port())
    );
}

#[tokio::test]
async fn the_advertised_address_is_told_whatever_was_asked() {
    let server = Server::with(Wanted {
        advertise: Some(Advertised::parse("https://ws-1.example:8443").unwrap()),
        ..Wanted::default()
    })
    .await;
    for host in ["localhost:8000", "evil.example"] {
        assert_eq!(at(&server, host).await, is("https://ws-1.example", 8_443));
    }
}

#[tokio::test]
async fn policies_are_two_and_another_is_refused() {
    let server = Server::start().await;
    for query in ["", "?policy=two", "?policy=least", "?other=1"] {
        get(&server, &format!("/status{query}"), &[]).await.is(200);
    }
    for query in ["?policy=", "?policy=most", "?policy=two&policy=least"] {
        let problem = get(&server, &format!("/status{query}"), &[])
            .await
            .refused(422, "INVALID_DATA");
        assert_eq!(problem["field"], "policy", "{query}");
    }
}

#[tokio::test]
async fn a_node_that_is_full_or_stops_is_not_named() {
    let limits = |connections_max| Limits {
        connections_max,
        ..Limits::DEFAULT
    };
    // The last place is that of who asks.
    let full = Server::limited(limits(1)).await;
    let answer = get(&full, "/status", &[]).await;
    assert_eq!(answer.header("retry-after"), Some("1"));
    let problem = answer.refused(503, "OVERLOADED");
    assert_eq!(problem["retry_after_ms"], 1_000);
    let with_room = Server::limited(limits(2)).await;
    get(&with_room, "/status", &[]).await.is(200);
    with_room.node.stop(0).await;
    get(&with_room, "/status", &[])
        .await
        .refused(503, "SHUTTING_DOWN");
}

#[tokio::test]
async fn pages_of_configured_origins_may_ask() {
    let origins: Vec<Arc<str>> = vec!["https://app.example".into()];
    let server = Server::with(Wanted {
        cors_origins: origins,
        ..Wanted::default()
    })
    .await;
    for (origin, allowed) in [
        ("https://app.example", Some("https://app.example")),
        ("https://evil.example", None),
    ] {
        let answer = get(&server, "/status", &[("origin", origin)]).await;
        assert_eq!(answer.header("access-control-allow-origin"), allowed, "{origin}");
        answer.is(200);
    }
}
