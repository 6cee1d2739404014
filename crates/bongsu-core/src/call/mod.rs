//! Video rooms: who is in which, on which session, and what they are told. Signalling is relayed unread.
//!
//! Invariant: a call that exists has at least one participant, its host is one of them, and they stand in the order
//! in which they joined. Whether a user may join (membership of the room, blocks) was decided before.

mod coming;
mod effect;
mod input;
mod leaving;
mod machine;
mod state;
mod within;

pub use effect::{CallAnswer, CallEffect, CallEvent};
pub use input::{CallInput, Ender, NewCall};
pub use machine::{CallLimits, Calls, TOO_MANY_CALLS};
pub use state::{Call, Peer};

#[cfg(test)]
mod tests;
