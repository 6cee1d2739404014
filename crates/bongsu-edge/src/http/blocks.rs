//! `/users/{user}/blocks`: of whom a user hears nothing.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{At, user_id};
use super::caller::Caller;
use super::problem::{Problem, ProblemDocument};
use super::service::App;

/// Whom a user has blocked.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "blocks": [124, 125], "next_cursor": null }))]
pub(super) struct BlockList {
    /// Ascending.
    blocks: Vec<i64>,
    /// Always `null`: the number of blocks is bounded, and all are on one page.
    #[schema(value_type = Option<String>)]
    next_cursor: Option<&'static str>,
}

/// List whom a user has blocked. Users list their own.
#[utoipa::path(get, operation_id = "blocks_list", path = "/api/v1/users/{user}/blocks", tag = "users", params(super::openapi::UserPath),
    responses((status = 200, body = BlockList)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    At(user): At<String>,
) -> Result<Json<BlockList>, Problem> {
    let user = user_id(&app, &caller, &user).await?;
    let blocks = app.node.blocks(&caller.by, user).await?;
    Ok(Json(BlockList {
        blocks: blocks.into_iter().map(|user| user.0).collect(),
        next_cursor: None,
    }))
}

async fn set(app: &App, caller: &Caller, user: &str, other: &str, on: bool) -> Result<StatusCode, Problem> {
    let user = user_id(app, caller, user).await?;
    let other = user_id(app, caller, other).await?;
    app.node.set_block(&caller.by, user, other, on).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Block `other` for the user: it hears nothing of it any more. Users block for themselves.
#[utoipa::path(post, operation_id = "blocks_add", path = "/api/v1/users/{user}/blocks/{other}", tag = "users",
    params(super::openapi::UserPath, super::openapi::OtherPath, super::openapi::IdempotencyKey),
    responses((status = 204, description = "Done"), (status = 404, body = ProblemDocument)))]
pub(super) async fn add(
    State(app): State<App>,
    caller: Caller,
    At((user, other)): At<(String, String)>,
) -> Result<StatusCode, Problem> {
    set(&app, &caller, &user, &other, true).await
}

/// End a block.
#[utoipa::path(delete, operation_id = "blocks_remove", path = "/api/v1/users/{user}/blocks/{other}", tag = "users",
    params(super::openapi::UserPath, super::openapi::OtherPath),
    responses((status = 204, description = "Done"), (status = 404, body = ProblemDocument)))]
pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller,
    At((user, other)): At<(String, String)>,
) -> Result<StatusCode, Problem> {
    set(&app, &caller, &user, &other, false).await
}
