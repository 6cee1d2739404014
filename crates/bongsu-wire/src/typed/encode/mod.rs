//! From answers, notices and events to WebSocket frames: `{"type", "data", "ref_id"?}`, and errors without `data`.
//!
//! Invariant: one frame per value, its header in front of it; an event's frame is the same for every receiver.

pub(crate) mod errors;
pub(crate) mod events;
mod frame;
pub(crate) mod notices;
mod parts;
pub(crate) mod replies;

pub(super) use errors::{Parting, last_words, refusal};
pub use events::TypeEvents;
pub(super) use notices::notice;
pub(super) use replies::reply;
