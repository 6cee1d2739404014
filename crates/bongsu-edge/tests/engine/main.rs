//! Engine.IO as its clients see it: requests of HTTP and frames over loopback, a node with a store in memory behind it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod beats;
mod broken;
mod change;
mod client;
mod ends;
mod handshake;
mod order;
mod server;
mod sign_in;
#[path = "../tcp/world.rs"]
mod world;
