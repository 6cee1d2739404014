//! The type protocol's encoders: any text survives, every message is one whole frame, what is compressed means the same,
//! and refusals name fields as this protocol does.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod common;

use std::sync::Arc;

use bongsu_model::event::{AnnouncementKind, Audience, Priority};
use bongsu_model::refusal::CloseCause;
use bongsu_model::{
    ApplicationEvent, Closing, Code, Encode, Epoch, Event, EventBody, HistoryPage, Locale, MembersVersion,
    Message, MessageId, MessageKind, NamedRoom, Notice, Person, Profile, RawJson, Refusal, Reply, RoomId,
    RoomToken, Sender, Seq, Slot, Tag, Timestamp, UserId, Want,
};
use bongsu_wire::action::{ActionEvents, ActionFrames, text_frame as action_frame};
use bongsu_wire::socketio::chat::{ChatEvents, Manner, Namespace, Style};
use bongsu_wire::typed::client::Heard;
use bongsu_wire::typed::{TypeEvents, TypeVoice};
use bongsu_wire::websocket::{Decoder, Heard as Frame, MessageLimits, Role};
use common::{CLOSE, PACKED_TEXT, TEXT, frames, text_frame};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp(1_704_110_400_100);

fn message(content: &str, name: &str, metadata: Option<&Value>) -> Arc<Message> {
    Arc::new(Message {
        id: MessageId(7),
        room: RoomId(i64::MIN),
        room_name: None,
        room_token: RoomToken([7; 24]),
        seq: Seq(u64::MAX >> 1),
        epoch: Epoch(0xff),
        members: MembersVersion(3),
        sender: Sender {
            user: UserId(1),
            handle: name.into(),
            nickname: name.into(),
            profile: Arc::new(Profile {
                profile_img: Some(name.into()),
                ..Profile::bare("")
            }),
        },
        content: content.into(),
        kind: MessageKind::Text,
        metadata: metadata.map(|it| RawJson::from_validated(it.to_string().into())),
        reply_to: None,
        created_at: NOW,
    })
}

/// The same by another encoder.
fn meant(content: &str, name: &str, metadata: Option<&Value>) -> Value {
    let mut value = json!({
        "room": i64::MIN.to_string(), "text": content, "ts": "2024-01-01T12:00:00.100Z", "seq": u64::MAX >> 1,
        "message_id": format!("{:032x}", 7), "user_id": name, "username": name, "profile_img": name,
        "message_type": "text",
    });
    if let Some(metadata) = metadata {
        value["metadata"] = metadata.clone();
    }
    value
}

fn event(body: EventBody) -> Event {
    Event {
        id: 1,
        at: NOW,
        cause: Some("a secret of its sender".into()),
        audience: Audience::All,
        actor: None,
        body,
    }
}

fn page(messages: Vec<Arc<Message>>) -> HistoryPage {
    HistoryPage {
        room: RoomId(1),
        room_name: Some("general".into()),
        messages,
        has_more: false,
        epoch: Epoch(0xff),
        head: Seq(9),
    }
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        proptest::sample::select(
            &[
                "\"", "\\", "\n", "\r", "\t", "\u{8}", "\u{c}", "\0", "\u{1f}", "\u{7f}", "\u{2028}", "한글",
                "🔥"
            ][..]
        )
        .prop_map(String::from),
        "[ -~]{0,20}",
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// Reads frames as a client does: the text of each message.
fn read(bytes: &[u8], deflate: bool) -> Vec<String> {
    let limits = MessageLimits {
        message_bytes_max: 1 << 24,
        fragments_max: 1,
    };
    let mut texts = Vec::new();
    let mut bytes = bytes.to_vec();
    Decoder::new(Role::Client, deflate)
        .push(&mut bytes, &limits, &mut |heard| match heard {
            Frame::Text(text) => texts.push(text.to_owned()),
            Frame::Binary(_) | Frame::Ping(_) | Frame::Pong(_) | Frame::Close(_) => panic!("{heard:?}"),
        })
        .unwrap();
    texts
}

proptest! {
    #[test]
    fn a_message_says_what_serde_json_says(
        content in text(), name in text(), key in text(), value in text(),
    ) {
        let metadata = json!({ key: value });
        let posted = event(EventBody::Posted(message(&content, &name, Some(&metadata))));
        let frame = text_frame(&TypeEvents::plain().encode(&posted));
        let parsed: Value = serde_json::from_slice(&frame).unwrap();
        prop_assert_eq!(&parsed, &json!({
            "type": "chat.message", "data": meant(&content, &name, Some(&metadata)),
        }));
        // Not only the same meaning: the same spelling of every string.
        for value in [&content, &name] {
            let spelled = serde_json::to_vec(value).unwrap();
            prop_assert!(frame.windows(spelled.len()).any(|it| it == spelled), "{:?}", value);
        }
    }

    #[test]
    fn names_and_references_survive_everywhere(name in text()) {
        let tag = Tag { reference: Some(name.as_str().into()), verb: Some(name.as_str().into()) };
        let voice = TypeVoice::default();
        let refusal = text_frame(&voice.refusal(&tag, &Refusal::field("content", Want::Text), Locale::Ko));
        let heard = Heard::parse(&refusal).unwrap();
        prop_assert_eq!((&*heard.kind, heard.code.as_deref()), ("error", Some("invalid_data")));
        prop_assert_eq!(heard.ref_id.as_deref(), Some(&*name));

        let person = Person { id: UserId(1), handle: name.as_str().into(), nickname: name.as_str().into() };
        let joined = Reply::Joined {
            room: NamedRoom::new(RoomId(1), Some(name.as_str().into())), participants_count: 2,
            online: vec![person.clone(); 2], seq: Seq(0), epoch: Epoch(0), recovered: None,
        };
        let frame = text_frame(&voice.reply(&tag, &joined));
        let heard = Heard::parse(&frame).unwrap();
        let object = heard.object().unwrap();
        prop_assert_eq!(&object["online"][1], &json!({ "user_id": name, "username": name }));
        prop_assert_eq!(&object["room"], &json!(name));
        prop_assert_eq!(heard.ref_id.as_deref(), Some(&*name));

        let told = event(EventBody::Application(Arc::new(ApplicationEvent {
            room: NamedRoom::new(RoomId(1), Some(name.as_str().into())), user: Arc::new(person),
            kind: "game.move".into(), key: Some(name.as_str().into()),
            data: RawJson::from_validated(json!({ "x": name }).to_string().into()),
        })));
        let parsed: Value = serde_json::from_slice(&text_frame(&TypeEvents::plain().encode(&told))).unwrap();
        prop_assert_eq!(&parsed["data"], &json!({ "room": name, "key": name, "x": name, "user_id": name }));
    }

    #[test]
    fn a_compressed_page_means_the_same(contents in proptest::collection::vec(text(), 0..10), over in 0_usize..4_000) {
        let history = page(contents.iter().map(|it| message(it, "n", None)).collect());
        let data = json!({
            "room": "general", "messages": contents.iter().map(|it| meant(it, "n", None)).collect::<Value>(),
            "has_more": false, "epoch": "00000000000000ff",
        });
        for deflate in [None, Some(over)] {
            let voice = TypeVoice::new(deflate);
            let reply = voice.reply(&Tag::default(), &Reply::Page(history.clone()));
            let missed = voice.notice(&Notice::Missed(history.clone()), Locale::En);
            prop_assert_eq!(&reply, &missed);
            let [text] = read(&reply, deflate.is_some()).try_into().unwrap();
            let parsed: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&parsed, &json!({ "type": "room.messages", "data": data }));
            let packed = frames(&reply)[0].0 == PACKED_TEXT;
            prop_assert!(!packed || deflate.is_some_and(|over| text.len() > over));
        }
    }
}

#[test]
fn what_is_compressed_is_larger_than_the_limit() {
    let announced = |bytes: usize| {
        event(EventBody::Announced {
            title: "t".into(),
            message: "x".repeat(bytes).into(),
            kind: AnnouncementKind::Notice,
            priority: Priority::Low,
        })
    };
    let empty = text_frame(&TypeEvents::plain().encode(&announced(0))).len();
    for (bytes, first) in [(1_023, TEXT), (1_024, TEXT), (1_025, PACKED_TEXT)] {
        let event = announced(bytes - empty);
        let plain = TypeEvents::plain().encode(&event);
        let packed = TypeEvents::deflated(1_024).encode(&event);
        assert_eq!(frames(&plain)[0].0, TEXT);
        assert_eq!(frames(&packed)[0].0, first, "{bytes}");
        assert_eq!(read(&packed, true), read(&plain, false));
        if first == PACKED_TEXT {
            assert!(packed.len() < plain.len() / 4);
        } else {
            assert_eq!(packed, plain);
        }
    }
}

/// Frames of every length of header.
#[test]
fn every_event_is_one_frame_without_waste() {
    for bytes in [1, 10, 200, 60_000, 70_000] {
        let posted = event(EventBody::Posted(message(&"x".repeat(bytes), "n", None)));
        for frame in [
            TypeEvents::plain().encode(&posted),
            ActionFrames::plain().encode(&posted),
        ] {
            let [text] = read(&frame, false).try_into().unwrap();
            assert!(text.contains(&"x".repeat(bytes)));
            let length = frame.len();
            let kept = Vec::<u8>::from(frame).capacity();
            assert!(kept <= length * 3 / 2 + 16, "{kept} bytes for {length}");
        }
    }
}

#[test]
fn each_wire_format_keeps_its_own_encoding() {
    let slots = [
        ActionEvents::plain().slot(),
        ActionEvents::packed(1).slot(),
        ActionFrames::plain().slot(),
        ActionFrames::packed(1).slot(),
        TypeEvents::plain().slot(),
        TypeEvents::deflated(1).slot(),
    ];
    assert_eq!(slots, Slot::ALL[..slots.len()]);
    let manners = [Namespace::Main, Namespace::Chat]
        .into_iter()
        .flat_map(|namespace| {
            [
                (Style::Chat, false),
                (Style::Chat, true),
                (Style::Type, false),
                (Style::Type, true),
            ]
            .map(|(style, offset)| {
                ChatEvents::new(Manner {
                    namespace,
                    style,
                    offset,
                })
                .slot()
            })
        });
    assert!(manners.eq(Slot::ALL[slots.len()..].iter().copied()));
}

#[test]
fn a_frame_of_the_action_protocol_is_its_line() {
    for (content, packed) in [("x", false), (&*"x".repeat(2_000), true)] {
        let posted = event(EventBody::Posted(message(content, "n", None)));
        for (lines, frames) in [
            (ActionEvents::plain(), ActionFrames::plain()),
            (ActionEvents::packed(1_024), ActionFrames::packed(1_024)),
        ] {
            let line = lines.encode(&posted);
            let frame = frames.encode(&posted);
            assert_eq!(frame, action_frame(&line));
            assert_eq!(text_frame(&frame), line[..line.len() - 1]);
        }
        let plain = ActionFrames::plain().encode(&posted);
        assert_eq!(
            ActionFrames::packed(1_024).encode(&posted) != plain,
            packed,
            "{content}"
        );
    }
}

#[test]
fn refusals_name_fields_as_this_protocol_does() {
    let said = |verb: &str, refusal: &Refusal| {
        let tag = Tag {
            reference: None,
            verb: Some(verb.into()),
        };
        let frame = text_frame(&TypeVoice::default().refusal(&tag, refusal, Locale::En));
        Heard::parse(&frame).unwrap().message.unwrap().into_owned()
    };
    for (name, shown) in [
        ("chatroom_id", "room"),
        ("content", "text"),
        ("jwt_token", "token"),
        ("resume.chatroom_id", "resume.room"),
        ("target_user_id", "target_user_id"),
        ("user_id", "user_id"),
        ("metadata", "metadata"),
    ] {
        let shown = format!("`{shown}` ");
        assert!(said("chat.message", &Refusal::field(name, Want::Present)).starts_with(&shown));
        assert!(said("chat.message", &Refusal::too_large(name, 9)).starts_with(&shown));
    }
    // In calls the names are the action protocol's, and a room may have that, too.
    let alone = Refusal::field("chatroom_id", Want::Alone);
    assert!(said("call.create", &alone).starts_with("`chatroom_id` "));
}

#[test]
fn a_close_is_the_last_error_and_its_frame() {
    let causes = [
        (CloseCause::Idle, 4408, "now"),
        (CloseCause::Slow, 4408, "now"),
        (CloseCause::SignInTimeout, 4401, "later"),
        (CloseCause::FrameTimeout, 4400, "later"),
        (CloseCause::Flooding, 4429, "later"),
        (CloseCause::TokenExpired, 4401, "never"),
        (CloseCause::TokenRevoked, 4401, "never"),
        (CloseCause::Banned, 4403, "never"),
        (CloseCause::Disconnected, 4403, "now"),
        (CloseCause::ShuttingDown, 4503, "later"),
        (
            CloseCause::Refused(Refusal::retry(Code::Overloaded, 1_500)),
            4503,
            "later",
        ),
    ];
    for (cause, close_code, reconnect) in causes {
        let closing = Closing::new(cause);
        let notice = Notice::Closed(closing.clone());
        for locale in [Locale::En, Locale::Ko] {
            let bytes = TypeVoice::new(Some(0)).notice(&notice, locale);
            let frames = frames(&bytes);
            let [(TEXT, text), (CLOSE, close)] = frames.as_slice() else {
                panic!("{frames:?}")
            };
            let heard = Heard::parse(text).unwrap();
            assert_eq!(heard.code.as_deref(), Some(closing.code().lower_name()));
            assert_eq!(heard.reconnect.as_deref(), Some(reconnect), "{closing:?}");
            assert!(heard.message.is_some() && heard.ref_id.is_none());
            let retries = matches!(closing.cause, CloseCause::Refused(_));
            assert_eq!(heard.retry_after_ms, retries.then_some(1_500));
            assert_eq!(close[..2], u16::to_be_bytes(close_code), "{closing:?}");
            assert_eq!(&close[2..], format!("reconnect={reconnect}").as_bytes());
        }
    }
}

#[test]
fn who_is_turned_away_is_told_why_and_how_to_go_on() {
    let tag = Tag {
        reference: Some("s1".into()),
        verb: Some("auth".into()),
    };
    let refusal = Refusal::because(Code::InvalidToken, "expired");
    for (own, close_code) in [(None, 4401_u16), (Some(1002), 1002)] {
        let bytes = TypeVoice::default().last_words(&tag, &refusal, own, Locale::En);
        let frames = frames(&bytes);
        let [(TEXT, text), (CLOSE, close)] = frames.as_slice() else {
            panic!("{frames:?}")
        };
        let heard = Heard::parse(text).unwrap();
        assert_eq!(
            (heard.ref_id.as_deref(), heard.reason.as_deref()),
            (Some("s1"), Some("expired"))
        );
        assert_eq!(heard.reconnect.as_deref(), Some("never"));
        assert_eq!(close[..2], close_code.to_be_bytes());
    }
}
