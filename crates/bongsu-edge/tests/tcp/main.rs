//! The action protocol as its clients see it: real sockets over loopback, a node with a store in memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod actions;
mod calls;
mod client;
mod crowd;
mod deadlines;
mod ends;
mod framing;
mod order;
mod presence;
mod resume;
mod server;
mod sign_in;
mod slow;
mod world;
