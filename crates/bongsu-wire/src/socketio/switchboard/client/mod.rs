//! A display's end of the wire, for the agent, our own tools and tests: what it says to packets, and packets to what it is
//! told. Nothing in it is needed to serve.
//!
//! Invariant: what is made and read here are Engine.IO 4 packets of text, without their WebSocket frames. What the guide
//! does not have may be missing of what a display is told, so a server that knows no more than the guide is understood.

mod hear;
mod say;

use std::sync::Arc;

use bongsu_model::display::{PresetId, Program};
use bongsu_model::{CommandId, ConnectionEpoch, Reconnect, Refusal, Timestamp};

pub use self::hear::hear;
pub use self::say::{alive, say};
use crate::socketio::client::Unheard;

/// Where and when something is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Saying<'a> {
    /// In this namespace: `/switchboard` or `/`.
    pub namespace: &'a str,
    /// Its answer is awaited under this number.
    pub ack: Option<u64>,
    /// What the display's clock shows; nothing goes by it.
    pub now: Timestamp,
}

/// What a display is told.
#[derive(Clone, PartialEq, Debug)]
pub enum Said {
    /// The namespace is connected.
    Connected,
    /// The namespace is not connected.
    NotConnected {
        /// Why, as far as it can be read.
        problem: Problem,
    },
    /// The server has the display leave the namespace.
    Disconnected,
    /// It is let in.
    Registered(Registered),
    /// It is not let in.
    NotRegistered {
        /// The code, such as `NAME_TAKEN`.
        code: Option<Arc<str>>,
        /// Why, for people.
        reason: Arc<str>,
        /// For people.
        message: Arc<str>,
        /// When trying again makes sense, in milliseconds from now.
        retry_after_ms: Option<u64>,
    },
    /// Its heartbeat was taken.
    Beat {
        /// The server's time.
        server_time: Option<Timestamp>,
        /// When the next is due, in milliseconds.
        next_ms: Option<u64>,
    },
    /// Its heartbeat was not taken.
    NotBeat {
        /// Whether it is to come back anew.
        should_reconnect: bool,
        /// The code, such as `NOT_AUTHENTICATED`.
        code: Option<Arc<str>>,
        /// For people.
        message: Arc<str>,
    },
    /// Is it there? To be answered with [`alive`].
    Check {
        /// The text of the JSON that is to be given back.
        timestamp: Option<Box<str>>,
    },
    /// Run this.
    Execute(Box<Order>),
    /// Could you run this?
    Prepare(Box<Order>),
    /// Stop this.
    Stop(StopOrder),
    /// The server stops.
    Shutdown {
        /// When to come back, in milliseconds from now.
        reconnect_after_ms: Option<u64>,
        /// For people.
        message: Arc<str>,
    },
    /// What was said under this number was taken, or why not.
    Ack {
        /// The number.
        id: u64,
        /// Whether it was taken.
        taken: Result<(), Problem>,
    },
    /// Something that was said is refused; or, with advice, the server closes the connection.
    Error(Problem),
    /// What a display need not know: of another namespace, of the transport, or of a newer server.
    Other,
}

/// How a display is let in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registered {
    /// Its number.
    pub client: Option<i64>,
    /// Its name.
    pub name: Arc<str>,
    /// For people.
    pub message: Arc<str>,
    /// The epoch of its session: a server that says one knows the extensions.
    pub epoch: Option<ConnectionEpoch>,
    /// How often it is to send a heartbeat, in milliseconds.
    pub heartbeat_ms: Option<u64>,
    /// The server's time.
    pub server_time: Option<Timestamp>,
}

/// A program that is to be run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// The command, if the server has a name for it.
    pub command: Option<CommandId>,
    /// For which display.
    pub name: Arc<str>,
    /// Of which preset it is.
    pub preset: Option<PresetId>,
    /// What. Where the server does not say, a shell reads the line, as the guide has it.
    pub program: Program,
    /// When it was asked for, by the server's clock.
    pub issued_at: Option<Timestamp>,
    /// How long from then on it may be started, in milliseconds.
    pub ttl_ms: Option<u64>,
    /// When it is to be started, by the server's clock; `None` for at once.
    pub when: Option<Timestamp>,
}

/// Programs that are to be stopped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StopOrder {
    /// The command, if the server has a name for it.
    pub command: Option<CommandId>,
    /// For which display.
    pub name: Arc<str>,
    /// Those of this preset …
    pub preset: Option<PresetId>,
    /// … or the one of this command; without either all.
    pub run: Option<CommandId>,
    /// How long they have before they are killed, in milliseconds; `None`: as their programs say.
    pub grace_ms: Option<u64>,
}

/// What was refused, and why.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Problem {
    /// The code, such as `INVALID_PARAM`; empty if the server has none.
    pub code: Arc<str>,
    /// For people.
    pub message: Arc<str>,
    /// When trying again makes sense, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
    /// What to do when the connection is closed, which then follows.
    pub reconnect: Option<Reconnect>,
}

/// Why a packet cannot be understood. The connection goes on.
#[derive(Debug, thiserror::Error)]
pub enum NotUnderstood {
    /// No packet of a server.
    #[error(transparent)]
    Packet(#[from] Unheard),
    /// A field that is missing or wrong.
    #[error(transparent)]
    Field(#[from] Refusal),
}
