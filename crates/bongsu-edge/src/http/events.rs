//! `/events`: the live feed of what happens on this node.
//!
//! Invariant: a feed is news and nothing is kept of it: who comes back hears what happens from then on.

use axum::extract::State;
use axum::response::Response;
use bongsu_model::{Happening, HappeningKind, Refusal, Want};
use bongsu_node::happenings::Told;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::asked::Asked;
use super::caller::Caller;
use super::problem::Problem;
use super::service::App;
use super::watch::Events;
use crate::catalogue::members;

/// Prefixes that one feed may be asked by.
const PREFIXES_MAX: usize = 32;

/// What a feed is to tell.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents a parameter that is read by hand")]
pub(super) struct Kinds {
    /// Beginnings of the kinds that are told, with commas between them, such as `display.,command.failed`; all if absent.
    #[param(max_length = 1024)]
    kinds: Option<String>,
}

/// Something that happened.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "at": "2026-01-01T12:00:00.000Z", "kind": "command.in_progress", "node": "seoul-1", "device_id": "Display_01",
    "command_id": "0193e5a8c4f37a1c9d2b6e8f01234567", "detail": { "name": "display.run", "by": "shop" }
}))]
pub(super) struct HappeningView {
    at: String,
    /// `device.online`, `device.offline`; `display.registered`, `display.refused`, `display.replaced`, `display.processes`,
    /// `display.silent`; `command.` and a state of commands; `preset.created`, `preset.updated`, `preset.deleted`,
    /// `preset.executed`, `preset.stopped`; `user.online`, `user.offline`. The name of the event, too.
    #[schema(value_type = String)]
    kind: &'static str,
    /// On which node.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preset_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<i64>,
    /// More, by kind.
    #[schema(value_type = Object)]
    detail: serde_json::Map<String, serde_json::Value>,
}

/// The data of the event `missed`.
#[derive(Serialize)]
struct Missed {
    missed: u64,
}

impl HappeningView {
    fn of(happening: &Happening) -> Self {
        Self {
            at: happening.at.to_string(),
            kind: happening.kind.name(),
            node: happening.node.as_deref().map(str::to_owned),
            device_id: happening.device.as_ref().map(ToString::to_string),
            command_id: happening.command.map(|id| id.to_string()),
            preset_id: happening.preset.map(|id| id.0),
            user_id: happening.user.map(|id| id.0),
            detail: members(&happening.detail),
        }
    }
}

/// The beginnings of kinds that are asked for. One that begins none is a mistake, and would be a feed of nothing.
fn prefixes(asked: &Asked) -> Result<Vec<Box<str>>, Refusal> {
    let kinds = asked.text("kinds")?.unwrap_or("");
    let prefixes: Vec<Box<str>> = kinds
        .split(',')
        .map(str::trim)
        .filter(|prefix| !prefix.is_empty())
        .map(Box::from)
        .collect();
    let begins_one = |prefix: &str| {
        HappeningKind::ALL
            .iter()
            .any(|kind| kind.name().starts_with(prefix))
    };
    if prefixes.len() > PREFIXES_MAX || !prefixes.iter().all(|prefix| begins_one(prefix)) {
        return Err(Refusal::field("kinds", Want::Other));
    }
    Ok(prefixes)
}

/// Watch what happens, on whatever node: server-sent events named by their kinds, with rising numbers as `id`s. Nothing of the past
/// is told. Who reads too slowly misses the newest, and is told how many by an event `missed`: `{"missed": 12}`.
#[utoipa::path(get, operation_id = "events_watch", path = "/api/v1/events", tag = "events", params(Kinds),
    responses((status = 200, description = "The events", content_type = "text/event-stream", body = HappeningView)))]
pub(super) async fn watch(
    State(app): State<App>,
    caller: Caller,
    asked: Asked,
    events: Events,
) -> Result<Response, Problem> {
    let watching = app.node.watch_happenings(&caller.by, prefixes(&asked)?)?;
    Ok(events.tell(async move |to| {
        loop {
            match watching.next().await {
                Told::Happened(number, happening) => {
                    let view = HappeningView::of(&happening);
                    to.put(view.kind, Some(&number.to_string()), &view).await;
                }
                Told::Missed(missed) => to.put("missed", None, &Missed { missed }).await,
            }
        }
    }))
}
