//! TLS as its clients see it: over loopback, with certificates made here, through the listeners and a node with a store in
//! memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod certificates;
mod client;
mod pki;
mod protocols;
mod reload;
mod server;
mod slow;
#[allow(dead_code, reason = "shared with tests that need more of it")]
#[path = "../tcp/world.rs"]
mod world;
mod wrong;
