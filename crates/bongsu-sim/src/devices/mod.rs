//! The world of devices: nodes on one store, devices behind bad links with clocks of their own, callers that ask again,
//! operators that take leases; all from one seed on one paused clock.
//!
//! Invariant: one seed, one log. Nodes are the real ones; devices do what the contract asks of a device library.

mod caller;
pub mod checks;
mod clock;
mod conn;
mod defect;
mod device;
pub mod ledger;
mod op;
mod world;

pub use defect::DeviceDefect;
pub use world::{run, run_with};
