//! Sessions that can be taken up again after their end, and what is remembered of them to that end.
//!
//! Invariant: a message is pushed while the trail is held that it is noted in, so that once a mailbox takes nothing any
//! more, whoever holds the trail has all of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bongsu_core::shard::Hear;
use bongsu_core::trail::Trail;
use bongsu_model::{EventBody, HistoryPage, Run, SessionId, UserId};
use parking_lot::{Mutex, MutexGuard};
use sha2::{Digest, Sha256};

use crate::session::Session;

/// What is kept of the name by which a client asks for its session: enough to know it again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct PidHash(pub(crate) [u8; 32]);

impl PidHash {
    pub(crate) fn of(pid: &str) -> Self {
        Self(Sha256::digest(pid.as_bytes()).into())
    }
}

/// What is remembered of one session.
pub(crate) struct Kept {
    pub(crate) hash: PidHash,
    /// `None` once it was taken up again.
    trail: Mutex<Option<Trail>>,
}

/// The trail of a session, held while something is pushed.
pub(crate) struct Notes<'a>(MutexGuard<'a, Option<Trail>>);

/// The sessions that can be taken up again, until what is remembered of them is in the store.
#[derive(Default)]
pub(crate) struct Recoverable {
    sessions: Mutex<HashMap<PidHash, Arc<Session>>>,
    /// Sessions that have ended and are on their way to the store.
    leaving: AtomicUsize,
}

/// Counts a session as on its way to the store.
pub(crate) struct Leaving<'a>(&'a AtomicUsize);

impl Kept {
    pub(crate) fn new(hash: PidHash, trail: Trail) -> Arc<Self> {
        Arc::new(Self {
            hash,
            trail: Mutex::new(Some(trail)),
        })
    }

    pub(crate) fn note(&self) -> Notes<'_> {
        Notes(self.trail.lock())
    }

    /// The trail, for the one session that goes on with it.
    pub(crate) fn take(&self) -> Option<Trail> {
        self.trail.lock().take()
    }

    /// The trail as it is kept in the store; `None` if it was taken, or says nothing any more.
    pub(crate) fn to_bytes(&self) -> Option<Vec<u8>> {
        let trail = self.trail.lock();
        let trail = trail.as_ref().filter(|trail| !trail.is_lost());
        trail.map(Trail::to_bytes)
    }
}

impl Notes<'_> {
    /// The session begins to hear these rooms.
    pub(crate) fn begin<'a>(&mut self, rooms: impl Iterator<Item = &'a Hear>) {
        let Some(trail) = &mut *self.0 else { return };
        for hear in rooms {
            trail.began(hear.room, hear.after, hear.epoch);
        }
    }

    /// A run was pushed to the session of a user.
    pub(crate) fn run(&mut self, run: &Run, user: UserId) {
        let Some(trail) = &mut *self.0 else { return };
        for outbound in run.events() {
            if let Some(message) = outbound.message() {
                trail.pushed(message.room, message.seq, message.epoch);
            } else if let EventBody::UserLeft { room, user: who, .. } = &outbound.event().body
                && who.id == user
            {
                trail.left(room.id);
            }
        }
    }

    /// A page of what the session had missed was pushed.
    pub(crate) fn page(&mut self, page: &HistoryPage) {
        let Some(trail) = &mut *self.0 else { return };
        for message in &page.messages {
            trail.pushed(message.room, message.seq, message.epoch);
        }
    }
}

impl Recoverable {
    pub(crate) fn add(&self, hash: PidHash, session: &Arc<Session>) {
        self.sessions.lock().insert(hash, Arc::clone(session));
    }

    pub(crate) fn get(&self, hash: PidHash) -> Option<Arc<Session>> {
        self.sessions.lock().get(&hash).cloned()
    }

    /// Forgets a session, unless another has taken its place.
    pub(crate) fn remove(&self, hash: PidHash, id: SessionId) {
        let mut sessions = self.sessions.lock();
        if sessions.get(&hash).is_some_and(|session| session.id == id) {
            sessions.remove(&hash);
        }
    }

    /// Counts a session as on its way to the store, until what is returned is dropped.
    pub(crate) fn leaves(&self) -> Leaving<'_> {
        self.leaving.fetch_add(1, Ordering::AcqRel);
        Leaving(&self.leaving)
    }

    /// Whether any session is on its way to the store.
    pub(crate) fn any_leaves(&self) -> bool {
        self.leaving.load(Ordering::Acquire) > 0
    }
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
