//! A log line for what may happen ten thousand times a second.
//!
//! Invariant: at most one line a minute, which says how many times it happened since the one before.

use parking_lot::Mutex;

const EVERY_MS: u64 = 60_000;

#[derive(Default)]
pub(super) struct Rarely {
    /// When the last line was written, and how many were not since.
    last: Mutex<(Option<u64>, u64)>,
}

impl Rarely {
    /// It happened, `now` in milliseconds since any moment. How many times since the last line, if it is time for one.
    pub(super) fn due(&self, now: u64) -> Option<u64> {
        let mut last = self.last.lock();
        last.1 += 1;
        if last.0.is_some_and(|at| now.saturating_sub(at) < EVERY_MS) {
            return None;
        }
        last.0 = Some(now);
        Some(std::mem::take(&mut last.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_says_how_often() {
        let rarely = Rarely::default();
        assert_eq!(rarely.due(5), Some(1), "the first at once");
        assert_eq!(rarely.due(6), None);
        assert_eq!(rarely.due(5 + EVERY_MS - 1), None);
        assert_eq!(rarely.due(5 + EVERY_MS), Some(3));
    }
}
