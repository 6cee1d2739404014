//! How one client is spoken to: answers, errors and notices as whole WebSocket frames.

use bongsu_model::{Closing, Locale, Notice, Refusal, Reply, Tag};
use bytes::Bytes;

use super::encode::{self, Parting};

/// The server's own question, as a WebSocket ping for transports and as a message for clients that see no pings.
const PINGS: &[u8] = b"\x89\x00\x81\x19{\"type\":\"ping\",\"data\":{}}";

/// How one client is spoken to: whether it negotiated permessage-deflate. All it says is whole WebSocket frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TypeVoice {
    deflate_over: Option<usize>,
}

impl TypeVoice {
    /// The voice for a client that negotiated permessage-deflate, whose messages over so many bytes are compressed; or,
    /// with `None`, for one that did not.
    #[must_use]
    pub const fn new(deflate_over: Option<usize>) -> Self {
        Self { deflate_over }
    }

    /// The answer to a request: one frame. There always is one.
    #[must_use]
    pub fn reply(self, tag: &Tag, reply: &Reply) -> Bytes {
        encode::reply(self.deflate_over, tag, reply)
    }

    /// The answer to a request that is refused: one `error`.
    #[must_use]
    pub fn refusal(self, tag: &Tag, refusal: &Refusal, locale: Locale) -> Bytes {
        encode::refusal(tag, refusal, locale)
    }

    /// The answer to a request with which the connection ends: the `error` with its advice, and the close frame.
    /// `close_code` is the transport's own where it has one; else the cause's.
    #[must_use]
    pub fn last_words(self, tag: &Tag, refusal: &Refusal, close_code: Option<u16>, locale: Locale) -> Bytes {
        let closing = Closing::new(bongsu_model::refusal::CloseCause::Refused(refusal.clone()));
        let parting = Parting {
            close_code: close_code.unwrap_or(crate::close::close_code(&closing.cause)),
            reconnect: closing.reconnect,
        };
        encode::last_words(tag, refusal, parting, locale)
    }

    /// What one session is told without being asked: one frame, or for [`Notice::Closed`] two: the last `error`, with its
    /// advice, and the close frame.
    #[must_use]
    pub fn notice(self, notice: &Notice, locale: Locale) -> Bytes {
        encode::notice(self.deflate_over, notice, locale)
    }

    /// Asks whether anybody is there: a WebSocket ping, and the message `ping`.
    #[must_use]
    pub fn ping(self) -> Bytes {
        Bytes::from_static(PINGS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::{Opcode, PING, frame};

    #[test]
    fn the_pings_are_frames() {
        let text = frame(Opcode::Text, br#"{"type":"ping","data":{}}"#);
        assert_eq!(PINGS, [PING, &text].concat());
    }
}
