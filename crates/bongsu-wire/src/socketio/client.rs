//! The other end of the wire, for our own command line, load generator and tests: requests to packets, packets to what
//! they say. Nothing in it is needed to serve.
//!
//! Invariant: what is made and read here are Engine.IO 4 packets of text, without their WebSocket frames.

use bongsu_model::Limits;
use serde::Deserialize;

pub use serde_json::Value;

use super::packet::{self, Kind, Violation};

/// An event with one argument, which is the text of an object. With `ack` its answer is awaited under that number.
#[must_use]
pub fn event(namespace: &str, ack: Option<u64>, name: &str, data: &str) -> String {
    let number = ack.map_or(String::new(), |it| it.to_string());
    format!("42{}{number}[{},{data}]", prefix(namespace), Value::from(name))
}

/// Asks for a namespace. `auth` is what is said to be let in: `{"token": …, "protocol": "type"}`.
#[must_use]
pub fn connect(namespace: &str, auth: Option<&Value>) -> String {
    let auth = auth.map_or(String::new(), Value::to_string);
    format!("40{}{auth}", prefix(namespace))
}

/// Leaves a namespace, and signs out where one signed in there.
#[must_use]
pub fn disconnect(namespace: &str) -> String {
    format!("41{}", prefix(namespace))
}

/// The answer to the server's ping.
pub const PONG: &str = "3";

fn prefix(namespace: &str) -> String {
    match namespace {
        "/" => String::new(),
        other => format!("{other},"),
    }
}

/// One packet from the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard<'a> {
    /// The session is open; the text of its terms.
    Open(&'a str),
    /// Whether anybody is there: to be answered with [`PONG`].
    Ping,
    /// A namespace is connected.
    Connected {
        /// Which.
        namespace: &'a str,
        /// The names that it was given.
        names: Names,
    },
    /// A namespace is not connected; the text of an object with `message` and perhaps `data`.
    NotConnected {
        /// Which.
        namespace: &'a str,
        /// Why.
        why: &'a str,
    },
    /// A namespace was left by the server.
    Disconnected {
        /// Which.
        namespace: &'a str,
    },
    /// Something is said.
    Event {
        /// Where.
        namespace: &'a str,
        /// What it is called.
        name: String,
        /// The text of its first argument; of an empty object if there is none.
        data: &'a str,
        /// The offset behind it, if there is one.
        offset: Option<String>,
    },
    /// An answer.
    Ack {
        /// Where.
        namespace: &'a str,
        /// The number of the event that it answers.
        id: u64,
        /// The text of its first argument; of an empty object if there is none.
        data: &'a str,
    },
    /// The session is closed.
    Closed,
    /// Nothing that a client has to know.
    Nothing,
}

/// The names that a socket has in its namespace.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
pub struct Names {
    /// Its own; other clients may learn it.
    #[serde(default)]
    pub sid: Option<String>,
    /// That of its place, if it asked for one.
    #[serde(default)]
    pub pid: Option<String>,
}

/// Why a text is no packet of a server.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    /// No packet of Socket.IO.
    #[error(transparent)]
    Packet(#[from] Violation),
    /// The names of a socket are no object.
    #[error("not the names of a socket")]
    Names(#[from] serde_json::Error),
    /// No packet of Engine.IO.
    #[error("an unknown type of packet")]
    Type,
}

impl<'a> Heard<'a> {
    /// Reads one packet of text.
    ///
    /// # Errors
    ///
    /// Whatever no server says.
    pub fn parse(text: &'a str) -> Result<Self, Unheard> {
        let rest = text.get(1..).unwrap_or_default();
        match text.as_bytes().first() {
            Some(b'0') => Ok(Self::Open(rest)),
            Some(b'1') => Ok(Self::Closed),
            Some(b'2') => Ok(Self::Ping),
            Some(b'3' | b'6') => Ok(Self::Nothing),
            Some(b'4') => Self::packet(rest),
            Some(_) | None => Err(Unheard::Type),
        }
    }

    fn packet(text: &'a str) -> Result<Self, Unheard> {
        let packet = packet::decode(text, &Limits::DEFAULT)?;
        let namespace = packet.namespace;
        let arguments = packet.arguments(usize::MAX).unwrap_or_default();
        let data = arguments.first().copied().unwrap_or("{}");
        Ok(match packet.kind {
            Kind::Connect => Self::Connected {
                namespace,
                names: packet.data.map_or(Ok(Names::default()), serde_json::from_str)?,
            },
            Kind::Disconnect => Self::Disconnected { namespace },
            Kind::ConnectError => Self::NotConnected {
                namespace,
                why: packet.data.unwrap_or("{}"),
            },
            Kind::Event => Self::Event {
                namespace,
                name: packet.event.map(|it| it.name.into_owned()).unwrap_or_default(),
                data,
                offset: arguments.get(1).and_then(|it| serde_json::from_str(it).ok()),
            },
            Kind::Ack => Self::Ack {
                namespace,
                id: packet.id.unwrap_or_default(),
                data,
            },
        })
    }
}
