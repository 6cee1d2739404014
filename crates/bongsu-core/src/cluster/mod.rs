//! The other nodes: which of them live, and which users have a session on them.
//!
//! Invariants: what a node said before a restart is not mistaken for what it says after it; a missed word about presence is
//! noticed by its number and made good by asking for all; of a node that is silent nobody counts as online.

mod machine;
mod peer;

pub use machine::{Cluster, ClusterEffect, ClusterInput, ClusterRules, Lives};
pub use peer::{News, Standing};
