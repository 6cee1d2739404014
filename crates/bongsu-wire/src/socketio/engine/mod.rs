//! Engine.IO, versions 3 and 4: packets, polling payloads both ways, and the frames of what a server says.
//!
//! Invariant: a packet means the same over every transport; only its bytes differ. Nothing here keeps time or state but
//! [`Payloads`], which remembers one bit of a session.

mod decode;
mod form;
mod frames;
mod packets;
mod payload;
mod records;
mod violation;

pub use decode::{Kind, Payloads};
pub use frames::{Opening, close, first, message_binary, message_text, noop, ping, pong};
pub use packets::{ECHO_BYTES_MAX, Heard, Version, binary, text};
pub use payload::{Payload, payload, script};
pub use violation::Violation;
