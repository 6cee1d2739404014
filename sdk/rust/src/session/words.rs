//! What is to be said of commands: for each only the latest, in the order in which the commands came up.
//!
//! Invariant: never more than one word of a command waits. An answer counts as heard only when a heartbeat that was
//! sent after it was answered on the same link; until then every new session begins with it.

use std::collections::{BTreeMap, VecDeque};

use bongsu_model::device::{CommandId, Value};

use crate::journal::Answer;

/// What is to be said of one command.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Saying {
    /// It is here.
    Received,
    /// It is being carried out, so far with this.
    InProgress(Option<Value>),
    /// It has its answer, which is in the ledger.
    Ended,
    /// It was refused, and that could not be written down.
    Unkept(Answer),
}

#[derive(Debug, Default)]
pub(super) struct Words {
    order: VecDeque<CommandId>,
    waiting: BTreeMap<CommandId, Saying>,
    /// Answers that were written on this link, oldest first, and how many of them were before the last heartbeat.
    written: VecDeque<CommandId>,
    before_heartbeat: usize,
}

impl Words {
    /// Has `saying` said; what was to be said of the command before is past.
    pub(super) fn say(&mut self, id: CommandId, saying: Saying) {
        if self.waiting.insert(id, saying).is_none() {
            self.order.push_back(id);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The next to be written.
    pub(super) fn take(&mut self) -> Option<(CommandId, Saying)> {
        let id = self.order.pop_front()?;
        let saying = self.waiting.remove(&id)?;
        if saying == Saying::Ended {
            self.written.push_back(id);
        }
        Some((id, saying))
    }

    /// A heartbeat is being written.
    pub(super) fn heartbeat(&mut self) {
        self.before_heartbeat = self.written.len();
    }

    /// The last heartbeat was answered: the answers before it are heard.
    pub(super) fn heard(&mut self) -> impl Iterator<Item = CommandId> + use<> {
        let heard: Vec<CommandId> = self.written.drain(..self.before_heartbeat).collect();
        self.before_heartbeat = 0;
        heard.into_iter()
    }

    /// The link is gone, and what was on its way with it.
    pub(super) fn cut(&mut self) {
        self.written.clear();
        self.before_heartbeat = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: CommandId = CommandId(1);
    const B: CommandId = CommandId(2);

    #[test]
    fn the_latest_word_of_a_command_is_said_in_its_place() {
        let mut words = Words::default();
        words.say(A, Saying::Received);
        words.say(B, Saying::Received);
        words.say(A, Saying::Ended);
        assert_eq!(words.take(), Some((A, Saying::Ended)));
        assert_eq!(words.take(), Some((B, Saying::Received)));
        assert!(words.take().is_none() && words.is_empty());
    }

    #[test]
    fn an_answer_is_heard_when_a_heartbeat_after_it_is_answered() {
        let mut words = Words::default();
        words.say(A, Saying::Ended);
        words.take();
        words.heartbeat();
        words.say(B, Saying::Ended);
        words.take();
        assert!(words.heard().eq([A]));
        assert!(words.heard().eq([]));
        words.heartbeat();
        words.cut();
        assert!(words.heard().eq([]));
    }
}
