//! What stands in several packets: messages, people and offsets as the chat has them; several frames as one piece.

use bongsu_model::{Message, Profile};
use bytes::{Bytes, BytesMut};

use super::super::KINDS;
use crate::json::said;
use crate::json::write::{Json, key};

/// What a message takes beside its texts.
const MESSAGE_BYTES: usize = 384;

/// The languages that the chat's own clients look for.
const LANGUAGES: [&str; 3] = [key!("en"), key!("ko"), key!("ja")];

/// About what the fields of a message will take.
pub(super) fn message_bytes(message: &Message) -> usize {
    MESSAGE_BYTES + message.content.len() + profile_bytes(&message.sender.profile, &message.sender.nickname)
}

/// About what the fields of a profile will take beside what everybody has.
pub(super) fn profile_bytes(profile: &Profile, nickname: &str) -> usize {
    let long = |it: &Option<std::sync::Arc<str>>| it.as_ref().map_or(0, |it| it.len() + 20);
    let nick: usize = profile
        .nick
        .iter()
        .map(|(language, name)| language.len() + name.len() + 6)
        .sum();
    let nick = if profile.nick.is_empty() {
        3 * (nickname.len() + 8)
    } else {
        nick
    };
    nick + long(&profile.profile_img)
        + long(&profile.profile_thumb)
        + long(&profile.region)
        + long(&profile.language)
        + long(&profile.gender)
}

/// The fields of a message.
pub(super) fn message(json: &mut Json, message: &Message) {
    said::message_id(json, key!("message_id"), message.id);
    json.plain(key!("type"), KINDS[message.kind as usize]);
    let sender = &message.sender;
    json.literal(concat!(key!("from"), "{"));
    json.text(key!("token"), &sender.profile.public_token);
    profile(json, &sender.profile, &sender.nickname);
    json.end_object();
    json.literal(concat!(key!("to"), "{", key!("type"), "\"ROOM\","));
    json.hex_bytes(key!("token"), &message.room_token.0);
    json.end_object();
    json.text(key!("content"), &message.content);
    json.integer(key!("sent_time"), message.created_at.0);
    json.unsigned(key!("seq"), message.seq.0);
}

/// The fields of a profile but its token: `nick` and `avatar` are always there.
pub(super) fn profile(json: &mut Json, profile: &Profile, nickname: &str) {
    json.literal(concat!(key!("nick"), "{"));
    for (language, name) in profile.nick.iter() {
        // A language tag needs no escapes.
        json.literal("\"");
        json.literal(language);
        json.text("\":", name);
    }
    if profile.nick.is_empty() {
        LANGUAGES
            .iter()
            .for_each(|language| json.text(language, nickname));
    }
    json.end_object();
    json.literal(concat!(key!("avatar"), "{"));
    optional(json, key!("profile_img"), profile.profile_img.as_deref());
    optional(json, key!("profile_thumb"), profile.profile_thumb.as_deref());
    json.end_object();
    optional(json, key!("region"), profile.region.as_deref());
    optional(json, key!("language"), profile.language.as_deref());
    optional(json, key!("gender"), profile.gender.as_deref());
}

fn optional(json: &mut Json, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        json.text(key, value);
    }
}

/// The place of a message, by which a client that comes back says how far it is.
pub(super) fn offset(json: &mut Json, message: &Message) {
    json.ascii("", |out| {
        let mut number = itoa::Buffer::new();
        out.extend_from_slice(number.format(message.room.0).as_bytes());
        out.push(b'-');
        out.extend_from_slice(number.format(message.seq.0).as_bytes());
    });
}

/// Several frames, one after the other.
pub(in crate::socketio) fn joined(frames: &[Bytes]) -> Bytes {
    if let [only] = frames {
        return only.clone();
    }
    let mut whole = BytesMut::with_capacity(frames.iter().map(Bytes::len).sum());
    for frame in frames {
        whole.extend_from_slice(frame);
    }
    whole.freeze()
}
