//! `/devices/{device}/commands` and `/commands`: having devices do something, and what became of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bongsu_model::device::{Command, CommandId, DeviceId, Fence, IfOffline};
use bongsu_model::refusal::Why;
use bongsu_model::{Code, Refusal, Want};
use bongsu_node::devices::{Ran, RunCommand, Verdict, Wait, WaitFor};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, At};
use super::body::JsonBody;
use super::caller::Caller;
use super::device_views::{CommandView, RanView};
use super::devices::{DevicePath, device_id};
use super::fields::{Fields, required};
use super::idempotency;
use super::page::Page;
use super::problem::{Problem, ProblemDocument, Says};
use super::service::App;
use super::watch::{Events, LastEventId};

/// Longest key of a caller for a command, in bytes.
const KEY_BYTES_MAX: usize = 255;
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const WAITS: &[&str] = &["accepted", "received", "done"];

/// A command to be sent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "name": "window.set", "args": { "position": "open" }, "ttl_ms": 3000, "wait": "done" }))]
pub(super) struct CommandBody {
    /// Its name in the catalogue.
    name: String,
    /// By the catalogue's schema; `{}` if absent.
    args: Option<serde_json::Map<String, serde_json::Value>>,
    /// From its acceptance it may be sent for so long; as the catalogue says if absent.
    ttl_ms: Option<u64>,
    /// The caller's own key, 1 to 255 bytes: the same command with the same key within a day is the same command, and is
    /// answered alike. The same as the header `Idempotency-Key`.
    idempotency_key: Option<String>,
    /// What to wait for: `accepted` (default), `received` or `done`.
    wait: Option<String>,
    /// How long to wait at most, up to 25,000; a little longer than `ttl_ms` if absent.
    timeout_ms: Option<u64>,
    /// While the device is connected nowhere: `fail` or `queue`; as the catalogue says if absent.
    if_offline: Option<String>,
    /// The fencing number of the caller's control lease: without that lease the command is refused.
    fence: Option<u64>,
}

/// A command in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "documents a part of a path")]
pub(super) struct CommandPath {
    /// The command's id: 32 hex digits.
    #[param(pattern = "^[0-9a-f]{32}$")]
    command: String,
}

/// A caller's own key for a command.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents a header")]
pub(super) struct CommandKey {
    /// 1 to 255 visible ASCII characters: the same as `idempotency_key` in the body.
    #[param(rename = "Idempotency-Key", pattern = "^[!-~]{1,255}$")]
    idempotency_key: Option<String>,
}

/// A page of commands.
#[derive(Serialize, ToSchema)]
pub(super) struct CommandList {
    commands: Vec<CommandView>,
    /// For the next page; `null` on the last.
    next_cursor: Option<String>,
}

fn command_id(text: &str) -> Result<CommandId, Refusal> {
    CommandId::parse(text).ok_or(Refusal::new(Code::CommandNotFound))
}

/// What a caller asks of a device, and how long it waits.
pub(super) fn asked(
    app: &App,
    caller: &Caller,
    device: &str,
    fields: &Fields<'_>,
    headers: &HeaderMap,
    usual: WaitFor,
) -> Result<(RunCommand, Wait), Problem> {
    let limits = app.limits();
    // What is no id is a device that is connected nowhere.
    let device = DeviceId::parse(device).ok_or(Refusal::because(Code::DeviceOffline, "unknown_device"))?;
    let until = fields.word("wait", WAITS, |word| match word {
        "accepted" => Some(WaitFor::Accepted),
        "received" => Some(WaitFor::Received),
        "done" => Some(WaitFor::Done),
        _ => None,
    })?;
    let number = |name, max| Ok::<_, Refusal>(fields.between(name, 1, max)?.map(i64::unsigned_abs));
    let timeout_ms = number("timeout_ms", most(limits.command_wait_max_ms))?;
    let run = RunCommand {
        device,
        name: "".into(),
        args: fields
            .value_object("args", limits.json_depth_max)?
            .unwrap_or_default(),
        ttl_ms: number("ttl_ms", most(limits.command_ttl_max_ms))?,
        key: key(fields, headers)?,
        if_offline: fields.word("if_offline", IfOffline::NAMES, IfOffline::parse)?,
        fence: number("fence", i64::MAX)?.map(Fence),
        from: caller.from,
    };
    let wait = Wait {
        until: until.unwrap_or(usual),
        timeout_ms,
    };
    Ok((run, wait))
}

/// The most that a number of milliseconds may be.
pub(super) fn most(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// The caller's own key, from the body or from the header.
pub(super) fn key(fields: &Fields<'_>, headers: &HeaderMap) -> Result<Option<Arc<str>>, Problem> {
    let in_body = fields.text_of("idempotency_key", 1, KEY_BYTES_MAX)?;
    let in_header = idempotency::key(headers)?.map(Arc::from);
    match (in_body, in_header) {
        (Some(one), Some(other)) if one != other => {
            Err(Refusal::field("idempotency_key", Want::Alone).into())
        }
        (in_body, in_header) => Ok(in_body.or(in_header)),
    }
}

/// The answer to a command, by how far it was when its caller stopped waiting.
pub(super) fn answer(ran: Result<Ran, Refusal>) -> Result<Response, Problem> {
    let ran = ran.map_err(not_run)?;
    let status = match ran.verdict() {
        Verdict::Done => StatusCode::OK,
        Verdict::UnderWay => StatusCode::ACCEPTED,
        Verdict::Refused(refusal) => return Err(refusal.into()),
    };
    let mut response = (status, Json(RanView::of(&ran))).into_response();
    if ran.repeat {
        response
            .headers_mut()
            .insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn not_run(refusal: Refusal) -> Problem {
    if refusal.why == Why::Reason("idempotency_key") {
        return Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            Code::InvalidData,
            "idempotency_key_reused",
            Says::KeyReused,
        );
    }
    refusal.into()
}

/// Have a device do something.
///
/// 404 `DEVICE_OFFLINE` says at once that it was not sent; 504 `COMMAND_TIMEOUT` that it may have been carried out: its
/// `command_id` can be asked for.
#[utoipa::path(post, operation_id = "commands_create", path = "/api/v1/devices/{device}/commands", tag = "commands",
    params(DevicePath, CommandKey), request_body = CommandBody,
    responses((status = 200, description = "What was waited for has come; `state` says how", body = RanView),
        (status = 202, description = "Accepted, or still under way", body = RanView),
        (status = 403, description = "Not allowed, or refused by the catalogue", body = ProblemDocument),
        (status = 404, description = "The device is connected nowhere", body = ProblemDocument),
        (status = 409, description = "Another operator has the device", body = ProblemDocument),
        (status = 429, body = ProblemDocument),
        (status = 503, description = "Where the device is cannot be found out now", body = ProblemDocument),
        (status = 504, description = "Not done in time", body = ProblemDocument)))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    At(device): At<String>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let fields = body.fields()?;
    let (run, wait) = asked(&app, &caller, &device, &fields, &headers, WaitFor::Accepted)?;
    let run = RunCommand {
        name: required("name", fields.text("name")?)?,
        ..run
    };
    answer(app.node.run_command(&caller.by, run, wait).await)
}

/// List a device's commands, the newest first.
#[utoipa::path(get, operation_id = "commands_list", path = "/api/v1/devices/{device}/commands", tag = "commands",
    params(DevicePath, super::openapi::Paging),
    responses((status = 200, body = CommandList), (status = 404, body = ProblemDocument)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    At(device): At<String>,
    asked: Asked,
) -> Result<Json<CommandList>, Problem> {
    let page = Page::of(&asked, app.limits().history_page_max)?;
    let before = page.after(CommandId::parse)?;
    let device = device_id(&device)?;
    let mut commands = app
        .node
        .commands(&caller.by, device, before, page.limit_and_one())
        .await?;
    let next_cursor = page.cut(&mut commands, |command| command.id.to_string());
    Ok(Json(CommandList {
        commands: commands.iter().map(CommandView::of).collect(),
        next_cursor,
    }))
}

/// Read a command, with everything that happened to it.
#[utoipa::path(get, operation_id = "commands_read_one", path = "/api/v1/commands/{command}", tag = "commands", params(CommandPath),
    responses((status = 200, body = CommandView), (status = 404, body = ProblemDocument)))]
pub(super) async fn read_one(
    State(app): State<App>,
    caller: Caller,
    At(command): At<String>,
) -> Result<Json<CommandView>, Problem> {
    let command = app.node.command(&caller.by, command_id(&command)?).await?;
    Ok(Json(CommandView::of(&command)))
}

/// Take a command back. One that has ended stays as it is, and one that the device has may be carried out all the same:
/// `state` says what it is.
#[utoipa::path(delete, operation_id = "commands_cancel", path = "/api/v1/commands/{command}", tag = "commands", params(CommandPath),
    responses((status = 200, body = CommandView), (status = 404, body = ProblemDocument)))]
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    At(command): At<String>,
) -> Result<Json<CommandView>, Problem> {
    let command = command_id(&command)?;
    let command = app.node.cancel_command(&caller.by, command).await?;
    Ok(Json(CommandView::of(&command)))
}

/// Watch a command: server-sent events named `command`, each with the command as it is then; the last has its end.
#[utoipa::path(get, operation_id = "commands_watch", path = "/api/v1/commands/{command}/watch", tag = "commands",
    params(CommandPath, LastEventId),
    responses((status = 200, description = "The events", content_type = "text/event-stream", body = CommandView),
        (status = 204, description = "The last event was seen already"),
        (status = 404, body = ProblemDocument)))]
pub(super) async fn watch(
    State(app): State<App>,
    caller: Caller,
    At(command): At<String>,
    events: Events,
) -> Result<Response, Problem> {
    let id = command_id(&command)?;
    // From before it is read, so that no news of it is missed.
    let mut news = app.node.watch_commands(id)?;
    let first = app.node.command(&caller.by, id).await?;
    let mut told = events.last().map(str::to_owned);
    if first.state.is_terminal() && told.as_deref() == Some(&*event_id(&first)) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let node = Arc::clone(&app.node);
    Ok(events.tell(async move |to| {
        let mut command = first;
        loop {
            let id_now = Some(event_id(&command));
            if told != id_now {
                told = id_now;
                to.put("command", told.as_deref(), &CommandView::of(&command))
                    .await;
            }
            if command.state.is_terminal() {
                return;
            }
            match node.next_of_command(&mut news, id).await {
                Ok(next) => command = next,
                // The watcher asks again and hears why.
                Err(_) => return,
            }
        }
    }))
}

/// What tells one event of a command from the next.
fn event_id(command: &Command) -> String {
    format!("{}.{}", command.history.len(), command.state.name())
}
