//! The gateway's time, by a device: measured by round trips, on a base that no change of the wall clock touches.
//!
//! Owns the samples of one session and no clock: it is given the device's own time. Invariant: [`Clock::latest`] is
//! never earlier than the gateway's clock, as far as round trips and the drift that is allowed for can tell.

use std::collections::VecDeque;

use bongsu_model::Timestamp;

/// The last of them count.
const SAMPLES_MAX: usize = 8;
/// What two clocks are allowed to drift apart: more than any quartz does that works.
const DRIFT_PER_MILLION: u64 = 200;
/// Both clocks tell whole milliseconds.
const ROUNDING_MS: u64 = 1;

/// How far the gateway's clock is ahead of a device's own.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    samples: VecDeque<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    /// The gateway's time minus ours, if its answer was made in the middle of the round trip.
    offset_ms: i64,
    round_ms: u64,
    heard: Timestamp,
}

impl Sample {
    /// How far `offset_ms` may be off at `now`, either way.
    fn error_ms(&self, now: Timestamp) -> u64 {
        let age_ms = now.ms_since(self.heard);
        self.round_ms.div_ceil(2)
            + ROUNDING_MS
            + (age_ms.saturating_mul(DRIFT_PER_MILLION)).div_ceil(1_000_000)
    }
}

impl Clock {
    /// Forgets all: the next session may be with another machine.
    pub fn forget(&mut self) {
        self.samples.clear();
    }

    /// Takes in that `server` was the gateway's time somewhere between `sent` and `heard`, by our own time.
    pub fn measured(&mut self, sent: Timestamp, server: Timestamp, heard: Timestamp) {
        let round_ms = heard.ms_since(sent);
        let middle = sent.plus_ms(round_ms / 2);
        let sample = Sample {
            offset_ms: server.0.saturating_sub(middle.0),
            round_ms,
            heard,
        };
        // What two samples cannot both say was not drift: the gateway's clock was set, and what was before is nothing.
        let agrees = |old: &Sample| {
            let apart = old.offset_ms.abs_diff(sample.offset_ms);
            apart <= old.error_ms(heard) + sample.error_ms(heard)
        };
        if !self.samples.iter().all(agrees) {
            self.samples.clear();
        }
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// The gateway's time at our `now`, as well as it is known; `None` before the first round trip.
    #[must_use]
    pub fn now(&self, now: Timestamp) -> Option<Timestamp> {
        self.best(now)
            .map(|best| Timestamp(now.0.saturating_add(best.offset_ms)))
    }

    /// The latest that the gateway's time may be at our `now`.
    #[must_use]
    pub fn latest(&self, now: Timestamp) -> Option<Timestamp> {
        self.best(now)
            .map(|best| Timestamp(now.0.saturating_add(best.offset_ms)).plus_ms(best.error_ms(now)))
    }

    /// Whether the gateway's `deadline` may have come. Whoever cannot know the time is late.
    #[must_use]
    pub fn is_late(&self, deadline: Timestamp, now: Timestamp) -> bool {
        self.latest(now).is_none_or(|latest| latest >= deadline)
    }

    /// The shortest of the last round trips, in milliseconds.
    #[must_use]
    pub fn round_ms(&self) -> Option<u64> {
        self.samples.iter().map(|sample| sample.round_ms).min()
    }

    /// How far the gateway's clock is ahead of ours, in milliseconds.
    #[must_use]
    pub fn offset_ms(&self, now: Timestamp) -> Option<i64> {
        self.best(now).map(|best| best.offset_ms)
    }

    fn best(&self, now: Timestamp) -> Option<&Sample> {
        self.samples.iter().min_by_key(|sample| sample.error_ms(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp(ms)
    }

    #[test]
    fn nothing_is_in_time_before_the_clock_is_measured() {
        let clock = Clock::default();
        assert!(clock.is_late(Timestamp::FAR, at(0)));
        assert_eq!(clock.now(at(0)), None);
    }

    #[test]
    fn the_shortest_round_trip_counts() {
        let mut clock = Clock::default();
        // The gateway is 10 s ahead; the first answer comes back slowly, so that its middle is 400 ms off.
        clock.measured(at(0), at(10_100), at(1_000));
        assert_eq!(clock.now(at(1_000)), Some(at(10_600)));
        clock.measured(at(1_000), at(11_010), at(1_020));
        assert_eq!(clock.offset_ms(at(1_020)), Some(10_000));
        assert_eq!(clock.round_ms(), Some(20));
        clock.measured(at(2_000), at(12_700), at(3_000));
        assert_eq!(clock.offset_ms(at(3_000)), Some(10_000));
    }

    #[test]
    fn a_deadline_is_judged_by_the_latest_that_it_may_be() {
        let mut clock = Clock::default();
        clock.measured(at(0), at(5_050), at(100));
        // 5,000 ahead, and 50 ms of the way and 1 of rounding uncertain.
        assert!(!clock.is_late(at(5_152), at(100)));
        assert!(clock.is_late(at(5_151), at(100)));
        // A quarter of an hour later, 180 ms of drift have to be reckoned with.
        assert!(clock.is_late(at(905_330), at(900_100)));
        assert!(!clock.is_late(at(905_332), at(900_100)));
    }

    #[test]
    fn a_clock_that_was_set_is_measured_anew() {
        let mut clock = Clock::default();
        for round in 0..20 {
            clock.measured(at(round * 1_000), at(round * 1_000 + 5), at(round * 1_000 + 10));
        }
        assert_eq!(clock.offset_ms(at(20_000)), Some(0));
        clock.measured(at(20_000), at(80_020), at(20_040));
        assert_eq!(clock.offset_ms(at(20_040)), Some(60_000));
    }

    #[test]
    fn only_the_last_samples_count() {
        let mut clock = Clock::default();
        clock.measured(at(0), at(1), at(2));
        for round in 1..=8 {
            clock.measured(at(round * 1_000), at(round * 1_000 + 50), at(round * 1_000 + 100));
        }
        assert_eq!(clock.round_ms(), Some(100));
    }
}
