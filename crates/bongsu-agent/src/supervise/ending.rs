//! How a program is brought to its end: asked, waited for, killed.
//!
//! Invariant: pure. Whoever was asked is killed when its time is over, and nothing that it leaves behind outlives it by more
//! than the leftovers' time.

use super::spec::Stopping;

/// What is to be done to what runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Act {
    /// The program's group is asked to end.
    AskGroup,
    /// Everything that descends from it is.
    AskAll,
    /// Everything is killed.
    Kill,
}

/// What was killed may be making more of itself just then: it is looked for again after so many milliseconds …
const AGAIN_MS: u64 = 20;
/// … then after twice as many, up to so many: what waits for a device does not hear that it is killed.
const AGAIN_MS_MAX: u64 = 5_000;

/// Where a program is on its way to the end. All times are milliseconds of one clock.
#[derive(Debug)]
pub(crate) struct Closing {
    how: Stopping,
    stopped: bool,
    ended: bool,
    kill_at: Option<u64>,
    again_ms: u64,
}

impl Closing {
    /// A program that runs.
    pub(crate) const fn new(how: Stopping) -> Self {
        Self {
            how,
            stopped: false,
            ended: false,
            kill_at: None,
            again_ms: AGAIN_MS,
        }
    }

    /// It is to be stopped, within `grace_ms` if that is said. Asked again it may only have less time.
    pub(crate) fn stop(&mut self, grace_ms: Option<u64>, now: u64) -> Option<Act> {
        let grace = grace_ms.unwrap_or(self.how.grace_ms);
        let at = now.saturating_add(grace);
        self.kill_at = Some(self.kill_at.map_or(at, |before| before.min(at)));
        if self.ended || self.stopped {
            return None;
        }
        self.stopped = true;
        Some(Act::AskGroup)
    }

    /// The program has ended; what it left behind follows it.
    pub(crate) fn ended(&mut self, now: u64) -> Act {
        self.ended = true;
        if self.kill_at.is_none() {
            self.kill_at = Some(now.saturating_add(self.how.leftover_grace_ms));
        }
        Act::AskAll
    }

    /// What is to be done by now because of the time.
    pub(crate) fn due(&mut self, now: u64) -> Option<Act> {
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = Some(now.saturating_add(self.again_ms));
            self.again_ms = (self.again_ms * 2).min(AGAIN_MS_MAX);
            return Some(Act::Kill);
        }
        None
    }

    /// When [`Self::due`] is to be asked.
    pub(crate) const fn next(&self) -> Option<u64> {
        self.kill_at
    }

    /// Whether it was asked to end while it ran.
    pub(crate) const fn was_stopped(&self) -> bool {
        self.stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bongsu_model::display::StopSignal;

    fn closing() -> Closing {
        Closing::new(Stopping {
            signal: StopSignal::Term,
            grace_ms: 5_000,
            leftover_grace_ms: 1_000,
        })
    }

    #[test]
    fn who_is_asked_is_killed_when_the_time_is_over_and_again_while_more_is_made() {
        let mut closing = closing();
        assert_eq!(closing.due(10), None);
        assert_eq!(closing.stop(None, 10), Some(Act::AskGroup));
        assert_eq!(closing.due(5_009), None);
        assert_eq!(closing.due(5_010), Some(Act::Kill));
        assert_eq!(closing.next(), Some(5_030));
        assert_eq!(closing.due(5_030), Some(Act::Kill));
        assert!(closing.was_stopped());
        let mut waits = Vec::new();
        for _ in 0..9 {
            let next = closing.next().unwrap();
            assert_eq!(closing.due(next), Some(Act::Kill));
            waits.push(closing.next().unwrap() - next);
        }
        assert_eq!(waits, [80, 160, 320, 640, 1_280, 2_560, 5_000, 5_000, 5_000]);
    }

    #[test]
    fn who_is_asked_again_has_less_time_and_never_more() {
        let mut closing = closing();
        closing.stop(Some(3_000), 0);
        assert_eq!(closing.stop(Some(9_000), 0), None);
        assert_eq!(closing.next(), Some(3_000));
        assert_eq!(closing.stop(Some(0), 1), None);
        assert_eq!(closing.due(1), Some(Act::Kill));
    }

    #[test]
    fn what_is_left_behind_has_the_time_of_leftovers_or_what_the_stop_left() {
        let mut alone = closing();
        assert_eq!(alone.ended(100), Act::AskAll);
        assert_eq!(alone.next(), Some(1_100));
        assert!(!alone.was_stopped());
        assert_eq!(alone.stop(None, 200), None);
        assert!(!alone.was_stopped(), "it had ended by itself");
        let mut stopped = closing();
        stopped.stop(None, 0);
        stopped.ended(10);
        assert_eq!(stopped.next(), Some(5_000));
    }
}
