//! Member tokens of users, and tokens that are revoked.
//!
//! Invariant: a member token leaves once, in the answer that made it; all that is kept of it is its SHA-256.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use bongsu_model::records::Revocation;
use bongsu_model::{Refusal, Timestamp, TokenId, Want};
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{At, user_id};
use super::body::JsonBody;
use super::caller::Caller;
use super::fields::{Fields, required};
use super::idempotency::ShownOnce;
use super::problem::{Problem, ProblemDocument};
use super::service::App;
use crate::auth::MemberToken;

/// Longest life of a member token that has one: ten years, in seconds.
const TTL_S_MAX: i64 = 315_360_000;
/// Longest `jti`, in bytes.
const JTI_BYTES_MAX: usize = 256;
/// A revocation without an end is kept until 9999-12-31.
const LAST_SECOND: i64 = 253_402_300_799;

/// How long a token lives.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "ttl": 86400 }))]
pub(super) struct TokenBody {
    /// In seconds, at most ten years; without it the token lives until it is revoked.
    ttl: Option<i64>,
}

/// A token, shown this once.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "token": "3f9a0c…", "token_id": "5d1c0a9be2f34718", "expires_at": "2026-01-02T12:00:00.000Z" }))]
pub(super) struct TokenView {
    /// 48 hex digits, with which the user signs in on every protocol.
    token: String,
    /// 16 hex digits, by which the token is revoked; it is no secret.
    token_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

/// How many tokens were revoked.
#[derive(Serialize, ToSchema)]
pub(super) struct RevokedView {
    revoked: u64,
}

/// An access token to be refused from now on.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "jti": "8d1f", "expires_at": 1767225600 }))]
pub(super) struct RevokeBody {
    /// The token's `jti` claim, at most 256 bytes.
    jti: String,
    /// The token's `exp` claim, in seconds since 1970, after which nobody needs to remember; for ever if absent.
    expires_at: Option<i64>,
}

/// Make a member token. It is shown this once and kept as a hash.
#[utoipa::path(post, operation_id = "tokens_create", path = "/api/v1/users/{user}/tokens", tag = "users",
    params(super::openapi::UserPath, super::openapi::IdempotencyKey), request_body = Option<TokenBody>,
    responses((status = 201, body = TokenView), (status = 404, body = ProblemDocument),
        (status = 409, description = "A repeat: the token was shown before and is not kept", body = ProblemDocument)))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    At(user): At<String>,
    body: JsonBody,
) -> Result<(StatusCode, Extension<ShownOnce>, Json<TokenView>), Problem> {
    let ttl_s = ttl(&body.fields_if_any()?)?;
    let user = user_id(&app, &caller, &user).await?;
    let expires_at = ttl_s.map(|ttl_s| app.node.now().plus_ms(ttl_s * 1_000));
    let token = MemberToken::draw(&*app.node.ports.chance);
    let hash = token.hash();
    app.node
        .add_member_token(&caller.by, user, hash, expires_at)
        .await?;
    let view = TokenView {
        token: token.reveal(),
        token_id: hash.id().to_string(),
        expires_at: expires_at.map(|at| at.to_string()),
    };
    Ok((StatusCode::CREATED, Extension(ShownOnce), Json(view)))
}

fn ttl(fields: &Fields<'_>) -> Result<Option<u64>, Refusal> {
    Ok(fields.between("ttl", 1, TTL_S_MAX)?.map(i64::unsigned_abs))
}

/// Revoke one member token, and cut the sessions it opened. One that is not there, or not any more, is no mistake.
#[utoipa::path(delete, operation_id = "tokens_revoke_one", path = "/api/v1/users/{user}/tokens/{token_id}", tag = "users",
    params(super::openapi::UserPath, ("token_id" = String, Path, pattern = "^[0-9a-f]{16}$", description = "16 hex digits, from the answer that made the token")),
    responses((status = 200, body = RevokedView), (status = 422, body = ProblemDocument)))]
pub(super) async fn revoke_one(
    State(app): State<App>,
    caller: Caller,
    At((user, token_id)): At<(String, String)>,
) -> Result<Json<RevokedView>, Problem> {
    let wrong = Refusal::field("token_id", Want::Hex(16));
    let which = TokenId::parse(&token_id).ok_or(wrong)?;
    let user = user_id(&app, &caller, &user).await?;
    let revoked = app
        .node
        .revoke_member_tokens(&caller.by, user, Some(which))
        .await?;
    Ok(Json(RevokedView { revoked }))
}

/// Revoke all member tokens of a user, and cut the sessions they opened.
#[utoipa::path(delete, operation_id = "tokens_revoke_all", path = "/api/v1/users/{user}/tokens", tag = "users", params(super::openapi::UserPath),
    responses((status = 200, body = RevokedView)))]
pub(super) async fn revoke_all(
    State(app): State<App>,
    caller: Caller,
    At(user): At<String>,
) -> Result<Json<RevokedView>, Problem> {
    let user = user_id(&app, &caller, &user).await?;
    let revoked = app.node.revoke_member_tokens(&caller.by, user, None).await?;
    Ok(Json(RevokedView { revoked }))
}

/// Refuse an access token from now on, and cut the sessions it opened.
#[utoipa::path(post, operation_id = "tokens_revoke", path = "/api/v1/tokens/revoke", tag = "tokens", params(super::openapi::IdempotencyKey),
    request_body = RevokeBody, responses((status = 204, description = "Done"), (status = 422, body = ProblemDocument)))]
pub(super) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    body: JsonBody,
) -> Result<StatusCode, Problem> {
    let fields = body.fields()?;
    let jti = required("jti", fields.text_of("jti", 1, JTI_BYTES_MAX)?)?;
    let expires_at = fields
        .between("expires_at", 0, LAST_SECOND)?
        .unwrap_or(LAST_SECOND);
    let expires_at = Timestamp(
        expires_at
            .checked_mul(1_000)
            .ok_or(Refusal::field("expires_at", Want::Integer))?,
    );
    // The leeway is part of a token's life.
    let expires_at = expires_at.plus_ms(app.limits().token_leeway_s * 1_000);
    app.node
        .revoke(&caller.by, Revocation { jti, expires_at })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
