//! What this process uses of its machine, for the other nodes: CPU between two looks, and memory.
//!
//! Invariant: looks that come soon after each other share one reading, so that a share is always of a time worth measuring.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::process;

/// A share of a shorter time says nothing.
const APART: Duration = Duration::from_secs(1);

/// Looks at what the process uses.
pub(crate) struct Usage(Mutex<Last>);

struct Last {
    at: Instant,
    cpu_seconds: f64,
    cpu_milli: u64,
}

impl Usage {
    /// From now on.
    #[allow(
        clippy::disallowed_methods,
        reason = "a share of a processor is one of real time"
    )]
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Last {
            at: Instant::now(),
            cpu_seconds: process::cpu(),
            cpu_milli: 0,
        }))
    }

    /// What was used of one core since the look before, in thousandths, and how many bytes are resident now; 0 where the
    /// system does not say.
    #[allow(
        clippy::disallowed_methods,
        reason = "a share of a processor is one of real time"
    )]
    pub(crate) fn look(&self) -> (u64, u64) {
        let now = Instant::now();
        let mut last = self.0.lock();
        let passed = now.duration_since(last.at);
        if passed >= APART {
            let cpu_seconds = process::cpu();
            last.cpu_milli = share(cpu_seconds - last.cpu_seconds, passed);
            (last.at, last.cpu_seconds) = (now, cpu_seconds);
        }
        (last.cpu_milli, process::resident() as u64)
    }
}

/// Seconds of CPU in a time, in thousandths of one core.
fn share(cpu_seconds: f64, passed: Duration) -> u64 {
    // What the system says grows in steps; it never means that less than nothing was used.
    (cpu_seconds.max(0.0) * 1_000.0 / passed.as_secs_f64()).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_one_core_and_never_below_nothing() {
        let seconds = Duration::from_secs;
        assert_eq!(share(2.5, seconds(5)), 500);
        assert_eq!(share(20.0, seconds(5)), 4_000, "four cores");
        assert_eq!(share(-1.0, seconds(5)), 0);
    }

    #[test]
    fn memory_is_read_and_looks_close_together_share_a_reading() {
        let usage = Usage::new();
        let (first, memory) = usage.look();
        assert_eq!((first, usage.look().0), (0, 0));
        assert!(memory > 1024 * 1024, "{memory}");
    }
}
