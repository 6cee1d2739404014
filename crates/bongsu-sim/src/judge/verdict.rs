//! What was found: each broken promise with the lines that show it, and how much was looked at.
//!
//! Invariant: every violation is counted, the first ones of each promise are kept; so a report is short whatever happened.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use thiserror::Error;

use super::line::State;

/// So many violations of each promise are told in full.
const TOLD_MAX: usize = 20;

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Promise {
    /// What was acknowledged is in the history, as it was.
    #[serde(rename = "I1 durable")]
    Durable,
    /// Nothing is there twice, whatever was repeated.
    #[serde(rename = "I2 once")]
    Once,
    /// One order without a hole, which agrees with what came before what.
    #[serde(rename = "I3 order")]
    Order,
    /// A member gets everything, once, in order, or is told that it does not.
    #[serde(rename = "I4 delivery")]
    Delivery,
    /// Nobody but members gets anything.
    #[serde(rename = "I5 privacy")]
    Privacy,
    /// A command ends once, in time, as it is told, and is begun once at most.
    #[serde(rename = "I6 commands")]
    Commands,
    /// Nothing is begun late.
    #[serde(rename = "I7 fresh")]
    Fresh,
    /// What is refused is not done, and it is said why.
    #[serde(rename = "I8 honest")]
    Honest,
    /// When the faults are over, everything works again, soon.
    #[serde(rename = "I10 live")]
    Live,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Durable => "I1 durable",
            Self::Once => "I2 once",
            Self::Order => "I3 order",
            Self::Delivery => "I4 delivery",
            Self::Privacy => "I5 privacy",
            Self::Commands => "I6 commands",
            Self::Fresh => "I7 fresh",
            Self::Honest => "I8 honest",
            Self::Live => "I10 live",
        })
    }
}

/// One way in which a promise was broken. Rooms, users and numbers are as in the history.
#[derive(Clone, Debug, PartialEq, Error)]
#[allow(
    missing_docs,
    reason = "rooms, users, numbers and states are the history's own"
)]
pub enum Broken {
    /// An acknowledged message is not there.
    #[error("room {room}: {seq} was acknowledged and is not in the store")]
    AckedAndGone { room: i64, seq: u64 },
    /// There is something else in its place.
    #[error("room {room}: the store has another message as {seq} than was acknowledged")]
    AckedAndChanged { room: i64, seq: u64 },
    /// A message came that is not there.
    #[error("room {room}: {seq} was delivered and is not in the store")]
    DeliveredAndGone { room: i64, seq: u64 },
    /// A message came that is another there.
    #[error("room {room}: the store has another message as {seq} than was delivered")]
    DeliveredAndChanged { room: i64, seq: u64 },
    /// The history is another one than it was.
    #[error("room {room}: the history has another epoch than before")]
    AnotherHistory { room: i64 },
    /// A membership that was confirmed is not there.
    #[error("room {room}: the membership of user {user} is lost")]
    MembershipLost { room: i64, user: i64 },
    /// A message is there twice.
    #[error("room {room}: {first} and {then} are the same message of user {sender}")]
    StoredTwice {
        room: i64,
        sender: i64,
        first: u64,
        then: u64,
    },
    /// One message was acknowledged as two.
    #[error("room {room}: one message was acknowledged as {first} and as {then}")]
    AckedTwice { room: i64, first: u64, then: u64 },
    /// A message is there that nobody sent.
    #[error("room {room}: {seq} is in the store, and user {sender} never sent it")]
    NobodySent { room: i64, seq: u64, sender: i64 },
    /// A number is missing, or there twice.
    #[error("room {room}: {found} follows {before} in the store")]
    Hole { room: i64, before: u64, found: u64 },
    /// The store says that there is more, or less, than there is.
    #[error("room {room}: the store ends with {last} and says {head}")]
    Head { room: i64, last: u64, head: u64 },
    /// What was sent after the acknowledgement of another came before it.
    #[error("room {room}: {then} was sent after {first} was acknowledged")]
    Overtaken { room: i64, first: u64, then: u64 },
    /// One connection's messages changed their order.
    #[error("room {room}: {then} was sent after {first} on one connection")]
    Pipelined { room: i64, first: u64, then: u64 },
    /// Something was left out.
    #[error("room {room}: {found} came after {had}")]
    Skipped { room: i64, had: u64, found: u64 },
    /// Something came again.
    #[error("room {room}: {found} came again after {had}")]
    Repeated { room: i64, had: u64, found: u64 },
    /// A client came back with a number that it cannot have had.
    #[error("room {room}: came back after {said}, and had {had}")]
    AnotherPlace { room: i64, had: u64, said: u64 },
    /// A client that was there to the end lacks the last ones.
    #[error("room {room}: the last that came was {had}, and the store has {head}")]
    Unfinished { room: i64, had: u64, head: u64 },
    /// A member was not let hear a room of its own.
    #[error("room {room}: user {user} is a member, and was not connected to it")]
    ShutOut { room: i64, user: i64 },
    /// Something came to who was no member.
    #[error("room {room}: user {user} was given {seq} and is no member")]
    Leaked { room: i64, user: i64, seq: u64 },
    /// A membership is there that had ended.
    #[error("room {room}: user {user} has left and is a member")]
    StillMember { room: i64, user: i64 },
    /// A command is not there.
    #[error("the command was {what} and is not in the store")]
    NoCommand { what: &'static str },
    /// A command has not ended.
    #[error("the command is {state:?} for ever")]
    Open { state: State },
    /// A command ended as two things.
    #[error("the command ended as {first:?} and as {then:?}")]
    TwoEnds { first: State, then: State },
    /// A command ended long after it had to.
    #[error("the command ended {late_ms} ms after it had to")]
    EndedLate { late_ms: i64 },
    /// A device began a command twice.
    #[error("the command was begun again")]
    BegunTwice,
    /// The store does not say what happened.
    #[error("the command is {state:?}, and was begun: {begun}")]
    Untrue { state: State, begun: bool },
    /// The device did not say what the store has.
    #[error("the command is {state:?}, which no device said")]
    Unsaid { state: State },
    /// One key of a caller was two commands.
    #[error("one idempotency key was two commands")]
    TwoOfAKey,
    /// A command was begun after its deadline.
    #[error("the command was begun {late_ms} ms after its deadline")]
    BegunLate { late_ms: i64 },
    /// Something was refused, and done.
    #[error("room {room}: {seq} was refused and is in the store")]
    RefusedAndKept { room: i64, seq: u64 },
    /// Something was refused without a reason.
    #[error("refused with {code:?}, which names no cause")]
    NoCause { code: String },
    /// An answer came to what nobody asked.
    #[error("an answer to what was never asked")]
    Unasked,
    /// After the faults a message was not acknowledged soon.
    #[error("a message sent after the last fault waited {waited_ms} ms")]
    Slow { waited_ms: i64 },
    /// After the faults no message was acknowledged at all.
    #[error("nothing was acknowledged after the last fault")]
    Silent,
    /// A client did not come back.
    #[error("never came back")]
    NeverBack,
    /// Coming back took too long.
    #[error("{per_cent} % of the clients were back within {waited_ms} ms")]
    BackLate { per_cent: u32, waited_ms: i64 },
}

impl Broken {
    /// Which promise it breaks.
    #[must_use]
    pub fn promise(&self) -> Promise {
        match self {
            Self::AckedAndGone { .. }
            | Self::AckedAndChanged { .. }
            | Self::DeliveredAndGone { .. }
            | Self::DeliveredAndChanged { .. }
            | Self::AnotherHistory { .. }
            | Self::MembershipLost { .. } => Promise::Durable,
            Self::StoredTwice { .. } | Self::AckedTwice { .. } | Self::NobodySent { .. } => Promise::Once,
            Self::Hole { .. } | Self::Head { .. } | Self::Overtaken { .. } | Self::Pipelined { .. } => {
                Promise::Order
            }
            Self::Skipped { .. }
            | Self::Repeated { .. }
            | Self::AnotherPlace { .. }
            | Self::Unfinished { .. }
            | Self::ShutOut { .. } => Promise::Delivery,
            Self::Leaked { .. } | Self::StillMember { .. } => Promise::Privacy,
            Self::NoCommand { .. }
            | Self::Open { .. }
            | Self::TwoEnds { .. }
            | Self::EndedLate { .. }
            | Self::BegunTwice
            | Self::Untrue { .. }
            | Self::Unsaid { .. }
            | Self::TwoOfAKey => Promise::Commands,
            Self::BegunLate { .. } => Promise::Fresh,
            Self::RefusedAndKept { .. } | Self::NoCause { .. } | Self::Unasked => Promise::Honest,
            Self::Slow { .. } | Self::Silent | Self::NeverBack | Self::BackLate { .. } => Promise::Live,
        }
    }
}

/// A line of one of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    /// Which file, counted from 0.
    pub(super) file: u16,
    /// Which line, counted from 1.
    pub(super) line: u32,
}

/// A violation, and the lines that show it.
#[derive(Clone, Debug)]
pub struct Violation {
    /// What.
    pub broken: Broken,
    /// `file:line`, the one at which it was noticed first.
    pub shown_by: Vec<String>,
    /// Which command or message it is about, where a number does not say it.
    pub about: Option<String>,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Looked {
    /// Lines.
    pub lines: u64,
    /// Clients that spoke.
    pub clients: u64,
    /// Messages that the store has.
    pub messages: u64,
    /// Messages that clients sent, repeats not counted.
    pub sent: u64,
    /// Of those, acknowledged.
    pub acknowledged: u64,
    /// Messages that came to clients.
    pub delivered: u64,
    /// Of those, read from the history.
    pub read: u64,
    /// Times that a client came back.
    pub resumed: u64,
    /// Of those, rooms that could not be replayed.
    pub gaps: u64,
    /// Commands that the store has.
    pub commands: u64,
    /// Commands that devices began.
    pub begun: u64,
    /// Faults.
    pub faults: u64,
}

/// What became of it all.
#[derive(Debug)]
pub struct Verdict {
    /// The first violations of each promise, in the order in which they were noticed.
    pub violations: Vec<Violation>,
    /// How many there were of each.
    pub counts: BTreeMap<Promise, u64>,
    /// How much was looked at.
    pub looked: Looked,
    names: Vec<String>,
}

impl Verdict {
    pub(super) fn of(names: Vec<String>) -> Self {
        Self {
            violations: Vec::new(),
            counts: BTreeMap::new(),
            looked: Looked::default(),
            names,
        }
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.counts.is_empty()
    }

    pub(super) fn found(&mut self, broken: Broken, lines: &[At]) {
        self.found_about(broken, lines, None);
    }

    pub(super) fn found_about(&mut self, broken: Broken, lines: &[At], about: Option<&str>) {
        let count = self.counts.entry(broken.promise()).or_default();
        *count += 1;
        if *count > TOLD_MAX as u64 {
            return;
        }
        let shown_by = lines.iter().map(|at| {
            let name = self.names.get(usize::from(at.file)).map_or("?", String::as_str);
            format!("{name}:{}", at.line)
        });
        self.violations.push(Violation {
            broken,
            shown_by: shown_by.collect(),
            about: about.map(str::to_owned),
        });
    }

    /// The same for programs.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let counts: BTreeMap<_, _> = self
            .counts
            .iter()
            .map(|(promise, n)| (promise.to_string(), n))
            .collect();
        let violations: Vec<_> = self
            .violations
            .iter()
            .map(|it| {
                serde_json::json!({
                    "promise": it.broken.promise().to_string(), "what": it.broken.to_string(),
                    "about": it.about, "lines": it.shown_by,
                })
            })
            .collect();
        serde_json::json!({
            "clean": self.is_clean(), "counts": counts, "violations": violations, "looked": self.looked,
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for it in &self.violations {
            write!(f, "{}: {}", it.broken.promise(), it.broken)?;
            if let Some(about) = &it.about {
                write!(f, " ({about})")?;
            }
            writeln!(f, " [{}]", it.shown_by.join(", "))?;
        }
        let it = &self.looked;
        writeln!(
            f,
            "{} lines of {} clients: {} messages, {} sent, {} acknowledged, {} delivered ({} read), {} resumes, {} gaps; \
             {} commands, {} begun; {} faults",
            it.lines,
            it.clients,
            it.messages,
            it.sent,
            it.acknowledged,
            it.delivered,
            it.read,
            it.resumed,
            it.gaps,
            it.commands,
            it.begun,
            it.faults
        )?;
        if self.is_clean() {
            return writeln!(f, "0 violations");
        }
        let counts: Vec<_> = self
            .counts
            .iter()
            .map(|(promise, n)| format!("{n} of {promise}"))
            .collect();
        writeln!(f, "violations: {}", counts.join(", "))
    }
}
