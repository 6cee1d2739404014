//! The answer to each request, with the request's own `seq_id`.

use bongsu_model::media::Participant;
use bongsu_model::reply::RoomStanding;
use bongsu_model::{Person, Reply, Tag, Timestamp};
use bytes::Bytes;

use super::line::{ENVELOPE_BYTES, Line, SeqId};
use super::parts;
use crate::json::said;
use crate::json::write::{Json, key};

/// `compress_over`: the size of `data` over which it is packed; `None` for never.
pub(in crate::action) fn reply(
    compress_over: Option<usize>,
    tag: &Tag,
    reply: &Reply,
    now: Timestamp,
) -> Option<Bytes> {
    let mut line = Line::begin(action(reply)?, ENVELOPE_BYTES + body_bytes(reply));
    body(&mut line.json, reply);
    Some(line.finish(compress_over, now, SeqId::Own(tag.reference.as_deref())))
}

/// `None` for a request whose answer is the event that it causes.
const fn action(reply: &Reply) -> Option<&'static str> {
    Some(match reply {
        Reply::Posted { .. }
        | Reply::CallCreated { .. }
        | Reply::CallEnded { .. }
        | Reply::MediaSet { .. } => return None,
        Reply::Connected(_) => "CONNECT_SUCCESS",
        Reply::TokenRefreshed(_) => "REFRESH_TOKEN_SUCCESS",
        Reply::Pong { .. } => "PONG",
        Reply::Joined { .. } => "JOIN_ROOM_SUCCESS",
        Reply::Left { .. } => "LEAVE_ROOM_SUCCESS",
        Reply::Repeated { .. } => "NEW_MESSAGE",
        Reply::Marked { .. } => "MARK_READ_SUCCESS",
        Reply::Page(_) => "BATCH_MESSAGES",
        Reply::CallJoined { .. } => "JOIN_VIDEO_ROOM_SUCCESS",
        Reply::CallLeft { .. } => "LEAVE_VIDEO_ROOM_SUCCESS",
        Reply::Blocked { .. } => "BLOCK_USER_SUCCESS",
        Reply::Unblocked { .. } => "UNBLOCK_USER_SUCCESS",
    })
}

/// About what `data` will take.
fn body_bytes(reply: &Reply) -> usize {
    match reply {
        Reply::Connected(standing) => 192 + standing.rooms.len() * 112,
        Reply::Joined { online, .. } => 128 + online.len() * 64,
        Reply::Repeated { message, client_id } => {
            parts::message_bytes(message) + client_id.as_str().len() + 24
        }
        Reply::Page(page) => parts::page_bytes(page),
        Reply::CallJoined {
            participants,
            ice_servers,
            ..
        } => 64 + participants.len() * 160 + ice_servers.len() * 192,
        Reply::TokenRefreshed(_)
        | Reply::Posted { .. }
        | Reply::CallCreated { .. }
        | Reply::CallEnded { .. }
        | Reply::MediaSet { .. }
        | Reply::Pong { .. }
        | Reply::Left { .. }
        | Reply::Marked { .. }
        | Reply::CallLeft { .. }
        | Reply::Blocked { .. }
        | Reply::Unblocked { .. } => 64,
    }
}

fn body(json: &mut Json, reply: &Reply) {
    match reply {
        Reply::Posted { .. }
        | Reply::CallCreated { .. }
        | Reply::CallEnded { .. }
        | Reply::MediaSet { .. } => {}
        Reply::Connected(standing) => {
            json.integer(key!("user_id"), standing.user.id.0);
            json.hex(key!("session_id"), "session_", standing.session.0, 32);
            json.moment(key!("server_time"), standing.server_time);
            standings(json, &standing.rooms);
            json.unsigned(key!("ping_interval_ms"), standing.ping_interval_ms);
        }
        Reply::TokenRefreshed(standing) => json.moment(key!("expires_at"), standing.expires_at),
        Reply::Pong { server_time } => json.moment(key!("server_time"), *server_time),
        Reply::Joined {
            room,
            participants_count,
            online,
            seq,
            epoch,
            recovered,
        } => {
            json.integer(key!("chatroom_id"), room.id.0);
            json.unsigned(key!("participants_count"), (*participants_count).into());
            members(json, online);
            json.unsigned(key!("seq"), seq.0);
            parts::epoch(json, *epoch);
            if let Some(recovered) = recovered {
                json.bool(key!("recovered"), *recovered);
            }
        }
        Reply::Left { room } => json.integer(key!("chatroom_id"), room.id.0),
        Reply::Repeated { message, client_id } => parts::message(json, message, Some(client_id)),
        Reply::Marked { room, seq } => {
            json.integer(key!("chatroom_id"), room.id.0);
            json.unsigned(key!("seq"), seq.0);
        }
        Reply::Page(page) => parts::page(json, page),
        Reply::CallJoined {
            call,
            participants,
            ice_servers,
        } => {
            json.integer(key!("video_room_id"), call.0);
            present(json, participants);
            said::ice_servers(json, ice_servers);
        }
        Reply::CallLeft { call } => json.integer(key!("video_room_id"), call.0),
        Reply::Blocked { user } | Reply::Unblocked { user } => json.integer(key!("user_id"), user.id.0),
    }
}

fn standings(json: &mut Json, rooms: &[RoomStanding]) {
    json.literal(concat!(key!("rooms"), "["));
    for it in rooms {
        json.literal("{");
        json.integer(key!("chatroom_id"), it.room.id.0);
        match &it.room.name {
            Some(name) => json.text(key!("name"), name),
            None => json.null(key!("name")),
        }
        json.unsigned(key!("seq"), it.seq.0);
        parts::epoch(json, it.epoch);
        if let Some(recovered) = it.recovered {
            json.bool(key!("recovered"), recovered);
        }
        json.end_object();
    }
    json.end_array();
}

fn members(json: &mut Json, online: &[Person]) {
    json.literal(concat!(key!("online_participants"), "["));
    for it in online {
        json.literal("{");
        json.integer(key!("user_id"), it.id.0);
        json.text(key!("nickname"), &it.nickname);
        json.bool(key!("is_online"), true);
        json.end_object();
    }
    json.end_array();
}

fn present(json: &mut Json, participants: &[Participant]) {
    json.literal(concat!(key!("participants"), "["));
    for it in participants {
        json.literal("{");
        json.integer(key!("user_id"), it.user.id.0);
        json.text(key!("nickname"), &it.user.nickname);
        parts::media(json, it.media);
        json.end_object();
    }
    json.end_array();
}
