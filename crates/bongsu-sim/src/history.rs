//! What each client saw and did, in order: all that the checks judge, beside the truth.

use std::collections::BTreeMap;
use std::fmt;

use crate::truth::Truth;

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
    /// It signed in.
    Connected {
        /// Each room with its last message, and where the client is: the same, or where it resumes.
        rooms: Vec<(i64, u64, u64)>,
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
    /// A request was refused.
    Refused {
        /// The code.
        code: String,
        /// The request.
        action: String,
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
