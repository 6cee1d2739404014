//! WebSocket as its clients see it: raw frames over loopback, through the HTTP listener, a node with a store in memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod action;
mod client;
mod closes;
mod compressed;
mod counted;
mod crowd;
mod ends;
mod flood;
mod framing;
mod handshake;
mod limits;
mod order;
mod origins;
mod pings;
mod resume;
mod server;
mod sign_in;
mod slow;
#[path = "../tcp/world.rs"]
mod world;
