//! A message that a member writes, as chats have it: to a room by its token, or by its name.

use bongsu_model::{Limits, MessageKind, Post, Refusal, Request, RoomRef, RoomToken, Want};

use super::KINDS;
use crate::json::asked;
use crate::json::field::{Field, Given};
use crate::typed::decode::given_room;

/// To what a message may be sent.
const TARGETS: &[&str] = &["ROOM"];

pub(super) fn post(object: Given<'_>, limits: &Limits) -> Result<Request, Refusal> {
    let [to, kind, content, client_id] = object.fields("", ["to", "type", "content", "client_message_id"])?;
    Ok(Request::Post(Post {
        room: room(to)?,
        content: asked::content(content, limits)?,
        kind: kind.optional(message_kind)?.unwrap_or(MessageKind::Text),
        client_id: asked::client_id(client_id)?,
        reply_to: None,
        metadata: None,
    }))
}

fn room(to: Field<'_>) -> Result<RoomRef, Refusal> {
    let [kind, token, room] = to.required()?.fields("to.", ["to.type", "to.token", "to.room"])?;
    let kind = kind.required()?;
    if kind.text()? != TARGETS[0] {
        return Err(kind.wants(Want::OneOf(TARGETS)));
    }
    match (token.present(), room.present()) {
        (Some(_), Some(room)) => Err(room.wants(Want::Alone)),
        (None, Some(room)) => given_room(room),
        (_, None) => {
            let token = token.required()?;
            let parsed = RoomToken::parse(&token.text()?);
            parsed.map(RoomRef::Token).ok_or(token.wants(Want::Hex(48)))
        }
    }
}

fn message_kind(kind: Given<'_>) -> Result<MessageKind, Refusal> {
    let name = kind.text()?;
    let found = KINDS.iter().position(|it| *it == name);
    found
        .map(|at| MessageKind::ALL[at])
        .ok_or(kind.wants(Want::OneOf(&KINDS)))
}
