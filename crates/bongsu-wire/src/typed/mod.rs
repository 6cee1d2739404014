//! The type protocol: one JSON object per WebSocket text message, named by its `type`, both ways.
//!
//! Invariant: what is sent is whole WebSocket frames, headers included; an event's frame is the same for every receiver.

pub mod client;
pub(crate) mod decode;
pub(crate) mod encode;
mod envelope;
pub mod registry;
mod voice;

pub use decode::{TYPES, message};
pub use encode::TypeEvents;
pub use voice::TypeVoice;
