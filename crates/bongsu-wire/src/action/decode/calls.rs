//! Video rooms: making, joining and leaving them, and the signalling that is relayed unread.

use bongsu_model::media::Signal;
use bongsu_model::{Limits, RawJson, Refusal, Request, UserId, UserRef};

use super::rooms::room;
use crate::json::asked::{self, call};
use crate::json::field::{Field, Given};

pub(super) fn create(object: Given<'_>, limits: &Limits) -> Result<Request, Refusal> {
    let [id, name, max] = object.fields("", ["chatroom_id", "video_room_name", "max_participants"])?;
    Ok(Request::CreateCall {
        room: room(id)?,
        name: asked::call_name(name, limits)?,
        max_participants: asked::max_participants(max, limits)?,
    })
}

pub(super) fn join(object: Given<'_>) -> Result<Request, Refusal> {
    let [id, status] = object.fields("", ["video_room_id", "media_status"])?;
    Ok(Request::JoinCall {
        call: call(id)?,
        media: asked::media(status)?,
    })
}

pub(super) fn set_media(object: Given<'_>) -> Result<Request, Refusal> {
    let [id, status] = object.fields("", ["video_room_id", "media_status"])?;
    Ok(Request::SetMedia {
        call: call(id)?,
        media: asked::media(status)?,
    })
}

pub(super) fn leave(object: Given<'_>) -> Result<Request, Refusal> {
    let [id] = object.fields("", ["video_room_id"])?;
    Ok(Request::LeaveCall { call: call(id)? })
}

pub(super) fn end(object: Given<'_>) -> Result<Request, Refusal> {
    let [id] = object.fields("", ["video_room_id"])?;
    Ok(Request::EndCall { call: call(id)? })
}

pub(super) fn offer(object: Given<'_>, limits: &Limits) -> Result<Request, Refusal> {
    description(object, limits, Signal::Offer)
}

pub(super) fn answer(object: Given<'_>, limits: &Limits) -> Result<Request, Refusal> {
    description(object, limits, Signal::Answer)
}

fn description(
    object: Given<'_>,
    limits: &Limits,
    signal: impl FnOnce(RawJson) -> Signal,
) -> Result<Request, Refusal> {
    let [id, target, sdp] = object.fields("", ["video_room_id", "target_user_id", "sdp"])?;
    Ok(Request::Signal {
        call: call(id)?,
        target: user(target)?,
        signal: signal(asked::description(sdp, limits)?),
    })
}

pub(super) fn candidate(object: Given<'_>, limits: &Limits) -> Result<Request, Refusal> {
    let [id, target, candidate] = object.fields("", ["video_room_id", "target_user_id", "candidate"])?;
    Ok(Request::Signal {
        call: call(id)?,
        target: user(target)?,
        signal: Signal::Candidate(asked::candidate(candidate, limits)?),
    })
}

fn user(field: Field<'_>) -> Result<UserRef, Refusal> {
    field.required()?.integer().map(|id| UserRef::Id(UserId(id)))
}
