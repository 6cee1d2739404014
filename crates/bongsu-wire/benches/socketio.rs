//! Socket.IO's hot path: a packet that comes in, a polling payload both ways.

use std::hint::black_box;

use bongsu_model::Limits;
use bongsu_wire::socketio::engine::{Kind, Payloads, Version, message_text, payload};
use bongsu_wire::socketio::packet::{decode, event};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const MESSAGE_BYTES: usize = 345;
const PACKETS: usize = 50;

/// A `message` of exactly 345 bytes.
fn message(text: &str) -> String {
    let head = r#"217["message",{"to":{"type":"ROOM","token":"26ef038d7696b09ec88bd788a64fbc2e5de58333a3785c98"},"content":""#;
    let tail = r#"","client_message_id":"c-000001"}]"#;
    let mut text = text.repeat(20);
    while head.len() + text.len() + tail.len() > MESSAGE_BYTES {
        text.pop();
    }
    let missing = MESSAGE_BYTES - head.len() - text.len() - tail.len();
    text.extend(std::iter::repeat_n('.', missing));
    format!("{head}{text}{tail}")
}

fn packets(c: &mut Criterion) {
    let limits = Limits::DEFAULT;
    let korean = message("안녕하세요, 오늘 회의는 세 시입니다. ");
    assert_eq!(korean.len(), MESSAGE_BYTES);
    c.bench_function("decode_event_345", |b| {
        b.iter(|| decode(black_box(&korean), &limits).expect("well formed"));
    });
    let binary = r#"51-["upload",{"name":"a.png","data":{"_placeholder":true,"num":0}}]"#;
    c.bench_function("decode_binary_event", |b| {
        b.iter(|| decode(black_box(binary), &limits).expect("well formed"));
    });
    let argument = format!("\"{}\"", "x".repeat(300));
    c.bench_function("encode_event_300", |b| {
        b.iter(|| event("/chat", Some(17), 0, "message", black_box(&[&argument])));
    });
}

fn payloads(c: &mut Criterion) {
    let limits = Limits::DEFAULT;
    let mut group = c.benchmark_group("payload_of_50");
    for (name, text) in [
        ("ascii", "Hello, the meeting is at three. "),
        ("korean", "안녕하세요, 오늘 회의는 세 시입니다. "),
    ] {
        let frames = message_text(&message(text)).repeat(PACKETS);
        group.throughput(Throughput::Bytes(frames.len() as u64));
        for (version, label) in [(Version::V3, "v3"), (Version::V4, "v4")] {
            group.bench_function(format!("encode_{label}_{name}"), |b| {
                b.iter(|| payload(version, false, black_box(&frames)));
            });
        }
        let packet = format!("4{}", message(text));
        let v4 = vec![packet.clone(); PACKETS].join("\u{1e}");
        let v3 = format!("{}:{packet}", packet.encode_utf16().count()).repeat(PACKETS);
        let latin: String = packet.bytes().map(char::from).collect();
        let twice = format!("{}:{latin}", latin.chars().count()).repeat(PACKETS);
        for (version, label, body) in [
            (Version::V4, "v4", v4),
            (Version::V3, "v3", v3),
            (Version::V3, "v3_twice", twice),
        ] {
            group.bench_function(format!("decode_{label}_{name}"), |b| {
                b.iter(|| {
                    let mut heard = 0;
                    Payloads::new()
                        .decode(
                            version,
                            Kind::Text,
                            black_box(body.as_bytes()),
                            &limits,
                            &mut |_| heard += 1,
                        )
                        .expect("well formed");
                    heard
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, packets, payloads);
criterion_main!(benches);
