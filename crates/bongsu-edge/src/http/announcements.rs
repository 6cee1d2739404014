//! `/announcements`: words to everyone who is connected.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bongsu_model::event::{AnnouncementKind, Priority};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::JsonBody;
use super::caller::Caller;
use super::fields::required;
use super::problem::{Problem, ProblemDocument};
use super::service::App;

/// What is to be announced.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "title": "서버 점검 안내", "message": "오전 2시부터", "type": "maintenance", "priority": "high" }))]
pub(super) struct AnnouncementBody {
    /// 1 to 255 bytes.
    title: String,
    /// 1 to 4,096 bytes.
    message: String,
    /// `maintenance`, `notice` (default), `update` or `emergency`.
    #[schema(rename = "type")]
    kind: Option<String>,
    /// `low`, `normal` (default) or `high`.
    priority: Option<String>,
}

/// To how many sessions of this node it went.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "delivered_to": 1207 }))]
pub(super) struct AnnouncedView {
    delivered_to: usize,
}

/// Announce something to every live session.
#[utoipa::path(post, operation_id = "announcements_create", path = "/api/v1/announcements", tag = "announcements", params(super::openapi::IdempotencyKey),
    request_body = AnnouncementBody,
    responses((status = 202, body = AnnouncedView), (status = 422, body = ProblemDocument)))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    body: JsonBody,
) -> Result<(StatusCode, Json<AnnouncedView>), Problem> {
    let fields = body.fields()?;
    // Who may not announce is told so before anything about the text.
    if !caller.is_operator() {
        return Err(bongsu_model::Refusal::new(bongsu_model::Code::PermissionDenied).into());
    }
    let title = required("title", fields.text_of("title", 1, app.limits().name_bytes_max)?)?;
    let message = required(
        "message",
        fields.text_of("message", 1, app.limits().content_bytes_max)?,
    )?;
    let kind = fields.word("type", &AnnouncementKind::NAMES, AnnouncementKind::parse)?;
    let priority = fields.word("priority", &Priority::NAMES, Priority::parse)?;
    let delivered_to = app
        .node
        .announce_to_all(
            &caller.by,
            (title, message),
            kind.unwrap_or(AnnouncementKind::Notice),
            priority.unwrap_or(Priority::Normal),
        )
        .await?;
    Ok((StatusCode::ACCEPTED, Json(AnnouncedView { delivered_to })))
}
