//! `/users`: making, reading, changing, keeping out and cutting off.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bongsu_model::records::{Change, NewUser, UserChange};
use bongsu_model::{Limits, LocalizedNick, Refusal, UserId, UserRef, Want, Why};
use bongsu_node::usecases::operate::{ADDRESS_BYTES_MAX, WORD_BYTES_MAX, nick_field, nick_refused};
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{Asked, At, user_id};
use super::body::JsonBody;
use super::caller::Caller;
use super::fields::Fields;
use super::page::Page;
use super::problem::{Problem, ProblemDocument};
use super::service::App;
use super::sessions::SessionList;
use super::views::UserView;

/// Longest reason of a ban, in bytes.
const REASON_BYTES_MAX: usize = 1_024;

/// A user to be made: all fields may be absent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({
    "user_id": 123, "handle": "abc123", "nickname": "하나", "nick": { "en": "Hana", "ko": "하나", "zh-TW": "哈娜" },
    "avatar": { "profile_img": "https://cdn.example/123.png", "profile_thumb": "https://cdn.example/thumb_123.jpg" },
    "region": "KR", "language": "ko", "gender": "F"
}))]
pub(super) struct UserBody {
    /// From 1 up; the next free one if absent.
    user_id: Option<i64>,
    /// 1 to 64 of `A-Za-z0-9._-`, not a number; the decimal id if absent.
    handle: Option<String>,
    /// 1 to 255 bytes; the handle if absent.
    nickname: Option<String>,
    /// The name by language: 1 to 255 bytes for each language tag, of which there may be 16.
    nick: Option<BTreeMap<String, String>>,
    /// The addresses of its pictures.
    avatar: Option<AvatarBody>,
    /// 1 to 64 bytes, as the application writes it.
    region: Option<String>,
    /// 1 to 64 bytes, as the application writes it.
    language: Option<String>,
    /// 1 to 64 bytes, as the application writes it.
    gender: Option<String>,
}

/// What is to be changed of a user: what is absent stays, and what is `null` is taken away.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "nickname": "하나", "nick": { "ja": "ハナ", "zh-TW": null }, "gender": null }))]
pub(super) struct UserChangeBody {
    /// 1 to 255 bytes; `null` makes it the handle.
    nickname: Option<String>,
    /// The languages that change: 1 to 255 bytes, or `null` for no name in it any more. `null` instead of the object
    /// takes all away.
    nick: Option<BTreeMap<String, Option<String>>>,
    /// The addresses of its pictures, each of which may be `null`; `null` instead of the object takes both away.
    avatar: Option<AvatarBody>,
    /// 1 to 64 bytes, as the application writes it.
    region: Option<String>,
    /// 1 to 64 bytes, as the application writes it.
    language: Option<String>,
    /// 1 to 64 bytes, as the application writes it.
    gender: Option<String>,
}

/// The addresses of pictures.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
pub(super) struct AvatarBody {
    /// 1 to 2,048 bytes.
    profile_img: Option<String>,
    /// 1 to 2,048 bytes.
    profile_thumb: Option<String>,
}

/// Why a user is kept out.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "reason": "spam" }))]
pub(super) struct BanBody {
    /// For the audit; never shown to the user.
    reason: Option<String>,
}

/// A page of users.
#[derive(Serialize, ToSchema)]
pub(super) struct UserList {
    users: Vec<UserView>,
    /// For the next page; `null` on the last.
    next_cursor: Option<String>,
}

fn read(fields: &Fields<'_>, limits: &Limits) -> Result<NewUser, Refusal> {
    let word = |name| fields.text_of(name, 1, WORD_BYTES_MAX);
    let mut user = NewUser {
        id: fields.between("user_id", 1, i64::MAX)?.map(UserId),
        handle: fields.text("handle")?,
        nickname: fields.text("nickname")?,
        region: word("region")?,
        language: word("language")?,
        gender: word("gender")?,
        ..NewUser::default()
    };
    if let Some(nick) = fields.object("nick")? {
        let names = nick.texts(nick_field)?;
        let names = names
            .into_iter()
            .filter_map(|(language, name)| Some((language, name?)));
        user.nick = LocalizedNick::new(names, limits.nick_languages_max).map_err(nick_refused)?;
    }
    if let Some(avatar) = fields.object("avatar")? {
        user.profile_img = picture(&avatar, "avatar.profile_img")?;
        user.profile_thumb = picture(&avatar, "avatar.profile_thumb")?;
    }
    Ok(user)
}

fn picture(avatar: &Fields<'_>, name: &'static str) -> Result<Option<Arc<str>>, Refusal> {
    avatar.text_of(name, 1, ADDRESS_BYTES_MAX)
}

fn read_change(fields: &Fields<'_>) -> Result<UserChange, Refusal> {
    let word = |name| fields.change(name, |fields| fields.text_of(name, 1, WORD_BYTES_MAX));
    let nick = fields.change("nick", |fields| {
        fields
            .object("nick")?
            .map(|nick| nick.texts(nick_field))
            .transpose()
    })?;
    let avatar = fields.change("avatar", |fields| fields.object("avatar"))?;
    let picture = |name| match &avatar {
        Change::Keep => Ok(Change::Keep),
        Change::Clear => Ok(Change::Clear),
        Change::Set(avatar) => avatar.change(name, |avatar| picture(avatar, name)),
    };
    Ok(UserChange {
        nickname: fields.change("nickname", |fields| fields.text("nickname"))?,
        nick,
        profile_img: picture("avatar.profile_img")?,
        profile_thumb: picture("avatar.profile_thumb")?,
        region: word("region")?,
        language: word("language")?,
        gender: word("gender")?,
    })
}

/// A refusal to make something, which is a conflict where its name or number is another's.
pub(super) fn not_made(refusal: Refusal) -> Problem {
    match &refusal.why {
        Why::Field {
            name: "user_id" | "handle" | "room_id" | "name",
            want: Want::Other,
        } => Problem::taken(refusal),
        Why::Field { .. }
        | Why::Code
        | Why::Malformed { .. }
        | Why::TooLarge { .. }
        | Why::Reason(_)
        | Why::Incident(_)
        | Why::Command(_)
        | Why::Holder(_)
        | Why::Argument { .. } => refusal.into(),
    }
}

/// Make a user.
#[utoipa::path(post, operation_id = "users_create", path = "/api/v1/users", tag = "users", request_body = UserBody, params(super::openapi::IdempotencyKey),
    responses((status = 201, body = UserView), (status = 409, description = "Taken", body = ProblemDocument)))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    body: JsonBody,
) -> Result<(StatusCode, Json<UserView>), Problem> {
    let new = read(&body.fields()?, app.limits())?;
    let user = app.node.create_user(&caller.by, new).await.map_err(not_made)?;
    Ok((StatusCode::CREATED, Json(UserView::of(&user, true))))
}

/// List users, ascending by number.
#[utoipa::path(get, operation_id = "users_list", path = "/api/v1/users", tag = "users", params(super::openapi::Paging),
    responses((status = 200, body = UserList)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<UserList>, Problem> {
    let page = Page::of(&asked, app.limits().history_page_max)?;
    let after = page.after(|text| text.parse().ok().map(UserId))?;
    let mut users = app.node.users(&caller.by, after, page.limit_and_one()).await?;
    let next_cursor = page.cut(&mut users, |user| user.id.to_string());
    Ok(Json(UserList {
        users: users.iter().map(|user| UserView::of(user, true)).collect(),
        next_cursor,
    }))
}

/// Read a user. Users read themselves.
#[utoipa::path(get, operation_id = "users_read_one", path = "/api/v1/users/{user}", tag = "users", params(super::openapi::UserPath),
    responses((status = 200, body = UserView), (status = 404, body = ProblemDocument)))]
pub(super) async fn read_one(
    State(app): State<App>,
    caller: Caller,
    At(user): At<String>,
) -> Result<Json<UserView>, Problem> {
    let user = app.node.user(&caller.by, UserRef::parse(&user)).await?;
    Ok(Json(UserView::of(&user, caller.is_operator())))
}

/// Read the user that clients are shown by a public token; for services and operators. The public token is no secret
/// and signs nobody in.
#[utoipa::path(get, operation_id = "users_read_by_public_token", path = "/api/v1/users/by-public-token/{public_token}", tag = "users",
    params(("public_token" = String, Path, description = "48 lower-case hex digits: a message's `from.token` in the Socket.IO chat")),
    responses((status = 200, body = UserView), (status = 404, body = ProblemDocument)))]
pub(super) async fn read_by_public_token(
    State(app): State<App>,
    caller: Caller,
    At(token): At<String>,
) -> Result<Json<UserView>, Problem> {
    let user = app.node.user_by_public_token(&caller.by, &token).await?;
    Ok(Json(UserView::of(&user, true)))
}

/// Change what the body has; the rest stays, and what is `null` is taken away. Users change themselves.
#[utoipa::path(patch, operation_id = "users_update", path = "/api/v1/users/{user}", tag = "users", params(super::openapi::UserPath),
    request_body = UserChangeBody, responses((status = 200, body = UserView), (status = 404, body = ProblemDocument)))]
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    At(user): At<String>,
    body: JsonBody,
) -> Result<Json<UserView>, Problem> {
    let user = user_id(&app, &caller, &user).await?;
    let fields = body.fields()?;
    // Both stand for the user elsewhere, so they stay.
    if fields.integer("user_id")?.is_some_and(|id| id != user.0) {
        return Err(Refusal::field("user_id", Want::Other).into());
    }
    if fields.text("handle")?.is_some() {
        return Err(Refusal::field("handle", Want::Other).into());
    }
    let change = read_change(&fields)?;
    let user = app.node.update_user(&caller.by, user, change).await?;
    Ok(Json(UserView::of(&user, caller.is_operator())))
}

/// Keep a user out, and cut its live sessions at once.
#[utoipa::path(post, operation_id = "users_ban", path = "/api/v1/users/{user}/ban", tag = "users",
    params(super::openapi::UserPath, super::openapi::IdempotencyKey), request_body = Option<BanBody>,
    responses((status = 204, description = "Done"), (status = 404, body = ProblemDocument)))]
pub(super) async fn ban(
    State(app): State<App>,
    caller: Caller,
    At(user): At<String>,
    body: JsonBody,
) -> Result<StatusCode, Problem> {
    let user = user_id(&app, &caller, &user).await?;
    let reason = body.fields_if_any()?.text_of("reason", 0, REASON_BYTES_MAX)?;
    app.node
        .ban(&caller.by, user, reason.unwrap_or_else(|| Arc::from("")))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let a user in again.
#[utoipa::path(delete, operation_id = "users_unban", path = "/api/v1/users/{user}/ban", tag = "users", params(super::openapi::UserPath),
    responses((status = 204, description = "Done"), (status = 404, body = ProblemDocument)))]
pub(super) async fn unban(
    State(app): State<App>,
    caller: Caller,
    At(user): At<String>,
) -> Result<StatusCode, Problem> {
    let user = user_id(&app, &caller, &user).await?;
    app.node.unban(&caller.by, user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Close a user's live sessions; it may reconnect.
#[utoipa::path(post, operation_id = "users_disconnect", path = "/api/v1/users/{user}/disconnect", tag = "users",
    params(super::openapi::UserPath, super::openapi::IdempotencyKey), responses((status = 204, description = "Done")))]
pub(super) async fn disconnect(
    State(app): State<App>,
    caller: Caller,
    At(user): At<String>,
) -> Result<StatusCode, Problem> {
    let user = user_id(&app, &caller, &user).await?;
    app.node.disconnect(&caller.by, user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List a user's live sessions on this node. Users list their own.
#[utoipa::path(get, operation_id = "users_sessions", path = "/api/v1/users/{user}/sessions", tag = "users",
    params(super::openapi::UserPath, super::openapi::Paging), responses((status = 200, body = SessionList)))]
pub(super) async fn sessions(
    State(app): State<App>,
    caller: Caller,
    At(user): At<String>,
    asked: Asked,
) -> Result<Json<SessionList>, Problem> {
    let user = user_id(&app, &caller, &user).await?;
    super::sessions::page(&app, &caller, Some(user), &asked).map(Json)
}
