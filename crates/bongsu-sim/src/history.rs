//! What each client saw and did, in order: all that the checks judge, beside the truth.

use std::collections::BTreeMap;
use std::fmt;

use crate::truth::Truth;

/// What tells one application event from all others: who sent it, on which connection, and the sender's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The client.
    pub client: usize,
    /// Its connection.
    pub session: u32,
    /// Ascending.
    pub number: u64,
}

impl Mark {
    /// As an application puts it into its event.
    pub(crate) fn json(self) -> String {
        let Self {
            client,
            session,
            number,
        } = self;
        format!(r#"{{"c":{client},"s":{session},"n":{number}}}"#)
    }

    /// Out of the event's object.
    pub(crate) fn of(object: &bongsu_wire::typed::client::Value) -> Self {
        let part = |key: &str| {
            object[key]
                .as_u64()
                .expect("the application's own data, untouched")
        };
        Self {
            client: usize::try_from(part("c")).expect("there are few clients"),
            session: u32::try_from(part("s")).expect("there are few connections"),
            number: part("n"),
        }
    }
}

/// A room at a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// Which.
    pub room: i64,
    /// Its last message.
    pub seq: u64,
    /// Where the client is: the same, or where it resumes.
    pub has: u64,
    /// Whether the client asked to resume it.
    pub asked: bool,
    /// What the server said to that.
    pub recovered: Option<bool>,
}

/// What kind of world it was, as far as the checks must know.
#[derive(Clone, Debug, Default)]
pub struct Stage {
    /// So many nodes.
    pub nodes: usize,
    /// Whether old messages were deleted now and then.
    pub retains: bool,
    /// The rooms whose memberships end with the member's last session.
    pub session_rooms: Vec<i64>,
    /// So long a user has to come back, in milliseconds.
    pub grace_ms: u64,
    /// A user that was gone at the end, and since when.
    pub absent: Option<(i64, u64)>,
}

/// One thing that a client saw or did.
#[derive(Clone, Debug)]
pub struct Record {
    /// When, in milliseconds since the beginning.
    pub at_ms: u64,
    /// How much had been committed when the server wrote it.
    pub commits: usize,
    /// Which client.
    pub client: usize,
    /// Its user.
    pub user: i64,
    /// Which of its connections, counted from 1.
    pub session: u32,
    /// What.
    pub saw: Saw,
}

/// What a client saw or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saw {
    /// It dialled, and asked to sign in.
    Dialled {
        /// Which node.
        node: usize,
    },
    /// It signed in.
    Connected {
        /// Where it is a member, as far as it knows from where it goes on.
        rooms: Vec<Entered>,
        /// Whether it took up an earlier session as it was.
        again: bool,
    },
    /// It joined a room.
    Joined {
        /// Which.
        room: i64,
        /// Its last message.
        seq: u64,
        /// From where it asked for messages.
        after: Option<u64>,
    },
    /// It, or another device of its user, left.
    Left {
        /// Which.
        room: i64,
    },
    /// A message came, live or in a page.
    Message {
        /// Where.
        room: i64,
        /// Its place.
        seq: u64,
        /// Who.
        sender: i64,
        /// The text.
        content: String,
    },
    /// It posted.
    Sent {
        /// Where.
        room: i64,
        /// The text, used by no other post.
        content: String,
        /// The client's own name for it.
        client_id: Option<String>,
    },
    /// Its post was accepted, so it was told.
    Acknowledged {
        /// Where.
        room: i64,
        /// At which place.
        seq: u64,
        /// The text.
        content: String,
    },
    /// It asked to leave.
    Leaving {
        /// Which room.
        room: i64,
    },
    /// It was told that another's membership ended.
    Gone {
        /// Where.
        room: i64,
        /// Whose.
        user: i64,
    },
    /// It asked to hear nothing of a user any more, or to hear it again.
    Blocking {
        /// Whom.
        user: i64,
        /// Nothing any more.
        on: bool,
    },
    /// That was done.
    Blocked {
        /// Whom.
        user: i64,
        /// Nothing any more.
        on: bool,
    },
    /// It sent an application event.
    Emitted {
        /// Where.
        room: i64,
        /// What replaces what while it waits; empty for nothing.
        key: String,
        /// Which.
        mark: Mark,
    },
    /// An application event came.
    Event {
        /// Where.
        room: i64,
        /// From whom.
        sender: i64,
        /// Its key.
        key: String,
        /// Which.
        mark: Mark,
    },
    /// A request was refused.
    Refused {
        /// The code.
        code: String,
        /// The request's reference.
        reference: String,
    },
    /// The connection is over.
    Over {
        /// Who ended it, and how.
        why: String,
    },
}

/// Who is connected in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The client.
    pub client: usize,
    /// Its user.
    pub user: i64,
    /// Its connection.
    pub session: u32,
}

/// All that there is to judge.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The kind of world.
    pub stage: Stage,
    /// In the order in which clients read.
    pub records: Vec<Record>,
    /// What was committed.
    pub truth: Truth,
    /// What the store says in the end, by room: each message's place and text.
    pub stored: Vec<(i64, Vec<(u64, String)>)>,
    /// Who is connected in the end, signed in and reading.
    pub standing: Vec<Standing>,
    /// Clients that were signed in though an operator had kept their users out for long.
    pub lingering: Vec<usize>,
    /// How often what may go wrong did.
    pub counted: BTreeMap<&'static str, u64>,
    /// Posts that were not answered in the end though everything was healthy.
    pub unanswered: Vec<String>,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at_ms,
            commits,
            client,
            user,
            session,
            saw,
        } = self;
        write!(f, "{at_ms:>7} #{commits} c{client}/{session} u{user} {saw:?}")
    }
}
