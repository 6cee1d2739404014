//! How a protocol says things to one client or to all: what the node needs of a protocol, and nothing more.

use bongsu_model::display::ToDisplay;
use bongsu_model::{Encode, Fatal, Limits, Locale, Notice, Refusal, Reply, Tag, Timestamp};
use bytes::Bytes;

/// What a frame for one client is made with.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The language of its texts.
    pub locale: Locale,
    /// Now.
    pub now: Timestamp,
    /// Random, for protocols that number what they say; 0 for answers, which carry the reference of their request.
    pub id: u64,
    /// The limits in force.
    pub limits: &'a Limits,
}

/// How a protocol speaks. Every value is whole frames, as they go to the socket.
pub trait Dialect: Send + Sync {
    /// The protocol's name in metrics and lists.
    fn protocol(&self) -> &'static str;

    /// The encoding of events, shared by all sessions of this protocol.
    fn events(&self) -> &dyn Encode;

    /// The answer to a request; `None` where the event that the request causes is the answer.
    fn reply(&self, tag: &Tag, reply: &Reply, with: Setting<'_>) -> Option<Bytes>;

    /// The answer to a request that is refused.
    fn refusal(&self, tag: &Tag, refusal: &Refusal, with: Setting<'_>) -> Bytes;

    /// As [`Self::refusal`], to one who has not signed in: the connection ends with it.
    fn turned_away(&self, tag: &Tag, refusal: &Refusal, with: Setting<'_>) -> Bytes {
        self.refusal(tag, refusal, with)
    }

    /// Whether who is so refused before it has signed in may go on trying, so often and so long as the limits say.
    fn forgives(&self, _tag: &Tag, _refusal: &Refusal) -> bool {
        false
    }

    /// What one session is told without being asked.
    fn notice(&self, notice: &Notice, with: Setting<'_>) -> Bytes;

    /// What a display is told, as the answer to what came under a tag or unasked under that of its registration; `None` where
    /// the protocol has no word for it, or knows no displays.
    fn display(&self, _tag: &Tag, _said: &ToDisplay, _with: Setting<'_>) -> Option<Bytes> {
        None
    }

    /// The last words to one whose bytes cannot be read any further.
    fn broken_off(&self, fatal: &Fatal, signed_in: bool, with: Setting<'_>) -> Bytes;

    /// Asks a client that says nothing whether it is there; `None` where it is the client that asks.
    fn ping(&self, with: Setting<'_>) -> Option<Bytes>;
}
