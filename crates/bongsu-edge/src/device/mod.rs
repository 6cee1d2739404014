//! Devices' connections: the WebSocket at `/device` in both its formats, and the stream of gRPC.
//!
//! Invariant: a rule of the sessions of devices stands here once, for every transport: what is heard passes the ear, what
//! is said comes out of the live connection, and one look at all of them keeps their deadlines.

mod carrier;
mod conn;
mod diag;
mod ear;
mod lines;
mod live;
mod options;
mod rate;
mod stream;
mod websocket;

pub use options::Congestion;

pub(crate) use carrier::Grip;
pub(crate) use diag::Way;
pub(crate) use lines::{end_all, run};
pub(crate) use live::Live;
pub(crate) use options::Options;
pub(crate) use stream::Gateway;
pub(crate) use websocket::Devices;
