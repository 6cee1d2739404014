//! What one client sends without waiting, on one connection, keeps its order.
//!
//! Invariant: only what was sent there for the first time is compared: a repeat may have been kept long before.

use std::collections::{BTreeMap, VecDeque};

use super::posts::Posts;
use super::verdict::{At, Broken, Verdict};
use super::{Here, Mark};

enum Answer {
    None,
    Kept(u64),
    Unknown,
}

struct Waiting {
    room: i64,
    key: Mark,
    is_first: bool,
    answer: Answer,
    at: At,
}

/// What a connection has sent and not been answered in order.
#[derive(Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    /// The highest number so far of each room.
    highest: BTreeMap<i64, (u64, At)>,
}

/// The connections of all clients.
#[derive(Default)]
pub(super) struct Pipelines(BTreeMap<u32, Line>);

impl Pipelines {
    /// A connection ends, or another begins.
    pub(super) fn ends(&mut self, here: Here) {
        self.0.remove(&here.client);
    }

    pub(super) fn sent(&mut self, here: Here, room: i64, key: &str, posts: &Posts) {
        let first = posts.by_key(here.user, key);
        self.0.entry(here.client).or_default().waiting.push_back(Waiting {
            room,
            key: Mark::of(key),
            is_first: first.is_some_and(|sent| sent.at == here.at),
            answer: Answer::None,
            at: here.at,
        });
    }

    pub(super) fn acked(&mut self, here: Here, key: &str, seq: u64, verdict: &mut Verdict) {
        self.answered(here, key, Answer::Kept(seq), verdict);
    }

    pub(super) fn unanswered(&mut self, here: Here, key: &str, verdict: &mut Verdict) {
        self.answered(here, key, Answer::Unknown, verdict);
    }

    fn answered(&mut self, here: Here, key: &str, answer: Answer, verdict: &mut Verdict) {
        let Some(line) = self.0.get_mut(&here.client) else {
            return;
        };
        let key = Mark::of(key);
        let Some(waiting) = line
            .waiting
            .iter_mut()
            .find(|it| it.key == key && matches!(it.answer, Answer::None))
        else {
            return;
        };
        waiting.answer = answer;
        while let Some(first) = line.waiting.pop_front_if(|it| !matches!(it.answer, Answer::None)) {
            let Answer::Kept(seq) = first.answer else { continue };
            let highest = line.highest.entry(first.room).or_insert((seq, first.at));
            if first.is_first && seq < highest.0 {
                let broken = Broken::Pipelined {
                    room: first.room,
                    first: highest.0,
                    then: seq,
                };
                verdict.found(broken, &[first.at, highest.1]);
            }
            if seq > highest.0 {
                *highest = (seq, first.at);
            }
        }
    }
}
