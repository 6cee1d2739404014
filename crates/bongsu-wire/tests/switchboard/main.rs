//! The switchboard on Socket.IO: what displays say and are told, in both of their namespaces.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod anything;
mod both_ways;
#[path = "../common/mod.rs"]
mod common;
mod heard;
mod told;
