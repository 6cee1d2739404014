//! The codecs' hot path: scan and decode what comes in, encode what goes to a whole room.

use std::hint::black_box;

use std::sync::Arc;

use bongsu_model::event::Audience;
use bongsu_model::{
    Encode, Epoch, Event, EventBody, Limits, MembersVersion, Message, MessageId, MessageKind, Profile,
    RoomId, RoomToken, Sender, Seq, Timestamp, UserId,
};
use bongsu_wire::action::{ActionCodec, ActionEvents, ActionFrames, Frames};
use bongsu_wire::incoming::Rules;
use bongsu_wire::socketio::chat::{Chat, ChatEvents, Manner, Style};
use bongsu_wire::socketio::connection::Connection;
use bongsu_wire::socketio::engine::{Heard, Version};
use bongsu_wire::typed::{self, TypeEvents};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const MESSAGE_BYTES: usize = 345;

/// A chat.message of exactly 345 bytes.
fn chat_message() -> String {
    let head = r#"{"type":"chat.message","data":{"room":"general","text":""#;
    let tail = r#"","client_message_id":"c-000001"},"id":"msg_000001"}"#;
    let mut text = "안녕하세요, 오늘 회의는 세 시입니다. ".repeat(9);
    while head.len() + text.len() + tail.len() > MESSAGE_BYTES {
        text.pop();
    }
    text.extend(std::iter::repeat_n(
        '.',
        MESSAGE_BYTES - head.len() - text.len() - tail.len(),
    ));
    format!("{head}{text}{tail}")
}

/// A SEND_MESSAGE of exactly 345 bytes, newline included.
fn send_message() -> Vec<u8> {
    let head = r#"{"action":"SEND_MESSAGE","data":{"chatroom_id":1,"content":""#;
    let tail = concat!(
        r#"","message_type":"text","client_message_id":"c-000001"},"#,
        r#""timestamp":"2024-01-01T12:00:00.000Z","seq_id":"msg_000001","user_id":123}"#,
        "\n"
    );
    let mut content = "안녕하세요, 오늘 회의는 세 시입니다. ".repeat(9);
    while head.len() + content.len() + tail.len() > MESSAGE_BYTES {
        content.pop();
    }
    content.extend(std::iter::repeat_n(
        '.',
        MESSAGE_BYTES - head.len() - content.len() - tail.len(),
    ));
    format!("{head}{content}{tail}").into_bytes()
}

fn new_message(content: &str) -> Event {
    let sender = Sender {
        user: UserId(123),
        handle: "hana".into(),
        nickname: "하나".into(),
        profile: Arc::new(Profile::bare(&"5a".repeat(24))),
    };
    let message = Message {
        id: MessageId(0x0190_0000_0000_7000_8000_0000_0000_0001),
        room: RoomId(1),
        room_name: Some("general".into()),
        room_token: RoomToken([7; 24]),
        seq: Seq(123_456),
        epoch: Epoch(7),
        members: MembersVersion(3),
        sender,
        content: content.into(),
        kind: MessageKind::Text,
        metadata: None,
        reply_to: None,
        created_at: Timestamp(1_704_110_400_100),
    };
    Event {
        id: 42,
        at: Timestamp(1_704_110_400_101),
        cause: Some("msg_000001".into()),
        audience: Audience::Room(RoomId(1)),
        actor: Some(UserId(123)),
        body: EventBody::Posted(message.into()),
    }
}

fn decode(c: &mut Criterion) {
    let bytes = send_message();
    assert_eq!(bytes.len(), MESSAGE_BYTES);
    let rules = Rules {
        limits: &Limits::DEFAULT,
        application_domains: &[],
    };
    let mut codec = ActionCodec::new();
    let mut out = Vec::new();
    c.bench_function("decode_send_message_345", |b| {
        b.iter(|| {
            codec
                .handle_bytes(black_box(&bytes), &rules, &mut out)
                .expect("well formed");
            out.clear();
        });
    });
    let ping = br#"{"action":"PING","data":{},"timestamp":"2024-01-01T12:00:30.000Z","seq_id":"ping_001"}"#;
    c.bench_function("decode_ping", |b| {
        b.iter(|| {
            codec
                .handle_bytes(black_box(ping), &rules, &mut out)
                .expect("well formed");
            out.clear();
        });
    });
}

fn decode_typed(c: &mut Criterion) {
    let rules = Rules {
        limits: &Limits::DEFAULT,
        application_domains: &["game".into()],
    };
    let mut out = Vec::new();
    let message = chat_message();
    assert_eq!(message.len(), MESSAGE_BYTES);
    for (name, text) in [
        ("decode_chat_message_345", &*message),
        (
            "decode_typed_ping",
            r#"{"type":"ping","data":{},"id":"ping_001"}"#,
        ),
        (
            "decode_game_move",
            r#"{"type":"game.move","data":{"room":"general","key":"p1","x":10,"y":20}}"#,
        ),
    ] {
        c.bench_function(name, |b| {
            b.iter(|| {
                typed::message(black_box(text), &rules, &mut out);
                out.clear();
            });
        });
    }
}

/// The same message in both styles of Socket.IO.
fn decode_socketio(c: &mut Criterion) {
    let rules = Rules {
        limits: &Limits::DEFAULT,
        application_domains: &["game".into()],
    };
    let mut connection = Connection::new(Version::V4, 1, None, Chat::new());
    let mut out = Vec::new();
    let connect = Heard::Text("0");
    connection.hear(connect, &rules, &mut out).expect("well formed");
    let text = "안녕하세요, 오늘 회의는 세 시입니다. ".repeat(5);
    let token = "26".repeat(24);
    for (name, packet) in [
        (
            "decode_socketio_message",
            format!(
                r#"27["message",{{"to":{{"type":"ROOM","token":"{token}"}},"type":"TEXT","content":"{text}","client_message_id":"c-000001"}}]"#
            ),
        ),
        (
            "decode_socketio_chat_message",
            format!(
                r#"2["chat.message",{{"room":"general","text":"{text}","client_message_id":"c-000001","id":"msg_000001"}}]"#
            ),
        ),
    ] {
        c.bench_function(name, |b| {
            b.iter(|| {
                connection
                    .hear(Heard::Text(black_box(&packet)), &rules, &mut out)
                    .expect("well formed");
                out.clear();
            });
        });
    }
}

/// One message in the words of each protocol; the same texts, so that they can be compared.
fn encode(c: &mut Criterion) {
    for (kind, content) in [
        ("", "x".repeat(60)),
        ("_korean_300", "가나다라마바사아자차".repeat(10)),
        ("_escapes_300", "line\n\"quoted\"\t".repeat(23)),
    ] {
        let event = new_message(&content);
        let manner = |style| Manner {
            style,
            ..Manner::FIRST
        };
        let encoders: [(&str, &dyn Encode); 5] = [
            ("encode_new_message", &ActionEvents::plain()),
            ("encode_new_message_frame", &ActionFrames::plain()),
            ("encode_chat_message", &TypeEvents::plain()),
            ("encode_socketio_message", &ChatEvents::new(manner(Style::Chat))),
            (
                "encode_socketio_chat_message",
                &ChatEvents::new(manner(Style::Type)),
            ),
        ];
        for (name, encoder) in encoders {
            c.bench_function(&format!("{name}{kind}"), |b| {
                b.iter(|| encoder.encode(black_box(&event)));
            });
        }
    }
}

fn scan(c: &mut Criterion) {
    let stream = send_message().repeat(1_000);
    let limits = Limits::DEFAULT;
    let mut group = c.benchmark_group("scan_1000_messages");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    for read in [16 * 1024, 1_000, 100] {
        group.bench_function(format!("reads_of_{read}"), |b| {
            b.iter(|| {
                let mut frames = Frames::new();
                let mut seen = 0;
                for piece in stream.chunks(read) {
                    frames
                        .push(piece, &limits, |frame| seen += frame.text.len())
                        .expect("well formed");
                }
                seen
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode, decode_typed, decode_socketio, encode, scan);
criterion_main!(benches);
