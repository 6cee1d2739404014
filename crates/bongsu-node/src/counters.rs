//! What a node counts: plain atomics that anybody may read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bongsu_model::Code;
use bongsu_model::device::CommandState;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn bump(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// How many so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// So many more.
    pub fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Relaxed);
    }

    /// So many less.
    pub fn sub(&self, count: usize) {
        self.0.fetch_sub(count as u64, Relaxed);
    }

    /// What was so many is so many now: one step, so that whoever reads meanwhile sees neither both nor none.
    pub fn moved(&self, before: usize, now: usize) {
        if now >= before {
            self.add(now - before);
        } else {
            self.sub(before - now);
        }
    }

    /// How many now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How often values fell into ranges, and their sum.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    counts: [AtomicU64; 16],
    sum: AtomicU64,
}

impl Histogram {
    /// Upper bounds of milliseconds for what people wait for.
    pub const MS: &[u64] = &[0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];

    /// A histogram with these upper bounds, inclusive, ascending, at most 15.
    #[must_use]
    pub const fn new(bounds: &'static [u64]) -> Self {
        assert!(bounds.len() < 16, "the last place counts what is over all bounds");
        Self {
            bounds,
            counts: [const { AtomicU64::new(0) }; 16],
            sum: AtomicU64::new(0),
        }
    }

    /// Counts one value.
    pub fn note(&self, value: u64) {
        let index = self.bounds.partition_point(|bound| *bound < value);
        self.counts[index].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// For each bound (and `None` for "over all") how many values were at most that, and the sum of all values.
    #[must_use]
    pub fn read(&self) -> (Vec<(Option<u64>, u64)>, u64) {
        let mut total = 0;
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        let read = bounds.zip(&self.counts).map(|(bound, count)| {
            total += count.load(Relaxed);
            (bound, total)
        });
        (read.collect(), self.sum.load(Relaxed))
    }
}

/// What a node counts.
#[derive(Debug)]
pub struct Counters {
    /// Sign-ins that succeeded.
    pub sign_ins: Counter,
    /// Requests of signed-in sessions.
    pub requests: Counter,
    /// Refusals, by code in the order of [`Code::ALL`].
    pub refusals: [Counter; Code::ALL.len()],
    /// Messages accepted.
    pub posts: Counter,
    /// Messages answered as repeats.
    pub repeats: Counter,
    /// Deliveries of runs to sessions.
    pub deliveries: Counter,
    /// Sessions closed because they read too slowly.
    pub slow_closes: Counter,
    /// Sessions that were behind and are caught up from the store.
    pub lags: Counter,
    /// Holes read from the store.
    pub backfills: Counter,
    /// Memberships read again.
    pub reloads: Counter,
    /// Announcements the bus did not take.
    pub bus_faults: Counter,
    /// Looks at everything, because words of other nodes may have been lost.
    pub resyncs: Counter,
    /// Incidents: we broke.
    pub faults: Counter,
    /// Commands accepted.
    pub commands_accepted: Counter,
    /// Commands that joined one that was asked for a moment ago.
    pub commands_coalesced: Counter,
    /// Commands handed to the writers of devices.
    pub commands_written: Counter,
    /// Those of them that were sent before.
    pub commands_retried: Counter,
    /// Commands that were found too late, or were taken back, just before the write.
    pub commands_late: Counter,
    /// Commands ended, by state in the order of [`CommandState::ALL`].
    pub commands_ended: [Counter; CommandState::ALL.len()],
    /// Bytes that wait in mailboxes.
    pub mailbox_bytes: Gauge,
    /// From a post's arrival to its commit, in milliseconds.
    pub accept_to_commit_ms: Histogram,
    /// From a message's commit to the last member's write, in milliseconds.
    pub commit_to_last_write_ms: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            sign_ins: Counter::default(),
            requests: Counter::default(),
            refusals: [const { Counter(AtomicU64::new(0)) }; Code::ALL.len()],
            posts: Counter::default(),
            repeats: Counter::default(),
            deliveries: Counter::default(),
            slow_closes: Counter::default(),
            lags: Counter::default(),
            backfills: Counter::default(),
            reloads: Counter::default(),
            bus_faults: Counter::default(),
            resyncs: Counter::default(),
            faults: Counter::default(),
            commands_accepted: Counter::default(),
            commands_coalesced: Counter::default(),
            commands_written: Counter::default(),
            commands_retried: Counter::default(),
            commands_late: Counter::default(),
            commands_ended: [const { Counter(AtomicU64::new(0)) }; CommandState::ALL.len()],
            mailbox_bytes: Gauge::default(),
            accept_to_commit_ms: Histogram::new(Histogram::MS),
            commit_to_last_write_ms: Histogram::new(Histogram::MS),
        }
    }
}

impl Counters {
    /// Counts a refusal.
    pub fn refused(&self, code: Code) {
        self.refusals[code as usize].bump();
    }
}
