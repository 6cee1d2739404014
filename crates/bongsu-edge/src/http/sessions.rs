//! `/sessions`: who is connected to this node.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bongsu_model::{SessionId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{Asked, At};
use super::caller::Caller;
use super::page::Page;
use super::problem::{Problem, ProblemDocument};
use super::service::App;
use super::views::LiveSession;

/// A page of sessions.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionList {
    sessions: Vec<LiveSession>,
    /// For the next page; `null` on the last.
    next_cursor: Option<String>,
}

/// One page, of one user or of all.
pub(super) fn page(
    app: &App,
    caller: &Caller,
    of: Option<UserId>,
    asked: &Asked,
) -> Result<SessionList, Problem> {
    let page = Page::of(asked, app.limits().history_page_max)?;
    let after = page.after(SessionId::parse)?;
    let mut sessions = app
        .node
        .sessions(&caller.by, of, after, page.limit_and_one() as usize)?;
    let next_cursor = page.cut(&mut sessions, |it| it.session.to_string());
    Ok(SessionList {
        sessions: sessions.iter().map(LiveSession::of).collect(),
        next_cursor,
    })
}

/// List the live sessions of this node, in the order they were opened: all for operators, one's own for users.
#[utoipa::path(get, operation_id = "sessions_list", path = "/api/v1/sessions", tag = "sessions",
    params(super::openapi::Paging, ("user_id" = Option<i64>, Query, description = "Only sessions of this user")),
    responses((status = 200, body = SessionList)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<SessionList>, Problem> {
    let own = if caller.is_operator() {
        None
    } else {
        caller.by.principal.user
    };
    let of = asked.integer("user_id")?.map(UserId).or(own);
    page(&app, &caller, of, &asked).map(Json)
}

/// End a session; its client may reconnect. Users end their own.
#[utoipa::path(delete, operation_id = "sessions_end", path = "/api/v1/sessions/{session_id}", tag = "sessions",
    params(("session_id" = String, Path, description = "`session_` and 32 hex digits")),
    responses((status = 204, description = "Ended"), (status = 404, body = ProblemDocument)))]
pub(super) async fn end(
    State(app): State<App>,
    caller: Caller,
    At(session): At<String>,
) -> Result<StatusCode, Problem> {
    let session = SessionId::parse(&session).ok_or_else(Problem::no_route)?;
    app.node.end_session(&caller.by, session).await?;
    Ok(StatusCode::NO_CONTENT)
}
