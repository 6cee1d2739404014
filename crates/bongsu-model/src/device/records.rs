//! What is kept about devices, and what nodes tell each other of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{CommandId, CommandState, ConnectionEpoch, DeviceId, Fence, Object, Value};
use crate::display::DisplayNow;
use crate::{SessionId, Timestamp, TokenHash};

/// A device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// For ever.
    pub id: DeviceId,
    /// Its number, from 1, for protocols that know devices by number: rises with every device that is made, and is never
    /// given twice; a device that is made again under the same id gets a new one.
    pub client: i64,
    /// What it is: `vehicle`, `display`, …
    pub kind: Arc<str>,
    /// Its software's version, by its last hello.
    pub version: Option<Arc<str>>,
    /// What it can do, by its last hello.
    pub capabilities: Arc<[Arc<str>]>,
    /// The epoch of its last session.
    pub epoch: ConnectionEpoch,
    /// The session that it has, as far as the store was told; its node may have died since.
    pub session: Option<DeviceSession>,
    /// When its last session ended.
    pub last_seen: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A device's session as the store knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceSession {
    /// Which.
    pub id: SessionId,
    /// On which node.
    pub node: Arc<str>,
    /// Which start of that node.
    pub boot: u64,
    /// Since when.
    pub since: Timestamp,
}

/// A device to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewDevice {
    /// Which.
    pub id: DeviceId,
    /// What it is.
    pub kind: Arc<str>,
}

/// An enrolment token as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Enrolment {
    /// The SHA-256 of the token.
    pub hash: TokenHash,
    /// Whom it lets in.
    pub device: DeviceId,
    /// When it ends; `None` for never.
    pub expires_at: Option<Timestamp>,
}

/// A session that is about to begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenSession {
    /// Whose.
    pub device: DeviceId,
    /// The session.
    pub session: DeviceSession,
    /// Whether to make a device that does not exist.
    pub create: bool,
    /// Which session may be kept for the device, so that it may begin.
    pub expects: Expects,
    /// What it says it is; `None` leaves what is known (`device` for one that is made).
    pub kind: Option<Arc<str>>,
    /// Its software's version.
    pub version: Option<Arc<str>>,
    /// What it can do.
    pub capabilities: Arc<[Arc<str>]>,
}

/// Which session may be kept for a device when another is to begin: who has looked at the one that is kept, and found that
/// nobody answers there, takes over from that one and no other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Expects {
    /// Whichever: the new one takes over.
    #[default]
    Any,
    /// None.
    Free,
    /// None, or the one of this epoch.
    Held(ConnectionEpoch),
}

impl Expects {
    /// Whether a session may begin while this one is kept.
    #[must_use]
    pub fn admits(self, kept: Option<&Held>) -> bool {
        match (self, kept) {
            (Self::Any, _) | (_, None) => true,
            (Self::Free, Some(_)) => false,
            (Self::Held(epoch), Some(kept)) => kept.epoch == epoch,
        }
    }
}

/// What became of a session that was to begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionOpened {
    /// It has begun.
    Opened(Opened),
    /// Another is kept than was expected: this one.
    Taken(Held),
    /// There is no such device, and it is not to be made.
    NoDevice,
}

/// A session that has begun.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The epoch it was given: higher than all before.
    pub epoch: ConnectionEpoch,
    /// The session that it takes over from, if the store knew of one.
    pub before: Option<Held>,
}

/// A session, and the epoch it had.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// The session.
    pub session: DeviceSession,
    /// Its epoch.
    pub epoch: ConnectionEpoch,
}

/// What is to be sent when a lease lapses and nobody has renewed it.
#[derive(Clone, PartialEq, Debug)]
pub struct AtLapse {
    /// The command's name.
    pub name: Arc<str>,
    /// Its arguments.
    pub args: Object,
}

/// A control lease: one operator has the device.
#[derive(Clone, PartialEq, Debug)]
pub struct Lease {
    /// Which device.
    pub device: DeviceId,
    /// Who has it.
    pub holder: Arc<str>,
    /// Its fencing number.
    pub fence: Fence,
    /// Since when.
    pub since: Timestamp,
    /// When it lapses.
    pub expires_at: Timestamp,
    /// What is sent then.
    pub at_lapse: Option<AtLapse>,
}

/// A lease that is asked for.
#[derive(Clone, PartialEq, Debug)]
pub struct LeaseAsk {
    /// Which device.
    pub device: DeviceId,
    /// For whom.
    pub holder: Arc<str>,
    /// Now.
    pub at: Timestamp,
    /// When it shall lapse.
    pub expires_at: Timestamp,
    /// What shall be sent then; a renewal replaces it.
    pub at_lapse: Option<AtLapse>,
}

/// What became of a lease that was asked for.
#[derive(Clone, PartialEq, Debug)]
pub enum Leased {
    /// It is the caller's: new, with a higher fence, or renewed, with the same.
    Granted(Lease),
    /// Another has it.
    Held(Lease),
    /// There is no such device.
    NoDevice,
}

/// What nodes tell each other of devices. Any of it may be lost, repeated or come out of order.
#[derive(Clone, PartialEq, Debug)]
pub enum DeviceSaid {
    /// A session of a device has begun: whoever holds an older one ends it.
    Opened {
        /// Whose.
        device: DeviceId,
        /// With which epoch.
        epoch: ConnectionEpoch,
    },
    /// A command waits in the store for whoever holds the device.
    Offered {
        /// For whom.
        device: DeviceId,
        /// Which.
        command: CommandId,
        /// The node that offers it.
        from: Arc<str>,
    },
    /// A node has taken an offered command on.
    Taken {
        /// Which.
        command: CommandId,
        /// The node that offered it.
        to: Arc<str>,
    },
    /// A caller takes a command back.
    Cancel {
        /// For whom it was.
        device: DeviceId,
        /// Which.
        command: CommandId,
        /// Who says so.
        by: Arc<str>,
    },
    /// A command is in another state, in the store already.
    Moved {
        /// Whose.
        device: DeviceId,
        /// Which.
        command: CommandId,
        /// Where it is.
        state: CommandState,
        /// The node on which it was asked for.
        to: Arc<str>,
    },
    /// The desired state of a device has changed, in the store already.
    Desired {
        /// Whose.
        device: DeviceId,
        /// Its version.
        version: u64,
    },
    /// The state of a device is another, in the store already: what it says of itself, or a wish that came with a command.
    Changed {
        /// Whose.
        device: DeviceId,
        /// Its version; `None` if whoever says so does not know it.
        version: Option<u64>,
    },
    /// A device's latest telemetry.
    Telemetry {
        /// Whose.
        device: DeviceId,
        /// What.
        values: Arc<Object>,
        /// When it was heard.
        at: Timestamp,
    },
    /// What has the device measured? Who holds its session says so.
    AskTelemetry {
        /// Which.
        device: DeviceId,
        /// The node that wants to know.
        from: Arc<str>,
    },
    /// This, as far as the node that holds it has heard.
    Measured {
        /// Whose.
        device: DeviceId,
        /// The latest value of each key, and when it was heard.
        values: Arc<BTreeMap<Arc<str>, (Value, Timestamp)>>,
        /// When something was heard last.
        at: Timestamp,
        /// The node that asked.
        to: Arc<str>,
    },
    /// What do these displays say of themselves?
    AskDisplays {
        /// Which.
        displays: Arc<[DeviceId]>,
        /// The node that wants to know.
        from: Arc<str>,
        /// The node that holds them, by the store's word.
        to: Arc<str>,
    },
    /// This is what one says.
    Shown {
        /// Which.
        device: DeviceId,
        /// What; `None` if it is not there.
        now: Option<Arc<DisplayNow>>,
        /// The node that asked.
        to: Arc<str>,
    },
    /// Is whoever has this name there? Who holds its session asks it.
    Probe {
        /// Whose.
        device: DeviceId,
        /// Of which epoch; a later one is not meant.
        epoch: ConnectionEpoch,
        /// The node that wants to know.
        from: Arc<str>,
    },
    /// It is.
    Alive {
        /// Whose.
        device: DeviceId,
        /// Of which epoch.
        epoch: ConnectionEpoch,
        /// The node that asked.
        to: Arc<str>,
    },
    /// The device's session is to end.
    Disconnect {
        /// Whose.
        device: DeviceId,
    },
}
