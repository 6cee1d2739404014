//! How a store says no, per operation, and how it says that it is broken.

/// The store itself failed; unless the variant says otherwise, nothing that was asked for is kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreFault {
    /// More waits than the queue takes; nothing was tried. Trying again later makes sense.
    #[error("the store has more waiting than it takes")]
    Overloaded,
    /// The store is stopping or has stopped.
    #[error("the store has stopped")]
    Stopped,
    /// The file or the server behind the store failed. An operation that was under way may or may not be kept if the
    /// machine fails too, and was not acknowledged.
    #[error("the store failed: {0}")]
    Broken(std::sync::Arc<dyn std::error::Error + Send + Sync>),
    /// The server behind the store cannot be reached, takes no writes now, or does not answer in time: nothing was done.
    /// Trying again makes sense as soon as [`crate::Store::ready`] says so.
    #[error("the store is not to be had now: {0}")]
    Unavailable(std::sync::Arc<dyn std::error::Error + Send + Sync>),
    /// The server behind the store was lost while it was asked to keep something: that may or may not be kept. Only
    /// reading it again, or a retry that knows itself (a client id, a caller's key), finds out.
    #[error("the store was lost while it was writing; what was asked for may or may not be kept: {0}")]
    InDoubt(std::sync::Arc<dyn std::error::Error + Send + Sync>),
    /// A record that was read makes no sense: never treated as if it were absent.
    #[error("a stored record of {table} is damaged: {what}")]
    Damaged {
        /// Where it stands.
        table: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Why a message was not appended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendRefused {
    /// No such room.
    #[error("no such room")]
    NoRoom,
    /// The sender is not a member.
    #[error("not a member")]
    NotMember,
    /// Only owners post here.
    #[error("only owners post here")]
    NotOwner,
    /// The other side of a direct room has blocked the sender.
    #[error("blocked by the other side")]
    Blocked,
    /// `reply_to` names no message of this room.
    #[error("the message replied to is not in this room")]
    NoSuchReply,
    /// The store itself failed.
    #[error(transparent)]
    Fault(#[from] StoreFault),
}

/// Why a user did not become a member.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JoinRefused {
    /// No such room.
    #[error("no such room")]
    NoRoom,
    /// No such user.
    #[error("no such user")]
    NoUser,
    /// The room is closed and the user was not added by someone who may.
    #[error("the room is closed")]
    Closed,
    /// The room has its full number of members.
    #[error("the room is full")]
    Full,
    /// The user is a member of as many rooms as one may be.
    #[error("a member of too many rooms")]
    TooManyRooms,
    /// The store itself failed.
    #[error(transparent)]
    Fault(#[from] StoreFault),
}

/// Why something could not be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CreateRefused {
    /// The number is taken.
    #[error("the id is taken")]
    IdTaken,
    /// The name or handle is taken.
    #[error("the name is taken")]
    NameTaken,
    /// A first member does not exist.
    #[error("no such user: {0}")]
    NoUser(bongsu_model::UserId),
    /// There are as many as there may be.
    #[error("there are as many as there may be")]
    TooMany,
    /// More first members than the room takes, or not two in a direct room.
    #[error("the number of members does not fit the room")]
    Members,
    /// The store itself failed.
    #[error(transparent)]
    Fault(#[from] StoreFault),
}

/// Why devices were not renamed: none of them was.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RenameRefused {
    /// The first of those asked for that may not be.
    #[error("{from}: {why}")]
    Device {
        /// Which, by the id that it has.
        from: bongsu_model::DeviceId,
        /// Why not.
        why: NotRenamed,
    },
    /// The store itself failed.
    #[error(transparent)]
    Fault(#[from] StoreFault),
}

/// Why a device may not be renamed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotRenamed {
    /// There is no such device, or it was named before.
    #[error("no such device")]
    Absent,
    /// The new id is another device's that keeps it, or two are to get it.
    #[error("the new id is taken")]
    Taken,
    /// It has a session.
    #[error("it is connected")]
    Connected,
    /// It has commands that have not ended.
    #[error("it has open commands")]
    HasOpenCommands,
}

/// Why a user was not changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UpdateRefused {
    /// The names by language are not taken.
    #[error(transparent)]
    Nick(#[from] bongsu_model::NickFault),
    /// The store itself failed.
    #[error(transparent)]
    Fault(#[from] StoreFault),
}
