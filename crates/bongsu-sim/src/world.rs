//! The world: nodes on one store, clients of every protocol, and what goes wrong, all from one seed on one paused clock.
//!
//! Invariant: one seed, one history. Nothing here asks anything but the seed and the clock.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::bus::Faults;
use bongsu_model::records::{MemberRole, Membership, NewRoom, NewUser, Visibility};
use bongsu_model::{Limits, PageFrom, Recover, Role, RoomId, RoomRef, Seq, Timestamp, UserId, UserRef};
use bongsu_node::usecases::operate::Operator;
use bongsu_node::{Counters, Node};
use bongsu_store::memory::Injected;
use bongsu_store::{Memory, Store, StoreLimits};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::again;
use crate::bus::{Backplane, name_of};
use crate::client::{Client, Fate, Link};
use crate::conn::{self, Guest};
use crate::defect::Defect;
use crate::dialect;
use crate::history::{History, Saw, Stage, Standing};
use crate::line::Pipe;
use crate::op::{self, Deed, Op};
use crate::ports::{self, SimClock};
use crate::random::Random;
use crate::slow::Slow;
use crate::tongue::{self, Tongue};
use crate::truth::Truth;

/// Users; some have two devices.
pub(crate) const USERS: u64 = 6;
/// Clients: one for each user, then second devices.
const CLIENTS: u64 = 8;
/// Rooms whose memberships last, all open.
pub(crate) const ROOMS: u64 = 3;
/// A room whose memberships end with the member's last session; the one after it comes into being by its name.
const SESSION_ROOM: i64 = 4;
/// Shards of each node.
const SHARDS: usize = 2;
/// Requests that a client may have sent and the server not read.
const UNREAD_MAX: usize = 64;
/// How long a node that is told to stop lets the others finish what is under way, in milliseconds.
const STOP_MS: u64 = 50;
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

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    /// Clients of the action protocol on byte streams, in rooms whose memberships last: the world in which the older of
    /// the kept seeds were found.
    Plain,
    /// Clients of both protocols, all rooms, application events, blocks.
    Mixed,
    /// Clients that take their sessions up again, on servers that are also stopped and started as they should be.
    Again,
}

/// Everything that there is.
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) cast: Cast,
    /// Rooms there are, or may come to be.
    pub(crate) rooms: u64,
    defect: Option<Defect>,
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
    run_with(seed, ops, Cast::Mixed, None)
}

/// As [`run`], with another cast, or a defect.
#[must_use]
pub fn run_with(seed: u64, ops: usize, cast: Cast, defect: Option<Defect>) -> (History, String) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing");
    runtime.block_on(async {
        let mut world = World::new(seed, cast, defect);
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

/// One client for each user, then second devices; what each speaks is its own for ever.
fn clients(seed: u64, cast: Cast) -> Vec<Client> {
    let random = Random::new(!seed);
    let client = |index: u64| {
        let user = (index % USERS).cast_signed() + 1;
        let tongue = match (cast, random.within(0..10)) {
            (Cast::Plain | Cast::Again, _) | (Cast::Mixed, 0..4) => Tongue::Lines,
            (Cast::Mixed, 4..6) => Tongue::ActionFrames,
            (Cast::Mixed, _) => Tongue::TypeFrames,
        };
        Client::new(usize::try_from(index).unwrap_or(0), user, tongue, random.fork())
    };
    (0..CLIENTS).map(client).collect()
}

impl World {
    fn new(seed: u64, cast: Cast, defect: Option<Defect>) -> Self {
        let random = Random::new(seed);
        let limits = Arc::new(match cast {
            Cast::Plain => ports::limits(),
            Cast::Mixed => ports::mixed_limits(defect),
            Cast::Again => ports::again_limits(),
        });
        let store = Memory::manual(random.next(), StoreLimits::from(&*limits));
        let count = usize::try_from(random.within(1..4)).unwrap_or(1);
        let backplane = Backplane::new(random.fork(), count);
        let nodes = (0..count).map(|_| Place {
            node: None,
            view: Arc::new(store.view()),
            conns: Vec::new(),
        });
        let retains = random.often(300);
        // Presence is each node's own, so memberships of sessions are for worlds of one node.
        let session_rooms = if cast == Cast::Mixed && count == 1 {
            vec![SESSION_ROOM, SESSION_ROOM + 1]
        } else {
            Vec::new()
        };
        Self {
            nodes: nodes.collect(),
            clients: clients(seed, cast),
            cast,
            rooms: ROOMS + session_rooms.len() as u64,
            defect,
            retains,
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
            history: History {
                stage: Stage {
                    nodes: count,
                    retains,
                    session_rooms,
                    grace_ms: ports::GRACE_MS,
                    absent: None,
                },
                ..History::default()
            },
            log: String::new(),
            random,
        }
    }

    /// Users and rooms, the nodes, and someone who makes writes durable.
    async fn set_up(&mut self) {
        let store = self.store.view();
        let (truth, sync, random) = (Arc::clone(&self.truth), self.store.view(), self.random.fork());
        let (clock, rooms) = (self.clock, self.rooms);
        tokio::spawn(async move {
            let rooms: Vec<RoomId> = (1..=rooms.cast_signed()).map(RoomId).collect();
            loop {
                tokio::time::sleep(Duration::from_millis(random.within(1..6))).await;
                for _ in 0..sync.unsynced() {
                    sync.sync_some(1);
                    truth.lock().observe(&sync, &rooms, clock.ms());
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
            let id = RoomId(room.cast_signed());
            let new = NewRoom {
                id: Some(id),
                name: tongue::name(id.0).map(Into::into),
                visibility: Visibility::Open,
                members,
                ..NewRoom::default()
            };
            store.create_room(new, Timestamp(0)).await.expect("it is new");
        }
        if self.history.stage.session_rooms.contains(&SESSION_ROOM) {
            let new = NewRoom {
                id: Some(RoomId(SESSION_ROOM)),
                name: tongue::name(SESSION_ROOM).map(Into::into),
                visibility: Visibility::Open,
                membership: Membership::Session,
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
        let view = Arc::clone(&place.view);
        let slow = Slow::new(view, self.random.fork(), self.late, self.defect);
        let store: Arc<dyn Store> = Arc::new(slow);
        let bus = self.backplane.bus(node);
        let ports = ports::ports(store, bus, self.clock, self.random.fork(), &self.limits);
        let id = name_of(node).into();
        place.node = Some(Node::start(id, ports, Arc::new(Counters::default()), SHARDS));
    }

    /// A node dies: what it had not made durable is gone, and so are its connections.
    fn crash(&mut self, node: usize) {
        self.count(node);
        self.truth.lock().died(node, self.clock.ms());
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

    /// A node is told to stop, and goes when everybody has gone, or after a while.
    async fn stop(&mut self, node: usize) {
        self.count(node);
        let Some(stops) = self.nodes[node].node.take() else {
            return;
        };
        let stopping = tokio::spawn(async move { stops.stop(STOP_MS).await });
        while !stopping.is_finished() {
            self.pass(20).await;
        }
        // Whoever did not read that it is over finds out now.
        self.crash(node);
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
        let it = &self.clients[client];
        let again = self.cast == Cast::Again;
        let (dialect, recover) = if again {
            (again::dialect(self.defect), it.memory.ask(resume, self.defect))
        } else {
            (dialect::of(it.tongue, self.defect), Recover::No)
        };
        let guest = Guest {
            node,
            user: it.user,
            tongue: it.tongue,
            dialect,
            recover,
            truth: Arc::clone(&self.truth),
            clock: self.clock,
        };
        let task = tokio::spawn(conn::serve(serving, Arc::clone(&pipe), read, guest));
        self.nodes[node].conns.push(task.abort_handle());
        self.clients[client].connect(
            Link {
                bytes,
                pipe,
                node,
                signed_in: false,
            },
            resume,
            again,
        );
        self.saw(client, Saw::Dialled { node });
    }

    /// The client is gone without a word.
    fn drop_client(&mut self, client: usize) {
        self.clients[client].drop_link();
        let why = "by the client".to_owned();
        self.saw(client, Saw::Over { why });
    }

    async fn happen(&mut self, op: Op) {
        let text = format!("{op:?}");
        self.note(&text);
        *self.history.counted.entry(op.name()).or_default() += 1;
        match op {
            Op::Nothing => {}
            Op::Connect { client, node, resume } => self.connect(client, node, resume),
            Op::Drop { client } => self.drop_client(client),
            Op::Post { .. }
            | Op::Retry { .. }
            | Op::Join { .. }
            | Op::Leave { .. }
            | Op::Chatter { .. }
            | Op::Emit { .. }
            | Op::Block { .. }
            | Op::Break { .. }
            | Op::Goodbye { .. } => self.ask(op),
            Op::Read { client, reads } => {
                if let Some(link) = &self.clients[client].link {
                    link.pipe.set_reading(reads);
                }
            }
            Op::Wait { ms } => self.pass(ms).await,
            Op::Crash { node } => self.crash(node),
            Op::Stop { node } => self.stop(node).await,
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

    /// A client asks for something.
    fn ask(&mut self, op: Op) {
        match op {
            Op::Post {
                client,
                room,
                count,
                named,
            } => self.each(client, count, |it| it.post(room, named)),
            Op::Emit {
                client,
                room,
                key,
                count,
            } => self.each(client, count, |it| it.emit(room, key)),
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
                self.each(client, 1, |it| (it.leave(room), Saw::Leaving { room }));
            }
            Op::Chatter { client, room } => {
                let bytes = self.clients[client].chatter(room);
                self.clients[client].say(bytes);
            }
            Op::Block { client, user } => {
                if let Some((bytes, saw)) = self.clients[client].block(user) {
                    self.saw(client, saw);
                    self.clients[client].say(bytes);
                }
            }
            Op::Break {
                client,
                room,
                per_mille,
            } => {
                let (mut bytes, saw) = self.clients[client].post(room, true);
                bytes.truncate(bytes.len() * usize::try_from(per_mille).unwrap_or(0) / 1_000);
                self.saw(client, saw);
                self.clients[client].say(bytes);
                self.drop_client(client);
            }
            Op::Goodbye { client } => {
                if let Some(bytes) = self.clients[client].goodbye() {
                    self.clients[client].say(bytes);
                }
            }
            Op::Nothing
            | Op::Connect { .. }
            | Op::Drop { .. }
            | Op::Read { .. }
            | Op::Wait { .. }
            | Op::Crash { .. }
            | Op::Stop { .. }
            | Op::Start { .. }
            | Op::Bus(_)
            | Op::FailAppends { .. }
            | Op::FailWrites { .. }
            | Op::Retain { .. }
            | Op::Operate { .. } => {}
        }
    }

    /// A client says several things at once.
    fn each(&mut self, client: usize, count: u64, mut say: impl FnMut(&mut Client) -> (Vec<u8>, Saw)) {
        let mut bytes = Vec::new();
        for _ in 0..count {
            let (said, saw) = say(&mut self.clients[client]);
            bytes.extend(said);
            self.saw(client, saw);
        }
        self.clients[client].say(bytes);
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
        // Read by read: a line that took half of a goodbye takes the other half after the next.
        for _ in 0..BANNED_MS / 50 {
            self.pass(50).await;
        }
        self.keep_out().await;
        self.pass(3_000).await;
        for round in 0..HEAL_MS / 1_000 {
            self.depart(round);
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

    /// Everybody joins the room of sessions; later one user goes away for good.
    fn depart(&mut self, round: u64) {
        if self.history.stage.session_rooms.is_empty() {
            return;
        }
        if round == 6 {
            for client in self.clients.iter_mut().filter(|it| it.is_signed_in()) {
                let bytes = client.join(SESSION_ROOM, None);
                client.say(bytes);
            }
        }
        if round == 12 {
            let user = self.random.within(1..USERS + 1).cast_signed();
            self.history.stage.absent = Some((user, self.clock.ms()));
            let of_user = |it: &usize| self.clients[*it].user == user && self.clients[*it].link.is_some();
            let gone: Vec<_> = (0..self.clients.len()).filter(of_user).collect();
            for client in gone {
                self.drop_client(client);
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
            let absent = self.history.stage.absent.map(|it| it.0);
            for client in 0..self.clients.len() {
                if absent == Some(self.clients[client].user) {
                    continue;
                }
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
        if self.cast == Cast::Again {
            let taken_up = |wanted| {
                let is = |saw: &Saw| matches!(saw, Saw::Connected { again, .. } if *again == wanted);
                let all = self.history.records.iter().filter(|record| is(&record.saw));
                all.count() as u64
            };
            let (up, not_up) = (taken_up(true), taken_up(false));
            self.history.counted.insert("sessions taken up", up);
            self.history.counted.insert("sessions begun anew", not_up);
        }
        if self.cast == Cast::Mixed {
            let pongs = self.clients.iter().map(Client::pongs).sum();
            self.history.counted.insert("pings between fragments", pongs);
            self.count_crossings();
            crate::checks::count(&mut self.history);
        }
        for record in &self.history.records {
            writeln!(self.log, "{record}").expect("a string takes all");
        }
        for (index, commit) in self.history.truth.commits.iter().enumerate() {
            writeln!(self.log, "#{index} {commit:?}").expect("a string takes all");
        }
        (self.history, self.log)
    }

    /// How many messages came from the one protocol to the other.
    fn count_crossings(&mut self) {
        let is_typed = |client: usize| self.clients[client].tongue == Tongue::TypeFrames;
        let (mut there, mut back) = (0, 0);
        for record in &self.history.records {
            let Saw::Message { content, .. } = &record.saw else {
                continue;
            };
            let sender = content.split('.').next().and_then(|index| index.parse().ok());
            match (sender.map(is_typed), is_typed(record.client)) {
                (Some(false), true) => there += 1,
                (Some(true), false) => back += 1,
                (Some(_) | None, _) => {}
            }
        }
        let counted = &mut self.history.counted;
        counted.insert("messages from action to type", there);
        counted.insert("messages from type to action", back);
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
        self.history.stored = (1..=self.rooms.cast_signed()).map(room).collect();
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
