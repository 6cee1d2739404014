//! What happens: pure, synchronous state machines and decisions.
//!
//! Invariant: the same inputs at the same times give the same effects, byte for byte. Nothing here reads a clock,
//! draws a number, waits, or goes through a hash table in its order.

pub mod call;
pub mod catalogue;
pub mod cluster;
pub mod deadlines;
pub mod desk;
pub mod flooder;
pub mod machine;
pub mod moderation;
pub mod policy;
pub mod range;
pub mod rate;
pub mod roster;
pub mod shadow;
pub mod swept;
pub mod trail;

pub mod shard;
