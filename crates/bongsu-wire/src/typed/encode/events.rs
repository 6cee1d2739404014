//! Every event as one frame, made once for all receivers: plain, or compressed for those who negotiated that.
//!
//! Perf: `encode_chat_message`.

use bongsu_model::media::Signal;
use bongsu_model::{ApplicationEvent, CallId, Encode, Event, EventBody, Person, Slot};
use bytes::Bytes;

use super::frame::{ENVELOPE_BYTES, Frame};
use super::parts;
use crate::json::said;
use crate::json::write::{Json, key};

/// The type protocol's encoder of events, one frame each: for the clients that negotiated permessage-deflate, and for
/// the others.
#[derive(Clone, Copy, Debug, Default)]
pub struct TypeEvents {
    deflate_over: Option<usize>,
}

impl TypeEvents {
    /// The encoder for clients that negotiated no compression.
    #[must_use]
    pub const fn plain() -> Self {
        Self { deflate_over: None }
    }

    /// The encoder for clients that negotiated permessage-deflate: messages over so many bytes are compressed.
    #[must_use]
    pub const fn deflated(over: usize) -> Self {
        Self {
            deflate_over: Some(over),
        }
    }
}

impl Encode for TypeEvents {
    fn slot(&self) -> Slot {
        if self.deflate_over.is_some() {
            Slot::TypeDeflatedFrame
        } else {
            Slot::TypeFrame
        }
    }

    fn encode(&self, event: &Event) -> Bytes {
        let mut frame = Frame::begin(kind(&event.body), ENVELOPE_BYTES + body_bytes(&event.body));
        body(&mut frame.json, &event.body);
        frame.finish(self.deflate_over, None)
    }
}

/// The type that a client sees. Those of applications are of letters that need no escapes.
pub(crate) fn kind(body: &EventBody) -> &str {
    match body {
        EventBody::Posted(_) => "chat.message",
        EventBody::UserJoined { .. } => "user.joined",
        EventBody::UserLeft { .. } => "user.left",
        EventBody::Typing { .. } => "chat.typing",
        EventBody::Read { .. } => "chat.read",
        EventBody::Status { .. } => "user.status",
        EventBody::CallCreated { .. } => "call.created",
        EventBody::CallJoined { .. } => "call.participant_joined",
        EventBody::CallLeft { .. } => "call.participant_left",
        EventBody::CallHostChanged { .. } => "call.host_changed",
        EventBody::CallEnded { .. } => "call.ended",
        EventBody::MediaChanged { .. } => "call.media_changed",
        EventBody::Signalled { signal, .. } => match signal {
            Signal::Offer(_) => "call.offer",
            Signal::Answer(_) => "call.answer",
            Signal::Candidate(_) => "call.candidate",
        },
        EventBody::Application(told) => &told.kind,
        EventBody::Announced { .. } => "system.announcement",
    }
}

/// About what `data` will take.
pub(crate) fn body_bytes(body: &EventBody) -> usize {
    match body {
        EventBody::Posted(message) => parts::message_bytes(message),
        EventBody::Signalled { signal, .. } => 96 + signal.payload().as_bytes().len(),
        EventBody::Announced { title, message, .. } => 96 + title.len() + message.len(),
        EventBody::CallCreated { name, .. } => 256 + name.len(),
        EventBody::Application(told) => 256 + told.data.as_bytes().len(),
        EventBody::UserJoined { user, .. }
        | EventBody::UserLeft { user, .. }
        | EventBody::Typing { user, .. }
        | EventBody::Read { user, .. }
        | EventBody::Status { user, .. }
        | EventBody::CallJoined { user, .. }
        | EventBody::CallLeft { user, .. }
        | EventBody::CallHostChanged { host: user, .. }
        | EventBody::MediaChanged { user, .. } => 192 + user.handle.len() + user.nickname.len(),
        EventBody::CallEnded { .. } => 192,
    }
}

/// The fields of `data`.
pub(crate) fn body(json: &mut Json, body: &EventBody) {
    match body {
        EventBody::Posted(message) => parts::message(json, message),
        EventBody::UserJoined {
            room,
            user,
            participants_count,
            ..
        }
        | EventBody::UserLeft {
            room,
            user,
            participants_count,
            ..
        } => {
            parts::named(json, room);
            parts::person(json, user);
            json.unsigned(key!("participants_count"), (*participants_count).into());
        }
        EventBody::Typing {
            room,
            user,
            is_typing,
        } => {
            parts::named(json, room);
            parts::person(json, user);
            json.bool(key!("is_typing"), *is_typing);
        }
        EventBody::Read { room, user, seq } => {
            parts::named(json, room);
            json.text(key!("user_id"), &user.handle);
            json.unsigned(key!("seq"), seq.0);
        }
        EventBody::Status {
            user,
            is_online,
            last_seen,
        } => {
            json.text(key!("user_id"), &user.handle);
            json.bool(key!("is_online"), *is_online);
            json.moment(key!("last_seen"), *last_seen);
        }
        EventBody::Application(told) => application(json, told),
        EventBody::Announced {
            title,
            message,
            kind,
            priority,
        } => {
            json.text(key!("title"), title);
            json.text(key!("message"), message);
            json.plain(key!("type"), kind.name());
            json.plain(key!("priority"), priority.name());
        }
        EventBody::CallCreated { .. }
        | EventBody::CallJoined { .. }
        | EventBody::CallLeft { .. }
        | EventBody::CallHostChanged { .. }
        | EventBody::CallEnded { .. }
        | EventBody::MediaChanged { .. }
        | EventBody::Signalled { .. } => call(json, body),
    }
}

/// The application's own object, with the room in front of it and the sender behind it.
fn application(json: &mut Json, told: &ApplicationEvent) {
    parts::named(json, &told.room);
    if let Some(of) = &told.key {
        json.text(key!("key"), of);
    }
    json.members(&told.data);
    json.text(key!("user_id"), &told.user.handle);
}

/// The bodies of what happens in and to a call; nothing for all others.
fn call(json: &mut Json, body: &EventBody) {
    match body {
        EventBody::CallCreated {
            call,
            room,
            name,
            host,
            max_participants,
        } => parts::call_created(json, *call, room, name, host, *max_participants),
        EventBody::CallJoined {
            call,
            user,
            media,
            participants_count,
        } => {
            participant(json, *call, user);
            said::media(json, *media);
            json.unsigned(key!("participants_count"), (*participants_count).into());
        }
        EventBody::CallLeft {
            call,
            user,
            participants_count,
            reason,
        } => {
            participant(json, *call, user);
            json.unsigned(key!("participants_count"), (*participants_count).into());
            json.plain(key!("reason"), reason.name());
        }
        EventBody::CallHostChanged { call, host } => {
            json.integer(key!("video_room_id"), call.0);
            json.text(key!("host_user_id"), &host.handle);
            json.text(key!("nickname"), &host.nickname);
        }
        EventBody::CallEnded { call, room, reason } => parts::call_ended(json, *call, room, *reason),
        EventBody::MediaChanged { call, user, media } => {
            participant(json, *call, user);
            said::media(json, *media);
        }
        EventBody::Signalled { call, from, signal } => {
            json.integer(key!("video_room_id"), call.0);
            json.text(key!("from_user_id"), &from.handle);
            said::signal(json, signal);
        }
        EventBody::Posted(_)
        | EventBody::UserJoined { .. }
        | EventBody::UserLeft { .. }
        | EventBody::Typing { .. }
        | EventBody::Read { .. }
        | EventBody::Status { .. }
        | EventBody::Application(_)
        | EventBody::Announced { .. } => {}
    }
}

/// Who in which call.
fn participant(json: &mut Json, call: CallId, user: &Person) {
    json.integer(key!("video_room_id"), call.0);
    json.text(key!("user_id"), &user.handle);
    json.text(key!("nickname"), &user.nickname);
}
