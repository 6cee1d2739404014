//! A node with a store in memory behind the TCP listener, on a clock that tests move forward.
//!
//! Tokens of these tests say what they are: `subject`, `subject/jti`, or `subject/jti/end in milliseconds of the clock`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bongsu_bus::LocalBus;
use bongsu_edge::admission::Admission;
use bongsu_edge::clock::SystemClock;
use bongsu_edge::meters::Meters;
use bongsu_edge::tcp::{self, TcpService};
use bongsu_model::media::IceServer;
use bongsu_model::records::{MemberRole, NewRoom, NewUser, RoomKind, Visibility};
use bongsu_model::{
    Code, Limits, Locale, MessageId, MessageKind, Refusal, Role, RoomId, RoomRef, Timestamp, UserId, UserRef,
};
use bongsu_node::ports::Moderated;
use bongsu_node::usecases::operate::Operator;
use bongsu_node::{Chance, Claims, Clock, Counters, IceServers, Node, Policy, Ports, Reviewer, Tokens};
use bongsu_store::{Memory, NewMessage, Store};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::client::Client;

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

/// A running server; ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) node: Arc<Node>,
    pub(crate) store: Arc<Memory>,
    pub(crate) clock: Arc<MovedClock>,
    pub(crate) admission: Arc<Admission>,
    /// Lets held posts through.
    pub(crate) held: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::limited(Limits::DEFAULT).await
    }

    /// Room 1 with users 1 to 3.
    pub(crate) async fn limited(limits: Limits) -> Self {
        let limits = Arc::new(limits);
        let store = Arc::new(Memory::new(7));
        let clock = Arc::new(MovedClock::default());
        let held = Arc::new(Semaphore::new(0));
        let ports = Ports {
            store: Arc::clone(&store) as Arc<dyn Store>,
            bus: Arc::new(LocalBus::new()),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            chance: Arc::new(CountedChance(AtomicU64::new(0))),
            tokens: Arc::new(PlainTokens),
            ice: Arc::new(OneServer),
            moderation: Moderated::plain(&limits),
            reviewer: Some(Arc::new(HeldReviewer(Arc::clone(&held)))),
            limits: Arc::clone(&limits),
            policy: Policy::default(),
        };
        let node = Node::start("test-node".into(), ports, Arc::new(Counters::default()), 2);
        let admission = Admission::new(&limits);
        let listener = tcp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let service = TcpService {
            node: Arc::clone(&node),
            admission: Arc::clone(&admission),
            meters: Arc::new(Meters::new()),
            locale: Locale::En,
        };
        let (stop, stopped) = watch::channel(false);
        let served = tokio::spawn(tcp::serve(listener, service, stopped));
        let server = Self {
            address,
            node,
            store,
            clock,
            admission,
            held,
            stop,
            served,
        };
        server.users(1..=3).await;
        server.room(1, &[1, 2, 3]).await;
        server
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

    /// A room of two.
    pub(crate) async fn direct(&self, id: i64, members: &[i64; 2]) {
        let kind = NewRoom {
            kind: RoomKind::Direct,
            ..NewRoom::default()
        };
        self.room_of(id, members, kind).await;
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

    /// Lets time pass.
    pub(crate) fn pass_ms(&self, ms: i64) {
        self.clock.moved_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// From now on time passes only as the test says.
    pub(crate) fn stop_clock(&self) {
        self.clock.stopped_at.get_or_init(|| SystemClock.now());
    }

    /// A connection that has said nothing yet.
    pub(crate) async fn connect(&self) -> Client {
        Client::open(self.address).await
    }

    /// A signed-in session.
    pub(crate) async fn session(&self, user: i64) -> Client {
        let mut client = self.connect().await;
        client.sign_in(user).await;
        client
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

    /// Tells the listener to stop.
    pub(crate) fn tell_to_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until the listener and all its connections have ended.
    pub(crate) async fn stopped(self) {
        tokio::time::timeout(PATIENCE, self.served)
            .await
            .expect("the listener ends")
            .unwrap();
    }
}
