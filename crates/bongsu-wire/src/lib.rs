//! How it is said: the codecs of every protocol, pure.
//!
//! Invariant: no runtime, no clock, no chance and no decisions; bytes in, requests out, and the other way round.

pub mod action;
pub mod asyncapi;
pub mod backplane;
pub mod close;
pub mod device;
pub mod incoming;
pub mod json;
pub mod schema;
pub mod socketio;
pub mod typed;
pub mod websocket;
