//! What the node wants to hear, and what of it the link has been told.
//!
//! Invariant: what is left to tell has each subject at most once, so it is bounded by what is wanted or was; in the order in
//! which the subjects last changed.

use std::collections::{BTreeMap, HashMap};

use crate::Subject;

/// A subject, and whether it is wanted from now on.
pub type Change = (Subject, bool);

#[derive(Default)]
struct Standing {
    wanted: bool,
    told: bool,
    /// Its place among what is left to tell, if it is.
    turn: Option<u64>,
}

/// The set of what is wanted beside the set of what the link was told.
#[derive(Default)]
pub(super) struct Wants {
    subjects: HashMap<Subject, Standing>,
    left: BTreeMap<u64, Subject>,
    turns: u64,
    /// Counts the links that were told from the start.
    link: u64,
}

impl Wants {
    /// Wants a subject from now on, or does not any more; true if the link has something to be told.
    pub(super) fn want(&mut self, subject: Subject, wanted: bool) -> bool {
        self.subjects.entry(subject.clone()).or_default().wanted = wanted;
        self.settle(subject);
        !self.left.is_empty()
    }

    /// At most so many changes that the link is to be told, which now counts as told.
    pub(super) fn next(&mut self, most: usize) -> Vec<Change> {
        let mut changes = Vec::new();
        while changes.len() < most {
            let Some((_, subject)) = self.left.pop_first() else {
                break;
            };
            let standing = self.subjects.entry(subject.clone()).or_default();
            standing.turn = None;
            standing.told = standing.wanted;
            changes.push((subject.clone(), standing.wanted));
            self.settle(subject);
        }
        changes
    }

    /// Which link is told.
    pub(super) const fn link(&self) -> u64 {
        self.link
    }

    /// This link could not be told these after all. One that has forgotten since is told all anyway, and nothing that it knew
    /// before.
    pub(super) fn not_told(&mut self, changes: Vec<Change>, link: u64) {
        if link != self.link {
            return;
        }
        for (subject, wanted) in changes {
            self.subjects.entry(subject.clone()).or_default().told = !wanted;
            self.settle(subject);
        }
    }

    /// The link has forgotten all that it was told.
    pub(super) fn link_is_new(&mut self) {
        self.link += 1;
        let told = self.subjects.iter().filter(|(_, standing)| standing.told);
        let mut told: Vec<Subject> = told.map(|(subject, _)| subject.clone()).collect();
        told.sort_unstable();
        for subject in told {
            self.subjects.entry(subject.clone()).or_default().told = false;
            self.settle(subject);
        }
    }

    /// Brings what is left to tell in line with how a subject stands.
    fn settle(&mut self, subject: Subject) {
        let Some(standing) = self.subjects.get_mut(&subject) else {
            return;
        };
        if let Some(turn) = standing.turn.take() {
            self.left.remove(&turn);
        }
        if standing.wanted != standing.told {
            self.turns += 1;
            standing.turn = Some(self.turns);
            self.left.insert(self.turns, subject);
        } else if !standing.wanted {
            self.subjects.remove(&subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bongsu_model::RoomId;

    const fn room(id: i64) -> Subject {
        Subject::Room(RoomId(id))
    }

    #[test]
    fn changes_are_told_once_and_in_order() {
        let mut wants = Wants::default();
        assert!(wants.want(room(2), true));
        wants.want(room(1), true);
        wants.want(room(2), true);
        assert_eq!(
            wants.next(10),
            [(room(1), true), (room(2), true)],
            "in the order of the last change"
        );
        assert!(!wants.want(room(1), true), "wanting twice is wanting once");
        assert!(wants.want(room(1), false));
        assert_eq!(wants.next(10), [(room(1), false)]);
        assert!(wants.next(10).is_empty());
    }

    #[test]
    fn what_is_back_where_it_was_is_not_told_and_takes_no_room() {
        let mut wants = Wants::default();
        for _ in 0..1_000 {
            wants.want(room(1), true);
            wants.want(room(1), false);
        }
        assert!(wants.next(10).is_empty());
        assert!(wants.subjects.is_empty() && wants.left.is_empty());
    }

    #[test]
    fn no_more_is_told_at_once_than_asked_for() {
        let mut wants = Wants::default();
        for id in 0..5 {
            wants.want(room(id), true);
        }
        assert_eq!(wants.next(2).len(), 2);
        assert_eq!(wants.next(2).len(), 2);
        assert_eq!(wants.next(2), [(room(4), true)]);
    }

    #[test]
    fn what_could_not_be_told_is_told_later() {
        let mut wants = Wants::default();
        wants.want(room(1), true);
        wants.want(room(2), true);
        let changes = wants.next(10);
        wants.want(room(2), false);
        wants.not_told(changes, wants.link());
        assert_eq!(
            wants.next(10),
            [(room(1), true)],
            "the second is not wanted any more"
        );
        assert_eq!(wants.subjects.len(), 1);
    }

    #[test]
    fn what_an_older_link_was_not_told_is_no_news_of_a_new_one() {
        let mut wants = Wants::default();
        for id in [1, 2] {
            wants.want(room(id), true);
        }
        wants.next(10);
        wants.want(room(1), false);
        wants.want(room(3), true);
        let (link, changes) = (wants.link(), wants.next(10));
        wants.link_is_new();
        wants.not_told(changes, link);
        // It never knew of the first, which is not to be ended, but begun if it is wanted.
        wants.want(room(1), true);
        assert_eq!(
            wants.next(10),
            [(room(2), true), (room(3), true), (room(1), true)]
        );
    }

    #[test]
    fn a_link_that_has_forgotten_is_told_all_that_is_wanted() {
        let mut wants = Wants::default();
        for id in [3, 1, 2] {
            wants.want(room(id), true);
        }
        wants.next(10);
        wants.want(room(2), false);
        wants.link_is_new();
        assert_eq!(wants.next(10), [(room(1), true), (room(3), true)]);
    }
}
