//! One line of a recorded history: what it may say, and how it is read. `docs/history.md` has the same for people.
//!
//! Invariant: an [`Event`] has all that its kind needs; a line that lacks something, or says what nobody knows, is refused.

use std::borrow::Cow;

use serde::Deserialize;
use thiserror::Error;

/// Microseconds of the recorders' common monotonic clock.
pub(super) type Micros = i64;

/// What is wrong with a line.
#[derive(Debug, Error)]
pub enum Malformed {
    /// It is no JSON object of the right shape.
    #[error("not a line of a history: {0}")]
    Json(#[from] serde_json::Error),
    /// A field that its kind needs is not there.
    #[error("a line of this kind needs {0:?}")]
    Lacks(&'static str),
    /// There is no such kind.
    #[error("nobody knows what {0:?} is")]
    Kind(String),
    /// A client spoke before it was said whose it is, or as another user's than before.
    #[error("client {client:?} is {what}")]
    Client {
        /// Its name.
        client: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// A text as it stands in a line, if nothing in it is escaped.
pub(super) type Text<'a> = Cow<'a, str>;

/// How a message came.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum How {
    /// As it was posted.
    Live,
    /// After the client had come back.
    Missed,
    /// Because the client read the history.
    Page,
}

/// A state in which a command was, and since when.
#[derive(Deserialize, Clone, Copy, Debug)]
pub(super) struct Step {
    /// Which.
    pub(super) state: State,
}

/// The states of a command.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Kept.
    Accepted,
    /// On its way under a session's epoch.
    Routed,
    /// Written.
    Written,
    /// The device has it.
    Received,
    /// The device is at it.
    InProgress,
    /// Done.
    Succeeded,
    /// Begun and not done.
    Failed,
    /// Not begun, as the device said.
    Rejected,
    /// Nobody knows.
    TimedOut,
    /// Too late.
    Expired,
    /// A newer one took its place.
    Superseded,
    /// The caller took it back.
    Cancelled,
    /// There was no device.
    Offline,
}

impl State {
    pub(super) fn is_terminal(self) -> bool {
        match self {
            Self::Accepted | Self::Routed | Self::Written | Self::Received | Self::InProgress => false,
            Self::Succeeded
            | Self::Failed
            | Self::Rejected
            | Self::TimedOut
            | Self::Expired
            | Self::Superseded
            | Self::Cancelled
            | Self::Offline => true,
        }
    }
}

/// What a device said in the end.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// It is done.
    Ok,
    /// It was begun and could not be done.
    Failed,
    /// It was not begun.
    Rejected,
}

/// A line as it stands there.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    t_ms: Option<f64>,
    #[serde(borrow)]
    client: Option<Text<'a>>,
    user: Option<i64>,
    room: Option<i64>,
    seq: Option<u64>,
    after: Option<u64>,
    upto: Option<u64>,
    epoch: Option<Text<'a>>,
    client_message_id: Option<Text<'a>>,
    message_id: Option<Text<'a>>,
    sender: Option<i64>,
    hash: Option<Text<'a>>,
    code: Option<Text<'a>>,
    how: Option<How>,
    recovered: Option<bool>,
    key: Option<Text<'a>>,
    command_id: Option<Text<'a>>,
    device_time: Option<i64>,
    status: Option<Status>,
    state: Option<State>,
    what: Option<Text<'a>>,
    at: Option<i64>,
    accepted_at: Option<i64>,
    not_after: Option<i64>,
    execution_ms: Option<i64>,
    ended_at: Option<i64>,
    maybe_written: Option<bool>,
    steps: Option<Vec<Step>>,
}

/// A message that was accepted, or came.
pub(super) struct Said<'a> {
    pub(super) room: i64,
    pub(super) seq: u64,
    pub(super) id: Text<'a>,
    pub(super) sender: i64,
    pub(super) hash: Text<'a>,
}

/// A command as the store has it in the end. Moments are milliseconds since 1970.
pub(super) struct Kept {
    pub(super) state: State,
    pub(super) accepted_at: i64,
    pub(super) not_after: i64,
    pub(super) execution_ms: i64,
    pub(super) ended_at: Option<i64>,
    pub(super) maybe_written: bool,
    pub(super) steps: Vec<Step>,
}

/// What happened.
pub(super) enum Event<'a> {
    Connect {
        user: Option<i64>,
    },
    Close,
    Rest,
    Joining {
        room: i64,
        user: Option<i64>,
    },
    Join {
        room: i64,
        user: Option<i64>,
        seq: u64,
        epoch: Option<Text<'a>>,
    },
    Leaving {
        room: i64,
        user: Option<i64>,
    },
    Leave {
        room: i64,
        user: Option<i64>,
    },
    Resume {
        room: i64,
        after: u64,
    },
    Recovered {
        room: i64,
        recovered: bool,
        epoch: Option<Text<'a>>,
    },
    Hears {
        room: i64,
        seq: u64,
        epoch: Option<Text<'a>>,
    },
    Gone {
        room: i64,
    },
    Send {
        room: i64,
        key: Text<'a>,
        hash: Text<'a>,
    },
    Ack {
        room: i64,
        key: Text<'a>,
        seq: u64,
        id: Text<'a>,
    },
    Nack {
        key: Text<'a>,
        code: Text<'a>,
    },
    Timeout {
        key: Text<'a>,
    },
    Deliver {
        said: Said<'a>,
        how: How,
    },
    Gap {
        room: i64,
        upto: Option<u64>,
    },
    Ask {
        key: Text<'a>,
    },
    Accepted {
        key: Text<'a>,
        command: Text<'a>,
    },
    Refused {
        key: Text<'a>,
        code: Text<'a>,
    },
    DeviceStart {
        command: Text<'a>,
        device_time: i64,
    },
    DeviceResult {
        command: Text<'a>,
        status: Status,
    },
    Terminal {
        command: Text<'a>,
        state: State,
    },
    FaultBegin {
        what: Text<'a>,
        at: i64,
    },
    FaultEnd {
        what: Text<'a>,
        at: i64,
    },
    Room {
        room: i64,
        seq: u64,
        epoch: Option<Text<'a>>,
    },
    Message {
        said: Said<'a>,
        key: Option<Text<'a>>,
    },
    Member {
        room: i64,
        user: i64,
    },
    Command {
        id: Text<'a>,
        kept: Kept,
    },
    Dumped,
}

/// A line that was understood.
pub(super) struct Line<'a> {
    /// When.
    pub(super) t: Micros,
    /// Who wrote it; the dump's lines are nobody's.
    pub(super) client: Option<Text<'a>>,
    pub(super) event: Event<'a>,
}

macro_rules! need {
    ($raw:ident . $field:ident) => {
        $raw.$field.ok_or(Malformed::Lacks(stringify!($field)))?
    };
}

/// Reads a line.
pub(super) fn read(text: &str) -> Result<Line<'_>, Malformed> {
    let mut raw: Raw<'_> = serde_json::from_str(text)?;
    let (client, t_ms, kind) = (raw.client.take(), raw.t_ms, raw.kind.clone());
    let of_dump = matches!(&*kind, "room" | "message" | "member" | "command" | "dumped");
    let event = match &*kind {
        "connect" => Event::Connect { user: raw.user },
        "close" => Event::Close,
        "rest" => Event::Rest,
        "fault_begin" => Event::FaultBegin {
            what: need!(raw.what),
            at: need!(raw.at),
        },
        "fault_end" => Event::FaultEnd {
            what: need!(raw.what),
            at: need!(raw.at),
        },
        _ if of_dump => dump(raw)?,
        _ => of_room(raw)?,
    };
    if client.is_none() && !of_dump && !kind.starts_with("fault_") {
        return Err(Malformed::Lacks("client"));
    }
    let t_ms = if of_dump {
        0.0
    } else {
        t_ms.ok_or(Malformed::Lacks("t_ms"))?
    };
    // A monotonic clock's milliseconds are far from what an f64 no longer holds exactly.
    let t = (t_ms * 1_000.0) as Micros;
    Ok(Line { t, client, event })
}

/// What a client did in a room, but posting.
fn of_room(raw: Raw<'_>) -> Result<Event<'_>, Malformed> {
    let user = raw.user;
    Ok(match &*raw.kind {
        "resume" => Event::Resume {
            room: need!(raw.room),
            after: need!(raw.after),
        },
        "recovered" => Event::Recovered {
            room: need!(raw.room),
            recovered: need!(raw.recovered),
            epoch: raw.epoch,
        },
        "hears" => Event::Hears {
            room: need!(raw.room),
            seq: need!(raw.seq),
            epoch: raw.epoch,
        },
        "gone" => Event::Gone {
            room: need!(raw.room),
        },
        "joining" => Event::Joining {
            room: need!(raw.room),
            user,
        },
        "join" => Event::Join {
            room: need!(raw.room),
            user,
            seq: need!(raw.seq),
            epoch: raw.epoch,
        },
        "leaving" => Event::Leaving {
            room: need!(raw.room),
            user,
        },
        "leave" => Event::Leave {
            room: need!(raw.room),
            user,
        },
        "gap" => Event::Gap {
            room: need!(raw.room),
            upto: raw.upto,
        },
        "deliver" => Event::Deliver {
            how: need!(raw.how),
            said: said(raw)?,
        },
        _ => return asked(raw),
    })
}

/// What was asked for, and what became of it.
fn asked(raw: Raw<'_>) -> Result<Event<'_>, Malformed> {
    Ok(match &*raw.kind {
        "send" => Event::Send {
            room: need!(raw.room),
            key: need!(raw.client_message_id),
            hash: need!(raw.hash),
        },
        "ack" => Event::Ack {
            room: need!(raw.room),
            key: need!(raw.client_message_id),
            seq: need!(raw.seq),
            id: need!(raw.message_id),
        },
        "nack" => Event::Nack {
            key: need!(raw.client_message_id),
            code: need!(raw.code),
        },
        "timeout" => Event::Timeout {
            key: need!(raw.client_message_id),
        },
        "ask" => Event::Ask { key: need!(raw.key) },
        "accepted" => Event::Accepted {
            key: need!(raw.key),
            command: need!(raw.command_id),
        },
        "refused" => Event::Refused {
            key: need!(raw.key),
            code: need!(raw.code),
        },
        "device_start" => Event::DeviceStart {
            command: need!(raw.command_id),
            device_time: need!(raw.device_time),
        },
        "device_result" => Event::DeviceResult {
            command: need!(raw.command_id),
            status: need!(raw.status),
        },
        "terminal" => Event::Terminal {
            command: need!(raw.command_id),
            state: need!(raw.state),
        },
        unknown => return Err(Malformed::Kind(unknown.to_owned())),
    })
}

fn said(raw: Raw<'_>) -> Result<Said<'_>, Malformed> {
    Ok(Said {
        room: need!(raw.room),
        seq: need!(raw.seq),
        id: need!(raw.message_id),
        sender: need!(raw.sender),
        hash: need!(raw.hash),
    })
}

fn dump(mut raw: Raw<'_>) -> Result<Event<'_>, Malformed> {
    Ok(match &*raw.kind {
        "room" => Event::Room {
            room: need!(raw.room),
            seq: need!(raw.seq),
            epoch: raw.epoch,
        },
        "message" => {
            let key = raw.client_message_id.take();
            Event::Message {
                said: said(raw)?,
                key,
            }
        }
        "member" => Event::Member {
            room: need!(raw.room),
            user: need!(raw.user),
        },
        "command" => {
            let kept = Kept {
                state: need!(raw.state),
                accepted_at: need!(raw.accepted_at),
                not_after: need!(raw.not_after),
                execution_ms: need!(raw.execution_ms),
                ended_at: raw.ended_at,
                maybe_written: raw.maybe_written.unwrap_or(false),
                steps: need!(raw.steps),
            };
            Event::Command {
                id: need!(raw.command_id),
                kept,
            }
        }
        _ => Event::Dumped,
    })
}
