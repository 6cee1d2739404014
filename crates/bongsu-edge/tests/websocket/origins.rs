//! Whose pages may open a connection, by `Origin` and `Host`, as a browser sends them.

use std::sync::Arc;

use crate::client::{Client, lines};
use crate::server::{Server, Wanted};

/// What a page of an origin is answered that asks this host.
async fn answer(server: &Server, origin: Option<&str>, host: &str) -> (u16, Option<String>) {
    let mut head = format!("GET /ws HTTP/1.1\r\nHost: {host}\r\n{}\r\n", lines().join("\r\n"));
    if let Some(origin) = origin {
        head.push_str(&format!("Origin: {origin}\r\n"));
    }
    head.push_str("\r\n");
    let mut client = Client::open(server.address).await;
    client.raw(head).await;
    let answer = client.http().await;
    let reason = serde_json::from_slice::<serde_json::Value>(&answer.body)
        .ok()
        .and_then(|problem| problem["reason"].as_str().map(str::to_owned));
    (answer.status, reason)
}

async fn matrix(server: &Server, cases: &[(Option<&str>, &str, &str)]) {
    for (origin, host, expected) in cases {
        let expected = match *expected {
            "in" => (101, None),
            reason => (403, Some(reason.to_owned())),
        };
        assert_eq!(
            answer(server, *origin, host).await,
            expected,
            "{origin:?} at {host}"
        );
    }
}

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

#[tokio::test]
async fn the_loopback_lets_in_its_own_pages_and_whoever_is_no_page() {
    let server = Server::start().await;
    matrix(
        &server,
        &[
            (None, "localhost:8000", "in"),
            (None, "whatever.example", "in"),
            (Some("http://localhost:8000"), "localhost:8000", "in"),
            (Some("http://LOCALHOST:8000"), "localhost:8000", "in"),
            (Some("http://127.0.0.1:8000"), "127.0.0.1:8000", "in"),
            (Some("http://[::1]:8000"), "[::1]:8000", "in"),
            (Some("http://localhost"), "localhost", "in"),
            (Some("https://localhost"), "localhost", "in"),
            (Some("http://localhost:9000"), "localhost:8000", "origin"),
            (Some("http://localhost"), "localhost:8000", "origin"),
            (Some("http://127.0.0.1:8000"), "localhost:8000", "origin"),
            (Some("https://evil.example"), "localhost:8000", "origin"),
            (
                Some("http://localhost:8000.evil.example"),
                "localhost:8000",
                "origin",
            ),
            (
                Some("http://evil.example/localhost:8000"),
                "localhost:8000",
                "origin",
            ),
            (Some("null"), "localhost:8000", "origin"),
            (Some(""), "localhost:8000", "origin"),
            (Some("localhost:8000"), "localhost:8000", "origin"),
            // A name of its own that was made to point here.
            (Some("http://evil.example:8000"), "evil.example:8000", "host"),
            (Some("http://evil.example"), "evil.example", "host"),
            (
                Some("http://localhost.evil.example"),
                "localhost.evil.example",
                "host",
            ),
        ],
    )
    .await;
    server.until_empty().await;
}

#[tokio::test]
async fn a_server_that_knows_its_names_is_known_by_no_other() {
    let server = Server::with(Wanted {
        hosts: names(&["chat.example", "chat.test"]),
        ..Wanted::default()
    })
    .await;
    matrix(
        &server,
        &[
            (Some("https://chat.example"), "chat.example", "in"),
            (Some("https://Chat.Example"), "chat.example", "in"),
            (Some("https://chat.test:8443"), "chat.test:8443", "in"),
            (Some("https://evil.example"), "chat.example", "origin"),
            (Some("https://evil.example"), "evil.example", "host"),
            (Some("https://xchat.example"), "xchat.example", "host"),
            (None, "evil.example", "in"),
        ],
    )
    .await;
}

#[tokio::test]
async fn pages_that_were_named_are_let_in_whatever_host_they_ask() {
    let server = Server::with(Wanted {
        origins: names(&["https://app.example"]),
        ..Wanted::default()
    })
    .await;
    matrix(
        &server,
        &[
            (Some("https://app.example"), "localhost:8000", "in"),
            (Some("https://app.example"), "evil.example", "in"),
            (Some("http://app.example"), "localhost:8000", "origin"),
            (Some("https://app.example:444"), "localhost:8000", "origin"),
            (Some("https://sub.app.example"), "localhost:8000", "origin"),
            (Some("http://localhost:8000"), "localhost:8000", "in"),
        ],
    )
    .await;
    let all = Server::with(Wanted {
        origins: names(&["*"]),
        ..Wanted::default()
    })
    .await;
    matrix(
        &all,
        &[
            (Some("null"), "x", "in"),
            (Some("https://evil.example"), "x", "in"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_stranger_costs_nothing_and_its_token_is_not_looked_at() {
    let server = Server::start().await;
    let mut client = Client::open(server.address).await;
    let mut head = format!(
        "GET /ws?token=1 HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
        lines().join("\r\n")
    );
    head.push_str("Origin: https://evil.example\r\n\r\n");
    client.raw(head).await;
    client.http().await.refused(403, "origin");
    assert_eq!(server.node.counters.requests.get(), 0);
    assert_eq!(server.node.sessions_count(), 0);
    assert_eq!(
        server.metric("bongsu_connections_opened_total{protocol=\"websocket\"}"),
        0
    );
}
