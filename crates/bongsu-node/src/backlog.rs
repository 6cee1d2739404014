//! Bytes that wait for a line, in lanes.
//!
//! Invariants: a frame that was begun is finished before any other; lanes are drained in their order, with a floor for
//! the lower ones; of ephemeral frames with one key only the latest waits.

use std::collections::VecDeque;
use std::sync::Arc;

use bongsu_model::event::{ConflationKey, Lane};
use bongsu_model::{Limits, Timestamp};
use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;

/// So many frames of the message lane may go before one ephemeral frame has its turn.
const FLOOR: u32 = 16;

pub(crate) struct Backlog {
    /// The rest of what was begun.
    begun: Bytes,
    control: VecDeque<Bytes>,
    message: VecDeque<Bytes>,
    ephemeral: VecDeque<(Option<ConflationKey>, Bytes)>,
    /// Written when nothing else waits.
    last: Option<Bytes>,
    control_bytes: usize,
    bytes: usize,
    since_ephemeral: u32,
    /// Somebody waits for the mailbox to be empty.
    pub(crate) wanted: bool,
    /// Somebody does not go on before the mailbox is emptier.
    pub(crate) held: bool,
    /// Told whenever the line took something.
    pub(crate) relief: Option<Arc<Notify>>,
    /// When the line last took something.
    pub(crate) moved_at: Timestamp,
}

impl Backlog {
    /// The rest of a frame that the line did not take.
    pub(crate) fn new(rest: Bytes, now: Timestamp) -> Self {
        Self {
            bytes: rest.len(),
            begun: rest,
            control: VecDeque::new(),
            message: VecDeque::new(),
            ephemeral: VecDeque::new(),
            last: None,
            control_bytes: 0,
            since_ephemeral: 0,
            wanted: false,
            held: false,
            relief: None,
            moved_at: now,
        }
    }

    /// All bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The bytes that wait in the control lane.
    pub(crate) fn control_bytes(&self) -> usize {
        self.control_bytes
    }

    /// Wakes those who wait for the mailbox to be emptier.
    pub(crate) fn relieve(&self) {
        if let Some(relief) = &self.relief {
            relief.notify_waiters();
        }
    }

    /// Lets a frame wait; false if its lane has no room for it.
    pub(crate) fn push(
        &mut self,
        lane: Lane,
        key: Option<ConflationKey>,
        bytes: Bytes,
        budget: usize,
        limits: &Limits,
    ) -> bool {
        let len = bytes.len();
        match lane {
            Lane::Control => {
                if self.control_bytes + len > budget {
                    return false;
                }
                self.control_bytes += len;
                self.control.push_back(bytes);
            }
            Lane::Message => {
                if self.bytes - self.control_bytes + len > budget {
                    return false;
                }
                self.message.push_back(bytes);
            }
            Lane::Ephemeral => return self.push_ephemeral(key, bytes, budget, limits),
        }
        self.bytes += len;
        true
    }

    /// The latest replaces the one before it; with no room, the oldest go.
    fn push_ephemeral(
        &mut self,
        key: Option<ConflationKey>,
        bytes: Bytes,
        budget: usize,
        limits: &Limits,
    ) -> bool {
        let known = self
            .ephemeral
            .iter()
            .position(|(known, _)| key.is_some() && *known == key);
        if let Some((at, before)) = known.and_then(|at| Some((at, self.ephemeral.get(at)?.1.len()))) {
            let others = self.bytes - before;
            if others - self.control_bytes + bytes.len() > budget {
                // The one before is out of date, and for the latest there is no room.
                self.bytes = others;
                self.ephemeral.remove(at);
                return false;
            }
            self.bytes = others + bytes.len();
            self.ephemeral[at].1 = bytes;
            return true;
        }
        if self.bytes - self.control_bytes + bytes.len() > budget {
            return false;
        }
        if self.ephemeral.len() >= limits.mailbox_ephemeral_max
            && let Some((_, oldest)) = self.ephemeral.pop_front()
        {
            self.bytes -= oldest.len();
        }
        self.bytes += bytes.len();
        self.ephemeral.push_back((key, bytes));
        true
    }

    /// Has what waits in the ephemeral lane go before whatever comes next in the message lane.
    pub(crate) fn promote_ephemeral(&mut self) {
        self.message
            .extend(self.ephemeral.drain(..).map(|(_, bytes)| bytes));
    }

    /// Sets the very last bytes.
    pub(crate) fn set_last(&mut self, last: Option<Bytes>) {
        self.bytes += last.as_ref().map_or(0, Bytes::len);
        self.last = last;
    }

    /// Drops all that waits but the rest of what was begun.
    pub(crate) fn clear_waiting(&mut self) {
        self.control.clear();
        self.message.clear();
        self.ephemeral.clear();
        self.control_bytes = 0;
        self.bytes = self.begun.len();
    }

    /// The next bytes to write, small frames together in one piece. To be given back by [`Self::written`].
    pub(crate) fn next_chunk(&mut self, bytes_max: usize) -> Option<Bytes> {
        if !self.begun.is_empty() {
            return Some(std::mem::take(&mut self.begun));
        }
        let first = self.pop()?;
        if first.len() >= bytes_max || self.is_last() {
            return Some(first);
        }
        let mut chunk = BytesMut::with_capacity(bytes_max.min(self.bytes.max(first.len())));
        chunk.extend_from_slice(&first);
        while chunk.len() < bytes_max {
            let Some(next) = self.pop() else { break };
            chunk.extend_from_slice(&next);
        }
        Some(chunk.freeze())
    }

    /// Notes how much of a chunk was taken; the rest stays first.
    pub(crate) fn written(&mut self, mut chunk: Bytes, written: usize, now: Timestamp) {
        self.bytes -= written.min(self.bytes);
        self.begun = chunk.split_off(written.min(chunk.len()));
        if written > 0 {
            self.moved_at = now;
        }
    }

    fn is_last(&self) -> bool {
        self.control.is_empty() && self.message.is_empty() && self.ephemeral.is_empty() && self.last.is_none()
    }

    fn pop(&mut self) -> Option<Bytes> {
        if let Some(bytes) = self.control.pop_front() {
            self.control_bytes -= bytes.len();
            return Some(bytes);
        }
        if (self.since_ephemeral < FLOOR || self.ephemeral.is_empty())
            && let Some(bytes) = self.message.pop_front()
        {
            self.since_ephemeral += 1;
            return Some(bytes);
        }
        self.since_ephemeral = 0;
        self.ephemeral
            .pop_front()
            .map(|(_, bytes)| bytes)
            .or_else(|| self.last.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backlog() -> Backlog {
        Backlog::new(Bytes::from_static(b"begun "), Timestamp(0))
    }

    fn push(backlog: &mut Backlog, lane: Lane, key: Option<ConflationKey>, text: &'static str) -> bool {
        let limits = Limits {
            mailbox_ephemeral_max: 2,
            ..Limits::DEFAULT
        };
        backlog.push(lane, key, Bytes::from_static(text.as_bytes()), 64, &limits)
    }

    fn all(backlog: &mut Backlog) -> String {
        let mut text = String::new();
        while let Some(chunk) = backlog.next_chunk(1_000) {
            text.push_str(std::str::from_utf8(&chunk).unwrap());
            let len = chunk.len();
            backlog.written(chunk, len, Timestamp(1));
        }
        assert_eq!(backlog.bytes(), 0, "every byte is accounted for");
        text
    }

    #[test]
    fn what_was_begun_comes_first_then_the_lanes_in_order() {
        let mut it = backlog();
        assert!(push(&mut it, Lane::Ephemeral, None, "e "));
        assert!(push(&mut it, Lane::Message, None, "m "));
        assert!(push(&mut it, Lane::Control, None, "c "));
        assert_eq!(all(&mut it), "begun c m e ");
    }

    #[test]
    fn a_chunk_that_was_taken_in_part_goes_on_where_it_stopped() {
        let mut it = backlog();
        assert!(push(&mut it, Lane::Message, None, "message"));
        let chunk = it.next_chunk(1_000).unwrap();
        it.written(chunk, 3, Timestamp(1));
        assert!(push(&mut it, Lane::Control, None, "c "));
        assert_eq!(all(&mut it), "un c message");
    }

    #[test]
    fn only_the_latest_of_a_key_waits_and_the_oldest_go() {
        let mut it = backlog();
        assert!(push(&mut it, Lane::Ephemeral, Some((1, 1, 1)), "old "));
        assert!(push(&mut it, Lane::Ephemeral, Some((1, 1, 1)), "new "));
        assert_eq!(all(&mut it), "begun new ");
        let mut it = backlog();
        for text in ["1 ", "2 ", "3 "] {
            assert!(push(&mut it, Lane::Ephemeral, None, text));
        }
        assert_eq!(all(&mut it), "begun 2 3 ");
    }

    #[test]
    fn what_replaces_another_keeps_the_budget_too() {
        const LONG: &str = "0123456789012345678901234567890123456789012345678901234567890123";
        let mut it = backlog();
        assert!(push(&mut it, Lane::Ephemeral, Some((1, 1, 1)), "e "));
        assert!(
            !push(&mut it, Lane::Ephemeral, Some((1, 1, 1)), LONG),
            "64 bytes and what was begun"
        );
        assert_eq!(all(&mut it), "begun ", "and what is out of date is gone");
    }

    #[test]
    fn what_is_promoted_goes_before_what_comes_next_in_the_message_lane() {
        let mut it = backlog();
        assert!(push(&mut it, Lane::Message, None, "m "));
        assert!(push(&mut it, Lane::Ephemeral, Some((1, 1, 1)), "e "));
        it.promote_ephemeral();
        assert!(push(&mut it, Lane::Message, None, "left "));
        assert!(push(&mut it, Lane::Ephemeral, Some((1, 1, 1)), "later "));
        assert_eq!(all(&mut it), "begun m e left later ");
    }

    #[test]
    fn the_budget_holds_to_the_byte() {
        let mut it = backlog();
        assert!(push(
            &mut it,
            Lane::Message,
            None,
            "0123456789012345678901234567890123456789012345678901234567"
        ));
        assert!(!push(&mut it, Lane::Message, None, "x"), "64 bytes wait already");
        assert!(
            push(&mut it, Lane::Control, None, "x"),
            "the control lane has its own budget"
        );
    }

    #[test]
    fn the_last_frame_is_the_last_and_what_waited_may_be_dropped() {
        let mut it = backlog();
        assert!(push(&mut it, Lane::Message, None, "m "));
        it.set_last(Some(Bytes::from_static(b"bye")));
        assert!(push(&mut it, Lane::Ephemeral, None, "e "));
        assert_eq!(all(&mut it), "begun m e bye");
        let mut it = backlog();
        assert!(push(&mut it, Lane::Message, None, "m "));
        it.clear_waiting();
        it.set_last(Some(Bytes::from_static(b"bye")));
        assert_eq!(all(&mut it), "begun bye");
    }

    #[test]
    fn the_message_lane_does_not_starve_the_ephemeral_one() {
        let mut it = backlog();
        assert!(push(&mut it, Lane::Ephemeral, None, "E"));
        for _ in 0..20 {
            assert!(push(&mut it, Lane::Message, None, "m"));
        }
        assert_eq!(
            all(&mut it),
            format!("begun {}E{}", "m".repeat(16), "m".repeat(4))
        );
    }
}
