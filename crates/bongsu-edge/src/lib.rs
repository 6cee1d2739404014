//! Sockets: listeners, connections, HTTP, tokens.

pub mod auth;
