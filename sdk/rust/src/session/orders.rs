//! Commands: from the order to the answer.
//!
//! Invariant: before a command is begun it stands in the journal, and then the deadline is looked at once more; every
//! order is answered, and always with the same answer.

use std::collections::VecDeque;
use std::sync::Arc;

use bongsu_model::Timestamp;
use bongsu_model::device::{CommandId, Object, Status, Value, Word};
use bongsu_wire::device::client::Order;

use super::words::Saying;
use super::{Effect, Event, Session};
use crate::journal::{ANSWER_BYTES_MAX, Answer, Known, Record};

/// Commands that are carried out at once; a gateway is not told of more.
const BEGUN_MAX: usize = 64;
/// Refusals that could not be written down and are remembered all the same.
const REFUSALS_MAX: usize = 256;

/// A command that is to be begun.
#[derive(Clone, PartialEq, Debug)]
pub struct Begin {
    /// Which.
    pub id: CommandId,
    /// What.
    pub name: Arc<str>,
    /// With what.
    pub args: Object,
    /// Its deadline, by the gateway's clock. It was not past a moment ago.
    pub deadline: Timestamp,
}

/// Refusals without a line in the journal: the last of them.
#[derive(Debug, Default)]
pub(super) struct Refusals(VecDeque<(CommandId, Answer)>);

impl Refusals {
    fn of(&self, id: CommandId) -> Option<&Answer> {
        self.0.iter().find(|(of, _)| *of == id).map(|(_, answer)| answer)
    }

    fn remember(&mut self, id: CommandId, answer: Answer) {
        if self.0.len() == REFUSALS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((id, answer));
    }
}

impl Session {
    /// What [`Effect::Keep`] asked for is on the disk.
    pub fn kept(&mut self, record: &Record, now: Timestamp, out: &mut Vec<Effect>) {
        match record {
            Record::Begun {
                id,
                deadline,
                name,
                args,
            } => {
                // The disk may have taken its time.
                if self.clock.is_late(*deadline, now) {
                    self.refuse(*id, *deadline, "expired", out);
                    return;
                }
                self.begun.insert(*id);
                self.words.say(*id, Saying::Received);
                out.push(Effect::Begin(Begin {
                    id: *id,
                    name: Arc::clone(name),
                    args: args.clone(),
                    deadline: *deadline,
                }));
            }
            Record::Ended { id, .. } => self.words.say(*id, Saying::Ended),
            Record::Told { .. } => {}
        }
    }

    /// What [`Effect::Keep`] asked for could not be written: a command is not begun then, and an answer holds as long as
    /// this process runs.
    pub fn unkept(&mut self, record: &Record, out: &mut Vec<Effect>) {
        match record {
            Record::Begun { id, .. } => {
                self.ledger.strike(*id);
                self.refuse_unkept(*id, "journal", out);
            }
            Record::Ended { id, .. } => self.words.say(*id, Saying::Ended),
            Record::Told { .. } => {}
        }
    }

    /// A command goes on, and has come so far.
    pub fn goes_on(&mut self, id: CommandId, so_far: Option<Value>) {
        if self.ledger.look(id) == Known::Begun {
            self.words.say(id, Saying::InProgress(so_far));
        }
    }

    /// A command has ended. A second end of the same is ignored.
    pub fn ended(&mut self, id: CommandId, answer: Answer, out: &mut Vec<Effect>) {
        let (Known::Begun, Some(deadline)) = (self.ledger.look(id), self.ledger.deadline(id)) else {
            return;
        };
        self.begun.remove(&id);
        let answer = fitting(answer);
        self.keep(Record::Ended { id, deadline, answer }, out);
    }

    pub(super) fn ordered(&mut self, order: Order, now: Timestamp, out: &mut Vec<Effect>) {
        let (id, deadline) = (order.id, order.deadline());
        if let Some(answer) = self.refusals.of(id) {
            self.words.say(id, Saying::Unkept(answer.clone()));
            return;
        }
        match self.ledger.look(id) {
            Known::Ended(_) => {
                self.words.say(id, Saying::Ended);
                out.push(Effect::Tell(Event::Repeated(id)));
                return;
            }
            Known::Begun => {
                // Until its line is on the disk nothing is said of it.
                if self.begun.contains(&id) {
                    self.words.say(id, Saying::Received);
                    out.push(Effect::Tell(Event::Repeated(id)));
                }
                return;
            }
            Known::No => {}
        }
        let begun = Record::Begun {
            id,
            deadline,
            name: order.name,
            args: order.args,
        };
        let Record::Begun { name, .. } = &begun else {
            return;
        };
        if !self.ledger.has_room(&begun) {
            self.refuse_unkept(id, "journal_full", out);
        } else if self.clock.is_late(deadline, now) {
            self.refuse(id, deadline, "expired", out);
        } else if !self.commands.contains(name) {
            self.refuse(id, deadline, "unknown_command", out);
        } else if self.ledger.begun() >= BEGUN_MAX {
            self.refuse(id, deadline, "busy", out);
        } else {
            self.keep(begun, out);
        }
    }

    /// Every session begins with the answers that may have been lost with the last link.
    pub(super) fn say_what_was_not_heard(&mut self) {
        for id in self.ledger.untold() {
            self.words.say(id, Saying::Ended);
        }
    }

    pub(super) fn next_word(&mut self) -> Option<Word> {
        let (id, saying) = self.words.take()?;
        let (status, result, error) = match saying {
            Saying::Received => (Status::Received, None, None),
            Saying::InProgress(so_far) => (Status::InProgress, so_far, None),
            Saying::Unkept(answer) => (answer.end.status(), answer.result, answer.error),
            Saying::Ended => match self.ledger.look(id) {
                Known::Ended(answer) => (answer.end.status(), answer.result.clone(), answer.error.clone()),
                // It was forgotten while it waited: whoever asked has long had another answer.
                Known::No | Known::Begun => return self.next_word(),
            },
        };
        Some(Word {
            reply_to: id,
            status,
            result,
            error,
            epoch: Some(self.epoch),
        })
    }

    fn keep(&mut self, record: Record, out: &mut Vec<Effect>) {
        self.ledger.note(&record);
        out.push(Effect::Keep(record));
    }

    fn refuse(&mut self, id: CommandId, deadline: Timestamp, why: &'static str, out: &mut Vec<Effect>) {
        out.push(Effect::Tell(Event::NotBegun { id, why }));
        let answer = Answer::rejected(why.into());
        self.keep(Record::Ended { id, deadline, answer }, out);
    }

    fn refuse_unkept(&mut self, id: CommandId, why: &'static str, out: &mut Vec<Effect>) {
        out.push(Effect::Tell(Event::NotBegun { id, why }));
        let answer = Answer::rejected(why.into());
        self.refusals.remember(id, answer.clone());
        self.words.say(id, Saying::Unkept(answer));
    }
}

/// What a frame and a line have no room for is left out, and the answer says so: how it ended is what counts.
fn fitting(answer: Answer) -> Answer {
    let bytes = |value: &Option<Value>| value.as_ref().map_or(0, Value::bytes);
    if bytes(&answer.result) + bytes(&answer.error) <= ANSWER_BYTES_MAX {
        return answer;
    }
    Answer {
        end: answer.end,
        result: None,
        error: Some("answer_too_large".into()),
    }
}
