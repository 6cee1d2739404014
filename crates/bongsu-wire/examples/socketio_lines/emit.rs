//! What we say, and damaged forms of it, each with our own reading.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bongsu_wire::socketio::engine::{self, Kind, Payload, Version};
use bongsu_wire::socketio::packet;
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::read::{read_packet, read_payload};

/// One packet and one damaged packet of Socket.IO, and one payload of each form, whole and damaged.
pub(crate) fn round(chance: &mut Chance) -> Vec<Value> {
    let mut lines = Vec::new();
    let text = packet_text(chance);
    lines.push(json!({ "packet": text, "whole": true, "read": read_packet(&text) }));
    let damaged = damage_text(chance, &text);
    lines.push(json!({ "packet": damaged, "whole": false, "read": read_packet(&damaged) }));
    for (version, binary_ok) in [(Version::V4, true), (Version::V3, false), (Version::V3, true)] {
        let (frames, said) = frames(chance, version);
        let made = engine::payload(version, binary_ok, &frames);
        let kind = Kind::of(Some(made.content_type), false);
        lines.push(payload_line(version, kind, &made.body, Some(&said)));
        let damaged = damage(chance, &made.body);
        lines.push(payload_line(version, kind, &damaged, None));
        let script = engine::script(version, "7", &frames);
        lines.push(script_line(version, &script, &said));
    }
    lines
}

fn payload_line(version: Version, kind: Kind, body: &[u8], said: Option<&[Value]>) -> Value {
    json!({
        "version": match version { Version::V3 => 3, Version::V4 => 4 },
        "form": match kind { Kind::Text => "text", Kind::Octets => "octets", Kind::Form => "form" },
        "body": STANDARD.encode(body),
        "whole": said.is_some(),
        "meant": said,
        "read": read_payload(version, kind, body),
    })
}

fn script_line(version: Version, script: &Payload, said: &[Value]) -> Value {
    json!({
        "version": match version { Version::V3 => 3, Version::V4 => 4 },
        "script": std::str::from_utf8(&script.body).expect("a script is text"),
        "meant": said,
    })
}

/// Frames of a server, and what they mean.
fn frames(chance: &mut Chance, version: Version) -> (Vec<u8>, Vec<Value>) {
    let (mut frames, mut said) = (Vec::new(), Vec::new());
    for _ in 0..=chance.below(5) {
        match chance.below(8) {
            0 => {
                frames.extend(engine::noop());
                said.push(json!({ "type": "noop" }));
            }
            1 => {
                frames.extend(engine::pong("probe"));
                said.push(json!({ "type": "pong", "data": "probe" }));
            }
            2 | 3 => {
                let bytes = chance.bytes(20);
                frames.extend(engine::message_binary(version, &bytes));
                said.push(json!({ "type": "message", "binary": STANDARD.encode(bytes) }));
            }
            _ => {
                let packet = packet_text(chance);
                frames.extend(engine::message_text(&packet));
                said.push(json!({ "type": "message", "data": packet }));
            }
        }
    }
    (frames, said)
}

fn packet_text(chance: &mut Chance) -> String {
    let namespace = chance.of(&["/", "/", "/chat", "/a-b.c"]);
    let id = (!chance.one_in(2)).then(|| chance.below(1 << 20) as u64);
    let attachments = if chance.one_in(3) { chance.below(4) } else { 0 };
    let mut arguments: Vec<String> = (0..chance.below(4))
        .map(|_| value(chance, 3).to_string())
        .collect();
    for num in 0..attachments {
        let at = chance.below(arguments.len() + 1);
        let hole = json!({ "_placeholder": true, "num": num });
        let deeper = chance.one_in(2);
        let hole = if deeper { json!({ "in": [hole] }) } else { hole };
        arguments.insert(at, hole.to_string());
    }
    let arguments: Vec<&str> = arguments.iter().map(|it| &**it).collect();
    let object = json!({ "token": chance.text(), "n": value(chance, 2) }).to_string();
    let frame = match chance.below(8) {
        0 => packet::connect(namespace, chance.one_in(2).then_some(&*object)),
        1 => packet::disconnect(namespace),
        2 => packet::connect_error(namespace, &object),
        3 | 4 => packet::ack(namespace, id.unwrap_or(0), attachments, &arguments),
        _ => packet::event(namespace, id, attachments, &chance.text(), &arguments),
    };
    packet_of(&frame)
}

/// The packet in one of our own frames.
fn packet_of(frame: &[u8]) -> String {
    let made = engine::payload(Version::V4, false, frame);
    let text = std::str::from_utf8(&made.body).expect("a text frame");
    text.strip_prefix('4').expect("a message").to_owned()
}

fn value(chance: &mut Chance, depth: usize) -> Value {
    match chance.below(if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => json!(chance.one_in(2)),
        2 => json!(chance.below(1 << 40)),
        3 | 4 => Value::from(chance.text()),
        5 => (0..chance.below(3)).map(|_| value(chance, depth - 1)).collect(),
        _ => (0..chance.below(3))
            .map(|_| (chance.text(), value(chance, depth - 1)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

/// With something taken away, put in or changed, mostly where it matters: at the start.
fn damage(chance: &mut Chance, body: &[u8]) -> Vec<u8> {
    let mut damaged = body.to_vec();
    for _ in 0..=chance.below(2) {
        let near = if chance.one_in(2) {
            damaged.len().min(6)
        } else {
            damaged.len()
        };
        let at = chance.below(near + 1);
        match chance.below(4) {
            0 if at < damaged.len() => {
                damaged.remove(at);
            }
            1 if at < damaged.len() => {
                damaged[at] = chance.of(&[b"0", b"1", b":", b"b", b"4", b"\x1e", b"\xff"])[0]
            }
            2 => damaged.truncate(at),
            _ => damaged.insert(
                at,
                chance.of(&[b"0", b"2", b":", b"b", b"\x00", b"\x01", b"\xff"])[0],
            ),
        }
    }
    damaged
}

fn damage_text(chance: &mut Chance, text: &str) -> String {
    let mut damaged: Vec<char> = text.chars().collect();
    for _ in 0..=chance.below(2) {
        let near = if chance.one_in(3) {
            damaged.len()
        } else {
            damaged.len().min(8)
        };
        let at = chance.below(near + 1);
        let piece = chance.of(&[
            "0",
            "1",
            "9",
            "-",
            "/",
            ",",
            "?",
            "[",
            "]",
            "{",
            "}",
            "\"",
            " ",
            "[1]",
            "null",
            "5",
            "[\"connect\"]",
        ]);
        match chance.below(3) {
            0 if at < damaged.len() => {
                damaged.remove(at);
            }
            1 => damaged.truncate(at),
            _ => {
                damaged.splice(at..at, piece.chars());
            }
        }
    }
    damaged.into_iter().collect()
}
