//! The answer to each request, with the request's `id` as `ref_id`.

use bongsu_model::media::Participant;
use bongsu_model::reply::{RoomStanding, SignedIn};
use bongsu_model::{Person, Reply, Tag};
use bytes::Bytes;

use super::frame::{ENVELOPE_BYTES, Frame};
use super::parts;
use crate::json::said;
use crate::json::write::{Json, key};

/// `deflate_over`: the size over which the frame is compressed; `None` for never.
pub(in crate::typed) fn reply(deflate_over: Option<usize>, tag: &Tag, reply: &Reply) -> Bytes {
    let mut frame = Frame::begin(kind(reply), ENVELOPE_BYTES + body_bytes(reply));
    body(&mut frame.json, reply);
    frame.finish(deflate_over, tag.reference.as_deref())
}

/// What answers.
pub(crate) const fn kind(reply: &Reply) -> &'static str {
    match reply {
        Reply::Connected(_) | Reply::TokenRefreshed(_) => "auth.ok",
        Reply::Pong { .. } => "pong",
        Reply::Joined { .. } => "room.joined",
        Reply::Left { .. } => "room.left",
        Reply::Posted { .. } | Reply::Repeated { .. } => "chat.ack",
        Reply::Marked { .. } => "chat.read.ok",
        Reply::Page(_) => "room.messages",
        Reply::CallCreated { .. } => "call.created",
        Reply::CallEnded { .. } => "call.ended",
        Reply::MediaSet { .. } => "call.media.ok",
        Reply::CallJoined { .. } => "call.joined",
        Reply::CallLeft { .. } => "call.left",
        Reply::Blocked { .. } => "user.block.ok",
        Reply::Unblocked { .. } => "user.unblock.ok",
    }
}

/// About what `data` will take.
pub(crate) fn body_bytes(reply: &Reply) -> usize {
    match reply {
        Reply::Connected(standing) | Reply::TokenRefreshed(standing) => {
            320 + standing.rooms.len() * 112 + standing.user.handle.len() + standing.user.nickname.len()
        }
        Reply::Joined { online, .. } => 256 + online.len() * 64,
        Reply::Posted { .. } | Reply::Repeated { .. } => 288,
        Reply::Page(page) => parts::page_bytes(page),
        Reply::CallJoined {
            participants,
            ice_servers,
            ..
        } => 64 + participants.len() * 160 + ice_servers.len() * 192,
        Reply::CallCreated { name, .. } => 256 + name.len(),
        Reply::CallEnded { .. }
        | Reply::MediaSet { .. }
        | Reply::Pong { .. }
        | Reply::Left { .. }
        | Reply::Marked { .. }
        | Reply::CallLeft { .. }
        | Reply::Blocked { .. }
        | Reply::Unblocked { .. } => 128,
    }
}

/// The fields of `data`.
pub(crate) fn body(json: &mut Json, reply: &Reply) {
    match reply {
        Reply::Connected(standing) | Reply::TokenRefreshed(standing) => signed_in(json, standing),
        Reply::Pong { server_time } => json.moment(key!("server_time"), *server_time),
        Reply::Joined {
            room,
            participants_count,
            online,
            seq,
            epoch,
            recovered,
        } => {
            parts::named(json, room);
            json.integer(key!("room_id"), room.id.0);
            json.unsigned(key!("participants_count"), (*participants_count).into());
            members(json, online);
            json.unsigned(key!("seq"), seq.0);
            said::epoch(json, *epoch);
            if let Some(recovered) = recovered {
                json.bool(key!("recovered"), *recovered);
            }
        }
        Reply::Left { room } => parts::named(json, room),
        Reply::Posted { message, client_id } => {
            parts::accepted(json, message, client_id.as_ref());
        }
        Reply::Repeated { message, client_id } => parts::accepted(json, message, Some(client_id)),
        Reply::Marked { room, seq } => {
            parts::named(json, room);
            json.unsigned(key!("seq"), seq.0);
        }
        Reply::Page(page) => parts::page(json, page),
        Reply::CallCreated {
            call,
            room,
            name,
            host,
            max_participants,
        } => parts::call_created(json, *call, room, name, host, *max_participants),
        Reply::CallEnded { call, room, reason } => parts::call_ended(json, *call, room, *reason),
        Reply::CallJoined {
            call,
            participants,
            ice_servers,
        } => {
            json.integer(key!("video_room_id"), call.0);
            present(json, participants);
            said::ice_servers(json, ice_servers);
        }
        Reply::MediaSet { call } | Reply::CallLeft { call } => json.integer(key!("video_room_id"), call.0),
        Reply::Blocked { user } | Reply::Unblocked { user } => json.text(key!("user_id"), &user.handle),
    }
}

fn signed_in(json: &mut Json, standing: &SignedIn) {
    parts::person(json, &standing.user);
    json.hex(key!("session_id"), "session_", standing.session.0, 32);
    json.moment(key!("server_time"), standing.server_time);
    standings(json, &standing.rooms);
    json.unsigned(key!("ping_interval_ms"), standing.ping_interval_ms);
    json.moment(key!("expires_at"), standing.expires_at);
}

fn standings(json: &mut Json, rooms: &[RoomStanding]) {
    json.literal(concat!(key!("rooms"), "["));
    for it in rooms {
        json.literal("{");
        parts::named(json, &it.room);
        json.integer(key!("room_id"), it.room.id.0);
        json.unsigned(key!("seq"), it.seq.0);
        said::epoch(json, it.epoch);
        if let Some(recovered) = it.recovered {
            json.bool(key!("recovered"), recovered);
        }
        json.end_object();
    }
    json.end_array();
}

fn members(json: &mut Json, online: &[Person]) {
    json.literal(concat!(key!("online"), "["));
    for it in online {
        json.literal("{");
        parts::person(json, it);
        json.end_object();
    }
    json.end_array();
}

fn present(json: &mut Json, participants: &[Participant]) {
    json.literal(concat!(key!("participants"), "["));
    for it in participants {
        json.literal("{");
        json.text(key!("user_id"), &it.user.handle);
        json.text(key!("nickname"), &it.user.nickname);
        said::media(json, it.media);
        json.end_object();
    }
    json.end_array();
}
