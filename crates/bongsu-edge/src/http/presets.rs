//! `/presets`: which programs run on which displays, made, read, changed, deleted.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bongsu_model::display::{NewPreset, Preset, PresetId, Program};
use bongsu_model::{DeviceId, Refusal, Want};
use bongsu_node::displays::PresetRef;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, At};
use super::body::JsonBody;
use super::caller::Caller;
use super::fields::{Fields, required};
use super::page::{Page, close};
use super::problem::{Problem, ProblemDocument};
use super::programs::{self, ProgramBody, ProgramView};
use super::service::App;

/// A preset in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "documents a part of a path")]
pub(super) struct PresetPath {
    /// The preset's number or name.
    preset: String,
}

/// A preset to be made, or what one is to become.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({
    "name": "opening",
    "displays": { "Display_01": "/opt/show/player intro.mp4", "Display_02": { "command": "clock --full", "grace_ms": 2000 } }
}))]
pub(super) struct PresetBody {
    /// 1 to 128 bytes, and no number; of no other preset.
    name: String,
    /// What runs where, by the displays' names, up to 1,000. The displays need not be known.
    displays: BTreeMap<String, Entry>,
}

/// A command line, or a program.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read by hand; the type documents the shape")]
#[serde(untagged)]
pub(super) enum Entry {
    /// The command line.
    Line(String),
    Program(ProgramBody),
}

/// A preset.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "preset_id": 7, "name": "opening", "displays": { "Display_01": { "command": "/opt/show/player intro.mp4" } },
    "created_at": "2026-01-01T12:00:00.000Z", "updated_at": "2026-01-01T12:00:00.000Z"
}))]
pub(super) struct PresetView {
    preset_id: i64,
    name: String,
    /// What runs where, by the displays' names.
    displays: BTreeMap<String, ProgramView>,
    created_at: String,
    updated_at: String,
}

/// A page of presets.
#[derive(Serialize, ToSchema)]
pub(super) struct PresetList {
    presets: Vec<PresetView>,
    /// For the next page; `null` on the last.
    next_cursor: Option<String>,
}

impl PresetView {
    fn of(preset: &Preset) -> Self {
        let displays = preset.displays.iter();
        Self {
            preset_id: preset.id.0,
            name: preset.name.to_string(),
            displays: displays
                .map(|(display, program)| (display.to_string(), ProgramView::of(program)))
                .collect(),
            created_at: preset.created_at.to_string(),
            updated_at: preset.updated_at.to_string(),
        }
    }
}

fn read(app: &App, fields: &Fields<'_>) -> Result<NewPreset, Refusal> {
    let displays = required("displays", fields.object("displays")?)?;
    let entries_max = app.limits().preset_displays_max;
    Ok(NewPreset {
        name: required("name", fields.text("name")?)?,
        displays: displays.entries("displays", entries_max, entry)?,
    })
}

/// A display of a preset and its program.
fn entry(name: &str, raw: &str) -> Result<(DeviceId, Program), Refusal> {
    let display = DeviceId::parse(name).ok_or(Refusal::field("displays", Want::Other))?;
    let program = if raw.starts_with('"') {
        let wrong = |_| Refusal::field(programs::OF_DISPLAYS.command, Want::Text);
        let line: String = serde_json::from_str(raw).map_err(wrong)?;
        Program::new(&line)
    } else {
        programs::read(&Fields::entry("displays", raw)?, &programs::OF_DISPLAYS)?
    };
    Ok((display, program))
}

/// Make a preset.
#[utoipa::path(post, operation_id = "presets_create", path = "/api/v1/presets", tag = "presets", request_body = PresetBody,
    params(super::openapi::IdempotencyKey),
    responses((status = 201, body = PresetView), (status = 409, description = "The name is another preset's", body = ProblemDocument),
        (status = 413, body = ProblemDocument)))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    body: JsonBody,
) -> Result<(StatusCode, Json<PresetView>), Problem> {
    let new = read(&app, &body.fields()?)?;
    let made = app.node.create_preset(&caller.by, new).await?;
    Ok((StatusCode::CREATED, Json(PresetView::of(&made))))
}

/// List presets, ascending by number. A page may hold fewer than were asked for where they are large.
#[utoipa::path(get, operation_id = "presets_list", path = "/api/v1/presets", tag = "presets", params(super::openapi::Paging),
    responses((status = 200, body = PresetList)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<PresetList>, Problem> {
    let page = Page::of(&asked, app.limits().history_page_max)?;
    let after = page.after(|text| text.parse().ok().map(PresetId))?;
    let (presets, more) = app.node.presets(&caller.by, after, page.limit).await?;
    let last = presets.last().filter(|_| more);
    let next_cursor = last.map(|preset| close(&preset.id.to_string()));
    Ok(Json(PresetList {
        presets: presets.iter().map(PresetView::of).collect(),
        next_cursor,
    }))
}

/// Read a preset.
#[utoipa::path(get, operation_id = "presets_read_one", path = "/api/v1/presets/{preset}", tag = "presets", params(PresetPath),
    responses((status = 200, body = PresetView), (status = 404, body = ProblemDocument)))]
pub(super) async fn read_one(
    State(app): State<App>,
    caller: Caller,
    At(preset): At<String>,
) -> Result<Json<PresetView>, Problem> {
    let preset = app.node.preset(&caller.by, &PresetRef::parse(&preset)).await?;
    Ok(Json(PresetView::of(&preset)))
}

/// Replace a preset. What runs of it goes on running.
#[utoipa::path(put, operation_id = "presets_replace", path = "/api/v1/presets/{preset}", tag = "presets", params(PresetPath),
    request_body = PresetBody,
    responses((status = 200, body = PresetView), (status = 404, body = ProblemDocument),
        (status = 409, description = "The name is another preset's", body = ProblemDocument),
        (status = 413, body = ProblemDocument)))]
pub(super) async fn replace(
    State(app): State<App>,
    caller: Caller,
    At(preset): At<String>,
    body: JsonBody,
) -> Result<Json<PresetView>, Problem> {
    let new = read(&app, &body.fields()?)?;
    let preset = PresetRef::parse(&preset);
    let replaced = app.node.replace_preset(&caller.by, &preset, new).await;
    Ok(Json(PresetView::of(&replaced?)))
}

/// Delete a preset. What runs of it goes on running, and may still be stopped by its number on each display.
#[utoipa::path(delete, operation_id = "presets_remove", path = "/api/v1/presets/{preset}", tag = "presets", params(PresetPath),
    responses((status = 204, description = "Done"), (status = 404, body = ProblemDocument)))]
pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller,
    At(preset): At<String>,
) -> Result<StatusCode, Problem> {
    app.node
        .delete_preset(&caller.by, &PresetRef::parse(&preset))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
