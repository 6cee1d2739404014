//! `/audit`: what operators did.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::Asked;
use super::caller::Caller;
use super::page::Page;
use super::problem::Problem;
use super::service::App;
use super::views::AuditView;

/// A page of the audit.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditList {
    /// The newest first.
    entries: Vec<AuditView>,
    /// For the next page; `null` on the last.
    next_cursor: Option<String>,
}

/// List what operators and services did, the newest first.
#[utoipa::path(get, operation_id = "audit_list", path = "/api/v1/audit", tag = "audit", params(super::openapi::Paging),
    responses((status = 200, body = AuditList)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<AuditList>, Problem> {
    let page = Page::of(&asked, app.limits().history_page_max)?;
    let before = page.after(|text| text.parse().ok())?;
    let mut entries = app.node.audits(&caller.by, before, page.limit_and_one()).await?;
    let next_cursor = page.cut(&mut entries, |entry| entry.id.to_string());
    Ok(Json(AuditList {
        entries: entries.iter().map(AuditView::of).collect(),
        next_cursor,
    }))
}
