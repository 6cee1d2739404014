//! Socket.IO and the Engine.IO below it, as clients of every generation in the field speak them: codecs, pure.
//!
//! Invariant: whatever the transport, what is sent is whole WebSocket frames; a polling transport makes its payload of
//! them when a poll takes them. What is heard is bounded before anything is kept for it.

pub mod chat;
pub mod client;
pub mod connection;
pub mod engine;
pub mod packet;
pub mod registry;
pub mod switchboard;
