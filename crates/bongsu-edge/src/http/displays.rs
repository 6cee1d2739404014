//! `/displays`: what is known of them, and running and stopping programs on one.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bongsu_model::display::{PresetId, Process};
use bongsu_model::{Code, CommandId, DeviceId, Refusal, Timestamp, Want};
use bongsu_node::devices::{Wait, WaitFor};
use bongsu_node::displays::{DisplayView as Seen, RunProgram, StopPrograms};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, At};
use super::body::JsonBody;
use super::caller::Caller;
use super::commands::{self, CommandKey, most};
use super::device_views::{RanView, presence};
use super::devices::device_id;
use super::fields::Fields;
use super::page::Page;
use super::problem::{Problem, ProblemDocument};
use super::programs;
use super::service::App;

/// Up to where a caller may wait.
const WAITS: &[&str] = &["accepted", "received", "running", "done"];

/// A display in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "documents a part of a path")]
pub(super) struct DisplayPath {
    /// The display's name: 1 to 128 of `A-Z a-z 0-9 . _ : -`.
    #[param(pattern = "^[A-Za-z0-9._:-]{1,128}$")]
    display: String,
}

/// A program to be run on a display.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "command": "/opt/show/player intro.mp4", "preset_id": 7, "ttl_ms": 5000 }))]
pub(super) struct ExecuteBody {
    /// The command line. It is split into words as a shell would, unless `shell` has a shell of the display read it. Displays
    /// that know only the guide always use a shell.
    command: String,
    /// Whether a shell of the display reads the line; `false` if absent.
    shell: Option<bool>,
    /// Where it runs, up to 4,096 bytes; where the display likes if absent.
    cwd: Option<String>,
    /// What is added to its environment: up to 128 variables.
    env: Option<BTreeMap<String, String>>,
    /// By what it is asked to stop: `TERM`, `INT`, `HUP`, `QUIT` or `KILL`; as the display has it if absent.
    stop_signal: Option<String>,
    /// How long it then has before it is killed, up to 600,000; as the display has it if absent.
    grace_ms: Option<u64>,
    /// Of which preset it is said to be: by that number it may be stopped. None if absent.
    preset_id: Option<i64>,
    /// From its acceptance, or from `start_at`, it may be started for so long; 10,000 if absent.
    ttl_ms: Option<u64>,
    /// When it is to be started, up to an hour ahead: RFC 3339, or milliseconds since 1970; at once if absent. A display that
    /// cannot wait itself is told when the moment has come: that may be 12 seconds ahead, and the call lasts as long.
    #[schema(value_type = Option<StartAt>)]
    start_at: Option<StartAt>,
    /// The caller's own key, as the header `Idempotency-Key`: the same with the same key within a day is the same command.
    idempotency_key: Option<String>,
    /// What to wait for: `accepted`, `received`, `running` (default) or `done`; `received` is the default where the start is
    /// more than 12 seconds ahead.
    wait: Option<String>,
    /// How long to wait at most, up to 25,000; a little longer than `ttl_ms` if absent.
    timeout_ms: Option<u64>,
}

/// A moment.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read by hand; the type documents the shape")]
#[serde(untagged)]
pub(super) enum StartAt {
    /// RFC 3339.
    Text(String),
    /// Milliseconds since 1970.
    Ms(i64),
}

/// Programs to be stopped: those of a preset, or the one of a command.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "preset_id": 7, "grace_ms": 2000 }))]
pub(super) struct StopBody {
    /// The preset whose programs are stopped …
    preset_id: Option<i64>,
    /// … or the command whose program is: 32 hex digits.
    command_id: Option<String>,
    /// How long they have before they are killed, up to 600,000; as their programs say if absent.
    grace_ms: Option<u64>,
    /// The caller's own key, as the header `Idempotency-Key`.
    idempotency_key: Option<String>,
    /// What to wait for: `accepted`, `received`, `running` or `done` (default).
    wait: Option<String>,
    /// How long to wait at most, up to 25,000, which is the default.
    timeout_ms: Option<u64>,
}

/// A display.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "display_id": "Display_01", "name": "Display_01", "client_id": 3, "online": true, "presence": "online", "status": "active", "processes": [
        { "preset_id": 7, "command_id": "0193e5a8c4f37a1c9d2b6e8f01234567", "pid": 4711, "uptime_ms": 61000 }
    ], "process_count": 1, "last_heartbeat": "2026-01-01T12:00:00.000Z", "uptime_ms": 3600000,
    "registered_at": "2026-01-01T11:00:00.000Z", "address": "192.0.2.7", "client_type": "python", "version": "1.2.0",
    "capabilities": ["command_ids"], "created_at": "2026-01-01T11:00:00.000Z"
}))]
pub(super) struct DisplayView {
    /// Its name.
    display_id: String,
    /// The same.
    name: String,
    /// Its number, by which it is told of itself.
    client_id: i64,
    /// Whether it is registered, as far as this node knows: not if it is `offline`.
    online: bool,
    /// `online`; `offline`; `unknown` if the node that holds it did not answer. What it says of itself is left out then.
    #[schema(value_type = String)]
    presence: &'static str,
    /// How it is, in its own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// The programs that it says it runs.
    processes: Vec<ProcessView>,
    /// How many it says run: there may be more than are listed.
    process_count: u64,
    /// When its last heartbeat came; its registration counts as one.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_heartbeat: Option<String>,
    /// For how long it has been running, as of its last heartbeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_ms: Option<u64>,
    /// Since when it is registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    registered_at: Option<String>,
    /// Where it comes from, or where it says it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// What it is written in.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_type: Option<String>,
    /// Its software's version, as it said last.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// What it can do, as it said last.
    capabilities: Vec<String>,
    /// When it was last seen to go.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<String>,
    created_at: String,
}

/// A program that a display says it runs.
#[derive(Serialize, ToSchema)]
pub(super) struct ProcessView {
    #[serde(skip_serializing_if = "Option::is_none")]
    preset_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_ms: Option<u64>,
}

/// A page of displays.
#[derive(Serialize, ToSchema)]
pub(super) struct DisplayList {
    displays: Vec<DisplayView>,
    /// For the next page; `null` on the last.
    next_cursor: Option<String>,
}

impl ProcessView {
    fn of(process: &Process) -> Self {
        Self {
            preset_id: process.preset.map(|preset| preset.0),
            command_id: process.command.map(|command| command.to_string()),
            pid: process.pid,
            uptime_ms: process.uptime_ms,
        }
    }
}

impl DisplayView {
    fn of(seen: &Seen) -> Self {
        let owned = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
        let (kept, now) = (&seen.device, seen.now.as_deref());
        let since = kept.session.as_ref().map(|session| session.since);
        Self {
            display_id: kept.id.to_string(),
            name: kept.id.to_string(),
            client_id: kept.client,
            online: seen.is_online(),
            presence: presence(seen.presence),
            status: now.and_then(|now| owned(&now.status)),
            processes: now.map_or_else(Vec::new, |now| {
                now.processes.iter().map(ProcessView::of).collect()
            }),
            process_count: now.map_or(0, |now| now.process_count),
            last_heartbeat: now.map(|now| now.beat_at.to_string()),
            uptime_ms: now.and_then(|now| now.uptime_ms),
            registered_at: since.map(|since| since.to_string()),
            address: now.and_then(|now| owned(&now.address)),
            client_type: now.and_then(|now| owned(&now.client_type)),
            version: owned(&kept.version),
            capabilities: kept.capabilities.iter().map(ToString::to_string).collect(),
            last_seen: kept.last_seen.map(|at| at.to_string()),
            created_at: kept.created_at.to_string(),
        }
    }
}

/// Up to where a caller waits, and for how long.
pub(super) fn wait(app: &App, fields: &Fields<'_>, usual: WaitFor) -> Result<Wait, Refusal> {
    let until = fields.word("wait", WAITS, |word| match word {
        "accepted" => Some(WaitFor::Accepted),
        "received" => Some(WaitFor::Received),
        "running" => Some(WaitFor::Running),
        "done" => Some(WaitFor::Done),
        _ => None,
    })?;
    let timeout_ms = fields.between("timeout_ms", 1, most(app.limits().command_wait_max_ms))?;
    Ok(Wait {
        until: until.unwrap_or(usual),
        timeout_ms: timeout_ms.map(i64::unsigned_abs),
    })
}

/// For how long what is asked for may be sent.
pub(super) fn ttl_ms(app: &App, fields: &Fields<'_>) -> Result<Option<u64>, Refusal> {
    let ttl_ms = fields.between("ttl_ms", 1, most(app.limits().command_ttl_max_ms))?;
    Ok(ttl_ms.map(i64::unsigned_abs))
}

pub(super) fn grace_ms(fields: &Fields<'_>) -> Result<Option<u64>, Refusal> {
    let grace_ms = fields.between("grace_ms", 0, i64::MAX)?;
    Ok(grace_ms.map(i64::unsigned_abs))
}

/// What a caller waits for who does not say: the program itself, if its start is not too far ahead to be waited for.
pub(super) fn usual(app: &App, start_at: Option<Timestamp>) -> WaitFor {
    let ahead_ms = start_at.map_or(0, |start| start.ms_since(app.node.now()));
    if ahead_ms > app.limits().command_wait_max_ms / 2 {
        WaitFor::Received
    } else {
        WaitFor::Running
    }
}

/// When it is to be started.
pub(super) fn start_at(fields: &Fields<'_>) -> Result<Option<Timestamp>, Refusal> {
    if let Ok(ms) = fields.integer("start_at") {
        return Ok(ms.map(Timestamp));
    }
    let wrong = Refusal::field("start_at", Want::Other);
    let text = fields.text("start_at").map_err(|_| wrong.clone())?;
    text.map(|text| Timestamp::parse(&text).ok_or(wrong)).transpose()
}

/// The display that something is asked of. What is no name is a display that is connected nowhere.
fn asked_of(display: &str) -> Result<DeviceId, Refusal> {
    DeviceId::parse(display).ok_or(Refusal::because(Code::DeviceOffline, "unknown_device"))
}

/// List displays, ascending by name.
#[utoipa::path(get, operation_id = "displays_list", path = "/api/v1/displays", tag = "displays", params(super::openapi::Paging),
    responses((status = 200, body = DisplayList)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<DisplayList>, Problem> {
    let page = Page::of(&asked, app.limits().history_page_max)?;
    let after = page.after(DeviceId::parse)?;
    let mut displays = app.node.displays(&caller.by, after, page.limit_and_one()).await?;
    let next_cursor = page.cut(&mut displays, |it| it.device.id.to_string());
    Ok(Json(DisplayList {
        displays: displays.iter().map(DisplayView::of).collect(),
        next_cursor,
    }))
}

/// Read a display.
#[utoipa::path(get, operation_id = "displays_read_one", path = "/api/v1/displays/{display}", tag = "displays", params(DisplayPath),
    responses((status = 200, body = DisplayView), (status = 404, body = ProblemDocument)))]
pub(super) async fn read_one(
    State(app): State<App>,
    caller: Caller,
    At(display): At<String>,
) -> Result<Json<DisplayView>, Problem> {
    let display = app.node.display(&caller.by, &device_id(&display)?).await?;
    Ok(Json(DisplayView::of(&display)))
}

/// Run a program on a display.
///
/// 404 `DEVICE_OFFLINE` says at once that it was not sent; 504 `COMMAND_TIMEOUT` that it may have been started: its
/// `command_id` can be asked for.
#[utoipa::path(post, operation_id = "displays_execute", path = "/api/v1/displays/{display}/execute", tag = "displays",
    params(DisplayPath, CommandKey), request_body = ExecuteBody,
    responses((status = 200, description = "What was waited for has come, or it has ended; `state` says how", body = RanView),
        (status = 202, description = "Accepted, or still under way", body = RanView),
        (status = 404, description = "The display is connected nowhere", body = ProblemDocument),
        (status = 409, description = "Another operator has the display", body = ProblemDocument),
        (status = 429, body = ProblemDocument),
        (status = 503, description = "Where the display is cannot be found out now", body = ProblemDocument),
        (status = 504, description = "Not done in time", body = ProblemDocument)))]
pub(super) async fn execute(
    State(app): State<App>,
    caller: Caller,
    At(display): At<String>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let fields = body.fields()?;
    let run = RunProgram {
        program: programs::read(&fields, &programs::OWN)?,
        preset: fields.integer("preset_id")?.map(PresetId),
        ttl_ms: ttl_ms(&app, &fields)?,
        start_at: start_at(&fields)?,
        key: commands::key(&fields, &headers)?,
        from: caller.from,
        display: asked_of(&display)?,
    };
    let wait = wait(&app, &fields, usual(&app, run.start_at))?;
    commands::answer(app.node.run_program(&caller.by, run, wait).await)
}

/// Stop programs on a display: those of a preset, or the one of a command.
#[utoipa::path(post, operation_id = "displays_stop", path = "/api/v1/displays/{display}/stop", tag = "displays",
    params(DisplayPath, CommandKey), request_body = StopBody,
    responses((status = 200, description = "What was waited for has come; `state` says how", body = RanView),
        (status = 202, description = "Accepted, or still under way", body = RanView),
        (status = 404, description = "The display is connected nowhere", body = ProblemDocument),
        (status = 409, description = "Another operator has the display", body = ProblemDocument),
        (status = 429, body = ProblemDocument),
        (status = 503, description = "Where the display is cannot be found out now", body = ProblemDocument),
        (status = 504, description = "Not done in time", body = ProblemDocument)))]
pub(super) async fn stop(
    State(app): State<App>,
    caller: Caller,
    At(display): At<String>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let fields = body.fields()?;
    let run = fields.text("command_id")?;
    let wrong = || Refusal::field("command_id", Want::Hex(32));
    let stop = StopPrograms {
        preset: fields.integer("preset_id")?.map(PresetId),
        run: run
            .map(|text| CommandId::parse(&text).ok_or_else(wrong))
            .transpose()?,
        grace_ms: grace_ms(&fields)?,
        key: commands::key(&fields, &headers)?,
        from: caller.from,
        display: asked_of(&display)?,
    };
    let wait = wait(&app, &fields, WaitFor::Done)?;
    commands::answer(app.node.stop_programs(&caller.by, stop, wait).await)
}
