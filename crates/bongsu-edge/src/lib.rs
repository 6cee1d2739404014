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
