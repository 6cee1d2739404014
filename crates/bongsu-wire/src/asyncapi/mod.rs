//! The description of all message protocols (AsyncAPI 3.0), made from the registries that stand beside the codecs.
//!
//! Invariant: the same sources give the same document, byte for byte; nothing of it is written by hand that a registry says.

mod codes;
mod document;
mod examples;

pub use document::document;

use crate::action;
use crate::schema::Protocol;
use crate::{device, socketio, typed};

/// Every protocol that has messages, in the order in which people read of them.
pub const PROTOCOLS: &[Protocol] = &[
    action::registry::PROTOCOL,
    typed::registry::PROTOCOL,
    socketio::registry::PROTOCOL,
    socketio::registry::switchboard::PROTOCOL,
    device::registry::PROTOCOL,
];
