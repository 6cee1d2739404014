//! Displays: what is shown of them, and what callers are answered who run and stop programs on one.

use serde_json::{Value, json};

use crate::client::{Answer, request};
use crate::screen::Screen;
use crate::server::{NOW, Server};

const DISPLAYS: &str = "/api/v1/displays";
const NAME: &str = "Display_01";

fn path(rest: &str) -> String {
    format!("{DISPLAYS}/{NAME}{rest}")
}

async fn execute(server: &Server, body: Value) -> Answer {
    server.service("POST", &path("/execute"), Some(body)).await
}

async fn stop(server: &Server, body: Value) -> Answer {
    server.service("POST", &path("/stop"), Some(body)).await
}

/// A display that runs something of a preset.
pub(crate) async fn busy(server: &Server) -> Screen {
    let program = json!({ "command": "x", "cwd": "/", "env": { "A": "b" }, "stop_signal": "INT", "grace_ms": 1, "shell": true });
    let body = json!({ "name": "opening", "displays": { NAME: program } });
    let made = server
        .service("POST", "/api/v1/presets", Some(body))
        .await
        .is(201);
    let screen = Screen::comes(server, NAME).await;
    screen
        .reports(json!([{ "preset_id": made["preset_id"], "pid": 4711, "uptime": 61 }]))
        .await;
    screen
}

#[tokio::test]
async fn a_display_is_shown_as_it_says_it_is() {
    let server = Server::start().await;
    let car = json!({ "device_id": "car-9", "kind": "vehicle" });
    server.service("POST", "/api/v1/devices", Some(car)).await.is(201);
    let screen = Screen::comes(&server, NAME).await;
    let _other = Screen::comes(&server, "Display_02").await;
    screen
        .reports(json!([{ "preset_id": 7, "pid": 4711, "uptime": 61 }]))
        .await;
    // What it has reported is heard before the answer to what it says next.
    let beat = json!({
        "clientName": NAME, "ip_address": "192.0.2.7", "timestamp": 1, "status": "busy", "uptime": 3600, "process_count": 1
    });
    let mut screen = screen;
    screen.emits("heartbeat", &beat).await;
    screen.told("heartbeat_response").await;
    let seen = server.service("GET", &path(""), None).await.is(200);
    let now = "2026-01-01T12:00:00.000Z";
    assert_eq!(
        seen,
        json!({
            "display_id": NAME, "name": NAME, "client_id": 2, "online": true, "presence": "online", "status": "busy",
            "processes": [{ "preset_id": 7, "pid": 4711, "uptime_ms": 61_000 }], "process_count": 1,
            "last_heartbeat": now, "uptime_ms": 3_600_000, "registered_at": now, "address": "127.0.0.1",
            "client_type": "python", "version": "1.2.0", "capabilities": ["execute"], "created_at": now
        })
    );
    let first = server
        .service("GET", &format!("{DISPLAYS}?limit=1"), None)
        .await
        .is(200);
    assert_eq!(first["displays"], json!([seen]));
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = server
        .service("GET", &format!("{DISPLAYS}?limit=1&cursor={cursor}"), None)
        .await
        .is(200);
    assert_eq!(
        (&second["displays"][0]["name"], &second["next_cursor"]),
        (&json!("Display_02"), &Value::Null),
        "a car is no display"
    );
    for name in ["car-9", "nobody", "a%20b"] {
        server
            .service("GET", &format!("{DISPLAYS}/{name}"), None)
            .await
            .refused(404, "DEVICE_NOT_FOUND");
    }
}

#[tokio::test]
async fn who_runs_a_program_is_answered_when_it_runs() {
    let server = Server::start().await;
    let mut screen = Screen::comes(&server, NAME).await;
    let body = json!({
        "command": "player --loop \"a b.mp4\"", "shell": true, "cwd": "/opt/show", "env": { "DISPLAY": ":0" }, "stop_signal": "INT",
        "grace_ms": 1500, "preset_id": 7, "ttl_ms": 4000
    });
    let (answer, told) = tokio::join!(execute(&server, body.clone()), screen.runs_one());
    let ran = answer.is(200);
    assert_eq!(
        (&ran["state"], &ran["device_id"], &ran["name"]),
        (&json!("in_progress"), &json!(NAME), &json!("display.run"))
    );
    assert_eq!(
        (
            &told["commandId"],
            &told["command"],
            &told["presetId"],
            &told["clientName"]
        ),
        (
            &ran["command_id"],
            &body["command"],
            &body["preset_id"],
            &json!(NAME)
        )
    );
    assert_eq!(
        (
            &told["cwd"],
            &told["env"],
            &told["shell"],
            &told["stopSignal"],
            &told["graceMs"],
            &told["ttlMs"]
        ),
        (
            &body["cwd"],
            &body["env"],
            &json!(true),
            &json!("INT"),
            &json!(1500),
            &json!(4000)
        )
    );
    screen.says(&told, "completed", json!({ "exit_code": 0 })).await;
    let command = format!("/api/v1/commands/{}", ran["command_id"].as_str().unwrap());
    loop {
        let kept = server.service("GET", &command, None).await.is(200);
        if kept["state"] == "succeeded" {
            assert_eq!(kept["result"]["exit_code"], 0);
            break;
        }
    }
}

#[tokio::test]
async fn who_waits_for_its_end_is_told_how_it_ended() {
    let server = Server::start().await;
    let mut screen = Screen::comes(&server, NAME).await;
    for (status, details, state) in [
        ("completed", json!({ "exit_code": 0 }), "succeeded"),
        ("failed", json!({ "error": "no such file" }), "failed"),
        ("rejected", json!({ "error": "not on the list" }), "rejected"),
    ] {
        let body = json!({ "command": format!("x {status}"), "wait": "done" });
        let ends = async {
            let told = screen.told("execute_command").await;
            screen.says(&told, status, details).await;
        };
        let ran = tokio::join!(execute(&server, body), ends).0.is(200);
        assert_eq!(ran["state"], state, "{ran}");
    }
    // One that fails before it runs is not waited for any longer.
    let fails = async {
        let told = screen.told("execute_command").await;
        screen.says(&told, "failed", json!({ "error": "x" })).await;
    };
    let body = json!({ "command": "y" });
    let ran = tokio::join!(execute(&server, body), fails).0.is(200);
    assert_eq!(ran["state"], "failed");
}

#[tokio::test]
async fn what_does_not_come_in_time_is_told_apart() {
    let server = Server::start().await;
    execute(&server, json!({ "command": "x" }))
        .await
        .refused(404, "DEVICE_OFFLINE");
    server
        .service(
            "POST",
            &format!("{DISPLAYS}/a%20b/stop"),
            Some(json!({ "preset_id": 7 })),
        )
        .await
        .refused(404, "DEVICE_OFFLINE");
    let mut screen = Screen::comes(&server, NAME).await;
    let accepted = execute(&server, json!({ "command": "x", "wait": "accepted" }))
        .await
        .is(202);
    assert_eq!(
        screen.told("execute_command").await["commandId"],
        accepted["command_id"]
    );
    let silent = execute(&server, json!({ "command": "y", "timeout_ms": 1 })).await;
    let timeout = silent.refused(504, "COMMAND_TIMEOUT");
    assert_eq!(
        screen.told("execute_command").await["commandId"],
        timeout["command_id"]
    );
    let body = json!({ "command": "z", "wait": "received" });
    let starts = async {
        let told = screen.told("execute_command").await;
        screen.says(&told, "starting", json!({})).await;
    };
    let ran = tokio::join!(execute(&server, body), starts).0.is(200);
    assert_eq!(ran["state"], "received");
}

#[tokio::test]
async fn a_program_with_a_key_is_run_once() {
    let server = Server::start().await;
    let mut screen = Screen::comes(&server, NAME).await;
    let call = async |command: &str| {
        let body = json!({ "command": command }).to_string();
        let headers = [
            ("authorization", "Bearer back-end/service"),
            ("content-type", "application/json"),
            ("idempotency-key", "k1"),
        ];
        let bytes = request("POST", &path("/execute"), &headers, Some(body.as_bytes()));
        server.raw(bytes).await.unwrap()
    };
    let (first, _) = tokio::join!(call("x"), screen.runs_one());
    assert_eq!(first.header("idempotent-replayed"), None);
    let first = first.is(200);
    let again = call("x").await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.is(200)["command_id"], first["command_id"]);
    let other = call("y").await.refused(422, "INVALID_DATA");
    assert_eq!(other["reason"], "idempotency_key_reused");
}

#[tokio::test]
async fn programs_are_stopped_by_their_preset_or_their_command() {
    let server = Server::start().await;
    let mut screen = Screen::comes(&server, NAME).await;
    let body = json!({ "command": "x", "preset_id": 7 });
    let ran = tokio::join!(execute(&server, body), screen.runs_one()).0.is(200);
    let stops = async {
        let told = screen.told("stop_command").await;
        screen.says(&told, "starting", json!({})).await;
        screen.says(&told, "stopped", json!({ "stopped": 1 })).await;
        told
    };
    let body = json!({ "preset_id": 7, "grace_ms": 100 });
    let (answer, told) = tokio::join!(stop(&server, body), stops);
    let stopped = answer.is(200);
    assert_eq!(
        (&stopped["state"], &stopped["result"]["stopped"], &stopped["name"]),
        (&json!("succeeded"), &json!(1), &json!("display.stop"))
    );
    assert_eq!(
        (&told["presetId"], &told["graceMs"], &told["commandId"]),
        (&json!(7), &json!(100), &stopped["command_id"])
    );
    let body = json!({ "command_id": ran["command_id"], "wait": "accepted" });
    stop(&server, body).await.is(202);
    assert_eq!(screen.told("stop_command").await["runId"], ran["command_id"]);
}

#[tokio::test]
async fn a_start_is_set_by_a_moment() {
    let server = Server::start().await;
    let mut screen = Screen::comes_with(
        &server,
        NAME,
        json!({ "capabilities": ["command_ids", "barrier"] }),
    )
    .await
    .unwrap();
    for (command, at) in [
        ("x", json!(NOW + 2_000)),
        ("y", json!("2026-01-01T21:00:02+09:00")),
    ] {
        let body = json!({ "command": command, "start_at": at, "wait": "accepted" });
        execute(&server, body).await.is(202);
        assert_eq!(screen.told("execute_command").await["when"], NOW + 2_000, "{at}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let server = Server::start().await;
    let _screen = Screen::comes(&server, NAME).await;
    let many: serde_json::Map<_, _> = (0..129).map(|n| (format!("V{n}"), json!(""))).collect();
    for (body, field) in [
        (json!({}), "command"),
        (json!({ "command": "" }), "command"),
        (json!({ "command": " " }), "command"),
        (json!({ "command": "a\u{0}b" }), "command"),
        (json!({ "command": "x".repeat(65_537) }), "command"),
        (json!({ "command": ["x"] }), "command"),
        (json!({ "command": "x", "shell": 1 }), "shell"),
        (json!({ "command": "x", "cwd": "" }), "cwd"),
        (json!({ "command": "x", "cwd": "/".repeat(4_097) }), "cwd"),
        (json!({ "command": "x", "env": [] }), "env"),
        (json!({ "command": "x", "env": { "A": 1 } }), "env"),
        (json!({ "command": "x", "env": { "A=B": "" } }), "env"),
        (json!({ "command": "x", "env": { "": "" } }), "env"),
        (json!({ "command": "x", "env": many }), "env"),
        (json!({ "command": "x", "stop_signal": "STOP" }), "stop_signal"),
        (json!({ "command": "x", "grace_ms": -1 }), "grace_ms"),
        (json!({ "command": "x", "grace_ms": 600_001 }), "grace_ms"),
        (json!({ "command": "x", "preset_id": "7" }), "preset_id"),
        (json!({ "command": "x", "ttl_ms": 0 }), "ttl_ms"),
        (json!({ "command": "x", "timeout_ms": 25_001 }), "timeout_ms"),
        (json!({ "command": "x", "wait": "nonsense" }), "wait"),
        (json!({ "command": "x", "start_at": "tomorrow" }), "start_at"),
        (json!({ "command": "x", "start_at": 1.5 }), "start_at"),
        (json!({ "command": "x", "start_at": NOW + 3_600_001 }), "start_at"),
        (
            json!({ "command": "x", "idempotency_key": "" }),
            "idempotency_key",
        ),
    ] {
        let problem = execute(&server, body.clone()).await.refused(422, "INVALID_DATA");
        assert_eq!(problem["field"], field, "{body}");
    }
    let env = json!({ "command": "x", "env": { "A": "x".repeat(32 * 1024) } });
    execute(&server, env).await.refused(413, "MESSAGE_TOO_LARGE");
    for (body, field) in [
        (json!({}), "preset_id"),
        (json!({ "preset_id": true }), "preset_id"),
        (json!({ "command_id": "7" }), "command_id"),
        (json!({ "preset_id": 7, "grace_ms": 600_001 }), "grace_ms"),
        (json!({ "preset_id": 7, "wait": 1 }), "wait"),
    ] {
        let problem = stop(&server, body.clone()).await.refused(422, "INVALID_DATA");
        assert_eq!(problem["field"], field, "{body}");
    }
}
