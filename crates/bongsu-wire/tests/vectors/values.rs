//! What the server may say, as values of the model: one row, one value, for the encoders of every protocol.

use std::sync::Arc;

use bongsu_model::event::{AnnouncementKind, Priority};
use bongsu_model::media::{EndReason, IceServer, LeaveReason, MediaStatus, Participant, Signal};
use bongsu_model::refusal::{CloseCause, Malformed};
use bongsu_model::reply::{Recovery, RoomStanding, SignedIn};
use bongsu_model::{
    ApplicationEvent, CallId, ClientMessageId, Closing, Code, Epoch, EventBody, HistoryPage, Incident,
    LocalizedNick, MembersVersion, Message, MessageId, MessageKind, NamedRoom, Notice, Person, Profile,
    RawJson, Refusal, Reply, RoomId, RoomToken, Sender, Seq, SessionId, Timestamp, UserId, Want, Why,
};

pub(crate) const NOW: Timestamp = Timestamp(1_704_110_400_100);

fn raw(text: &'static str) -> RawJson {
    RawJson::from_validated(text.into())
}

/// The room that has a name.
fn general() -> NamedRoom {
    NamedRoom::new(RoomId(1), Some("general".into()))
}

/// A room that has none.
fn unnamed() -> NamedRoom {
    NamedRoom::new(RoomId(2), None)
}

/// The user that has a handle.
fn hana() -> Arc<Person> {
    Arc::new(Person {
        id: UserId(123),
        handle: "hana".into(),
        nickname: "사용자1".into(),
    })
}

/// A user whose handle is its number.
fn other() -> Arc<Person> {
    Person::numbered(UserId(124), "참가자")
}

const ROOM_TOKEN: RoomToken = RoomToken([0x26; 24]);

/// A profile that has everything.
fn profile() -> Arc<Profile> {
    let nick = [
        ("en", "Hana"),
        ("ja", "ハナ"),
        ("ko", "하나 \"1\""),
        ("zh-TW", "哈娜"),
    ];
    let nick = nick.map(|(language, name)| (language.into(), name.into()));
    Arc::new(Profile {
        public_token: "a6b365d853295c532f988916fb5413a2ab64a39c831c0292".into(),
        nick: LocalizedNick::new(nick, 16).expect("these are languages"),
        profile_img: Some("https://example.com/a.png".into()),
        profile_thumb: Some("https://example.com/thumb_a.png".into()),
        region: Some("KR".into()),
        language: Some("ko".into()),
        gender: Some("F".into()),
    })
}

/// A profile that has nothing but its token.
fn bare() -> Arc<Profile> {
    Arc::new(Profile::bare(&"5a".repeat(24)))
}

fn message(seq: u64, content: &str) -> Message {
    Message {
        id: MessageId(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(seq)),
        room: RoomId(1),
        room_name: Some("general".into()),
        room_token: ROOM_TOKEN,
        seq: Seq(seq),
        epoch: Epoch(0xff),
        members: MembersVersion(3),
        sender: Sender {
            user: UserId(123),
            handle: "hana".into(),
            nickname: "사용자1".into(),
            profile: bare(),
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
    it.sender.profile = profile();
    it.kind = MessageKind::Custom;
    it.metadata = Some(raw(r#"{"width":640}"#));
    it.reply_to = Some(MessageId(0x0190_0000_0000_7000_8000_0000_0000_0001));
    Arc::new(it)
}

fn page() -> HistoryPage {
    HistoryPage {
        room: RoomId(1),
        room_name: Some("general".into()),
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

/// Name, what it is, the request's reference, the answer.
pub(crate) type Answered = (&'static str, &'static str, Option<&'static str>, Reply);

#[rustfmt::skip] // One row, one value.
pub(crate) fn replies() -> Vec<Answered> {
    let standing = |room, recovered| RoomStanding { room, token: ROOM_TOKEN, seq: Seq(41), epoch: Epoch(0xff), recovered };
    let signed_in = |rooms| SignedIn {
        user: hana(),
        profile: profile(),
        session: SessionId(0x0190_0000_0000_7000_8000_0000_0000_0001),
        server_time: NOW,
        rooms,
        ping_interval_ms: 30_000,
        expires_at: NOW.plus_ms(3_600_000),
        recovery: None,
    };
    let placed = |recovered| {
        let recovery = Some(Recovery { pid: "p-1".into(), recovered });
        let profile = if recovered { profile() } else { bare() };
        Reply::Connected(SignedIn { recovery, profile, ..signed_in(vec![]) })
    };
    let rooms = vec![
        standing(general(), Some(true)),
        standing(unnamed(), Some(false)),
        standing(NamedRoom::new(RoomId(-3), None), None),
    ];
    let client_id = || ClientMessageId::new("c-\"1\"").unwrap();
    let online = vec![(*hana()).clone(), (*other()).clone()];
    let mut replies = vec![
        ("connected", "Signed in, member of no room.", Some("auth_001"), Reply::Connected(signed_in(vec![]))),
        ("connected_rooms", "Signed in, with rooms resumed, not recovered and not asked for.", Some("auth_001"), Reply::Connected(signed_in(rooms))),
        ("connected_placed", "Signed in, with a place that is kept.", None, placed(false)),
        ("connected_recovered", "Signed in, with the place of before.", Some("s1"), placed(true)),
        ("token_refreshed", "The token was replaced.", Some("s1"), Reply::TokenRefreshed(signed_in(vec![standing(general(), None)]))),
        ("pong", "Somebody is there.", Some("ping_001"), Reply::Pong { server_time: NOW }),
        ("pong_untagged", "The request had no reference: nor has the answer.", None, Reply::Pong { server_time: NOW }),
        ("joined", "A member of a room.", Some("join_001"), Reply::Joined { room: general(), participants_count: 5, online, seq: Seq(41), epoch: Epoch(0xff), recovered: None }),
        ("joined_unnamed", "A member of a room without a name.", Some("join_001"), Reply::Joined { room: unnamed(), participants_count: 1, online: vec![], seq: Seq(0), epoch: Epoch(0xff), recovered: None }),
        ("joined_after", "A member of a room, who is sent what it missed.", Some("join_001"), Reply::Joined { room: general(), participants_count: 5, online: vec![], seq: Seq(41), epoch: Epoch(0xff), recovered: Some(true) }),
        ("left", "No longer a member.", Some("leave_001"), Reply::Left { room: general() }),
        ("posted", "The message was accepted.", Some("msg_001"), Reply::Posted { message: message(41, "안녕하세요!").into(), client_id: None }),
        ("posted_client_id", "The message was accepted under the client's own name for it.", Some("msg_001"), Reply::Posted { message: message(41, "안녕하세요!").into(), client_id: Some(client_id()) }),
        ("repeated", "The message was stored before.", Some("msg_002"), Reply::Repeated { message: full_message(), client_id: client_id() }),
        ("repeated_plain", "A plain message was stored before.", Some("msg_002"), Reply::Repeated { message: message(41, "안녕하세요!").into(), client_id: client_id() }),
        ("marked", "The read mark is kept.", Some("s1"), Reply::Marked { room: general(), seq: Seq(41) }),
        ("page", "A page of history.", Some("s1"), Reply::Page(page())),
        ("page_empty", "A page of nothing.", Some("s1"), Reply::Page(HistoryPage { messages: vec![], has_more: false, ..page() })),
        ("blocked", "A user is blocked.", Some("s1"), Reply::Blocked { user: other() }),
        ("unblocked", "A user is not blocked any more.", Some("s\"\\\u{1}"), Reply::Unblocked { user: hana() }),
    ];
    replies.extend(call_replies());
    replies
}

#[rustfmt::skip] // One row, one value.
fn call_replies() -> Vec<Answered> {
    let call = CallId(200);
    let stun = IceServer { urls: vec!["stun:example.com:3478".into()], username: None, credential: None };
    let turn = IceServer {
        urls: vec!["turn:example.com:3478".into(), "turns:example.com:5349".into()],
        username: Some("1704114000:123".into()),
        credential: Some("c2VjcmV0Cg==".into()),
    };
    let joined = |participants, ice_servers| Reply::CallJoined { call, participants, ice_servers };
    let participant = Participant { user: hana(), media: MEDIA };
    vec![
        ("call_created", "A video room is made.", Some("video_001"), Reply::CallCreated { call, room: general(), name: "영상회의".into(), host: hana(), max_participants: 10 }),
        ("call_joined", "In a call with another, with ICE servers.", Some("video_join_001"), joined(vec![participant], vec![stun, turn])),
        ("call_joined_first", "First in a call.", Some("video_join_001"), joined(vec![], vec![])),
        ("call_left", "Out of a call.", Some("s1"), Reply::CallLeft { call }),
        ("call_ended", "The call is over.", Some("s1"), Reply::CallEnded { call, room: general(), reason: EndReason::EndedByHost }),
        ("media_set", "The media are switched.", Some("media_001"), Reply::MediaSet { call }),
    ]
}

/// Name, what it is, the reference of the request that caused it, the event.
pub(crate) type Happened = (&'static str, &'static str, Option<&'static str>, EventBody);

#[rustfmt::skip] // One row, one value.
pub(crate) fn events() -> Vec<Happened> {
    let told = |room, user, kind: &str, key: Option<&str>, data| {
        EventBody::Application(Arc::new(ApplicationEvent { room, user, kind: kind.into(), key: key.map(Into::into), data: raw(data) }))
    };
    let mut nameless = message(7, "hi");
    (nameless.room, nameless.room_name) = (RoomId(2), None);
    let joined = |room| EventBody::UserJoined { room, user: hana(), participants_count: 5, joined_seq: Seq(41), version: MembersVersion(9) };
    let mut events: Vec<Happened> = vec![
        ("posted", "A message, with the reference of its sender.", Some("msg_001"), EventBody::Posted(message(41, "안녕하세요!").into())),
        ("posted_full", "A message with everything, posted by a service.", None, EventBody::Posted(full_message())),
        ("posted_unnamed", "A message in a room without a name.", None, EventBody::Posted(nameless.into())),
        ("user_joined", "The request's reference is not shown.", Some("join_001"), joined(general())),
        ("user_joined_unnamed", "In a room without a name.", None, joined(unnamed())),
        ("user_left", "The request's reference is not shown.", Some("leave_001"), EventBody::UserLeft { room: general(), user: hana(), participants_count: 4, version: MembersVersion(9) }),
        ("typing", "Someone types.", Some("s1"), EventBody::Typing { room: general(), user: hana(), is_typing: true }),
        ("read", "Someone has read.", Some("s1"), EventBody::Read { room: general(), user: hana(), seq: Seq(41) }),
        ("status", "A user went offline.", None, EventBody::Status { user: hana(), is_online: false, last_seen: NOW }),
        ("application", "What only an application understands.", Some("s1"), told(general(), hana(), "game.move", None, r#"{"x":10,"y":20}"#)),
        ("application_key", "The same with a key, in a room without a name.", Some("s1"), told(unnamed(), other(), "app.cursor.moved", Some("mouse \"1\""), r#"{"at":[1,2]}"#)),
        ("application_empty", "An application has nothing to say.", None, told(general(), hana(), "app.poke", None, "{}")),
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
    let call = CallId(200);
    let sdp = raw(r#"{"type":"offer","sdp":"v=0\r\no=- 123456789 2 IN IP4 127.0.0.1\r\n..."}"#);
    let answer = raw(r#"{"type":"answer","sdp":"v=0\r\no=- 987654321 2 IN IP4 127.0.0.1\r\n..."}"#);
    let candidate = raw(
        r#"{"candidate":"candidate:1 1 UDP 2130706431 192.168.1.100 54400 typ host","sdpMid":"0","sdpMLineIndex":0}"#,
    );
    let signalled = |signal| EventBody::Signalled { call, from: hana(), signal };
    let media = MediaStatus { audio_enabled: false, video_enabled: true, screen_sharing: Some(false) };
    vec![
        ("call_created", "A video room was made.", Some("video_001"), EventBody::CallCreated { call, room: general(), name: "영상회의".into(), host: hana(), max_participants: 10 }),
        ("call_joined", "Someone joined a call.", Some("video_join_001"), EventBody::CallJoined { call, user: other(), media: MEDIA, participants_count: 2 }),
        ("call_left", "A participant did not come back.", None, EventBody::CallLeft { call, user: other(), participants_count: 1, reason: LeaveReason::Disconnected }),
        ("call_host_changed", "Another is host now.", None, EventBody::CallHostChanged { call, host: other() }),
        ("call_ended", "A call is over.", Some("s1"), EventBody::CallEnded { call, room: general(), reason: EndReason::EndedByHost }),
        ("media_changed", "A microphone is off.", Some("media_001"), EventBody::MediaChanged { call, user: other(), media }),
        ("signalled_offer", "An offer, relayed unread.", Some("sdp_001"), signalled(Signal::Offer(sdp))),
        ("signalled_answer", "An answer, relayed unread.", Some("sdp_002"), signalled(Signal::Answer(answer))),
        ("signalled_candidate", "A candidate, relayed unread.", Some("ice_001"), signalled(Signal::Candidate(candidate))),
        ("signalled_candidates_end", "No more candidates.", None, signalled(Signal::Candidate(raw("null")))),
    ]
}

/// Name, what it is, the request's name in each protocol if it is known, the refusal. What is `…_untagged` answers a
/// request without a reference.
pub(crate) type Denied = (&'static str, &'static str, Option<[&'static str; 2]>, Refusal);

#[rustfmt::skip] // One row, one value.
pub(crate) fn refusals() -> Vec<Denied> {
    let offset = |what| Why::Malformed { offset: 1_234, what };
    let malformed = |code, what| Refusal { code, why: offset(what), retry_after_ms: None };
    let connect = Some(["CONNECT", "auth"]);
    let post = Some(["SEND_MESSAGE", "chat.message"]);
    let join = Some(["JOIN_ROOM", "room.join"]);
    vec![
        ("connect", "A refused sign-in.", connect, Refusal::because(Code::InvalidToken, "expired")),
        ("connect_overloaded", "A sign-in at a bad time.", connect, Refusal::retry(Code::Overloaded, 1_500)),
        ("connect_untagged", "A refused sign-in without a reference.", connect, Refusal::because(Code::InvalidToken, "expired")),
        ("not_authenticated", "A request before the sign-in.", Some(["PING", "ping"]), Refusal::new(Code::NotAuthenticated)),
        ("room_not_found", "No such room.", join, Refusal::new(Code::RoomNotFound)),
        ("user_blocked", "The other side has blocked.", Some(["SDP_OFFER", "call.offer"]), Refusal::new(Code::UserBlocked)),
        ("rejected", "Moderation said no.", post, Refusal::because(Code::MessageRejected, "flood")),
        ("rate_limited", "Too fast.", post, Refusal::retry(Code::RateLimited, 50)),
        ("field", "A wrong field.", post, Refusal::field("message_type", Want::OneOf(&MessageKind::NAMES))),
        ("field_room", "A field that has another name in each protocol.", join, Refusal::field("chatroom_id", Want::Present)),
        ("field_range", "A field out of range.", Some(["CREATE_VIDEO_ROOM", "call.create"]), Refusal::field("max_participants", Want::Between(2, 50))),
        ("too_large", "Over a limit.", post, Refusal::too_large("content", 4_096)),
        ("incident", "We broke.", join, Refusal::incident(Incident(0xdead_beef))),
        ("malformed", "The stream broke off; nothing is known of the request.", None, malformed(Code::InvalidData, Malformed::NotAnObject)),
        ("frame_too_large", "A frame over its limit.", None, malformed(Code::MessageTooLarge, Malformed::FrameTooLarge(65_536))),
    ]
}

#[rustfmt::skip] // One row, one value.
pub(crate) fn notices() -> Vec<(&'static str, &'static str, Notice)> {
    let closed = |cause| Notice::Closed(Closing::new(cause));
    vec![
        ("token_expiring", "The token ends soon.", Notice::TokenExpiring { expires_at: NOW.plus_ms(60_000) }),
        ("shutdown", "The server is about to stop.", Notice::Shutdown { reconnect_after_ms: 2_500, elsewhere: None }),
        ("shutdown_elsewhere", "A session is sent to another node.", Notice::Shutdown { reconnect_after_ms: 2_500, elsewhere: Some("https://ws-2.example:443".into()) }),
        ("missed", "What was missed of a room.", Notice::Missed(page())),
        ("closed_idle", "Nothing was heard.", closed(CloseCause::Idle)),
        ("closed_slow", "Too slow a reader.", closed(CloseCause::Slow)),
        ("closed_banned", "Banned while connected.", closed(CloseCause::Banned)),
        ("closed_refused", "A refusal that ends the session.", closed(CloseCause::Refused(Refusal::new(Code::InvalidToken)))),
        ("closed_refused_because", "A refusal with a reason that ends the session.", closed(CloseCause::Refused(Refusal::because(Code::InvalidToken, "expired")))),
        ("closed_flooding", "Far beyond the rate.", closed(CloseCause::Flooding)),
        ("closed_shutting_down", "The server stops.", closed(CloseCause::ShuttingDown)),
    ]
}
