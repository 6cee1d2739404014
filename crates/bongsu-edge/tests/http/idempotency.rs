//! `Idempotency-Key`: once done, twice asked, alike answered.

use bongsu_model::Limits;
use serde_json::{Value, json};

use crate::client::{Answer, request};
use crate::server::{KEY, Server, Wanted};

async fn post(server: &Server, token: &str, path: &str, key: &str, body: &Value) -> Answer {
    let mut line = server.line().await;
    line.send(bytes(token, path, key, body)).await;
    line.read().await.unwrap()
}

fn bytes(token: &str, path: &str, key: &str, body: &Value) -> Vec<u8> {
    let token = format!("Bearer {token}");
    let headers = [
        ("authorization", token.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", key),
    ];
    request("POST", path, &headers, Some(body.to_string().as_bytes()))
}

const BACK_END: &str = "back-end/service";

#[tokio::test]
async fn a_repeat_is_answered_alike_and_changes_nothing() {
    let server = Server::start().await;
    let body = json!({ "visibility": "open" });
    let first = post(&server, BACK_END, "/api/v1/rooms", "key-1", &body).await;
    let again = post(&server, BACK_END, "/api/v1/rooms", "key-1", &body).await;
    assert_eq!(first.is(201), again.is(201));
    assert_eq!(first.header("idempotent-replayed"), None);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.header("content-type"), Some("application/json"));
    let other = post(&server, BACK_END, "/api/v1/rooms", "key-2", &body).await;
    assert_ne!(other.is(201), first.is(201), "another key is another call");
    let rooms = server.service("GET", "/api/v1/rooms", None).await.is(200);
    assert_eq!(rooms["rooms"].as_array().unwrap().len(), 2);

    server.users([1]).await;
    let block = post(&server, BACK_END, "/api/v1/users/1/ban", "key-3", &json!({})).await;
    assert_eq!(block.status, 204);
    let again = post(&server, BACK_END, "/api/v1/users/1/ban", "key-3", &json!({})).await;
    assert_eq!(
        (again.status, again.header("idempotent-replayed")),
        (204, Some("true"))
    );
    assert!(again.body.is_empty());
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused() {
    let server = Server::start().await;
    post(&server, BACK_END, "/api/v1/rooms", "key", &json!({}))
        .await
        .is(201);
    for (path, body) in [
        ("/api/v1/rooms", json!({ "max_members": 7 })),
        ("/api/v1/users", json!({})),
        ("/api/v1/rooms?x=1", json!({})),
    ] {
        let problem = post(&server, BACK_END, path, "key", &body)
            .await
            .refused(422, "INVALID_DATA");
        assert_eq!(problem["reason"], "idempotency_key_reused");
    }
}

#[tokio::test]
async fn callers_do_not_share_keys() {
    let server = Server::start().await;
    // A token whose subject is an API key's name is somebody else.
    let by_token = post(&server, "shop/service", "/api/v1/rooms", "key", &json!({}))
        .await
        .is(201);
    let headers = [
        ("x-api-key", KEY),
        ("content-type", "application/json"),
        ("idempotency-key", "key"),
    ];
    let by_key = server
        .raw(request("POST", "/api/v1/rooms", &headers, Some(b"{}")))
        .await
        .unwrap();
    assert_eq!(by_key.header("idempotent-replayed"), None);
    assert_ne!(by_key.is(201), by_token);
    let admin = post(&server, "shop/admin", "/api/v1/rooms", "key", &json!({})).await;
    assert_eq!(admin.header("idempotent-replayed"), None);
}

#[tokio::test]
async fn refusals_are_not_kept() {
    let server = Server::start().await;
    let body = json!({ "members": [1] });
    post(&server, BACK_END, "/api/v1/rooms", "key", &body)
        .await
        .refused(404, "USER_NOT_FOUND");
    server.users([1]).await;
    let made = post(&server, BACK_END, "/api/v1/rooms", "key", &body).await;
    made.is(201);
    assert_eq!(made.header("idempotent-replayed"), None);
}

#[tokio::test]
async fn a_secret_is_not_shown_again() {
    let server = Server::start().await;
    server.users([1]).await;
    let path = "/api/v1/users/1/tokens";
    let first = post(&server, BACK_END, path, "key", &json!({})).await.is(201);
    let again = post(&server, BACK_END, path, "key", &json!({})).await;
    assert_eq!(again.refused(409, "INVALID_DATA")["reason"], "shown_once");
    assert!(!again.text().contains(first["token"].as_str().unwrap()));
    let revoked = server.service("DELETE", path, None).await.is(200);
    assert_eq!(revoked["revoked"], 1, "the repeat made none");
}

#[tokio::test]
async fn keys_have_a_form() {
    let server = Server::start().await;
    for good in ["k", &"k".repeat(255), "!~"] {
        post(&server, BACK_END, "/api/v1/rooms", good, &json!({}))
            .await
            .is(201);
    }
    for bad in ["", &"k".repeat(256), "two words", "키"] {
        let problem = post(&server, BACK_END, "/api/v1/rooms", bad, &json!({}))
            .await
            .refused(422, "INVALID_DATA");
        assert_eq!(problem["reason"], "idempotency_key", "{bad}");
    }
    let auth = ("authorization", "Bearer back-end/service");
    let twice = [
        auth,
        ("idempotency-key", "a"),
        ("idempotency-key", "b"),
        ("content-type", "application/json"),
    ];
    let answer = server
        .raw(request("POST", "/api/v1/rooms", &twice, Some(b"{}")))
        .await
        .unwrap();
    assert_eq!(answer.refused(422, "INVALID_DATA")["reason"], "idempotency_key");
    let get = server
        .raw(request(
            "GET",
            "/api/v1/rooms",
            &[auth, ("idempotency-key", "k")],
            None,
        ))
        .await
        .unwrap();
    assert_eq!(get.header("idempotent-replayed"), None, "only POSTs are kept");
}

#[tokio::test]
async fn of_two_at_once_the_second_waits_for_the_first() {
    let server = Server::with(Wanted {
        manual_store: true,
        ..Wanted::default()
    })
    .await;
    let call = bytes("ops/admin", "/api/v1/rooms", "key", &json!({}));
    let (mut one, mut two) = (server.line().await, server.line().await);
    one.send(&call).await;
    server.writes_wait(1).await;
    two.send(&call).await;
    // Time enough for a second room to be begun, if it were.
    for _ in 0..10 {
        status(&server).await;
    }
    assert_eq!(server.store.unsynced(), 1, "one room is being made");
    let first = server.synced(one.read()).await.unwrap();
    let second = server.synced(two.read()).await.unwrap();
    assert_eq!(first.is(201), second.is(201));
    let replayed = [&first, &second]
        .iter()
        .filter(|answer| answer.header("idempotent-replayed").is_some())
        .count();
    assert_eq!(replayed, 1);
}

#[tokio::test]
async fn a_call_whose_client_left_is_done_and_kept() {
    let server = Server::with(Wanted {
        manual_store: true,
        ..Wanted::default()
    })
    .await;
    let call = bytes("ops/admin", "/api/v1/rooms", "key", &json!({}));
    let mut gone = server.line().await;
    gone.send(&call).await;
    server.writes_wait(1).await;
    drop(gone);
    // The connection's end is noticed before the room is made.
    while status(&server).await > 1 {
        tokio::task::yield_now().await;
    }
    let mut back = server.line().await;
    back.send(&call).await;
    let answer = server.synced(back.read()).await.unwrap();
    answer.is(201);
    assert_eq!(answer.header("idempotent-replayed"), Some("true"));
}

#[tokio::test]
async fn a_call_without_a_key_is_done_to_its_end_too() {
    let server = Server::with(Wanted {
        manual_store: true,
        ..Wanted::default()
    })
    .await;
    let headers = [
        ("authorization", "Bearer ops/admin"),
        ("content-type", "application/json"),
    ];
    let mut gone = server.line().await;
    gone.send(request("POST", "/api/v1/rooms", &headers, Some(b"{}")))
        .await;
    server.writes_wait(1).await;
    drop(gone);
    while status(&server).await > 1 {
        tokio::task::yield_now().await;
    }
    // The note in the audit is a second write, which only a call that goes on can ask for.
    server.store.sync();
    server.writes_wait(1).await;
    server.store.sync();
    let audit = server.service("GET", "/api/v1/audit", None).await.is(200);
    assert_eq!(audit["entries"][0]["action"], "room.create");
}

async fn status(server: &Server) -> i64 {
    let answer = server.raw(request("GET", "/status", &[], None)).await.unwrap();
    answer.is(200)["http_connections"].as_i64().unwrap()
}

#[tokio::test]
async fn a_body_over_its_limit_is_refused_before_anything_is_kept() {
    let limits = Limits {
        http_body_bytes_max: 64,
        ..Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    let body = json!({ "name": "x".repeat(100) });
    post(&server, BACK_END, "/api/v1/rooms", "key", &body)
        .await
        .refused(413, "MESSAGE_TOO_LARGE");
    post(&server, BACK_END, "/api/v1/rooms", "key", &json!({}))
        .await
        .is(201);
}
