//! The live feed: who hears what, and what those hear who are slow.

use bongsu_model::device::Status;
use bongsu_model::{HappeningKind, Limits, UserId};
use serde_json::{Value, json};

use crate::car::{CAR, Car};
use crate::client::{Line, request};
use crate::screen::Screen;
use crate::server::Server;

const EVENTS: &str = "/api/v1/events";

/// A feed that is being told.
async fn feed(server: &Server, query: &str) -> Line {
    let mut line = server.line().await;
    let headers = [("authorization", "Bearer back-end/service")];
    line.send(request("GET", &format!("{EVENTS}{query}"), &headers, None))
        .await;
    assert_eq!(line.head().await, 200);
    line
}

/// The next event, which has its kind in its name, too, and its number.
async fn next(line: &mut Line) -> (u64, Value) {
    let (name, id, data) = line.event().await.unwrap();
    assert_eq!(data["kind"], name);
    (id.parse().unwrap(), data)
}

#[tokio::test]
async fn what_happens_is_told_in_its_order() {
    let server = Server::start().await;
    let mut line = feed(&server, "").await;
    let mut car = Car::comes(&server).await;
    let (first, online) = next(&mut line).await;
    assert_eq!(
        (&online["kind"], &online["device_id"], &online["at"]),
        (
            &json!("device.online"),
            &json!(CAR),
            &json!("2026-01-01T12:00:00.000Z")
        )
    );
    let session = car.session.id.to_string();
    assert_eq!(
        online["detail"],
        json!({ "epoch": 1, "replaced": false, "session_id": session })
    );
    let path = format!("/api/v1/devices/{CAR}/commands");
    let horn = json!({ "name": "horn.honk" });
    let ran = server.service("POST", &path, Some(horn)).await.is(202);
    let command = car.command().await;
    car.says(command.id, Status::Failed).await;
    let mut last = first;
    for state in ["accepted", "routed", "written", "failed"] {
        let (number, moved) = next(&mut line).await;
        assert!(number > last, "{number} after {last}");
        last = number;
        assert_eq!(moved["kind"], format!("command.{state}"));
        assert_eq!(
            (&moved["command_id"], &moved["device_id"], &moved["detail"]),
            (
                &ran["command_id"],
                &json!(CAR),
                &json!({ "name": "horn.honk", "by": "back-end" })
            )
        );
    }
    car.session.gone().await;
    let (_, offline) = next(&mut line).await;
    assert_eq!(
        (&offline["kind"], &offline["detail"]),
        (
            &json!("device.offline"),
            &json!({ "epoch": 1, "cause": "disconnected" })
        )
    );
}

#[tokio::test]
async fn a_device_that_comes_again_was_never_gone() {
    let server = Server::start().await;
    let mut line = feed(&server, "?kinds=device.").await;
    let _first = Car::comes(&server).await;
    let second = Car::comes(&server).await;
    second.session.gone().await;
    let mut told = Vec::new();
    for _ in 0..3 {
        let (_, it) = next(&mut line).await;
        told.push((
            it["kind"].clone(),
            it["detail"]["epoch"].clone(),
            it["detail"]["replaced"].clone(),
        ));
    }
    let online = json!("device.online");
    assert_eq!(
        told,
        [
            (online.clone(), json!(1), json!(false)),
            (online, json!(2), json!(true)),
            (json!("device.offline"), json!(2), Value::Null)
        ]
    );
}

#[tokio::test]
async fn what_becomes_of_presets_and_displays_is_told() {
    let server = Server::start().await;
    let mut line = feed(&server, "?kinds=preset.,display.,device.").await;
    let path = "/api/v1/presets/opening";
    let body = || Some(json!({ "name": "opening", "displays": { "Display_01": "x" } }));
    let made = server.service("POST", "/api/v1/presets", body()).await.is(201);
    server.service("PUT", path, body()).await.is(200);
    server
        .service("POST", &format!("{path}/execute"), None)
        .await
        .is(200);
    server
        .service("POST", &format!("{path}/stop"), None)
        .await
        .is(200);
    server.service("DELETE", path, None).await.is(204);
    for kind in ["created", "updated", "executed", "stopped", "deleted"] {
        let (_, told) = next(&mut line).await;
        assert_eq!(
            (
                &told["kind"],
                &told["preset_id"],
                &told["detail"]["name"],
                &told["detail"]["by"]
            ),
            (
                &json!(format!("preset.{kind}")),
                &made["preset_id"],
                &json!("opening"),
                &json!("back-end")
            )
        );
    }
    let _screen = Screen::comes(&server, "Display_01").await;
    for kind in ["device.online", "display.registered"] {
        let (_, told) = next(&mut line).await;
        assert_eq!(
            (&told["kind"], &told["device_id"]),
            (&json!(kind), &json!("Display_01"))
        );
    }
}

#[tokio::test]
async fn a_feed_tells_what_it_is_asked_for() {
    let server = Server::start().await;
    let mut line = feed(&server, "?kinds=user.online,%20display.,").await;
    for kind in [
        HappeningKind::UserOffline,
        HappeningKind::DisplaySilent,
        HappeningKind::DeviceOnline,
        HappeningKind::UserOnline,
    ] {
        server.node.happened(kind, |it| it.of_user(UserId(7)));
    }
    assert_eq!(next(&mut line).await.1["kind"], "display.silent");
    let (_, user) = next(&mut line).await;
    assert_eq!(
        (&user["kind"], &user["user_id"], user.get("device_id")),
        (&json!("user.online"), &json!(7), None)
    );
}

#[tokio::test]
async fn who_is_slow_is_told_how_many_it_missed() {
    let server = Server::limited(Limits {
        happenings_max: 2,
        ..Limits::DEFAULT
    })
    .await;
    let mut line = feed(&server, "").await;
    // Nobody else runs meanwhile, so that none is taken.
    for _ in 0..5 {
        server.node.happened(HappeningKind::UserOnline, |it| it);
    }
    next(&mut line).await;
    next(&mut line).await;
    let (name, id, data) = line.event().await.unwrap();
    assert_eq!(
        (name.as_str(), id.as_str(), data),
        ("missed", "", json!({ "missed": 3 }))
    );
    server.node.happened(HappeningKind::UserOffline, |it| it);
    assert_eq!(
        next(&mut line).await,
        (
            6,
            json!({
                "at": "2026-01-01T12:00:00.000Z", "kind": "user.offline", "node": "test-node", "detail": {}
            })
        )
    );
}

#[tokio::test]
async fn a_feed_is_for_operators_and_asked_for_rightly() {
    let server = Server::start().await;
    server.users([1]).await;
    server
        .user(1, "GET", EVENTS, None)
        .await
        .refused(403, "PERMISSION_DENIED");
    let many = format!("?kinds={}", "user.,".repeat(33));
    for query in [
        "?kinds=nonsense",
        "?kinds=user.,Device",
        "?kinds=user.&kinds=user.",
        &many,
    ] {
        let refused = server.service("GET", &format!("{EVENTS}{query}"), None).await;
        assert_eq!(refused.refused(422, "INVALID_DATA")["field"], "kinds", "{query}");
    }
}

#[tokio::test]
async fn feeds_are_counted_let_go_and_end_with_the_server() {
    let mut server = Server::limited(Limits {
        watchers_max: 1,
        ..Limits::DEFAULT
    })
    .await;
    let first = feed(&server, "").await;
    server
        .service("GET", EVENTS, None)
        .await
        .refused(503, "OVERLOADED");
    drop(first);
    // The server notices that it has gone a moment later.
    let mut line = loop {
        let mut line = server.line().await;
        let headers = [("authorization", "Bearer back-end/service")];
        line.send(request("GET", EVENTS, &headers, None)).await;
        if line.head().await == 200 {
            break line;
        }
    };
    server.tell_to_stop();
    assert_eq!(line.event().await, None);
    server.stopped().await;
}
