//! What may happen to commands on their way.

use std::sync::Arc;

use bongsu_model::SessionId;
use bongsu_model::device::{Command, CommandId, ConnectionEpoch, DeviceId, Word};

/// When the next command of a session may be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pacing {
    /// When the kernel has taken the former whole.
    Kernel,
    /// When the device has said a word about the former, or that one's retry has come due: where nobody can see what waits
    /// in the transport.
    Acknowledged,
}

/// What may happen to commands on their way.
///
/// Inputs about one device come in the order in which they happened. An input of an older epoch than the device's changes
/// nothing, but for what was written: that stays a fact.
#[derive(Clone, Debug)]
pub enum DeskInput {
    /// A session of a device has begun here. Ignored if a later one is known.
    Attached {
        /// Whose.
        device: DeviceId,
        /// Its epoch.
        epoch: ConnectionEpoch,
        /// The session.
        session: SessionId,
        /// The commands that the device says it is carrying out.
        running: Vec<CommandId>,
        /// All of its open commands in the store, oldest first, read after the session was given its epoch.
        commands: Vec<Command>,
        /// When the next may be written.
        pacing: Pacing,
        /// Whether the device knows a command again that it has had. To one that does not, nothing is written that may have
        /// been written before, on whatever session: what becomes of such a command is the device's to say, and it ends by
        /// its deadline as one that may have been carried out if the device says nothing. Nor is what was so written here
        /// written again on a session that follows: that may be of somebody else.
        repeats: bool,
    },
    /// The session is over. What its writer had to say was said before: what it said nothing of was not written. Its commands
    /// wait for the next one.
    Detached {
        /// Whose.
        device: DeviceId,
        /// Its epoch.
        epoch: ConnectionEpoch,
    },
    /// A later session began on another node, which has the device's commands now: they are forgotten without a step.
    Released {
        /// Whose.
        device: DeviceId,
        /// The epoch of the session that began; a session here with this epoch or a later one stays.
        by: ConnectionEpoch,
    },
    /// A command is in the store, as accepted, or as routed under its epoch. A repeat is ignored; so is one more than a device
    /// may have, which the sweeper ends.
    Offered {
        /// As it is stored.
        command: Box<Command>,
    },
    /// The store has kept a step.
    Kept {
        /// Of which command.
        command: CommandId,
        /// The step's epoch.
        epoch: ConnectionEpoch,
    },
    /// The store has refused a step: the command has ended elsewhere, or belongs to a later session.
    Gone {
        /// Which.
        command: CommandId,
        /// The step's epoch.
        epoch: ConnectionEpoch,
    },
    /// A command was written whole.
    Wrote {
        /// To whom.
        device: DeviceId,
        /// On which session.
        epoch: ConnectionEpoch,
        /// Which.
        command: CommandId,
        /// The frame's attempt.
        attempt: u32,
    },
    /// A command was not written: its time was over when its turn came, or it was withdrawn before.
    Late {
        /// To whom.
        device: DeviceId,
        /// On which session.
        epoch: ConnectionEpoch,
        /// Which.
        command: CommandId,
    },
    /// The session ended when a part of the command was written: for the sake of caution that counts as written.
    Unwritten {
        /// To whom.
        device: DeviceId,
        /// On which session.
        epoch: ConnectionEpoch,
        /// Which.
        command: CommandId,
    },
    /// The device says how a command is doing.
    Word {
        /// Who.
        device: DeviceId,
        /// On which session.
        epoch: ConnectionEpoch,
        /// What.
        word: Word,
    },
    /// A caller takes a command back.
    Cancel {
        /// Which.
        command: CommandId,
        /// Who says so.
        by: Arc<str>,
    },
}
