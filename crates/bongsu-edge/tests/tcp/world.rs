//! A node with a store in memory, without a listener, on a clock that tests move forward.
//!
//! Tokens of these tests say what they are: `subject`, `subject/jti`, or `subject/jti/end in milliseconds of the clock`.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bongsu_bus::{Bus, LocalBus};
use bongsu_edge::admission::Admission;
use bongsu_edge::auth::MemberToken;
use bongsu_edge::clock::SystemClock;
use bongsu_model::media::IceServer;
use bongsu_model::records::{MemberRole, NewRoom, NewUser, Visibility};
use bongsu_model::{
    Code, Limits, MessageId, MessageKind, Refusal, Role, RoomId, RoomRef, Timestamp, TokenHash, UserId,
    UserRef,
};
use bongsu_node::ports::Moderated;
use bongsu_node::usecases::operate::Operator;
use bongsu_node::{Chance, Claims, Clock, Counters, IceServers, Node, Policy, Ports, Reviewer, Tokens};
use bongsu_store::{Memory, NewMessage, Store};
use tokio::sync::Semaphore;

/// Far longer than anything takes: who waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The real time, or the moment at which a test stopped it, and what tests put on top.
#[derive(Default)]
pub(crate) struct MovedClock {
    moved_ms: AtomicI64,
    stopped_at: OnceLock<Timestamp>,
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        let at = self
            .stopped_at
            .get()
            .copied()
            .unwrap_or_else(|| SystemClock.now());
        Timestamp(at.0 + self.moved_ms.load(Ordering::SeqCst))
    }
}

struct CountedChance(AtomicU64);

impl Chance for CountedChance {
    fn bits(&self) -> u128 {
        // An odd factor scatters a counter over all bits, and gives no number twice.
        let count = u128::from(self.0.fetch_add(1, Ordering::Relaxed)) + 1;
        count.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }
}

/// Where the chance of a node begins: nodes draw nothing twice.
fn begins(name: &str) -> u64 {
    name.bytes().fold(0, |sum, byte| sum << 4 ^ u64::from(byte)) << 32
}

struct PlainTokens;

impl Tokens for PlainTokens {
    fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Refusal> {
        let mut parts = token.split('/');
        let Some(subject) = parts.next().filter(|subject| *subject != "bad") else {
            return Err(Refusal::because(Code::InvalidToken, "malformed"));
        };
        let jti = parts.next().map(Into::into);
        let end = parts.next().and_then(|end| end.parse().ok());
        let end = end.map_or(now.plus_ms(36_000_000), Timestamp);
        if end <= now {
            return Err(Refusal::because(Code::InvalidToken, "expired"));
        }
        Ok(Claims {
            subject: UserRef::parse(subject),
            role: Role::User,
            nickname: Some(format!("nick {subject}").into()),
            rooms: None,
            jti,
            expires_at: end,
            refused_from: end,
        })
    }

    fn member_token(&self, token: &str) -> Option<TokenHash> {
        MemberToken::parse(token).map(|token| token.hash())
    }
}

struct OneServer;

impl IceServers for OneServer {
    fn servers(&self, user: UserId, _: Timestamp) -> Vec<IceServer> {
        vec![IceServer {
            urls: vec!["turn:turn.example".into()],
            username: Some(format!("1:{user}").into()),
            credential: Some("secret".into()),
        }]
    }
}

/// Lets everything pass; posts that begin with `slow` only once they are let through.
struct HeldReviewer(Arc<Semaphore>);

#[async_trait]
impl Reviewer for HeldReviewer {
    async fn may_pass(&self, _: UserId, _: &RoomRef, content: &str) -> bool {
        if content.starts_with("slow") {
            self.0.acquire().await.unwrap().forget();
        }
        true
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    let look = async {
        while !holds() {
            looks.tick().await;
        }
    };
    let held = tokio::time::timeout(PATIENCE, look).await;
    assert!(held.is_ok(), "never: {what}");
}

/// What is behind a listener.
pub(crate) struct World {
    pub(crate) node: Arc<Node>,
    pub(crate) store: Arc<Memory>,
    pub(crate) clock: Arc<MovedClock>,
    pub(crate) admission: Arc<Admission>,
    /// Lets held posts through.
    pub(crate) held: Arc<Semaphore>,
}

impl World {
    /// Room 1 with users 1 to 3.
    pub(crate) async fn limited(limits: Limits) -> Self {
        Self::of("test-node", limits, None, None).await
    }

    /// A node of this name: on a store that others are on, too, which has what it is to have, or on one of its own.
    pub(crate) async fn of(
        name: &str,
        limits: Limits,
        shared: Option<Arc<Memory>>,
        bus: Option<Arc<dyn Bus>>,
    ) -> Self {
        let limits = Arc::new(limits);
        let is_first = shared.is_none();
        let store = shared.unwrap_or_else(|| Arc::new(Memory::new(7)));
        let clock = Arc::new(MovedClock::default());
        let held = Arc::new(Semaphore::new(0));
        let ports = Ports {
            store: Arc::clone(&store) as Arc<dyn Store>,
            bus: bus.unwrap_or_else(|| Arc::new(LocalBus::new())),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            chance: Arc::new(CountedChance(AtomicU64::new(begins(name)))),
            tokens: Arc::new(PlainTokens),
            ice: Arc::new(OneServer),
            moderation: Moderated::plain(&limits),
            reviewer: Some(Arc::new(HeldReviewer(Arc::clone(&held)))),
            limits: Arc::clone(&limits),
            policy: Policy::default(),
        };
        let world = Self {
            node: Node::start(name.into(), ports, Arc::new(Counters::default()), 2),
            store,
            clock,
            admission: Admission::new(&limits),
            held,
        };
        if is_first {
            world.users(1..=3).await;
            world.room(1, &[1, 2, 3]).await;
        }
        world
    }

    pub(crate) async fn users(&self, users: impl IntoIterator<Item = i64>) {
        for user in users {
            let new = NewUser {
                id: Some(UserId(user)),
                nickname: Some(format!("nick {user}").into()),
                ..NewUser::default()
            };
            self.store.create_user(new, self.clock.now()).await.unwrap();
        }
    }

    pub(crate) async fn room(&self, id: i64, members: &[i64]) {
        self.room_of(
            id,
            members,
            NewRoom {
                visibility: Visibility::Open,
                ..NewRoom::default()
            },
        )
        .await;
    }

    pub(crate) async fn room_of(&self, id: i64, members: &[i64], like: NewRoom) {
        let members = members
            .iter()
            .map(|user| (UserId(*user), MemberRole::Member))
            .collect();
        let new = NewRoom {
            id: Some(RoomId(id)),
            members,
            ..like
        };
        self.store.create_room(new, self.clock.now()).await.unwrap();
    }

    /// Messages 1, 2, … of a room, kept but announced to nobody.
    pub(crate) async fn history(&self, room: i64, sender: i64, count: u64, bytes: usize) {
        for number in 1..=count {
            let message = NewMessage {
                id: MessageId(u128::from(number) << 64),
                room: RoomRef::Id(RoomId(room)),
                sender: UserId(sender),
                content: format!("{number} {}", "x".repeat(bytes)).into(),
                kind: MessageKind::Text,
                client_id: None,
                reply_to: None,
                metadata: None,
                at: self.clock.now(),
                as_member: true,
            };
            self.store.append(message).await.unwrap();
        }
    }

    /// A member token of a user.
    pub(crate) async fn member_token(&self, user: i64) -> String {
        let token = MemberToken::new([user.unsigned_abs() as u8; 24]);
        let by = Self::operator();
        self.node
            .add_member_token(&by, UserId(user), token.hash(), None)
            .await
            .unwrap();
        token.reveal()
    }

    /// Lets time pass.
    pub(crate) fn pass_ms(&self, ms: i64) {
        self.clock.moved_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// From now on time passes only as the test says.
    pub(crate) fn stop_clock(&self) {
        self.clock.stopped_at.get_or_init(|| SystemClock.now());
    }

    pub(crate) fn operator() -> Operator {
        Operator::api_key("ops".into(), Role::Admin)
    }

    /// Waits until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        until(what, || holds(self)).await;
    }

    /// Waits until nobody is connected and nothing is kept of those who were.
    pub(crate) async fn until_empty(&self) {
        self.until("all sessions and connections are gone", |it| {
            it.node.sessions_count() == 0
                && it.admission.counts().0 == 0
                && it.node.counters.mailbox_bytes.get() == 0
        })
        .await;
    }
}
