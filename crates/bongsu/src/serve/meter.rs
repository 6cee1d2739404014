//! What the store counts, as text for `/metrics`.
//!
//! Invariant: names and units stay as they are; dashboards are built on them.

use std::fmt::{self, Write as _};

use bongsu_store::StoreMeter;
use bongsu_store::sqlite::{BATCH_BOUNDS, COMMIT_US_BOUNDS};

/// Microseconds in a second.
const US: f64 = 1e6;

/// Appends the store's families to a page of metrics.
pub(super) fn write(meter: &StoreMeter, out: &mut String) {
    families(meter, out).expect("a string takes everything");
}

fn families(meter: &StoreMeter, out: &mut String) -> fmt::Result {
    let it = meter.read();
    let counters = [
        ("bongsu_store_appended_total", "Messages appended and committed.", it.appended),
        ("bongsu_store_repeats_total", "Appends answered with an earlier message.", it.repeats),
        ("bongsu_store_writes_total", "Writes committed, appends and others.", it.writes),
        ("bongsu_store_failed_commits_total", "Transactions that could not be committed.", it.failed_commits),
        ("bongsu_store_overloaded_total", "Calls refused because a queue was full.", it.overloaded),
    ];
    for (name, help, value) in counters {
        writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}")?;
    }
    let batch = BATCH_BOUNDS.iter().map(|bound| *bound as f64);
    histogram(out, "bongsu_store_batch_writes", "Writes in one commit.", batch, &it.batch_buckets, it.writes as f64)?;
    let commit = COMMIT_US_BOUNDS.iter().map(|bound| *bound as f64 / US);
    let sum = it.commit_us as f64 / US;
    histogram(out, "bongsu_store_commit_seconds", "Time of one commit.", commit, &it.commit_buckets, sum)
}

fn histogram(
    out: &mut String,
    name: &str,
    help: &str,
    bounds: impl Iterator<Item = f64>,
    buckets: &[u64],
    sum: f64,
) -> fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram")?;
    let mut count = 0;
    for (bound, bucket) in bounds.zip(buckets) {
        count += bucket;
        writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {count}")?;
    }
    count = buckets.iter().sum();
    writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum {sum}\n{name}_count {count}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let mut out = String::new();
        let bounds = [0.5, 1.0];
        histogram(&mut out, "x", "X.", bounds.into_iter(), &[1, 2, 4], 9.5).unwrap();
        let tail: Vec<&str> = out.lines().skip(2).collect();
        let want = [r#"x_bucket{le="0.5"} 1"#, r#"x_bucket{le="1"} 3"#, r#"x_bucket{le="+Inf"} 7"#, "x_sum 9.5", "x_count 7"];
        assert_eq!(tail, want);
    }

    #[test]
    fn every_family_is_announced() {
        let mut out = String::new();
        write(&StoreMeter::default(), &mut out);
        assert_eq!(out.matches("# TYPE ").count(), 7);
        assert!(out.ends_with('\n'));
    }
}
