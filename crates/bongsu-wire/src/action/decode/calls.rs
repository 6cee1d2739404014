//! Video rooms: making, joining and leaving them, and the signalling that is relayed unread.

use bongsu_model::media::{MediaStatus, Signal};
use bongsu_model::{CallId, Limits, RawJson, Refusal, Request, UserId, UserRef};

use super::rooms::room;
use crate::json::field::{Field, Given};

/// A call of one makes no sense.
const PARTICIPANTS_MIN: i64 = 2;

pub(super) fn create(object: Given<'_>, limits: &Limits) -> Result<Request, Refusal> {
    let [id, name, max] = object.fields("", ["chatroom_id", "video_room_name", "max_participants"])?;
    let room = room(id)?;
    let name = name.required()?.text_of(1, limits.name_bytes_max)?.into();
    let max = max
        .required()?
        .between(PARTICIPANTS_MIN, i64::from(limits.call_participants_max))?;
    let max_participants = u32::try_from(max).expect("at most call_participants_max");
    Ok(Request::CreateCall {
        room,
        name,
        max_participants,
    })
}

pub(super) fn join(object: Given<'_>) -> Result<Request, Refusal> {
    let [id, status] = object.fields("", ["video_room_id", "media_status"])?;
    Ok(Request::JoinCall {
        call: call(id)?,
        media: media(status)?,
    })
}

pub(super) fn set_media(object: Given<'_>) -> Result<Request, Refusal> {
    let [id, status] = object.fields("", ["video_room_id", "media_status"])?;
    Ok(Request::SetMedia {
        call: call(id)?,
        media: media(status)?,
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
    let (call, target) = (call(id)?, user(target)?);
    let sdp = sdp.required()?;
    let [kind, body] = sdp.fields("sdp.", ["sdp.type", "sdp.sdp"])?;
    kind.required()?.text()?;
    body.required()?.text()?;
    Ok(Request::Signal {
        call,
        target,
        signal: signal(sdp.carried("sdp", limits.signal_bytes_max)?),
    })
}

pub(super) fn candidate(object: Given<'_>, limits: &Limits) -> Result<Request, Refusal> {
    let [id, target, candidate] = object.fields("", ["video_room_id", "target_user_id", "candidate"])?;
    let (call, target) = (call(id)?, user(target)?);
    // Here `null` is a value: it says that there are no more.
    let candidate = match candidate.raw {
        Some(raw) => Given {
            name: candidate.name,
            raw,
        },
        None => candidate.required()?,
    };
    if candidate.raw != "null" {
        candidate.object()?;
    }
    let signal = Signal::Candidate(candidate.carried("candidate", limits.signal_bytes_max)?);
    Ok(Request::Signal { call, target, signal })
}

fn call(field: Field<'_>) -> Result<CallId, Refusal> {
    field.required()?.integer().map(CallId)
}

fn user(field: Field<'_>) -> Result<UserRef, Refusal> {
    field.required()?.integer().map(|id| UserRef::Id(UserId(id)))
}

fn media(field: Field<'_>) -> Result<MediaStatus, Refusal> {
    let names = [
        "media_status.audio_enabled",
        "media_status.video_enabled",
        "media_status.screen_sharing",
    ];
    let [audio, video, screen] = field.required()?.fields("media_status.", names)?;
    Ok(MediaStatus {
        audio_enabled: audio.required()?.bool()?,
        video_enabled: video.required()?.bool()?,
        screen_sharing: screen.optional(Given::bool)?,
    })
}
