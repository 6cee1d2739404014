//! Who else hears it: the bus between shards and nodes.
//!
//! The contract is weak on purpose. Invariant: nothing is right only because the bus delivered; what it repeats,
//! reorders or loses, the shards' order, their gap fill and the exchange of heads make good.

mod api;
pub mod conformance;
mod faulty;
mod local;

pub use api::{Bus, BusFault, Cut, Ear, Heard};
pub use faulty::{Faults, FaultyBus};
pub use local::LocalBus;
