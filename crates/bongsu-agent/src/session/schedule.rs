//! Programs that are to be started at a given moment, and answers that only the session remembers.
//!
//! Invariant: both are bounded, the first by whoever puts something in; a command that is here is in no journal, and one that was answered here is never started.

use std::collections::{BTreeMap, VecDeque};

use bongsu_device::clock::Clock;
use bongsu_model::{CommandId, Timestamp};
use bongsu_wire::socketio::switchboard::client::Order;

use super::words::Word;
use crate::report::Which;

/// So many answers are remembered.
const ANSWERS_MAX: usize = 256;
/// What should have been started longer ago is late, in milliseconds: less is the way and the clock.
pub(super) const LATE_MS: u64 = 5_000;

/// What waits for its moment.
#[derive(Debug, Default)]
pub(super) struct Schedule(BTreeMap<CommandId, Waiting>);

#[derive(Debug)]
struct Waiting {
    order: Order,
    /// By the server's clock, and by our own as far as we know.
    at: Timestamp,
    due: Timestamp,
}

impl Schedule {
    pub(super) fn knows(&self, command: CommandId) -> bool {
        self.0.contains_key(&command)
    }

    pub(super) fn commands(&self) -> impl Iterator<Item = CommandId> {
        self.0.keys().copied()
    }

    /// Has it wait until the server's clock shows `at`; when that is by ours is measured anew with every round trip.
    pub(super) fn put(&mut self, command: CommandId, order: Order, at: Timestamp, due: Timestamp) {
        self.0.insert(command, Waiting { order, at, due });
    }

    /// The server's clock has been measured.
    pub(super) fn measured(&mut self, clock: &Clock, now: Timestamp) {
        if let Some(ahead) = clock.offset_ms(now) {
            for waiting in self.0.values_mut() {
                waiting.due = Timestamp(waiting.at.0.saturating_sub(ahead));
            }
        }
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.0.values().map(|it| it.due).min()
    }

    /// One whose moment has come.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<(CommandId, Order)> {
        let due = self.0.iter().filter(|(_, it)| it.due <= now);
        let (command, _) = due.min_by_key(|(_, it)| it.due)?;
        let command = *command;
        let waiting = self.0.remove(&command)?;
        Some((command, waiting.order))
    }

    /// Those that are meant do not wait any longer.
    pub(super) fn cancel(&mut self, which: Which) -> Vec<(CommandId, Order)> {
        let meant = self.0.extract_if(.., |command, waiting| match which {
            Which::Preset(preset) => waiting.order.preset == Some(preset),
            Which::Run(run) => *command == run,
            Which::All => true,
        });
        meant.map(|(command, waiting)| (command, waiting.order)).collect()
    }
}

/// The last answers to commands that the runner was never told of.
#[derive(Debug, Default)]
pub(super) struct Answers(VecDeque<Word>);

impl Answers {
    pub(super) fn of(&self, command: CommandId) -> Option<&Word> {
        self.0.iter().find(|word| word.command == command)
    }

    pub(super) fn remember(&mut self, word: Word) {
        if self.0.len() == ANSWERS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(word);
    }
}
