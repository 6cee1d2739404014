//! SEND_MESSAGE, SEND_EVENT, GET_MESSAGES and the list in BATCH_MESSAGES.

use bongsu_model::{
    ClientMessageId, Emit, Limits, MessageId, MessageKind, PageFrom, Post, Refusal, Request, Seq, Want,
};

use super::rooms::room;
use crate::incoming::{KEY_BYTES_MAX, Rules};
use crate::json::field::Given;
use crate::json::without::without;

/// Normalising a text to NFC makes it at most this many times shorter: what is longer can never fit its limit.
const NFC_SHRINKS_BY_MAX: usize = 3;

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
    let room = room(id)?;
    let content = content.required()?.text()?;
    if content.len() > limits.content_bytes_max.saturating_mul(NFC_SHRINKS_BY_MAX) {
        return Err(Refusal::too_large("content", limits.content_bytes_max as u64));
    }
    let kind = kind.required()?;
    Ok(Request::Post(Post {
        room,
        content: content.into(),
        kind: MessageKind::parse(&kind.text()?).ok_or(kind.wants(Want::OneOf(&MessageKind::NAMES)))?,
        client_id: client_id.optional(|it| {
            ClientMessageId::new(&it.text()?).ok_or(it.wants(Want::TextOf(1, ClientMessageId::BYTES_MAX)))
        })?,
        reply_to: reply_to.optional(|it| MessageId::parse(&it.text()?).ok_or(it.wants(Want::Hex(32))))?,
        metadata: metadata.optional(|it| {
            it.object()?;
            it.carried("metadata", limits.metadata_bytes_max)
        })?,
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
    let key = key.optional(|it| it.text_of(1, KEY_BYTES_MAX))?.map(Into::into);
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
    let room = room(id)?;
    let from = match (after.optional(Given::count)?, before.optional(Given::count)?) {
        (Some(_), Some(_)) => return Err(before.wants(Want::Alone)),
        (Some(seq), None) => PageFrom::After(Seq(seq)),
        (None, Some(seq)) => PageFrom::Before(Seq(seq)),
        (None, None) => PageFrom::Latest,
    };
    let limit = limit.optional(|it| it.between(1, i64::from(limits.history_page_max)))?;
    let limit = limit.map(|it| u32::try_from(it).expect("at most history_page_max"));
    Ok(Request::History { room, from, limit })
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
