//! Presence: which users have live sessions, and when the others hear of it.
//!
//! Invariant: for each user `Online` and `Offline` take turns, beginning with `Online`; an offline that is undone within
//! the grace time is never announced.

use std::collections::BTreeMap;

use bongsu_model::{Timestamp, UserId};

use crate::deadlines::Deadlines;
use crate::machine::Machine;

/// What may happen to the roster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RosterInput {
    /// A session of the user signed in.
    Began {
        /// Whose.
        user: UserId,
    },
    /// A session of the user ended.
    Ended {
        /// Whose.
        user: UserId,
    },
}

/// What the roster wants done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RosterEffect {
    /// The user's first session is in: its relations are to hear that it is online.
    Online {
        /// Who.
        user: UserId,
    },
    /// The user's last session ended, and the grace time has passed since: its relations are to hear that it is offline.
    Offline {
        /// Who.
        user: UserId,
        /// When its last session ended.
        last_seen: Timestamp,
    },
}

/// How a user stands.
#[derive(Clone, Copy, Debug)]
enum Standing {
    /// With so many live sessions, at least one.
    Here(u32),
    /// Without one since then; announced as offline at the second moment.
    Going(Timestamp, Timestamp),
}

/// Which users are online, as far as this node knows.
#[derive(Clone, Debug)]
pub struct Roster {
    grace_ms: u64,
    // Perf: one entry of 32 bytes for a user who is online, and none for the others.
    users: BTreeMap<UserId, Standing>,
    deadlines: Deadlines<UserId>,
    sessions: u64,
}

impl Roster {
    /// Nobody is online. The grace time is [`bongsu_model::Limits::presence_grace_ms`].
    #[must_use]
    pub const fn new(grace_ms: u64) -> Self {
        Self {
            grace_ms,
            users: BTreeMap::new(),
            deadlines: Deadlines::new(),
            sessions: 0,
        }
    }

    /// Takes another grace time for the sessions that end from now on.
    pub const fn set_grace_ms(&mut self, grace_ms: u64) {
        self.grace_ms = grace_ms;
    }

    /// Whether a user counts as online: it has a live session, or nobody was told yet that it has none.
    ///
    /// The grace time counts, because who is told "offline" now would not be told "online" when the user is back.
    #[must_use]
    pub fn is_online(&self, user: UserId) -> bool {
        self.users.contains_key(&user)
    }

    /// How many live sessions a user has on this node.
    #[must_use]
    pub fn sessions_of(&self, user: UserId) -> u32 {
        match self.users.get(&user) {
            Some(Standing::Here(sessions)) => *sessions,
            Some(Standing::Going(..)) | None => 0,
        }
    }

    /// Those of `users` (ascending, without repeats) who are online, ascending, at most `limit`.
    pub fn online_among<'a>(
        &'a self,
        users: &'a [UserId],
        limit: usize,
    ) -> impl Iterator<Item = UserId> + 'a {
        debug_assert!(users.is_sorted());
        users
            .iter()
            .copied()
            .filter(|user| self.is_online(*user))
            .take(limit)
    }

    /// All users who are online, ascending.
    pub fn online(&self) -> impl Iterator<Item = UserId> {
        self.users.keys().copied()
    }

    /// How many users are online, grace time included.
    #[must_use]
    pub fn online_count(&self) -> usize {
        self.users.len()
    }

    /// How many live sessions there are.
    #[must_use]
    pub const fn sessions_count(&self) -> u64 {
        self.sessions
    }

    fn began(&mut self, user: UserId, out: &mut Vec<RosterEffect>) {
        self.sessions += 1;
        let was = self.users.insert(user, Standing::Here(1));
        match was {
            None => out.push(RosterEffect::Online { user }),
            Some(Standing::Here(sessions)) => {
                self.users.insert(user, Standing::Here(sessions + 1));
            }
            Some(Standing::Going(_, until)) => {
                self.deadlines.cancel(until, user);
            }
        }
    }

    /// An end without a beginning is taken for a repeat and changes nothing.
    fn ended(&mut self, user: UserId, now: Timestamp) {
        let Some(standing) = self.users.get_mut(&user) else {
            return;
        };
        match standing {
            Standing::Going(..) => {}
            Standing::Here(1) => {
                let until = now.plus_ms(self.grace_ms);
                *standing = Standing::Going(now, until);
                self.deadlines.set(until, user);
                self.sessions -= 1;
            }
            Standing::Here(sessions) => {
                *sessions -= 1;
                self.sessions -= 1;
            }
        }
    }
}

impl Machine for Roster {
    type Input = RosterInput;
    type Effect = RosterEffect;

    fn handle(&mut self, input: RosterInput, now: Timestamp, out: &mut Vec<RosterEffect>) {
        match input {
            RosterInput::Began { user } => self.began(user, out),
            RosterInput::Ended { user } => self.ended(user, now),
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.next()
    }

    fn handle_deadline(&mut self, now: Timestamp, out: &mut Vec<RosterEffect>) {
        while let Some((_, user)) = self.deadlines.pop_due(now) {
            if let Some(Standing::Going(last_seen, _)) = self.users.remove(&user) {
                out.push(RosterEffect::Offline { user, last_seen });
            }
        }
    }
}

#[cfg(test)]
mod tests;
