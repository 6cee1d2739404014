//! Sockets: listeners, connections, HTTP, tokens.

mod action;
pub mod admission;
pub mod auth;
pub mod clock;
mod conn;
pub mod http;
pub mod meters;
mod socket;
mod sweeper;
pub mod tcp;

/// The other end of the action protocol, for those who may not depend on the wire themselves.
pub use bongsu_wire::action::client as action_client;
