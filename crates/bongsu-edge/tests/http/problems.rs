//! Problem documents: their shape, their languages, and what HTTP itself refuses.

use std::sync::Arc;

use bongsu_model::Limits;
use serde_json::json;

use crate::client::request;
use crate::server::{Server, Wanted};

const AUTH: (&str, &str) = ("authorization", "Bearer back-end/service");
const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn texts_are_in_the_callers_language() {
    let server = Server::start().await;
    let ask = async |language: &str| {
        let headers = [AUTH, ("accept-language", language)];
        let answer = server
            .raw(request("GET", "/api/v1/rooms/999", &headers, None))
            .await
            .unwrap();
        answer.refused(404, "ROOM_NOT_FOUND")
    };
    let (english, korean) = (ask("en-US").await, ask("ko-KR,ko;q=0.9,en;q=0.8").await);
    assert!(
        english["detail"]
            .as_str()
            .unwrap()
            .starts_with("There is no such room"),
        "{english}"
    );
    assert!(
        korean["detail"].as_str().unwrap().starts_with("채팅방이 없거나"),
        "{korean}"
    );
    assert_eq!(english["title"], "Room not found");
    let path = request("GET", "/nowhere", &[("accept-language", "ko")], None);
    let nowhere = server.raw(path).await.unwrap().refused(404, "INVALID_ACTION");
    assert!(nowhere["detail"].as_str().unwrap().contains("경로"), "{nowhere}");
}

#[tokio::test]
async fn paths_and_methods_that_are_none_are_told_apart() {
    let server = Server::start().await;
    for path in [
        "/",
        "/nowhere",
        "/api/v1",
        "/api/v1/",
        "/api/v1/nowhere",
        "/api/v2/rooms",
        "/api/v1/rooms/",
        "/healthz/",
        "/../../etc/passwd",
    ] {
        server
            .raw(request("GET", path, &[], None))
            .await
            .unwrap()
            .refused(404, "INVALID_ACTION");
    }
    for (method, path, allow) in [
        ("BREW", "/healthz", vec!["GET", "HEAD"]),
        ("POST", "/healthz", vec!["GET", "HEAD"]),
        ("DELETE", "/api/v1/rooms", vec!["GET", "HEAD", "POST"]),
        ("PATCH", "/api/v1/rooms/1/messages", vec!["GET", "HEAD", "POST"]),
        ("OPTIONS", "/api/v1/audit", vec!["GET", "HEAD"]),
    ] {
        let answer = server.raw(request(method, path, &[AUTH], None)).await.unwrap();
        answer.refused(405, "INVALID_ACTION");
        let mut allowed: Vec<_> = answer
            .header("allow")
            .unwrap()
            .split(',')
            .map(str::trim)
            .collect();
        allowed.sort_unstable();
        assert_eq!(allowed, allow, "{method} {path}");
    }
    let bad_text = server
        .raw(request("GET", "/api/v1/rooms/%ff", &[AUTH], None))
        .await
        .unwrap();
    bad_text.refused(404, "INVALID_ACTION");
}

#[tokio::test]
async fn bodies_that_are_none_are_refused() {
    let server = Server::start().await;
    let post = async |headers: &[(&str, &str)], body: &[u8]| {
        server
            .raw(request("POST", "/api/v1/rooms", headers, Some(body)))
            .await
            .unwrap()
    };
    let nested = [b"{\"name\":".as_slice(), &[b'['; 10_000], &[b']'; 10_000], b"}"].concat();
    let deep =
        |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1)).into_bytes();
    for body in [
        b"{".as_slice(),
        b"[]",
        b"",
        b"null",
        b"7",
        b"{\"name\":\"\xff\"}",
        b"{\"a\":1}}",
        b"{\"a\":1,\"a\":2}",
        b"\xef\xbb\xbf{}",
        &nested,
        &deep(33),
    ] {
        post(&[AUTH, JSON], body).await.refused(400, "INVALID_DATA");
    }
    for good in [b"{}".as_slice(), b" \r\n{ }\t", &deep(31), &deep(32)] {
        post(&[AUTH, JSON], good).await.is(201);
    }
    for media in [
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/merge-patch+json",
    ] {
        post(&[AUTH, ("content-type", media)], b"{}").await.is(201);
    }
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "",
        "application/jsonx",
        "image/svg+json",
    ] {
        let problem = post(&[AUTH, ("content-type", media)], b"{}")
            .await
            .refused(415, "INVALID_DATA");
        assert_eq!(problem["reason"], "media_type", "{media}");
    }
    post(&[AUTH], b"{}").await.refused(415, "INVALID_DATA");
    let packed = post(&[AUTH, JSON, ("content-encoding", "gzip")], b"{}")
        .await
        .refused(415, "INVALID_DATA");
    assert_eq!(packed["reason"], "content_encoding");
}

#[tokio::test]
async fn a_body_has_its_limit_with_and_without_a_length() {
    let limit = 1_000;
    let server = Server::limited(Limits {
        http_body_bytes_max: limit,
        ..Limits::DEFAULT
    })
    .await;
    for (bytes, status) in [(limit - 1, 201), (limit, 201), (limit + 1, 413)] {
        let body = format!("{{\"x\":\"{}\"}}", "x".repeat(bytes - 8));
        assert_eq!(body.len(), bytes);
        let whole = request("POST", "/api/v1/rooms", &[AUTH, JSON], Some(body.as_bytes()));
        assert_eq!(server.raw(whole).await.unwrap().status, status, "{bytes}");
        let mut chunked = request(
            "POST",
            "/api/v1/rooms",
            &[AUTH, JSON, ("transfer-encoding", "chunked")],
            None,
        );
        for part in body.as_bytes().chunks(300) {
            chunked.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
            chunked.extend_from_slice(part);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        let answer = server.raw(chunked).await.unwrap();
        if status == 413 {
            assert_eq!(answer.refused(413, "MESSAGE_TOO_LARGE")["field"], "body");
        } else {
            answer.is(status);
        }
    }
    // A length alone is enough to refuse, before a byte of it has come.
    let mut announced = request(
        "POST",
        "/api/v1/rooms",
        &[AUTH, JSON, ("content-length", "1000000000")],
        None,
    );
    announced.extend_from_slice(b"{");
    server
        .raw(announced)
        .await
        .unwrap()
        .refused(413, "MESSAGE_TOO_LARGE");
}

#[tokio::test]
async fn a_request_has_one_host() {
    let server = Server::start().await;
    for head in [
        "GET /healthz HTTP/1.1\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    ] {
        let problem = server.raw(head).await.unwrap().refused(400, "INVALID_DATA");
        assert_eq!(problem["reason"], "host", "{head}");
    }
    let mut line = server.line().await;
    line.send("GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(
        line.ended().await.starts_with(b"HTTP/1.0 200"),
        "older clients name none"
    );
}

#[tokio::test]
async fn every_answer_has_its_id_and_its_guards() {
    let server = Server::start().await;
    for (path, status) in [("/healthz", 200), ("/nowhere", 404), ("/api/v1/rooms", 200)] {
        let answer = server
            .raw(request("GET", path, &[AUTH, ("x-request-id", "mine-1")], None))
            .await
            .unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("x-request-id"), Some("mine-1"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(
            answer.header("cache-control"),
            path.starts_with("/api").then_some("no-store")
        );
        assert_eq!(
            answer.header("access-control-allow-origin"),
            None,
            "nobody asked for CORS"
        );
    }
    for bad in ["", "two words", &"x".repeat(129), "\u{e9}"] {
        let answer = server
            .raw(request("GET", "/nowhere", &[("x-request-id", bad)], None))
            .await
            .unwrap();
        let id = answer.header("x-request-id").unwrap();
        assert_eq!(id.len(), 32, "{bad}: {id}");
        assert_eq!(answer.refused(404, "INVALID_ACTION")["request_id"], id);
    }
}

#[tokio::test]
async fn pages_of_configured_origins_may_call() {
    let origins: Vec<Arc<str>> = vec!["https://app.example".into()];
    let server = Server::with(Wanted {
        cors_origins: origins,
        ..Wanted::default()
    })
    .await;
    let ours = ("origin", "https://app.example");
    let asked = [
        ours,
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    let preflight = server
        .raw(request("OPTIONS", "/api/v1/rooms", &asked, None))
        .await
        .unwrap();
    assert_eq!(preflight.status, 204);
    assert_eq!(
        preflight.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    assert!(
        preflight
            .header("access-control-allow-methods")
            .unwrap()
            .contains("PATCH")
    );
    let refused = server
        .raw(request("GET", "/api/v1/rooms", &[ours], None))
        .await
        .unwrap();
    assert_eq!(
        refused.header("access-control-allow-origin"),
        Some("https://app.example"),
        "pages may read refusals"
    );
    refused.refused(401, "INVALID_TOKEN");
    let other = [
        ("origin", "https://evil.example"),
        ("access-control-request-method", "POST"),
    ];
    let answer = server
        .raw(request("OPTIONS", "/api/v1/rooms", &other, None))
        .await
        .unwrap();
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_ne!(answer.status, 204);
}

/// A browser asks before it posts what is no text, and sends cookies only where that is allowed by the origin's name.
#[tokio::test]
async fn pages_of_named_origins_may_poll_with_a_load_balancers_cookie() {
    let cookies = async |origins: &[&str], path: &str| {
        let server = Server::with(Wanted {
            cors_origins: origins.iter().map(|origin| Arc::from(*origin)).collect(),
            ..Wanted::default()
        })
        .await;
        let asked = [
            ("origin", "https://app.example"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type"),
        ];
        let preflight = server.raw(request("OPTIONS", path, &asked, None)).await.unwrap();
        let cookies = preflight.header("access-control-allow-credentials").is_some();
        if preflight.status == 204 {
            let is = |name, what: &str| preflight.header(name).is_some_and(|it| it.contains(what));
            assert!(is("access-control-allow-methods", "POST"), "{preflight:?}");
            assert!(
                is("access-control-allow-headers", "content-type"),
                "{preflight:?}"
            );
            assert!(
                is("access-control-expose-headers", "bongsu-node"),
                "{preflight:?}"
            );
            assert!(is("access-control-allow-origin", "https://app.example"));
            assert!(is("vary", "origin"));
        }
        (preflight.status == 204, cookies)
    };
    let poll = "/socket.io/?EIO=3&transport=polling&sid=x";
    assert_eq!(cookies(&["https://app.example"], poll).await, (true, true));
    assert_eq!(cookies(&["*", "https://app.example"], poll).await, (true, true));
    assert_eq!(
        cookies(&["*"], poll).await,
        (true, false),
        "anybody's page, nobody's cookie"
    );
    assert_eq!(cookies(&["https://other.example"], poll).await, (false, false));
    assert_eq!(
        cookies(&["https://app.example"], "/api/v1/rooms").await,
        (true, false)
    );
}

#[tokio::test]
async fn a_full_house_refuses_at_once_and_still_tells_that_it_lives() {
    let limits = Limits {
        http_requests_max: 1,
        ..Limits::DEFAULT
    };
    let server = Server::with(Wanted {
        limits,
        manual_store: true,
        ..Wanted::default()
    })
    .await;
    let mut slow = server.line().await;
    slow.send(request("POST", "/api/v1/rooms", &[AUTH, JSON], Some(b"{}")))
        .await;
    server.writes_wait(1).await;
    let answer = server
        .raw(request("GET", "/api/v1/audit", &[AUTH], None))
        .await
        .unwrap();
    let problem = answer.refused(503, "OVERLOADED");
    assert_eq!(
        (problem["retry_after_ms"].as_u64(), answer.header("retry-after")),
        (Some(1_000), Some("1"))
    );
    server
        .raw(request("GET", "/healthz", &[], None))
        .await
        .unwrap()
        .is(200);
    server.synced(slow.read()).await.unwrap().is(201);
    server
        .raw(request("GET", "/api/v1/audit", &[AUTH], None))
        .await
        .unwrap()
        .is(200);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let limits = Limits {
        http_request_ms: 50,
        ..Limits::DEFAULT
    };
    let server = Server::with(Wanted {
        limits,
        manual_store: true,
        ..Wanted::default()
    })
    .await;
    let answer = server
        .call("ops/admin", "POST", "/api/v1/rooms", Some(json!({})))
        .await;
    assert_eq!(answer.refused(503, "OVERLOADED")["reason"], "timeout");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let limits = Limits {
        http_request_ms: 50,
        ..Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    let bytes = request(
        "POST",
        "/api/v1/rooms",
        &[AUTH, JSON],
        Some(b"{\"kind\":\"group\"}"),
    );
    let mut line = server.line().await;
    line.send(&bytes[..bytes.len() - 5]).await;
    let answer = line.read().await.unwrap();
    assert_eq!(answer.refused(503, "OVERLOADED")["reason"], "timeout");
    line.ended().await;
}

#[tokio::test]
async fn a_fault_of_ours_shows_an_incident_and_nothing_else() {
    let server = Server::start().await;
    server
        .store
        .fail_writes(1, bongsu_store::memory::Injected::Broken);
    let answer = server.call("1/user", "GET", "/api/v1/users/1", None).await;
    let problem = answer.refused(500, "INTERNAL_ERROR");
    let incident = problem["incident"].as_str().unwrap();
    assert_eq!(incident.len(), 16);
    assert!(problem["detail"].as_str().unwrap().contains(incident));
}
