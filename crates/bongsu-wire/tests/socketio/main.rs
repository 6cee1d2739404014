//! Engine.IO and Socket.IO as clients of every generation write and read them.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

#[path = "../common/mod.rs"]
mod common;
mod engine_packets;
mod packets;
mod payloads_in;
mod payloads_out;
mod properties;

use common::text_frame as text_of;
