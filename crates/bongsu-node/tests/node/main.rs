//! A node without sockets, asked by clients of a plain protocol.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod devices;
mod displays;
mod emitting;
mod happenings;
mod joining;
mod member_tokens;
mod plain;
mod rates;
mod recovering;
mod session_rooms;
mod signing;
mod takeovers;
mod world;
