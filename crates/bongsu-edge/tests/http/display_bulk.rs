//! Many displays at once: registered before they come, and renamed.

use serde_json::{Value, json};

use crate::client::request;
use crate::screen::Screen;
use crate::server::{Server, Wanted};

const DISPLAYS: &str = "/api/v1/displays";

/// A server that lets no display in without a token.
async fn closed() -> Server {
    Server::with(Wanted {
        displays_from: None,
        ..Wanted::default()
    })
    .await
}

async fn register(server: &Server, displays: Value) -> Value {
    let body = json!({ "displays": displays });
    server.service("POST", DISPLAYS, Some(body)).await.is(201)["results"].clone()
}

async fn rename(server: &Server, pairs: &[(&str, &str)]) -> crate::client::Answer {
    let renames: Vec<_> = pairs
        .iter()
        .map(|(from, to)| json!({ "from": from, "to": to }))
        .collect();
    let body = json!({ "renames": renames });
    server
        .service("POST", &format!("{DISPLAYS}/rename"), Some(body))
        .await
}

async fn names(server: &Server) -> Vec<(String, i64)> {
    let list = server.service("GET", DISPLAYS, None).await.is(200);
    let one = |it: &Value| {
        (
            it["name"].as_str().unwrap().to_owned(),
            it["client_id"].as_i64().unwrap(),
        )
    };
    list["displays"].as_array().unwrap().iter().map(one).collect()
}

#[tokio::test]
async fn each_is_registered_or_told_why_not() {
    let server = closed().await;
    let results = register(
        &server,
        json!(["Display_01", { "name": "Display_02" }, "a b", "Display_01"]),
    )
    .await;
    assert_eq!(
        (
            &results[0]["name"],
            &results[0]["client_id"],
            &results[1]["client_id"]
        ),
        (&json!("Display_01"), &json!(1), &json!(2))
    );
    for (at, code) in [(2, "INVALID_DATA"), (3, "NAME_TAKEN")] {
        assert_eq!(results[at]["code"], code, "{results}");
        assert!(
            results[at]["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
        assert_eq!(results[at].get("enrolment_token"), None);
    }
    assert_eq!(results[2]["name"], "a b");
    let token = results[0]["enrolment_token"].as_str().unwrap();
    let with = |token: &str| json!({ "token": token });
    assert!(
        Screen::comes_with(&server, "Display_02", with(token))
            .await
            .is_err()
    );
    let _screen = Screen::comes_with(&server, "Display_01", with(token))
        .await
        .unwrap();
    let audit = server.service("GET", "/api/v1/audit", None).await.is(200);
    let registered = audit["entries"].as_array().unwrap().iter();
    assert_eq!(
        registered.filter(|it| it["action"] == "display.register").count(),
        2
    );
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let server = closed().await;
    let many: Vec<_> = (0..1_001).map(|n| format!("D{n}")).collect();
    for (displays, field) in [
        (Value::Null, "displays"),
        (json!([]), "displays"),
        (json!("Display_01"), "displays"),
        (json!([7]), "displays"),
        (json!([{}]), "displays.name"),
        (json!([{ "name": 7 }]), "displays.name"),
        (json!(many), "displays"),
    ] {
        let body = json!({ "displays": displays });
        let problem = server.service("POST", DISPLAYS, Some(body)).await;
        assert_eq!(problem.refused(422, "INVALID_DATA")["field"], field);
    }
    for (renames, field) in [
        (Value::Null, "renames"),
        (json!([]), "renames"),
        (json!(["x"]), "renames"),
        (json!([{ "to": "x" }]), "renames.from"),
        (json!([{ "from": "x" }]), "renames.to"),
        (json!([{ "from": "x", "to": "a b" }]), "renames.to"),
    ] {
        let body = json!({ "renames": renames });
        let problem = server
            .service("POST", &format!("{DISPLAYS}/rename"), Some(body))
            .await;
        assert_eq!(problem.refused(422, "INVALID_DATA")["field"], field);
    }
}

#[tokio::test]
async fn tokens_are_shown_once() {
    let server = closed().await;
    let call = async || {
        let headers = [
            ("authorization", "Bearer back-end/service"),
            ("content-type", "application/json"),
            ("idempotency-key", "k1"),
        ];
        let bytes = request(
            "POST",
            DISPLAYS,
            &headers,
            Some(b"{\"displays\":[\"Display_01\"]}"),
        );
        server.raw(bytes).await.unwrap()
    };
    call().await.is(201);
    assert_eq!(call().await.refused(409, "INVALID_DATA")["reason"], "shown_once");
}

#[tokio::test]
async fn displays_are_renamed_all_or_none() {
    let server = Server::start().await;
    register(&server, json!(["a", "b", "c"])).await;
    let body = json!({ "name": "opening", "displays": { "a": "x", "b": "y" } });
    server
        .service("POST", "/api/v1/presets", Some(body))
        .await
        .is(201);
    let pair = |name: &str, client: i64| (name.to_owned(), client);
    let swapped = rename(&server, &[("a", "b"), ("b", "a")]).await.is(200);
    assert_eq!(swapped, json!({ "renamed": 2 }));
    let now = [pair("a", 2), pair("b", 1), pair("c", 3)];
    assert_eq!(names(&server).await, now);
    let preset = server
        .service("GET", "/api/v1/presets/opening", None)
        .await
        .is(200);
    assert_eq!(
        preset["displays"],
        json!({ "a": { "command": "y" }, "b": { "command": "x" } }),
        "presets follow their displays"
    );
    let screen = Screen::comes(&server, "online").await;
    let car = json!({ "device_id": "car-9" });
    server.service("POST", "/api/v1/devices", Some(car)).await.is(201);
    for (last, status, code, reason) in [
        (("b", "c"), 409, "NAME_TAKEN", Value::Null),
        (("nobody", "d"), 404, "DEVICE_NOT_FOUND", Value::Null),
        (("car-9", "d"), 404, "DEVICE_NOT_FOUND", Value::Null),
        (("online", "d"), 409, "INVALID_DATA", json!("connected")),
    ] {
        let refused = rename(&server, &[("a", "z"), last]).await.refused(status, code);
        assert_eq!(
            (&refused["reason"], &refused["argument"]),
            (&reason, &json!("/renames/1")),
            "{last:?}"
        );
        assert_eq!(names(&server).await[..2], now[..2], "none was renamed");
    }
    drop(screen);
}
