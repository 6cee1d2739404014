//! What a server says, as whole WebSocket frames.
//!
//! Invariant: one frame is one packet, unmasked, the same for every transport; a polling payload is made of frames.

use bytes::Bytes;

use super::Version;
use super::packets::BINARY_MESSAGE;
use crate::json::write::{Json, key};
use crate::websocket::{HEADER_BYTES_MAX, Opcode, seal};

/// The first packet of a session: what the client goes by.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// The session's id, of characters that need no escapes.
    pub sid: &'a str,
    /// What the client may change to: `["websocket"]`, or nothing.
    pub upgrades: &'a [&'a str],
    /// How often whoever pings does it, in milliseconds.
    pub ping_interval_ms: u64,
    /// How long the other one may take to be heard, in milliseconds.
    pub ping_timeout_ms: u64,
    /// The most bytes of one payload; only clients of version 4 are told.
    pub payload_max: usize,
}

impl Opening<'_> {
    /// The frame of it.
    #[must_use]
    pub fn frame(&self, version: Version) -> Bytes {
        let mut json = Json::behind(HEADER_BYTES_MAX, 160);
        json.literal("0{");
        json.text(key!("sid"), self.sid);
        json.literal(concat!(key!("upgrades"), "["));
        for upgrade in self.upgrades {
            json.text("", upgrade);
        }
        json.end_array();
        json.unsigned(key!("pingInterval"), self.ping_interval_ms);
        json.unsigned(key!("pingTimeout"), self.ping_timeout_ms);
        match version {
            Version::V3 => {}
            Version::V4 => json.unsigned(key!("maxPayload"), self.payload_max as u64),
        }
        json.end_object();
        json.drop_comma();
        seal(json.into_bytes(), Opcode::Text)
    }
}

/// A message of text.
#[must_use]
pub fn message_text(text: &str) -> Bytes {
    packet(b'4', text)
}

/// A message of bytes.
#[must_use]
pub fn message_binary(version: Version, bytes: &[u8]) -> Bytes {
    let mut buffer = Vec::with_capacity(HEADER_BYTES_MAX + 1 + bytes.len());
    buffer.resize(HEADER_BYTES_MAX, 0);
    match version {
        Version::V3 => buffer.push(BINARY_MESSAGE),
        Version::V4 => {}
    }
    buffer.extend_from_slice(bytes);
    seal(buffer, Opcode::Binary)
}

/// Asks a client of version 4 whether it is there.
#[must_use]
pub const fn ping() -> Bytes {
    Bytes::from_static(b"\x81\x012")
}

/// Answers a ping, with its text.
#[must_use]
pub fn pong(echo: &str) -> Bytes {
    packet(b'3', echo)
}

/// Nothing: ends a poll that must not wait any longer.
#[must_use]
pub const fn noop() -> Bytes {
    Bytes::from_static(b"\x81\x016")
}

/// Closes the session, whatever the transport.
#[must_use]
pub const fn close() -> Bytes {
    Bytes::from_static(b"\x81\x011")
}

fn packet(kind: u8, text: &str) -> Bytes {
    let mut buffer = Vec::with_capacity(HEADER_BYTES_MAX + 1 + text.len());
    buffer.resize(HEADER_BYTES_MAX, 0);
    buffer.push(kind);
    buffer.extend_from_slice(text.as_bytes());
    seal(buffer, Opcode::Text)
}

/// The frames that these bytes are, as they lie there.
///
/// # Panics
///
/// If they are not whole, unmasked and uncompressed frames: they are our own.
pub(super) fn frames(bytes: &[u8]) -> impl Iterator<Item = (Opcode, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (opcode, payload, after) = split(rest).expect("a mailbox holds whole frames of ours");
        rest = after;
        Some((opcode, payload))
    })
}

/// The first `most` frames of these, or all if they are fewer, and how many they are.
///
/// # Panics
///
/// If they are not whole, unmasked and uncompressed frames of ours.
#[must_use]
pub fn first(most: usize, bytes: &[u8]) -> (&[u8], usize) {
    let (mut rest, mut count) = (bytes, 0);
    while count < most && !rest.is_empty() {
        (_, _, rest) = split(rest).expect("a mailbox holds whole frames of ours");
        count += 1;
    }
    (&bytes[..bytes.len() - rest.len()], count)
}

/// The first frame, and what follows it.
fn split(bytes: &[u8]) -> Option<(Opcode, &[u8], &[u8])> {
    let [first, short, rest @ ..] = bytes else {
        return None;
    };
    let opcode = match first {
        0x81 => Opcode::Text,
        0x82 => Opcode::Binary,
        0x88 => Opcode::Close,
        0x89 => Opcode::Ping,
        0x8a => Opcode::Pong,
        _ => return None,
    };
    let (length, rest) = match short {
        126 => {
            let (long, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*long)), rest)
        }
        127 => {
            let (long, rest) = rest.split_first_chunk::<8>()?;
            (usize::try_from(u64::from_be_bytes(*long)).ok()?, rest)
        }
        128.. => return None,
        short => (usize::from(*short), rest),
    };
    let (payload, after) = rest.split_at_checked(length)?;
    Some((opcode, payload, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::frame;

    #[test]
    fn the_constant_frames_are_frames() {
        for (constant, packet) in [(ping(), "2"), (noop(), "6"), (close(), "1")] {
            assert_eq!(constant, frame(Opcode::Text, packet.as_bytes()));
        }
    }
}
