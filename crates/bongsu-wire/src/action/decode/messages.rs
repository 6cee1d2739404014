//! SEND_MESSAGE, SEND_EVENT, GET_MESSAGES and the list in BATCH_MESSAGES.

use bongsu_model::{Emit, Limits, Post, Refusal, Request, Want};

use super::rooms::room;
use crate::incoming::Rules;
use crate::json::asked;
use crate::json::field::Given;
use crate::json::without::without;

pub(super) fn post(object: Given<'_>, limits: &Limits) -> Result<Request, Refusal> {
    let names = [
        "chatroom_id",
        "content",
        "message_type",
        "client_message_id",
        "reply_to",
        "metadata",
    ];
    let [id, content, kind, client_id, reply_to, metadata] = object.fields("", names)?;
    Ok(Request::Post(Post {
        room: room(id)?,
        content: asked::content(content, limits)?,
        kind: asked::message_kind(kind.required()?)?,
        client_id: asked::client_id(client_id)?,
        reply_to: asked::reply_to(reply_to)?,
        metadata: asked::metadata(metadata, limits)?,
    }))
}

/// What stands beside an application's own data, and so is not part of it.
const BESIDE: [&str; 3] = ["room", "key", "user_id"];

pub(super) fn emit(object: Given<'_>, rules: &Rules<'_>) -> Result<Request, Refusal> {
    let [id, kind, key, data] = object.fields("", ["chatroom_id", "type", "key", "data"])?;
    let room = room(id)?;
    let kind = kind.required()?;
    let name = kind.text()?;
    if !rules.opens(&name) {
        return Err(kind.wants(Want::Other));
    }
    let key = asked::key(key)?;
    let data = data.required()?;
    let own = without(data.object()?, &BESIDE).ok_or(data.wants(Want::Other))?;
    let bytes_max = rules.limits.application_event_bytes_max;
    if own.as_bytes().len() > bytes_max {
        return Err(Refusal::too_large("data", bytes_max as u64));
    }
    Ok(Request::Emit(Emit {
        room,
        kind: name.into(),
        key,
        data: own,
    }))
}

pub(super) fn history(object: Given<'_>, limits: &Limits) -> Result<Request, Refusal> {
    let [id, after, before, limit] =
        object.fields("", ["chatroom_id", "after_seq", "before_seq", "limit"])?;
    Ok(Request::History {
        room: room(id)?,
        from: asked::page_from(after, before)?,
        limit: asked::page_limit(limit, limits)?,
    })
}

/// The entries of a batch, each the text of one JSON value.
pub(super) fn batch<'a>(object: &'a str, limits: &Limits) -> Result<Vec<&'a str>, Refusal> {
    let [messages] = Given {
        name: "data",
        raw: object,
    }
    .fields("", ["messages"])?;
    messages.required()?.entries(limits.batch_max)
}
