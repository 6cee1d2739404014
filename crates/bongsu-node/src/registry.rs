//! The live sessions of a node, by id.

use std::collections::HashMap;
use std::sync::Arc;

use bongsu_model::{SessionId, UserId};
use parking_lot::Mutex;

use crate::session::Session;

const PARTS: usize = 16;

/// The live sessions of a node.
#[derive(Default)]
pub(crate) struct Registry {
    parts: [Mutex<HashMap<SessionId, Arc<Session>>>; PARTS],
}

/// How far a round of all sessions is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Round {
    part: usize,
    after: Option<SessionId>,
}

impl Registry {
    fn part(&self, id: SessionId) -> &Mutex<HashMap<SessionId, Arc<Session>>> {
        // The low bits of a UUIDv7 are random.
        &self.parts[(id.0 as usize) % PARTS]
    }

    pub(crate) fn add(&self, session: &Arc<Session>) {
        self.part(session.id)
            .lock()
            .insert(session.id, Arc::clone(session));
    }

    /// Forgets a session; false if it was forgotten before.
    pub(crate) fn remove(&self, id: SessionId) -> bool {
        self.part(id).lock().remove(&id).is_some()
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<Arc<Session>> {
        self.part(id).lock().get(&id).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().len()).sum()
    }

    /// Every session that fits, ascending by id.
    pub(crate) fn all(&self, mut fits: impl FnMut(&Session) -> bool) -> Vec<Arc<Session>> {
        let mut found = Vec::new();
        for part in &self.parts {
            found.extend(part.lock().values().filter(|session| fits(session)).cloned());
        }
        found.sort_unstable_by_key(|session| session.id);
        found
    }

    /// Goes round all sessions, `most` at a time: the next ones, ascending, from where the round is.
    pub(crate) fn next(&self, round: &mut Round, most: usize) -> Vec<Arc<Session>> {
        let mut next = Vec::new();
        for _ in 0..PARTS {
            let part = self.parts[round.part].lock();
            let later = part
                .keys()
                .filter(|id| round.after.is_none_or(|after| **id > after));
            let mut later: Vec<_> = later.copied().collect();
            later.sort_unstable();
            later.truncate(most - next.len());
            next.extend(later.iter().filter_map(|id| part.get(id)).cloned());
            if next.len() == most {
                round.after = later.last().copied();
                break;
            }
            *round = Round {
                part: (round.part + 1) % PARTS,
                after: None,
            };
        }
        next
    }

    pub(crate) fn of(&self, user: UserId) -> Vec<Arc<Session>> {
        self.all(|session| session.user == user)
    }
}
