//! Devices: registered, listed, enrolled, disconnected, forgotten.

use serde_json::{Value, json};

use crate::car::{CAR, Car};
use crate::server::Server;

const DEVICES: &str = "/api/v1/devices";

fn path(rest: &str) -> String {
    format!("{DEVICES}/{CAR}{rest}")
}

async fn make(server: &Server, id: &str) -> Value {
    let body = json!({ "device_id": id, "kind": "vehicle" });
    server.service("POST", DEVICES, Some(body)).await.is(201)
}

#[tokio::test]
async fn a_device_is_registered_read_and_forgotten() {
    let server = Server::start().await;
    let made = make(&server, CAR).await;
    assert_eq!(
        (&made["device_id"], &made["kind"], &made["online"], &made["epoch"]),
        (&json!(CAR), &json!("vehicle"), &json!(false), &json!(0))
    );
    let mut read = server.service("GET", &path(""), None).await.is(200);
    read["enrolment_token"] = made["enrolment_token"].clone();
    assert_eq!(read, made, "the token is shown once, beside the device");
    assert!(
        Car::comes_with(&server, made["enrolment_token"].as_str().unwrap())
            .await
            .is_ok()
    );
    let again = json!({ "device_id": CAR });
    let taken = server
        .service("POST", DEVICES, Some(again))
        .await
        .refused(409, "INVALID_DATA");
    assert_eq!(
        (&taken["field"], &taken["reason"]),
        (&json!("device_id"), &json!("taken"))
    );
    server.service("DELETE", &path(""), None).await.is(204);
    for method in ["GET", "DELETE"] {
        server
            .service(method, &path(""), None)
            .await
            .refused(404, "DEVICE_NOT_FOUND");
    }
}

#[tokio::test]
async fn a_device_id_has_its_characters() {
    let server = Server::start().await;
    for (id, status) in [
        ("a".repeat(128), 201),
        ("a".repeat(129), 422),
        ("a b".into(), 422),
        ("".into(), 422),
    ] {
        let answer = server
            .service("POST", DEVICES, Some(json!({ "device_id": id })))
            .await;
        assert_eq!(answer.status, status, "{id}");
    }
    let kind = json!({ "device_id": "x", "kind": "k".repeat(65) });
    let refused = server
        .service("POST", DEVICES, Some(kind))
        .await
        .refused(422, "INVALID_DATA");
    assert_eq!(refused["field"], "kind");
    server
        .service("GET", &format!("{DEVICES}/a%20b"), None)
        .await
        .refused(404, "DEVICE_NOT_FOUND");
}

#[tokio::test]
async fn devices_are_listed_in_pages() {
    let server = Server::start().await;
    for id in ["c", "a", "b"] {
        make(&server, id).await;
    }
    let ids = |page: &Value| -> Vec<String> {
        let devices = page["devices"].as_array().unwrap();
        devices
            .iter()
            .map(|it| it["device_id"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = server
        .service("GET", &format!("{DEVICES}?limit=2"), None)
        .await
        .is(200);
    assert_eq!(ids(&first), ["a", "b"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = server
        .service("GET", &format!("{DEVICES}?limit=2&cursor={cursor}"), None)
        .await
        .is(200);
    assert_eq!(
        (ids(&second), &second["next_cursor"]),
        (vec!["c".to_owned()], &Value::Null)
    );
}

#[tokio::test]
async fn an_enrolment_token_lets_its_device_in_until_it_is_revoked() {
    let server = Server::start().await;
    make(&server, CAR).await;
    let enrolled = server.service("POST", &path("/enrolments"), None).await.is(201);
    let token = enrolled["token"].as_str().unwrap();
    assert_eq!((token.len(), &enrolled["device_id"]), (48, &json!(CAR)));
    let car = Car::comes_with(&server, token).await.unwrap();
    let seen = server.service("GET", &path(""), None).await.is(200);
    assert_eq!(
        (
            &seen["online"],
            &seen["epoch"],
            &seen["version"],
            &seen["capabilities"]
        ),
        (&json!(true), &json!(1), &json!("2.1"), &json!(["window.set"]))
    );
    assert_eq!(seen["session"]["session_id"], car.session.id.to_string());
    server.service("DELETE", &path("/enrolments"), None).await.is(204);
    assert!(Car::comes_with(&server, token).await.is_err());
    server
        .service("POST", &format!("{DEVICES}/other/enrolments"), None)
        .await
        .refused(404, "DEVICE_NOT_FOUND");
}

#[tokio::test]
async fn a_disconnected_device_may_come_back() {
    let server = Server::start().await;
    let car = Car::comes(&server).await;
    server.service("POST", &path("/disconnect"), None).await.is(204);
    while car.session.ending().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(Car::comes(&server).await.session.epoch.0, 2);
    server
        .service("POST", &format!("{DEVICES}/other/disconnect"), None)
        .await
        .refused(404, "DEVICE_NOT_FOUND");
}

#[tokio::test]
async fn the_catalogue_is_shown() {
    let server = Server::start().await;
    let shown = server.service("GET", "/api/v1/catalogue", None).await.is(200);
    assert_eq!(shown["allow_unlisted"], false);
    let names: Vec<_> = shown["commands"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["door.lock", "horn.honk", "steering.set", "window.set"]);
    let window = &shown["commands"][3];
    assert_eq!(
        (
            &window["target"],
            &window["policy"],
            &window["short"][0]["action"],
            &window["args"]["type"]
        ),
        (
            &json!("window"),
            &json!("latest-wins"),
            &json!("open"),
            &json!("object")
        )
    );
}
