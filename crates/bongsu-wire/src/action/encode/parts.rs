//! The objects that stand inside several lines: messages, media, pages of history.

use bongsu_model::{ClientMessageId, HistoryPage, Message};

use crate::json::said::message_id;
pub(super) use crate::json::said::{epoch, media};
use crate::json::write::{Json, key};

/// What a message takes beside its texts.
const MESSAGE_BYTES: usize = 256;

/// About what a message will take.
pub(super) fn message_bytes(message: &Message) -> usize {
    let sender = &message.sender;
    MESSAGE_BYTES
        + message.content.len()
        + sender.nickname.len()
        + sender.profile.profile_img.as_ref().map_or(0, |it| it.len() + 16)
        + message.metadata.as_ref().map_or(0, |it| it.as_bytes().len() + 12)
}

/// The fields of a message.
pub(super) fn message(json: &mut Json, message: &Message, client_id: Option<&ClientMessageId>) {
    message_id(json, key!("message_id"), message.id);
    json.integer(key!("chatroom_id"), message.room.0);
    json.unsigned(key!("seq"), message.seq.0);
    json.literal(concat!(key!("sender"), "{"));
    json.integer(key!("user_id"), message.sender.user.0);
    json.text(key!("nickname"), &message.sender.nickname);
    if let Some(address) = &message.sender.profile.profile_img {
        json.text(key!("profile_img"), address);
    }
    json.end_object();
    json.text(key!("content"), &message.content);
    json.plain(key!("message_type"), message.kind.name());
    if let Some(metadata) = &message.metadata {
        json.raw(key!("metadata"), metadata);
    }
    if let Some(id) = message.reply_to {
        message_id(json, key!("reply_to"), id);
    }
    if let Some(id) = client_id {
        json.text(key!("client_message_id"), id.as_str());
    }
    json.moment(key!("created_at"), message.created_at);
}

/// About what a page will take.
pub(super) fn page_bytes(page: &HistoryPage) -> usize {
    64 + page
        .messages
        .iter()
        .map(|it| message_bytes(it) + 3)
        .sum::<usize>()
}

/// The fields of a page of history.
pub(super) fn page(json: &mut Json, page: &HistoryPage) {
    json.integer(key!("chatroom_id"), page.room.0);
    json.literal(concat!(key!("messages"), "["));
    for it in &page.messages {
        json.literal("{");
        message(json, it, None);
        json.end_object();
    }
    json.end_array();
    json.bool(key!("has_more"), page.has_more);
    epoch(json, page.epoch);
}
