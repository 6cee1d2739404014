//! Every event as one frame, made once for all receivers of one manner.
//!
//! Perf: `encode_socketio_message`.

use bongsu_model::{Encode, Event, EventBody, Message, Slot};
use bytes::Bytes;

use super::super::names::MESSAGE;
use super::super::{Manner, Style};
use super::parts;
use crate::socketio::packet::encode::Frame;
use crate::typed::encode::events as typed;

/// The chat's encoder of events for the clients of one manner.
#[derive(Clone, Copy, Debug)]
pub struct ChatEvents {
    manner: Manner,
}

impl ChatEvents {
    /// The encoder for this manner.
    #[must_use]
    pub const fn new(manner: Manner) -> Self {
        Self { manner }
    }
}

impl Encode for ChatEvents {
    fn slot(&self) -> Slot {
        self.manner.slot()
    }

    fn encode(&self, event: &Event) -> Bytes {
        match (self.manner.style, &event.body) {
            (Style::Chat, EventBody::Posted(message)) => self::message(self.manner, message),
            // A chat's own clients hear of nothing else.
            (Style::Chat, _) => Bytes::new(),
            (Style::Type, body) => typed_event(self.manner, body),
        }
    }
}

/// A message as the chat has it.
pub(super) fn message(manner: Manner, message: &Message) -> Bytes {
    let bytes = parts::message_bytes(message);
    let mut frame = Frame::event(manner.namespace.name(), None, MESSAGE, bytes);
    frame.json.literal("{");
    parts::message(&mut frame.json, message);
    frame.json.end_object();
    if manner.offset {
        parts::offset(&mut frame.json, message);
    }
    frame.finish()
}

fn typed_event(manner: Manner, body: &EventBody) -> Bytes {
    let bytes = typed::body_bytes(body) + 48;
    let mut frame = Frame::event(manner.namespace.name(), None, typed::kind(body), bytes);
    frame.json.literal("{");
    typed::body(&mut frame.json, body);
    frame.json.end_object();
    if let (true, EventBody::Posted(message)) = (manner.offset, body) {
        parts::offset(&mut frame.json, message);
    }
    frame.finish()
}
