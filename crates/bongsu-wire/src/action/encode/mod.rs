//! From answers, notices and events to lines: `{"action", "data", "timestamp", "seq_id"}` and a newline.
//!
//! Invariant: one line per value, ended by its only `\n`; an event's line is the same for every receiver.

mod events;
mod line;
mod notices;
mod parts;
mod refusals;
mod replies;

pub use events::ActionEvents;
pub(super) use notices::notice;
pub(super) use refusals::refusal;
pub(super) use replies::reply;
