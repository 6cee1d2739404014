//! Rooms, what is written in them, and whom one does not want to hear: `room.*`, `chat.*`, `user.*`.

use bongsu_model::{Limits, MessageKind, Post, Refusal, Request};

use super::names::{room, user};
use crate::json::asked;
use crate::json::field::Given;

pub(super) fn join(object: Given<'_>) -> Result<Request, Refusal> {
    let [of, after] = object.fields("", ["room", "after_seq"])?;
    Ok(Request::Join {
        room: room(of)?,
        after: asked::after(after)?,
    })
}

pub(super) fn leave(object: Given<'_>) -> Result<Request, Refusal> {
    let [of] = object.fields("", ["room"])?;
    Ok(Request::Leave { room: room(of)? })
}

pub(super) fn history(object: Given<'_>, limits: &Limits) -> Result<Request, Refusal> {
    let [of, after, before, limit] = object.fields("", ["room", "after_seq", "before_seq", "limit"])?;
    Ok(Request::History {
        room: room(of)?,
        from: asked::page_from(after, before)?,
        limit: asked::page_limit(limit, limits)?,
    })
}

pub(super) fn post(object: Given<'_>, limits: &Limits) -> Result<Request, Refusal> {
    let names = [
        "room",
        "text",
        "message_type",
        "client_message_id",
        "reply_to",
        "metadata",
    ];
    let [of, text, kind, client_id, reply_to, metadata] = object.fields("", names)?;
    Ok(Request::Post(Post {
        room: room(of)?,
        content: asked::content(text, limits)?,
        kind: kind.optional(asked::message_kind)?.unwrap_or(MessageKind::Text),
        client_id: asked::client_id(client_id)?,
        reply_to: asked::reply_to(reply_to)?,
        metadata: asked::metadata(metadata, limits)?,
    }))
}

pub(super) fn typing(object: Given<'_>) -> Result<Request, Refusal> {
    let [of, is_typing] = object.fields("", ["room", "is_typing"])?;
    Ok(Request::Typing {
        room: room(of)?,
        is_typing: is_typing.optional(Given::bool)?.unwrap_or(true),
    })
}

pub(super) fn mark_read(object: Given<'_>) -> Result<Request, Refusal> {
    let [of, seq] = object.fields("", ["room", "seq"])?;
    Ok(Request::MarkRead {
        room: room(of)?,
        seq: asked::seq(seq)?,
    })
}

pub(super) fn block(object: Given<'_>) -> Result<Request, Refusal> {
    let [whom] = object.fields("", ["user_id"])?;
    Ok(Request::Block { user: user(whom)? })
}

pub(super) fn unblock(object: Given<'_>) -> Result<Request, Refusal> {
    let [whom] = object.fields("", ["user_id"])?;
    Ok(Request::Unblock { user: user(whom)? })
}
