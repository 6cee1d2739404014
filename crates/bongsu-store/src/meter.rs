//! What a store that commits in groups counts about itself, as plain atomics that anyone may read at any time.
//!
//! Invariant: counters only grow until the process ends; gauges say how it is now.

use std::sync::atomic::{AtomicU64, Ordering};

/// The upper bounds of the batch-size buckets, in writes; one more bucket holds the rest.
pub const BATCH_BOUNDS: [u64; 8] = [1, 2, 4, 8, 16, 64, 256, 1_024];
/// The upper bounds of the commit-time buckets, in microseconds; one more bucket holds the rest.
pub const COMMIT_US_BOUNDS: [u64; 10] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 1_000_000,
];

/// Counted by the writer, read by whoever serves metrics.
#[derive(Debug, Default)]
pub struct StoreMeter {
    appended: AtomicU64,
    repeats: AtomicU64,
    writes: AtomicU64,
    failed_commits: AtomicU64,
    overloaded: AtomicU64,
    batch_max: AtomicU64,
    batch: [AtomicU64; BATCH_BOUNDS.len() + 1],
    commit_us: AtomicU64,
    commit_us_max: AtomicU64,
    commit: [AtomicU64; COMMIT_US_BOUNDS.len() + 1],
}

/// What a [`StoreMeter`] said at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeterReading {
    /// Messages appended and committed.
    pub appended: u64,
    /// Appends that were answered with an earlier message.
    pub repeats: u64,
    /// Committed transactions.
    pub batches: u64,
    /// Writes in them, appends and others.
    pub writes: u64,
    /// Transactions that could not be committed.
    pub failed_commits: u64,
    /// Calls refused because a queue was full.
    pub overloaded: u64,
    /// Writes in the largest transaction.
    pub batch_max: u64,
    /// Transactions by size; bounds are [`BATCH_BOUNDS`], not cumulative.
    pub batch_buckets: [u64; BATCH_BOUNDS.len() + 1],
    /// Time in all commits, in microseconds.
    pub commit_us: u64,
    /// The longest commit, in microseconds.
    pub commit_us_max: u64,
    /// Commits by time; bounds are [`COMMIT_US_BOUNDS`], not cumulative.
    pub commit_buckets: [u64; COMMIT_US_BOUNDS.len() + 1],
}

fn bucket(bounds: &[u64], value: u64) -> usize {
    bounds.partition_point(|bound| *bound < value)
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl StoreMeter {
    pub(crate) fn committed(&self, writes: usize, appended: usize, repeats: usize, us: u64) {
        let writes = writes as u64;
        add(&self.appended, appended as u64);
        add(&self.repeats, repeats as u64);
        add(&self.writes, writes);
        add(&self.batch[bucket(&BATCH_BOUNDS, writes)], 1);
        self.batch_max.fetch_max(writes, Ordering::Relaxed);
        add(&self.commit_us, us);
        add(&self.commit[bucket(&COMMIT_US_BOUNDS, us)], 1);
        self.commit_us_max.fetch_max(us, Ordering::Relaxed);
    }

    pub(crate) fn commit_failed(&self) {
        add(&self.failed_commits, 1);
    }

    pub(crate) fn refused_overloaded(&self) {
        add(&self.overloaded, 1);
    }

    /// All counters now. Each is exact; together they may be a commit apart.
    #[must_use]
    pub fn read(&self) -> MeterReading {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let batch_buckets = self.batch.each_ref().map(of);
        MeterReading {
            appended: of(&self.appended),
            repeats: of(&self.repeats),
            batches: batch_buckets.iter().sum(),
            writes: of(&self.writes),
            failed_commits: of(&self.failed_commits),
            overloaded: of(&self.overloaded),
            batch_max: of(&self.batch_max),
            batch_buckets,
            commit_us: of(&self.commit_us),
            commit_us_max: of(&self.commit_us_max),
            commit_buckets: self.commit.each_ref().map(of),
        }
    }
}
