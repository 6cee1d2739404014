//! Devices as they see the gateway: over sockets, in JSON, in Protobuf and over gRPC, through the HTTP listener, a node with
//! a store in memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else comes fails the test"
)]

mod commands;
mod connection;
mod control;
mod device;
mod drain;
mod grpc;
mod handshake;
mod link;
mod malformed;
mod server;
mod sessions;
mod slow;
