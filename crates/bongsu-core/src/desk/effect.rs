//! What the desk wants done.

use bongsu_model::device::{CommandFrame, CommandId, ConnectionEpoch, DeviceId, Step};

/// What the desk wants done.
#[derive(Clone, PartialEq, Debug)]
pub enum DeskEffect {
    /// To be stored, the steps of a command in this order; answered by [`super::DeskInput::Kept`] or
    /// [`super::DeskInput::Gone`], or not at all if the store does not have it routed because the device has a later session:
    /// the desk hears of that one, here or elsewhere, and writes nothing of the command before. A step that ends the command is for its callers too, once it is kept.
    ///
    /// A word about a command that the desk does not know is kept as late; the store notes it only on one that has ended,
    /// and whoever stores it sees that the command is of the device that spoke.
    Keep(Step),
    /// To be written on the session of that epoch when its turn comes, unless the command's deadline has come before;
    /// answered by `Wrote`, `Late` or `Unwritten`, unless the session ends with nothing of it written.
    Write {
        /// To whom.
        device: DeviceId,
        /// On which session.
        epoch: ConnectionEpoch,
        /// What.
        frame: CommandFrame,
    },
    /// Not to be written any more if nothing of it was; answered by `Late` then, and otherwise by what became of it.
    Withdraw {
        /// From whom.
        device: DeviceId,
        /// On which session.
        epoch: ConnectionEpoch,
        /// Which.
        command: CommandId,
    },
}
