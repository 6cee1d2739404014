//! `/rooms`: making, listing, reading.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bongsu_model::records::{MemberRole, Membership, NewRoom, RoomKind, Visibility};
use bongsu_model::{Refusal, RoomId, RoomRef, UserId, Want};
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{Asked, At};
use super::body::JsonBody;
use super::caller::Caller;
use super::fields::{Fields, required};
use super::page::Page;
use super::problem::{Problem, ProblemDocument};
use super::service::App;
use super::users::not_made;
use super::views::RoomView;

/// A room to be made: all fields may be absent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "name": "general", "visibility": "open", "members": [123, 124] }))]
pub(super) struct RoomBody {
    /// From 1 up; the next free one if absent.
    room_id: Option<i64>,
    /// `[a-z0-9_-]{1,64}`, not a number and not 48 hex digits; unique.
    name: Option<String>,
    /// `group` (default), `direct` (exactly two members) or `broadcast` (only owners post).
    kind: Option<String>,
    /// `open` (anyone may join) or `closed` (default).
    visibility: Option<String>,
    /// `durable` (default) or `session` (ends with the member's last session).
    membership: Option<String>,
    /// 1 to 100,000; 1,000 if absent.
    max_members: Option<u32>,
    /// The first members: numbers of users, or objects where one is an owner.
    members: Option<Vec<MemberBody>>,
}

/// A first member of a room.
#[derive(Serialize, ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[serde(untagged)]
pub(super) enum MemberBody {
    /// An ordinary member.
    User(i64),
    /// With its role.
    WithRole {
        user_id: i64,
        /// `member` (default) or `owner`.
        role: Option<String>,
    },
}

/// A page of rooms.
#[derive(Serialize, ToSchema)]
pub(super) struct RoomList {
    rooms: Vec<RoomView>,
    /// For the next page; `null` on the last.
    next_cursor: Option<String>,
}

fn read(fields: &Fields<'_>, members_max: u32) -> Result<NewRoom, Refusal> {
    let max_members = fields.between("max_members", 1, i64::from(members_max))?;
    Ok(NewRoom {
        id: fields.between("room_id", 1, i64::MAX)?.map(RoomId),
        name: fields.text("name")?,
        kind: fields
            .word("kind", RoomKind::NAMES, RoomKind::parse)?
            .unwrap_or_default(),
        visibility: fields
            .word("visibility", Visibility::NAMES, Visibility::parse)?
            .unwrap_or_default(),
        membership: fields
            .word("membership", Membership::NAMES, Membership::parse)?
            .unwrap_or_default(),
        max_members: max_members.map(|max| u32::try_from(max).expect("between 1 and a u32")),
        members: fields
            .array("members", members_max as usize, member)?
            .unwrap_or_default(),
    })
}

fn member(raw: &str) -> Result<(UserId, MemberRole), Refusal> {
    if !raw.starts_with('{') {
        let user = raw
            .parse()
            .map_err(|_| Refusal::field("members", Want::Integer))?;
        return Ok((UserId(user), MemberRole::Member));
    }
    let fields = Fields::entry("members", raw)?;
    let user = required("members.user_id", fields.integer("members.user_id")?)?;
    let role = fields.word("members.role", MemberRole::NAMES, MemberRole::parse)?;
    Ok((UserId(user), role.unwrap_or_default()))
}

/// Make a room.
#[utoipa::path(post, operation_id = "rooms_create", path = "/api/v1/rooms", tag = "rooms", params(super::openapi::IdempotencyKey), request_body = RoomBody,
    responses((status = 201, body = RoomView), (status = 409, description = "Taken", body = ProblemDocument)))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    body: JsonBody,
) -> Result<(StatusCode, Json<RoomView>), Problem> {
    let new = read(&body.fields()?, app.limits().room_members_ceiling)?;
    let room = app.node.create_room(&caller.by, new).await.map_err(not_made)?;
    Ok((StatusCode::CREATED, Json(RoomView::of(&room, true))))
}

/// List rooms, ascending by number: all for operators (or those of `user_id`), one's own for users.
#[utoipa::path(get, operation_id = "rooms_list", path = "/api/v1/rooms", tag = "rooms",
    params(super::openapi::Paging, ("user_id" = Option<i64>, Query, description = "Only rooms of this user")),
    responses((status = 200, body = RoomList)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<RoomList>, Problem> {
    let page = Page::of(&asked, app.limits().history_page_max)?;
    let after = page.after(|text| text.parse().ok().map(RoomId))?;
    let of = asked.integer("user_id")?.map(UserId);
    let mut rooms = app
        .node
        .rooms(&caller.by, of, after, page.limit_and_one())
        .await?;
    let next_cursor = page.cut(&mut rooms, |room| room.id.to_string());
    let rooms = rooms
        .iter()
        .map(|room| RoomView::of(room, caller.is_operator()))
        .collect();
    Ok(Json(RoomList { rooms, next_cursor }))
}

/// Read a room. Members read theirs.
#[utoipa::path(get, operation_id = "rooms_read_one", path = "/api/v1/rooms/{room}", tag = "rooms", params(super::openapi::RoomPath),
    responses((status = 200, body = RoomView), (status = 404, body = ProblemDocument)))]
pub(super) async fn read_one(
    State(app): State<App>,
    caller: Caller,
    At(room): At<String>,
) -> Result<Json<RoomView>, Problem> {
    let room = app.node.room(&caller.by, &RoomRef::parse(&room)).await?;
    Ok(Json(RoomView::of(&room, caller.is_operator())))
}
