//! What a device says and what is said to it, on whatever transport.
//!
//! Invariant: nothing here knows an encoding. Every frame to a device leaves with the session's connection epoch.

use std::sync::Arc;

use super::{Command, CommandId, ConnectionEpoch, DeviceId, Object, Value, words};
use crate::refusal::Closing;
use crate::{Refusal, SessionId, Timestamp};

words! {
    /// How a command is doing, by its device.
    Status {
        /// It is here.
        Received = "received",
        /// It is being carried out.
        InProgress = "in_progress",
        /// It is done.
        Ok = "ok",
        /// It was tried and could not be done.
        Failed = "failed",
        /// It will not be done.
        Rejected = "rejected",
    }
}

/// What a device says.
#[derive(Clone, PartialEq, Debug)]
pub enum FromDevice {
    /// The first frame of a session.
    Hello(Box<Hello>),
    /// How a command is doing.
    Word(Word),
    /// It is there. With its own time, if it says it, for the measuring of clocks.
    Heartbeat {
        /// Its own time.
        clock: Option<Timestamp>,
    },
    /// What it measures: the latest of each key counts.
    Telemetry(Object),
    /// What state it is in: the keys that changed, `null` for those that are gone.
    Reported {
        /// The desired version that it had taken in.
        version: Option<u64>,
        /// The state.
        state: Object,
    },
    /// A new token for the session.
    AuthUpdate {
        /// The token.
        token: Arc<str>,
    },
}

/// The first frame of a session.
#[derive(Clone, PartialEq, Debug)]
pub struct Hello {
    /// Who.
    pub device: DeviceId,
    /// What it is: `vehicle`, `display`, …
    pub kind: Option<Arc<str>>,
    /// Its software's version.
    pub version: Option<Arc<str>>,
    /// What it can do.
    pub capabilities: Vec<Arc<str>>,
    /// The whole state it is in, if it says so.
    pub reported: Option<Object>,
    /// The desired version that it had taken in.
    pub reported_version: Option<u64>,
    /// The commands that it is carrying out.
    pub running: Vec<CommandId>,
    /// Its own time.
    pub clock: Option<Timestamp>,
    /// A token, for a client that cannot put it into the handshake.
    pub token: Option<Arc<str>>,
}

/// How a command is doing, by its device.
#[derive(Clone, PartialEq, Debug)]
pub struct Word {
    /// Which command.
    pub reply_to: CommandId,
    /// How it is doing.
    pub status: Status,
    /// What came of it.
    pub result: Option<Value>,
    /// Or why not.
    pub error: Option<Value>,
    /// The epoch that the device believes to be its own; refused if it is not.
    pub epoch: Option<ConnectionEpoch>,
}

/// What is said to a device.
#[derive(Clone, PartialEq, Debug)]
pub enum ToDevice {
    /// The answer to the hello.
    Welcome(Box<Welcome>),
    /// Do this.
    Command(CommandFrame),
    /// Become this: the desired state where it differs from the reported one.
    Delta {
        /// The state's version: an older one than the last may be dropped.
        version: u64,
        /// The difference.
        state: Object,
    },
    /// We are there: the answer to a heartbeat.
    Heartbeat {
        /// Our time.
        server_time: Timestamp,
        /// The device's own time as it said it.
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
    /// What the device said was refused.
    Refused(Refusal),
    /// The session ends.
    Closing(Closing),
}

/// The answer to the hello.
#[derive(Clone, PartialEq, Debug)]
pub struct Welcome {
    /// The session.
    pub session: SessionId,
    /// The connection epoch.
    pub epoch: ConnectionEpoch,
    /// How often the device must send a heartbeat, in milliseconds.
    pub heartbeat_ms: u64,
    /// Our time.
    pub server_time: Timestamp,
    /// The device's own time as it said it in the hello.
    pub clock: Option<Timestamp>,
    /// The desired state where it differs from the reported one, with its version, if it does.
    pub delta: Option<(u64, Object)>,
}

/// A command as a device sees it.
#[derive(Clone, PartialEq, Debug)]
pub struct CommandFrame {
    /// Which.
    pub command: Arc<Command>,
    /// How many times it was written before, on whatever session.
    pub attempt: u32,
}

impl CommandFrame {
    /// How long it may still be started, in milliseconds: from its acceptance to its deadline.
    #[must_use]
    pub fn ttl_ms(&self) -> u64 {
        u64::try_from(self.command.deadline.0.saturating_sub(self.command.at.0)).unwrap_or(0)
    }
}
