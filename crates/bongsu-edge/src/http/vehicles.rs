//! `/vehicle/{device}/{part}/{action}`: commands by their short forms.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bongsu_node::devices::WaitFor;
use utoipa::ToSchema;

use super::asked::At;
use super::body::JsonBody;
use super::caller::Caller;
use super::commands::{CommandKey, answer, asked};
use super::device_views::RanView;
use super::problem::{Problem, ProblemDocument};
use super::service::App;

/// How a short form is sent: all fields may be absent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "ttl_ms": 3000, "idempotency_key": "tap-17" }))]
pub(super) struct ActionBody {
    /// Arguments beside those of the short form, which stay as they are.
    args: Option<serde_json::Map<String, serde_json::Value>>,
    /// From its acceptance it may be sent for so long; as the catalogue says if absent.
    ttl_ms: Option<u64>,
    /// The caller's own key, 1 to 255 bytes. The same as the header `Idempotency-Key`.
    idempotency_key: Option<String>,
    /// What to wait for: `accepted`, `received` or `done` (default).
    wait: Option<String>,
    /// How long to wait at most, up to 25,000; a little longer than `ttl_ms` if absent.
    timeout_ms: Option<u64>,
    /// While the device is connected nowhere: `fail` or `queue`; as the catalogue says if absent.
    if_offline: Option<String>,
    /// The fencing number of the caller's control lease: without that lease the command is refused.
    fence: Option<u64>,
}

/// Have a part of a device do something: the command that the catalogue has for it, waited for to its end.
#[utoipa::path(post, operation_id = "vehicle_act", path = "/api/v1/vehicle/{device}/{part}/{action}", tag = "commands",
    params(super::devices::DevicePath, ("part" = String, Path, description = "Such as `window`"),
        ("action" = String, Path, description = "Such as `open`"), CommandKey), request_body = Option<ActionBody>,
    responses((status = 200, description = "It has ended; `state` says how", body = RanView),
        (status = 202, description = "Accepted, or still under way", body = RanView),
        (status = 403, description = "Not allowed, or not in the catalogue", body = ProblemDocument),
        (status = 404, description = "The device is connected nowhere", body = ProblemDocument),
        (status = 409, description = "Another operator has the device", body = ProblemDocument),
        (status = 429, body = ProblemDocument),
        (status = 503, description = "Where the device is cannot be found out now", body = ProblemDocument),
        (status = 504, description = "Not done in time", body = ProblemDocument)))]
pub(super) async fn act(
    State(app): State<App>,
    caller: Caller,
    At((device, part, action)): At<(String, String, String)>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let fields = body.fields_if_any()?;
    let (run, wait) = asked(&app, &caller, &device, &fields, &headers, WaitFor::Done)?;
    answer(app.node.run_short(&caller.by, (&part, &action), run, wait).await)
}

/// As `/api/v1/vehicle/{device}/{part}/{action}`.
#[utoipa::path(post, operation_id = "vehicles_act", path = "/api/v1/vehicles/{device}/{part}/{action}", tag = "commands",
    params(super::devices::DevicePath, ("part" = String, Path, description = "Such as `window`"),
        ("action" = String, Path, description = "Such as `open`"), CommandKey), request_body = Option<ActionBody>,
    responses((status = 200, description = "It has ended; `state` says how", body = RanView),
        (status = 202, description = "Accepted, or still under way", body = RanView),
        (status = 403, description = "Not allowed, or not in the catalogue", body = ProblemDocument),
        (status = 404, description = "The device is connected nowhere", body = ProblemDocument),
        (status = 409, description = "Another operator has the device", body = ProblemDocument),
        (status = 429, body = ProblemDocument),
        (status = 503, description = "Where the device is cannot be found out now", body = ProblemDocument),
        (status = 504, description = "Not done in time", body = ProblemDocument)))]
pub(super) async fn act_too(
    app: State<App>,
    caller: Caller,
    at: At<(String, String, String)>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    act(app, caller, at, headers, body).await
}
