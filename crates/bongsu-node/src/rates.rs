//! How much a user may ask for, over all its sessions; and who is shown the door because it does not stop.

use bongsu_core::flooder::{FlooderLimit, Flooders};
use bongsu_core::moderation::{Flood, FloodLimit};
use bongsu_core::rate::{Buckets, Rate};
use bongsu_model::refusal::CloseCause;
use bongsu_model::{ClientMessageId, Code, Limits, Refusal, Request, SessionId, Timestamp, UserId};
use parking_lot::Mutex;

use crate::node::Node;
use crate::session::Session;

/// Keys that are remembered at once, per table.
const KEYS_MAX: usize = 200_000;
/// Keys looked at in one sweep.
const SWEEP: usize = 2_000;

/// The buckets of all users of this node.
pub(crate) struct Rates {
    posts: Limited<UserId>,
    signals: Limited<UserId>,
    joins: Limited<UserId>,
    requests: Limited<SessionId>,
    flood: (FloodLimit, Mutex<Flood>),
}

/// A request that came too early.
pub(crate) struct TooMany {
    retry_after_ms: u64,
    /// Whoever asks has gone on like this for so long that it is not to be talked with any more.
    flooding: bool,
}

impl From<TooMany> for Refusal {
    fn from(too_many: TooMany) -> Self {
        Self::retry(Code::RateLimited, too_many.retry_after_ms)
    }
}

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            posts: Limited::new(limits.posts_per_s, limits.posts_burst, limits),
            signals: Limited::new(limits.signals_per_s, limits.signals_burst, limits),
            joins: Limited::new(limits.joins_per_s, limits.joins_burst, limits),
            requests: Limited::new(limits.requests_per_s, limits.requests_burst, limits),
            flood: (FloodLimit::from(limits), Mutex::new(Flood::new(KEYS_MAX))),
        }
    }

    /// Takes a request out of the bucket of its kind.
    pub(crate) fn request(
        &self,
        session: SessionId,
        request: &Request,
        user: UserId,
        now: Timestamp,
    ) -> Result<(), TooMany> {
        match request {
            Request::Post(_) | Request::Emit(_) => self.post(user, now),
            Request::Signal { .. } => self.signals.check(user, now),
            Request::Join { .. } => self.joins.check(user, now),
            Request::Connect(_)
            | Request::RefreshToken { .. }
            | Request::Ping
            | Request::Pong
            | Request::Leave { .. }
            | Request::Typing { .. }
            | Request::MarkRead { .. }
            | Request::History { .. }
            | Request::CreateCall { .. }
            | Request::JoinCall { .. }
            | Request::LeaveCall { .. }
            | Request::EndCall { .. }
            | Request::SetMedia { .. }
            | Request::Block { .. }
            | Request::Unblock { .. } => self.requests.check(session, now),
        }
    }

    /// Takes a post out of its user's bucket.
    pub(crate) fn post(&self, user: UserId, now: Timestamp) -> Result<(), TooMany> {
        self.posts.check(user, now)
    }

    /// Refuses the same content too often.
    pub(crate) fn flood(
        &self,
        user: UserId,
        fingerprint: u64,
        client_id: Option<&ClientMessageId>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.flood
            .1
            .lock()
            .check(user, fingerprint, client_id, self.flood.0, now)
    }

    /// Forgets what has no say any more.
    pub(crate) fn sweep(&self, now: Timestamp) {
        for limited in [&self.posts, &self.signals, &self.joins] {
            limited.sweep(now);
        }
        self.requests.sweep(now);
        self.flood.1.lock().sweep(SWEEP, self.flood.0, now);
    }
}

impl Node {
    /// Takes a request of a session out of the bucket of its kind. A session that floods is ended.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub(crate) fn rated(&self, session: &Session, request: &Request, now: Timestamp) -> Result<(), Refusal> {
        self.rates
            .request(session.id, request, session.user, now)
            .map_err(|too_many| {
                if too_many.flooding {
                    tracing::warn!(session = %session.id, user = %session.user, "a session that floods is ended");
                    session.end(&self.ports, CloseCause::Flooding);
                }
                too_many.into()
            })
    }
}

/// One rate, what each key has used up of it, and who has not stopped when it was used up.
struct Limited<K> {
    rate: Rate,
    per_s: u32,
    flooder: FlooderLimit,
    tables: Mutex<(Buckets<K>, Flooders<K>)>,
}

impl<K: Ord + Copy> Limited<K> {
    fn new(per_s: u32, burst: u32, limits: &Limits) -> Self {
        Self {
            rate: Rate::new(per_s, burst),
            per_s,
            flooder: FlooderLimit::from(limits),
            tables: Mutex::new((Buckets::new(KEYS_MAX), Flooders::new(KEYS_MAX))),
        }
    }

    fn check(&self, key: K, now: Timestamp) -> Result<(), TooMany> {
        if self.rate.is_unlimited() {
            return Ok(());
        }
        let (buckets, flooders) = &mut *self.tables.lock();
        let checked = buckets.check(key, self.rate, now);
        let flooding = flooders.note(key, self.per_s, checked.is_err(), self.flooder, now);
        checked.map_err(|retry_after_ms| TooMany {
            retry_after_ms,
            flooding,
        })
    }

    fn sweep(&self, now: Timestamp) {
        let (buckets, flooders) = &mut *self.tables.lock();
        buckets.sweep(SWEEP, now);
        flooders.sweep(SWEEP, now);
    }
}
