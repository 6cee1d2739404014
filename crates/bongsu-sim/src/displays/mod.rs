//! The world of displays: nodes on one store, displays that claim the same names, holders that answer late or never, callers
//! that run presets on many at once; all from one seed on one paused clock.
//!
//! Invariant: one seed, one log. Nodes and their conversations are the real ones; displays do what their guide asks.

pub mod checks;
mod defect;
mod dialect;
pub mod ledger;
mod link;
mod op;
mod screen;
mod world;

pub use defect::DisplayDefect;
pub use world::{run, run_with};
