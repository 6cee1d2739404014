//! What the server tells many clients at once.
//!
//! Invariant: an event holds nothing that depends on its receiver, so that one encoding serves all of a protocol.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::media::{EndReason, LeaveReason, MediaStatus, Signal};
use crate::{
    CallId, MembersVersion, Message, NamedRoom, Person, RawJson, RoomId, Seq, SessionId, Timestamp, UserId,
};

/// One thing that happened, to be told to an audience.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Random; the server's own id for the event on wires that show one.
    pub id: u64,
    /// When it happened.
    pub at: Timestamp,
    /// The reference of the request that caused it, where the wire shows it; at most 128 bytes.
    pub cause: Option<Arc<str>>,
    /// Who hears it.
    pub audience: Audience,
    /// The user whose doing it is. Who has blocked this user does not hear of messages, typing or signalling.
    pub actor: Option<UserId>,
    /// What happened.
    pub body: EventBody,
}

/// Who hears an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Audience {
    /// Every live session of every member.
    Room(RoomId),
    /// Every live session of every member but those of one user.
    RoomExcept(RoomId, UserId),
    /// Every live session of the user.
    User(UserId),
    /// These sessions, each with its user, wherever they are.
    Sessions(Arc<[(UserId, SessionId)]>),
    /// Once to each session of each user who is a member of any of these rooms, but for the user itself.
    Related(UserId, Arc<[RoomId]>),
    /// Every live session.
    All,
}

/// How urgent an announcement is for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Priority {
    /// `low`
    Low,
    /// `normal`
    Normal,
    /// `high`
    High,
}

impl Priority {
    /// The names, for error texts.
    pub const NAMES: [&'static str; 3] = ["low", "normal", "high"];

    /// The name on every wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The priority of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Low, Self::Normal, Self::High]
            .into_iter()
            .find(|it| it.name() == name)
    }
}

/// What an announcement is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnnouncementKind {
    /// `maintenance`
    Maintenance,
    /// `notice`
    Notice,
    /// `update`
    Update,
    /// `emergency`
    Emergency,
}

impl AnnouncementKind {
    /// The names, for error texts.
    pub const NAMES: [&'static str; 4] = ["maintenance", "notice", "update", "emergency"];

    /// The name on every wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Maintenance, Self::Notice, Self::Update, Self::Emergency]
            .into_iter()
            .find(|it| it.name() == name)
    }
}

/// What a member tells the others of a room, unread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApplicationEvent {
    /// Where.
    pub room: NamedRoom,
    /// From whom.
    pub user: Arc<Person>,
    /// Its name, `domain.rest`.
    pub kind: Arc<str>,
    /// Of one sender, room and kind only the latest of a key waits for a receiver that is slow.
    pub key: Option<Arc<str>>,
    /// The application's own object.
    pub data: RawJson,
}

impl ApplicationEvent {
    /// Two keys that share a number lose an event that was to be dropped sooner or later anyway.
    fn conflation_key(&self) -> Option<ConflationKey> {
        let key = self.key.as_ref()?;
        let mut hasher = DefaultHasher::new();
        (self.user.id, &self.kind, key).hash(&mut hasher);
        Some((3, self.room.id.0, hasher.finish().cast_signed()))
    }
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventBody {
    /// A message was accepted. Delivered in `seq` order, once.
    Posted(Arc<Message>),
    /// A user became a member.
    UserJoined {
        /// Where.
        room: NamedRoom,
        /// Who.
        user: Arc<Person>,
        /// Members now.
        participants_count: u32,
        /// The room's last message when the user became a member.
        joined_seq: Seq,
        /// The membership version that this change made.
        version: MembersVersion,
    },
    /// A user is no longer a member.
    UserLeft {
        /// Where.
        room: NamedRoom,
        /// Who.
        user: Arc<Person>,
        /// Members now.
        participants_count: u32,
        /// The membership version that this change made.
        version: MembersVersion,
    },
    /// A user types, or stopped typing.
    Typing {
        /// Where.
        room: NamedRoom,
        /// Who.
        user: Arc<Person>,
        /// Whether it types.
        is_typing: bool,
    },
    /// A user has read up to a message.
    Read {
        /// Where.
        room: NamedRoom,
        /// Who.
        user: Arc<Person>,
        /// The last message read.
        seq: Seq,
    },
    /// A user came online or, after the grace time, went offline.
    Status {
        /// Who.
        user: Arc<Person>,
        /// Whether it has a live session anywhere.
        is_online: bool,
        /// When its last session ended, or now while it is online.
        last_seen: Timestamp,
    },
    /// A video room was made.
    CallCreated {
        /// The video room.
        call: CallId,
        /// The room whose members may join.
        room: NamedRoom,
        /// Its name.
        name: Arc<str>,
        /// Who may end it.
        host: Arc<Person>,
        /// How many may be in it.
        max_participants: u32,
    },
    /// Someone joined a call.
    CallJoined {
        /// The video room.
        call: CallId,
        /// Who.
        user: Arc<Person>,
        /// What it sends.
        media: MediaStatus,
        /// Participants now.
        participants_count: u32,
    },
    /// Someone left a call.
    CallLeft {
        /// The video room.
        call: CallId,
        /// Who.
        user: Arc<Person>,
        /// Participants now.
        participants_count: u32,
        /// Why.
        reason: LeaveReason,
    },
    /// The host left; the longest-standing participant took over.
    CallHostChanged {
        /// The video room.
        call: CallId,
        /// The new host.
        host: Arc<Person>,
    },
    /// A call is over.
    CallEnded {
        /// The video room.
        call: CallId,
        /// The room it belonged to.
        room: NamedRoom,
        /// Why.
        reason: EndReason,
    },
    /// A participant switched its media.
    MediaChanged {
        /// The video room.
        call: CallId,
        /// Who.
        user: Arc<Person>,
        /// What it sends now.
        media: MediaStatus,
    },
    /// One participant signals to another.
    Signalled {
        /// The video room.
        call: CallId,
        /// From whom.
        from: Arc<Person>,
        /// What, unread.
        signal: Signal,
    },
    /// A member tells the others what only their application understands. Told to whoever is there, and kept nowhere.
    Application(Arc<ApplicationEvent>),
    /// An operator speaks to everyone.
    Announced {
        /// Its headline.
        title: Arc<str>,
        /// Its text.
        message: Arc<str>,
        /// What it is about.
        kind: AnnouncementKind,
        /// How urgent it is.
        priority: Priority,
    },
}

/// The outbound lane that an event waits in. See [`crate::limits`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Lane {
    /// Errors without a request, close, token and shutdown notices, `PONG`. Has its own small budget.
    Control,
    /// Nothing in it is dropped: messages, memberships, calls, replies.
    Message,
    /// The latest per key waits, older ones are dropped: typing, presence.
    Ephemeral,
}

/// What makes two ephemeral events replace each other while they wait.
pub type ConflationKey = (u8, i64, i64);

impl EventBody {
    /// The lane the event waits in.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Typing { .. } | Self::Status { .. } | Self::Application(_) => Lane::Ephemeral,
            Self::Posted(_)
            | Self::UserJoined { .. }
            | Self::UserLeft { .. }
            | Self::Read { .. }
            | Self::CallCreated { .. }
            | Self::CallJoined { .. }
            | Self::CallLeft { .. }
            | Self::CallHostChanged { .. }
            | Self::CallEnded { .. }
            | Self::MediaChanged { .. }
            | Self::Signalled { .. }
            | Self::Announced { .. } => Lane::Message,
        }
    }

    /// For an ephemeral event, what it replaces while it waits; `None` for all others.
    #[must_use]
    pub fn conflation_key(&self) -> Option<ConflationKey> {
        match self {
            Self::Typing { room, user, .. } => Some((1, room.id.0, user.id.0)),
            Self::Status { user, .. } => Some((2, user.id.0, 0)),
            Self::Application(event) => event.conflation_key(),
            Self::Posted(_)
            | Self::UserJoined { .. }
            | Self::UserLeft { .. }
            | Self::Read { .. }
            | Self::CallCreated { .. }
            | Self::CallJoined { .. }
            | Self::CallLeft { .. }
            | Self::CallHostChanged { .. }
            | Self::CallEnded { .. }
            | Self::MediaChanged { .. }
            | Self::Signalled { .. }
            | Self::Announced { .. } => None,
        }
    }

    /// Whether those who have blocked the actor are spared it: messages, typing, signalling.
    #[must_use]
    pub const fn honours_blocks(&self) -> bool {
        match self {
            Self::Posted(_) | Self::Typing { .. } | Self::Signalled { .. } | Self::Application(_) => true,
            Self::UserJoined { .. }
            | Self::UserLeft { .. }
            | Self::Read { .. }
            | Self::Status { .. }
            | Self::CallCreated { .. }
            | Self::CallJoined { .. }
            | Self::CallLeft { .. }
            | Self::CallHostChanged { .. }
            | Self::CallEnded { .. }
            | Self::MediaChanged { .. }
            | Self::Announced { .. } => false,
        }
    }
}
