//! `/video-rooms`: the calls of this node.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bongsu_model::CallId;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{Asked, At};
use super::caller::Caller;
use super::page::Page;
use super::problem::{Problem, ProblemDocument};
use super::service::App;
use super::views::VideoRoom;

/// A page of video rooms.
#[derive(Serialize, ToSchema)]
pub(super) struct VideoRoomList {
    video_rooms: Vec<VideoRoom>,
    /// For the next page; `null` on the last.
    next_cursor: Option<String>,
}

/// List video rooms, ascending by number.
#[utoipa::path(get, operation_id = "video_rooms_list", path = "/api/v1/video-rooms", tag = "video-rooms", params(super::openapi::Paging),
    responses((status = 200, body = VideoRoomList)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<VideoRoomList>, Problem> {
    let page = Page::of(&asked, app.limits().history_page_max)?;
    let after = page.after(|text| text.parse().ok().map(CallId))?;
    let mut calls = app.node.calls(&caller.by, after, page.limit_and_one() as usize)?;
    let next_cursor = page.cut(&mut calls, |call| call.call.to_string());
    Ok(Json(VideoRoomList {
        video_rooms: calls.iter().map(VideoRoom::of).collect(),
        next_cursor,
    }))
}

/// Read a video room.
#[utoipa::path(get, operation_id = "video_rooms_read_one", path = "/api/v1/video-rooms/{video_room_id}", tag = "video-rooms",
    params(("video_room_id" = i64, Path, description = "Its number")),
    responses((status = 200, body = VideoRoom), (status = 404, body = ProblemDocument)))]
pub(super) async fn read_one(
    State(app): State<App>,
    caller: Caller,
    At(call): At<i64>,
) -> Result<Json<VideoRoom>, Problem> {
    Ok(Json(VideoRoom::of(&app.node.call(&caller.by, CallId(call))?)))
}

/// End a video room for all who are in it.
#[utoipa::path(delete, operation_id = "video_rooms_end", path = "/api/v1/video-rooms/{video_room_id}", tag = "video-rooms",
    params(("video_room_id" = i64, Path, description = "Its number")),
    responses((status = 204, description = "Ended"), (status = 404, body = ProblemDocument)))]
pub(super) async fn end(
    State(app): State<App>,
    caller: Caller,
    At(call): At<i64>,
) -> Result<StatusCode, Problem> {
    app.node.end_call(&caller.by, CallId(call)).await?;
    Ok(StatusCode::NO_CONTENT)
}
