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

    pub(crate) fn of(&self, user: UserId) -> Vec<Arc<Session>> {
        self.all(|session| session.user == user)
    }
}
