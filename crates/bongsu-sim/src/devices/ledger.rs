//! What was seen in a world of devices, for the checks.
//!
//! Invariant: entries stand in the order in which they happened; times are right, whatever the clocks of nodes and devices
//! say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use bongsu_model::Timestamp;
use bongsu_model::device::{Command, CommandId, CommandState, ConnectionEpoch, DeviceId, Lease, Shadow};

/// Something that was seen.
#[derive(Clone, Debug)]
pub enum Saw {
    /// A device began to do something.
    Started {
        /// Which.
        device: DeviceId,
        /// What.
        command: CommandId,
        /// Until when it may.
        deadline: Timestamp,
        /// The epoch of the frame that it follows, and of the device's session when that came.
        epoch: (ConnectionEpoch, ConnectionEpoch),
    },
    /// A command was given to a connection.
    Sent {
        /// Which.
        command: CommandId,
        /// On which session.
        epoch: ConnectionEpoch,
        /// Whether it had ended by then, in the store …
        ended: bool,
        /// … because a newer one took its place in this very session.
        overtaken: bool,
    },
    /// A caller asked a node for something.
    Asked {
        /// Which caller: one for each question.
        caller: usize,
        /// In whose name, under which key.
        key: (Arc<str>, Option<Arc<str>>),
        /// For a command of this name.
        name: Arc<str>,
    },
    /// A caller was answered with a command.
    Answered {
        /// Which caller.
        caller: usize,
        /// With which command.
        command: CommandId,
        /// Of which name.
        name: Arc<str>,
        /// Where it was then.
        state: CommandState,
    },
    /// A caller was refused.
    Refused {
        /// Which caller.
        caller: usize,
        /// With which code.
        code: &'static str,
    },
    /// The node that a caller had asked is gone, or the caller has hung up.
    HungUp {
        /// Which caller.
        caller: usize,
    },
    /// An operator was given a device.
    Leased(Lease),
    /// An operator was told that it has given a device back, or may have.
    Released {
        /// Which device.
        device: DeviceId,
        /// Who.
        holder: Arc<str>,
    },
    /// A command has ended, in the store.
    Ended {
        /// Which.
        command: CommandId,
        /// How.
        state: CommandState,
    },
}

/// What was seen, and when.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The right time.
    pub at: Timestamp,
    /// What.
    pub saw: Saw,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.at.0, self.saw)
    }
}

/// All that was seen.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// In order.
    pub seen: Vec<Seen>,
    /// What the store has at the end.
    pub commands: Vec<Command>,
    /// Devices of which nobody can know who has them: somebody asked and was not answered.
    pub lease_doubts: BTreeSet<DeviceId>,
    /// The states of devices at the end.
    pub shadows: Vec<(DeviceId, Shadow)>,
    /// How often what happened.
    pub counted: BTreeMap<&'static str, u64>,
}

impl Ledger {
    pub(super) fn count(&mut self, what: &'static str) {
        *self.counted.entry(what).or_default() += 1;
    }
}
