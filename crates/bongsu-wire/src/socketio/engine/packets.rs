//! One packet: what a WebSocket message, or a record of a polling payload, says.
//!
//! Invariant: what is heard borrows from what was read, but for bytes that came as base64.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Violation;

/// The most bytes that a ping may carry for its pong: `probe` is all that clients send.
pub const ECHO_BYTES_MAX: usize = 125;

/// The type of a message that is bytes, as version 3 puts it in front of them.
pub(super) const BINARY_MESSAGE: u8 = 4;

/// The version of Engine.IO that a client asks for by `EIO=`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Version {
    /// Clients of Socket.IO 1 and 2: the client pings, payloads are length-prefixed.
    V3,
    /// Clients of Socket.IO 3 and 4: the server pings, payloads are separated.
    V4,
}

impl Version {
    /// The version of this `EIO=`.
    #[must_use]
    pub fn parse(eio: &str) -> Option<Self> {
        match eio {
            "3" => Some(Self::V3),
            "4" => Some(Self::V4),
            _ => None,
        }
    }
}

/// One packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard<'a> {
    /// What only a server says.
    Open,
    /// The peer closes the session, whatever the transport.
    Close,
    /// To be answered by a pong with the same text, of at most [`ECHO_BYTES_MAX`] bytes.
    Ping(&'a str),
    /// Answers a ping.
    Pong(&'a str),
    /// A message of text: a packet of Socket.IO.
    Text(&'a str),
    /// A message of bytes: an attachment.
    Binary(Cow<'a, [u8]>),
    /// The transport that says it is the session's from now on.
    Upgrade,
    /// Nothing.
    Noop,
}

/// Reads a packet of text: a WebSocket text message, or a record.
///
/// # Errors
///
/// No packet of this version.
pub fn text(version: Version, packet: &str) -> Result<Heard<'_>, Violation> {
    let first = *packet.as_bytes().first().ok_or(Violation::Empty)?;
    if !first.is_ascii() {
        return Err(Violation::UnknownType(first));
    }
    let rest = &packet[1..];
    match first {
        b'0' => Ok(Heard::Open),
        b'1' => Ok(Heard::Close),
        b'2' => echoed(rest).map(Heard::Ping),
        b'3' => echoed(rest).map(Heard::Pong),
        b'4' => Ok(Heard::Text(rest)),
        b'5' => Ok(Heard::Upgrade),
        b'6' => Ok(Heard::Noop),
        b'b' => base64(version, rest).map(|bytes| Heard::Binary(Cow::Owned(bytes))),
        unknown => Err(Violation::UnknownType(unknown)),
    }
}

/// Reads a packet of bytes: a WebSocket binary message, or a record.
///
/// # Errors
///
/// In version 3, whatever does not begin with the type of a message.
pub fn binary(version: Version, packet: &[u8]) -> Result<Heard<'_>, Violation> {
    match (version, packet) {
        (Version::V4, bytes) | (Version::V3, [BINARY_MESSAGE, bytes @ ..]) => {
            Ok(Heard::Binary(Cow::Borrowed(bytes)))
        }
        (Version::V3, []) => Err(Violation::Empty),
        (Version::V3, [unknown, ..]) => Err(Violation::UnknownType(*unknown)),
    }
}

fn echoed(text: &str) -> Result<&str, Violation> {
    if text.len() > ECHO_BYTES_MAX {
        return Err(Violation::EchoTooLong);
    }
    Ok(text)
}

/// The bytes of a message that came as text after its `b`.
fn base64(version: Version, text: &str) -> Result<Vec<u8>, Violation> {
    let text = match (version, text.as_bytes().first()) {
        (Version::V4, _) => text,
        (Version::V3, Some(b'4')) => &text[1..],
        (Version::V3, Some(&unknown)) => return Err(Violation::UnknownType(unknown)),
        (Version::V3, None) => return Err(Violation::Empty),
    };
    // The Java client breaks its lines as e-mail does.
    if memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_some() {
        let mut joined = text.as_bytes().to_vec();
        joined.retain(|byte| !matches!(byte, b'\n' | b'\r'));
        return STANDARD.decode(joined).map_err(|_| Violation::NotBase64);
    }
    STANDARD.decode(text).map_err(|_| Violation::NotBase64)
}
