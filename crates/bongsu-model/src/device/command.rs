//! A command: one order to one device, with a deadline, that ends in exactly one terminal state.
//!
//! Invariant: a state's rank never falls, and a terminal state is the last; the store keeps both guards.

use std::sync::Arc;

use super::{CommandId, ConnectionEpoch, DeviceId, Fence, Object, Status, Value};
use crate::Timestamp;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// The names of [`Self::ALL`], for error texts.
            pub const NAMES: &'static [&'static str] = &[$($word),*];

            /// The name on every wire and in the store.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The value of that name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Where a command is in its life. In this order it goes; from any that is not terminal it may end.
    CommandState {
        /// It is stored.
        Accepted = "accepted",
        /// The node that holds the device has it: from now on it may reach the device.
        Routed = "routed",
        /// The kernel (or what stands for it) has taken all its bytes.
        Written = "written",
        /// The device has it.
        Received = "received",
        /// The device carries it out.
        InProgress = "in_progress",
        /// The device has carried it out.
        Succeeded = "succeeded",
        /// The device tried and could not.
        Failed = "failed",
        /// The device will not.
        Rejected = "rejected",
        /// The device did not say in time how it ended: it may have been carried out.
        TimedOut = "timed_out",
        /// Its deadline came before it was sent, or before it was started: it was not carried out.
        Expired = "expired",
        /// A newer one for the same target took its place.
        Superseded = "superseded",
        /// A caller took it back.
        Cancelled = "cancelled",
        /// The device was connected nowhere, and the command does not wait.
        Offline = "offline",
    }
}

impl CommandState {
    /// Whether nothing comes after it.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !self.is_open()
    }

    /// Whether it may still end in one way or another.
    #[must_use]
    pub const fn is_open(self) -> bool {
        (self as u8) <= (Self::InProgress as u8)
    }

    /// Whether the device has said that it has it.
    #[must_use]
    pub const fn is_acknowledged(self) -> bool {
        matches!(self, Self::Received | Self::InProgress)
    }

    /// What a device's word makes of a command.
    #[must_use]
    pub const fn of(status: Status) -> Self {
        match status {
            Status::Received => Self::Received,
            Status::InProgress => Self::InProgress,
            Status::Ok => Self::Succeeded,
            Status::Failed => Self::Failed,
            Status::Rejected => Self::Rejected,
        }
    }
}

words! {
    /// What becomes of a command whose device is connected nowhere.
    IfOffline {
        /// It is refused at once.
        Fail = "fail",
        /// It waits for the device until its deadline.
        Queue = "queue",
    }
}

/// How commands stand to each other on one device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// The newest for a target counts; at most one is outstanding for it.
    LatestWins,
    /// One at a time for a target (without one: for a name), in order.
    Serial,
    /// So many of a name at a time.
    Parallel(u32),
    /// Nothing else on the device while it is outstanding.
    Exclusive,
}

/// Two commands with the same serial key are never outstanding together under [`Pace::LatestWins`] and
/// [`Pace::Serial`]: the target, or the name where there is none.
pub type Serial = Arc<str>;

/// A command as it is kept.
#[derive(Clone, PartialEq, Debug)]
pub struct Command {
    /// Its name for ever.
    pub id: CommandId,
    /// Whom it is for.
    pub device: DeviceId,
    /// What: the name in the catalogue, `cmd` on the wires of devices.
    pub name: Arc<str>,
    /// With what.
    pub args: Object,
    /// The key of the target state that it sets; `None` for a command without one.
    pub target: Option<Arc<str>>,
    /// How it stands to others on the device.
    pub pace: Pace,
    /// What if the device is connected nowhere.
    pub if_offline: IfOffline,
    /// Who asked: a token's subject or a key's name.
    pub by: Arc<str>,
    /// From which address, if known.
    pub from: Option<Arc<str>>,
    /// When it was accepted.
    pub at: Timestamp,
    /// From then on it is not sent and not started.
    pub deadline: Timestamp,
    /// How long the device may take once it has it, in milliseconds.
    pub execution_ms: u64,
    /// Where it is.
    pub state: CommandState,
    /// Since when it is there.
    pub since: Timestamp,
    /// The connection epoch under which it was routed or said something of last; 0 before.
    pub epoch: ConnectionEpoch,
    /// What the device answered.
    pub result: Option<Value>,
    /// Why the device did not do it.
    pub error: Option<Value>,
    /// What the device said after the end.
    pub late: Option<Late>,
    /// What happened, oldest first.
    pub history: Vec<Note>,
}

impl Command {
    /// The key under which it is one at a time, for the paces that know one.
    #[must_use]
    pub fn serial(&self) -> &Serial {
        self.target.as_ref().unwrap_or(&self.name)
    }

    /// When it must have ended if nobody says anything any more: the deadline, or for one that the device has, the end of
    /// its execution time.
    #[must_use]
    pub fn ends_by(&self) -> Timestamp {
        if self.state.is_acknowledged() {
            let ms = i64::try_from(self.execution_ms).unwrap_or(i64::MAX);
            Timestamp(self.since.0.saturating_add(ms)).max(self.deadline)
        } else {
            self.deadline
        }
    }

    /// Makes one that was to be routed one that is only accepted, as if its device had not been here: without the note, and
    /// under no epoch.
    pub fn unroute(&mut self) {
        self.state = CommandState::Accepted;
        self.epoch = ConnectionEpoch(0);
        self.history.retain(|note| note.state != CommandState::Routed);
    }

    /// How it ends when its time is over: nobody can know more than its state tells.
    #[must_use]
    pub const fn overdue(&self) -> CommandState {
        if matches!(self.state, CommandState::Accepted) {
            CommandState::Expired
        } else {
            CommandState::TimedOut
        }
    }
}

/// What a device said of a command that had ended already.
#[derive(Clone, PartialEq, Debug)]
pub struct Late {
    /// When it was heard.
    pub at: Timestamp,
    /// What it would have been.
    pub state: CommandState,
    /// With what.
    pub result: Option<Value>,
    /// Or why not.
    pub error: Option<Value>,
}

/// Something that happened to a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// Where it was from then on; the same as before for what moved it nowhere (a repeat, another caller).
    pub state: CommandState,
    /// When.
    pub at: Timestamp,
    /// On which node.
    pub node: Arc<str>,
    /// More, as `key=value` words: `session=… epoch=7 attempt=2`, `by=…`, `superseded_by=…`.
    pub detail: Option<Arc<str>>,
}

/// A wish that comes with a command: written to the device's desired state together with it.
#[derive(Clone, PartialEq, Debug)]
pub struct Wish {
    /// The key.
    pub key: Arc<str>,
    /// The value.
    pub value: Value,
}

/// A command to be kept, after catalogue, policy and rate have passed it.
#[derive(Clone, PartialEq, Debug)]
pub struct NewCommand {
    /// The command: `Accepted`, or `Routed` when its device is connected to the node that asks; with its history so far.
    pub command: Command,
    /// The caller's own key for it, with a hash of what it asked for.
    pub key: Option<(Arc<str>, [u8; 32])>,
    /// The same device, target (or name) and arguments within this time of an open command join it; 0 for never.
    pub debounce_ms: u64,
    /// Which operator's lease it passes; `None`: only while there is none. Who asks passes its own by name (`command.by`).
    pub fence: Option<Fence>,
    /// What is written to the desired state with it.
    pub wish: Option<Wish>,
    /// At most so many open commands of one device.
    pub open_max: usize,
}

/// What became of a command that was to be kept.
#[derive(Clone, PartialEq, Debug)]
pub enum Recorded {
    /// It is kept.
    New {
        /// Commands that it superseded in the store, because they were nowhere but there.
        superseded: Vec<CommandId>,
        /// Whether it is kept as routed. One that should be and is not is kept as [`Command::unroute`] makes it: the
        /// session under whose epoch it came is not the device's any more.
        routed: bool,
    },
    /// The same was asked a moment ago: this one stands for both. A note says so in its history.
    Joined(Box<Command>),
    /// The same caller used the key before for the same thing: this is what came of it.
    Repeat(Box<Command>),
    /// The same caller used the key before for another thing.
    KeyReused,
    /// Another operator has the device.
    Leased(super::Lease),
    /// The device has too many open commands.
    TooMany,
    /// There is no such device.
    NoDevice,
}

/// What is to be noted of a command.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// Which.
    pub command: CommandId,
    /// Of which device: refused if the command is another's.
    pub device: DeviceId,
    /// The epoch of whoever says so; refused if the store has seen a later one on this command, and if it is to be routed
    /// and the device has had a later one.
    pub epoch: ConnectionEpoch,
    /// The note for the history; its state is where the command goes, if that is further than it is.
    pub note: Note,
    /// More of what is noted.
    pub kind: StepKind,
}

/// More of what is noted of a command.
#[derive(Clone, PartialEq, Debug)]
pub enum StepKind {
    /// It moves on, or stays where it is: a step back changes no state, and is noted all the same.
    Moves,
    /// It ends, if it has not ended.
    Ends(Ends),
    /// The device said this after the end: the first such word is kept. Noted only on a command that has ended.
    Late(Late),
}

/// With what a command ends.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Ends {
    /// What the device answered.
    pub result: Option<Value>,
    /// Why it did not.
    pub error: Option<Value>,
}

/// What became of a step.
#[derive(Clone, PartialEq, Debug)]
pub enum Stepped {
    /// It is kept; the command after it.
    Kept(Box<Command>),
    /// It is refused: the command has ended, or it or its device belongs to a later epoch by now. The command as it is.
    Refused(Box<Command>),
    /// There is no such command.
    Absent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_go_one_way_and_have_their_names() {
        let open: Vec<_> = CommandState::ALL.iter().filter(|state| state.is_open()).collect();
        assert_eq!(open.len(), 5);
        for state in CommandState::ALL {
            assert_eq!(CommandState::parse(state.name()), Some(*state));
            assert_ne!(state.is_open(), state.is_terminal());
        }
        assert_eq!(CommandState::of(Status::Ok), CommandState::Succeeded);
    }
}
