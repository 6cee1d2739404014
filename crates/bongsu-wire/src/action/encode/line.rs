//! One line under construction: the envelope around `data`.
//!
//! Invariant: `finish` is the only way out, and it leaves exactly one newline, at the end.

use bongsu_model::Timestamp;
use bytes::Bytes;

use crate::action::gzip;
use crate::json::write::{Json, key};

/// What the envelope takes beside `data`, with the longest action and an ordinary reference.
pub(super) const ENVELOPE_BYTES: usize = 144;

/// Whose reference the line carries.
#[derive(Clone, Copy)]
pub(super) enum SeqId<'a> {
    /// The request's own, if it had one.
    Own(Option<&'a str>),
    /// The server's: one of `broadcast_`, `status_`, `announce_`, `error_` and an event's id.
    Server(&'static str, u64),
}

/// A line whose `data` is being written.
pub(super) struct Line {
    pub(super) json: Json,
    data_at: usize,
}

impl Line {
    /// Begins a line. `capacity` is what it will take as a whole.
    pub(super) fn begin(action: &str, capacity: usize) -> Self {
        let mut json = Json::with_capacity(capacity);
        json.literal("{");
        json.plain(key!("action"), action);
        json.literal(key!("data"));
        let data_at = json.len();
        json.literal("{");
        Self { json, data_at }
    }

    /// Ends `data` and the line. `data` over `compress_over` bytes is packed.
    pub(super) fn finish(self, compress_over: Option<usize>, at: Timestamp, seq_id: SeqId<'_>) -> Bytes {
        let Self { mut json, data_at } = self;
        json.end_object();
        // The comma after `data` is not part of it.
        let data_bytes = json.len() - data_at - 1;
        if compress_over.is_some_and(|over| data_bytes > over) {
            let object = json.from(data_at)[..data_bytes].to_vec();
            json.truncate(data_at);
            json.ascii("", |out| gzip::pack(&object, out));
            json.bool(key!("compressed"), true);
        }
        json.moment(key!("timestamp"), at);
        match seq_id {
            SeqId::Own(Some(reference)) => json.text(key!("seq_id"), reference),
            SeqId::Own(None) => {}
            SeqId::Server(prefix, id) => json.hex(key!("seq_id"), prefix, id.into(), 16),
        }
        json.drop_comma();
        json.literal("}\n");
        let mut line = json.into_bytes();
        // A line may wait in many mailboxes: it does not hold much more than its length.
        if line.capacity() > line.len() + line.len() / 2 {
            line.shrink_to_fit();
        }
        Bytes::from(line)
    }
}
