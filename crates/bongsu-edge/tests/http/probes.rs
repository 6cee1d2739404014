//! Probes, metrics and the description.

use crate::client::{Answer, request};
use crate::server::Server;

async fn get(server: &Server, path: &str) -> Answer {
    server.raw(request("GET", path, &[], None)).await.unwrap()
}

#[tokio::test]
async fn probes_answer_anybody() {
    let server = Server::start().await;
    assert_eq!(get(&server, "/healthz").await.is(200)["status"], "ok");
    let ready = get(&server, "/readyz").await.is(200);
    assert_eq!(ready["ready"], true);
    for part in ["node", "store", "bus", "listeners"] {
        assert_eq!(ready["parts"][part]["ready"], true, "{part}");
    }
    assert_eq!(get(&server, "/version").await.is(200)["version"], "9.8.7");
    let _session = crate::sessions::sign_in(&server, "1/user").await;
    let mut status = get(&server, "/status").await.is(200);
    // That the connections before have ended is noticed soon.
    while status["http_connections"] != 1 {
        status = get(&server, "/status").await.is(200);
    }
    assert_eq!(
        (&status["node_id"], &status["version"]),
        (&"test-node".into(), &"9.8.7".into())
    );
    assert_eq!(
        (status["uptime_ms"].as_i64(), status["sessions"].as_i64()),
        (Some(1_000), Some(1))
    );
    assert_eq!(status["users_online"], 1);
    assert_eq!(status["listeners"][0]["address"], server.address.to_string());
    let description = get(&server, "/openapi.json").await.is(200);
    assert!(
        description["openapi"].as_str().unwrap().starts_with("3.1"),
        "{}",
        description["openapi"]
    );
}

#[tokio::test]
async fn a_node_whose_store_fails_or_that_stops_is_not_ready() {
    let server = Server::start().await;
    server.store.crash();
    let ready = get(&server, "/readyz").await.is(503);
    assert_eq!(
        (&ready["ready"], &ready["parts"]["store"]["ready"]),
        (&false.into(), &false.into())
    );
    get(&server, "/healthz").await.is(200);
    server.store.restart();
    get(&server, "/readyz").await.is(200);
    server.node.stop(0).await;
    let ready = get(&server, "/readyz").await.is(503);
    assert_eq!(
        (&ready["ready"], &ready["parts"]["node"]["code"]),
        (&false.into(), &"SHUTTING_DOWN".into())
    );
}

#[tokio::test]
async fn metrics_count_what_happens() {
    let server = Server::start().await;
    let _session = crate::sessions::sign_in(&server, "1/user").await;
    get(&server, "/api/v1/rooms").await.refused(401, "INVALID_TOKEN");
    server
        .service("GET", "/api/v1/rooms/no-such-room", None)
        .await
        .refused(404, "ROOM_NOT_FOUND");
    let answer = get(&server, "/metrics").await;
    assert_eq!(
        (
            answer.status,
            answer.header("content-type").unwrap().split(';').next()
        ),
        (200, Some("application/openmetrics-text"))
    );
    let text = answer.text();
    for line in [
        "bongsu_sessions 1",
        "bongsu_users_online 1",
        "bongsu_connections{protocol=\"http\"} ",
        "bongsu_sign_ins_total 1",
        "bongsu_refusals_total{code=\"INVALID_TOKEN\"} 1",
        "bongsu_refusals_total{code=\"ROOM_NOT_FOUND\"} 1",
        "bongsu_tokens_refused_total{reason=\"missing\"} 1",
        "bongsu_http_requests_total{route=\"/api/v1/rooms/{room}\",method=\"GET\",status=\"404\"} 1",
    ] {
        assert!(text.lines().any(|it| it.starts_with(line)), "{line} in\n{text}");
    }
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "bongsu_accept_to_commit_seconds_bucket",
    ] {
        assert!(text.lines().any(|it| it.starts_with(name)), "{name} in\n{text}");
    }
    assert!(!text.contains("no-such-room"), "paths of clients are no labels");
}
