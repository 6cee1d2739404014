//! Presets: made, read, changed, deleted, and run and stopped on their displays.

use bongsu_model::Limits;
use serde_json::{Value, json};

use crate::client::{Answer, request};
use crate::screen::Screen;
use crate::server::Server;

const PRESETS: &str = "/api/v1/presets";
const NOW: &str = "2026-01-01T12:00:00.000Z";

async fn make(server: &Server, body: Value) -> Value {
    server.service("POST", PRESETS, Some(body)).await.is(201)
}

async fn opening(server: &Server) -> i64 {
    let displays = json!({ "Display_01": "player one", "Display_02": "player two" });
    let made = make(server, json!({ "name": "opening", "displays": displays })).await;
    made["preset_id"].as_i64().unwrap()
}

async fn post(server: &Server, rest: &str, body: Option<Value>) -> Answer {
    server
        .service("POST", &format!("{PRESETS}/opening/{rest}"), body)
        .await
}

#[tokio::test]
async fn a_preset_is_made_read_replaced_and_deleted() {
    let server = Server::start().await;
    let program = json!({
        "command": "clock --full", "shell": true, "cwd": "/srv", "env": { "DISPLAY": ":0" }, "stop_signal": "INT", "grace_ms": 0
    });
    let displays = json!({ "Display_02": program, "Display_01": "player \"쇼 1.mp4\"" });
    let made = make(&server, json!({ "name": "개막 1부", "displays": displays })).await;
    let id = made["preset_id"].as_i64().unwrap();
    assert_eq!(
        made,
        json!({
            "preset_id": id, "name": "개막 1부", "created_at": NOW, "updated_at": NOW,
            "displays": { "Display_01": { "command": "player \"쇼 1.mp4\"" }, "Display_02": program }
        })
    );
    let by_id = format!("{PRESETS}/{id}");
    for path in [&by_id, &format!("{PRESETS}/%EA%B0%9C%EB%A7%89%201%EB%B6%80")] {
        assert_eq!(server.service("GET", path, None).await.is(200), made);
    }
    let next = json!({ "name": "interval", "displays": {} });
    let replaced = server.service("PUT", &by_id, Some(next)).await.is(200);
    assert_eq!(
        replaced,
        json!({ "preset_id": id, "name": "interval", "displays": {}, "created_at": NOW, "updated_at": NOW })
    );
    let by_name = format!("{PRESETS}/interval");
    assert_eq!(server.service("GET", &by_name, None).await.is(200), replaced);
    server.service("DELETE", &by_name, None).await.is(204);
    let body = json!({ "name": "x", "displays": {} });
    for (method, body) in [("GET", None), ("DELETE", None), ("PUT", Some(body))] {
        server
            .service(method, &by_id, body)
            .await
            .refused(404, "PRESET_NOT_FOUND");
    }
    let audit = server.service("GET", "/api/v1/audit", None).await.is(200);
    let entries = audit["entries"].as_array().unwrap();
    let told: Vec<_> = entries
        .iter()
        .map(|it| (it["action"].as_str().unwrap(), it["object"].as_str().unwrap()))
        .collect();
    let object = format!("preset:{id}");
    assert_eq!(
        told,
        ["preset.delete", "preset.update", "preset.create"].map(|action| (action, object.as_str()))
    );
}

#[tokio::test]
async fn a_name_is_of_one_preset() {
    let server = Server::start().await;
    let first = opening(&server).await;
    let other = make(&server, json!({ "name": "other", "displays": {} })).await;
    let body = json!({ "name": "opening", "displays": {} });
    let path = format!("{PRESETS}/{}", other["preset_id"]);
    for (method, path) in [("POST", PRESETS), ("PUT", path.as_str())] {
        let taken = server.service(method, path, Some(body.clone())).await;
        taken.refused(409, "NAME_TAKEN");
    }
    let own = format!("{PRESETS}/{first}");
    server.service("PUT", &own, Some(body)).await.is(200);
}

#[tokio::test]
async fn presets_are_listed_in_pages() {
    let server = Server::start().await;
    let mut ids = Vec::new();
    for name in ["c", "a", "b"] {
        let made = make(&server, json!({ "name": name, "displays": {} })).await;
        ids.push(made["preset_id"].clone());
    }
    let of = |page: &Value| -> Vec<Value> {
        let presets = page["presets"].as_array().unwrap();
        presets.iter().map(|it| it["preset_id"].clone()).collect()
    };
    let first = server
        .service("GET", &format!("{PRESETS}?limit=2"), None)
        .await
        .is(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = server
        .service("GET", &format!("{PRESETS}?limit=2&cursor={cursor}"), None)
        .await
        .is(200);
    assert_eq!([of(&first), of(&second)].concat(), ids, "ascending by number");
    assert_eq!(second["next_cursor"], Value::Null);
}

#[tokio::test]
async fn large_presets_make_short_pages() {
    let server = Server::limited(Limits {
        preset_bytes_max: 3_000,
        ..Limits::DEFAULT
    })
    .await;
    let sized = |name: String, bytes: usize| json!({ "name": name, "displays": { "D": "x".repeat(bytes) } });
    for n in 0..9 {
        make(&server, sized(format!("p{n}"), 2_000)).await;
    }
    let (mut seen, mut path) = (Vec::new(), PRESETS.to_owned());
    loop {
        let page = server.service("GET", &path, None).await.is(200);
        let presets = page["presets"].as_array().unwrap();
        assert!((1..=2).contains(&presets.len()), "{} in one page", presets.len());
        seen.extend(presets.iter().map(|it| it["name"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("{PRESETS}?cursor={cursor}");
    }
    assert_eq!(seen, (0..9).map(|n| format!("p{n}")).collect::<Vec<_>>());
    let refused = server
        .service("POST", PRESETS, Some(sized("large".into(), 3_000)))
        .await;
    refused.refused(413, "MESSAGE_TOO_LARGE");
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let server = Server::start().await;
    let id = opening(&server).await;
    let many: serde_json::Map<_, _> = (0..1_001).map(|n| (format!("D{n}"), json!("x"))).collect();
    let with = |program: Value| json!({ "name": "x", "displays": { "D": program } });
    for (body, field) in [
        (json!({ "displays": {} }), "name"),
        (json!({ "name": "", "displays": {} }), "name"),
        (json!({ "name": "x".repeat(129), "displays": {} }), "name"),
        (json!({ "name": "7", "displays": {} }), "name"),
        (json!({ "name": "a\nb", "displays": {} }), "name"),
        (json!({ "name": 7, "displays": {} }), "name"),
        (json!({ "name": "x" }), "displays"),
        (json!({ "name": "x", "displays": [] }), "displays"),
        (json!({ "name": "x", "displays": { "a b": "x" } }), "displays"),
        (json!({ "name": "x", "displays": many }), "displays"),
        (with(json!(7)), "displays"),
        (with(json!("")), "displays.command"),
        (with(json!({})), "displays.command"),
        (with(json!({ "command": "x".repeat(65_537) })), "displays.command"),
        (with(json!({ "command": "x", "shell": "yes" })), "displays.shell"),
        (with(json!({ "command": "x", "cwd": 1 })), "displays.cwd"),
        (with(json!({ "command": "x", "cwd": "" })), "displays.cwd"),
        (
            with(json!({ "command": "x", "env": { "A": null } })),
            "displays.env",
        ),
        (
            with(json!({ "command": "x", "env": { "A=": "" } })),
            "displays.env",
        ),
        (
            with(json!({ "command": "x", "stop_signal": "9" })),
            "displays.stop_signal",
        ),
        (
            with(json!({ "command": "x", "grace_ms": 600_001 })),
            "displays.grace_ms",
        ),
    ] {
        for (method, path) in [("POST", PRESETS.to_owned()), ("PUT", format!("{PRESETS}/{id}"))] {
            let problem = server.service(method, &path, Some(body.clone())).await;
            let problem = problem.refused(422, "INVALID_DATA");
            assert_eq!(problem["field"], field, "{body}");
        }
    }
    let env = with(json!({ "command": "x", "env": { "A": "x".repeat(32 * 1024) } }));
    server
        .service("POST", PRESETS, Some(env))
        .await
        .refused(413, "MESSAGE_TOO_LARGE");
}

#[tokio::test]
async fn a_preset_runs_on_all_its_displays() {
    let server = Server::start().await;
    let id = opening(&server).await;
    let mut one = Screen::comes(&server, "Display_01").await;
    let mut two = Screen::comes(&server, "Display_02").await;
    let (answer, told, _) = tokio::join!(post(&server, "execute", None), one.runs_one(), two.runs_one());
    let ran = answer.is(200);
    assert_eq!(
        (&told["command"], &told["presetId"]),
        (&json!("player one"), &json!(id))
    );
    assert_eq!((&ran["preset_id"], &ran["ok"]), (&json!(id), &json!(true)));
    let results = ran["results"].as_array().unwrap();
    let each: Vec<_> = results.iter().map(|it| (&it["display"], &it["state"])).collect();
    let running = json!("in_progress");
    assert_eq!(
        each,
        [(&json!("Display_01"), &running), (&json!("Display_02"), &running)]
    );
    assert_eq!(results[0]["command_id"], told["commandId"]);

    let stops = async |screen: &mut Screen| {
        let told = screen.told("stop_command").await;
        screen.says(&told, "stopped", json!({ "stopped": 1 })).await;
        told
    };
    let body = json!({ "displays": ["Display_02"], "grace_ms": 5 });
    let (answer, told) = tokio::join!(post(&server, "stop", Some(body)), stops(&mut two));
    let stopped = answer.is(200);
    assert_eq!((&told["presetId"], &told["graceMs"]), (&json!(id), &json!(5)));
    assert_eq!(
        (
            &stopped["ok"],
            &stopped["results"][0]["result"]["stopped"],
            stopped["results"].as_array().unwrap().len()
        ),
        (&json!(true), &json!(1), 1)
    );
    let body = json!({ "wait": "accepted" });
    let (answer, _, _) = tokio::join!(
        post(&server, "stop", Some(body)),
        one.told("stop_command"),
        two.told("stop_command")
    );
    assert_eq!(answer.is(202)["ok"], true);
}

#[tokio::test]
async fn each_display_has_its_own_answer() {
    let server = Server::start().await;
    opening(&server).await;
    let mut one = Screen::comes(&server, "Display_01").await;
    let fails = async {
        let told = one.told("execute_command").await;
        one.says(&told, "failed", json!({ "error": "no such file" }))
            .await;
    };
    let ran = tokio::join!(post(&server, "execute", None), fails).0.is(200);
    assert_eq!(ran["ok"], false);
    let (failed, offline) = (&ran["results"][0], &ran["results"][1]);
    assert_eq!(
        (&failed["state"], failed.get("code")),
        (&json!("failed"), None),
        "{ran}"
    );
    assert!(failed["error"].to_string().contains("no such file"), "{ran}");
    assert_eq!(
        (&offline["display"], &offline["code"]),
        (&json!("Display_02"), &json!("DEVICE_OFFLINE"))
    );
    assert!(offline["message"].as_str().is_some_and(|text| !text.is_empty()));
}

#[tokio::test]
async fn behind_a_barrier_nobody_starts_without_the_others() {
    let server = Server::start().await;
    opening(&server).await;
    let able = || json!({ "capabilities": ["command_ids", "barrier"] });
    let mut one = Screen::comes_with(&server, "Display_01", able()).await.unwrap();
    let prepares = async |screen: &mut Screen| {
        let told = screen.told("prepare_command").await;
        screen.says(&told, "prepared", json!({})).await;
    };
    let body = json!({ "barrier": true });
    let refused = tokio::join!(post(&server, "execute", Some(body.clone())), prepares(&mut one)).0;
    let refused = refused.is(200);
    assert_eq!(refused["ok"], false);
    assert_eq!(
        (&refused["results"][0]["code"], &refused["results"][0]["reason"]),
        (&json!("COMMAND_REFUSED"), &json!("barrier"))
    );
    assert_eq!(refused["results"][1]["code"], "DEVICE_OFFLINE");

    let mut two = Screen::comes_with(&server, "Display_02", able()).await.unwrap();
    let both = async |screen: &mut Screen| {
        prepares(screen).await;
        screen.runs_one().await["when"].clone()
    };
    let (answer, first, second) = tokio::join!(
        post(&server, "execute", Some(body)),
        both(&mut one),
        both(&mut two)
    );
    assert_eq!(answer.is(200)["ok"], true);
    assert!(first.is_i64() && first == second, "{first} and {second}");
}

#[tokio::test]
async fn a_call_with_a_key_is_answered_alike() {
    let server = Server::start().await;
    opening(&server).await;
    let mut one = Screen::comes(&server, "Display_01").await;
    let call = async || {
        let headers = [
            ("authorization", "Bearer back-end/service"),
            ("content-type", "application/json"),
            ("idempotency-key", "k1"),
        ];
        let path = format!("{PRESETS}/opening/execute");
        let bytes = request("POST", &path, &headers, Some(b"{\"displays\":[\"Display_01\"]}"));
        server.raw(bytes).await.unwrap()
    };
    let first = tokio::join!(call(), one.runs_one()).0.is(200);
    let again = call().await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.is(200), first);
}

#[tokio::test]
async fn what_cannot_be_run_is_refused() {
    let server = Server::start().await;
    for rest in ["execute", "stop"] {
        post(&server, rest, None).await.refused(404, "PRESET_NOT_FOUND");
    }
    opening(&server).await;
    make(&server, json!({ "name": "nothing", "displays": {} })).await;
    for rest in ["execute", "stop"] {
        let nothing = format!("{PRESETS}/nothing/{rest}");
        let refused = server
            .service("POST", &nothing, None)
            .await
            .refused(422, "INVALID_DATA");
        assert_eq!(refused["field"], "displays");
        for (body, field) in [
            (json!({ "displays": ["Display_03"] }), "displays"),
            (json!({ "displays": [] }), "displays"),
            (json!({ "displays": [7] }), "displays"),
            (json!({ "displays": "Display_01" }), "displays"),
            (json!({ "wait": "x" }), "wait"),
            (json!({ "timeout_ms": 0 }), "timeout_ms"),
        ] {
            let refused = post(&server, rest, Some(body.clone()))
                .await
                .refused(422, "INVALID_DATA");
            assert_eq!(refused["field"], field, "{body}");
        }
    }
    for (body, field) in [
        (json!({ "barrier": 1 }), "barrier"),
        (json!({ "start_at": "x" }), "start_at"),
        (json!({ "ttl_ms": 0 }), "ttl_ms"),
    ] {
        let refused = post(&server, "execute", Some(body))
            .await
            .refused(422, "INVALID_DATA");
        assert_eq!(refused["field"], field);
    }
    let grace = json!({ "grace_ms": 600_001 });
    let refused = post(&server, "stop", Some(grace))
        .await
        .refused(422, "INVALID_DATA");
    assert_eq!(refused["field"], "grace_ms");
}
