//! `/devices`: making, listing, enrolling, disconnecting and forgetting them.
//!
//! Invariant: an enrolment token leaves once, in the answer that made it; all that is kept of it is its SHA-256.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use bongsu_model::device::{DeviceId, NewDevice};
use bongsu_model::refusal::Why;
use bongsu_model::{Code, Refusal, Want};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, At};
use super::body::JsonBody;
use super::caller::Caller;
use super::device_views::DeviceView;
use super::fields::required;
use super::idempotency::ShownOnce;
use super::page::Page;
use super::problem::{Problem, ProblemDocument};
use super::service::App;
use crate::auth::MemberToken;

/// What a device is, unless it is said.
const KIND: &str = "device";
/// Longest kind of a device, in bytes.
const KIND_BYTES_MAX: usize = 64;

/// A device in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "documents a part of a path")]
pub(super) struct DevicePath {
    /// The device's id: 1 to 128 of `A-Z a-z 0-9 . _ : -`.
    #[param(pattern = "^[A-Za-z0-9._:-]{1,128}$")]
    device: String,
}

/// The device that a path names.
///
/// # Errors
/// `DEVICE_NOT_FOUND`: what is no id names no device.
pub(super) fn device_id(text: &str) -> Result<DeviceId, Refusal> {
    DeviceId::parse(text).ok_or(Refusal::new(Code::DeviceNotFound))
}

/// A device to be made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "device_id": "car-1234", "kind": "vehicle" }))]
pub(super) struct DeviceBody {
    /// 1 to 128 of `A-Z a-z 0-9 . _ : -`.
    device_id: String,
    /// What it is, such as `vehicle` or `display`, at most 64 bytes; `device` if absent.
    kind: Option<String>,
}

/// A page of devices.
#[derive(Serialize, ToSchema)]
pub(super) struct DeviceList {
    devices: Vec<DeviceView>,
    /// For the next page; `null` on the last.
    next_cursor: Option<String>,
}

/// A device that was made, with the token that lets it in, shown this once.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeView {
    #[serde(flatten)]
    device: DeviceView,
    /// 48 hex digits, with which the device signs in. It is kept as a hash; `POST /devices/{device}/enrolments` makes others.
    enrolment_token: String,
    /// When the token ends; absent if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    enrolment_expires_at: Option<String>,
}

/// A token that lets one device in, shown this once.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "device_id": "car-1234", "token": "3f9a0c…", "expires_at": "2027-01-01T12:00:00.000Z" }))]
pub(super) struct EnrolmentView {
    device_id: String,
    /// 48 hex digits, with which the device signs in.
    token: String,
    /// When it ends; absent if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

/// Register a device, and make a token that lets it in.
#[utoipa::path(post, operation_id = "devices_create", path = "/api/v1/devices", tag = "devices", request_body = DeviceBody,
    params(super::openapi::IdempotencyKey),
    responses((status = 201, body = MadeView),
        (status = 409, description = "Taken; or a repeat: the token was shown before and is not kept", body = ProblemDocument)))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    body: JsonBody,
) -> Result<(StatusCode, Extension<ShownOnce>, Json<MadeView>), Problem> {
    let fields = body.fields()?;
    let id = required("device_id", fields.text("device_id")?)?;
    let wrong = Refusal::field("device_id", Want::TextOf(1, DeviceId::BYTES_MAX));
    let new = NewDevice {
        id: DeviceId::parse(&id).ok_or(wrong)?,
        kind: fields
            .text_of("kind", 1, KIND_BYTES_MAX)?
            .unwrap_or_else(|| KIND.into()),
    };
    let made = app.node.create_device(&caller.by, new).await.map_err(not_made)?;
    let (enrolment_token, enrolment_expires_at) = token_for(&app, &caller, &made.id).await?;
    let view = MadeView {
        device: DeviceView::made(&made),
        enrolment_token,
        enrolment_expires_at,
    };
    Ok((StatusCode::CREATED, Extension(ShownOnce), Json(view)))
}

/// A new token that lets a device in, in clear, and when it ends.
async fn token_for(
    app: &App,
    caller: &Caller,
    device: &DeviceId,
) -> Result<(String, Option<String>), Refusal> {
    let token = MemberToken::draw(&*app.node.ports.chance);
    let enrolled = app.node.enrol_device(&caller.by, device, token.hash()).await?;
    Ok((token.reveal(), enrolled.expires_at.map(|at| at.to_string())))
}

/// A refusal to make a device, which is a conflict where its id is another's.
fn not_made(refusal: Refusal) -> Problem {
    let taken = Why::Field {
        name: "device_id",
        want: Want::Other,
    };
    if refusal.why == taken {
        Problem::taken(refusal)
    } else {
        refusal.into()
    }
}

/// List devices, ascending by id.
#[utoipa::path(get, operation_id = "devices_list", path = "/api/v1/devices", tag = "devices", params(super::openapi::Paging),
    responses((status = 200, body = DeviceList)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<DeviceList>, Problem> {
    let page = Page::of(&asked, app.limits().history_page_max)?;
    let after = page.after(DeviceId::parse)?;
    let mut devices = app.node.devices(&caller.by, after, page.limit_and_one()).await?;
    let next_cursor = page.cut(&mut devices, |it| it.device.id.to_string());
    let devices = devices.iter().map(|it| DeviceView::of(it, &app.node.id));
    Ok(Json(DeviceList {
        devices: devices.collect(),
        next_cursor,
    }))
}

/// Read a device.
#[utoipa::path(get, operation_id = "devices_read_one", path = "/api/v1/devices/{device}", tag = "devices", params(DevicePath),
    responses((status = 200, body = DeviceView), (status = 404, body = ProblemDocument)))]
pub(super) async fn read_one(
    State(app): State<App>,
    caller: Caller,
    At(device): At<String>,
) -> Result<Json<DeviceView>, Problem> {
    let device = app.node.device(&caller.by, &device_id(&device)?).await?;
    Ok(Json(DeviceView::of(&device, &app.node.id)))
}

/// Forget a device, with its state, its leases, its enrolment tokens and its commands. A live session is ended.
#[utoipa::path(delete, operation_id = "devices_remove", path = "/api/v1/devices/{device}", tag = "devices", params(DevicePath),
    responses((status = 204, description = "Done"), (status = 404, body = ProblemDocument)))]
pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller,
    At(device): At<String>,
) -> Result<StatusCode, Problem> {
    app.node.delete_device(&caller.by, &device_id(&device)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make a token that lets the device in, beside those that it has. It is shown this once.
#[utoipa::path(post, operation_id = "devices_enrol", path = "/api/v1/devices/{device}/enrolments", tag = "devices",
    params(DevicePath, super::openapi::IdempotencyKey),
    responses((status = 201, body = EnrolmentView), (status = 404, body = ProblemDocument)))]
pub(super) async fn enrol(
    State(app): State<App>,
    caller: Caller,
    At(device): At<String>,
) -> Result<(StatusCode, Extension<ShownOnce>, Json<EnrolmentView>), Problem> {
    let device = device_id(&device)?;
    let (token, expires_at) = token_for(&app, &caller, &device).await?;
    let view = EnrolmentView {
        device_id: device.to_string(),
        token,
        expires_at,
    };
    Ok((StatusCode::CREATED, Extension(ShownOnce), Json(view)))
}

/// Let the device in with none of its enrolment tokens any more. A live session goes on: disconnect it to end it.
#[utoipa::path(delete, operation_id = "devices_revoke_enrolments", path = "/api/v1/devices/{device}/enrolments", tag = "devices",
    params(DevicePath), responses((status = 204, description = "Done"), (status = 404, body = ProblemDocument)))]
pub(super) async fn revoke_enrolments(
    State(app): State<App>,
    caller: Caller,
    At(device): At<String>,
) -> Result<StatusCode, Problem> {
    let device = device_id(&device)?;
    app.node.revoke_enrolments(&caller.by, &device).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End the device's session; it may come back.
#[utoipa::path(post, operation_id = "devices_disconnect", path = "/api/v1/devices/{device}/disconnect", tag = "devices",
    params(DevicePath, super::openapi::IdempotencyKey),
    responses((status = 204, description = "Done"), (status = 404, body = ProblemDocument)))]
pub(super) async fn disconnect(
    State(app): State<App>,
    caller: Caller,
    At(device): At<String>,
) -> Result<StatusCode, Problem> {
    let device = device_id(&device)?;
    app.node.disconnect_device(&caller.by, &device).await?;
    Ok(StatusCode::NO_CONTENT)
}
