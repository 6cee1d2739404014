//! The device's own time: the wall clock's at the start, and from then on a clock that only runs forward.
//!
//! Invariant: a jump of the wall clock changes nothing; time spent asleep counts, as deadlines come meanwhile.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bongsu_model::Timestamp;

/// A clock that only runs forward.
#[derive(Clone, Copy, Debug)]
pub struct OwnTime {
    began: Duration,
    wall: Timestamp,
}

impl OwnTime {
    /// Starts at what the wall clock says now.
    #[must_use]
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place of this crate that reads the wall clock"
    )]
    pub fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            began: running(),
            wall: Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let passed = running().saturating_sub(self.began);
        self.wall
            .plus_ms(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX))
    }
}

/// How long the machine has been running, the time that it slept included where the system tells.
fn running() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(CLOCK);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_time_starts_at_the_wall_clock_and_runs_forward() {
        let time = OwnTime::start();
        let first = time.now();
        assert!(first.0 > 1_700_000_000_000 && time.now() >= first);
    }
}
