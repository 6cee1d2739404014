//! Socket.IO packets, revisions 3 to 5 of the protocol, whose text is the same:
//! `<type>[<attachments>-][<namespace>[?<query>],][<id>][<json>]`.
//!
//! Invariant: what is decoded is whole and fit for its type, its JSON is valid and no deeper than the limit; whoever gets
//! it need not doubt it again.

mod decode;
pub(crate) mod encode;
mod placeholders;
mod violation;

use std::borrow::Cow;

pub use decode::{ID_MAX, NAMESPACE_BYTES_MAX, decode};
pub use encode::{ack, connect, connect_error, disconnect, event};
pub use placeholders::placeholders;
pub use violation::Violation;

/// What a packet does. Whether it comes with attachments is their number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Asks for a namespace, or grants it.
    Connect,
    /// Leaves a namespace.
    Disconnect,
    /// Says something by name.
    Event,
    /// Answers an event that has an id.
    Ack,
    /// Refuses a namespace; only a server does.
    ConnectError,
}

/// One packet, borrowed from its text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// What it does.
    pub kind: Kind,
    /// So many messages of bytes follow, which belong to it; 0 but for events and acks.
    pub attachments: usize,
    /// Begins with a slash; `/` where none is written.
    pub namespace: &'a str,
    /// What follows the namespace's question mark, still percent-encoded: clients of Socket.IO 2 write it there.
    pub query: Option<&'a str>,
    /// An event's, if it wants an ack; always an ack's. At most [`ID_MAX`].
    pub id: Option<u64>,
    /// The text of its JSON: an object of a connect, an array of events and acks, an object or a string of an error.
    pub data: Option<&'a str>,
    /// What an event says; of events only.
    pub event: Option<Event<'a>>,
}

/// An event's name and what it is said of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event<'a> {
    /// None of those that mean something to the clients' own libraries.
    pub name: Cow<'a, str>,
    /// The text of the first argument: for most events there is one.
    pub argument: Option<&'a str>,
    /// How many arguments there are.
    pub arguments: usize,
}

impl<'a> Packet<'a> {
    /// The texts of an event's arguments, without its name, or of an ack's; `None` if there are more than `max`.
    #[must_use]
    pub fn arguments(&self, max: usize) -> Option<Vec<&'a str>> {
        let named = usize::from(self.kind == Kind::Event);
        let mut arguments = match (self.kind, self.data) {
            (Kind::Event | Kind::Ack, Some(data)) => {
                crate::json::field::entries(data, max.saturating_add(named))?
            }
            (Kind::Connect | Kind::Disconnect | Kind::ConnectError, _) | (_, None) => Vec::new(),
        };
        arguments.drain(..named.min(arguments.len()));
        Some(arguments)
    }
}
