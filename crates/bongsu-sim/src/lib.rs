//! The time machine: seeded simulation of nodes, stores, buses and clients; never shipped.
//!
//! Invariant: the same seed gives the same log, byte for byte. What must hold is in [`checks`]; `tests` run the seeds.

mod again;
mod bus;
pub mod checks;
mod client;
mod conn;
mod defect;
pub mod devices;
mod dialect;
pub mod displays;
pub mod history;
pub mod judge;
mod line;
mod op;
mod ports;
mod random;
mod slow;
mod tongue;
pub mod truth;
mod world;

pub use defect::Defect;
pub use random::Random;
pub use world::{Cast, run, run_with};
