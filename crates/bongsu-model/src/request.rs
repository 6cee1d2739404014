//! What a client asks for, whatever protocol it speaks.

use std::sync::Arc;

use crate::media::{MediaStatus, Signal};
use crate::{
    CallId, ClientMessageId, Locale, MessageId, MessageKind, PageFrom, RawJson, ResumePoint, RoomRef, Seq,
    UserRef,
};

/// A request with what is needed to answer it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Ties the answer to the request; opaque to everything but the codec.
    pub tag: Tag,
    /// The user the envelope claims to come from. Never trusted; different from the principal it is refused.
    pub claimed_user: Option<UserRef>,
    /// What is asked.
    pub request: Request,
}

/// Ties an answer to its request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// The client's own reference (`seq_id`, `id`), at most 128 bytes.
    pub reference: Option<Arc<str>>,
    /// The request's name on the wire (`SEND_MESSAGE`), for error answers; cut at 64 bytes.
    pub verb: Option<Arc<str>>,
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub enum Request {
    /// Sign in, or replace the token of a live session.
    Connect(Connect),
    /// Replace the token of a live session; the subject must be the same.
    RefreshToken {
        /// The new access token.
        token: Arc<str>,
    },
    /// Is anybody there.
    Ping,
    /// The answer to the server's own asking; there is none to it.
    Pong,
    /// Become a member of a room, and hear it from now or from a place in its history.
    Join {
        /// Which.
        room: RoomRef,
        /// Send everything after this message first.
        after: Option<Seq>,
    },
    /// Stop being a member.
    Leave {
        /// Which.
        room: RoomRef,
    },
    /// Post a message.
    Post(Post),
    /// Tell the others what only their application understands.
    Emit(Emit),
    /// Tell the others that one types, or stopped.
    Typing {
        /// Where.
        room: RoomRef,
        /// Whether one types.
        is_typing: bool,
    },
    /// Say up to where one has read.
    MarkRead {
        /// Where.
        room: RoomRef,
        /// The last message read.
        seq: Seq,
    },
    /// Read a page of history.
    History {
        /// Where.
        room: RoomRef,
        /// Which part.
        from: PageFrom,
        /// How many messages, at most; `None` for the default.
        limit: Option<u32>,
    },
    /// Make a video room.
    CreateCall {
        /// Whose members may join.
        room: RoomRef,
        /// Its name.
        name: Arc<str>,
        /// How many may be in it, 2 to 50.
        max_participants: u32,
    },
    /// Join a video room, or move one's place in it to this session.
    JoinCall {
        /// Which.
        call: CallId,
        /// What one sends.
        media: MediaStatus,
    },
    /// Leave a video room.
    LeaveCall {
        /// Which.
        call: CallId,
    },
    /// End a video room, as its host.
    EndCall {
        /// Which.
        call: CallId,
    },
    /// Relay signalling to another participant.
    Signal {
        /// In which call.
        call: CallId,
        /// To whom.
        target: UserRef,
        /// What.
        signal: Signal,
    },
    /// Switch one's media.
    SetMedia {
        /// In which call.
        call: CallId,
        /// What one sends now.
        media: MediaStatus,
    },
    /// Hear nothing of a user any more.
    Block {
        /// Whom.
        user: UserRef,
    },
    /// Hear a user again.
    Unblock {
        /// Whom.
        user: UserRef,
    },
}

/// What kind of request it is: a small number for whoever counts, with a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verb(u8);

impl Verb {
    /// The names, by number.
    pub const NAMES: [&'static str; 19] = [
        "connect",
        "refresh_token",
        "ping",
        "join",
        "leave",
        "post",
        "typing",
        "mark_read",
        "history",
        "create_call",
        "join_call",
        "leave_call",
        "end_call",
        "signal",
        "set_media",
        "block",
        "unblock",
        "emit",
        "pong",
    ];
    /// To post a message.
    pub const POST: Self = Self(5);

    /// Its place in [`Self::NAMES`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl Request {
    /// What kind of request it is.
    #[must_use]
    pub const fn verb(&self) -> Verb {
        Verb(match self {
            Self::Connect(_) => 0,
            Self::RefreshToken { .. } => 1,
            Self::Ping => 2,
            Self::Join { .. } => 3,
            Self::Leave { .. } => 4,
            Self::Post(_) => 5,
            Self::Typing { .. } => 6,
            Self::MarkRead { .. } => 7,
            Self::History { .. } => 8,
            Self::CreateCall { .. } => 9,
            Self::JoinCall { .. } => 10,
            Self::LeaveCall { .. } => 11,
            Self::EndCall { .. } => 12,
            Self::Signal { .. } => 13,
            Self::SetMedia { .. } => 14,
            Self::Block { .. } => 15,
            Self::Unblock { .. } => 16,
            Self::Emit(_) => 17,
            Self::Pong => 18,
        })
    }
}

/// The content of a sign-in.
#[derive(Clone, Debug)]
pub struct Connect {
    /// The access token.
    pub token: Arc<str>,
    /// The language of texts for people; the server's default if absent.
    pub locale: Option<Locale>,
    /// What the client has of its rooms.
    pub resume: Vec<ResumePoint>,
    /// Whether the client wants its place to be kept by the server, or to have it back.
    pub recovery: Recover,
}

/// What a client asks for that leaves it to the server to remember how far it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Recover {
    /// Nothing: it keeps its own places, if it keeps any.
    #[default]
    No,
    /// That its place be kept from now on, under a name that the answer gives.
    Fresh,
    /// To go on where an earlier session of the same user was cut off.
    From {
        /// The name that the earlier session was given. No credential: who asks is what the token says.
        pid: Arc<str>,
        /// The offset of the last message that reached the client, `<room_id>-<seq>`; empty if none did.
        offset: Arc<str>,
    },
}

/// A message to be posted. The content is as the client sent it: not yet normalised, sized or moderated.
#[derive(Clone, Debug)]
pub struct Post {
    /// Where.
    pub room: RoomRef,
    /// The text.
    pub content: Arc<str>,
    /// What the text is.
    pub kind: MessageKind,
    /// The client's own name for it.
    pub client_id: Option<ClientMessageId>,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// The application's own object.
    pub metadata: Option<RawJson>,
}

/// What a member tells the others of a room, unread: not stored, not moderated, and dropped where nobody listens.
#[derive(Clone, Debug)]
pub struct Emit {
    /// Where.
    pub room: RoomRef,
    /// Its name, `domain.rest`; the domain is one that the configuration opens.
    pub kind: Arc<str>,
    /// Of one sender, room and kind only the latest of a key waits for a receiver that is slow.
    pub key: Option<Arc<str>>,
    /// The application's own object, at most `limits.application_event_bytes_max`.
    pub data: RawJson,
}
