//! The world of displays: what happens in it, one thing after the other, and how it is brought to rest.
//!
//! Invariant: one seed, one history. Nothing here asks anything but the seed and the clock.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::bus::Faults;
use bongsu_model::device::DeviceId;
use bongsu_model::display::{Preset, PresetId, Program};
use bongsu_model::{Limits, Role};
use bongsu_node::devices::{Wait, WaitFor};
use bongsu_node::displays::RunPreset;
use bongsu_node::ports::AddressRange;
use bongsu_node::usecases::operate::Operator;
use bongsu_node::{Clock as _, Counters, Node};
use bongsu_store::{DeviceStore as _, Memory, Store, StoreLimits};
use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::defect::DisplayDefect;
use super::ledger::{Kind, Ledger, Saw, line_of};
use super::link::{self, Link, Scene};
use super::op::{self, Op};
use super::screen::{self, Manner, Screen, Shown};
use crate::bus::{Backplane, name_of};
use crate::defect::Defect;
use crate::ports::{self, SimClock};
use crate::random::Random;
use crate::slow::Slow;

/// Names that displays claim.
const NAMES: usize = 3;
/// Displays: of the first names there are two each.
pub(super) const SCREENS: usize = 5;
/// Shards of each node.
const SHARDS: usize = 1;
/// How often a display says that it is there, in milliseconds.
const HEARTBEAT_MS: u64 = 2_000;
/// Until everything must have ended after the last fault: the longest program, and the sweeper.
const HEAL_MS: u64 = 26_000;

/// One node, up or down.
pub(super) struct Place {
    node: Option<Arc<Node>>,
    view: Arc<Memory>,
    links: Vec<(Arc<Link>, AbortHandle)>,
    /// Calls that this node has not answered.
    calls: Vec<(usize, AbortHandle)>,
}

/// Everything that there is.
pub(super) struct World {
    pub(super) random: Random,
    pub(super) nodes: Vec<Place>,
    /// Whether nodes may hear each other badly.
    pub(super) is_deaf: bool,
    /// Whether of the displays of one name some know commands by their ids, and some do not: who follows another then knows
    /// nothing of what that one was told.
    pub(super) is_mixed: bool,
    screens: Vec<Shown>,
    scene: Scene,
    limits: Arc<Limits>,
    store: Memory,
    backplane: Arc<Backplane>,
    late: u64,
    links: usize,
    calls: usize,
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
pub fn run_with(seed: u64, ops: usize, defect: Option<DisplayDefect>) -> (Ledger, String) {
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
            world.happen(op);
            let pause = if let Op::Wait { ms } = op {
                ms
            } else {
                world.random.within(0..120)
            };
            world.pass(pause).await;
        }
        world.heal().await;
        world.end()
    })
}

/// Limits so low that time runs out while something happens.
fn limits(defect: Option<DisplayDefect>) -> Limits {
    let ends = defect != Some(DisplayDefect::Endless);
    // What a store does that does not fence is seen only where nobody looks into it.
    let looks = defect != Some(DisplayDefect::Unfenced);
    Limits {
        command_retry_ms: 700,
        command_offer_ms: 400,
        command_sweep_ms: 500,
        device_look_ms: if looks { 1_000 } else { Limits::CEILING },
        commands_per_s: 0,
        device_takeover_ms: 500,
        display_heartbeat_ms: HEARTBEAT_MS,
        display_silent_ms: 9_000,
        display_check_ms: 5_000,
        display_reports_apart_ms: 100,
        display_stop_ttl_ms: 6_000,
        command_execution_ms: 6_000,
        display_program_ms_max: if ends { 10_000 } else { 10_000_000 },
        ..ports::limits()
    }
}

fn name(index: usize) -> DeviceId {
    DeviceId::parse(&format!("Display_{index:02}")).expect("its characters are allowed")
}

/// A kind that differs in whether it knows commands by their ids.
const fn other(kind: Kind) -> Kind {
    match kind {
        Kind::Guide => Kind::Ids,
        Kind::Ids | Kind::Barrier => Kind::Guide,
    }
}

impl World {
    fn new(seed: u64, defect: Option<DisplayDefect>) -> Self {
        let random = Random::new(seed);
        let limits = Arc::new(limits(defect));
        let store = Memory::manual(random.next(), StoreLimits::from(&*limits));
        let count = usize::try_from(random.within(1..4)).unwrap_or(1);
        let place = |_| Place {
            node: None,
            view: Arc::new(store.view()),
            links: Vec::new(),
            calls: Vec::new(),
        };
        let kinds: Vec<Kind> = (0..NAMES)
            .map(|_| match random.within(0..10) {
                0..3 => Kind::Guide,
                3..5 => Kind::Ids,
                _ => Kind::Barrier,
            })
            .collect();
        let is_mixed = count == 1 && random.often(400);
        let memories: Vec<Arc<Mutex<screen::Memory>>> = (0..SCREENS).map(|_| Arc::default()).collect();
        let shown = |index: usize| {
            Arc::new(Mutex::new(Screen {
                name: name(index % NAMES),
                kind: if is_mixed && index >= NAMES {
                    other(kinds[index % NAMES])
                } else {
                    kinds[index % NAMES]
                },
                manner: Manner::Prompt,
                link: None,
                memory: Arc::clone(&memories[if is_mixed { index } else { index % NAMES }]),
            }))
        };
        Self {
            nodes: (0..count).map(place).collect(),
            is_deaf: random.often(300),
            is_mixed,
            screens: (0..SCREENS).map(shown).collect(),
            scene: Scene {
                clock: SimClock::new(),
                ledger: Arc::default(),
                random: random.fork(),
                // A dialect lasts for as long as the process: so a world leaves this behind.
                words: Box::leak(Box::default()),
                defect,
                links: Arc::default(),
            },
            limits,
            backplane: Backplane::new(random.fork(), count),
            late: if random.often(700) {
                random.within(0..400)
            } else {
                0
            },
            store,
            links: 0,
            calls: 0,
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

    pub(super) fn is_away(&self, screen: usize) -> bool {
        self.screens[screen].lock().link.is_none()
    }

    fn note(&mut self, text: &str) {
        let at = self.scene.clock.now().0;
        writeln!(self.log, "{at} {text}").expect("a string takes all");
    }

    /// Lets time pass; displays say that they are there.
    async fn pass(&mut self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        let now_ms = self.scene.clock.ms();
        if now_ms >= self.beats_ms + HEARTBEAT_MS {
            self.beats_ms = now_ms;
            let defect = self.scene.defect;
            self.screens.iter().for_each(|shown| screen::beat(shown, defect));
        }
    }

    fn start(&mut self, node: usize) {
        let place = &mut self.nodes[node];
        if place.node.is_some() {
            return;
        }
        place.view.restart();
        let defect = match self.scene.defect {
            Some(DisplayDefect::EndsForgotten) => Some(Defect::EndsForgotten),
            Some(DisplayDefect::Unfenced) => Some(Defect::Unfenced),
            Some(_) | None => None,
        };
        let slow = Slow::new(Arc::clone(&place.view), self.random.fork(), self.late, defect);
        let store: Arc<dyn Store> = Arc::new(slow);
        let bus = self.backplane.bus(node);
        let mut ports = ports::ports(store, bus, self.scene.clock, self.random.fork(), &self.limits);
        let here = AddressRange::parse("127.0.0.0/8").expect("it is a range");
        ports.policy.display_ranges = [here].into();
        let id = name_of(node).into();
        place.node = Some(Node::start(id, ports, Arc::new(Counters::default()), SHARDS));
    }

    /// A node dies: what it had not made durable is gone, and so are its connections and those who wait for it.
    fn crash(&mut self, node: usize) {
        let place = &mut self.nodes[node];
        if place.node.take().is_none() {
            return;
        }
        place.view.crash();
        for (link, serving) in place.links.drain(..) {
            serving.abort();
            link.ends();
        }
        for (call, task) in place.calls.drain(..) {
            if !task.is_finished() {
                task.abort();
                self.scene.saw(Saw::HungUp { call });
            }
        }
    }

    fn connect(&mut self, screen: usize, node: usize) {
        self.leave(screen, self.random.often(500));
        let Some(serving) = self.nodes[node].node.clone() else {
            return;
        };
        let shown = &self.screens[screen];
        let (claimed, kind) = {
            let screen = shown.lock();
            (screen.name.clone(), screen.kind)
        };
        let (link, hears) = Link::new(&self.scene, self.links, claimed.clone());
        self.links += 1;
        shown.lock().link = Some(Arc::clone(&link));
        self.scene.links.lock().push(Arc::clone(&link));
        self.scene.saw(Saw::Claimed {
            link: link.number,
            name: claimed,
            node,
            kind,
        });
        tokio::spawn(screen::run(
            self.scene.clone(),
            Arc::clone(shown),
            Arc::clone(&link),
        ));
        let serve = link::serve(self.scene.clone(), serving, Arc::clone(&link), hears);
        let links = &mut self.nodes[node].links;
        links.retain(|(link, _)| !link.is_over());
        links.push((link, tokio::spawn(serve).abort_handle()));
    }

    fn leave(&self, screen: usize, noticed: bool) {
        match self.screens[screen].lock().link.take() {
            Some(link) if noticed => link.hang_up(),
            Some(link) => link.leave(),
            None => {}
        }
    }

    fn happen(&mut self, op: Op) {
        self.note(&format!("{op:?}"));
        self.scene.ledger.lock().count(op.name());
        match op {
            Op::Wait { .. } => {}
            Op::Connect { screen, node } => self.connect(screen, node),
            Op::Leave { screen, noticed } => self.leave(screen, noticed),
            Op::Stall { screen, stalls } => {
                if let Some(link) = &self.screens[screen].lock().link {
                    link.stall(stalls);
                }
            }
            Op::Manner { screen, manner } => self.screens[screen].lock().manner = manner,
            Op::Run {
                node,
                barrier,
                start_ms,
                ttl_ms,
            } => self.run_preset(node, barrier, start_ms, ttl_ms),
            Op::Crash { node } => self.crash(node),
            Op::Start { node } => self.start(node),
            Op::Bus(faults) => {
                self.scene.ledger.lock().deaf = true;
                self.backplane.set_faults(faults);
            }
        }
    }

    /// The last fault is over: each name is claimed by one display that answers, and after a while all must have ended.
    async fn heal(&mut self) {
        self.note("heal");
        self.backplane.set_faults(Faults::default());
        (0..self.nodes.len()).for_each(|node| self.start(node));
        for (index, shown) in self.screens.iter().enumerate() {
            if index >= NAMES {
                self.leave(index, true);
                continue;
            }
            let mut screen = shown.lock();
            screen.manner = Manner::Prompt;
            if let Some(link) = &screen.link {
                link.stall(false);
            }
        }
        for round in 0..HEAL_MS / 500 {
            for screen in 0..NAMES {
                if round % 4 == 0 && self.is_away(screen) {
                    let node = usize::try_from(self.random.within(0..self.nodes.len() as u64)).unwrap_or(0);
                    self.connect(screen, node);
                }
            }
            self.pass(500).await;
        }
    }

    /// What the store has in the end, and the log.
    fn end(mut self) -> (Ledger, String) {
        let mut ledger = self.scene.ledger.lock().clone();
        ledger.mixed = self.is_mixed;
        ledger.until = self.scene.clock.now();
        for device in (0..NAMES).map(name) {
            let stored = self.scene_commands(&device);
            ledger.commands.extend(stored);
            ledger.expected.insert(device);
        }
        for seen in &ledger.seen {
            writeln!(self.log, "{seen}").expect("a string takes all");
        }
        for command in &ledger.commands {
            writeln!(self.log, "{command:?}").expect("a string takes all");
        }
        (ledger, self.log)
    }

    fn scene_commands(&self, device: &DeviceId) -> Vec<bongsu_model::device::Command> {
        let stored = self
            .store
            .view()
            .commands(device.clone(), None, u32::MAX)
            .now_or_never();
        let stored = stored.expect("a read in memory does not wait");
        stored.expect("a healthy store answers")
    }

    fn run_preset(&mut self, node: usize, barrier: bool, start_ms: Option<u64>, ttl_ms: u64) {
        let Some(serving) = self.nodes[node].node.clone() else {
            return;
        };
        let call = self.calls;
        self.calls += 1;
        let names: Vec<_> = (0..NAMES).filter(|_| self.random.often(800)).map(name).collect();
        if names.is_empty() {
            return;
        }
        let now = self.scene.clock.now();
        let program = Program::new(&line_of(call));
        let preset = |names: &[DeviceId]| Preset {
            id: PresetId(i64::try_from(call).unwrap_or(i64::MAX)),
            name: line_of(call).into(),
            displays: names.iter().map(|name| (name.clone(), program.clone())).collect(),
            created_at: now,
            updated_at: now,
        };
        let start_at = start_ms.map(|ms| now.plus_ms(ms));
        let run = |names: &[DeviceId], barrier| RunPreset {
            preset: preset(names),
            displays: None,
            barrier,
            start_at,
            ttl_ms: Some(ttl_ms),
            key: None,
            from: None,
        };
        let (mut first, mut then) = (Vec::new(), names.clone());
        if barrier && self.scene.defect == Some(DisplayDefect::GuidesFirst) {
            let barrier = |shown: &Shown| shown.lock().kind == Kind::Barrier;
            let knows = |it: &DeviceId| (0..NAMES).any(|at| name(at) == *it && barrier(&self.screens[at]));
            (then, first) = names.iter().cloned().partition(knows);
        }
        let behind = barrier && self.scene.defect != Some(DisplayDefect::NoBarrier);
        let runs: Vec<_> = [(first, false), (then, behind)]
            .into_iter()
            .filter(|(names, _)| !names.is_empty())
            .map(|(names, behind)| run(&names, behind))
            .collect();
        self.scene.saw(Saw::Asked {
            call,
            node,
            barrier,
            names,
        });
        let until = if self.random.often(500) {
            WaitFor::Running
        } else {
            WaitFor::Done
        };
        let timeout_ms = self.random.often(300).then(|| self.random.within(100..4_000));
        let wait = Wait { until, timeout_ms };
        let task = tokio::spawn(ask(self.scene.clone(), serving, call, runs, wait)).abort_handle();
        let calls = &mut self.nodes[node].calls;
        calls.retain(|(_, task)| !task.is_finished());
        calls.push((call, task));
    }
}

/// Asks a node, and writes down what it answers.
async fn ask(scene: Scene, node: Arc<Node>, call: usize, runs: Vec<RunPreset>, wait: Wait) {
    let by = Operator::api_key("kim".into(), Role::Admin);
    let mut commands = Vec::new();
    let asked = runs.into_iter().map(|run| node.run_preset(&by, run, wait));
    for answer in futures_util::future::join_all(asked).await {
        let each = answer.unwrap_or_default();
        for (_, result) in each {
            match result {
                Ok(ran) => commands.push((ran.command.id, ran.command.state)),
                Err(refusal) => scene.ledger.lock().count(refusal.code.name()),
            }
        }
    }
    if scene.defect != Some(DisplayDefect::Unanswered) {
        scene.saw(Saw::Answered { call, commands });
    }
}
