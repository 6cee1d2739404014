//! The client's side, for our own tools: masked frames, the request to upgrade, and the answer to it.
//!
//! Invariant: pure; the mask and the key are given, so that a simulation repeats itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::send::header;
use super::{DEFLATE_OFFER, Opcode, accept_key, mask};

/// A masked frame of a copy of `payload`. The mask must not be one that others can foresee, where others choose what
/// is sent.
#[must_use]
pub fn client_frame(opcode: Opcode, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let (mut header, bytes) = header(0x80 | opcode.bits(), payload.len());
    header[1] |= 0x80;
    let mut whole = Vec::with_capacity(bytes + mask.len() + payload.len());
    whole.extend_from_slice(&header[..bytes]);
    whole.extend_from_slice(&mask);
    whole.extend_from_slice(payload);
    mask::apply(&mut whole[bytes + mask.len()..], mask, 0);
    whole
}

/// A `Sec-WebSocket-Key` of sixteen bytes by chance.
#[must_use]
pub fn client_key(chance: [u8; 16]) -> String {
    STANDARD.encode(chance)
}

/// A request to upgrade. No part of it may hold a line break.
#[derive(Clone, Copy, Debug)]
pub struct Upgrade<'a> {
    /// `Host`, with the port where it is not the scheme's.
    pub host: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// From [`client_key`].
    pub key: &'a str,
    /// `Sec-WebSocket-Protocol`, if any: names with commas between them.
    pub subprotocols: Option<&'a str>,
    /// `Authorization`, if any.
    pub authorization: Option<&'a str>,
    /// Offer permessage-deflate.
    pub deflate: bool,
}

impl Upgrade<'_> {
    /// The request's bytes.
    #[must_use]
    pub fn request(&self) -> String {
        let Self {
            host, target, key, ..
        } = self;
        let mut text = format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        );
        for (name, value) in [
            ("Sec-WebSocket-Protocol", self.subprotocols),
            ("Authorization", self.authorization),
            ("Sec-WebSocket-Extensions", self.deflate.then_some(DEFLATE_OFFER)),
        ] {
            if let Some(value) = value {
                text.push_str(name);
                text.push_str(": ");
                text.push_str(value);
                text.push_str("\r\n");
            }
        }
        text.push_str("\r\n");
        debug_assert_eq!(
            text.matches('\n').count(),
            text.split_terminator("\r\n").count(),
            "a line break within a header"
        );
        text
    }
}

/// A server's consent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upgraded {
    /// Bytes of the answer; frames follow.
    pub bytes: usize,
    /// The subprotocol that the server chose.
    pub subprotocol: Option<String>,
    /// Whether permessage-deflate is in force, without context takeover in either direction.
    pub deflate: bool,
}

/// The answer does not upgrade.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotUpgraded {
    /// Another status than 101.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// Not HTTP/1.1, or its head does not end.
    #[error("the answer is not an http head")]
    NotHttp,
    /// Not the accept value of our key, or not an upgrade to WebSocket.
    #[error("the answer does not belong to the key")]
    NotAccepted,
    /// An extension that we did not offer, or one that keeps a context.
    #[error("the server answers with an extension that was not offered")]
    Extension,
}

impl Upgrade<'_> {
    /// The most that an answer's head may have.
    const ANSWER_BYTES_MAX: usize = 16 * 1024;

    /// Reads the answer to this request; `None` while it is incomplete.
    ///
    /// # Errors
    ///
    /// When it is not the consent to this very request.
    pub fn answered(&self, answer: &[u8]) -> Result<Option<Upgraded>, NotUpgraded> {
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            return if answer.len() < Self::ANSWER_BYTES_MAX {
                Ok(None)
            } else {
                Err(NotUpgraded::NotHttp)
            };
        };
        let head = std::str::from_utf8(&answer[..end]).map_err(|_| NotUpgraded::NotHttp)?;
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.1 "))
            .and_then(|line| line.get(..3)?.parse().ok())
            .ok_or(NotUpgraded::NotHttp)?;
        if status != 101 {
            return Err(NotUpgraded::Status(status));
        }
        let (mut accepted, mut websocket) = (false, false);
        let (mut subprotocol, mut deflate) = (None, false);
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(NotUpgraded::NotHttp)?;
            let value = value.trim_matches([' ', '\t']);
            match name.to_ascii_lowercase().as_str() {
                "upgrade" => websocket = value.eq_ignore_ascii_case("websocket"),
                "sec-websocket-accept" => accepted = accept_key(self.key).is_some_and(|key| key == value),
                "sec-websocket-protocol" => subprotocol = Some(value.to_owned()),
                "sec-websocket-extensions" => {
                    deflate = self.deflate && keeps_no_context(value);
                    if !deflate {
                        return Err(NotUpgraded::Extension);
                    }
                }
                _ => {}
            }
        }
        if !(accepted && websocket) {
            return Err(NotUpgraded::NotAccepted);
        }
        Ok(Some(Upgraded {
            bytes: end + 4,
            subprotocol,
            deflate,
        }))
    }
}

/// Whether a server took our offer as it was made.
fn keeps_no_context(answer: &str) -> bool {
    let mut parts = answer.split(';').map(|part| part.trim_matches([' ', '\t']));
    parts.next() == Some("permessage-deflate")
        && parts.clone().any(|part| part == "server_no_context_takeover")
        && parts.all(|part| {
            part == "server_no_context_takeover"
                || part == "client_no_context_takeover"
                || part.starts_with("server_max_window_bits=")
        })
}
