//! WebSocket (RFC 6455) and permessage-deflate (RFC 7692): frames, messages and the handshake's arithmetic.
//!
//! Invariant: a connection owns memory only while a frame or a message of it is incomplete, never more than the
//! limit of one message, and never because a header announced it. What is sent holds nothing of its receiver.

mod client;
mod decode;
mod deflate;
mod extension;
mod handshake;
mod head;
mod mask;
mod send;
mod violation;

pub use client::{NotUpgraded, Upgrade, Upgraded, client_frame, client_key};
pub use decode::{Closed, Decoder, Heard, MessageLimits, Role};
pub use deflate::deflated;
pub use extension::{DEFLATE_OFFER, negotiate_deflate};
pub use handshake::{accept_key, choose_subprotocol};
pub use send::{HEADER_BYTES_MAX, PING, close_frame, frame, seal};
pub use violation::Violation;

/// What a frame of ours is. A continuation is not among them: we never cut a message into fragments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opcode {
    /// A message of UTF-8.
    Text,
    /// A message of bytes.
    Binary,
    /// The last frame of its side.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping, with its payload.
    Pong,
}

impl Opcode {
    const fn bits(self) -> u8 {
        match self {
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    const fn is_control(self) -> bool {
        match self {
            Self::Text | Self::Binary => false,
            Self::Close | Self::Ping | Self::Pong => true,
        }
    }
}
