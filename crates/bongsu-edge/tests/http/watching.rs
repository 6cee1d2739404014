//! Streams of events: what watchers of commands, states and telemetry are told, and when their streams end.

use bongsu_model::Limits;
use bongsu_model::device::Status;
use serde_json::json;

use crate::car::{CAR, Car};
use crate::client::{Line, request};
use crate::server::Server;

fn path(rest: &str) -> String {
    format!("/api/v1/devices/{CAR}{rest}")
}

async fn watch(server: &Server, path: &str, last: Option<&str>) -> Line {
    let mut headers = vec![("authorization", "Bearer back-end/service")];
    headers.extend(last.map(|last| ("last-event-id", last)));
    let mut line = server.line().await;
    line.send(request("GET", path, &headers, None)).await;
    line
}

#[tokio::test]
async fn a_command_is_watched_to_its_end() {
    let server = Server::start().await;
    let mut car = Car::comes(&server).await;
    let body = json!({ "name": "horn.honk" });
    let ran = server
        .service("POST", &path("/commands"), Some(body))
        .await
        .is(202);
    let command = car.command().await;
    let at = format!("/api/v1/commands/{}/watch", ran["command_id"].as_str().unwrap());
    let mut line = watch(&server, &at, None).await;
    let (name, _, first) = line.event().await.unwrap();
    assert_eq!(
        (name.as_str(), &first["command_id"]),
        ("command", &ran["command_id"])
    );
    car.says(command.id, Status::InProgress).await;
    car.says(command.id, Status::Ok).await;
    let last = loop {
        let (_, id, command) = line.event().await.expect("it has not ended");
        if command["state"] == "succeeded" {
            break id;
        }
    };
    assert_eq!(line.event().await, None, "the stream ends with the command");
    // Who has seen the end is told not to come back; who has not is told of it.
    assert_eq!(
        watch(&server, &at, Some(&last))
            .await
            .read()
            .await
            .unwrap()
            .status,
        204
    );
    let (_, _, end) = watch(&server, &at, Some("1.accepted"))
        .await
        .event()
        .await
        .unwrap();
    assert_eq!(end["state"], "succeeded");
}

#[tokio::test]
async fn a_state_is_watched_from_where_one_stopped() {
    let server = Server::start().await;
    let _car = Car::comes(&server).await;
    let put = async |value: i64| {
        let body = json!({ "desired": { "light": value } });
        server.service("PUT", &path("/state"), Some(body)).await.is(200);
    };
    put(1).await;
    let mut line = watch(&server, &path("/state/watch"), None).await;
    let (name, id, state) = line.event().await.unwrap();
    assert_eq!(
        (name.as_str(), id.as_str(), &state["desired"]),
        ("state", "1", &json!({ "light": 1 }))
    );
    let mut again = watch(&server, &path("/state/watch"), Some("1")).await;
    // Its head has come when it is being watched.
    assert_eq!(again.head().await, 200);
    put(2).await;
    for line in [&mut line, &mut again] {
        assert_eq!(line.event().await.unwrap().2["desired"], json!({ "light": 2 }));
    }
}

#[tokio::test]
async fn telemetry_is_watched() {
    let server = Server::start().await;
    let car = Car::comes(&server).await;
    car.measures(1).await;
    let mut line = watch(&server, &path("/telemetry/watch"), None).await;
    let (name, _, first) = line.event().await.unwrap();
    assert_eq!(
        (name.as_str(), &first["values"]["speed"]["value"]),
        ("telemetry", &json!(1))
    );
    car.measures(2).await;
    assert_eq!(line.event().await.unwrap().2["values"]["speed"]["value"], 2);
}

#[tokio::test]
async fn a_stream_ends_when_the_server_stops() {
    let mut server = Server::start().await;
    let _car = Car::comes(&server).await;
    let mut line = watch(&server, &path("/state/watch"), None).await;
    line.event().await.unwrap();
    server.tell_to_stop();
    assert_eq!(line.event().await, None);
    server.stopped().await;
}

#[tokio::test]
async fn watchers_are_counted_and_let_go() {
    let server = Server::limited(Limits {
        watchers_max: 1,
        ..Limits::DEFAULT
    })
    .await;
    let _car = Car::comes(&server).await;
    let mut first = watch(&server, &path("/state/watch"), None).await;
    first.event().await.unwrap();
    let mut second = watch(&server, &path("/state/watch"), None).await;
    second.read().await.unwrap().refused(503, "OVERLOADED");
    drop(first);
    // The server notices that it has gone a moment later.
    loop {
        let mut again = watch(&server, &path("/state/watch"), None).await;
        if again.head().await == 200 {
            break;
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_watched() {
    let server = Server::start().await;
    for rest in ["/state/watch", "/telemetry/watch"] {
        let mut line = watch(&server, &path(rest), None).await;
        line.read().await.unwrap().refused(404, "DEVICE_NOT_FOUND");
    }
    let unknown = format!("/api/v1/commands/{}/watch", "0".repeat(32));
    let mut line = watch(&server, &unknown, None).await;
    line.read().await.unwrap().refused(404, "COMMAND_NOT_FOUND");
}
