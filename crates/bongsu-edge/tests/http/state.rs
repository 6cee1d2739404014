//! What a device should be and what it says it is; what it measures; who has it.

use bongsu_model::device::Object;
use serde_json::{Value, json};

use crate::car::{CAR, Car};
use crate::client::{Answer, request};
use crate::server::Server;

fn path(rest: &str) -> String {
    format!("/api/v1/devices/{CAR}{rest}")
}

async fn write(server: &Server, method: &str, if_match: &str, body: &Value) -> Answer {
    let headers = [
        ("authorization", "Bearer back-end/service"),
        ("content-type", "application/merge-patch+json"),
        ("if-match", if_match),
    ];
    let body = body.to_string();
    let bytes = request(method, &path("/state"), &headers, Some(body.as_bytes()));
    server.raw(bytes).await.unwrap()
}

#[tokio::test]
async fn a_wish_is_told_to_the_device_and_is_over_when_it_is_so() {
    let server = Server::start().await;
    let mut car = Car::comes(&server).await;
    car.reports(Object::from([("light".into(), "off".into())])).await;
    let body = json!({ "desired": { "light": "on" }, "ttl_ms": { "light": 60_000 } });
    let answer = server.service("PUT", &path("/state"), Some(body)).await;
    assert_eq!(answer.header("etag"), Some("\"2\""));
    let state = answer.is(200);
    assert_eq!(
        (
            &state["version"],
            &state["desired"],
            &state["reported"],
            &state["delta"]
        ),
        (
            &json!(2),
            &json!({ "light": "on" }),
            &json!({ "light": "off" }),
            &json!({ "light": "on" })
        )
    );
    let about = &state["metadata"]["desired"]["light"];
    assert_eq!(
        (&about["by"], &about["expires_at"]),
        (&json!("back-end"), &json!("2026-01-01T12:01:00.000Z"))
    );
    assert_eq!(car.delta().await["light"].as_text(), Some("on"));
    car.reports(Object::from([("light".into(), "on".into())])).await;
    let state = server.service("GET", &path("/state"), None).await.is(200);
    assert_eq!((&state["version"], &state["delta"]), (&json!(3), &json!({})));
}

#[tokio::test]
async fn a_patch_merges_and_a_stale_version_changes_nothing() {
    let server = Server::start().await;
    let _car = Car::comes(&server).await;
    let first = json!({ "desired": { "seat": { "heat": 1, "tilt": 2 }, "light": "on" } });
    write(&server, "PUT", "*", &first).await.is(200);
    let patch = json!({ "desired": { "seat": { "heat": null }, "light": null } });
    let state = write(&server, "PATCH", "\"1\"", &patch).await.is(200);
    assert_eq!(
        (&state["version"], &state["desired"]),
        (&json!(2), &json!({ "seat": { "tilt": 2 } }))
    );
    for method in ["PUT", "PATCH"] {
        let stale = write(&server, method, "\"1\"", &first).await;
        assert_eq!(stale.header("etag"), Some("\"2\""));
        assert_eq!(stale.refused(412, "INVALID_DATA")["reason"], "version");
    }
    for wrong in ["1", "\"x\"", "W/\"2\"", "\"1\", \"2\""] {
        let refused = write(&server, "PUT", wrong, &first)
            .await
            .refused(422, "INVALID_DATA");
        assert_eq!(refused["field"], "If-Match", "{wrong}");
    }
    assert_eq!(
        server.service("GET", &path("/state"), None).await.is(200)["version"],
        2
    );
}

#[tokio::test]
async fn a_state_is_bounded_and_of_a_device() {
    let server = Server::start().await;
    server
        .service("GET", &path("/state"), None)
        .await
        .refused(404, "DEVICE_NOT_FOUND");
    let _car = Car::comes(&server).await;
    let put = async |body: Value| server.service("PUT", &path("/state"), Some(body)).await;
    put(json!({ "desired": { "a": "x".repeat(64 * 1024) } }))
        .await
        .refused(413, "MESSAGE_TOO_LARGE");
    for (body, field) in [
        (json!({ "light": "on" }), "desired"),
        (json!({ "desired": [1] }), "desired"),
        (json!({ "desired": {}, "ttl_ms": { "a": 0 } }), "ttl_ms"),
        (
            json!({ "desired": { "a": 1 }, "ttl_ms": { "a": 40_000_000_000_u64 } }),
            "ttl_ms",
        ),
    ] {
        assert_eq!(put(body).await.refused(422, "INVALID_DATA")["field"], field);
    }
    let stray = put(json!({ "desired": { "a": 1 }, "ttl_ms": { "b": 1 } })).await;
    assert_eq!(stray.refused(422, "INVALID_DATA")["argument"], "/ttl_ms/b");
}

#[tokio::test]
async fn the_latest_measurement_is_shown() {
    let server = Server::start().await;
    let car = Car::comes(&server).await;
    let none = server.service("GET", &path("/telemetry"), None).await.is(200);
    assert_eq!(none, json!({ "device_id": CAR, "values": {}, "complete": true }));
    car.measures(1).await;
    car.measures(2).await;
    let latest = server.service("GET", &path("/telemetry"), None).await.is(200);
    assert_eq!(latest["values"]["speed"]["value"], 2);
}

#[tokio::test]
async fn who_has_a_lease_has_the_device() {
    let server = Server::start().await;
    let mut car = Car::comes(&server).await;
    server.service("GET", &path("/lease"), None).await.is(204);
    let at_lapse = json!({ "ttl_ms": 5_000, "at_lapse": { "name": "horn.honk", "args": { "times": 1 } } });
    let lease = server
        .service("POST", &path("/lease"), Some(at_lapse))
        .await
        .is(200);
    assert_eq!(
        (&lease["holder"], &lease["fence"], &lease["at_lapse"]["name"]),
        (&json!("back-end"), &json!(1), &json!("horn.honk"))
    );
    assert_eq!(server.service("GET", &path("/lease"), None).await.is(200), lease);
    let other = async |method: &str, rest: &str, body: Value| {
        let answer = server.call("ops/admin", method, &path(rest), Some(body)).await;
        assert_eq!(
            answer.refused(409, "DEVICE_LEASED")["holder"],
            "back-end",
            "{rest}"
        );
    };
    other("POST", "/lease", json!({})).await;
    other("POST", "/commands", json!({ "name": "horn.honk" })).await;
    other("PUT", "/state", json!({ "desired": {} })).await;
    let own = json!({ "name": "horn.honk", "fence": 1 });
    server
        .service("POST", &path("/commands"), Some(own))
        .await
        .is(202);
    car.command().await;
    let renewed = server.service("POST", &path("/lease"), None).await.is(200);
    assert_eq!(
        (&renewed["fence"], &renewed["at_lapse"]),
        (&json!(1), &Value::Null)
    );
    server.service("DELETE", &path("/lease"), None).await.is(204);
    let taken = server
        .call("ops/admin", "POST", &path("/lease"), None)
        .await
        .is(200);
    assert_eq!(taken["fence"], 2);
    let stale = json!({ "name": "horn.honk", "fence": 1 });
    server
        .service("POST", &path("/commands"), Some(stale))
        .await
        .refused(409, "DEVICE_LEASED");
    let critical = json!({ "at_lapse": { "name": "steering.set" } });
    server
        .call("ops/admin", "POST", &path("/lease"), Some(critical))
        .await
        .refused(403, "COMMAND_REFUSED");
}
