//! A log line for what may fail hundreds of times a second while a server is away.
//!
//! Invariant: the first failure has its line at once; then there is at most one line in five seconds, and each says how
//! many failures had none since the line before it, so that every failure is told of, alone or in a number.

use bongsu_model::Timestamp;
use parking_lot::Mutex;

/// How long a line is enough.
const EVERY_MS: u64 = 5_000;
/// How long after a line the rest is told of by itself: the next failure, which says more, goes before it.
const REST_MS: u64 = 2 * EVERY_MS;

#[derive(Debug, Default)]
pub(crate) struct Rarely(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    last: Option<Timestamp>,
    unshown: u64,
}

impl Rarely {
    /// It failed now. If it is time for a line: how many failures had none since the last.
    pub(crate) fn failed(&self, now: Timestamp) -> Option<u64> {
        let mut lines = self.0.lock();
        if !lines.is_due(now, EVERY_MS) {
            lines.unshown += 1;
            return None;
        }
        lines.last = Some(now);
        Some(std::mem::take(&mut lines.unshown))
    }

    /// How many failures have had no line, if there are any and none has come since that might have told of them.
    pub(crate) fn rest(&self, now: Timestamp) -> Option<u64> {
        let mut lines = self.0.lock();
        if lines.unshown == 0 || !lines.is_due(now, REST_MS) {
            return None;
        }
        lines.last = Some(now);
        Some(std::mem::take(&mut lines.unshown))
    }
}

impl Lines {
    /// A clock that was set back does not silence anything.
    fn is_due(&self, now: Timestamp, after_ms: u64) -> bool {
        self.last
            .is_none_or(|last| now < last || now >= last.plus_ms(after_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_five_seconds_says_how_many_had_none() {
        let rarely = Rarely::default();
        assert_eq!(rarely.failed(Timestamp(10_000)), Some(0), "the first at once");
        assert_eq!(rarely.failed(Timestamp(10_001)), None);
        assert_eq!(rarely.failed(Timestamp(14_999)), None);
        assert_eq!(rarely.failed(Timestamp(15_000)), Some(2));
        assert_eq!(rarely.failed(Timestamp(15_001)), None);
        assert_eq!(rarely.failed(Timestamp(90_000)), Some(1));
    }

    #[test]
    fn what_had_no_line_is_told_when_nothing_fails_any_more() {
        let rarely = Rarely::default();
        assert_eq!(rarely.rest(Timestamp(1)), None);
        assert_eq!(rarely.failed(Timestamp(1)), Some(0));
        assert_eq!(rarely.rest(Timestamp(9_000)), None, "it had its line");
        assert_eq!(rarely.failed(Timestamp(9_000)), Some(0));
        assert_eq!(rarely.failed(Timestamp(9_001)), None);
        assert_eq!(rarely.rest(Timestamp(18_999)), None);
        assert_eq!(rarely.rest(Timestamp(19_000)), Some(1));
        assert_eq!(rarely.failed(Timestamp(19_001)), None, "that was a line, too");
    }

    #[test]
    fn a_clock_that_is_set_back_silences_nothing() {
        let rarely = Rarely::default();
        assert_eq!(rarely.failed(Timestamp(1_000_000)), Some(0));
        assert_eq!(rarely.failed(Timestamp(10)), Some(0));
        assert_eq!(rarely.failed(Timestamp(11)), None);
    }
}
