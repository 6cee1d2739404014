//! What the API shows of users, rooms, messages and the rest: the documented shapes.
//!
//! Invariant: ids are JSON integers, moments RFC 3339 in UTC; what only operators may see is absent for others.

use std::collections::BTreeMap;
use std::sync::Arc;

use bongsu_model::records::{AuditEntry, Member, Room, User};
use bongsu_model::{Message, RawJson};
use bongsu_node::usecases::operate::{CallView, SessionView};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A user.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "user_id": 123, "handle": "abc123", "nickname": "하나", "nick": { "en": "Hana", "ko": "하나" },
    "avatar": { "profile_img": "https://cdn.example/123.png" }, "region": "KR", "language": "ko",
    "public_token": "5f1c…", "created_at": "2026-01-01T12:00:00.000Z"
}))]
pub(super) struct UserView {
    user_id: i64,
    /// Unique; the decimal `user_id` unless one was given.
    handle: String,
    nickname: String,
    /// The name by language.
    nick: BTreeMap<String, String>,
    avatar: AvatarView,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gender: Option<String>,
    /// The random name that stands for the user where users are shown by token: 48 hex digits.
    public_token: String,
    /// Set while an operator keeps the user out.
    #[serde(skip_serializing_if = "Option::is_none")]
    ban: Option<BanView>,
    /// When its last session ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<String>,
    created_at: String,
}

/// The addresses of a user's pictures.
#[derive(Serialize, ToSchema)]
pub(super) struct AvatarView {
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_img: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_thumb: Option<String>,
}

/// Since when a user is kept out, and for operators why.
#[derive(Serialize, ToSchema)]
pub(super) struct BanView {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    at: String,
}

fn owned(text: &Option<Arc<str>>) -> Option<String> {
    text.as_deref().map(str::to_owned)
}

impl UserView {
    pub(super) fn of(user: &User, to_operator: bool) -> Self {
        let profile = &*user.profile;
        let nick = profile
            .nick
            .iter()
            .map(|(language, name)| (language.to_string(), name.to_string()));
        Self {
            user_id: user.id.0,
            handle: user.handle.to_string(),
            nickname: user.nickname.to_string(),
            nick: nick.collect(),
            avatar: AvatarView {
                profile_img: owned(&profile.profile_img),
                profile_thumb: owned(&profile.profile_thumb),
            },
            region: owned(&profile.region),
            language: owned(&profile.language),
            gender: owned(&profile.gender),
            public_token: profile.public_token.to_string(),
            ban: user.ban.as_ref().map(|ban| BanView {
                reason: to_operator.then(|| ban.reason.to_string()),
                at: ban.at.to_string(),
            }),
            last_seen: user.last_seen.map(|at| at.to_string()),
            created_at: user.created_at.to_string(),
        }
    }
}

/// A room.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "room_id": 1, "name": "general", "token": "9c2e…", "kind": "group", "visibility": "open",
    "membership": "durable", "max_members": 1000, "members_count": 3, "seq": 42,
    "epoch": "4be1c2d3e4f50617", "created_at": "2026-01-01T12:00:00.000Z"
}))]
pub(super) struct RoomView {
    room_id: i64,
    /// Unique among rooms that have one.
    name: Option<String>,
    /// Its secret address, 48 hex digits; shown to operators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// `group`, `direct` or `broadcast`.
    #[schema(value_type = String)]
    kind: &'static str,
    /// `open` or `closed`.
    #[schema(value_type = String)]
    visibility: &'static str,
    /// `durable` or `session`.
    #[schema(value_type = String)]
    membership: &'static str,
    max_members: u32,
    members_count: u32,
    /// The number of its last message; 0 before the first.
    seq: u64,
    /// The tag of the history that `seq` belongs to: 16 hex digits.
    epoch: String,
    created_at: String,
}

impl RoomView {
    pub(super) fn of(room: &Room, to_operator: bool) -> Self {
        Self {
            room_id: room.id.0,
            name: owned(&room.name),
            token: to_operator.then(|| room.token.to_string()),
            kind: room.kind.name(),
            visibility: room.visibility.name(),
            membership: room.membership.name(),
            max_members: room.max_members,
            members_count: room.members_count,
            seq: room.seq.0,
            epoch: room.epoch.to_string(),
            created_at: room.created_at.to_string(),
        }
    }
}

/// A member of a room.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "user_id": 123, "nickname": "하나", "role": "member", "joined_seq": 40, "read_seq": 42 }))]
pub(super) struct MemberView {
    user_id: i64,
    nickname: String,
    /// `owner` or `member`.
    #[schema(value_type = String)]
    role: &'static str,
    /// The room's last message when it joined.
    joined_seq: u64,
    /// Up to where it has read.
    read_seq: u64,
}

impl MemberView {
    pub(super) fn of(member: &Member) -> Self {
        Self {
            user_id: member.user.0,
            nickname: member.nickname.to_string(),
            role: member.role.name(),
            joined_seq: member.joined_seq.0,
            read_seq: member.read_seq.0,
        }
    }
}

/// A message.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "message_id": "0193e5a8c4f37a1c9d2b6e8f01234567", "room_id": 1, "seq": 42,
    "sender": { "user_id": 123, "nickname": "하나" }, "content": "안녕하세요", "message_type": "text",
    "created_at": "2026-01-01T12:00:00.000Z"
}))]
pub(super) struct MessageView {
    /// 32 hex digits.
    message_id: String,
    room_id: i64,
    seq: u64,
    sender: SenderView,
    content: String,
    /// `text`, `image`, `file`, `audio`, `video`, `location` or `custom`.
    #[schema(value_type = String)]
    message_type: &'static str,
    /// The application's own object.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_it_is")]
    #[schema(value_type = Option<Object>)]
    metadata: Option<RawJson>,
    /// The message it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<String>,
    created_at: String,
}

/// Who sent a message.
#[derive(Serialize, ToSchema)]
pub(super) struct SenderView {
    user_id: i64,
    nickname: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_img: Option<String>,
}

fn as_it_is<S: Serializer>(json: &Option<RawJson>, to: S) -> Result<S::Ok, S::Error> {
    let raw: Option<&RawValue> = json
        .as_ref()
        .and_then(|json| serde_json::from_str(json.as_str()).ok());
    raw.serialize(to)
}

impl MessageView {
    pub(super) fn of(message: &Message) -> Self {
        Self {
            message_id: message.id.to_string(),
            room_id: message.room.0,
            seq: message.seq.0,
            sender: SenderView {
                user_id: message.sender.user.0,
                nickname: message.sender.nickname.to_string(),
                profile_img: owned(&message.sender.profile.profile_img),
            },
            content: message.content.to_string(),
            message_type: message.kind.name(),
            metadata: message.metadata.clone(),
            reply_to: message.reply_to.map(|id| id.to_string()),
            created_at: message.created_at.to_string(),
        }
    }
}

/// A live session of this node.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "session_id": "session_0193e5a8c4f37a1c9d2b6e8f01234567", "user_id": 123, "nickname": "하나", "role": "user",
    "protocol": "action", "address": "192.0.2.7", "opened_at": "2026-01-01T12:00:00.000Z",
    "expires_at": "2026-01-01T13:00:00.000Z", "waiting_bytes": 0
}))]
pub(super) struct LiveSession {
    session_id: String,
    user_id: i64,
    nickname: String,
    #[schema(value_type = String)]
    role: &'static str,
    #[schema(value_type = String)]
    protocol: &'static str,
    /// Where it comes from.
    address: String,
    opened_at: String,
    /// When its token ends.
    expires_at: String,
    /// Bytes that wait to be read by it.
    waiting_bytes: usize,
}

impl LiveSession {
    pub(super) fn of(session: &SessionView) -> Self {
        Self {
            session_id: session.session.to_string(),
            user_id: session.user.0,
            nickname: session.nickname.to_string(),
            role: session.role.name(),
            protocol: session.protocol,
            address: session.address.to_canonical().to_string(),
            opened_at: session.opened_at.to_string(),
            expires_at: session.expires_at.to_string(),
            waiting_bytes: session.waiting_bytes,
        }
    }
}

/// A video room.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "video_room_id": 7, "room_id": 1, "name": "stand-up", "host_id": 123, "max_participants": 10,
    "created_at": "2026-01-01T12:00:00.000Z",
    "participants": [{ "user_id": 123, "nickname": "하나", "media_status": { "audio_enabled": true, "video_enabled": false } }]
}))]
pub(super) struct VideoRoom {
    video_room_id: i64,
    room_id: i64,
    name: String,
    /// Who may end it.
    host_id: i64,
    max_participants: u32,
    created_at: String,
    /// In the order they joined.
    participants: Vec<ParticipantView>,
}

/// One who is in a video room.
#[derive(Serialize, ToSchema)]
pub(super) struct ParticipantView {
    user_id: i64,
    nickname: String,
    media_status: MediaView,
}

/// What a participant sends.
#[derive(Serialize, ToSchema)]
pub(super) struct MediaView {
    audio_enabled: bool,
    video_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    screen_sharing: Option<bool>,
}

impl VideoRoom {
    pub(super) fn of(call: &CallView) -> Self {
        let participants = call.participants.iter().map(|it| ParticipantView {
            user_id: it.user.id.0,
            nickname: it.user.nickname.to_string(),
            media_status: MediaView {
                audio_enabled: it.media.audio_enabled,
                video_enabled: it.media.video_enabled,
                screen_sharing: it.media.screen_sharing,
            },
        });
        Self {
            video_room_id: call.call.0,
            room_id: call.room.0,
            name: call.name.to_string(),
            host_id: call.host.0,
            max_participants: call.max_participants,
            created_at: call.created_at.to_string(),
            participants: participants.collect(),
        }
    }
}

/// Something that an operator did.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": 9, "at": "2026-01-01T12:00:00.000Z", "actor": "shop", "action": "user.ban", "object": "user:123", "detail": "spam"
}))]
pub(super) struct AuditView {
    id: i64,
    at: String,
    /// The token's subject, or the key's name.
    actor: String,
    action: String,
    object: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl AuditView {
    pub(super) fn of(entry: &AuditEntry) -> Self {
        Self {
            id: entry.id,
            at: entry.at.to_string(),
            actor: entry.actor.to_string(),
            action: entry.action.to_string(),
            object: entry.object.to_string(),
            detail: owned(&entry.detail),
        }
    }
}
