//! From answers, notices and events to packets: in the chat's own words, or in those of the type protocol.
//!
//! Invariant: whole WebSocket frames, each one packet; an event's frame is the same for every receiver of its manner.

mod asked;
pub(in crate::socketio) mod errors;
mod events;
mod notices;
pub(in crate::socketio) mod parts;
mod replies;

pub(in crate::socketio) use asked::{Asked, Back, asked};
pub(crate) use errors::name as code_name;
pub(super) use errors::{forgives, last_words, refusal};
pub use events::ChatEvents;
pub(in crate::socketio) use notices::closed;
pub(super) use notices::notice;
pub(super) use replies::reply;
