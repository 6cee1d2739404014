//! The bus of tests: it repeats, reorders and loses on command.

use std::collections::VecDeque;
use std::sync::Weak;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::{Bus, BusFault, Ear, Heard};

/// What goes wrong, each in parts of 1,000 deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Delivered to nobody.
    pub lose: u16,
    /// Delivered once more, later.
    pub repeat: u16,
    /// Delivered after the next ones.
    pub delay: u16,
    /// Whether `publish` fails, and nothing is delivered.
    pub unreachable: bool,
}

/// A bus whose deliveries are decided by a seed and by the faults in force.
pub struct FaultyBus {
    state: Mutex<State>,
}

struct State {
    ears: Vec<Weak<dyn Ear>>,
    faults: Faults,
    random: u64,
    late: VecDeque<(usize, Heard)>,
}

impl FaultyBus {
    /// A bus without faults so far.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Xorshift does not move from zero.
        let random = seed ^ 0x9e37_79b9_7f4a_7c15;
        Self {
            state: Mutex::new(State {
                ears: Vec::new(),
                faults: Faults::default(),
                random,
                late: VecDeque::new(),
            }),
        }
    }

    /// From now on these faults are in force.
    pub fn set_faults(&self, faults: Faults) {
        self.state.lock().faults = faults;
    }

    /// Delivers whatever was held back.
    pub async fn settle(&self) {
        loop {
            let Some((ear, heard)) = self.state.lock().take_late() else {
                return;
            };
            if let Some(ear) = ear.upgrade() {
                ear.hear(heard).await;
            }
        }
    }
}

impl State {
    fn per_mille(&mut self) -> u16 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        u16::try_from((self.random >> 20) % 1_000).unwrap_or(0)
    }

    fn take_late(&mut self) -> Option<(Weak<dyn Ear>, Heard)> {
        let (index, heard) = self.late.pop_front()?;
        Some((self.ears.get(index)?.clone(), heard))
    }

    /// What is delivered now, in this order, for one thing said.
    fn deliveries(&mut self, heard: &Heard) -> Vec<(Weak<dyn Ear>, Heard)> {
        let mut now = Vec::new();
        for index in 0..self.ears.len() {
            let ear = self.ears[index].clone();
            if self.per_mille() < self.faults.lose {
                continue;
            }
            if self.per_mille() < self.faults.repeat {
                self.late.push_back((index, heard.clone()));
            }
            if self.per_mille() < self.faults.delay {
                self.late.push_back((index, heard.clone()));
            } else {
                now.push((ear, heard.clone()));
            }
        }
        // Each call brings out one or two of those held back, so that they come late but do come.
        for _ in 0..2 {
            if self.per_mille() < 500 {
                now.extend(self.take_late());
            }
        }
        now
    }
}

#[async_trait]
impl Bus for FaultyBus {
    async fn publish(&self, heard: Heard) -> Result<(), BusFault> {
        let now = {
            let mut state = self.state.lock();
            if state.faults.unreachable {
                return Err(BusFault::Unreachable);
            }
            state.deliveries(&heard)
        };
        for (ear, heard) in now {
            if let Some(ear) = ear.upgrade() {
                ear.hear(heard).await;
            }
        }
        Ok(())
    }

    fn listen(&self, ear: Weak<dyn Ear>) {
        self.state.lock().ears.push(ear);
    }
}
