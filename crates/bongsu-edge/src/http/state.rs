//! `/devices/{device}/state`: what a device should be, and what it says it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bongsu_model::{Code, Refusal, Want};
use bongsu_node::devices::{DesiredChange, StateRefused, StateView as Kept};
use utoipa::{IntoParams, ToSchema};

use super::asked::At;
use super::body::JsonBody;
use super::caller::Caller;
use super::device_views::StateView;
use super::devices::{DevicePath, device_id};
use super::fields::{Fields, required};
use super::problem::{Problem, ProblemDocument, Says};
use super::service::App;
use super::watch::{Events, LastEventId};

/// A change was made from an old version, in English and in Korean.
const STALE: (&str, &str) = (
    "The state has changed since you read it. Read it again; the ETag header has its version.",
    "읽은 뒤에 상태가 바뀌었습니다. 다시 읽으세요. 버전은 ETag 헤더에 있습니다.",
);

/// A change of what a device should be.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "desired": { "window": { "position": "closed" }, "light": null }, "ttl_ms": { "window": 60000 } }))]
pub(super) struct StateBody {
    /// By PUT all that it should be; by PATCH a merge patch (RFC 7396): `null` deletes, objects are merged.
    #[schema(value_type = Object)]
    desired: serde_json::Map<String, serde_json::Value>,
    /// By key of `desired`: after so many milliseconds nobody wishes it any more. Without it the wish lasts.
    ttl_ms: Option<BTreeMap<String, u64>>,
}

/// The version that a change is made from.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents a header")]
pub(super) struct IfMatch {
    /// The `ETag` of the state that was read, or `*`. Where the state is another by now, nothing is changed (412).
    #[param(rename = "If-Match", pattern = "^(\\*|\"[0-9]{1,20}\")$")]
    if_match: Option<String>,
}

fn tag(version: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("digits in quotes")
}

fn shown(device: &str, kept: &Kept) -> Response {
    let tag = tag(kept.shadow.version);
    ([(ETAG, tag)], Json(StateView::of(device, kept))).into_response()
}

/// The version that the caller has seen.
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let wrong = Refusal::field("If-Match", Want::Other);
    let mut values = headers.get_all(IF_MATCH).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or("").trim();
    if values.next().is_some() {
        return Err(Refusal::field("If-Match", Want::Once));
    }
    if text == "*" {
        return Ok(None);
    }
    let digits = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .map(Some)
        .ok_or(wrong)
}

fn read(
    fields: &Fields<'_>,
    headers: &HeaderMap,
    is_patch: bool,
    depth_max: usize,
) -> Result<DesiredChange, Refusal> {
    let ttl_ms = fields
        .object("ttl_ms")?
        .map(|ttl| ttl.counts("ttl_ms"))
        .transpose()?;
    Ok(DesiredChange {
        value: required("desired", fields.value_object("desired", depth_max)?)?,
        is_patch,
        ttl_ms: ttl_ms.unwrap_or_default(),
        if_match: if_match(headers)?,
    })
}

async fn change(
    app: &App,
    caller: &Caller,
    device: &str,
    change: DesiredChange,
) -> Result<Response, Problem> {
    let id = device_id(device)?;
    match app.node.set_desired(&caller.by, &id, &change).await {
        Ok(kept) => Ok(shown(device, &kept)),
        Err(StateRefused::Refused(refusal)) => Err(refusal.into()),
        Err(StateRefused::Stale(version)) => {
            let stale = Problem::new(
                StatusCode::PRECONDITION_FAILED,
                Code::InvalidData,
                "version",
                Says::These(&STALE),
            );
            let mut response = stale.into_response();
            response.headers_mut().insert(ETAG, tag(version));
            Ok(response)
        }
    }
}

/// Read the state of a device.
#[utoipa::path(get, operation_id = "state_read", path = "/api/v1/devices/{device}/state", tag = "devices", params(DevicePath),
    responses((status = 200, body = StateView, headers(("ETag" = String, description = "The version, in quotes"))),
        (status = 404, body = ProblemDocument)))]
pub(super) async fn read_one(
    State(app): State<App>,
    caller: Caller,
    At(device): At<String>,
) -> Result<Response, Problem> {
    let kept = app.node.state(&caller.by, &device_id(&device)?).await?;
    Ok(shown(&device, &kept))
}

/// Replace what a device should be. It is told at once if it is connected, and else when it comes.
#[utoipa::path(put, operation_id = "state_replace", path = "/api/v1/devices/{device}/state", tag = "devices",
    params(DevicePath, IfMatch), request_body = StateBody,
    responses((status = 200, body = StateView, headers(("ETag" = String, description = "The version, in quotes"))),
        (status = 404, body = ProblemDocument), (status = 412, description = "It is another version", body = ProblemDocument),
        (status = 413, body = ProblemDocument)))]
pub(super) async fn replace(
    State(app): State<App>,
    caller: Caller,
    At(device): At<String>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let asked = read(&body.fields()?, &headers, false, app.limits().json_depth_max)?;
    change(&app, &caller, &device, asked).await
}

/// Change what a device should be, by a merge patch.
#[utoipa::path(patch, operation_id = "state_patch", path = "/api/v1/devices/{device}/state", tag = "devices",
    params(DevicePath, IfMatch), request_body(content = StateBody, content_type = "application/merge-patch+json"),
    responses((status = 200, body = StateView, headers(("ETag" = String, description = "The version, in quotes"))),
        (status = 404, body = ProblemDocument), (status = 412, description = "It is another version", body = ProblemDocument),
        (status = 413, body = ProblemDocument)))]
pub(super) async fn patch(
    State(app): State<App>,
    caller: Caller,
    At(device): At<String>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let asked = read(&body.fields()?, &headers, true, app.limits().json_depth_max)?;
    change(&app, &caller, &device, asked).await
}

/// Watch the state of a device: server-sent events named `state`, each with the state as it is then. Who is slow is told the
/// latest.
#[utoipa::path(get, operation_id = "state_watch", path = "/api/v1/devices/{device}/state/watch", tag = "devices",
    params(DevicePath, LastEventId),
    responses((status = 200, description = "The events", content_type = "text/event-stream", body = StateView),
        (status = 404, body = ProblemDocument)))]
pub(super) async fn watch(
    State(app): State<App>,
    caller: Caller,
    At(device): At<String>,
    events: Events,
) -> Result<Response, Problem> {
    let id = device_id(&device)?;
    // From before it is read, so that no change of it is missed.
    let mut news = app.node.watch_state(&caller.by, &id).await?;
    let first = app.node.state(&caller.by, &id).await?;
    let mut told = events.last().and_then(|last| last.parse::<u64>().ok());
    let node = Arc::clone(&app.node);
    Ok(events.tell(async move |to| {
        let mut kept = first;
        loop {
            let version = kept.shadow.version;
            if told != Some(version) {
                told = Some(version);
                let id = version.to_string();
                to.put("state", Some(&id), &StateView::of(&device, &kept)).await;
            }
            news.next().await;
            match node.state(&caller.by, &id).await {
                Ok(next) => kept = next,
                // The watcher asks again and hears why.
                Err(_) => return,
            }
        }
    }))
}
