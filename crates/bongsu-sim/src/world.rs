//! The world: nodes on one store, clients, and what goes wrong, all from one seed on one paused clock.
//!
//! Invariant: one seed, one history. Nothing here asks anything but the seed and the clock.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use bongsu_bus::Faults;
use bongsu_model::records::{MemberRole, NewRoom, NewUser, Visibility};
use bongsu_model::{Limits, PageFrom, Role, RoomId, RoomRef, Seq, Timestamp, UserId, UserRef};
use bongsu_node::usecases::operate::Operator;
use bongsu_node::{Counters, Node};
use bongsu_store::memory::Injected;
use bongsu_store::{Memory, Store, StoreLimits};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::bus::Backplane;
use crate::client::{Client, Fate, Link};
use crate::conn;
use crate::history::{History, Saw, Standing};
use crate::line::Pipe;
use crate::op::{self, Deed, Op};
use crate::ports::{self, SimClock};
use crate::random::Random;
use crate::slow::Slow;
use crate::truth::Truth;

/// Users; some have two devices.
pub(crate) const USERS: u64 = 6;
/// Clients: one for each user, then second devices.
const CLIENTS: u64 = 8;
/// Rooms, all open.
pub(crate) const ROOMS: u64 = 3;
/// Shards of each node.
const SHARDS: usize = 2;
/// Requests that a client may have sent and the server not read.
const UNREAD_MAX: usize = 64;
/// Until nobody who was banned is connected any more, in milliseconds.
const BANNED_MS: u64 = 5_000;
/// Until everything must be well again after the last fault, in milliseconds.
const HEAL_MS: u64 = 30_000;

/// One node, up or down.
pub(crate) struct Place {
    pub(crate) node: Option<Arc<Node>>,
    view: Arc<Memory>,
    conns: Vec<AbortHandle>,
}

/// Everything that there is.
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) nodes: Vec<Place>,
    pub(crate) clients: Vec<Client>,
    /// Whether old messages are deleted now and then.
    pub(crate) retains: bool,
    /// So many answers of the store in a thousand are late.
    late: u64,
    clock: SimClock,
    limits: Arc<Limits>,
    store: Memory,
    backplane: Arc<Backplane>,
    truth: Arc<Mutex<Truth>>,
    history: History,
    log: String,
}

/// Runs a seed through so many things that happen; what was seen, and the log.
#[must_use]
pub fn run(seed: u64, ops: usize) -> (History, String) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing");
    runtime.block_on(async {
        let mut world = World::new(seed);
        world.set_up().await;
        for _ in 0..ops {
            let op = op::choose(&world);
            world.happen(op).await;
            let pause = world.random.within(0..40);
            world.pass(pause).await;
        }
        world.heal().await;
        world.end().await
    })
}

impl World {
    fn new(seed: u64) -> Self {
        let random = Random::new(seed);
        let limits = Arc::new(ports::limits());
        let store = Memory::manual(random.next(), StoreLimits::from(&*limits));
        let count = usize::try_from(random.within(1..4)).unwrap_or(1);
        let backplane = Backplane::new(random.fork(), count);
        let nodes = (0..count).map(|_| Place {
            node: None,
            view: Arc::new(store.view()),
            conns: Vec::new(),
        });
        let clients = (0..CLIENTS).map(|index| {
            let user = i64::try_from(index % USERS).unwrap_or(0) + 1;
            Client::new(usize::try_from(index).unwrap_or(0), user)
        });
        Self {
            nodes: nodes.collect(),
            clients: clients.collect(),
            retains: random.often(300),
            late: if random.often(700) {
                random.within(0..500)
            } else {
                0
            },
            clock: SimClock::new(),
            limits,
            store,
            backplane,
            truth: Arc::default(),
            history: History::default(),
            log: String::new(),
            random,
        }
    }

    /// Users and rooms, the nodes, and someone who makes writes durable.
    async fn set_up(&mut self) {
        let store = self.store.view();
        let (truth, sync, random) = (Arc::clone(&self.truth), self.store.view(), self.random.fork());
        tokio::spawn(async move {
            let rooms: Vec<RoomId> = (1..).map(RoomId).take(ROOMS as usize).collect();
            loop {
                tokio::time::sleep(Duration::from_millis(random.within(1..6))).await;
                for _ in 0..sync.unsynced() {
                    sync.sync_some(1);
                    truth.lock().observe(&sync, &rooms);
                }
            }
        });
        for user in 1..=USERS {
            let id = Some(UserId(user.cast_signed()));
            store
                .create_user(
                    NewUser {
                        id,
                        ..NewUser::default()
                    },
                    Timestamp(0),
                )
                .await
                .expect("it is new");
        }
        for room in 1..=ROOMS {
            let members = (1..=USERS).filter(|user| (user + room) % 3 != 0);
            let members = members
                .map(|user| (UserId(user.cast_signed()), MemberRole::Member))
                .collect();
            let id = Some(RoomId(room.cast_signed()));
            let new = NewRoom {
                id,
                visibility: Visibility::Open,
                members,
                ..NewRoom::default()
            };
            store.create_room(new, Timestamp(0)).await.expect("it is new");
        }
        for node in 0..self.nodes.len() {
            self.start(node);
        }
    }

    pub(crate) fn note(&mut self, text: &str) {
        let at = self.clock.ms();
        writeln!(self.log, "{at:>7} {text}").expect("a string takes all");
    }

    fn saw(&mut self, client: usize, saw: Saw) {
        let commits = self.truth.lock().commits.len();
        let it = &self.clients[client];
        let (user, session) = (it.user, it.session);
        let at_ms = self.clock.ms();
        self.history.records.push(crate::history::Record {
            at_ms,
            commits,
            client,
            user,
            session,
            saw,
        });
    }

    /// Lets time pass; then everyone reads.
    pub(crate) async fn pass(&mut self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        let at = self.clock.ms();
        for client in &mut self.clients {
            client.read(at, &mut self.history.records);
        }
    }

    fn start(&mut self, node: usize) {
        let place = &mut self.nodes[node];
        place.view.restart();
        let slow = Slow::new(Arc::clone(&place.view), self.random.fork(), self.late);
        let store: Arc<dyn Store> = Arc::new(slow);
        let bus = self.backplane.bus(node);
        let ports = ports::ports(store, bus, self.clock, self.random.fork(), &self.limits);
        let id = format!("node-{node}").into();
        place.node = Some(Node::start(id, ports, Arc::new(Counters::default()), SHARDS));
    }

    /// A node dies: what it had not made durable is gone, and so are its connections.
    fn crash(&mut self, node: usize) {
        self.count(node);
        let place = &mut self.nodes[node];
        place.view.crash();
        place.conns.drain(..).for_each(|conn| conn.abort());
        place.node = None;
        for client in &mut self.clients {
            if client.link.as_ref().is_some_and(|link| link.node == node) {
                client.drop_link();
            }
        }
    }

    /// Adds up what a node counted, at its end.
    fn count(&mut self, node: usize) {
        let Some(node) = &self.nodes[node].node else {
            return;
        };
        let counters = &node.counters;
        let counted = [
            ("lags", &counters.lags),
            ("backfills", &counters.backfills),
            ("reloads", &counters.reloads),
            ("slow closes", &counters.slow_closes),
            ("repeats", &counters.repeats),
            ("bus faults", &counters.bus_faults),
            ("store faults", &counters.faults),
            ("deliveries", &counters.deliveries),
        ];
        for (name, counter) in counted {
            *self.history.counted.entry(name).or_default() += counter.get();
        }
    }

    pub(crate) fn up(&self) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|node| self.nodes[*node].node.is_some())
            .collect()
    }

    fn connect(&mut self, client: usize, node: usize, resume: bool) {
        let Some(serving) = self.nodes[node].node.clone() else {
            return;
        };
        let pipe = Pipe::new(self.random.fork(), Arc::clone(&self.truth));
        let (bytes, read) = mpsc::channel(UNREAD_MAX);
        let task = tokio::spawn(conn::serve(serving, Arc::clone(&pipe), read));
        self.nodes[node].conns.push(task.abort_handle());
        self.clients[client].connect(
            Link {
                bytes,
                pipe,
                node,
                signed_in: false,
            },
            resume,
        );
    }

    async fn happen(&mut self, op: Op) {
        let text = format!("{op:?}");
        self.note(&text);
        *self.history.counted.entry(op.name()).or_default() += 1;
        match op {
            Op::Nothing => {}
            Op::Connect { client, node, resume } => self.connect(client, node, resume),
            Op::Drop { client } => {
                self.clients[client].drop_link();
                self.saw(
                    client,
                    Saw::Over {
                        why: "by the client".to_owned(),
                    },
                );
            }
            Op::Post {
                client,
                room,
                count,
                named,
            } => {
                let mut bytes = Vec::new();
                for _ in 0..count {
                    let (post, saw) = self.clients[client].post(room, named);
                    bytes.extend(post);
                    self.saw(client, saw);
                }
                self.clients[client].say(bytes);
            }
            Op::Retry { client } => {
                if let Some(bytes) = self.clients[client].retry() {
                    self.clients[client].say(bytes);
                }
            }
            Op::Join { client, room, after } => {
                let bytes = self.clients[client].join(room, after);
                self.clients[client].say(bytes);
            }
            Op::Leave { client, room } => {
                let bytes = self.clients[client].leave(room);
                self.clients[client].say(bytes);
            }
            Op::Chatter { client, room } => {
                let bytes = self.clients[client].chatter(room);
                self.clients[client].say(bytes);
            }
            Op::Read { client, reads } => {
                if let Some(link) = &self.clients[client].link {
                    link.pipe.set_reading(reads);
                }
            }
            Op::Wait { ms } => self.pass(ms).await,
            Op::Crash { node } => self.crash(node),
            Op::Start { node } => self.start(node),
            Op::Bus(faults) => self.backplane.set_faults(faults),
            Op::FailAppends { .. } | Op::FailWrites { .. } | Op::Retain { .. } => self.strain(op),
            Op::Operate {
                node,
                user,
                room,
                deed,
            } => self.operate(node, user, room, deed),
        }
    }

    /// The store fails, or forgets on purpose.
    fn strain(&self, op: Op) {
        if let Op::FailAppends { count, injected } = op {
            self.store.fail_appends(count, injected);
        }
        if let Op::FailWrites { count } = op {
            self.store.fail_writes(count, Injected::Broken);
        }
        if let Op::Retain { keep } = op {
            let store = self.store.view();
            tokio::spawn(async move {
                // A store that fails keeps more.
                let _ = store.retain(keep, None).await;
            });
        }
    }

    /// What an operator does, on a node, in its own time.
    fn operate(&mut self, node: usize, user: i64, room: i64, deed: Deed) {
        for client in self.clients.iter_mut().filter(|it| it.user == user) {
            match deed {
                Deed::Ban => client.banned = true,
                Deed::Unban => client.banned = false,
                Deed::Kick | Deed::Add | Deed::Disconnect => {}
            }
        }
        let Some(node) = self.nodes[node].node.clone() else {
            return;
        };
        let by = Operator::api_key("sim".into(), Role::Admin);
        tokio::spawn(async move {
            let (user, room) = (UserId(user), RoomRef::Id(RoomId(room)));
            // Whether it succeeds is not the question; what follows from it is.
            let _ = match deed {
                Deed::Kick => node.remove_member(&by, &room, user).await,
                Deed::Add => node.add_member(&by, &room, user).await,
                Deed::Ban => node.ban(&by, user, "sim".into()).await,
                Deed::Unban => node.unban(&by, user).await,
                Deed::Disconnect => node.disconnect(&by, user).await,
            };
        });
    }

    /// The last fault is over: everybody comes back, and after a while all must be well.
    async fn heal(&mut self) {
        self.note("heal");
        self.backplane.set_faults(Faults::default());
        self.store.heal();
        for node in 0..self.nodes.len() {
            if self.nodes[node].node.is_none() {
                self.start(node);
            }
        }
        self.pass(BANNED_MS).await;
        self.keep_out().await;
        self.pass(3_000).await;
        for round in 0..HEAL_MS / 1_000 {
            for client in 0..self.clients.len() {
                match &self.clients[client].link {
                    Some(link) => link.pipe.set_reading(true),
                    // Nobody comes back in the last rounds, so that whoever is there must be level by itself.
                    None if round < 10 => {
                        let node =
                            usize::try_from(self.random.within(0..self.nodes.len() as u64)).unwrap_or(0);
                        self.connect(client, node, true);
                    }
                    None => {}
                }
            }
            for _ in 0..20 {
                self.pass(50).await;
            }
        }
    }

    /// By now nobody is here who was banned; then everyone may come back.
    async fn keep_out(&mut self) {
        let store = self.store.view();
        for user in (1..=USERS).map(|user| UserId(user.cast_signed())) {
            let banned = store
                .user(UserRef::Id(user))
                .await
                .ok()
                .flatten()
                .is_some_and(|user| user.ban.is_some());
            let here = self
                .clients
                .iter()
                .filter(|it| banned && it.user == user.0 && it.is_signed_in());
            let reading = here.filter(|it| it.link.as_ref().is_some_and(|link| link.pipe.is_reading()));
            self.history.lingering.extend(reading.map(|it| it.index));
            let by = Operator::api_key("sim".into(), Role::Admin);
            if let Some(node) = self.nodes[0].node.clone() {
                let unbanned = node.unban(&by, user).await;
                assert!(unbanned.is_ok(), "a healthy node lets a user in again");
            }
        }
    }

    /// Looks at everyone, has everyone post once more, and looks again.
    async fn end(mut self) -> (History, String) {
        self.look();
        if crate::checks::eventually(&self.history).is_ok() {
            for client in 0..self.clients.len() {
                for room in self.clients[client].rooms() {
                    let (bytes, saw) = self.clients[client].post(room, true);
                    self.saw(client, saw);
                    self.clients[client].say(bytes);
                }
            }
            for _ in 0..100 {
                self.pass(50).await;
            }
            self.look();
            for client in &self.clients {
                let waits = client.sent.iter().filter(|sent| sent.fate == Fate::Waits);
                let due = waits.filter(|sent| {
                    !self
                        .history
                        .truth
                        .left_after(sent.room, client.user, &sent.content)
                });
                let due: Vec<_> = due.map(|sent| sent.content.clone()).collect();
                self.history.unanswered.extend(due);
            }
        }
        (0..self.nodes.len()).for_each(|node| self.count(node));
        for record in &self.history.records {
            writeln!(self.log, "{record}").expect("a string takes all");
        }
        for (index, commit) in self.history.truth.commits.iter().enumerate() {
            writeln!(self.log, "#{index} {commit:?}").expect("a string takes all");
        }
        (self.history, self.log)
    }

    fn look(&mut self) {
        let store = self.store.view();
        let room = |room: i64| {
            use futures_util::FutureExt;
            let page = store.history(RoomId(room), PageFrom::After(Seq::ZERO), u32::MAX);
            let page = page
                .now_or_never()
                .expect("a read in memory does not wait")
                .ok()
                .flatten();
            let messages = page.into_iter().flat_map(|page| page.messages);
            (
                room,
                messages
                    .map(|message| (message.seq.0, message.content.to_string()))
                    .collect(),
            )
        };
        self.history.stored = (1..=ROOMS.cast_signed()).map(room).collect();
        self.history.truth = self.truth.lock().clone();
        let here = self.clients.iter().filter(|client| client.is_signed_in());
        self.history.standing = here
            .map(|client| Standing {
                client: client.index,
                user: client.user,
                session: client.session,
            })
            .collect();
    }
}
