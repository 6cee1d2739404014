//! A session: one signed-in connection of one user.
//!
//! Invariant: once cut, no request of it is served any more. It owns no queue, no timer and no task.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use bongsu_core::policy::Principal;
use bongsu_core::shard::{Input, SlotNo};
use bongsu_model::event::Lane;
use bongsu_model::records::User;
use bongsu_model::refusal::CloseCause;
use bongsu_model::reply::{RoomStanding, SignedIn};
use bongsu_model::{
    Closing, Code, Jti, Limits, Locale, Notice, Person, Profile, Refusal, Role, RoomId, SessionId, Timestamp,
    TokenHash, UserId, UserRef,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::dialect::Setting;
use crate::kept::Kept;
use crate::mailbox::{Drained, Mailbox, Pushed};
use crate::ports::Ports;
use crate::usecases::vouch::Vouched;

/// What is known of a connection before it signs in.
#[derive(Clone)]
pub struct Arrival {
    /// Its way out.
    pub mailbox: Arc<Mailbox>,
    /// Where it comes from.
    pub address: IpAddr,
    /// The language of its texts.
    pub locale: Locale,
    /// The user that its envelope claims to come from; anyone but the token's is refused.
    pub claimed_user: Option<UserRef>,
}

/// A signed-in connection.
pub struct Session {
    /// Its identity.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// Its user as others are told of it, as of sign-in.
    pub person: Arc<Person>,
    /// What else its user is shown as, as of sign-in.
    pub profile: Arc<Profile>,
    /// The language of its texts.
    pub locale: Locale,
    /// Where it comes from.
    pub address: IpAddr,
    /// Since when.
    pub opened_at: Timestamp,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) shard: usize,
    pub(crate) slot: SlotNo,
    inbox: mpsc::Sender<Input>,
    standing: Mutex<Standing>,
    refused_from: AtomicI64,
    warned: AtomicBool,
    cut: AtomicBool,
    /// Requests that are not answered yet.
    served: AtomicU32,
    /// For one that can be taken up again after its end.
    kept: OnceLock<Arc<Kept>>,
}

/// Whose a session is, as others are told and shown.
pub(crate) struct Who {
    pub(crate) person: Arc<Person>,
    pub(crate) profile: Arc<Profile>,
}

impl Who {
    pub(crate) fn of(user: &User) -> Self {
        Self {
            person: user.person(),
            profile: Arc::clone(&user.profile),
        }
    }
}

/// Where a session is heard.
pub(crate) struct Place {
    pub(crate) shard: usize,
    pub(crate) slot: SlotNo,
    pub(crate) inbox: mpsc::Sender<Input>,
}

/// By what a token is revoked. Boxed, so that it takes no more in a session than the shorter one.
#[derive(Clone)]
enum Name {
    Jti(Jti),
    Member(Box<TokenHash>),
}

/// What the token in force says.
#[derive(Clone)]
struct Standing {
    role: Role,
    rooms: Option<Arc<[RoomId]>>,
    name: Option<Name>,
    expires_at: Timestamp,
}

impl Session {
    pub(crate) fn new(
        id: SessionId,
        who: Who,
        arrival: Arrival,
        vouched: &Vouched,
        place: Place,
        now: Timestamp,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            user: who.person.id,
            person: who.person,
            profile: who.profile,
            locale: arrival.locale,
            address: arrival.address,
            opened_at: now,
            mailbox: arrival.mailbox,
            shard: place.shard,
            slot: place.slot,
            inbox: place.inbox,
            standing: Mutex::new(Standing::of(vouched)),
            refused_from: AtomicI64::new(vouched.claims.refused_from.0),
            warned: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            served: AtomicU32::new(0),
            kept: OnceLock::new(),
        })
    }

    /// Who asks, for policy.
    pub(crate) fn principal(&self) -> Principal {
        let standing = self.standing.lock();
        Principal {
            user: Some(self.user),
            role: standing.role,
            rooms: standing.rooms.clone(),
        }
    }

    /// Whether the session may still ask for anything.
    pub(crate) fn stand(&self, now: Timestamp) -> Result<(), Refusal> {
        if self.cut.load(Ordering::Acquire) {
            return Err(Refusal::because(Code::InvalidToken, "revoked"));
        }
        if now.0 >= self.refused_from.load(Ordering::Relaxed) {
            return Err(Refusal::because(Code::InvalidToken, "expired"));
        }
        Ok(())
    }

    /// Replaces the token; the subject was found to be the same.
    pub(crate) fn renew(&self, vouched: &Vouched) {
        *self.standing.lock() = Standing::of(vouched);
        let refused_from = vouched.claims.refused_from;
        self.refused_from.store(refused_from.0, Ordering::Relaxed);
        self.warned.store(false, Ordering::Relaxed);
    }

    /// When the token ends.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.standing.lock().expires_at
    }

    /// As what it signed in.
    #[must_use]
    pub fn role(&self) -> Role {
        self.standing.lock().role
    }

    /// How the session stands, for its client.
    pub(crate) fn standing(&self, rooms: Vec<RoomStanding>, now: Timestamp, limits: &Limits) -> SignedIn {
        SignedIn {
            user: Arc::clone(&self.person),
            profile: Arc::clone(&self.profile),
            session: self.id,
            server_time: now,
            rooms,
            ping_interval_ms: limits.ping_interval_ms,
            expires_at: self.expires_at(),
            recovery: None,
        }
    }

    pub(crate) fn has_token(&self, jti: &Jti) -> bool {
        matches!(&self.standing.lock().name, Some(Name::Jti(name)) if name == jti)
    }

    /// Whether the token in force is one of these, which are ascending.
    pub(crate) fn has_member_token(&self, tokens: &[TokenHash]) -> bool {
        matches!(&self.standing.lock().name, Some(Name::Member(hash)) if tokens.binary_search(hash).is_ok())
    }

    /// What is due because of the token's time: a warning, once, or the end.
    pub(crate) fn token_due(&self, now: Timestamp, warning_ms: u64) -> TokenDue {
        let refused_from = Timestamp(self.refused_from.load(Ordering::Relaxed));
        if now >= refused_from {
            return TokenDue::End;
        }
        // Cheap for almost all sessions almost always: the exact end is behind a lock.
        if now.plus_ms(warning_ms) < refused_from && self.warned.load(Ordering::Relaxed) {
            return TokenDue::Nothing;
        }
        let expires_at = self.expires_at();
        if now.plus_ms(warning_ms) >= expires_at && !self.warned.swap(true, Ordering::Relaxed) {
            return TokenDue::Warn(expires_at);
        }
        TokenDue::Nothing
    }

    /// Tells the session something in its own language.
    pub(crate) fn notice(&self, ports: &Ports, lane: Lane, notice: &Notice) -> Pushed {
        self.mailbox.push(lane, &self.saying(ports, notice))
    }

    /// A notice in the session's protocol and language.
    pub(crate) fn saying(&self, ports: &Ports, notice: &Notice) -> Bytes {
        let with = Setting {
            locale: self.locale,
            now: ports.clock.now(),
            id: ports.number(),
            limits: &ports.limits,
        };
        self.mailbox.dialect().notice(notice, with)
    }

    /// Ends the session: it is told why, and nothing it asks is served any more.
    pub(crate) fn end(&self, ports: &Ports, cause: CloseCause) {
        if self.cut.swap(true, Ordering::AcqRel) {
            return;
        }
        let stopping = cause == CloseCause::ShuttingDown;
        let notice = Notice::Closed(Closing::new(cause));
        let bytes = self.saying(ports, &notice);
        // A server that stops still says what it has to say; whoever is cut off hears no more.
        if stopping {
            self.mailbox.close(Some(&bytes))
        } else {
            self.mailbox.cut(Some(&bytes))
        }
    }

    /// Ends the session without a word: its client has come back on another connection.
    pub(crate) fn displaced(&self) {
        self.cut.store(true, Ordering::Release);
        self.mailbox.abort();
    }

    /// Has what is pushed remembered; said before anything is pushed.
    pub(crate) fn keep(&self, kept: Arc<Kept>) {
        let first = self.kept.set(kept).is_ok();
        debug_assert!(first, "a session is kept under one name");
    }

    /// What is remembered of the session, if anything is.
    pub(crate) fn kept(&self) -> Option<&Arc<Kept>> {
        self.kept.get()
    }

    /// Whether the session has been ended from this side.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// A request of the session is carried out, until what is returned is dropped.
    pub(crate) fn serve(&self) -> Served<'_> {
        self.served.fetch_add(1, Ordering::AcqRel);
        Served(self)
    }

    /// Whether a request of the session is being carried out.
    pub(crate) fn is_served(&self) -> bool {
        self.served.load(Ordering::Acquire) > 0
    }

    /// How many bytes wait to be written.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.mailbox.waiting_bytes()
    }
}

/// A request that is being carried out.
pub(crate) struct Served<'a>(&'a Session);

impl Drop for Served<'_> {
    fn drop(&mut self) {
        self.0.served.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What is due because of a token's time.
pub(crate) enum TokenDue {
    Nothing,
    Warn(Timestamp),
    End,
}

impl Standing {
    fn of(vouched: &Vouched) -> Self {
        let claims = &vouched.claims;
        let jti = claims.jti.clone().map(Name::Jti);
        let name = vouched
            .member_token
            .map_or(jti, |hash| Some(Name::Member(Box::new(hash))));
        Self {
            role: claims.role,
            rooms: claims.rooms.clone(),
            name,
            expires_at: claims.expires_at,
        }
    }
}

impl Drained for Session {
    fn drained(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // A shard that is gone has no use for it.
            let _ = self
                .inbox
                .send(Input::Drained {
                    slot: self.slot,
                    session: self.id,
                })
                .await;
        })
    }
}
