//! The answer to each request: to its acknowledgement if one is awaited, else as an event.

use bongsu_model::reply::{RoomStanding, SignedIn};
use bongsu_model::{Message, Reply, Tag};
use bytes::Bytes;

use super::super::names::{CONNECT, MESSAGE, SIGN_IN};
use super::super::{Manner, Style};
use super::asked::{self, Asked, Back, SIGNED_IN};
use super::parts;
use crate::json::said;
use crate::json::write::{Json, key};
use crate::socketio::connection::accepted;
use crate::socketio::packet::encode::Frame;
use crate::typed::encode::replies as typed;

/// `None` where what the request causes is the answer: a message that nobody awaits the number of.
pub(in crate::socketio::chat) fn reply(manner: Manner, tag: &Tag, reply: &Reply) -> Option<Bytes> {
    let asked = asked::asked(tag);
    match (asked.name, reply) {
        (CONNECT, Reply::Connected(standing) | Reply::TokenRefreshed(standing)) => {
            Some(welcome(manner, asked, tag, reply, standing))
        }
        (SIGN_IN, Reply::Connected(standing) | Reply::TokenRefreshed(standing)) => {
            let bytes = signed_in_bytes(standing);
            Some(answer(manner, asked, SIGNED_IN, bytes, |json| {
                signed_in(json, standing)
            }))
        }
        (MESSAGE, Reply::Posted { message, .. } | Reply::Repeated { message, .. }) => match asked.back {
            Back::Ack(_) => Some(answer(manner, asked, MESSAGE, 96, |json| {
                accepted_message(json, message)
            })),
            Back::Event(_) => None,
        },
        _ => {
            let bytes = typed::body_bytes(reply);
            Some(answer(manner, asked, typed::kind(reply), bytes, |json| {
                typed::body(json, reply)
            }))
        }
    }
}

/// The answer to who signed in by connecting: the namespace is connected, and then how it stands.
fn welcome(manner: Manner, asked: Asked<'_>, tag: &Tag, reply: &Reply, standing: &SignedIn) -> Bytes {
    let namespace = asked.namespace.unwrap_or(manner.namespace.name());
    // The socket's name is the reference; clients of protocol 3 know none.
    let sid = tag
        .reference
        .as_deref()
        .and_then(|it| u128::from_str_radix(it, 16).ok());
    let pid = standing.recovery.as_ref().map(|it| &*it.pid);
    let asked = Asked {
        back: Back::Event(None),
        ..asked
    };
    let said = match manner.style {
        Style::Chat => {
            let bytes = signed_in_bytes(standing);
            answer(manner, asked, SIGNED_IN, bytes, |json| signed_in(json, standing))
        }
        Style::Type => {
            let bytes = typed::body_bytes(reply);
            answer(manner, asked, typed::kind(reply), bytes, |json| {
                typed::body(json, reply)
            })
        }
    };
    parts::joined(&[accepted(namespace, sid, pid), said])
}

/// One object, as the one argument of an acknowledgement or of an event of this name.
pub(super) fn answer(
    manner: Manner,
    asked: Asked<'_>,
    name: &str,
    bytes: usize,
    fill: impl FnOnce(&mut Json),
) -> Bytes {
    let namespace = asked.namespace.unwrap_or(manner.namespace.name());
    let mut frame = match asked.back {
        Back::Ack(id) => Frame::ack(namespace, id, bytes),
        Back::Event(_) => Frame::event(namespace, None, name, bytes),
    };
    frame.json.literal("{");
    fill(&mut frame.json);
    if let Back::Event(Some(reference)) = asked.back {
        frame.json.text(key!("ref_id"), reference);
    }
    frame.json.end_object();
    frame.finish()
}

fn accepted_message(json: &mut Json, message: &Message) {
    said::message_id(json, key!("message_id"), message.id);
    json.unsigned(key!("seq"), message.seq.0);
}

fn signed_in_bytes(standing: &SignedIn) -> usize {
    let user = &standing.user;
    512 + user.handle.len()
        + user.nickname.len()
        + parts::profile_bytes(&standing.profile, &user.nickname)
        + standing.rooms.len() * 192
}

fn signed_in(json: &mut Json, standing: &SignedIn) {
    json.bool(key!("success"), true);
    let user = &standing.user;
    json.literal(concat!(key!("user"), "{"));
    json.text(key!("token"), &standing.profile.public_token);
    json.integer(key!("user_id"), user.id.0);
    json.text(key!("handle"), &user.handle);
    json.text(key!("nickname"), &user.nickname);
    parts::profile(json, &standing.profile, &user.nickname);
    json.end_object();
    json.literal(concat!(key!("rooms"), "["));
    standing.rooms.iter().for_each(|room| self::room(json, room));
    json.end_array();
    json.hex(key!("session_id"), "session_", standing.session.0, 32);
    json.moment(key!("expires_at"), standing.expires_at);
    if let Some(recovery) = &standing.recovery {
        json.text(key!("pid"), &recovery.pid);
        json.bool(key!("recovered"), recovery.recovered);
    }
}

fn room(json: &mut Json, standing: &RoomStanding) {
    json.literal("{");
    json.integer(key!("room_id"), standing.room.id.0);
    if let Some(name) = &standing.room.name {
        json.text(key!("name"), name);
    }
    json.hex_bytes(key!("token"), &standing.token.0);
    json.unsigned(key!("seq"), standing.seq.0);
    said::epoch(json, standing.epoch);
    if let Some(recovered) = standing.recovered {
        json.bool(key!("recovered"), recovered);
    }
    json.end_object();
}
