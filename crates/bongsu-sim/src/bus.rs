//! A bus between simulated nodes that loses, repeats and delays what it carries to the others.
//!
//! Invariant: it keeps the contract and no more: on `Ok` the speaker's own node has heard, once and in order; another hears
//! only what it wants, and the broker knows of that a little later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bongsu_bus::{Bus, BusFault, Ear, Health, Heard, Reach, Subject};
use parking_lot::Mutex;

use crate::random::Random;

/// How late a delayed announcement comes at most, in milliseconds.
const LATE_MS: u64 = 700;
/// How late the broker knows of what a node wants, in milliseconds.
const WANT_MS: u64 = 20;
/// How late a node is back at the latest when the broker is, in milliseconds.
const BACK_MS: u64 = 300;

/// What goes wrong with the bus, each in parts of 1,000 deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Delivered to nobody.
    pub(crate) lose: u16,
    /// Delivered once more, later.
    pub(crate) repeat: u16,
    /// Delivered after the next ones.
    pub(crate) delay: u16,
    /// Whether `publish` fails, and nothing is delivered to another node.
    pub(crate) unreachable: bool,
}

/// The backplane.
pub(crate) struct Backplane {
    random: Random,
    /// Whether it can tell who wants something.
    tells_reach: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    faults: Faults,
    /// By number; a node that starts again takes the place of the one before.
    nodes: Vec<Place>,
    /// How many changes of what nodes want there were.
    changes: u64,
}

/// One node, as the broker knows it.
#[derive(Default)]
struct Place {
    ear: Option<Weak<dyn Ear>>,
    /// Which of its starts it is.
    life: u64,
    /// What it has said that it wants.
    asked: BTreeSet<Subject>,
    /// What the broker knows of it, and the change by which it does.
    known: BTreeMap<Subject, (bool, u64)>,
}

impl Place {
    fn lives(&self) -> bool {
        self.ear.as_ref().is_some_and(|ear| ear.strong_count() > 0)
    }

    fn wants(&self, subject: &Subject, node: usize) -> bool {
        match subject {
            Subject::All => true,
            Subject::Node(name) => **name == *name_of(node),
            Subject::Room(_)
            | Subject::User(_)
            | Subject::Device(_)
            | Subject::Watch(_)
            | Subject::Happenings => self.known.get(subject).is_some_and(|(wanted, _)| *wanted),
        }
    }
}

/// The name of a node.
pub(crate) fn name_of(node: usize) -> String {
    format!("node-{node}")
}

/// One node's way to the backplane.
pub(crate) struct SimBus {
    backplane: Arc<Backplane>,
    node: usize,
    life: u64,
}

impl Backplane {
    pub(crate) fn new(random: Random, nodes: usize) -> Arc<Self> {
        let state = State {
            nodes: (0..nodes).map(|_| Place::default()).collect(),
            ..State::default()
        };
        Arc::new(Self {
            tells_reach: random.often(600),
            random,
            state: Mutex::new(state),
        })
    }

    /// What goes wrong from now on. Whoever could not reach it comes back by and by, and is told that it has missed something.
    pub(crate) fn set_faults(self: &Arc<Self>, faults: Faults) {
        let mut state = self.state.lock();
        let back = state.faults.unreachable && !faults.unreachable;
        let lost = !state.faults.unreachable && faults.unreachable;
        state.faults = faults;
        let nodes = state.nodes.len();
        if lost {
            state.nodes.iter_mut().for_each(|place| place.known.clear());
        }
        drop(state);
        for node in (0..nodes).filter(|_| back) {
            let (backplane, ms) = (Arc::clone(self), self.random.within(1..BACK_MS));
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                backplane.comes_back(node).await;
            });
        }
    }

    async fn comes_back(&self, node: usize) {
        let ear = {
            let state = &mut *self.state.lock();
            if state.faults.unreachable {
                return;
            }
            state.changes += 1;
            let place = &mut state.nodes[node];
            let known = |subject: &Subject| (subject.clone(), (true, state.changes));
            place.known = place.asked.iter().map(known).collect();
            place.ear.as_ref().and_then(Weak::upgrade)
        };
        if let Some(ear) = ear {
            ear.missed().await;
        }
    }

    /// The way of a node that starts.
    pub(crate) fn bus(self: &Arc<Self>, node: usize) -> Arc<SimBus> {
        let place = &mut self.state.lock().nodes[node];
        *place = Place {
            life: place.life + 1,
            ..Place::default()
        };
        Arc::new(SimBus {
            backplane: Arc::clone(self),
            node,
            life: place.life,
        })
    }

    fn ear(&self, node: usize) -> Option<Arc<dyn Ear>> {
        self.state.lock().nodes[node].ear.as_ref()?.upgrade()
    }

    /// The other nodes that want a subject, as far as the broker knows.
    fn wanting(&self, subject: &Subject, from: usize) -> Vec<usize> {
        let state = self.state.lock();
        let others = state.nodes.iter().enumerate().filter(|(node, _)| *node != from);
        let wanting = others.filter(|(node, place)| place.lives() && place.wants(subject, *node));
        wanting.map(|(node, _)| node).collect()
    }
}

impl SimBus {
    /// Carries a word to the others that want it, as well as the faults let it; whether there are any.
    fn carry(&self, heard: &Heard, faults: Faults) -> bool {
        let mut any = false;
        for (subject, part) in heard.parts() {
            for node in self.backplane.wanting(&subject, self.node) {
                any = true;
                self.carry_to(node, &part, faults);
            }
        }
        any
    }

    fn carry_to(&self, node: usize, heard: &Heard, faults: Faults) {
        let random = &self.backplane.random;
        if random.often(faults.lose.into()) {
            return;
        }
        let times = if random.often(faults.repeat.into()) { 2 } else { 1 };
        for _ in 0..times {
            let delay = if random.often(faults.delay.into()) {
                random.within(0..LATE_MS)
            } else {
                1
            };
            let (backplane, heard) = (Arc::clone(&self.backplane), heard.clone());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(delay)).await;
                if let Some(ear) = backplane.ear(node) {
                    ear.hear(heard).await;
                }
            });
        }
    }

    async fn say(&self, heard: Heard) -> Result<bool, BusFault> {
        let faults = self.backplane.state.lock().faults;
        let any = !faults.unreachable && self.carry(&heard, faults);
        if let Some(ear) = self.backplane.ear(self.node) {
            ear.hear(heard).await;
        }
        if faults.unreachable {
            return Err(BusFault::Unreachable);
        }
        Ok(any)
    }
}

#[async_trait]
impl Bus for SimBus {
    async fn publish(&self, heard: Heard) -> Result<(), BusFault> {
        self.say(heard).await.map(drop)
    }

    async fn reach(&self, heard: Heard) -> Result<Reach, BusFault> {
        let any = self.say(heard).await?;
        let backplane = &self.backplane;
        tokio::time::sleep(Duration::from_millis(backplane.random.within(1..10))).await;
        let lose = backplane.state.lock().faults.lose;
        if !backplane.tells_reach || backplane.random.often(lose.into()) {
            return Ok(Reach::Unknown);
        }
        Ok(if any { Reach::Somebody } else { Reach::Nobody })
    }

    fn want(&self, subject: Subject, wanted: bool) {
        let backplane = Arc::clone(&self.backplane);
        let (node, life) = (self.node, self.life);
        let number = {
            let state = &mut *backplane.state.lock();
            let place = &mut state.nodes[node];
            if place.life != life {
                return;
            }
            if wanted {
                place.asked.insert(subject.clone());
            } else {
                place.asked.remove(&subject);
            }
            state.changes += 1;
            state.changes
        };
        let ms = backplane.random.within(1..WANT_MS);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            let state = &mut *backplane.state.lock();
            let place = &mut state.nodes[node];
            if place.life != life || state.faults.unreachable {
                return;
            }
            let known = place.known.entry(subject).or_insert((wanted, number));
            if known.1 < number {
                *known = (wanted, number);
            }
        });
    }

    fn listen(&self, ear: Weak<dyn Ear>) {
        self.backplane.state.lock().nodes[self.node].ear = Some(ear);
    }

    fn health(&self) -> Health {
        Health::Well
    }
}
