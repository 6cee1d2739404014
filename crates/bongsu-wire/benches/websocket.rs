//! The WebSocket codec's hot path: a client's frame of chat size comes in, a frame for a whole room goes out.

use std::hint::black_box;

use bongsu_wire::websocket::{
    Decoder, HEADER_BYTES_MAX, Heard, MessageLimits, Opcode, Role, client_frame, deflated, frame, seal,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const LIMITS: MessageLimits = MessageLimits {
    message_bytes_max: 64 * 1024,
    fragments_max: 64,
};
const MESSAGE_BYTES: usize = 300;

/// JSON of exactly 300 bytes, a third of it Korean.
fn message() -> Vec<u8> {
    let head = r#"{"type":"chat.message","id":"c-000001","data":{"room":"general","text":""#;
    let tail = r#"","client_message_id":"c-000001"}}"#;
    let mut text = "안녕하세요, 오늘 회의는 세 시입니다. ".repeat(2);
    let missing = MESSAGE_BYTES - head.len() - text.len() - tail.len();
    text.extend(std::iter::repeat_n('.', missing));
    format!("{head}{text}{tail}").into_bytes()
}

fn hear(decoder: &mut Decoder, bytes: &mut [u8]) -> usize {
    let mut heard = 0;
    decoder
        .push(bytes, &LIMITS, &mut |what| {
            heard += match what {
                Heard::Text(text) => text.len(),
                Heard::Binary(bytes) | Heard::Ping(bytes) | Heard::Pong(bytes) => bytes.len(),
                Heard::Close(_) => 0,
            }
        })
        .expect("well formed");
    heard
}

fn decode(c: &mut Criterion) {
    let message = message();
    // The mask is undone in place, so each round has a frame of its own; making it is not measured.
    let masked = client_frame(Opcode::Text, &message, [0x37, 0xfa, 0x21, 0x3d]);
    let mut group = c.benchmark_group("websocket");
    let mut decoder = Decoder::new(Role::Server, false);
    group.bench_function("masked_text_300", |b| {
        b.iter_batched_ref(
            || masked.clone(),
            |bytes| hear(&mut decoder, bytes),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("masked_text_300_in_two_reads", |b| {
        b.iter_batched_ref(
            || masked.clone(),
            |bytes| {
                let (one, two) = bytes.split_at_mut(150);
                hear(&mut decoder, one) + hear(&mut decoder, two)
            },
            BatchSize::SmallInput,
        );
    });
    let mut decoder = Decoder::new(Role::Client, true);
    let mut packed = deflated(Opcode::Text, &message).to_vec();
    group.bench_function("inflated_text_300", |b| {
        b.iter(|| hear(&mut decoder, black_box(&mut packed)));
    });
    let large = client_frame(Opcode::Binary, &[7; 60_000], [1, 2, 3, 4]);
    group.throughput(Throughput::Bytes(large.len() as u64));
    let mut decoder = Decoder::new(Role::Server, false);
    group.bench_function("masked_binary_60000", |b| {
        b.iter_batched_ref(
            || large.clone(),
            |bytes| hear(&mut decoder, bytes),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn encode(c: &mut Criterion) {
    let message = message();
    let mut reserved = vec![0; HEADER_BYTES_MAX];
    reserved.extend_from_slice(&message);
    let mut group = c.benchmark_group("websocket");
    group.bench_function("seal_300", |b| {
        b.iter_batched(
            || reserved.clone(),
            |buffer| seal(buffer, Opcode::Text),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("frame_300", |b| {
        b.iter(|| frame(Opcode::Text, black_box(&message)))
    });
    group.bench_function("deflated_300", |b| {
        b.iter(|| deflated(Opcode::Text, black_box(&message)))
    });
    let page = message.repeat(40);
    group.bench_function("deflated_12000", |b| {
        b.iter(|| deflated(Opcode::Text, black_box(&page)))
    });
    group.finish();
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
