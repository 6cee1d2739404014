//! `/presets/{preset}/execute` and `/stop`: a preset's programs run and stopped on its displays.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use bongsu_model::device::CommandState;
use bongsu_model::{DeviceId, Locale, Refusal, Want, Why};
use bongsu_node::devices::{Ran, Verdict, Wait, WaitFor};
use bongsu_node::displays::{Each, PresetRef, RunPreset, StopPreset};
use bongsu_wire::close::refusal_text;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::At;
use super::body::JsonBody;
use super::caller::Caller;
use super::displays::{StartAt, grace_ms, start_at, ttl_ms, usual, wait};
use super::fields::Fields;
use super::idempotency;
use super::outer;
use super::presets::PresetPath;
use super::problem::{Problem, ProblemDocument};
use super::service::App;
use crate::catalogue::to_json;

/// A preset to be run: all fields may be absent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "displays": ["Display_01", "Display_02"], "barrier": true }))]
pub(super) struct ExecutePresetBody {
    /// On which of its displays; on all if absent.
    displays: Option<Vec<String>>,
    /// Whether nothing is to start before all displays are prepared. Those that know no barrier are told last.
    barrier: Option<bool>,
    /// When the programs are to be started, up to an hour ahead: RFC 3339, or milliseconds since 1970; at once if absent. For
    /// displays that cannot wait themselves it may be 12 seconds ahead, and the call lasts as long.
    start_at: Option<StartAt>,
    /// From its acceptance, or from `start_at`, each may be started for so long; 10,000 if absent.
    ttl_ms: Option<u64>,
    /// What to wait for, on each display: `accepted`, `received`, `running` (default) or `done`; `received` is the default
    /// where the start is more than 12 seconds ahead.
    wait: Option<String>,
    /// How long to wait at most, up to 25,000; a little longer than `ttl_ms` if absent.
    timeout_ms: Option<u64>,
}

/// A preset to be stopped: all fields may be absent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "grace_ms": 2000 }))]
pub(super) struct StopPresetBody {
    /// On which of its displays; on all if absent.
    displays: Option<Vec<String>>,
    /// How long its programs have before they are killed, up to 600,000; as they say if absent.
    grace_ms: Option<u64>,
    /// What to wait for, on each display: `accepted`, `received`, `running` or `done` (default).
    wait: Option<String>,
    /// How long to wait at most, up to 25,000, which is the default.
    timeout_ms: Option<u64>,
}

/// What became of it on each display.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "preset_id": 7, "ok": false, "results": [
        { "display": "Display_01", "command_id": "0193e5a8c4f37a1c9d2b6e8f01234567", "state": "in_progress" },
        { "display": "Display_02", "code": "DEVICE_OFFLINE", "message": "The device is not connected." }
    ]
}))]
pub(super) struct ResultsView {
    preset_id: i64,
    /// Whether what was waited for has come on every display.
    ok: bool,
    /// Ascending by display.
    results: Vec<ResultView>,
}

/// What became of it on one display.
#[derive(Serialize, ToSchema)]
pub(super) struct ResultView {
    display: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    command_id: Option<String>,
    /// Where the command is, or how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    state: Option<&'static str>,
    /// Why it came to nothing, or not in time: a code of problems.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    code: Option<&'static str>,
    /// A word that says more, where the code has several causes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    reason: Option<&'static str>,
    /// The same for people, in the language of `Accept-Language`.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// What the display answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<serde_json::Value>,
    /// Why the display did not do it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<serde_json::Value>,
}

impl ResultView {
    fn of((display, result): &Each, locale: Locale) -> Self {
        let nothing = Self {
            display: display.to_string(),
            command_id: None,
            state: None,
            code: None,
            reason: None,
            message: None,
            result: None,
            error: None,
        };
        match result {
            Err(refusal) => nothing.refused(refusal, locale),
            Ok(ran) => {
                let command = &ran.command;
                let kept = Self {
                    command_id: Some(command.id.to_string()),
                    state: Some(command.state.name()),
                    result: command.result.as_ref().map(to_json),
                    error: command.error.as_ref().map(to_json),
                    ..nothing
                };
                match ran.verdict() {
                    Verdict::Done | Verdict::UnderWay => kept,
                    Verdict::Refused(refusal) => kept.refused(&refusal, locale),
                }
            }
        }
    }

    fn refused(self, refusal: &Refusal, locale: Locale) -> Self {
        let command_id = match &refusal.why {
            Why::Command(command) => Some(command.to_string()),
            Why::Code
            | Why::Field { .. }
            | Why::Malformed { .. }
            | Why::TooLarge { .. }
            | Why::Reason(_)
            | Why::Incident(_)
            | Why::Holder(_)
            | Why::Argument { .. } => None,
        };
        Self {
            command_id: self.command_id.or(command_id),
            code: Some(refusal.code.name()),
            reason: if let Why::Reason(reason) = refusal.why {
                Some(reason)
            } else {
                None
            },
            message: Some(refusal_text(refusal, locale)),
            ..self
        }
    }
}

/// Whether what was waited for has come.
fn has_come(ran: &Ran) -> bool {
    let state = ran.command.state;
    match ran.verdict() {
        Verdict::Done => matches!(
            state,
            CommandState::Received | CommandState::InProgress | CommandState::Succeeded
        ),
        Verdict::UnderWay => ran.until == WaitFor::Accepted,
        Verdict::Refused(_) => false,
    }
}

fn answer(preset: i64, each: &[Each], wait: Wait, locale: Locale) -> (StatusCode, Json<ResultsView>) {
    let view = ResultsView {
        preset_id: preset,
        ok: each.iter().all(|(_, result)| result.as_ref().is_ok_and(has_come)),
        results: each.iter().map(|one| ResultView::of(one, locale)).collect(),
    };
    let status = if wait.until == WaitFor::Accepted {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    (status, Json(view))
}

/// The displays that are meant.
fn displays(app: &App, fields: &Fields<'_>) -> Result<Option<Vec<DeviceId>>, Refusal> {
    let wrong = || Refusal::field("displays", Want::Other);
    fields.array("displays", app.limits().preset_displays_max, |raw| {
        let name: String = serde_json::from_str(raw).map_err(|_| wrong())?;
        DeviceId::parse(&name).ok_or_else(wrong)
    })
}

/// Run a preset on its displays.
///
/// Each display has its own answer: 200 says only that all were asked.
#[utoipa::path(post, operation_id = "presets_execute", path = "/api/v1/presets/{preset}/execute", tag = "presets",
    params(PresetPath, super::openapi::IdempotencyKey), request_body = Option<ExecutePresetBody>,
    responses((status = 200, body = ResultsView), (status = 202, description = "Accepted: nothing else was waited for", body = ResultsView),
        (status = 404, body = ProblemDocument), (status = 429, body = ProblemDocument)))]
pub(super) async fn execute(
    State(app): State<App>,
    caller: Caller,
    At(preset): At<String>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<(StatusCode, Json<ResultsView>), Problem> {
    let fields = body.fields_if_any()?;
    let displays = displays(&app, &fields)?;
    let barrier = fields.flag("barrier")?.unwrap_or(false);
    let (start_at, ttl_ms) = (start_at(&fields)?, ttl_ms(&app, &fields)?);
    let wait = wait(&app, &fields, usual(&app, start_at))?;
    let preset = app.node.preset(&caller.by, &PresetRef::parse(&preset)).await?;
    let id = preset.id.0;
    let run = RunPreset {
        preset,
        displays,
        barrier,
        start_at,
        ttl_ms,
        // The answer as a whole is kept under the caller's key, once there is one; until then each command is.
        key: idempotency::key(&headers)?.map(|key| format!("run:{key}").into()),
        from: caller.from,
    };
    let each = app.node.run_preset(&caller.by, run, wait).await?;
    Ok(answer(id, &each, wait, outer::locale_of(&app, &headers)))
}

/// Stop a preset on its displays.
///
/// Each display has its own answer: 200 says only that all were asked.
#[utoipa::path(post, operation_id = "presets_stop", path = "/api/v1/presets/{preset}/stop", tag = "presets",
    params(PresetPath, super::openapi::IdempotencyKey), request_body = Option<StopPresetBody>,
    responses((status = 200, body = ResultsView), (status = 202, description = "Accepted: nothing else was waited for", body = ResultsView),
        (status = 404, body = ProblemDocument), (status = 429, body = ProblemDocument)))]
pub(super) async fn stop(
    State(app): State<App>,
    caller: Caller,
    At(preset): At<String>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<(StatusCode, Json<ResultsView>), Problem> {
    let fields = body.fields_if_any()?;
    let displays = displays(&app, &fields)?;
    let grace_ms = grace_ms(&fields)?;
    let wait = wait(&app, &fields, WaitFor::Done)?;
    let preset = app.node.preset(&caller.by, &PresetRef::parse(&preset)).await?;
    let id = preset.id.0;
    let stop = StopPreset {
        preset,
        displays,
        grace_ms,
        key: idempotency::key(&headers)?.map(|key| format!("stop:{key}").into()),
        from: caller.from,
    };
    let each = app.node.stop_preset(&caller.by, stop, wait).await?;
    Ok(answer(id, &each, wait, outer::locale_of(&app, &headers)))
}
