//! Memberships: who was a member for certain, who was none for certain, and when nobody could know.
//!
//! Invariant: a request without an answer may have been carried out at any time after it was made, or never.

use std::collections::{BTreeMap, BTreeSet};

use super::Here;
use super::line::Micros;
use super::verdict::{At, Broken, Verdict};

/// A request to become a member, or none any more.
#[derive(Clone, Copy)]
struct Change {
    joins: bool,
    asked: Micros,
    answered: Option<Micros>,
    client: u32,
    at: At,
}

/// All memberships, by room and user.
#[derive(Default)]
pub(super) struct Members {
    changes: BTreeMap<(i64, i64), Vec<Change>>,
    kept: BTreeSet<(i64, i64)>,
}

impl Members {
    pub(super) fn joining(&mut self, here: Here, room: i64, user: Option<i64>) {
        self.asked(here, room, user, true);
    }

    pub(super) fn leaving(&mut self, here: Here, room: i64, user: Option<i64>) {
        self.asked(here, room, user, false);
    }

    pub(super) fn joined(&mut self, here: Here, room: i64, user: Option<i64>) {
        self.answered(here, room, user, true);
    }

    pub(super) fn left(&mut self, here: Here, room: i64, user: Option<i64>) {
        self.answered(here, room, user, false);
    }

    pub(super) fn kept(&mut self, _: Here, room: i64, user: i64) {
        self.kept.insert((room, user));
    }

    fn asked(&mut self, here: Here, room: i64, user: Option<i64>, joins: bool) {
        let changes = self.changes.entry((room, user.unwrap_or(here.user))).or_default();
        changes.push(Change {
            joins,
            asked: here.t,
            answered: None,
            client: here.client,
            at: here.at,
        });
    }

    fn answered(&mut self, here: Here, room: i64, user: Option<i64>, joins: bool) {
        let changes = self.changes.entry((room, user.unwrap_or(here.user))).or_default();
        let open = changes
            .iter_mut()
            .rfind(|it| it.joins == joins && it.client == here.client && it.answered.is_none());
        match open {
            Some(change) => (change.answered, change.at) = (Some(here.t), here.at),
            // An answer without a question: it was asked for at that very moment.
            None => changes.push(Change {
                joins,
                asked: here.t,
                answered: Some(here.t),
                client: here.client,
                at: here.at,
            }),
        }
    }

    /// Whether a request to leave was never answered: it may be carried out at any time, by a node that was frozen.
    pub(super) fn may_leave(&self, room: i64, user: i64) -> bool {
        let changes = self.changes.get(&(room, user));
        changes.is_some_and(|changes| changes.iter().any(|it| !it.joins && it.answered.is_none()))
    }

    /// Where it was answered that a user is a member, if by then nothing else can have been asked for that changes it.
    pub(super) fn surely_in(&self, room: i64, user: i64, t: Micros) -> Option<At> {
        self.surely(room, user, t, true)
    }

    /// The same of one who is none.
    pub(super) fn surely_out(&self, room: i64, user: i64, t: Micros) -> Option<At> {
        self.surely(room, user, t, false)
    }

    fn surely(&self, room: i64, user: i64, t: Micros, joins: bool) -> Option<At> {
        let changes = self.changes.get(&(room, user))?;
        let answered = |it: &&Change| it.joins == joins && it.answered.is_some_and(|answered| answered <= t);
        let last = changes.iter().filter(answered).max_by_key(|it| it.asked)?;
        let undone = |it: &Change| {
            it.joins != joins && it.asked <= t && it.answered.is_none_or(|answered| answered >= last.asked)
        };
        (!changes.iter().any(undone)).then_some(last.at)
    }

    /// Compares what was confirmed with what the store has in the end.
    pub(super) fn settle(&self, verdict: &mut Verdict) {
        for &(room, user) in self.changes.keys() {
            let kept = self.kept.contains(&(room, user));
            if let Some(at) = self.surely_in(room, user, Micros::MAX)
                && !kept
            {
                verdict.found(Broken::MembershipLost { room, user }, &[at]);
            }
            if let Some(at) = self.surely_out(room, user, Micros::MAX)
                && kept
            {
                verdict.found(Broken::StillMember { room, user }, &[at]);
            }
        }
    }
}
