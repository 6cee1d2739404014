//! What simulated clients ask and hear, whatever the protocol: one vocabulary, and its bytes in each tongue.
//!
//! Invariant: only what is on the wire; what a client makes of it is the client's.

mod action;
mod ear;
mod typed;

pub(crate) use ear::Ear;
pub(crate) use typed::name;

use bongsu_wire::websocket::{Opcode, client_frame};

use crate::history::Mark;
use crate::random::Random;

/// A protocol, and what its messages travel in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tongue {
    /// The action protocol on a byte stream.
    Lines,
    /// The action protocol in WebSocket frames.
    ActionFrames,
    /// The type protocol in WebSocket frames.
    TypeFrames,
}

/// One room of a resume: its last message that one has, and its epoch.
pub(crate) type Point = (i64, u64, String);

/// What a client asks.
pub(crate) enum Ask<'a> {
    SignIn {
        user: i64,
        resume: &'a [Point],
    },
    Post {
        room: i64,
        text: &'a str,
        client_id: Option<&'a str>,
    },
    Join {
        room: i64,
        after: Option<u64>,
    },
    Leave {
        room: i64,
    },
    Typing {
        room: i64,
    },
    Read {
        room: i64,
        seq: u64,
    },
    Block {
        user: i64,
        on: bool,
    },
    /// An application event, with or without a key.
    Emit {
        room: i64,
        key: &'a str,
        mark: Mark,
    },
}

/// A room as a sign-in says that one stands in it.
pub(crate) struct Stands {
    pub(crate) room: i64,
    pub(crate) seq: u64,
    pub(crate) epoch: String,
    pub(crate) recovered: Option<bool>,
}

/// What a client hears.
pub(crate) enum Heard {
    /// What became of the earlier session; the greeting follows.
    Recovery {
        pid: String,
        recovered: bool,
    },
    SignedIn(Vec<Stands>),
    Joined {
        stands: Stands,
    },
    /// One's own leaving.
    Left {
        room: i64,
    },
    /// Someone's membership ended.
    Gone {
        room: i64,
        user: i64,
    },
    /// A message, live or of a page.
    Message {
        room: i64,
        seq: u64,
        sender: i64,
        text: String,
    },
    /// One's post is kept, and this is no delivery of it.
    Accepted {
        room: i64,
        seq: u64,
    },
    Blocked {
        user: i64,
        on: bool,
    },
    Event {
        room: i64,
        sender: i64,
        key: String,
        mark: Mark,
    },
    /// The code, in capitals.
    Refused {
        code: String,
    },
    Over {
        why: String,
    },
}

/// What was heard, with the request that it answers.
pub(crate) struct Said {
    pub(crate) heard: Heard,
    pub(crate) reference: String,
}

impl Tongue {
    /// Whether the event that a post causes is its answer.
    pub(crate) const fn answers_by_events(self) -> bool {
        match self {
            Self::Lines | Self::ActionFrames => true,
            Self::TypeFrames => false,
        }
    }

    /// The bytes of a request. In frames some come in fragments, with a ping between them.
    pub(crate) fn say(self, ask: &Ask<'_>, reference: &str, random: &Random) -> Vec<u8> {
        let line = match self {
            Self::Lines => return action::say(ask, reference),
            Self::ActionFrames => action::say(ask, reference),
            Self::TypeFrames => typed::say(ask, reference).into_bytes(),
        };
        frames(line.strip_suffix(b"\n").unwrap_or(&line), random)
    }

    /// The end of a conversation by the rules; a byte stream has none.
    pub(crate) fn goodbye(self, random: &Random) -> Option<Vec<u8>> {
        match self {
            Self::Lines => None,
            Self::ActionFrames | Self::TypeFrames => {
                Some(client_frame(Opcode::Close, &1000_u16.to_be_bytes(), mask(random)))
            }
        }
    }

    /// What one message of the server says.
    fn understand(self, text: &[u8]) -> Vec<Said> {
        match self {
            Self::Lines | Self::ActionFrames => action::understand(text),
            Self::TypeFrames => typed::understand(text),
        }
    }
}

fn mask(random: &Random) -> [u8; 4] {
    let [a, b, c, d, ..] = random.next().to_le_bytes();
    [a, b, c, d]
}

fn frames(text: &[u8], random: &Random) -> Vec<u8> {
    if !random.often(250) || text.len() < 2 {
        return client_frame(Opcode::Text, text, mask(random));
    }
    let cut = usize::try_from(random.within(0..text.len() as u64)).unwrap_or(0);
    let (first, second) = text.split_at(cut);
    let mut bytes = fragment(first, FIRST, random);
    if random.often(500) {
        bytes.extend(client_frame(Opcode::Ping, b"between", mask(random)));
    }
    bytes.extend(fragment(second, LAST, random));
    bytes
}

/// A text frame that is not the last of its message.
const FIRST: u8 = 0x01;
/// A continuation that is.
const LAST: u8 = 0x80;

/// A fragment: a client's frame but for its first byte.
fn fragment(text: &[u8], first: u8, random: &Random) -> Vec<u8> {
    let mut frame = client_frame(Opcode::Text, text, mask(random));
    frame[0] = first;
    frame
}
