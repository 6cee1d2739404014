//! A polling payload that goes out, made of the frames that wait.
//!
//! Invariant: what a poll gets are the packets that a WebSocket would have got, in the same order; a close frame ends
//! it with the packet that closes the session.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::Version;
use super::decode::SEPARATOR;
use super::frames::frames;
use super::packets::BINARY_MESSAGE;
use super::records::{BINARY, END_OF_LENGTH, TEXT, units_of};
use crate::websocket::Opcode;

const TEXT_TYPE: &str = "text/plain; charset=UTF-8";
const OCTETS_TYPE: &str = "application/octet-stream";
const SCRIPT_TYPE: &str = "text/javascript; charset=UTF-8";

/// A UTF-16 unit as `\uXXXX`.
const ESCAPE_BYTES: usize = 6;

/// Digits of a script's number that count.
const SCRIPT_DIGITS_MAX: usize = 10;

/// The answer to a poll.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payload {
    /// What its `Content-Type` says.
    pub content_type: &'static str,
    /// Its body.
    pub body: Bytes,
    /// How many packets are in it; a poll must not be answered with none.
    pub packets: usize,
    /// The last of them closes the session.
    pub closes: bool,
}

/// Makes a payload of whole frames of a server: text, binary and close frames; pings and pongs of WebSocket are left
/// out. `binary_ok`: the client reads bytes, that is, it has not said `b64=1`; it counts only in version 3.
///
/// A message's characters beyond ASCII are escaped for version 3, as JSON allows inside strings: clients of Socket.IO 1
/// and 2 do not agree on how they are sent otherwise. What stands before the first string is left alone.
///
/// # Panics
///
/// If `frames` is anything else than whole frames, unmasked and uncompressed.
#[must_use]
pub fn payload(version: Version, binary_ok: bool, frames: &[u8]) -> Payload {
    match version {
        Version::V4 => Writer::new(frames).fill(frames, separated),
        Version::V3 if binary_ok && has_binary(frames) => Payload {
            content_type: OCTETS_TYPE,
            ..Writer::new(frames).fill(frames, octets)
        },
        Version::V3 => Writer::new(frames).fill(frames, records),
    }
}

/// A payload as a script, for a page that polls by scripts; `index` is the request's parameter `j`, of which the first
/// digits count.
///
/// # Panics
///
/// As [`payload`].
#[must_use]
pub fn script(version: Version, index: &str, frames: &[u8]) -> Payload {
    let plain = payload(version, false, frames);
    let text = std::str::from_utf8(&plain.body).expect("without bytes it is text");
    let mut body = Vec::with_capacity(text.len() + text.len() / 4 + 32);
    body.extend_from_slice(b"___eio[");
    body.extend(index.bytes().filter(u8::is_ascii_digit).take(SCRIPT_DIGITS_MAX));
    body.extend_from_slice(b"](");
    let start = body.len();
    serde_json::to_writer(&mut body, text).expect("a text can be written to memory");
    // Two characters may stand in a string of JSON, but not of a script.
    let body = match memchr::memmem::find(&body[start..], b"\xe2\x80") {
        Some(_) => String::from_utf8(body)
            .expect("json is text")
            .replace('\u{2028}', "\\u2028")
            .replace('\u{2029}', "\\u2029")
            .into_bytes(),
        None => body,
    };
    let mut body = body;
    body.extend_from_slice(b");");
    Payload {
        content_type: SCRIPT_TYPE,
        body: body.into(),
        ..plain
    }
}

fn has_binary(bytes: &[u8]) -> bool {
    frames(bytes).any(|(opcode, _)| opcode == Opcode::Binary)
}

/// A packet on its way out.
#[derive(Clone, Copy)]
enum Packet<'a> {
    Text(&'a [u8]),
    /// As in the frame: version 3 has the type in front.
    Binary(&'a [u8]),
}

/// A payload under construction.
struct Writer {
    body: Vec<u8>,
    packets: usize,
}

impl Writer {
    fn new(frames: &[u8]) -> Self {
        Self {
            body: Vec::with_capacity(frames.len() + 16),
            packets: 0,
        }
    }

    fn fill(mut self, bytes: &[u8], write: fn(&mut Self, Packet<'_>)) -> Payload {
        let mut closes = false;
        for (opcode, payload) in frames(bytes) {
            let packet = match opcode {
                Opcode::Text => Packet::Text(payload),
                Opcode::Binary => Packet::Binary(payload),
                Opcode::Close => Packet::Text(b"1"),
                Opcode::Ping | Opcode::Pong => continue,
            };
            write(&mut self, packet);
            self.packets += 1;
            closes = matches!(packet, Packet::Text([b'1', ..]));
            if closes {
                break;
            }
        }
        Payload {
            content_type: TEXT_TYPE,
            body: self.body.into(),
            packets: self.packets,
            closes,
        }
    }

    fn base64(&mut self, bytes: &[u8]) {
        let start = self.body.len();
        self.body.resize(start + bytes.len().div_ceil(3) * 4, 0);
        let written = STANDARD.encode_slice(bytes, &mut self.body[start..]);
        debug_assert_eq!(written, Ok(self.body.len() - start));
    }

    fn number(&mut self, number: usize) {
        self.body
            .extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
}

/// Version 4.
fn separated(out: &mut Writer, packet: Packet<'_>) {
    if out.packets > 0 {
        out.body.push(SEPARATOR);
    }
    match packet {
        Packet::Text(text) => out.body.extend_from_slice(text),
        Packet::Binary(bytes) => {
            out.body.push(b'b');
            out.base64(bytes);
        }
    }
}

/// Version 3, as text.
fn records(out: &mut Writer, packet: Packet<'_>) {
    match packet {
        Packet::Text(text) if text.is_ascii() => {
            out.number(text.len());
            out.body.push(b':');
            out.body.extend_from_slice(text);
        }
        Packet::Text(text) => {
            let text = std::str::from_utf8(text).expect("a text frame of ours is utf-8");
            let (head, json) = text.split_at(memchr::memchr(b'"', text.as_bytes()).unwrap_or(text.len()));
            let ascii = json.bytes().filter(u8::is_ascii).count();
            let escapes = units_of(json.as_bytes()) - ascii;
            out.number(units_of(head.as_bytes()) + ascii + ESCAPE_BYTES * escapes);
            out.body.push(b':');
            out.body.extend_from_slice(head.as_bytes());
            escape(&mut out.body, json);
        }
        Packet::Binary(bytes) => {
            let (kind, bytes) = typed(bytes);
            out.number(2 + bytes.len().div_ceil(3) * 4);
            out.body.extend_from_slice(&[b':', b'b', b'0' + kind]);
            out.base64(bytes);
        }
    }
}

/// Version 3, as bytes: here everybody agrees on UTF-8.
fn octets(out: &mut Writer, packet: Packet<'_>) {
    let (kind, bytes) = match packet {
        Packet::Text(text) => (TEXT, text),
        Packet::Binary(bytes) => (BINARY, bytes),
    };
    out.body.push(kind);
    for digit in itoa::Buffer::new().format(bytes.len()).bytes() {
        out.body.push(digit - b'0');
    }
    out.body.push(END_OF_LENGTH);
    out.body.extend_from_slice(bytes);
}

fn typed(bytes: &[u8]) -> (u8, &[u8]) {
    match bytes {
        [BINARY_MESSAGE, rest @ ..] => (BINARY_MESSAGE, rest),
        _ => unreachable!("a binary frame of version 3 begins with the type of a message"),
    }
}

/// Copies, with each character beyond ASCII as the escapes of its UTF-16 units.
fn escape(out: &mut Vec<u8>, json: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digit = |unit: u16, shift: u32| HEX[usize::from(unit >> shift & 15)];
    let mut rest = json;
    while let Some(at) = rest.bytes().position(|byte| !byte.is_ascii()) {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let mut characters = rest[at..].chars();
        for character in characters.by_ref() {
            if character.is_ascii() {
                out.push(character as u8);
                break;
            }
            for unit in character.encode_utf16(&mut [0; 2]) {
                let [a, b, c, d] = [12, 8, 4, 0].map(|shift| digit(*unit, shift));
                let escape: [u8; ESCAPE_BYTES] = [b'\\', b'u', a, b, c, d];
                out.extend_from_slice(&escape);
            }
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
}
