//! Which commands are known and what was answered: the journal's content, in memory.
//!
//! Invariant: pure. A command has one answer for ever; one that is known is not forgotten before its deadline is a day
//! past, as until then it may come again.

use std::collections::BTreeMap;
use std::sync::Arc;

use bongsu_model::Timestamp;
use bongsu_model::device::{CommandId, Object};

use super::record::{Answer, Record};

/// An answered command is remembered for so long after its deadline, in milliseconds: 24 hours.
pub const KEPT_MS: u64 = 24 * 60 * 60 * 1_000;
/// What all that is remembered may have as lines: then nothing new is begun until something may be forgotten.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// An answer's result and error may have so many bytes as JSON together: with what stands around them they fit into a
/// frame.
pub const ANSWER_BYTES_MAX: usize = 48 * 1024;
/// Room for the answer is kept free for a command that is begun.
const ANSWER_LINE_BYTES: usize = ANSWER_BYTES_MAX + 1_024;

/// What is known of a command.
#[derive(Clone, PartialEq, Debug)]
pub enum Known<'a> {
    /// It was never seen.
    No,
    /// It was begun, and has no answer yet.
    Begun,
    /// It has its answer.
    Ended(&'a Answer),
}

/// A command that was begun and has no answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Running {
    /// Which.
    pub id: CommandId,
    /// What.
    pub name: Arc<str>,
    /// With what.
    pub args: Object,
}

#[derive(Clone, Debug)]
struct Entry {
    deadline: Timestamp,
    doing: Doing,
    bytes: usize,
    told: bool,
}

#[derive(Clone, Debug)]
enum Doing {
    Begun { name: Arc<str>, args: Object },
    Ended(Answer),
}

/// All commands that are known.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    entries: BTreeMap<CommandId, Entry>,
    bytes: usize,
    begun: usize,
}

impl Ledger {
    /// What a journal's records make.
    #[must_use]
    pub fn replay(records: impl IntoIterator<Item = Record>) -> Self {
        let mut ledger = Self::default();
        for record in records {
            ledger.note(&record);
        }
        ledger
    }

    /// What is known of a command.
    #[must_use]
    pub fn look(&self, id: CommandId) -> Known<'_> {
        match self.entries.get(&id).map(|entry| &entry.doing) {
            None => Known::No,
            Some(Doing::Begun { .. }) => Known::Begun,
            Some(Doing::Ended(answer)) => Known::Ended(answer),
        }
    }

    /// A command's deadline, if it is known.
    #[must_use]
    pub fn deadline(&self, id: CommandId) -> Option<Timestamp> {
        self.entries.get(&id).map(|entry| entry.deadline)
    }

    /// Takes in what happened. What cannot be true any more is ignored: a second beginning, a second answer.
    pub fn note(&mut self, record: &Record) {
        match record {
            Record::Begun {
                id,
                deadline,
                name,
                args,
            } => {
                if !self.entries.contains_key(id) {
                    let doing = Doing::Begun {
                        name: Arc::clone(name),
                        args: args.clone(),
                    };
                    self.put(*id, *deadline, doing, record.line().len());
                }
            }
            Record::Ended { id, deadline, answer } => {
                if !matches!(self.look(*id), Known::Ended(_)) {
                    let deadline = self.deadline(*id).unwrap_or(*deadline);
                    self.put(*id, deadline, Doing::Ended(answer.clone()), record.line().len());
                }
            }
            Record::Told { id } => {
                if let Some(entry) = self.entries.get_mut(id)
                    && matches!(entry.doing, Doing::Ended(_))
                {
                    entry.told = true;
                }
            }
        }
    }

    /// Forgets a command that could not be written down: it was not begun.
    pub fn strike(&mut self, id: CommandId) {
        if let Some(entry) = self.entries.remove(&id) {
            self.bytes -= entry.bytes;
            self.begun -= usize::from(matches!(entry.doing, Doing::Begun { .. }));
        }
    }

    /// Forgets the answered ones whose deadline is [`KEPT_MS`] past at `now`, by the gateway's clock.
    pub fn forget(&mut self, now: Timestamp) {
        let old: Vec<CommandId> = self
            .entries
            .iter()
            .filter(|(_, entry)| {
                matches!(entry.doing, Doing::Ended(_)) && entry.deadline.plus_ms(KEPT_MS) < now
            })
            .map(|(id, _)| *id)
            .collect();
        for id in old {
            self.strike(id);
        }
    }

    /// Whether another command may be begun and its answer still be written down.
    #[must_use]
    pub fn has_room(&self, record: &Record) -> bool {
        let reserved = (self.begun + 1) * ANSWER_LINE_BYTES;
        self.bytes + record.line().len() + reserved <= BYTES_MAX
    }

    /// How many bytes all of it has as lines.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many commands were begun and have no answer.
    #[must_use]
    pub const fn begun(&self) -> usize {
        self.begun
    }

    /// The commands that were begun and have no answer, oldest first.
    pub fn running(&self) -> impl Iterator<Item = Running> + '_ {
        self.entries.iter().filter_map(|(id, entry)| match &entry.doing {
            Doing::Begun { name, args } => Some(Running {
                id: *id,
                name: Arc::clone(name),
                args: args.clone(),
            }),
            Doing::Ended(_) => None,
        })
    }

    /// The answered ones that the gateway has not been heard to have heard of, oldest first.
    pub fn untold(&self) -> impl Iterator<Item = CommandId> + '_ {
        self.entries
            .iter()
            .filter(|(_, entry)| !entry.told && matches!(entry.doing, Doing::Ended(_)))
            .map(|(id, _)| *id)
    }

    /// All of it as records, for a journal that is written anew.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for (id, entry) in &self.entries {
            let (id, deadline) = (*id, entry.deadline);
            records.push(match &entry.doing {
                Doing::Begun { name, args } => Record::Begun {
                    id,
                    deadline,
                    name: Arc::clone(name),
                    args: args.clone(),
                },
                Doing::Ended(answer) => Record::Ended {
                    id,
                    deadline,
                    answer: answer.clone(),
                },
            });
            if entry.told {
                records.push(Record::Told { id });
            }
        }
        records
    }

    fn put(&mut self, id: CommandId, deadline: Timestamp, doing: Doing, bytes: usize) {
        self.strike(id);
        self.begun += usize::from(matches!(doing, Doing::Begun { .. }));
        self.bytes += bytes;
        let entry = Entry {
            deadline,
            doing,
            bytes,
            told: false,
        };
        self.entries.insert(id, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bongsu_model::device::Value;

    fn begun(id: u128, deadline: i64) -> Record {
        Record::Begun {
            id: CommandId(id),
            deadline: Timestamp(deadline),
            name: "window.set".into(),
            args: Object::new(),
        }
    }

    fn ended(id: u128, deadline: i64, answer: Answer) -> Record {
        Record::Ended {
            id: CommandId(id),
            deadline: Timestamp(deadline),
            answer,
        }
    }

    #[test]
    fn the_first_answer_is_the_only_one() {
        let ledger = Ledger::replay([
            begun(1, 10),
            ended(1, 10, Answer::ok(1.into())),
            ended(1, 10, Answer::failed(2.into())),
            begun(1, 10),
        ]);
        assert_eq!(
            ledger.look(CommandId(1)),
            Known::Ended(&Answer::ok(Value::from(1)))
        );
        assert_eq!((ledger.begun(), ledger.running().count()), (0, 0));
    }

    #[test]
    fn what_was_begun_and_not_answered_is_found_again() {
        let ledger = Ledger::replay([begun(1, 10), begun(2, 10), ended(1, 10, Answer::ok(Value::Null))]);
        let running: Vec<_> = ledger.running().map(|it| it.id).collect();
        assert_eq!(running, [CommandId(2)]);
        assert_eq!(ledger.untold().collect::<Vec<_>>(), [CommandId(1)]);
        let again = Ledger::replay(ledger.records());
        assert_eq!(again.records(), ledger.records());
        assert_eq!(again.bytes(), ledger.bytes());
    }

    #[test]
    fn answers_are_kept_for_a_day_after_the_deadline_and_begun_ones_for_ever() {
        let mut ledger = Ledger::replay([begun(1, 10), begun(2, 10), ended(1, 10, Answer::ok(Value::Null))]);
        let day = i64::try_from(KEPT_MS).unwrap();
        ledger.forget(Timestamp(10 + day));
        assert!(matches!(ledger.look(CommandId(1)), Known::Ended(_)));
        ledger.forget(Timestamp(11 + day));
        assert_eq!(ledger.look(CommandId(1)), Known::No);
        assert_eq!(ledger.look(CommandId(2)), Known::Begun);
        ledger.strike(CommandId(2));
        assert_eq!((ledger.bytes(), ledger.begun()), (0, 0));
    }

    #[test]
    fn who_remembers_too_much_begins_nothing_new() {
        let mut ledger = Ledger::default();
        let large = Value::text(&"x".repeat(ANSWER_BYTES_MAX));
        let mut id = 0;
        while ledger.has_room(&begun(id, 10)) {
            ledger.note(&begun(id, 10));
            ledger.note(&ended(id, 10, Answer::ok(large.clone())));
            id += 1;
            assert!(id < 1_000, "it has a bound");
        }
        assert!(ledger.bytes() <= BYTES_MAX && ledger.bytes() > BYTES_MAX / 2);
    }

    #[test]
    fn told_is_remembered_of_answers_only() {
        let told = |id| Record::Told { id: CommandId(id) };
        let mut ledger = Ledger::replay([begun(1, 10), told(1)]);
        ledger.note(&ended(1, 10, Answer::ok(Value::Null)));
        assert_eq!(ledger.untold().count(), 1);
        ledger.note(&told(1));
        assert_eq!(ledger.untold().count(), 0);
        assert_eq!(Ledger::replay(ledger.records()).untold().count(), 0);
    }
}
