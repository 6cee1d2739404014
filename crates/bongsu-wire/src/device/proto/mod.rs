//! The frames of devices as Protobuf: one `WebSocketPacket` in each binary message, or in each message of a gRPC stream.

mod client;
mod decode;
mod encode;
mod telemetry;

pub use client::{say, told};
pub(super) use decode::not_ours;
pub use decode::{hear, hear_packet};
pub use encode::{frame, packet};
