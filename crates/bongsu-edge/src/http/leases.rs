//! `/devices/{device}/lease`: one operator has the device, for a while.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bongsu_model::Refusal;
use bongsu_model::device::AtLapse;
use utoipa::ToSchema;

use super::asked::At;
use super::body::JsonBody;
use super::caller::Caller;
use super::device_views::LeaseView;
use super::devices::{DevicePath, device_id};
use super::fields::{Fields, required};
use super::problem::{Problem, ProblemDocument};
use super::service::App;

/// A lease to be taken or renewed: all fields may be absent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "ttl_ms": 30000, "at_lapse": { "name": "horn.honk", "args": { "times": 1 } } }))]
pub(super) struct LeaseBody {
    /// How long, up to an hour; 30,000 if absent.
    ttl_ms: Option<u64>,
    /// What is sent to the device if the lease lapses and nobody renews it or gives it back. A renewal replaces it.
    at_lapse: Option<AtLapseBody>,
}

/// A command to be sent when a lease lapses.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
pub(super) struct AtLapseBody {
    /// Its name in the catalogue.
    name: String,
    /// By the catalogue's schema; `{}` if absent.
    args: Option<serde_json::Map<String, serde_json::Value>>,
}

fn at_lapse(fields: &Fields<'_>, depth_max: usize) -> Result<Option<AtLapse>, Refusal> {
    let Some(command) = fields.object("at_lapse")? else {
        return Ok(None);
    };
    Ok(Some(AtLapse {
        name: required("at_lapse.name", command.text("at_lapse.name")?)?,
        args: command
            .value_object("at_lapse.args", depth_max)?
            .unwrap_or_default(),
    }))
}

/// Take the device, or renew the lease that one has. Until it lapses or is given back, others can neither send commands nor
/// change the desired state.
#[utoipa::path(post, operation_id = "leases_take", path = "/api/v1/devices/{device}/lease", tag = "devices",
    params(DevicePath, super::openapi::IdempotencyKey), request_body = Option<LeaseBody>,
    responses((status = 200, body = LeaseView), (status = 404, body = ProblemDocument),
        (status = 409, description = "Another operator has it: `holder`", body = ProblemDocument)))]
pub(super) async fn take(
    State(app): State<App>,
    caller: Caller,
    At(device): At<String>,
    body: JsonBody,
) -> Result<Json<LeaseView>, Problem> {
    let limits = app.limits();
    let fields = body.fields_if_any()?;
    let most = i64::try_from(limits.lease_max_ms).unwrap_or(i64::MAX);
    let ttl_ms = fields.between("ttl_ms", 1, most)?.map(i64::unsigned_abs);
    let at_lapse = at_lapse(&fields, limits.json_depth_max)?;
    let device = device_id(&device)?;
    let lease = app.node.take_lease(&caller.by, &device, ttl_ms, at_lapse).await?;
    Ok(Json(LeaseView::of(&lease)))
}

/// Who has the device, if anybody does.
#[utoipa::path(get, operation_id = "leases_read", path = "/api/v1/devices/{device}/lease", tag = "devices", params(DevicePath),
    responses((status = 200, body = LeaseView), (status = 204, description = "Nobody"), (status = 404, body = ProblemDocument)))]
pub(super) async fn read_one(
    State(app): State<App>,
    caller: Caller,
    At(device): At<String>,
) -> Result<Result<Json<LeaseView>, StatusCode>, Problem> {
    let lease = app.node.lease(&caller.by, &device_id(&device)?).await?;
    Ok(lease
        .map(|lease| Json(LeaseView::of(&lease)))
        .ok_or(StatusCode::NO_CONTENT))
}

/// Give the device back before the lease lapses. Nothing is sent to it then.
#[utoipa::path(delete, operation_id = "leases_release", path = "/api/v1/devices/{device}/lease", tag = "devices", params(DevicePath),
    responses((status = 204, description = "Done"), (status = 404, description = "No such device, or no lease of one's own", body = ProblemDocument)))]
pub(super) async fn release(
    State(app): State<App>,
    caller: Caller,
    At(device): At<String>,
) -> Result<StatusCode, Problem> {
    app.node.release_lease(&caller.by, &device_id(&device)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
