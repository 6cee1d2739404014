//! What a node says of itself, and of who has a live session on it.

use std::sync::Arc;

use crate::{Event, Timestamp, UserId};

/// One start of a node.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NodeRef {
    /// The node's own name, stable over restarts.
    pub id: Arc<str>,
    /// Random for each start, so that what was said before a restart is not mistaken for what is said after it.
    pub boot: u64,
}

/// What a node does with clients that come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeState {
    /// It takes them.
    Serving,
    /// It takes nobody before others have gone.
    Full,
    /// It takes nobody, and asks those it has to go.
    Draining,
    /// It says its last word: whoever was on it is on their way elsewhere.
    Gone,
}

impl NodeState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Serving, Self::Full, Self::Draining, Self::Gone];

    /// The name on every wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        ["serving", "full", "draining", "gone"][self as usize]
    }
}

/// How a node is, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct NodeFigures {
    /// Open connections of clients, signed in or not.
    pub connections: u64,
    /// Signed-in sessions of users.
    pub sessions: u64,
    /// Sessions of devices, displays among them.
    pub devices: u64,
    /// Rooms with a live member there.
    pub rooms: u64,
    /// Calls that live there.
    pub calls: u64,
    /// What the process used of one core since the beat before, in thousandths.
    pub cpu_milli: u64,
    /// Resident memory, in bytes; 0 where it cannot be read.
    pub memory_bytes: u64,
}

/// A node lives. Said every [`crate::Limits::node_beat_ms`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeBeat {
    /// Which.
    pub node: NodeRef,
    /// What it does with clients that come.
    pub state: NodeState,
    /// Where clients reach it: scheme, host and port; `None` if it was told no address of its own.
    pub address: Option<Arc<str>>,
    /// What the ids of its Socket.IO sessions begin with; `None` where Socket.IO is switched off.
    pub tag: Option<Arc<str>>,
    /// Its version.
    pub version: Arc<str>,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// How it is.
    pub figures: NodeFigures,
    /// The number of its last word about presence.
    pub presence: u64,
    /// How many users have a live session there, the grace time included.
    pub users: u64,
    /// Whether somebody there watches the whole server, so that the others say what happens on them.
    pub watches: bool,
}

/// A user has a session on a node from now on, or has none there any more and the grace time is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PresenceMoved {
    /// Where.
    pub node: NodeRef,
    /// Ascending by one with each word about presence since the node's start: who misses one asks for all.
    pub number: u64,
    /// Who.
    pub user: UserId,
    /// Whether it is there from now on.
    pub is_here: bool,
    /// What its relations are told if it is the first session anywhere, or was the last; `None` for who has none.
    pub status: Option<Arc<Event>>,
}

/// A part of all users who have a session on a node, for one who missed a word about them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PresencePage {
    /// Where.
    pub node: NodeRef,
    /// After which word this was so.
    pub number: u64,
    /// Who asked.
    pub to: Arc<str>,
    /// Which part it is, from 0.
    pub page: u32,
    /// How many parts there are, at least one.
    pub pages: u32,
    /// Ascending; those of all parts are ascending, too.
    pub users: Arc<[UserId]>,
}

/// What nodes say of themselves, and tell each other to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NodeSaid {
    /// It lives.
    Beat(Box<NodeBeat>),
    /// A user came to it or went.
    Moved(PresenceMoved),
    /// Who is there? One who missed something asks.
    AskUsers {
        /// Whom it asks.
        to: Arc<str>,
        /// Who asks.
        from: Arc<str>,
    },
    /// These are.
    Users(PresencePage),
    /// It shall take nobody any more and have its clients go elsewhere, as at its end, but live on.
    Drain {
        /// Which.
        to: Arc<str>,
        /// Whether it begins (or ends) to drain.
        on: bool,
        /// How long calls and commands may take to end, in milliseconds; `None`: [`crate::Limits::drain_ms`] of its own.
        timeout_ms: Option<u64>,
        /// Who says so.
        by: Arc<str>,
    },
    /// It shall ask some of its clients to go elsewhere.
    Shed {
        /// Which.
        to: Arc<str>,
        /// How many.
        sessions: u64,
        /// How many each second.
        per_s: u64,
        /// Who says so.
        by: Arc<str>,
    },
}
