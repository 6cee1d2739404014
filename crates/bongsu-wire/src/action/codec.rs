//! The codec of one connection: its framing state and whether its client accepts compression.
//!
//! Invariant: at most 64 bytes, and no memory beside them while no frame is incomplete; every connection has one.

use bongsu_model::{Limits, Locale, Notice, Refusal, Reply, Tag, Timestamp};
use bytes::Bytes;

use super::encode;
use super::frame::Frames;
use super::{decode, envelope};
use crate::incoming::{Fatal, Incoming, Rules};

/// The state of one connection that speaks the action protocol.
#[derive(Debug, Default)]
pub struct ActionCodec {
    frames: Frames,
    voice: Voice,
}

const _: () = assert!(size_of::<ActionCodec>() <= 64);

impl ActionCodec {
    /// The codec of a connection that has said nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            frames: Frames::new(),
            voice: Voice::new(false),
        }
    }

    /// Takes what was read and adds each request that it completes to `out`, in order; the entries of a batch
    /// one by one. `out` grows by at most `batch_max` per frame.
    ///
    /// # Errors
    ///
    /// What ends the connection, after the requests before it.
    pub fn handle_bytes(
        &mut self,
        bytes: &[u8],
        rules: &Rules<'_>,
        out: &mut Vec<Incoming>,
    ) -> Result<(), Fatal> {
        let Self { frames, voice } = self;
        frames
            .push(bytes, rules.limits, |frame| {
                let accepts = decode::frame(envelope::Source::stream(frame.text, frame.at), rules, out);
                voice.compresses = accepts.unwrap_or(voice.compresses);
            })
            .map_err(|fault| Refusal::from(fault).into())
    }

    /// Whether a frame was begun and is not complete: the time for it runs.
    #[must_use]
    pub const fn in_frame(&self) -> bool {
        self.frames.in_frame()
    }

    /// Bytes kept of an incomplete frame.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.frames.kept_bytes()
    }

    /// How this client is spoken to, for whoever encodes without the codec at hand.
    #[must_use]
    pub const fn voice(&self) -> Voice {
        self.voice
    }

    /// See [`Voice::reply`].
    #[must_use]
    pub fn reply(&self, tag: &Tag, reply: &Reply, now: Timestamp, limits: &Limits) -> Option<Bytes> {
        self.voice.reply(tag, reply, now, limits)
    }

    /// See [`Voice::refusal`].
    #[must_use]
    pub fn refusal(&self, tag: &Tag, refusal: &Refusal, locale: Locale, now: Timestamp, id: u64) -> Bytes {
        self.voice.refusal(tag, refusal, locale, now, id)
    }

    /// See [`Voice::notice`].
    #[must_use]
    pub fn notice(&self, notice: &Notice, locale: Locale, now: Timestamp, id: u64, limits: &Limits) -> Bytes {
        self.voice.notice(notice, locale, now, id, limits)
    }
}

/// How one client is spoken to: whether it accepts compression, as its last CONNECT said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Voice {
    compresses: bool,
}

impl Voice {
    /// The voice for a client that accepts compression, or does not.
    #[must_use]
    pub const fn new(compresses: bool) -> Self {
        Self { compresses }
    }

    /// Whether `data` over `compress_over_bytes` goes out compressed.
    #[must_use]
    pub const fn accepts_compression(self) -> bool {
        self.compresses
    }

    /// The answer to a request, one line; `None` where the event that all are told is the answer.
    #[must_use]
    pub fn reply(self, tag: &Tag, reply: &Reply, now: Timestamp, limits: &Limits) -> Option<Bytes> {
        encode::reply(self.over(limits), tag, reply, now)
    }

    /// `CONNECT_ERROR` for a refused CONNECT, `ERROR` for all else, one line. `id` is random, for the server's own
    /// `seq_id` of an `ERROR`.
    #[must_use]
    pub fn refusal(self, tag: &Tag, refusal: &Refusal, locale: Locale, now: Timestamp, id: u64) -> Bytes {
        encode::refusal(tag, refusal, locale, now, id)
    }

    /// What one session is told without being asked, one line. `id` is random, for the server's own `seq_id`.
    #[must_use]
    pub fn notice(self, notice: &Notice, locale: Locale, now: Timestamp, id: u64, limits: &Limits) -> Bytes {
        encode::notice(self.over(limits), notice, locale, now, id)
    }

    /// The size over which `data` is compressed, if it ever is.
    fn over(self, limits: &Limits) -> Option<usize> {
        self.compresses.then_some(limits.compress_over_bytes)
    }
}
