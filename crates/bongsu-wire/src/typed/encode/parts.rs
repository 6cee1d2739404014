//! The fields that stand in several messages: rooms, people, messages, pages of history.

use bongsu_model::media::EndReason;
use bongsu_model::{CallId, ClientMessageId, HistoryPage, Message, NamedRoom, Person, RoomId};

use crate::json::said;
use crate::json::write::{Json, key};

/// What a message takes beside its texts.
const MESSAGE_BYTES: usize = 224;

/// About what the fields of a message will take.
pub(super) fn message_bytes(message: &Message) -> usize {
    let sender = &message.sender;
    MESSAGE_BYTES
        + message.room_name.as_ref().map_or(0, |it| it.len())
        + message.content.len()
        + sender.handle.len()
        + sender.nickname.len()
        + sender.profile.profile_img.as_ref().map_or(0, |it| it.len() + 16)
        + message.metadata.as_ref().map_or(0, |it| it.as_bytes().len() + 12)
}

/// A room as the server names it: by its name, or by its number if it has none.
pub(super) fn room(json: &mut Json, key: &str, id: RoomId, name: Option<&str>) {
    match name {
        Some(name) => json.text(key, name),
        None => json.number_text(key, id.0),
    }
}

/// Which room.
pub(super) fn named(json: &mut Json, of: &NamedRoom) {
    room(json, key!("room"), of.id, of.name.as_deref());
}

/// Who.
pub(super) fn person(json: &mut Json, user: &Person) {
    json.text(key!("user_id"), &user.handle);
    json.text(key!("username"), &user.nickname);
}

/// The fields of a message.
pub(super) fn message(json: &mut Json, message: &Message) {
    room(json, key!("room"), message.room, message.room_name.as_deref());
    json.text(key!("text"), &message.content);
    json.moment(key!("ts"), message.created_at);
    json.unsigned(key!("seq"), message.seq.0);
    said::message_id(json, key!("message_id"), message.id);
    json.text(key!("user_id"), &message.sender.handle);
    json.text(key!("username"), &message.sender.nickname);
    if let Some(address) = &message.sender.profile.profile_img {
        json.text(key!("profile_img"), address);
    }
    json.plain(key!("message_type"), message.kind.name());
    if let Some(metadata) = &message.metadata {
        json.raw(key!("metadata"), metadata);
    }
    if let Some(id) = message.reply_to {
        said::message_id(json, key!("reply_to"), id);
    }
}

/// That a message was accepted: the fields of `chat.ack`.
pub(super) fn accepted(json: &mut Json, message: &Message, client_id: Option<&ClientMessageId>) {
    room(json, key!("room"), message.room, message.room_name.as_deref());
    json.unsigned(key!("seq"), message.seq.0);
    said::message_id(json, key!("message_id"), message.id);
    json.moment(key!("ts"), message.created_at);
    if let Some(id) = client_id {
        json.text(key!("client_message_id"), id.as_str());
    }
}

/// About what a page will take.
pub(super) fn page_bytes(page: &HistoryPage) -> usize {
    let messages: usize = page.messages.iter().map(|it| message_bytes(it) + 3).sum();
    160 + messages
}

/// The fields of a page of history.
pub(super) fn page(json: &mut Json, page: &HistoryPage) {
    room(json, key!("room"), page.room, page.room_name.as_deref());
    json.literal(concat!(key!("messages"), "["));
    for it in &page.messages {
        json.literal("{");
        message(json, it);
        json.end_object();
    }
    json.end_array();
    json.bool(key!("has_more"), page.has_more);
    said::epoch(json, page.epoch);
}

/// A call, and the room that it belongs to: named as everywhere, and by its number as the action protocol has it.
pub(super) fn call_in(json: &mut Json, call: CallId, of: &NamedRoom) {
    json.integer(key!("video_room_id"), call.0);
    named(json, of);
    json.integer(key!("chatroom_id"), of.id.0);
}

/// The fields of `call.created`.
pub(super) fn call_created(
    json: &mut Json,
    call: CallId,
    of: &NamedRoom,
    name: &str,
    host: &Person,
    max_participants: u32,
) {
    call_in(json, call, of);
    json.text(key!("video_room_name"), name);
    json.text(key!("host_user_id"), &host.handle);
    json.unsigned(key!("max_participants"), max_participants.into());
}

/// The fields of `call.ended`.
pub(super) fn call_ended(json: &mut Json, call: CallId, of: &NamedRoom, reason: EndReason) {
    call_in(json, call, of);
    json.plain(key!("reason"), reason.name());
}
