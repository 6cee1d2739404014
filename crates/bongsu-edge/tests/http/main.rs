//! The HTTP API as its callers see it: raw requests over loopback against a node with a store in memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod car;
mod client;
mod commands;
mod connections;
mod credentials;
mod description;
mod devices;
mod display_bulk;
mod displays;
mod docs;
mod events;
mod idempotency;
mod member_tokens;
mod paging;
mod presets;
mod probes;
mod problems;
mod profiles;
mod reviewer;
mod roles;
mod rooms;
mod screen;
mod server;
mod sessions;
mod state;
mod status;
mod users;
mod watching;
