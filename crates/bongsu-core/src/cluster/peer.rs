//! One start of another node, as far as it was heard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bongsu_model::cluster::{NodeBeat, PresenceMoved, PresencePage};
use bongsu_model::{Event, Timestamp, UserId};

/// Words about presence that are kept while all users of a node are asked for.
const AHEAD_MAX: usize = 65_536;

/// How a node stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It is heard.
    Live,
    /// It was not heard for a while: nobody on it counts.
    Silent,
    /// It has ended or was started again: whoever was on it may come back elsewhere until then without any noise.
    Going(Timestamp),
}

/// What is known of a user's coming or going besides that.
#[derive(Clone, Debug)]
pub enum News {
    /// What its relations are to be told.
    Words(Arc<Event>),
    /// It has no relations.
    Unrelated,
    /// Whoever said so did not say; it must be looked up.
    Unknown,
}

/// A user came to a node, or went.
pub(super) type Change = (UserId, bool, News);

/// What is to be done about a word of presence.
#[derive(Debug)]
pub(super) enum Taken {
    /// It is known already.
    Known,
    /// The user's place here has changed.
    Changed(Change),
    /// Something before it was missed.
    Missed,
}

/// One start of another node.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) beat: NodeBeat,
    pub(super) heard_at: Timestamp,
    pub(super) standing: Standing,
    /// Who has a session there, after the word of that number. Nobody, after word 0, at its start.
    pub(super) users: BTreeSet<UserId>,
    number: u64,
    /// What came after something that was missed, by number.
    ahead: BTreeMap<u64, PresenceMoved>,
    /// The parts of what was asked for that are here, and after which word they say how it was.
    pages: BTreeMap<u32, Arc<[UserId]>>,
    pages_of: u64,
    /// When all users were asked for, until they are known.
    pub(super) asked_at: Option<Timestamp>,
}

impl Peer {
    pub(super) fn new(beat: NodeBeat, now: Timestamp) -> Self {
        Self {
            beat,
            heard_at: now,
            standing: Standing::Live,
            users: BTreeSet::new(),
            number: 0,
            ahead: BTreeMap::new(),
            pages: BTreeMap::new(),
            pages_of: 0,
            asked_at: None,
        }
    }

    /// Whether those who are on it count as online.
    pub(super) fn counts(&self) -> bool {
        !matches!(self.standing, Standing::Silent)
    }

    /// Whether what its beat says of its users is what is known of them.
    pub(super) fn is_current(&self) -> bool {
        self.number == self.beat.presence && self.users.len() as u64 == self.beat.users
    }

    /// Takes in a word about one user.
    pub(super) fn moved(&mut self, moved: PresenceMoved) -> Taken {
        if moved.number <= self.number {
            return Taken::Known;
        }
        if moved.number > self.number + 1 || self.asked_at.is_some() {
            if self.ahead.len() < AHEAD_MAX {
                self.ahead.insert(moved.number, moved);
            }
            return Taken::Missed;
        }
        self.number = moved.number;
        let changed = if moved.is_here {
            self.users.insert(moved.user)
        } else {
            self.users.remove(&moved.user)
        };
        if changed {
            let news = moved.status.map_or(News::Unrelated, News::Words);
            Taken::Changed((moved.user, moved.is_here, news))
        } else {
            Taken::Known
        }
    }

    /// Takes in a part of all users. Once all parts are here: who is there now, with what was told of the ones that came
    /// and went meanwhile.
    pub(super) fn page(&mut self, page: PresencePage) -> Option<Vec<Change>> {
        self.asked_at?;
        if page.pages == 0 || page.page >= page.pages || page.number < self.pages_of {
            return None;
        }
        if page.number > self.pages_of {
            self.pages.clear();
            self.pages_of = page.number;
        }
        self.pages.insert(page.page, page.users);
        if (self.pages.len() as u64) < u64::from(page.pages) {
            return None;
        }
        let all = std::mem::take(&mut self.pages);
        let users: BTreeSet<UserId> = all.values().flat_map(|part| part.iter().copied()).collect();
        self.pages_of = 0;
        if page.number < self.number {
            // It is older than what is known by now.
            return None;
        }
        let mut moves = self.become_these(users, page.number);
        self.asked_at = None;
        // What came meanwhile goes on from there, as far as it is without a hole.
        for (_, moved) in std::mem::take(&mut self.ahead) {
            if let Taken::Changed(change) = self.moved(moved) {
                moves.push(change);
            }
        }
        Some(moves)
    }

    /// From now on these are there.
    fn become_these(&mut self, users: BTreeSet<UserId>, number: u64) -> Vec<Change> {
        let came = users
            .difference(&self.users)
            .map(|user| (*user, true, News::Unknown));
        let went = self
            .users
            .difference(&users)
            .map(|user| (*user, false, News::Unknown));
        let moves = came.chain(went).collect();
        self.users = users;
        self.number = number;
        moves
    }

    /// Whether something was heard that comes after something that was not.
    pub(super) fn has_hole(&self) -> bool {
        !self.ahead.is_empty()
    }
}
