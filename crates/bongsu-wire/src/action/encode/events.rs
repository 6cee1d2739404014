//! Every event as one line, made once for all receivers that accept compression, and once for all that do not.
//!
//! Perf: `encode_new_message`.

use bongsu_model::media::Signal;
use bongsu_model::{ApplicationEvent, CallId, Encode, Event, EventBody, Person, Slot};
use bytes::Bytes;

use super::line::{ENVELOPE_BYTES, Line, SeqId};
use super::parts;
use crate::json::said;
use crate::json::write::{Json, key};

/// The action protocol's encoder of events: one for the clients that accept compression, one for the others.
#[derive(Clone, Copy, Debug, Default)]
pub struct ActionEvents {
    compress_over: Option<usize>,
}

impl ActionEvents {
    /// The encoder for clients that accept no compression.
    #[must_use]
    pub const fn plain() -> Self {
        Self { compress_over: None }
    }

    /// The encoder for clients that accept compression: `data` over so many bytes is packed.
    #[must_use]
    pub const fn packed(compress_over: usize) -> Self {
        Self {
            compress_over: Some(compress_over),
        }
    }
}

impl ActionEvents {
    /// Whether it packs what is large.
    pub(in crate::action) const fn packs(self) -> bool {
        self.compress_over.is_some()
    }
}

impl Encode for ActionEvents {
    fn slot(&self) -> Slot {
        if self.packs() {
            Slot::ActionPacked
        } else {
            Slot::ActionLine
        }
    }

    fn encode(&self, event: &Event) -> Bytes {
        let mut line = Line::begin(action(&event.body), ENVELOPE_BYTES + body_bytes(&event.body));
        body(&mut line.json, &event.body);
        line.finish(self.compress_over, event.at, seq_id(event))
    }
}

const fn action(body: &EventBody) -> &'static str {
    match body {
        EventBody::Posted(_) => "NEW_MESSAGE",
        EventBody::UserJoined { .. } => "USER_JOINED",
        EventBody::UserLeft { .. } => "USER_LEFT",
        EventBody::Typing { .. } => "TYPING",
        EventBody::Read { .. } => "MESSAGE_READ",
        EventBody::Status { .. } => "USER_STATUS_CHANGED",
        EventBody::CallCreated { .. } => "VIDEO_ROOM_CREATED",
        EventBody::CallJoined { .. } => "VIDEO_PARTICIPANT_JOINED",
        EventBody::CallLeft { .. } => "VIDEO_PARTICIPANT_LEFT",
        EventBody::CallHostChanged { .. } => "VIDEO_HOST_CHANGED",
        EventBody::CallEnded { .. } => "VIDEO_ROOM_ENDED",
        EventBody::MediaChanged { .. } => "PARTICIPANT_MEDIA_CHANGED",
        EventBody::Signalled {
            signal: Signal::Offer(_),
            ..
        } => "SDP_OFFER",
        EventBody::Signalled {
            signal: Signal::Answer(_),
            ..
        } => "SDP_ANSWER",
        EventBody::Signalled {
            signal: Signal::Candidate(_),
            ..
        } => "ICE_CANDIDATE",
        EventBody::Application(_) => "NEW_EVENT",
        EventBody::Announced { .. } => "SERVER_ANNOUNCEMENT",
    }
}

/// The request's reference where the protocol shows it, else the server's own.
fn seq_id(event: &Event) -> SeqId<'_> {
    let shown = match &event.body {
        EventBody::Posted(_)
        | EventBody::CallCreated { .. }
        | EventBody::CallJoined { .. }
        | EventBody::MediaChanged { .. }
        | EventBody::Signalled { .. } => event.cause.as_deref(),
        EventBody::Status { .. } => return SeqId::Server("status_", event.id),
        EventBody::Announced { .. } => return SeqId::Server("announce_", event.id),
        EventBody::Application(_)
        | EventBody::UserJoined { .. }
        | EventBody::UserLeft { .. }
        | EventBody::Typing { .. }
        | EventBody::Read { .. }
        | EventBody::CallLeft { .. }
        | EventBody::CallHostChanged { .. }
        | EventBody::CallEnded { .. } => None,
    };
    shown.map_or(SeqId::Server("broadcast_", event.id), |cause| {
        SeqId::Own(Some(cause))
    })
}

/// About what `data` will take.
fn body_bytes(body: &EventBody) -> usize {
    match body {
        EventBody::Posted(message) => parts::message_bytes(message),
        EventBody::Signalled { signal, .. } => 96 + signal.payload().as_bytes().len(),
        EventBody::Announced { title, message, .. } => 96 + title.len() + message.len(),
        EventBody::CallCreated { name, .. } => 192 + name.len(),
        EventBody::Application(told) => {
            192 + told.kind.len() + told.user.nickname.len() + told.data.as_bytes().len()
        }
        EventBody::UserJoined { user, .. }
        | EventBody::UserLeft { user, .. }
        | EventBody::CallJoined { user, .. }
        | EventBody::CallLeft { user, .. }
        | EventBody::CallHostChanged { host: user, .. }
        | EventBody::MediaChanged { user, .. } => 192 + user.nickname.len(),
        EventBody::Typing { .. }
        | EventBody::Read { .. }
        | EventBody::Status { .. }
        | EventBody::CallEnded { .. } => 96,
    }
}

fn body(json: &mut Json, body: &EventBody) {
    match body {
        EventBody::Posted(message) => parts::message(json, message, None),
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
            json.integer(key!("chatroom_id"), room.id.0);
            json.integer(key!("user_id"), user.id.0);
            json.text(key!("nickname"), &user.nickname);
            json.unsigned(key!("participants_count"), (*participants_count).into());
        }
        EventBody::Typing {
            room,
            user,
            is_typing,
        } => {
            json.integer(key!("chatroom_id"), room.id.0);
            json.integer(key!("user_id"), user.id.0);
            json.bool(key!("is_typing"), *is_typing);
        }
        EventBody::Read { room, user, seq } => {
            json.integer(key!("chatroom_id"), room.id.0);
            json.integer(key!("user_id"), user.id.0);
            json.unsigned(key!("seq"), seq.0);
        }
        EventBody::Status {
            user,
            is_online,
            last_seen,
        } => {
            json.integer(key!("user_id"), user.id.0);
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

/// What only an application understands, apart from what the server says of it.
fn application(json: &mut Json, told: &ApplicationEvent) {
    json.integer(key!("chatroom_id"), told.room.id.0);
    json.text(key!("type"), &told.kind);
    json.integer(key!("user_id"), told.user.id.0);
    json.text(key!("nickname"), &told.user.nickname);
    if let Some(of) = &told.key {
        json.text(key!("key"), of);
    }
    json.raw(key!("data"), &told.data);
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
        } => {
            json.integer(key!("video_room_id"), call.0);
            json.integer(key!("chatroom_id"), room.id.0);
            json.text(key!("video_room_name"), name);
            json.integer(key!("host_user_id"), host.id.0);
            json.unsigned(key!("max_participants"), (*max_participants).into());
        }
        EventBody::CallJoined {
            call,
            user,
            media,
            participants_count,
        } => {
            participant(json, *call, user);
            parts::media(json, *media);
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
            json.integer(key!("host_user_id"), host.id.0);
            json.text(key!("nickname"), &host.nickname);
        }
        EventBody::CallEnded { call, room, reason } => {
            json.integer(key!("video_room_id"), call.0);
            json.integer(key!("chatroom_id"), room.id.0);
            json.plain(key!("reason"), reason.name());
        }
        EventBody::MediaChanged { call, user, media } => {
            participant(json, *call, user);
            parts::media(json, *media);
        }
        EventBody::Signalled { call, from, signal } => {
            json.integer(key!("video_room_id"), call.0);
            json.integer(key!("from_user_id"), from.id.0);
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
    json.integer(key!("user_id"), user.id.0);
    json.text(key!("nickname"), &user.nickname);
}
