//! How much a user may ask for, over all its sessions.

use bongsu_core::moderation::{Flood, FloodLimit};
use bongsu_core::rate::{Buckets, Rate};
use bongsu_model::{ClientMessageId, Code, Limits, Refusal, Request, SessionId, Timestamp, UserId};
use parking_lot::Mutex;

/// Keys that are remembered at once, per table.
const KEYS_MAX: usize = 200_000;
/// Keys looked at in one sweep.
const SWEEP: usize = 2_000;

/// The buckets of all users of this node.
pub(crate) struct Rates {
    posts: (Rate, Mutex<Buckets<UserId>>),
    signals: (Rate, Mutex<Buckets<UserId>>),
    joins: (Rate, Mutex<Buckets<UserId>>),
    requests: (Rate, Mutex<Buckets<SessionId>>),
    flood: (FloodLimit, Mutex<Flood>),
}

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Self {
        let of = |per_s, burst| (Rate { per_s, burst }, Mutex::new(Buckets::new(KEYS_MAX)));
        Self {
            posts: of(limits.posts_per_s, limits.posts_burst),
            signals: of(limits.signals_per_s, limits.signals_burst),
            joins: of(limits.joins_per_s, limits.joins_burst),
            requests: (
                Rate {
                    per_s: limits.requests_per_s,
                    burst: limits.requests_burst,
                },
                Mutex::new(Buckets::new(KEYS_MAX)),
            ),
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
    ) -> Result<(), Refusal> {
        let checked = match request {
            Request::Post(_) | Request::Emit(_) => check(&self.posts, user, now),
            Request::Signal { .. } => check(&self.signals, user, now),
            Request::Join { .. } => check(&self.joins, user, now),
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
            | Request::Unblock { .. } => check(&self.requests, session, now),
        };
        checked.map_err(|retry_after_ms| Refusal::retry(Code::RateLimited, retry_after_ms))
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
        for (_, buckets) in [&self.posts, &self.signals, &self.joins] {
            buckets.lock().sweep(SWEEP, now);
        }
        self.requests.1.lock().sweep(SWEEP, now);
        self.flood.1.lock().sweep(SWEEP, self.flood.0, now);
    }
}

fn check<K: Ord + Copy>(of: &(Rate, Mutex<Buckets<K>>), key: K, now: Timestamp) -> Result<(), u64> {
    if of.0.per_s == 0 {
        Ok(())
    } else {
        of.1.lock().check(key, of.0, now)
    }
}
