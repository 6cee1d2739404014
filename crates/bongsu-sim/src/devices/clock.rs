//! Clocks that are not quite right: those of nodes are off a little and jump, those of devices are anywhere and drift.
//!
//! Invariant: a node's clock is never off by more than [`NODE_OFF_MS`]; a device's own measure of passing time never by more
//! than [`DRIFT_PER_MILLE`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bongsu_model::Timestamp;
use bongsu_node::Clock;

use crate::ports::SimClock;
use crate::random::Random;

/// How far a node's clock may be off, in milliseconds.
pub(super) const NODE_OFF_MS: i64 = 40;
/// By how much a device's clock may be too fast or too slow.
pub(super) const DRIFT_PER_MILLE: i64 = 5;

/// A node's clock.
#[derive(Clone)]
pub(super) struct NodeClock {
    right: SimClock,
    off_ms: Arc<AtomicI64>,
}

impl NodeClock {
    pub(super) fn new(right: SimClock) -> Self {
        Self {
            right,
            off_ms: Arc::default(),
        }
    }

    /// Somebody sets it.
    pub(super) fn jump(&self, random: &Random) {
        let off = random
            .within(0..(2 * NODE_OFF_MS + 1).unsigned_abs())
            .cast_signed()
            - NODE_OFF_MS;
        self.off_ms.store(off, Ordering::Relaxed);
    }
}

impl Clock for NodeClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.right.now().0 + self.off_ms.load(Ordering::Relaxed))
    }
}

/// A device's clocks: one that somebody sets, and one that only ever goes on.
pub(super) struct DeviceClock {
    right: SimClock,
    drift_per_mille: i64,
    off_ms: i64,
}

impl DeviceClock {
    pub(super) fn new(right: SimClock, random: &Random) -> Self {
        let span = (2 * DRIFT_PER_MILLE + 1).unsigned_abs();
        let mut clock = Self {
            right,
            drift_per_mille: random.within(0..span).cast_signed() - DRIFT_PER_MILLE,
            off_ms: 0,
        };
        clock.jump(random);
        clock
    }

    /// Somebody sets it, to anything.
    pub(super) fn jump(&mut self, random: &Random) {
        self.off_ms = random.within(0..20_000_000).cast_signed() - 10_000_000;
    }

    /// What only ever goes on, in milliseconds.
    pub(super) fn passed_ms(&self) -> i64 {
        let right = self.right.ms().cast_signed();
        right + right * self.drift_per_mille / 1_000
    }

    /// What the device thinks is the time.
    pub(super) fn wall(&self) -> Timestamp {
        Timestamp(self.right.now().0 + self.off_ms)
    }
}
