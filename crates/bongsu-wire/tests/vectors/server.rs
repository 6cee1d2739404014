//! What the server says: replies, events, refusals and notices to bytes, and back through the client's parser.

use std::fmt::Debug;
use std::sync::Arc;

use bongsu_model::event::{AnnouncementKind, Audience, Priority};
use bongsu_model::media::{EndReason, IceServer, LeaveReason, MediaStatus, Participant, Signal};
use bongsu_model::refusal::{CloseCause, Malformed};
use bongsu_model::reply::{OnlineMember, RoomStanding};
use bongsu_model::{
    CallId, ClientMessageId, Closing, Code, Encode, Epoch, Event, EventBody, HistoryPage, Incident, Limits,
    Locale, MembersVersion, Message, MessageId, MessageKind, Notice, RawJson, Refusal, Reply, RoomId, Sender,
    Seq, SessionId, Tag, Timestamp, UserId, Want, Why,
};
use bongsu_wire::action::client::Heard;
use bongsu_wire::action::{ActionCodec, ActionEvents};

use super::Sections;

const NOW: Timestamp = Timestamp(1_704_110_400_100);
const ID: u64 = 0x00ab_cdef_0123_4567;

pub(crate) fn vectors() -> Vec<(String, Sections)> {
    let codec = ActionCodec::new();
    let mut vectors = Vec::new();
    for (name, about, seq_id, reply) in replies() {
        let tag = Tag {
            reference: seq_id.map(Into::into),
            verb: None,
        };
        let bytes = codec.reply(&tag, &reply, NOW, &Limits::DEFAULT);
        let context = format!("seq_id {}\nnow {NOW}", seq_id.unwrap_or("none"));
        vectors.push((format!("reply_{name}"), said(about, context, &reply, &bytes)));
    }
    for (name, about, cause, body) in events() {
        let cause = cause.map(Into::into);
        let event = Event {
            id: ID,
            at: NOW,
            cause,
            audience: Audience::All,
            actor: None,
            body,
        };
        let context = format!(
            "seq_id {}\nid {ID:016x}\nnow {NOW}",
            event.cause.as_deref().unwrap_or("none")
        );
        vectors.push((
            format!("event_{name}"),
            said(about, context, &event.body, &ActionEvents::plain().encode(&event)),
        ));
    }
    for (name, about, verb, refusal) in refusals() {
        for (locale, spelled) in [(Locale::En, "en"), (Locale::Ko, "ko")] {
            let tag = Tag {
                reference: verb.map(|_| "s1".into()),
                verb: verb.map(Into::into),
            };
            let bytes = codec.refusal(&tag, &refusal, locale, NOW, ID);
            let seq_id = tag.reference.as_deref().unwrap_or("none");
            let action = verb.unwrap_or("none");
            let context =
                format!("seq_id {seq_id}\naction {action}\nlocale {spelled}\nid {ID:016x}\nnow {NOW}");
            vectors.push((
                format!("refusal_{name}_{spelled}"),
                said(about, context, &refusal, &bytes),
            ));
        }
    }
    for (name, about, notice) in notices() {
        for (locale, spelled) in [(Locale::En, "en"), (Locale::Ko, "ko")] {
            let bytes = codec.notice(&notice, locale, NOW, ID, &Limits::DEFAULT);
            let context = format!("locale {spelled}\nid {ID:016x}\nnow {NOW}");
            vectors.push((
                format!("notice_{name}_{spelled}"),
                said(about, context, &notice, &bytes),
            ));
        }
    }
    vectors
}

/// Checks that a line is one, that it can be heard, and that any JSON encoder would say the same.
fn said(about: &str, context: String, value: &impl Debug, bytes: &[u8]) -> Sections {
    let (b'\n', text) = bytes.split_last().unwrap() else {
        panic!("a line ends with a newline")
    };
    assert!(!text.contains(&b'\n'), "one line");
    let heard = Heard::parse(bytes).unwrap();
    assert!(heard.object().unwrap().is_object());
    assert_eq!(heard.timestamp, NOW.to_string());
    let parsed: serde_json::Value = serde_json::from_slice(text).unwrap();
    let fields: usize = count(&parsed);
    assert_eq!(
        fields,
        text.windows(2).filter(|it| *it == b"\":").count(),
        "no key stands twice"
    );
    let action = String::from_utf8(bytes.to_vec()).unwrap();
    vec![
        ("about", about.into()),
        ("context", context),
        ("value", format!("{value:#?}")),
        ("action", action),
    ]
}

/// Keys in all objects.
fn count(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Object(map) => map.values().map(|it| 1 + count(it)).sum(),
        serde_json::Value::Array(array) => array.iter().map(count).sum(),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => 0,
    }
}

fn raw(text: &'static str) -> RawJson {
    RawJson::from_validated(text.into())
}

fn message(seq: u64, content: &str) -> Message {
    Message {
        id: MessageId(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(seq)),
        room: RoomId(1),
        seq: Seq(seq),
        epoch: Epoch(0xff),
        members: MembersVersion(3),
        sender: Sender {
            user: UserId(123),
            nickname: "사용자1".into(),
            profile_img: None,
        },
        content: content.into(),
        kind: MessageKind::Text,
        metadata: None,
        reply_to: None,
        created_at: NOW,
    }
}

fn full_message() -> Arc<Message> {
    let mut it = message(42, "tab\tquote\"back\\slash\nbell\u{7} 한 🔥");
    it.sender.profile_img = Some("https://example.com/a.png".into());
    it.kind = MessageKind::Custom;
    it.metadata = Some(raw(r#"{"width":640}"#));
    it.reply_to = Some(MessageId(0x0190_0000_0000_7000_8000_0000_0000_0001));
    Arc::new(it)
}

fn page() -> HistoryPage {
    HistoryPage {
        room: RoomId(1),
        messages: vec![Arc::new(message(41, "안녕하세요!")), full_message()],
        has_more: true,
        epoch: Epoch(0xff),
        head: Seq(50),
    }
}

const MEDIA: MediaStatus = MediaStatus {
    audio_enabled: true,
    video_enabled: true,
    screen_sharing: None,
};

#[rustfmt::skip] // One row, one value.
fn replies() -> Vec<(&'static str, &'static str, Option<&'static str>, Reply)> {
    let standing = |room, name: Option<&str>, recovered| RoomStanding {
        room: RoomId(room),
        name: name.map(Into::into),
        seq: Seq(41),
        epoch: Epoch(0xff),
        recovered,
    };
    let connected = |rooms| Reply::Connected {
        user: UserId(123),
        session: SessionId(0x0190_0000_0000_7000_8000_0000_0000_0001),
        server_time: NOW,
        rooms,
        ping_interval_ms: 30_000,
    };
    let rooms = vec![standing(1, Some("general"), Some(true)), standing(2, None, Some(false)), standing(-3, None, None)];
    let stun = IceServer { urls: vec!["stun:example.com:3478".into()], username: None, credential: None };
    let turn = IceServer {
        urls: vec!["turn:example.com:3478".into(), "turns:example.com:5349".into()],
        username: Some("1704114000:123".into()),
        credential: Some("c2VjcmV0Cg==".into()),
    };
    let call_joined = |participants, ice_servers| Reply::CallJoined { call: CallId(200), participants, ice_servers };
    let participant = Participant { user: UserId(123), nickname: "사용자1".into(), media: MEDIA };
    let client_id = ClientMessageId::new("c-\"1\"").unwrap();
    vec![
        ("connected", "Signed in, member of no room.", Some("auth_001"), connected(vec![])),
        ("connected_rooms", "Signed in, with rooms resumed, not recovered and not asked for.", Some("auth_001"), connected(rooms)),
        ("token_refreshed", "The token was replaced.", Some("s1"), Reply::TokenRefreshed { expires_at: NOW.plus_ms(3_600_000) }),
        ("pong", "Somebody is there.", Some("ping_001"), Reply::Pong { server_time: NOW }),
        ("pong_untagged", "The request had no `seq_id`: nor has the answer.", None, Reply::Pong { server_time: NOW }),
        (
            "joined",
            "A member of a room.",
            Some("join_001"),
            Reply::Joined {
                room: RoomId(1),
                participants_count: 5,
                online: vec![OnlineMember { user: UserId(123), nickname: "사용자1".into() }],
                seq: Seq(41),
                epoch: Epoch(0xff),
            },
        ),
        ("left", "No longer a member.", Some("leave_001"), Reply::Left { room: RoomId(1) }),
        ("repeated", "The message was stored before.", Some("msg_002"), Reply::Repeated { message: full_message(), client_id }),
        ("marked", "The read mark is kept.", Some("s1"), Reply::Marked { room: RoomId(1), seq: Seq(41) }),
        ("page", "A page of history.", Some("s1"), Reply::Page(page())),
        (
            "page_empty",
            "A page of nothing.",
            Some("s1"),
            Reply::Page(HistoryPage { messages: vec![], has_more: false, ..page() }),
        ),
        ("call_joined", "In a call with another, with ICE servers.", Some("video_join_001"), call_joined(vec![participant], vec![stun, turn])),
        ("call_joined_first", "First in a call.", Some("video_join_001"), call_joined(vec![], vec![])),
        ("call_left", "Out of a call.", Some("s1"), Reply::CallLeft { call: CallId(200) }),
        ("blocked", "A user is blocked.", Some("s1"), Reply::Blocked { user: UserId(124) }),
        ("unblocked", "A user is not blocked any more.", Some("s\"\\\u{1}"), Reply::Unblocked { user: UserId(124) }),
    ]
}

type Happened = (&'static str, &'static str, Option<&'static str>, EventBody);

#[rustfmt::skip] // One row, one value.
fn events() -> Vec<Happened> {
    let (room, user) = (RoomId(1), UserId(123));
    let nickname: Arc<str> = "사용자1".into();
    let mut events: Vec<Happened> = vec![
        ("posted", "A message, with the reference of its sender.", Some("msg_001"), EventBody::Posted(message(41, "안녕하세요!").into())),
        ("posted_full", "A message with everything, posted by a service.", None, EventBody::Posted(full_message())),
        (
            "user_joined",
            "The request's reference is not shown.",
            Some("join_001"),
            EventBody::UserJoined {
                room,
                user,
                nickname: nickname.clone(),
                participants_count: 5,
                joined_seq: Seq(41),
                version: MembersVersion(9),
            },
        ),
        (
            "user_left",
            "The request's reference is not shown.",
            Some("leave_001"),
            EventBody::UserLeft { room, user, nickname, participants_count: 4, version: MembersVersion(9) },
        ),
        ("typing", "Someone types.", Some("s1"), EventBody::Typing { room, user, is_typing: true }),
        ("read", "Someone has read.", Some("s1"), EventBody::Read { room, user, seq: Seq(41) }),
        ("status", "A user went offline.", None, EventBody::Status { user, is_online: false, last_seen: NOW }),
        (
            "announced",
            "An operator speaks.",
            None,
            EventBody::Announced {
                title: "서버 점검 안내".into(),
                message: "2024년 1월 2일 오전 2시부터 4시까지 서버 점검이 있습니다.".into(),
                kind: AnnouncementKind::Maintenance,
                priority: Priority::High,
            },
        ),
    ];
    events.extend(call_events());
    events
}

#[rustfmt::skip] // One row, one value.
fn call_events() -> Vec<Happened> {
    let (call, room, user) = (CallId(200), RoomId(1), UserId(124));
    let nickname: Arc<str> = "참가자".into();
    let sdp = raw(r#"{"type":"offer","sdp":"v=0\r\no=- 123456789 2 IN IP4 127.0.0.1\r\n..."}"#);
    let answer = raw(r#"{"type":"answer","sdp":"v=0\r\no=- 987654321 2 IN IP4 127.0.0.1\r\n..."}"#);
    let candidate = raw(
        r#"{"candidate":"candidate:1 1 UDP 2130706431 192.168.1.100 54400 typ host","sdpMid":"0","sdpMLineIndex":0}"#,
    );
    let signalled = |signal| EventBody::Signalled { call, from: UserId(123), signal };
    let media = MediaStatus { audio_enabled: false, video_enabled: true, screen_sharing: Some(false) };
    vec![
        (
            "call_created",
            "A video room was made.",
            Some("video_001"),
            EventBody::CallCreated { call, room, name: "영상회의".into(), host: UserId(123), max_participants: 10 },
        ),
        (
            "call_joined",
            "Someone joined a call.",
            Some("video_join_001"),
            EventBody::CallJoined { call, user, nickname: nickname.clone(), media: MEDIA, participants_count: 2 },
        ),
        (
            "call_left",
            "A participant did not come back.",
            None,
            EventBody::CallLeft {
                call,
                user,
                nickname: nickname.clone(),
                participants_count: 1,
                reason: LeaveReason::Disconnected,
            },
        ),
        ("call_host_changed", "Another is host now.", None, EventBody::CallHostChanged { call, host: user, nickname: nickname.clone() }),
        ("call_ended", "A call is over.", Some("s1"), EventBody::CallEnded { call, room, reason: EndReason::EndedByHost }),
        ("media_changed", "A microphone is off.", Some("media_001"), EventBody::MediaChanged { call, user, nickname, media }),
        ("signalled_offer", "An offer, relayed unread.", Some("sdp_001"), signalled(Signal::Offer(sdp))),
        ("signalled_answer", "An answer, relayed unread.", Some("sdp_002"), signalled(Signal::Answer(answer))),
        ("signalled_candidate", "A candidate, relayed unread.", Some("ice_001"), signalled(Signal::Candidate(candidate))),
        ("signalled_candidates_end", "No more candidates.", None, signalled(Signal::Candidate(raw("null")))),
    ]
}

#[rustfmt::skip] // One row, one value.
fn refusals() -> Vec<(&'static str, &'static str, Option<&'static str>, Refusal)> {
    let offset = |what| Why::Malformed { offset: 1_234, what };
    let malformed = |code, what| Refusal { code, why: offset(what), retry_after_ms: None };
    vec![
        ("connect", "A refused CONNECT.", Some("CONNECT"), Refusal::because(Code::InvalidToken, "expired")),
        ("connect_overloaded", "A CONNECT at a bad time.", Some("CONNECT"), Refusal::retry(Code::Overloaded, 1_500)),
        ("not_authenticated", "A request before CONNECT.", Some("PING"), Refusal::new(Code::NotAuthenticated)),
        ("room_not_found", "No such room.", Some("JOIN_ROOM"), Refusal::new(Code::RoomNotFound)),
        ("user_blocked", "The other side has blocked.", Some("SDP_OFFER"), Refusal::new(Code::UserBlocked)),
        ("rejected", "Moderation said no.", Some("SEND_MESSAGE"), Refusal::because(Code::MessageRejected, "flood")),
        ("rate_limited", "Too fast.", Some("SEND_MESSAGE"), Refusal::retry(Code::RateLimited, 50)),
        ("field", "A wrong field.", Some("SEND_MESSAGE"), Refusal::field("message_type", Want::OneOf(&MessageKind::NAMES))),
        ("field_range", "A field out of range.", Some("CREATE_VIDEO_ROOM"), Refusal::field("max_participants", Want::Between(2, 50))),
        ("too_large", "Over a limit.", Some("SEND_MESSAGE"), Refusal::too_large("content", 4_096)),
        ("incident", "We broke.", Some("JOIN_ROOM"), Refusal::incident(Incident(0xdead_beef))),
        ("malformed", "The stream broke off; nothing is known of the request.", None, malformed(Code::InvalidData, Malformed::NotAnObject)),
        ("frame_too_large", "A frame over its limit.", None, malformed(Code::MessageTooLarge, Malformed::FrameTooLarge(65_536))),
    ]
}

fn notices() -> Vec<(&'static str, &'static str, Notice)> {
    let closed = |cause| Notice::Closed(Closing::new(cause));
    vec![
        (
            "token_expiring",
            "The token ends soon.",
            Notice::TokenExpiring {
                expires_at: NOW.plus_ms(60_000),
            },
        ),
        (
            "shutdown",
            "The server is about to stop.",
            Notice::Shutdown {
                reconnect_after_ms: 2_500,
            },
        ),
        ("missed", "What was missed of a room.", Notice::Missed(page())),
        ("closed_idle", "Nothing was heard.", closed(CloseCause::Idle)),
        ("closed_slow", "Too slow a reader.", closed(CloseCause::Slow)),
        (
            "closed_banned",
            "Banned while connected.",
            closed(CloseCause::Banned),
        ),
        (
            "closed_refused",
            "A refusal that ends the session.",
            closed(CloseCause::Refused(Refusal::new(Code::InvalidToken))),
        ),
    ]
}
