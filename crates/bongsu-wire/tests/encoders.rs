//! Encoders: any text survives, what is compressed means the same, and only what may be compressed is.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod common;

use std::sync::Arc;

use bongsu_model::event::{AnnouncementKind, Audience, Priority};
use bongsu_model::{
    Encode, Epoch, Event, EventBody, HistoryPage, Limits, Locale, MembersVersion, Message, MessageId,
    MessageKind, NamedRoom, Notice, Person, Profile, RawJson, Refusal, Reply, RoomId, RoomToken, Sender, Seq,
    Tag, Timestamp, UserId, Want,
};
use bongsu_wire::action::client::{Greeting, Heard, connect_with};
use bongsu_wire::action::{ActionCodec, ActionEvents, Voice};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp(1_704_110_400_100);

/// How a client is spoken to that accepts compression.
fn accepting() -> Voice {
    let mut codec = ActionCodec::new();
    let greeting = Greeting {
        accept_compression: true,
        ..Greeting::default()
    };
    codec
        .handle_bytes(
            &connect_with("t", &greeting, "s"),
            &common::rules(&Limits::DEFAULT),
            &mut Vec::new(),
        )
        .unwrap();
    codec.voice()
}

fn message(content: &str, nickname: &str, metadata: Option<&Value>) -> Arc<Message> {
    Arc::new(Message {
        id: MessageId(7),
        room: RoomId(1),
        room_name: None,
        room_token: RoomToken([7; 24]),
        seq: Seq(u64::MAX >> 1),
        epoch: Epoch(0xff),
        members: MembersVersion(3),
        sender: Sender {
            user: UserId(i64::MIN),
            handle: i64::MIN.to_string().into(),
            nickname: nickname.into(),
            profile: Arc::new(Profile::bare("")),
        },
        content: content.into(),
        kind: MessageKind::Text,
        metadata: metadata.map(|it| RawJson::from_validated(it.to_string().into())),
        reply_to: None,
        created_at: NOW,
    })
}

/// The same by another encoder.
fn meant(content: &str, nickname: &str, metadata: Option<&Value>) -> Value {
    let mut value = json!({
        "message_id": format!("{:032x}", 7), "chatroom_id": 1, "seq": u64::MAX >> 1,
        "sender": { "user_id": i64::MIN, "nickname": nickname }, "content": content, "message_type": "text",
        "created_at": "2024-01-01T12:00:00.100Z",
    });
    if let Some(metadata) = metadata {
        value["metadata"] = metadata.clone();
    }
    value
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

proptest! {
    #[test]
    fn a_posted_message_says_what_serde_json_says(
        content in text(), nickname in text(), cause in text(), key in text(), value in text(),
    ) {
        let metadata = json!({ key: value });
        let event = Event {
            id: 1,
            at: NOW,
            cause: Some(cause.as_str().into()),
            audience: Audience::Room(RoomId(1)),
            actor: None,
            body: EventBody::Posted(message(&content, &nickname, Some(&metadata))),
        };
        let line = ActionEvents::plain().encode(&event);
        prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let parsed: Value = serde_json::from_slice(&line).unwrap();
        prop_assert_eq!(&parsed, &json!({
            "action": "NEW_MESSAGE", "data": meant(&content, &nickname, Some(&metadata)),
            "timestamp": "2024-01-01T12:00:00.100Z", "seq_id": cause,
        }));
        // Not only the same meaning: the same spelling of every string.
        for value in [&content, &nickname, &cause] {
            let spelled = serde_json::to_vec(value).unwrap();
            prop_assert!(line.windows(spelled.len()).any(|it| it == spelled), "{:?}", value);
        }
    }

    #[test]
    fn names_and_references_survive_everywhere(name in text(), verb in text()) {
        let tag = Tag { reference: Some(name.as_str().into()), verb: Some(verb.as_str().into()) };
        let codec = ActionCodec::new();
        let refusal = Refusal::field("content", Want::Text);
        let line = codec.refusal(&tag, &refusal, Locale::Ko, NOW, 1);
        let parsed: Value = serde_json::from_slice(&line).unwrap();
        prop_assert_eq!(&parsed["data"]["original_seq_id"], &json!(name));
        if verb != "CONNECT" {
            prop_assert_eq!(&parsed["data"]["original_action"], &json!(verb));
        }
        let online = vec![Person { id: UserId(1), handle: "1".into(), nickname: name.as_str().into() }; 2];
        let room = NamedRoom::new(RoomId(1), None);
        let joined =
            Reply::Joined { room, participants_count: 2, online, seq: Seq(0), epoch: Epoch(0), recovered: None };
        let line = codec.reply(&tag, &joined, NOW, &Limits::DEFAULT).unwrap();
        let parsed: Value = serde_json::from_slice(&line).unwrap();
        prop_assert_eq!(&parsed["data"]["online_participants"][1]["nickname"], &json!(name));
        prop_assert_eq!(&parsed["seq_id"], &json!(name));
    }

    #[test]
    fn a_compressed_page_means_the_same(contents in proptest::collection::vec(text(), 0..40)) {
        let messages = contents.iter().map(|it| message(it, "n", None)).collect();
        let page = HistoryPage { room: RoomId(1), room_name: None, messages, has_more: false, epoch: Epoch(0xff), head: Seq(9) };
        let meant = json!({
            "chatroom_id": 1, "messages": contents.iter().map(|it| meant(it, "n", None)).collect::<Value>(),
            "has_more": false, "epoch": "00000000000000ff",
        });
        let tag = Tag { reference: Some("s".into()), verb: None };
        let limits = Limits::DEFAULT;
        for (voice, accepts) in [(ActionCodec::new().voice(), false), (accepting(), true)] {
            let lines = [
                voice.reply(&tag, &Reply::Page(page.clone()), NOW, &limits).unwrap(),
                voice.notice(&Notice::Missed(page.clone()), Locale::En, NOW, 1, &limits),
            ];
            for line in lines {
                let heard = Heard::parse(&line).unwrap();
                prop_assert_eq!(heard.object().unwrap(), meant.clone());
                let over = meant.to_string().len() > limits.compress_over_bytes;
                prop_assert_eq!(heard.compressed, accepts && over);
            }
        }
    }
}

#[test]
fn data_is_compressed_over_the_limit_and_not_at_it() {
    let page = |bytes: usize| {
        let page = |content: &str| HistoryPage {
            room: RoomId(1),
            room_name: None,
            messages: vec![message(content, "n", None)],
            has_more: false,
            epoch: Epoch(0xff),
            head: Seq(9),
        };
        let tag = Tag::default();
        let plain = ActionCodec::new()
            .reply(&tag, &Reply::Page(page("")), NOW, &Limits::DEFAULT)
            .unwrap();
        let data: &serde_json::value::RawValue =
            serde_json::from_slice::<std::collections::HashMap<&str, &serde_json::value::RawValue>>(&plain)
                .unwrap()["data"];
        page(&"x".repeat(bytes - data.get().len()))
    };
    let limits = Limits::DEFAULT;
    for (bytes, compressed) in [(1_023, false), (1_024, false), (1_025, true)] {
        let line = accepting()
            .reply(&Tag::default(), &Reply::Page(page(bytes)), NOW, &limits)
            .unwrap();
        assert_eq!(Heard::parse(&line).unwrap().compressed, compressed, "{bytes}");
        let line = ActionCodec::new()
            .reply(&Tag::default(), &Reply::Page(page(bytes)), NOW, &limits)
            .unwrap();
        assert!(!Heard::parse(&line).unwrap().compressed);
    }
}

#[test]
fn every_event_fits_one_line_without_waste() {
    let body = EventBody::Announced {
        title: "\n".repeat(2_000).into(),
        message: "x".into(),
        kind: bongsu_model::event::AnnouncementKind::Notice,
        priority: Priority::Low,
    };
    let event = Event {
        id: 1,
        at: NOW,
        cause: None,
        audience: Audience::All,
        actor: None,
        body,
    };
    let line = ActionEvents::plain().encode(&event);
    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
    let bytes = line.len();
    let kept = Vec::<u8>::from(line).capacity();
    assert!(kept <= bytes * 3 / 2, "{kept} bytes for {bytes}");
}

#[test]
fn an_idle_codec_owns_no_memory() {
    let mut codec = ActionCodec::new();
    assert!(size_of_val(&codec) <= 64, "{}", size_of_val(&codec));
    let mut out = Vec::new();
    codec
        .handle_bytes(b"{\"action\":", &common::rules(&Limits::DEFAULT), &mut out)
        .unwrap();
    assert!(codec.in_frame() && codec.kept_bytes() == 10);
    codec
        .handle_bytes(b"\"PING\"}\n", &common::rules(&Limits::DEFAULT), &mut out)
        .unwrap();
    assert_eq!((codec.in_frame(), codec.kept_bytes(), out.len()), (false, 0, 1));
}

/// Large `data` of an event is packed for clients that accept it, and for them alone; small data for nobody.
#[test]
fn large_events_are_packed_for_those_who_accept_it() {
    let announced = |bytes: usize| Event {
        id: 7,
        at: Timestamp(0),
        cause: None,
        audience: Audience::All,
        actor: None,
        body: EventBody::Announced {
            title: "t".into(),
            message: "가".repeat(bytes / 3).into(),
            kind: AnnouncementKind::Notice,
            priority: Priority::Low,
        },
    };
    let large = announced(3_000);
    let plain = ActionEvents::plain().encode(&large);
    let packed = ActionEvents::packed(1_024).encode(&large);
    assert!(packed.len() < plain.len() / 4);
    let heard = Heard::parse(&packed).unwrap();
    assert!(heard.compressed);
    assert_eq!(
        heard.object().unwrap(),
        Heard::parse(&plain).unwrap().object().unwrap()
    );
    let small = announced(30);
    assert_eq!(
        ActionEvents::packed(1_024).encode(&small),
        ActionEvents::plain().encode(&small)
    );
    assert_ne!(
        ActionEvents::packed(1_024).slot(),
        ActionEvents::plain().slot(),
        "each has its own memory"
    );
}
