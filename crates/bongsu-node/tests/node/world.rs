//! A node on a memory store, and clients that speak plain lines of text. Its clock moves when nobody has anything to do.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bongsu_bus::{Bus, LocalBus};
use bongsu_model::event::Lane;
use bongsu_model::media::IceServer;
use bongsu_model::{
    Asked, Code, Connect, Incoming, Limits, Locale, Recover, Recovery, Refusal, Reply, Request, ResumePoint,
    Role, RoomId, RoomRef, Tag, Timestamp, TokenHash, UserId, UserRef, Verb,
};
use bongsu_node::ports::Moderated;
use bongsu_node::{
    Arrival, Chance, Claims, Clock, Conversation, Counters, Dialect, IceServers, Line, Mailbox, Node, Policy,
    Ports, Session, Speaking, Tokens, Witness, Wrote,
};
use bongsu_store::{Memory, Store, StoreLimits};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::plain::{self, Plain};

/// A node, and what is kept.
pub(crate) struct World {
    pub(crate) node: Arc<Node>,
    pub(crate) store: Arc<Memory>,
    pub(crate) limits: Limits,
    pub(crate) policy: Policy,
    /// Nodes that there were.
    starts: u64,
}

/// A client and its connection.
pub(crate) struct Client {
    node: Arc<Node>,
    session: Arc<Session>,
    mailbox: Arc<Mailbox>,
    pipe: Arc<Pipe>,
    recovery: Option<Recovery>,
}

/// A world with these limits and this policy.
pub(crate) fn world_of(limits: Limits, policy: Policy) -> World {
    let store = Memory::with_limits(7, StoreLimits::from(&limits));
    on(store, limits, policy)
}

/// A world whose writes wait until they are synced.
pub(crate) fn world_by_hand() -> World {
    let limits = Limits::DEFAULT;
    let store = Memory::manual(7, StoreLimits::from(&limits));
    on(store, limits, Policy::default())
}

/// A world with these limits and this policy, and its chance.
pub(crate) fn world_with(limits: Limits, policy: Policy) -> (World, Arc<Counted>) {
    let store = Arc::new(Memory::with_limits(7, StoreLimits::from(&limits)));
    let chance = Counted::of_start(0);
    let world = World {
        node: start(&store, &limits, &policy, &chance),
        store,
        limits,
        policy,
        starts: 1,
    };
    (world, chance)
}

/// A world with other nodes behind this bus.
pub(crate) fn world_among(bus: Arc<dyn Bus>) -> World {
    let (limits, policy) = (Limits::DEFAULT, Policy::default());
    let store = Arc::new(Memory::with_limits(7, StoreLimits::from(&limits)));
    World {
        node: start_on(bus, &store, &limits, &policy, &Counted::of_start(0)),
        store,
        limits,
        policy,
        starts: 1,
    }
}

fn on(store: Memory, limits: Limits, policy: Policy) -> World {
    let store = Arc::new(store);
    World {
        node: start(&store, &limits, &policy, &Counted::of_start(0)),
        store,
        limits,
        policy,
        starts: 1,
    }
}

pub(crate) fn world() -> World {
    world_of(Limits::DEFAULT, Policy::default())
}

fn start(store: &Arc<Memory>, limits: &Limits, policy: &Policy, chance: &Arc<Counted>) -> Arc<Node> {
    start_on(Arc::new(LocalBus::new()), store, limits, policy, chance)
}

fn start_on(
    bus: Arc<dyn Bus>,
    store: &Arc<Memory>,
    limits: &Limits,
    policy: &Policy,
    chance: &Arc<Counted>,
) -> Arc<Node> {
    let limits = Arc::new(limits.clone());
    let ports = Ports {
        store: Arc::clone(store) as Arc<dyn Store>,
        bus,
        clock: Arc::new(PausedClock(Instant::now())),
        chance: Arc::clone(chance) as Arc<dyn Chance>,
        tokens: Arc::new(PlainTokens),
        ice: Arc::new(NoIce),
        moderation: Moderated::plain(&limits),
        reviewer: None,
        limits,
        policy: policy.clone(),
    };
    Node::start("node".into(), ports, Arc::default(), 2)
}

impl World {
    /// The node is gone, and what only it knew; another one starts on what was kept.
    pub(crate) fn restart(&mut self) {
        self.node = start(
            &self.store,
            &self.limits,
            &self.policy,
            &Counted::of_start(self.starts),
        );
        self.starts += 1;
    }

    /// Lets so much time pass, with all that is due in it.
    pub(crate) async fn pass(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    /// Lets everyone finish what is under way: the clock moves only then.
    pub(crate) async fn quiet(&self) {
        self.pass(1).await;
    }

    /// Does something while every write is synced at once.
    pub(crate) async fn synced<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = self.quiet() => drop(self.store.sync()),
            }
        }
    }

    /// A client that is signed in with `token`: a handle, and after a `/` the only rooms that it may join.
    pub(crate) async fn client(&self, token: &str) -> Client {
        self.connect(token, Vec::new()).await.unwrap()
    }

    pub(crate) async fn connect(&self, token: &str, resume: Vec<ResumePoint>) -> Result<Client, Refusal> {
        let connect = Connect {
            token: token.into(),
            locale: None,
            resume,
            recovery: Recover::No,
        };
        self.connect_with(connect).await
    }

    /// A client whose session can be taken up again, or who asks for an earlier one.
    pub(crate) async fn recover(&self, token: &str, recovery: Recover) -> Client {
        let connect = Connect {
            token: token.into(),
            locale: None,
            resume: Vec::new(),
            recovery,
        };
        self.connect_with(connect).await.unwrap()
    }

    async fn connect_with(&self, connect: Connect) -> Result<Client, Refusal> {
        let pipe = Arc::new(Pipe::default());
        let ports = &self.node.ports;
        let mailbox = Mailbox::new(
            Arc::clone(&pipe) as Arc<dyn Line>,
            &Plain,
            Arc::clone(&ports.limits),
            Arc::clone(&ports.clock),
            Arc::new(Counters::default()),
        );
        let arrival = Arrival {
            mailbox: Arc::clone(&mailbox),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            locale: Locale::En,
            claimed_user: None,
        };
        let mut recovery = None;
        let answer = &mut |reply: Reply| {
            if let Reply::Connected(signed_in) = &reply {
                recovery.clone_from(&signed_in.recovery);
            }
            push(&mailbox, &plain::reply(&reply));
        };
        let session = self.node.sign_in(arrival, connect, answer).await?;
        Ok(Client {
            node: Arc::clone(&self.node),
            session,
            mailbox,
            pipe,
            recovery,
        })
    }

    /// A connection on which nobody has signed in.
    pub(crate) fn talk(&self, dialect: &'static dyn Dialect) -> Talk {
        let pipe = Arc::new(Pipe::default());
        let ports = &self.node.ports;
        let mailbox = Mailbox::new(
            Arc::clone(&pipe) as Arc<dyn Line>,
            dialect,
            Arc::clone(&ports.limits),
            Arc::clone(&ports.clock),
            Arc::new(Counters::default()),
        );
        let conversation = Conversation::new(Arc::clone(&self.node), mailbox, Locale::En);
        Talk {
            conversation,
            dialect,
            pipe,
        }
    }

    /// They become members one after the other; what they hear of it is of no interest.
    pub(crate) async fn join(&self, room: &str, clients: &[&Client]) {
        for client in clients {
            client.ask(plain::join(room)).await;
        }
        self.quiet().await;
        for client in clients {
            client.pipe.take();
        }
    }

    /// The members of a room by handle.
    pub(crate) async fn members(&self, room: &str) -> Vec<String> {
        let Some(room) = self.store.room(RoomRef::parse(room)).await.unwrap() else {
            return Vec::new();
        };
        let members = self.store.members(room.id, None, 1_000).await.unwrap();
        members.iter().map(|member| member.handle.to_string()).collect()
    }
}

impl Client {
    /// Asks, and hears the answer as any other line.
    pub(crate) async fn ask(&self, request: Request) {
        if let Err(refusal) = self.try_ask(request).await {
            push(&self.mailbox, &plain::refusal(&refusal));
        }
    }

    /// Asks; a refusal is handed back and not heard.
    pub(crate) async fn try_ask(&self, request: Request) -> Result<(), Refusal> {
        let mailbox = &self.mailbox;
        let answer = &mut |reply: Reply| push(mailbox, &plain::reply(&reply));
        self.node.handle(&self.session, asked(request), answer).await
    }

    /// Posts several texts in one go, as one who sent them without waiting.
    pub(crate) async fn post_all(&self, posts: Vec<Request>) -> Vec<Result<(), Code>> {
        let mut outcomes = Vec::new();
        let posts = posts.into_iter().map(asked).collect();
        let outcome = &mut |_: &Tag, outcome: Result<Reply, Refusal>| {
            outcomes.push(outcome.map(drop).map_err(|refusal| refusal.code));
        };
        self.node.post_all(&self.session, posts, outcome).await;
        outcomes
    }

    /// Sends what makes no sense.
    pub(crate) fn nonsense(&self) -> Result<(), Refusal> {
        self.node.tolerate(&self.session)
    }

    /// All that was written since the last time, once nothing is under way.
    pub(crate) async fn heard(&self) -> Vec<String> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.pipe.take()
    }

    /// The connection breaks.
    pub(crate) async fn leave_off(&self) {
        self.node.sign_out(&self.session).await;
        self.mailbox.abort();
    }

    /// What it was told of its session's being taken up again.
    pub(crate) fn recovery(&self) -> Option<&Recovery> {
        self.recovery.as_ref()
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.session.is_cut()
    }

    /// From now on the connection takes no more than so many bytes.
    pub(crate) fn room_for(&self, bytes: usize) {
        self.pipe.take_only(bytes);
    }
}

/// A connection as the node's partner.
pub(crate) struct Talk {
    pub(crate) conversation: Conversation,
    pub(crate) dialect: &'static dyn Dialect,
    pipe: Arc<Pipe>,
}

impl Talk {
    /// Says all this in one go, and hears what comes of it.
    pub(crate) async fn say(&mut self, incoming: Vec<Incoming>) -> Vec<String> {
        let speaking = Speaking {
            dialect: self.dialect,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            witness: &Nobody,
        };
        Box::pin(self.conversation.carry_out(incoming, None, speaking)).await;
        self.heard().await
    }

    /// All that was written since the last time, once nothing is under way.
    pub(crate) async fn heard(&self) -> Vec<String> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.pipe.take()
    }
}

struct Nobody;

impl Witness for Nobody {
    fn served(&self, _: Verb, _: bool) {}
    fn refused(&self, _: &Refusal) {}
    fn malformed(&self) {}
}

/// A request as it comes from a codec.
pub(crate) fn incoming(request: Request) -> Incoming {
    Incoming::Request(asked(request))
}

/// A sign-in as it comes from a codec.
pub(crate) fn sign_in(token: &str) -> Incoming {
    incoming(Request::Connect(Connect {
        token: token.into(),
        locale: None,
        resume: Vec::new(),
        recovery: Recover::No,
    }))
}

fn asked(request: Request) -> Asked {
    Asked {
        tag: Tag::default(),
        claimed_user: None,
        request,
    }
}

fn push(mailbox: &Arc<Mailbox>, line: &str) {
    mailbox.answer(Lane::Message, &Bytes::from(format!("{line}\n")));
}

/// A connection that takes everything, or is slow.
struct Pipe {
    taken: Mutex<Vec<u8>>,
    room: AtomicUsize,
    roomy: Notify,
}

impl Default for Pipe {
    fn default() -> Self {
        Self {
            taken: Mutex::default(),
            room: AtomicUsize::new(usize::MAX),
            roomy: Notify::new(),
        }
    }
}

impl Pipe {
    fn take(&self) -> Vec<String> {
        let taken = std::mem::take(&mut *self.taken.lock());
        let text = String::from_utf8(taken).unwrap();
        text.lines().map(ToOwned::to_owned).collect()
    }

    fn take_only(&self, room: usize) {
        self.room.store(room, SeqCst);
        self.roomy.notify_one();
    }
}

impl Line for Pipe {
    fn try_write(&self, bytes: &[u8]) -> Wrote {
        let room = self.room.load(SeqCst);
        let count = bytes.len().min(room);
        if count == 0 {
            return Wrote::Full;
        }
        self.room.store(room - count, SeqCst);
        self.taken.lock().extend_from_slice(&bytes[..count]);
        Wrote::Bytes(count)
    }

    fn writable(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            while self.room.load(SeqCst) == 0 {
                self.roomy.notified().await;
            }
        })
    }

    fn finish(&self) {}

    fn abort(&self) {}
}

/// The runtime's time.
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000).plus_ms(u64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
}

/// Chance whose numbers no test depends on.
pub(crate) struct Counted {
    drawn: AtomicU64,
    before: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Counted {
    /// Every start of a node has numbers of its own.
    fn of_start(starts: u64) -> Arc<Self> {
        Arc::new(Self {
            drawn: AtomicU64::new(starts << 32),
            before: Mutex::default(),
        })
    }

    /// Does something before the next number is drawn: between whatever comes before and after that.
    pub(crate) fn before_next(&self, work: impl FnOnce() + Send + 'static) {
        *self.before.lock() = Some(Box::new(work));
    }
}

impl Chance for Counted {
    fn bits(&self) -> u128 {
        let work = self.before.lock().take();
        if let Some(work) = work {
            work();
        }
        u128::from(
            self.drawn
                .fetch_add(1, SeqCst)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15),
        ) << 32
    }
}

struct PlainTokens;

impl Tokens for PlainTokens {
    fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Refusal> {
        // `device:` and its id is a device's.
        let (role, token) = match token.strip_prefix("device:") {
            Some(id) => (Role::Device, id),
            None => (Role::User, token),
        };
        let (handle, rooms) = token
            .split_once('/')
            .map_or((token, None), |(handle, rooms)| (handle, Some(rooms)));
        let rooms = rooms.map(|rooms| {
            let ids = rooms.split(',').filter(|id| !id.is_empty());
            ids.map(|id| RoomId(id.parse().unwrap())).collect()
        });
        Ok(Claims {
            subject: UserRef::parse(handle),
            role,
            nickname: None,
            rooms,
            jti: None,
            expires_at: now.plus_ms(86_400_000),
            refused_from: now.plus_ms(86_400_000),
        })
    }

    /// `member:` and a number, which is its hash.
    fn member_token(&self, token: &str) -> Option<TokenHash> {
        let number = token.strip_prefix("member:")?;
        Some(TokenHash([number.parse().unwrap(); 32]))
    }
}

struct NoIce;

impl IceServers for NoIce {
    fn servers(&self, _user: UserId, _now: Timestamp) -> Vec<IceServer> {
        Vec::new()
    }
}

#[tokio::test(start_paused = true)]
async fn time_passes_only_when_a_test_lets_it() {
    let world = world();
    let before = world.node.now();
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.node.now(), before);
    world.pass(3_600_000).await;
    assert_eq!(world.node.now().ms_since(before), 3_600_000);
}
