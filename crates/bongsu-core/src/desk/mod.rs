//! Commands on their way to devices: each in time or not at all, at most one at a time where that matters, ended once.
//!
//! Invariant: nothing is written before the store has kept a step of that very session about it, nothing after its
//! time is over or after its end, and no command ends twice.

mod attach;
mod effect;
mod ended;
mod input;
mod life;
mod machine;
mod seat;
mod turn;

pub use effect::DeskEffect;
pub use input::{DeskInput, Pacing};
pub use machine::{Desk, DeskRules};
pub use seat::session_note;

#[cfg(test)]
mod tests;
