//! What may happen to calls.

use std::sync::Arc;

use bongsu_model::media::{LeaveReason, MediaStatus, Signal};
use bongsu_model::{CallId, NamedRoom, Person, RoomId, SessionId, UserId};

/// A call to be made.
#[derive(Clone, Debug)]
pub struct NewCall {
    /// Its number, never given before.
    pub call: CallId,
    /// The room whose members may join; the host is one.
    pub room: NamedRoom,
    /// Its name, 1 to `name_bytes_max` bytes.
    pub name: Arc<str>,
    /// Who makes it.
    pub host: Arc<Person>,
    /// The host's session.
    pub session: SessionId,
    /// How many may be in it, 2 to `call_participants_max`.
    pub max_participants: u32,
}

/// Who wants a call to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ender {
    /// A user, who must be the host.
    User(UserId),
    /// An operator, who may.
    Operator,
}

/// What may happen to calls.
///
/// `cause` is the request's own reference, for the event that answers it.
#[derive(Clone, Debug)]
pub enum CallInput {
    /// A member of a room makes a call. The host is its first participant and sends nothing until it joins.
    Create {
        /// What call.
        new: NewCall,
        /// The request's reference.
        cause: Option<Arc<str>>,
    },
    /// A member of the room joins, says so again, or moves its place to this session.
    Join {
        /// Which.
        call: CallId,
        /// Who.
        user: Arc<Person>,
        /// Where it hears the call from now on.
        session: SessionId,
        /// What it sends.
        media: MediaStatus,
        /// The request's reference.
        cause: Option<Arc<str>>,
    },
    /// A participant leaves.
    Leave {
        /// Which.
        call: CallId,
        /// Who.
        user: UserId,
        /// Its session in the call; any session of the user while its place is only kept.
        session: SessionId,
    },
    /// The host or an operator ends the call.
    End {
        /// Which.
        call: CallId,
        /// Who wants it.
        by: Ender,
    },
    /// A participant signals to another.
    Signal {
        /// In which call.
        call: CallId,
        /// From whom.
        from: UserId,
        /// The sender's session in the call.
        session: SessionId,
        /// To whom.
        target: UserId,
        /// What, unread.
        signal: Signal,
        /// The request's reference.
        cause: Option<Arc<str>>,
    },
    /// A participant switches its media.
    SetMedia {
        /// In which call.
        call: CallId,
        /// Who.
        user: UserId,
        /// Its session in the call.
        session: SessionId,
        /// What it sends now.
        media: MediaStatus,
        /// The request's reference.
        cause: Option<Arc<str>>,
    },
    /// A session is gone. Its places are kept for the grace time.
    SessionEnded {
        /// Which.
        session: SessionId,
    },
    /// A user is no longer a member of a room: it is out of the room's calls at once.
    LeftRoom {
        /// The room.
        room: RoomId,
        /// The user.
        user: UserId,
        /// Whether it wanted to ([`LeaveReason::Left`]) or had to ([`LeaveReason::Removed`]).
        reason: LeaveReason,
    },
    /// An operator keeps a user out: it is out of all calls at once.
    Banned {
        /// The user.
        user: UserId,
    },
}
