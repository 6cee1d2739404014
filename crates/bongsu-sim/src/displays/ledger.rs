//! What was seen in a world of displays, for the checks.
//!
//! Invariant: entries stand in the order in which they happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bongsu_model::device::{Command, CommandId, CommandState, ConnectionEpoch, DeviceId};
use bongsu_model::display::{Execute, PREPARE, RUN};
use bongsu_model::{Code, Timestamp};

/// What a display knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Its guide, and no more.
    Guide,
    /// Commands by their ids.
    Ids,
    /// These, and how to prepare.
    Barrier,
}

/// Something that was seen. A link is one connection of one display.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Saw {
    /// A display said who it is.
    Claimed {
        /// On which link.
        link: usize,
        /// Which name.
        name: DeviceId,
        /// To which node.
        node: usize,
        /// What it knows.
        kind: Kind,
    },
    /// It was told that it is let in.
    LetIn {
        /// On which link.
        link: usize,
        /// Its epoch.
        epoch: ConnectionEpoch,
    },
    /// It was told that it is not.
    Refused {
        /// On which link.
        link: usize,
        /// Why.
        code: Code,
    },
    /// Its word that it is there came to its node.
    Alive {
        /// On which link.
        link: usize,
    },
    /// It has stopped reading.
    Stalled {
        /// On which link.
        link: usize,
    },
    /// The link is over, and its node knows.
    Over {
        /// Which.
        link: usize,
    },
    /// A program was given to a link.
    Told {
        /// To which.
        link: usize,
        /// Under which epoch.
        epoch: ConnectionEpoch,
        /// By which command.
        command: CommandId,
        /// Whether it is to be run, or only prepared.
        runs: bool,
        /// For which call.
        call: usize,
        /// When it is to be begun.
        start_at: Option<Timestamp>,
    },
    /// A display says that it is prepared.
    Prepared {
        /// Which.
        name: DeviceId,
        /// For which call.
        call: usize,
    },
    /// A display has begun a program.
    Began {
        /// Which.
        name: DeviceId,
        /// By which command.
        command: CommandId,
        /// For which call.
        call: usize,
        /// When it was to be begun.
        start_at: Option<Timestamp>,
    },
    /// A program has ended on its display, whoever hears of it.
    Finished {
        /// By which command it was begun.
        command: CommandId,
    },
    /// A preset is to be run.
    Asked {
        /// One for each question.
        call: usize,
        /// Whom was asked.
        node: usize,
        /// Whether all are to be prepared before.
        barrier: bool,
        /// On which displays.
        names: Vec<DeviceId>,
    },
    /// What became of it, as the caller is told.
    Answered {
        /// Which.
        call: usize,
        /// The commands that there are.
        commands: Vec<(CommandId, CommandState)>,
    },
    /// The node that was asked is gone.
    HungUp {
        /// Which.
        call: usize,
    },
}

/// What was seen, and when.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// What.
    pub saw: Saw,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.at.0, self.saw)
    }
}

/// All that was seen.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// In order.
    pub seen: Vec<Seen>,
    /// What the store has at the end.
    pub commands: Vec<Command>,
    /// Which names must be somebody's in the end.
    pub expected: BTreeSet<DeviceId>,
    /// Whether nodes ever heard each other badly.
    pub deaf: bool,
    /// Whether who follows another under its name may know nothing of what that one did.
    pub mixed: bool,
    /// When it ended.
    pub until: Timestamp,
    /// How often what happened.
    pub counted: BTreeMap<&'static str, u64>,
}

/// What a link was made for.
#[derive(Clone, Copy)]
pub(super) struct Claim<'a> {
    pub(super) name: &'a DeviceId,
    pub(super) kind: Kind,
    pub(super) at: Timestamp,
}

impl Ledger {
    pub(super) fn count(&mut self, what: &'static str) {
        *self.counted.entry(what).or_default() += 1;
    }

    /// The links by number.
    pub(super) fn links(&self) -> BTreeMap<usize, Claim<'_>> {
        let mut links = BTreeMap::new();
        for seen in &self.seen {
            if let Saw::Claimed { link, name, kind, .. } = &seen.saw {
                let claim = Claim {
                    name,
                    kind: *kind,
                    at: seen.at,
                };
                links.insert(*link, claim);
            }
        }
        links
    }
}

/// The command line of a call.
pub(super) fn line_of(call: usize) -> String {
    format!("call-{call}")
}

/// The call of a command line.
pub(super) fn call_of(line: &str) -> Option<usize> {
    line.strip_prefix("call-")?.parse().ok()
}

/// The call that a command is of, and whether it runs something.
pub(super) fn call_of_command(command: &Command) -> Option<(usize, bool)> {
    let line = command.args.get("command")?.as_text()?;
    let call = call_of(line)?;
    match &*command.name {
        RUN => Some((call, true)),
        PREPARE => Some((call, false)),
        _ => None,
    }
}

/// The call that a display is told something for.
pub(super) fn call_of_execute(execute: &Execute) -> usize {
    call_of(&execute.program.line).expect("all programs here are of calls")
}
