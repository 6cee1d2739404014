//! The one answer to a request that succeeded. Who is refused gets a [`crate::Refusal`] instead.

use std::sync::Arc;

use crate::media::{EndReason, IceServer, Participant};
use crate::{
    CallId, ClientMessageId, Epoch, HistoryPage, Message, NamedRoom, Person, Profile, RoomToken, Seq,
    SessionId, Timestamp,
};

/// The one answer to a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Signed in. Missed messages follow as [`crate::Notice::Missed`].
    Connected(SignedIn),
    /// The token was replaced.
    TokenRefreshed(SignedIn),
    /// Somebody is there.
    Pong {
        /// The server's clock.
        server_time: Timestamp,
    },
    /// One is a member.
    Joined {
        /// Of which room.
        room: NamedRoom,
        /// Members now.
        participants_count: u32,
        /// Members with a live session anywhere.
        online: Vec<Person>,
        /// The room's last message.
        seq: Seq,
        /// The history that `seq` belongs to.
        epoch: Epoch,
        /// For who asked for what came after a message: whether all of it follows. If not, nothing does, and one goes on
        /// from `seq`. Else `None`.
        recovered: Option<bool>,
    },
    /// One is no longer a member.
    Left {
        /// Of which room.
        room: NamedRoom,
    },
    /// The message was accepted; the room is told of it.
    Posted {
        /// The stored message.
        message: Arc<Message>,
        /// The client's own name for it, if it gave one.
        client_id: Option<ClientMessageId>,
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
        room: NamedRoom,
        /// Up to which message.
        seq: Seq,
    },
    /// A page of history.
    Page(HistoryPage),
    /// The video room is made; the room is told of it.
    CallCreated {
        /// The video room.
        call: CallId,
        /// The room whose members may join.
        room: NamedRoom,
        /// Its name.
        name: Arc<str>,
        /// Who may end it: the one who asked.
        host: Arc<Person>,
        /// How many may be in it.
        max_participants: u32,
    },
    /// The call is over; the room is told of it.
    CallEnded {
        /// Which.
        call: CallId,
        /// The room it belonged to.
        room: NamedRoom,
        /// Why.
        reason: EndReason,
    },
    /// One's media are switched; the others in the call are told.
    MediaSet {
        /// In which call.
        call: CallId,
    },
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
        user: Arc<Person>,
    },
    /// The user is not blocked any more.
    Unblocked {
        /// Whom.
        user: Arc<Person>,
    },
}

/// A room one is a member of, and how far its history goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomStanding {
    /// The room.
    pub room: NamedRoom,
    /// Its secret address.
    pub token: RoomToken,
    /// Its last message.
    pub seq: Seq,
    /// The history that `seq` belongs to.
    pub epoch: Epoch,
    /// For a room the client asked to resume: whether everything it missed follows. Else `None`.
    pub recovered: Option<bool>,
}

/// How a session stands that has signed in, or has replaced its token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedIn {
    /// Who the token says one is.
    pub user: Arc<Person>,
    /// What else is shown of it, as of sign-in.
    pub profile: Arc<Profile>,
    /// This session.
    pub session: SessionId,
    /// The server's clock.
    pub server_time: Timestamp,
    /// The rooms one is a member of.
    pub rooms: Vec<RoomStanding>,
    /// How often to ping, in milliseconds.
    pub ping_interval_ms: u64,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// For who asked for [`crate::Recover`] when it signed in; else, and when a token was replaced, `None`.
    pub recovery: Option<Recovery>,
}

/// What became of a [`crate::Recover`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// The name under which this session's place is kept: the old one if it was recovered, else a new one.
    pub pid: Arc<str>,
    /// Whether everything that the client lacks of every room follows before anything else. If not, nothing does.
    pub recovered: bool,
}
