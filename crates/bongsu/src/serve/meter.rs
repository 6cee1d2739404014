//! What the store counts, for `/metrics`.
//!
//! Invariant: names and units stay as they are; dashboards are built on them.

use std::sync::Arc;

use bongsu_bus::BusMeter;
use bongsu_edge::meters::{HistogramReading, MeterUnit, Meters, Reading};
use bongsu_store::StoreMeter;
use bongsu_store::meter::{BATCH_BOUNDS, COMMIT_US_BOUNDS, MeterReading};

/// Microseconds in a second.
const US: f64 = 1e-6;

type Counted = (&'static str, &'static str, fn(&MeterReading) -> u64);

const COUNTERS: [Counted; 5] = [
    ("bongsu_store_appended", "Messages appended and committed", |it| {
        it.appended
    }),
    (
        "bongsu_store_repeats",
        "Appends answered with an earlier message",
        |it| it.repeats,
    ),
    (
        "bongsu_store_writes",
        "Writes committed, appends and others",
        |it| it.writes,
    ),
    (
        "bongsu_store_failed_commits",
        "Transactions that could not be committed",
        |it| it.failed_commits,
    ),
    (
        "bongsu_store_overloaded",
        "Calls refused because a queue was full",
        |it| it.overloaded,
    ),
];

/// Shows what a store counts.
pub(super) fn follow(meters: &Meters, meter: &Arc<StoreMeter>) {
    for (name, help, of) in COUNTERS {
        let meter = Arc::clone(meter);
        meters.collect(name, help, None, Reading::counter(move || of(&meter.read())));
    }
    let batches = Arc::clone(meter);
    let read = move || {
        let it = batches.read();
        spread(&BATCH_BOUNDS, &it.batch_buckets, it.writes, 1.0)
    };
    meters.collect(
        "bongsu_store_batch_writes",
        "Writes in one commit",
        None,
        Reading::histogram(read),
    );
    let meter = Arc::clone(meter);
    let read = move || {
        let it = meter.read();
        spread(&COMMIT_US_BOUNDS, &it.commit_buckets, it.commit_us, US)
    };
    let help = "Time of one commit";
    meters.collect(
        "bongsu_store_commit",
        help,
        Some(MeterUnit::Seconds),
        Reading::histogram(read),
    );
}

/// Shows how many writes wait.
pub(super) fn waits(meters: &Meters, waiting: impl Fn() -> usize + Send + Sync + 'static) {
    let read = move || waiting() as f64;
    meters.collect(
        "bongsu_store_waiting_writes",
        "Writes that wait",
        None,
        Reading::gauge(read),
    );
}

/// Shows what a bus between nodes counts.
pub(super) fn follow_bus(meters: &Meters, meter: &Arc<BusMeter>) {
    for figure in BusMeter::figures() {
        let (meter, of) = (Arc::clone(meter), figure.of);
        let reading = if figure.is_gauge {
            Reading::gauge(move || of(&meter.read()) as f64)
        } else {
            Reading::counter(move || of(&meter.read()))
        };
        meters.collect(figure.name, figure.help, None, reading);
    }
}

/// Buckets of their own as Prometheus wants them; `unit` is what one is worth.
fn spread(bounds: &[u64], counts: &[u64], sum: u64, unit: f64) -> HistogramReading {
    let bounds = bounds
        .iter()
        .map(|bound| *bound as f64 * unit)
        .chain([f64::INFINITY]);
    HistogramReading {
        sum: sum as f64 * unit,
        buckets: bounds.zip(counts.iter().copied()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bucket_has_no_bound() {
        let read = spread(&[1, 2], &[3, 4, 5], 20, 0.5);
        assert_eq!(read.buckets, [(0.5, 3), (1.0, 4), (f64::INFINITY, 5)]);
        assert!((read.sum - 10.0).abs() < f64::EPSILON);
    }
}
