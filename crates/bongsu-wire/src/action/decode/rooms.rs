//! Rooms and who is in them: JOIN_ROOM, LEAVE_ROOM, TYPING, MARK_READ, BLOCK_USER, UNBLOCK_USER.

use bongsu_model::{Refusal, Request, RoomId, RoomRef, UserId, UserRef};

use crate::json::asked;
use crate::json::field::{Field, Given};

/// The room that a request names.
pub(super) fn room(field: Field<'_>) -> Result<RoomRef, Refusal> {
    field.required()?.integer().map(|id| RoomRef::Id(RoomId(id)))
}

pub(super) fn join(object: Given<'_>) -> Result<Request, Refusal> {
    let [id, after] = object.fields("", ["chatroom_id", "after_seq"])?;
    Ok(Request::Join {
        room: room(id)?,
        after: asked::after(after)?,
    })
}

pub(super) fn leave(object: Given<'_>) -> Result<Request, Refusal> {
    let [id] = object.fields("", ["chatroom_id"])?;
    Ok(Request::Leave { room: room(id)? })
}

pub(super) fn typing(object: Given<'_>) -> Result<Request, Refusal> {
    let [id, is_typing] = object.fields("", ["chatroom_id", "is_typing"])?;
    Ok(Request::Typing {
        room: room(id)?,
        is_typing: is_typing.required()?.bool()?,
    })
}

pub(super) fn mark_read(object: Given<'_>) -> Result<Request, Refusal> {
    let [id, seq] = object.fields("", ["chatroom_id", "seq"])?;
    Ok(Request::MarkRead {
        room: room(id)?,
        seq: asked::seq(seq)?,
    })
}

pub(super) fn block(object: Given<'_>) -> Result<Request, Refusal> {
    user(object).map(|user| Request::Block { user })
}

pub(super) fn unblock(object: Given<'_>) -> Result<Request, Refusal> {
    user(object).map(|user| Request::Unblock { user })
}

fn user(object: Given<'_>) -> Result<UserRef, Refusal> {
    let [id] = object.fields("", ["user_id"])?;
    id.required()?.integer().map(|id| UserRef::Id(UserId(id)))
}
