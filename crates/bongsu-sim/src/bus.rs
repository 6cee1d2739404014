//! A bus between simulated nodes that loses, repeats and delays what it carries to the others.
//!
//! Invariant: it keeps the contract and no more: on `Ok` the speaker's own node has heard, once and in order.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bongsu_bus::{Bus, BusFault, Ear, Health, Heard, Reach, Subject};
use parking_lot::Mutex;

use crate::random::Random;

/// How late a delayed announcement comes at most, in milliseconds.
const LATE_MS: u64 = 700;

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
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    faults: Faults,
    /// By node; a node that starts again takes the place of the one before.
    ears: Vec<Option<Weak<dyn Ear>>>,
}

/// One node's way to the backplane.
pub(crate) struct SimBus {
    backplane: Arc<Backplane>,
    node: usize,
}

impl Backplane {
    pub(crate) fn new(random: Random, nodes: usize) -> Arc<Self> {
        let state = State {
            faults: Faults::default(),
            ears: vec![None; nodes],
        };
        Arc::new(Self {
            random,
            state: Mutex::new(state),
        })
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        self.state.lock().faults = faults;
    }

    pub(crate) fn bus(self: &Arc<Self>, node: usize) -> Arc<SimBus> {
        Arc::new(SimBus {
            backplane: Arc::clone(self),
            node,
        })
    }

    fn ear(&self, node: usize) -> Option<Arc<dyn Ear>> {
        self.state.lock().ears[node].as_ref()?.upgrade()
    }
}

impl SimBus {
    /// Carries a word to the others, as well as the faults let it.
    fn carry(&self, heard: &Heard, faults: Faults, nodes: usize) {
        let random = &self.backplane.random;
        for node in (0..nodes).filter(|node| *node != self.node) {
            if random.often(faults.lose.into()) {
                continue;
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
    }
}

#[async_trait]
impl Bus for SimBus {
    async fn publish(&self, heard: Heard) -> Result<(), BusFault> {
        let (faults, nodes) = {
            let state = self.backplane.state.lock();
            (state.faults, state.ears.len())
        };
        if !faults.unreachable {
            self.carry(&heard, faults, nodes);
        }
        if let Some(ear) = self.backplane.ear(self.node) {
            ear.hear(heard).await;
        }
        if faults.unreachable {
            return Err(BusFault::Unreachable);
        }
        Ok(())
    }

    async fn reach(&self, heard: Heard) -> Result<Reach, BusFault> {
        self.publish(heard).await?;
        Ok(Reach::Unknown)
    }

    /// Every node hears everything: who needs less hears too much, and nothing comes of it.
    fn want(&self, _subject: Subject, _wanted: bool) {}

    fn listen(&self, ear: Weak<dyn Ear>) {
        self.backplane.state.lock().ears[self.node] = Some(ear);
    }

    fn health(&self) -> Health {
        Health::Well
    }
}
