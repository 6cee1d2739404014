//! The one answer to a request that succeeded. Who is refused gets a [`crate::Refusal`] instead.

use std::sync::Arc;

use crate::media::{IceServer, Participant};
use crate::{
    CallId, ClientMessageId, Epoch, HistoryPage, Message, RoomId, Seq, SessionId, Timestamp, UserId,
};

/// The one answer to a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Signed in. Missed messages follow as [`crate::Notice::Missed`].
    Connected {
        /// Who the token says one is.
        user: UserId,
        /// This session.
        session: SessionId,
        /// The server's clock.
        server_time: Timestamp,
        /// The rooms one is a member of.
        rooms: Vec<RoomStanding>,
        /// How often to ping, in milliseconds.
        ping_interval_ms: u64,
    },
    /// The token was replaced.
    TokenRefreshed {
        /// When the new one ends.
        expires_at: Timestamp,
    },
    /// Somebody is there.
    Pong {
        /// The server's clock.
        server_time: Timestamp,
    },
    /// One is a member.
    Joined {
        /// Of which room.
        room: RoomId,
        /// Members now.
        participants_count: u32,
        /// Members with a live session anywhere.
        online: Vec<OnlineMember>,
        /// The room's last message.
        seq: Seq,
        /// The history that `seq` belongs to.
        epoch: Epoch,
    },
    /// One is no longer a member.
    Left {
        /// Of which room.
        room: RoomId,
    },
    /// The message was stored before under the same `client_message_id`; this is the one.
    Repeated {
        /// The stored message.
        message: Arc<Message>,
        /// The client's own name for it.
        client_id: ClientMessageId,
    },
    /// The read mark is kept.
    Marked {
        /// Where.
        room: RoomId,
        /// Up to which message.
        seq: Seq,
    },
    /// A page of history.
    Page(HistoryPage),
    /// One is in the call.
    CallJoined {
        /// Which.
        call: CallId,
        /// Who was there already.
        participants: Vec<Participant>,
        /// STUN and TURN servers for this user.
        ice_servers: Vec<IceServer>,
    },
    /// One is out of the call.
    CallLeft {
        /// Which.
        call: CallId,
    },
    /// The user is blocked.
    Blocked {
        /// Whom.
        user: UserId,
    },
    /// The user is not blocked any more.
    Unblocked {
        /// Whom.
        user: UserId,
    },
}

/// A room one is a member of, and how far its history goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomStanding {
    /// The room.
    pub room: RoomId,
    /// Its unique name, if it has one.
    pub name: Option<Arc<str>>,
    /// Its last message.
    pub seq: Seq,
    /// The history that `seq` belongs to.
    pub epoch: Epoch,
    /// For a room the client asked to resume: whether everything it missed follows. Else `None`.
    pub recovered: Option<bool>,
}

/// A member with a live session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OnlineMember {
    /// The user.
    pub user: UserId,
    /// Its name for people.
    pub nickname: Arc<str>,
}
