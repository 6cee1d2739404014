//! The action protocol over WebSocket: one JSON object per text message, the same objects as on a byte stream.
//!
//! Invariant: what is refused on the stream is refused here for the same reason, but nothing here ends the connection.

use bongsu_model::{Encode, Event, Slot, Tag};
use bytes::Bytes;

use super::encode::ActionEvents;
use super::{decode, envelope};
use crate::incoming::{Incoming, Rules};
use crate::json::message;
use crate::websocket::{Opcode, frame};

/// Adds what one text message asks to `out`: one request, the entries of a batch one by one, or a refusal. Gives what a
/// CONNECT in it says about compression.
pub fn message(text: &str, rules: &Rules<'_>, out: &mut Vec<Incoming>) -> Option<bool> {
    if let Err(refusal) = message::check(text, rules.limits) {
        let tag = Tag::default();
        out.push(Incoming::Refused { tag, refusal });
        return None;
    }
    decode::frame(envelope::Source::stream(text, 0), rules, out)
}

/// A line as one text frame, without its newline.
#[must_use]
pub fn text_frame(line: &[u8]) -> Bytes {
    frame(Opcode::Text, line.strip_suffix(b"\n").unwrap_or(line))
}

/// The action protocol's encoder of events as WebSocket frames: one for the clients that accept compression, one for the
/// others.
#[derive(Clone, Copy, Debug, Default)]
pub struct ActionFrames {
    lines: ActionEvents,
}

impl ActionFrames {
    /// The encoder for clients that accept no compression.
    #[must_use]
    pub const fn plain() -> Self {
        Self {
            lines: ActionEvents::plain(),
        }
    }

    /// The encoder for clients that accept compression: `data` over so many bytes is packed.
    #[must_use]
    pub const fn packed(compress_over: usize) -> Self {
        Self {
            lines: ActionEvents::packed(compress_over),
        }
    }
}

impl Encode for ActionFrames {
    fn slot(&self) -> Slot {
        if self.lines.packs() {
            Slot::ActionPackedFrame
        } else {
            Slot::ActionFrame
        }
    }

    fn encode(&self, event: &Event) -> Bytes {
        text_frame(&self.lines.encode(event))
    }
}
