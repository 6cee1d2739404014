//! `/rooms/{room}/members` and who of them is there.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bongsu_model::{RoomRef, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{Asked, At, user_id};
use super::caller::Caller;
use super::page::{Page, close};
use super::problem::{Problem, ProblemDocument};
use super::service::App;
use super::views::MemberView;

/// Members looked at in one read while the ones who are online are collected.
const STRIDE: u32 = 1_000;

/// A page of members.
#[derive(Serialize, ToSchema)]
pub(super) struct MemberList {
    members: Vec<MemberView>,
    /// For the next page; `null` on the last.
    next_cursor: Option<String>,
}

/// Which members have a live session.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "room_id": 1, "participants_count": 3, "online_participants": [{ "user_id": 123, "nickname": "하나" }], "next_cursor": null
}))]
pub(super) struct PresenceView {
    room_id: i64,
    /// All members.
    participants_count: u32,
    /// Those with a live session, ascending.
    online_participants: Vec<OnlineView>,
    /// For the next page; `null` on the last.
    next_cursor: Option<String>,
}

/// A member with a live session.
#[derive(Serialize, ToSchema)]
pub(super) struct OnlineView {
    user_id: i64,
    nickname: String,
}

/// List a room's members, ascending by number. Members list theirs.
#[utoipa::path(get, operation_id = "members_list", path = "/api/v1/rooms/{room}/members", tag = "rooms",
    params(super::openapi::RoomPath, super::openapi::Paging),
    responses((status = 200, body = MemberList), (status = 404, body = ProblemDocument)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    At(room): At<String>,
    asked: Asked,
) -> Result<Json<MemberList>, Problem> {
    let page = Page::of(&asked, app.limits().history_page_max)?;
    let after = page.after(|text| text.parse().ok().map(UserId))?;
    let mut members = app
        .node
        .members(&caller.by, &RoomRef::parse(&room), after, page.limit_and_one())
        .await?;
    let next_cursor = page.cut(&mut members, |member| member.user.to_string());
    Ok(Json(MemberList {
        members: members.iter().map(MemberView::of).collect(),
        next_cursor,
    }))
}

/// Make a user a member; its live sessions hear the room from then on. Owners of the room may.
#[utoipa::path(put, operation_id = "members_add", path = "/api/v1/rooms/{room}/members/{user}", tag = "rooms",
    params(super::openapi::RoomPath, super::openapi::UserPath),
    responses((status = 204, description = "It is a member"), (status = 404, body = ProblemDocument),
        (status = 409, description = "The room is full", body = ProblemDocument)))]
pub(super) async fn add(
    State(app): State<App>,
    caller: Caller,
    At((room, user)): At<(String, String)>,
) -> Result<StatusCode, Problem> {
    let user = user_id(&app, &caller, &user).await?;
    app.node
        .add_member(&caller.by, &RoomRef::parse(&room), user)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End a membership. Owners of the room may.
#[utoipa::path(delete, operation_id = "members_remove", path = "/api/v1/rooms/{room}/members/{user}", tag = "rooms",
    params(super::openapi::RoomPath, super::openapi::UserPath),
    responses((status = 204, description = "It is no member any more"), (status = 404, body = ProblemDocument)))]
pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller,
    At((room, user)): At<(String, String)>,
) -> Result<StatusCode, Problem> {
    let user = user_id(&app, &caller, &user).await?;
    app.node
        .remove_member(&caller.by, &RoomRef::parse(&room), user)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who of a room's members has a live session. Members ask about theirs.
#[utoipa::path(get, operation_id = "members_presence", path = "/api/v1/rooms/{room}/presence", tag = "rooms",
    params(super::openapi::RoomPath, super::openapi::Paging),
    responses((status = 200, body = PresenceView), (status = 404, body = ProblemDocument)))]
pub(super) async fn presence(
    State(app): State<App>,
    caller: Caller,
    At(room): At<String>,
    asked: Asked,
) -> Result<Json<PresenceView>, Problem> {
    let listed_max = u32::try_from(app.limits().online_listed_max).unwrap_or(u32::MAX);
    let page = Page::of(&asked, listed_max)?;
    let mut after = page.after(|text| text.parse().ok().map(UserId))?;
    let found = app.node.room(&caller.by, &RoomRef::parse(&room)).await?;
    let mut view = PresenceView {
        room_id: found.id.0,
        participants_count: found.members_count,
        online_participants: Vec::new(),
        next_cursor: None,
    };
    // Bounded by the members that a room may have.
    loop {
        let members = app
            .node
            .members(&caller.by, &RoomRef::Id(found.id), after, STRIDE)
            .await?;
        let users: Vec<UserId> = members.iter().map(|member| member.user).collect();
        let online = app.node.online_among(&users);
        for member in members
            .iter()
            .filter(|member| online.binary_search(&member.user).is_ok())
        {
            if view.online_participants.len() == page.limit as usize {
                view.next_cursor = after.map(|user| close(&user.to_string()));
                return Ok(Json(view));
            }
            after = Some(member.user);
            view.online_participants.push(OnlineView {
                user_id: member.user.0,
                nickname: member.nickname.to_string(),
            });
        }
        if members.len() < STRIDE as usize {
            return Ok(Json(view));
        }
        after = users.last().copied();
    }
}
