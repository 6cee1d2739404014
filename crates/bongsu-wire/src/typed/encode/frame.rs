//! One frame under construction: the envelope around `data`, behind the reserve for the header.
//!
//! Invariant: `finish` is the only way out; what it gives is one whole text frame of valid JSON.

use bytes::Bytes;

use crate::json::write::{Json, key};
use crate::websocket::{HEADER_BYTES_MAX, Opcode, deflated, seal};

/// What the envelope takes beside `data`, with the longest type and an ordinary reference.
pub(super) const ENVELOPE_BYTES: usize = 96;

/// A message whose `data` is being written.
pub(super) struct Frame {
    pub(super) json: Json,
}

impl Frame {
    /// Begins a message of this type, which needs no escapes. `capacity` is what it will take as a whole.
    pub(super) fn begin(kind: &str, capacity: usize) -> Self {
        let mut json = Json::behind(HEADER_BYTES_MAX, capacity);
        json.literal("{");
        json.plain(key!("type"), kind);
        json.literal(concat!(key!("data"), "{"));
        Self { json }
    }

    /// Ends `data` and the message, which is compressed if it has more than `deflate_over` bytes.
    pub(super) fn finish(self, deflate_over: Option<usize>, ref_id: Option<&str>) -> Bytes {
        let Self { mut json } = self;
        json.end_object();
        if let Some(reference) = ref_id {
            json.text(key!("ref_id"), reference);
        }
        sealed(json, deflate_over)
    }
}

/// Ends the outermost object and makes a frame of it.
pub(super) fn sealed(mut json: Json, deflate_over: Option<usize>) -> Bytes {
    json.drop_comma();
    json.literal("}");
    let payload = json.from(HEADER_BYTES_MAX);
    if deflate_over.is_some_and(|over| payload.len() > over) {
        return deflated(Opcode::Text, payload);
    }
    let mut buffer = json.into_bytes();
    // A frame may wait in many mailboxes: it does not hold much more than its length.
    if buffer.capacity() > buffer.len() + buffer.len() / 2 {
        buffer.shrink_to_fit();
    }
    seal(buffer, Opcode::Text)
}
