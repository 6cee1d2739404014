//! Commands: what callers are answered for each way in which one may go.

use bongsu_model::device::Status;
use serde_json::{Value, json};

use crate::car::{CAR, Car};
use crate::client::{Answer, request};
use crate::server::Server;

fn commands() -> String {
    format!("/api/v1/devices/{CAR}/commands")
}

fn window(more: &Value) -> Value {
    let mut body = json!({ "name": "window.set", "args": { "position": "open" } });
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    body
}

async fn send(server: &Server, more: &Value) -> Answer {
    server.service("POST", &commands(), Some(window(more))).await
}

/// Sends it, and meanwhile has the car say this of it.
async fn answered(server: &Server, car: &mut Car, more: &Value, says: &[Status]) -> Answer {
    let devices = async {
        let command = car.command().await;
        for status in says {
            car.says(command.id, *status).await;
        }
    };
    tokio::join!(send(server, more), devices).0
}

#[tokio::test]
async fn who_waits_for_the_end_is_told_of_it() {
    let server = Server::start().await;
    let mut car = Car::comes(&server).await;
    let done = json!({ "wait": "done" });
    let answer = answered(&server, &mut car, &done, &[Status::Received, Status::Ok]).await;
    let ran = answer.is(200);
    assert_eq!(
        (&ran["state"], &ran["result"]),
        (&json!("succeeded"), &json!({ "done": true }))
    );
    let id = ran["command_id"].as_str().unwrap();
    let kept = server
        .service("GET", &format!("/api/v1/commands/{id}"), None)
        .await
        .is(200);
    let states: Vec<_> = kept["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| &note["state"])
        .collect();
    assert_eq!(states[..2], ["accepted", "routed"]);
    assert_eq!(states.last().unwrap(), &"succeeded");
    assert_eq!(
        (&kept["by"], &kept["from"], &kept["target"], &kept["args"]),
        (
            &json!("back-end"),
            &json!("127.0.0.1"),
            &json!("window"),
            &json!({ "position": "open" })
        )
    );
    for (status, state) in [(Status::Failed, "failed"), (Status::Rejected, "rejected")] {
        let answer = answered(&server, &mut car, &done, &[status]).await.is(200);
        assert_eq!(answer["state"], state);
    }
}

#[tokio::test]
async fn who_does_not_wait_is_given_the_id() {
    let server = Server::start().await;
    let mut car = Car::comes(&server).await;
    let ran = send(&server, &json!({})).await.is(202);
    assert_eq!(ran["state"], "routed");
    assert_eq!(
        car.command().await.id.to_string(),
        ran["command_id"].as_str().unwrap()
    );
    // It is on its way, and nobody knows what became of it.
    let answer = send(&server, &json!({ "wait": "done", "timeout_ms": 1 })).await;
    let timeout = answer.refused(504, "COMMAND_TIMEOUT");
    assert_eq!(timeout["command_id"], ran["command_id"], "it joined the first");
}

#[tokio::test]
async fn who_waits_for_the_first_word_has_it() {
    let server = Server::start().await;
    let mut car = Car::comes(&server).await;
    let wait = json!({ "wait": "received" });
    let ran = answered(&server, &mut car, &wait, &[Status::Received])
        .await
        .is(200);
    assert_eq!(ran["state"], "received");
    // It has the device's word, so that it is under way when the caller stops waiting.
    let more = json!({ "wait": "done", "timeout_ms": 1 });
    let ran = send(&server, &more).await.is(202);
    assert_eq!(
        (&ran["state"], &ran["coalesced"]),
        (&json!("received"), &json!(true))
    );
}

#[tokio::test]
async fn offline_is_said_at_once_and_is_not_a_timeout() {
    let server = Server::start().await;
    send(&server, &json!({ "wait": "done" }))
        .await
        .refused(404, "DEVICE_OFFLINE");
    let body = json!({ "device_id": CAR });
    server
        .service("POST", "/api/v1/devices", Some(body))
        .await
        .is(201);
    let refused = send(&server, &json!({ "wait": "done" }))
        .await
        .refused(404, "DEVICE_OFFLINE");
    let id = refused["command_id"].as_str().unwrap();
    let kept = server
        .service("GET", &format!("/api/v1/commands/{id}"), None)
        .await
        .is(200);
    assert_eq!(kept["state"], "offline");
    let queued = send(&server, &json!({ "if_offline": "queue" })).await.is(202);
    assert_eq!(queued["state"], "accepted");
    let mut car = Car::comes(&server).await;
    assert_eq!(
        car.command().await.id.to_string(),
        queued["command_id"].as_str().unwrap()
    );
}

#[tokio::test]
async fn what_the_catalogue_does_not_allow_is_refused() {
    let server = Server::start().await;
    let _car = Car::comes(&server).await;
    let post = async |body: Value| server.service("POST", &commands(), Some(body)).await;
    let refused = post(json!({ "name": "steering.set", "args": { "angle": 3 } }))
        .await
        .refused(403, "COMMAND_REFUSED");
    assert_eq!(refused["reason"], "safety_critical");
    let refused = post(json!({ "name": "seat.heat" }))
        .await
        .refused(403, "COMMAND_REFUSED");
    assert_eq!(refused["reason"], "unlisted");
    let refused = post(json!({ "name": "window.set", "args": { "position": "ajar" } })).await;
    assert_eq!(refused.refused(422, "INVALID_DATA")["argument"], "/position");
    let mut long = window(&json!({}));
    long["args"]["note"] = "x".repeat(33 * 1024).into();
    post(long).await.refused(413, "MESSAGE_TOO_LARGE");
    for (field, wrong) in [
        ("wait", json!("later")),
        ("ttl_ms", json!(0)),
        ("ttl_ms", json!(86_400_001)),
        ("timeout_ms", json!(25_001)),
        ("if_offline", json!("drop")),
        ("idempotency_key", json!("")),
        ("fence", json!(0)),
    ] {
        let refused = send(&server, &json!({ field: wrong }))
            .await
            .refused(422, "INVALID_DATA");
        assert_eq!(refused["field"], field);
    }
}

#[tokio::test]
async fn the_same_key_is_the_same_command() {
    let server = Server::start().await;
    let mut car = Car::comes(&server).await;
    let horn = |times: i64| json!({ "name": "horn.honk", "args": { "times": times } }).to_string();
    let call = async |key: &str, times: i64| {
        let headers = [
            ("authorization", "Bearer back-end/service"),
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        let body = horn(times);
        server
            .raw(request("POST", &commands(), &headers, Some(body.as_bytes())))
            .await
            .unwrap()
    };
    let first = call("tap-1", 1).await;
    assert_eq!(first.header("idempotent-replayed"), None);
    let id = first.is(202)["command_id"].clone();
    let command = car.command().await;
    car.says(command.id, Status::Ok).await;
    // In the body it is the same key as in the header.
    let body =
        json!({ "name": "horn.honk", "args": { "times": 1 }, "idempotency_key": "tap-1", "wait": "done" });
    let again = server.service("POST", &commands(), Some(body)).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let again = again.is(200);
    assert_eq!(
        (&again["command_id"], &again["state"]),
        (&id, &json!("succeeded"))
    );
    let reused = call("tap-1", 2).await.refused(422, "INVALID_DATA");
    assert_eq!(reused["reason"], "idempotency_key_reused");
    assert_ne!(call("tap-2", 1).await.is(202)["command_id"], id);
    let both = json!({ "name": "horn.honk", "idempotency_key": "other" }).to_string();
    let headers = [
        ("authorization", "Bearer back-end/service"),
        ("content-type", "application/json"),
        ("idempotency-key", "one"),
    ];
    let both = server
        .raw(request("POST", &commands(), &headers, Some(both.as_bytes())))
        .await
        .unwrap();
    assert_eq!(both.refused(422, "INVALID_DATA")["field"], "idempotency_key");
}

#[tokio::test]
async fn short_forms_wait_for_the_end() {
    let server = Server::start().await;
    let mut car = Car::comes(&server).await;
    for (at, action, position) in [("vehicle", "open", "open"), ("vehicles", "close", "closed")] {
        let path = format!("/api/v1/{at}/{CAR}/window/{action}");
        let device = async {
            let command = car.command().await;
            assert_eq!(command.args["position"].as_text(), Some(position));
            car.says(command.id, Status::Ok).await;
        };
        let (answer, ()) = tokio::join!(server.service("POST", &path, None), device);
        assert_eq!(answer.is(200)["state"], "succeeded");
    }
    let unknown = format!("/api/v1/vehicle/{CAR}/window/break");
    let refused = server
        .service("POST", &unknown, None)
        .await
        .refused(403, "COMMAND_REFUSED");
    assert_eq!(refused["reason"], "unlisted");
    server
        .service("POST", "/api/v1/vehicle/no-such/window/open", None)
        .await
        .refused(404, "DEVICE_OFFLINE");
}

#[tokio::test]
async fn commands_are_listed_the_newest_first_and_can_be_taken_back() {
    let server = Server::start().await;
    server
        .service("POST", "/api/v1/devices", Some(json!({ "device_id": CAR })))
        .await
        .is(201);
    let mut ids = Vec::new();
    for locked in [true, false] {
        let body = json!({ "name": "door.lock", "args": { "locked": locked } });
        let ran = server.service("POST", &commands(), Some(body)).await.is(202);
        ids.push(ran["command_id"].as_str().unwrap().to_owned());
    }
    let page = server
        .service("GET", &format!("{}?limit=1", commands()), None)
        .await
        .is(200);
    assert_eq!(page["commands"][0]["command_id"], ids[1].as_str());
    let cursor = page["next_cursor"].as_str().unwrap();
    let next = format!("{}?limit=1&cursor={cursor}", commands());
    let page = server.service("GET", &next, None).await.is(200);
    assert_eq!(
        (
            &page["commands"][0]["command_id"],
            &page["commands"][0]["state"],
            &page["next_cursor"]
        ),
        (&json!(ids[0]), &json!("superseded"), &Value::Null)
    );
    let path = format!("/api/v1/commands/{}", ids[1]);
    for _ in 0..2 {
        let cancelled = server.service("DELETE", &path, None).await.is(200);
        assert_eq!(cancelled["state"], "cancelled");
    }
    for id in ["x", &"0".repeat(32)] {
        let path = format!("/api/v1/commands/{id}");
        server
            .service("GET", &path, None)
            .await
            .refused(404, "COMMAND_NOT_FOUND");
        server
            .service("DELETE", &path, None)
            .await
            .refused(404, "COMMAND_NOT_FOUND");
    }
}
