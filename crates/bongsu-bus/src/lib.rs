//! Who else hears it: the bus between shards and nodes.
//!
//! The contract is weak on purpose. Invariant: nothing is right only because the bus delivered; what it repeats,
//! reorders or loses, the shards' order, their gap fill and the exchange of heads make good.

mod api;
pub mod backplane;
#[cfg(feature = "conformance")]
pub mod conformance;
mod local;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "redis")]
pub mod redis;

pub use api::{Bus, BusFault, Cut, Ear, Health, Heard, Reach, Subject};
pub use backplane::{Backplane, BusFigure, BusMeter, BusReading, Link};
pub use local::LocalBus;
