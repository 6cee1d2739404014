//! What every message costs that a node tells the others, and what it costs each of them.

use std::hint::black_box;
use std::sync::Arc;

use bongsu_model::event::Audience;
use bongsu_model::{
    Epoch, Event, EventBody, Heard, MembersVersion, Message, MessageId, MessageKind, Outbound, Profile,
    RawJson, RoomId, RoomToken, Sender, Seq, Timestamp, UserId,
};
use bongsu_wire::backplane;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ORIGIN: u64 = 0x0123_4567_89ab_cdef;

fn posted(content: &str, metadata: Option<&'static str>) -> Heard {
    let message = Message {
        id: MessageId(0x0190_0000_0000_7000_8000_0000_0000_0001),
        room: RoomId(1),
        room_name: Some("general".into()),
        room_token: RoomToken([7; 24]),
        seq: Seq(123_456),
        epoch: Epoch(0x1234_5678_9abc_def0),
        members: MembersVersion(3),
        sender: Sender {
            user: UserId(123),
            handle: "hana".into(),
            nickname: "하나".into(),
            profile: Arc::new(Profile::bare(&"5a".repeat(24))),
        },
        content: content.into(),
        kind: MessageKind::Text,
        metadata: metadata.map(|it| RawJson::from_validated(it.into())),
        reply_to: None,
        created_at: Timestamp(1_704_110_400_100),
    };
    Heard::Event(Outbound::new(Event {
        id: 0xfedc_ba98_7654_3210,
        at: Timestamp(1_704_110_400_101),
        cause: Some("msg_000001".into()),
        audience: Audience::Room(RoomId(1)),
        actor: Some(UserId(123)),
        body: EventBody::Posted(Arc::new(message)),
    }))
}

fn message(c: &mut Criterion) {
    let text = "가나다라마바사아자차".repeat(10);
    let cases = [
        ("message_300", posted(&text, None)),
        (
            "message_300_metadata",
            posted(&text, Some(r#"{"width":640,"height":480,"name":"a.png"}"#)),
        ),
    ];
    for (name, heard) in cases {
        let bytes = backplane::encode(&heard, ORIGIN);
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("encode", |b| {
            b.iter(|| backplane::encode(black_box(&heard), ORIGIN))
        });
        group.bench_function("decode", |b| b.iter(|| backplane::decode(black_box(&bytes))));
        group.bench_function("origin", |b| b.iter(|| backplane::origin(black_box(&bytes))));
        group.finish();
    }
}

criterion_group!(benches, message);
criterion_main!(benches);
