//! The device's end of the wire, for the device library, our own tools and the simulation: what it says to bytes, what
//! it is told from them. Nothing in it is needed to serve.
//!
//! Invariant: what a device does not know it is told in vain, and goes on.

use std::sync::Arc;

use bongsu_model::device::{CommandId, ConnectionEpoch, FromDevice, Object, Welcome};
use bongsu_model::{Limits, Reconnect, Refusal, Timestamp};
use bongsu_proto::v1;
use prost::Message;

use super::{Format, json, proto};
use crate::websocket::Opcode;

/// One message to a device.
#[derive(Clone, PartialEq, Debug)]
pub struct Told {
    /// The session's connection epoch; 0 where there was none yet. What has a lower one than the welcome is not for this
    /// session.
    pub epoch: ConnectionEpoch,
    /// What it is told.
    pub what: What,
}

/// What a device is told.
#[derive(Clone, PartialEq, Debug)]
pub enum What {
    /// The session has begun.
    Welcome(Box<Welcome>),
    /// Do this.
    Command(Order),
    /// Become this, where it differs from what you reported; `null` for what should not be.
    Delta {
        /// The state's version: what has a lower one than the last is dropped.
        version: u64,
        /// The difference.
        state: Object,
    },
    /// The answer to a heartbeat.
    Heartbeat {
        /// The gateway's time.
        server_time: Timestamp,
        /// The device's own time, as the heartbeat had it.
        clock: Option<Timestamp>,
    },
    /// The new token is in force.
    AuthUpdated {
        /// When it ends.
        expires_at: Timestamp,
    },
    /// The token ends soon.
    TokenExpiring {
        /// When.
        expires_at: Timestamp,
    },
    /// Something it said was refused; the session goes on.
    Refused(Problem),
    /// The session ends.
    Closing(Parting),
}

/// A command, as its device sees it.
#[derive(Clone, PartialEq, Debug)]
pub struct Order {
    /// Which: the same in every repeat.
    pub id: CommandId,
    /// What to do.
    pub name: Arc<str>,
    /// With what.
    pub args: Object,
    /// How long after `issued_at` it may still be started, in milliseconds.
    pub ttl_ms: u64,
    /// When it was accepted, by the gateway's clock.
    pub issued_at: Timestamp,
    /// How many times it was sent before.
    pub attempt: u32,
}

impl Order {
    /// From then on it must not be started, by the gateway's clock.
    #[must_use]
    pub const fn deadline(&self) -> Timestamp {
        self.issued_at.plus_ms(self.ttl_ms)
    }
}

/// What was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The code, such as `INVALID_DATA`.
    pub code: Arc<str>,
    /// For people.
    pub message: Arc<str>,
    /// The field that is missing or wrong, if it is one.
    pub field: Option<Arc<str>>,
    /// One word more than the code.
    pub reason: Option<Arc<str>>,
    /// When trying again makes sense, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
}

/// How a session ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parting {
    /// What a WebSocket is closed with.
    pub close_code: u16,
    /// Why.
    pub problem: Problem,
    /// What to do next.
    pub reconnect: Reconnect,
}

impl Format {
    /// What a device says, as the payload of one message and what kind of message that is.
    #[must_use]
    pub fn say(self, said: &FromDevice) -> (Opcode, Vec<u8>) {
        match self {
            Self::Json => (Opcode::Text, json::say(said).into_bytes()),
            Self::Proto => (Opcode::Binary, proto::say(said).encode_to_vec()),
        }
    }

    /// Reads one message to a device; `None` for what this device is too old to know.
    ///
    /// # Errors
    ///
    /// What is wrong with it: a gateway that says so cannot be spoken with.
    pub fn told(self, message: &[u8], limits: &Limits) -> Result<Option<Told>, Refusal> {
        match self {
            Self::Json => json::told(message, limits),
            Self::Proto => match v1::WebSocketPacket::decode(message) {
                Ok(packet) => proto::told(packet, limits),
                Err(_) => Err(proto::not_ours().refusal),
            },
        }
    }
}

/// The advice of this name.
pub(super) fn reconnect(name: &str) -> Option<Reconnect> {
    [Reconnect::Now, Reconnect::Later, Reconnect::Never]
        .into_iter()
        .find(|it| it.name() == name)
}
