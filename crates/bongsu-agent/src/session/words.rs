//! What is to be said of commands, until the server has it.
//!
//! Invariant: bounded; what is said of a command is said in its order. What the runner remembers is not remembered here
//! beyond the link: it is asked for it anew.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bongsu_model::device::{Number, Object, Value};
use bongsu_model::display::{Doing, Execution, PresetId};
use bongsu_model::{CommandId, Timestamp};

use super::orders::is_own;
use crate::report::{How, Outcome, Report};

/// So many words wait or are on their way at the most.
pub(super) const WORDS_MAX: usize = 1_024;
/// So many are on their way: a server that takes them acknowledges them.
const ON_THEIR_WAY_MAX: usize = 32;
/// A line, or an error, is told so far.
const TEXT_BYTES_MAX: usize = 1_024;
/// A word that was refused for now is said again after this time.
const AGAIN_MS: u64 = 1_000;

/// One thing to be said of a command.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Word {
    pub(super) command: CommandId,
    pub(super) preset: Option<PresetId>,
    pub(super) status: Doing,
    pub(super) details: Object,
    /// What the runner is to forget when the server has it.
    pub(super) report: Option<Report>,
}

impl Word {
    pub(super) fn new(command: CommandId, preset: Option<PresetId>, status: Doing) -> Self {
        Self {
            command,
            preset,
            status,
            details: Object::new(),
            report: None,
        }
    }

    pub(super) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.details.insert(key.into(), value.into());
        self
    }

    /// A refusal: its code, and more of why.
    pub(super) fn rejected(command: CommandId, preset: Option<PresetId>, code: &str, error: &str) -> Self {
        Self::new(command, preset, Doing::Rejected)
            .with("code", code)
            .with("error", short(error))
    }

    /// What the runner reports. `cancelled` programs had not been started yet when they were stopped.
    pub(super) fn of(report: Report, cancelled: u64) -> Self {
        let (command, preset) = (report.command, report.preset);
        let word = |status| Self::new(command, preset, status);
        let mut word = match &report.outcome {
            Outcome::Starting => word(Doing::Starting),
            Outcome::Running {
                pid,
                started_at,
                line,
            } => word(Doing::Running)
                .with("pid", uint(u64::from(*pid)))
                .with("command", short(line))
                .with("start_time", seconds(*started_at)),
            Outcome::Ended {
                how,
                stopped,
                lasted_ms,
            } => {
                let status = match how {
                    _ if *stopped => Doing::Stopped,
                    How::Exited(0) => Doing::Completed,
                    How::Exited(_) | How::Killed(_) | How::Lost(_) => Doing::Failed,
                };
                let ended = word(status).with("lasted_ms", uint(*lasted_ms));
                match how {
                    How::Exited(code) => ended.with("exit_code", i64::from(*code)),
                    How::Killed(signal) => ended.with("signal", i64::from(*signal)),
                    How::Lost(why) => ended.with("error", "lost").with("reason", why.name()),
                }
            }
            Outcome::NotStarted { code, error } => word(Doing::Failed)
                .with("code", code.name())
                .with("error", short(error)),
            Outcome::Rejected { code, error } => Self::rejected(command, preset, code.name(), error),
            Outcome::Stopped { programs } => {
                word(Doing::Stopped).with("stopped", uint(programs.saturating_add(cancelled)))
            }
        };
        word.report = Some(report);
        word
    }

    /// A command that has a name of our own making has none for the server.
    pub(super) fn execution(&self, name: &Arc<str>) -> Execution {
        Execution {
            name: Arc::clone(name),
            status: self.status,
            preset: self.preset,
            command: (!is_own(self.command)).then_some(self.command),
            details: self.details.clone(),
        }
    }
}

fn uint(value: u64) -> Value {
    Value::Number(i64::try_from(value).map_or(Number::Uint(value), Number::Int))
}

/// A moment as the guide has it.
fn seconds(at: Timestamp) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of this age fit into a double"
    )]
    let seconds = at.0 as f64 / 1_000.0;
    Number::float(seconds).map_or(Value::Null, Value::Number)
}

fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

/// What is to be said, and what was said and not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Words {
    waiting: VecDeque<Word>,
    /// By its number, with the time at which it was said.
    said: BTreeMap<u64, (Timestamp, Word)>,
    number: u64,
    quiet_until: Option<Timestamp>,
    /// When the last acknowledgement came.
    heard: Option<Timestamp>,
}

impl Words {
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.said.len()
    }

    /// Whether there is room for what a command may have said of it.
    pub(super) fn has_room(&self) -> bool {
        self.len() < WORDS_MAX
    }

    /// Has a word said, once; where there is no room the oldest is lost.
    pub(super) fn push(&mut self, word: Word) {
        let again = |it: &Word| it.command == word.command && it.status == word.status;
        if self.waiting.iter().any(again) {
            return;
        }
        if !self.has_room() && self.waiting.pop_front().is_none() {
            self.said.pop_first();
        }
        self.waiting.push_back(word);
    }

    /// Whether something is to be said and may be.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let may = !self.waiting.is_empty() && self.said.len() < ON_THEIR_WAY_MAX;
        may.then_some(self.quiet_until.unwrap_or(Timestamp(i64::MIN)))
    }

    /// The next word, and its number if its taking is to be acknowledged.
    pub(super) fn next(&mut self, acknowledged: bool, now: Timestamp) -> Option<(Word, Option<u64>)> {
        if self.due()? > now {
            return None;
        }
        self.quiet_until = None;
        let word = self.waiting.pop_front()?;
        if !acknowledged {
            return Some((word, None));
        }
        self.number += 1;
        self.said.insert(self.number, (now, word.clone()));
        Some((word, Some(self.number)))
    }

    /// Since when an acknowledgement has been waited for: since the last one, as they come one after the other.
    pub(super) fn asked(&self) -> Option<Timestamp> {
        let (at, _) = self.said.values().next()?;
        Some(self.heard.map_or(*at, |heard| heard.max(*at)))
    }

    /// The server has it.
    pub(super) fn taken(&mut self, number: u64, now: Timestamp) -> Option<Word> {
        let (_, word) = self.said.remove(&number)?;
        self.heard = Some(now);
        Some(word)
    }

    /// The server does not have it, and may take it later.
    pub(super) fn again(&mut self, number: u64, now: Timestamp) {
        let Some(word) = self.taken(number, now) else {
            return;
        };
        self.quiet_until = Some(now.plus_ms(AGAIN_MS));
        let command = word.command;
        let mut later = self.said.values().map(|(_, it)| it).chain(&self.waiting);
        // What has been overtaken is not said behind what overtook it.
        if !later.any(|it| it.command == command) {
            self.waiting.push_front(word);
        }
    }

    /// A word that was perhaps not written is the first to be said again.
    pub(super) fn unsay(&mut self, word: Word) {
        self.waiting.push_front(word);
    }

    /// The link is gone: what was not acknowledged is to be said again, first. What the runner remembers it tells anew.
    pub(super) fn cut(&mut self) {
        let said = std::mem::take(&mut self.said).into_values().map(|(_, word)| word);
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting = said.chain(waiting).filter(|it| it.report.is_none()).collect();
        (self.quiet_until, self.heard) = (None, None);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
