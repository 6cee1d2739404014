//! Several nodes as operators and clients see them: in one process, on one store in memory and one bus between them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod away;
#[path = "../engine/client.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod client;
mod forward;
#[path = "../engine/server.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod server;
mod shared_bus;
mod together;
#[path = "../tcp/world.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod world;
