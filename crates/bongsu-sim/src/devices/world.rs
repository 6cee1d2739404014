//! The world of devices: what happens in it, one thing after the other, and how it is brought to rest.
//!
//! Invariant: one seed, one history. Nothing here asks anything but the seed and the clock.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::bus::Faults;
use bongsu_model::Limits;
use bongsu_model::device::{CommandId, DeviceId};
use bongsu_node::{Counters, Node};
use bongsu_store::{DeviceStore as _, Memory, Store, StoreLimits};
use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::caller::{self, PEOPLE, Question};
use super::clock::{DeviceClock, NodeClock};
use super::conn::{self, Car, Scene, Shell};
use super::defect::DeviceDefect;
use super::device::Device;
use super::ledger::{Ledger, Saw};
use super::op::{self, Mood, Op};
use crate::bus::{Backplane, name_of};
use crate::defect::Defect;
use crate::ports::{self, SimClock};
use crate::random::Random;
use crate::slow::Slow;

/// Devices; the last of them never comes back after the last fault.
pub(super) const CARS: usize = 3;
/// Shards of each node.
const SHARDS: usize = 1;
/// How often a device says that it is there, in milliseconds.
const HEARTBEAT_MS: u64 = 2_000;
/// Until everything must have ended after the last fault: the longest execution, what waits for it, and the sweeper.
const HEAL_MS: u64 = 30_000;

/// One node, up or down.
pub(super) struct Place {
    node: Option<Arc<Node>>,
    view: Arc<Memory>,
    clock: NodeClock,
    conns: Vec<AbortHandle>,
    /// Callers that this node has not answered.
    callers: Vec<(usize, AbortHandle)>,
}

/// Everything that there is.
pub(super) struct World {
    pub(super) random: Random,
    pub(super) nodes: Vec<Place>,
    pub(super) mood: Mood,
    cars: Vec<Car>,
    scene: Scene,
    limits: Arc<Limits>,
    store: Memory,
    backplane: Arc<Backplane>,
    late: u64,
    questions: Vec<Question>,
    open: BTreeSet<CommandId>,
    seen: usize,
    beats_ms: u64,
    log: String,
}

/// Runs a seed through so many things that happen; what was seen, and the log.
#[must_use]
pub fn run(seed: u64, ops: usize) -> (Ledger, String) {
    run_with(seed, ops, None)
}

/// As [`run`], with a defect.
#[must_use]
pub fn run_with(seed: u64, ops: usize, defect: Option<DeviceDefect>) -> (Ledger, String) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing");
    runtime.block_on(async {
        let mut world = World::new(seed, defect);
        world.set_up();
        for _ in 0..ops {
            let op = op::choose(&world);
            world.happen(op).await;
            let pause = world.random.within(0..60);
            world.pass(pause).await;
        }
        world.heal().await;
        world.end()
    })
}

/// Limits so low that time runs out while something happens.
fn limits(defect: Option<DeviceDefect>) -> Limits {
    let sweeps = defect != Some(DeviceDefect::SweeperOff);
    // What a store does that does not fence is seen only where nobody looks into it.
    let looks = defect != Some(DeviceDefect::Unfenced);
    Limits {
        command_retry_ms: 700,
        command_offer_ms: 400,
        command_sweep_ms: if sweeps { 500 } else { Limits::CEILING },
        device_look_ms: if looks { 1_000 } else { Limits::CEILING },
        commands_per_s: 0,
        commands_open_max: 12,
        device_heartbeat_ms: HEARTBEAT_MS,
        device_takeover_ms: 500,
        ..ports::limits()
    }
}

impl World {
    fn new(seed: u64, defect: Option<DeviceDefect>) -> Self {
        let random = Random::new(seed);
        let limits = Arc::new(limits(defect));
        let store = Memory::manual(random.next(), StoreLimits::from(&*limits));
        let count = usize::try_from(random.within(1..4)).unwrap_or(1);
        let clock = SimClock::new();
        let place = |_| Place {
            node: None,
            view: Arc::new(store.view()),
            clock: NodeClock::new(clock),
            conns: Vec::new(),
            callers: Vec::new(),
        };
        let car = |index| {
            let clock = DeviceClock::new(clock, &random);
            Arc::new(Mutex::new(Shell {
                device: Device::new(conn::device_id(index), clock, random.fork(), defect),
                line: None,
                life: 0,
            }))
        };
        Self {
            mood: Mood::new(&random),
            nodes: (0..count).map(place).collect(),
            cars: (0..CARS).map(car).collect(),
            scene: Scene {
                clock,
                ledger: Arc::default(),
                store: Arc::new(store.view()),
                random: random.fork(),
                defect,
                heartbeats_ms: HEARTBEAT_MS * limits.device_heartbeats_missed,
                takeover_ms: limits.device_takeover_ms,
            },
            limits,
            backplane: Backplane::new(random.fork(), count),
            late: if random.often(700) {
                random.within(0..400)
            } else {
                0
            },
            store,
            questions: Vec::new(),
            open: BTreeSet::new(),
            seen: 0,
            beats_ms: 0,
            log: String::new(),
            random,
        }
    }

    fn set_up(&mut self) {
        let (sync, random) = (self.store.view(), self.random.fork());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(random.within(1..8))).await;
                sync.sync();
            }
        });
        for node in 0..self.nodes.len() {
            self.start(node);
        }
    }

    pub(super) fn up(&self) -> Vec<usize> {
        let is_up = |node: &usize| self.nodes[*node].node.is_some();
        (0..self.nodes.len()).filter(is_up).collect()
    }

    pub(super) fn is_away(&self, car: usize) -> bool {
        self.cars[car].lock().line.is_none()
    }

    fn note(&mut self, text: &str) {
        let at = self.scene.clock.ms();
        writeln!(self.log, "{at:>7} {text}").expect("a string takes all");
    }

    /// Lets time pass; devices say that they are there, and whoever looks sees what has ended.
    async fn pass(&mut self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        let now_ms = self.scene.clock.ms();
        if now_ms >= self.beats_ms + HEARTBEAT_MS {
            self.beats_ms = now_ms;
            self.cars.iter().for_each(conn::say_heartbeat);
        }
        self.look();
    }

    /// Sees which commands have ended since.
    fn look(&mut self) {
        {
            let ledger = self.scene.ledger.lock();
            for seen in &ledger.seen[self.seen..] {
                let (Saw::Sent { command, .. } | Saw::Answered { command, .. }) = &seen.saw else {
                    continue;
                };
                self.open.insert(*command);
            }
        }
        let mut ended = Vec::new();
        self.open.retain(|command| {
            let stored = self.scene.store.command(*command).now_or_never();
            let stored = stored.and_then(Result::ok).flatten();
            let over = stored.filter(|stored| stored.state.is_terminal());
            ended.extend(over.as_ref().map(|stored| (*command, stored.state)));
            over.is_none()
        });
        for (command, state) in ended {
            self.scene.saw(Saw::Ended { command, state });
        }
        self.seen = self.scene.ledger.lock().seen.len();
    }

    fn start(&mut self, node: usize) {
        let place = &mut self.nodes[node];
        if place.node.is_some() {
            return;
        }
        place.view.restart();
        let defect = match self.scene.defect {
            Some(DeviceDefect::DebounceAcrossTargets) => Some(Defect::DebounceAcrossTargets),
            Some(DeviceDefect::SupersededAnyway) => Some(Defect::SupersededAnyway),
            Some(DeviceDefect::Unfenced) => Some(Defect::Unfenced),
            Some(
                DeviceDefect::NoDedupe
                | DeviceDefect::DeadlineOnArrival
                | DeviceDefect::EpochIgnored
                | DeviceDefect::RetryAfterTerminal
                | DeviceDefect::SweeperOff,
            )
            | None => None,
        };
        let slow = Slow::new(Arc::clone(&place.view), self.random.fork(), self.late, defect);
        let store: Arc<dyn Store> = Arc::new(slow);
        let bus = self.backplane.bus(node);
        let mut ports = ports::ports(store, bus, self.scene.clock, self.random.fork(), &self.limits);
        ports.clock = Arc::new(place.clock.clone());
        let id = name_of(node).into();
        let started = Node::start(id, ports, Arc::new(Counters::default()), SHARDS);
        started.set_catalogue(caller::catalogue(&self.limits));
        place.node = Some(started);
    }

    /// A node dies: what it had not made durable is gone, and so are its connections and those who wait for it.
    fn crash(&mut self, node: usize) {
        let place = &mut self.nodes[node];
        place.view.crash();
        place.conns.drain(..).for_each(|conn| conn.abort());
        place.node = None;
        let callers: Vec<_> = place.callers.drain(..).collect();
        for (caller, task) in callers {
            self.hang_up(caller, &task);
        }
    }

    fn hang_up(&self, caller: usize, task: &AbortHandle) {
        if !task.is_finished() {
            task.abort();
            self.scene.saw(Saw::HungUp { caller });
        }
    }

    fn connect(&mut self, car: usize, node: usize) {
        let Some(serving) = self.nodes[node].node.clone() else {
            return;
        };
        let (line, hears) = conn::line(&self.scene);
        let car = &self.cars[car];
        conn::say_hello(car, &line);
        let serve = conn::serve(self.scene.clone(), serving, Arc::clone(car), line, hears);
        self.nodes[node].conns.push(tokio::spawn(serve).abort_handle());
    }

    fn drop_line(&self, car: usize, noticed: bool) {
        let line = self.cars[car].lock().line.take();
        if let Some(line) = line.filter(|_| noticed) {
            line.hang_up();
        }
    }

    fn ask(&mut self, node: usize, question: Question) {
        let Some(serving) = self.nodes[node].node.clone() else {
            return;
        };
        let caller = self.questions.len();
        self.questions.push(question.clone());
        self.scene.saw(Saw::Asked {
            caller,
            key: (question.by.into(), question.run.key.clone()),
            name: Arc::clone(&question.run.name),
        });
        let ask = caller::ask(self.scene.clone(), serving, caller, question);
        let task = tokio::spawn(ask).abort_handle();
        let callers = &mut self.nodes[node].callers;
        callers.retain(|(_, task)| !task.is_finished());
        callers.push((caller, task));
    }

    /// One that was asked already, if any was.
    fn asked(&self, which: u64) -> Option<Question> {
        let count = u64::try_from(self.questions.len()).unwrap_or(u64::MAX);
        let place = usize::try_from(which.checked_rem(count)?).unwrap_or(0);
        self.questions.get(place).cloned()
    }

    async fn happen(&mut self, op: Op) {
        self.note(&format!("{op:?}"));
        self.scene.ledger.lock().count(op.name());
        match op {
            Op::Wait { ms } => self.pass(ms).await,
            Op::Ask { node, car, times } => {
                for _ in 0..times {
                    let number = self.questions.len();
                    let question = caller::question(&self.random, conn::device_id(car), number);
                    self.ask(node, question);
                }
            }
            Op::AskAgain { node, which } => {
                if let Some(question) = self.asked(which) {
                    self.ask(node, question);
                }
            }
            Op::HangUp { which } => {
                let callers: Vec<_> = self.nodes.iter().flat_map(|place| &place.callers).collect();
                let place = usize::try_from(which).unwrap_or(0).checked_rem(callers.len());
                if let Some((caller, task)) = place.map(|place| callers[place]) {
                    self.hang_up(*caller, task);
                }
            }
            Op::Cancel { node, which } => self.cancel(node, which),
            Op::Lease {
                node,
                car,
                who,
                ttl_ms,
            } => {
                if let Some(serving) = self.nodes[node].node.clone() {
                    let whose = (PEOPLE[who], conn::device_id(car));
                    tokio::spawn(caller::lease(self.scene.clone(), serving, whose, ttl_ms));
                }
            }
            Op::Connect { car, node } => self.connect(car, node),
            Op::Drop { car, noticed } => self.drop_line(car, noticed),
            Op::Stall { car, stalls } => {
                if let Some(line) = &self.cars[car].lock().line {
                    line.stall(stalls);
                }
            }
            Op::Restart { car } => {
                self.drop_line(car, true);
                let mut shell = self.cars[car].lock();
                shell.life += 1;
                shell.device.restart();
            }
            Op::DeviceClock { car } => self.cars[car].lock().device.clock.jump(&self.random),
            Op::NodeClock { node } => self.nodes[node].clock.jump(&self.random),
            Op::Crash { node } => self.crash(node),
            Op::Start { node } => self.start(node),
            Op::Bus(faults) => self.backplane.set_faults(faults),
            Op::FailWrites { count, injected } => self.store.fail_writes(count, injected),
        }
    }

    fn cancel(&self, node: usize, which: u64) {
        let open: Vec<_> = self.open.iter().copied().collect();
        let place = usize::try_from(which).unwrap_or(0).checked_rem(open.len());
        if let (Some(place), Some(serving)) = (place, self.nodes[node].node.clone()) {
            tokio::spawn(caller::cancel(serving, open[place]));
        }
    }

    /// The last fault is over: everybody but one device comes back, and after a while all must have ended.
    async fn heal(&mut self) {
        self.note("heal");
        self.backplane.set_faults(Faults::default());
        self.store.heal();
        (0..self.nodes.len()).for_each(|node| self.start(node));
        for car in 0..CARS {
            if let Some(line) = &self.cars[car].lock().line {
                line.stall(false);
            }
        }
        self.drop_line(CARS - 1, false);
        for round in 0..HEAL_MS / 500 {
            for car in 0..CARS - 1 {
                if round % 4 == 0 && self.is_away(car) {
                    let node = usize::try_from(self.random.within(0..self.nodes.len() as u64)).unwrap_or(0);
                    self.connect(car, node);
                }
            }
            self.pass(500).await;
        }
    }

    /// What the store has in the end, and the log.
    fn end(mut self) -> (Ledger, String) {
        self.look();
        let mut ledger = self.scene.ledger.lock().clone();
        for car in 0..CARS {
            let device = conn::device_id(car);
            ledger.commands.extend(self.stored(&device));
            let shadow = self.scene.store.shadow(device.clone()).now_or_never();
            let shadow = shadow.and_then(Result::ok).flatten();
            ledger.shadows.extend(shadow.map(|shadow| (device, shadow)));
        }
        for seen in &ledger.seen {
            writeln!(self.log, "{seen}").expect("a string takes all");
        }
        for command in &ledger.commands {
            writeln!(self.log, "{command:?}").expect("a string takes all");
        }
        (ledger, self.log)
    }

    fn stored(&self, device: &DeviceId) -> Vec<bongsu_model::device::Command> {
        let stored = self.scene.store.commands(device.clone(), None, u32::MAX);
        let stored = stored.now_or_never().expect("a read in memory does not wait");
        stored.expect("a healthy store answers")
    }
}
