//! The only clocks of the bench: monotonic time and the CPU time of the calling thread.
//!
//! Everything is in nanoseconds as `u64`; neither clock ever goes back.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Monotonic time.
pub(crate) fn now_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// User and system time that the calling thread has used.
pub(crate) fn thread_cpu_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::ThreadCPUTime))
}

/// What `now_ns` will say in `seconds` from now.
pub(crate) fn in_seconds(seconds: f64) -> u64 {
    now_ns() + span_ns(seconds)
}

/// Seconds as nanoseconds; what is below zero or not a number counts as none.
pub(crate) fn span_ns(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

fn nanoseconds(at: Timespec) -> u64 {
    // Invariant: both clocks start at zero and never go back, so neither part is negative.
    at.tv_sec as u64 * 1_000_000_000 + at.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_and_work_costs() {
        let (wall, cpu) = (now_ns(), thread_cpu_ns());
        let mut sum = 0u64;
        while thread_cpu_ns() < cpu + 1_000_000 {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(
            now_ns() >= wall + 1_000_000,
            "a thread cannot use more than the time that passes"
        );
    }

    #[test]
    fn odd_spans_are_none() {
        assert_eq!(span_ns(-1.0), 0);
        assert_eq!(span_ns(f64::NAN), 0);
        assert_eq!(span_ns(1.5), 1_500_000_000);
    }
}
