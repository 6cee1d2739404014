//! What can be wrong with a catalogue, beyond its syntax.
//!
//! Invariant: every mistake is found in one go, each with the command and the key that it is of.

use std::collections::BTreeMap;
use std::sync::Arc;

use bongsu_model::Limits;
use bongsu_model::device::Pace;

use crate::rate::Rate;

use super::word::{NAME_BYTES_MAX, is_name};
use super::{ENTRIES_MAX, Entry, SHORTS_MAX};

/// Words for turning round what is: such a command does another thing each time it is repeated.
const TOGGLES: [&str; 4] = ["toggle", "flip", "invert", "switch"];

/// One mistake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CatalogueFault {
    /// Which command, from 0, in the order given; the number of commands for what is of none of them.
    pub entry: usize,
    /// Of which key.
    pub key: &'static str,
    /// Which of that key's list, from 0; `None` for a key without a list.
    pub item: Option<usize>,
    /// What.
    pub wrong: CatalogueWrong,
}

/// What is wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CatalogueWrong {
    /// More commands than may be.
    #[error("a catalogue has at most {ENTRIES_MAX} commands")]
    TooMany,
    /// More short forms of one command than may be.
    #[error("a command has at most {SHORTS_MAX} short forms")]
    TooManyShorts,
    /// It is no name.
    #[error("1 to {NAME_BYTES_MAX} of a-z 0-9 _ . - are needed")]
    Name,
    /// Another command has that name.
    #[error("there is a command of this name already")]
    NameTaken,
    /// A command that turns round what is has no target.
    #[error(
        "a command that turns round what is (`{0}`) does something else when it is repeated: set `target` and give it the \
         state that shall be"
    )]
    Toggle(Arc<str>),
    /// The newest cannot win where there is nothing to win.
    #[error("\"latest-wins\" needs a `target`")]
    LatestWinsOfNothing,
    /// Commands for one target are one at a time.
    #[error("commands with a `target` are one at a time: \"parallel\" needs one without")]
    ParallelTarget,
    /// None at a time, or more than a device may have open.
    #[error("\"parallel(n)\" needs an n from 1 to {0}")]
    Parallel(usize),
    /// Two commands of one target go at different paces.
    #[error("`{0}` has the same target: both need the same `policy`")]
    Paces(Arc<str>),
    /// A time that is 0 or too long.
    #[error("1 to {0} milliseconds are needed")]
    Time(u64),
    /// A debounce that is longer than any command lives.
    #[error("0 to {0} milliseconds are needed")]
    Debounce(u64),
    /// A rate that bounds nothing.
    #[error("a rate of at least 1 is needed")]
    Rate,
    /// Nobody may send it.
    #[error("at least one role is needed; leave the command out if nobody may send it")]
    Roles,
    /// Another command, or the same, has that short form.
    #[error("`{part}/{action}` stands for `{name}` already")]
    ShortTaken {
        /// The part.
        part: Arc<str>,
        /// The action.
        action: Arc<str>,
        /// Whose it is.
        name: Arc<str>,
    },
    /// What a short form stands for is refused by the command's own schema.
    #[error("its `args` are refused by the command's own schema: {pointer}: {says}")]
    ShortArgs {
        /// Where in them.
        pointer: Arc<str>,
        /// What is wrong there.
        says: Arc<str>,
    },
    /// A schema that is too large to be looked at with every call.
    #[error("a schema of at most {0} bytes is needed")]
    Schema(usize),
}

/// Every mistake, by command.
pub(super) fn faults(entries: &[Entry], limits: &Limits) -> Vec<CatalogueFault> {
    let mut faults = Faults {
        found: Vec::new(),
        names: BTreeMap::new(),
        shorts: BTreeMap::new(),
        targets: BTreeMap::new(),
    };
    if entries.len() > ENTRIES_MAX {
        faults.note(entries.len(), "command", CatalogueWrong::TooMany);
        return faults.found;
    }
    for (index, entry) in entries.iter().enumerate() {
        faults.name(index, entry);
        faults.target(index, entry, limits);
        faults.times(index, entry, limits);
        faults.shorts(index, entry);
    }
    faults.found
}

struct Faults<'a> {
    found: Vec<CatalogueFault>,
    names: BTreeMap<&'a str, usize>,
    shorts: BTreeMap<(&'a str, &'a str), &'a Arc<str>>,
    targets: BTreeMap<&'a str, (&'a Arc<str>, Pace)>,
}

impl<'a> Faults<'a> {
    fn note(&mut self, entry: usize, key: &'static str, wrong: CatalogueWrong) {
        self.found.push(CatalogueFault {
            entry,
            key,
            item: None,
            wrong,
        });
    }

    fn name(&mut self, index: usize, entry: &'a Entry) {
        if !is_name(&entry.name) {
            self.note(index, "name", CatalogueWrong::Name);
        } else if self.names.insert(&entry.name, index).is_some() {
            self.note(index, "name", CatalogueWrong::NameTaken);
        }
        if entry.roles.is_empty() {
            self.note(index, "roles", CatalogueWrong::Roles);
        }
    }

    fn target(&mut self, index: usize, entry: &'a Entry, limits: &Limits) {
        let open_max = limits.commands_open_max;
        if let Pace::Parallel(n) = entry.pace
            && !(1..=open_max).contains(&(n as usize))
        {
            self.note(index, "policy", CatalogueWrong::Parallel(open_max));
        }
        let Some(target) = &entry.target else {
            if entry.pace == Pace::LatestWins {
                self.note(index, "policy", CatalogueWrong::LatestWinsOfNothing);
            }
            let actions = entry.short.iter().map(|short| &short.action);
            if let Some(toggle) = actions.chain([&entry.name]).find(|name| is_toggle(name)) {
                let wrong = CatalogueWrong::Toggle(Arc::clone(toggle));
                self.note(index, "target", wrong);
            }
            return;
        };
        if !is_name(target) {
            self.note(index, "target", CatalogueWrong::Name);
        }
        if let Pace::Parallel(_) = entry.pace {
            self.note(index, "policy", CatalogueWrong::ParallelTarget);
        }
        let (first, pace) = *self.targets.entry(target).or_insert((&entry.name, entry.pace));
        if pace != entry.pace {
            self.note(index, "policy", CatalogueWrong::Paces(Arc::clone(first)));
        }
    }

    fn times(&mut self, index: usize, entry: &Entry, limits: &Limits) {
        let most = limits.command_ttl_max_ms;
        if entry.ttl_ms.is_some_and(|ms| !(1..=most).contains(&ms)) {
            self.note(index, "ttl_ms", CatalogueWrong::Time(most));
        }
        if !(1..=most).contains(&entry.execution_ms) {
            self.note(index, "execution_ms", CatalogueWrong::Time(most));
        }
        if entry.debounce_ms > most {
            self.note(index, "debounce_ms", CatalogueWrong::Debounce(most));
        }
        if entry.rate.is_some_and(Rate::is_unlimited) {
            self.note(index, "rate", CatalogueWrong::Rate);
        }
        if entry.schema.bytes() > limits.command_args_bytes_max {
            let wrong = CatalogueWrong::Schema(limits.command_args_bytes_max);
            self.note(index, "args", wrong);
        }
    }

    fn shorts(&mut self, index: usize, entry: &'a Entry) {
        if entry.short.len() > SHORTS_MAX {
            self.note(index, "short", CatalogueWrong::TooManyShorts);
            return;
        }
        for (item, short) in entry.short.iter().enumerate() {
            let wrong = if !is_name(&short.part) || !is_name(&short.action) {
                Some(CatalogueWrong::Name)
            } else if let Some(name) = self.shorts.insert((&short.part, &short.action), &entry.name) {
                Some(CatalogueWrong::ShortTaken {
                    part: Arc::clone(&short.part),
                    action: Arc::clone(&short.action),
                    name: Arc::clone(name),
                })
            } else {
                let refused = entry.args.check(&short.args).err();
                refused.map(|wrong| CatalogueWrong::ShortArgs {
                    pointer: wrong.pointer,
                    says: wrong.says,
                })
            };
            self.found.extend(wrong.map(|wrong| CatalogueFault {
                entry: index,
                key: "short",
                item: Some(item),
                wrong,
            }));
        }
    }
}

fn is_toggle(name: &str) -> bool {
    name.split(['.', '_', '-']).any(|word| TOGGLES.contains(&word))
}
