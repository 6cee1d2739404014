//! Engine.IO, below Socket.IO: sessions that are polled for, WebSockets, and the change from one to the other.
//!
//! Invariants: a session has one conversation and one mailbox, whatever carries it; what came in is carried out in its
//! order and what goes out leaves in its order, across transports. What waits for a poll is what the mailbox allows.

mod answer;
mod asked;
mod codec;
mod forward;
mod handshake;
mod line;
mod partner;
mod poll;
mod post;
mod probe;
mod service;
mod session;
mod sessions;

pub(crate) use forward::Forwarder;
pub use partner::{Arrived, Meet, Partner, Says};
pub(crate) use partner::{CHAT_PATH, chat};
pub(crate) use service::{Engine, EngineParts};
