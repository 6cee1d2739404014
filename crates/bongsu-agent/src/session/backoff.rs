//! How long to rest before the next connection: 1 s, doubling to 30 s, and by chance up to half more or less, so that
//! displays that were cut off together come back apart.
//!
//! Invariant: pure; chance is an argument.

/// The first rest.
const REST_MS: u64 = 1_000;
/// No rest is longer, but for chance.
const REST_MS_MAX: u64 = 30_000;
/// A registration that held so long was a good one: the next failure is the first.
const GOOD_MS: u64 = 10_000;

/// How often it went wrong in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// A registration has ended that held for so long.
    pub(super) const fn held(&mut self, ms: u64) {
        if ms >= GOOD_MS {
            self.failures = 0;
        }
    }

    /// Whoever comes back soon is not let in: the next rest is among the longest.
    pub(super) const fn give_time(&mut self) {
        self.failures = 5;
    }

    /// Whether the last registration was a good one.
    pub(super) const fn is_fresh(self) -> bool {
        self.failures == 0
    }

    /// How long to rest now, in milliseconds. `chance` is any number.
    pub(super) fn rest_ms(&mut self, chance: u64) -> u64 {
        let rest_ms = (REST_MS << self.failures.min(16)).min(REST_MS_MAX);
        self.failures = self.failures.saturating_add(1);
        rest_ms / 2 + chance % (rest_ms + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_to_their_limit_and_are_half_more_or_less() {
        let mut backoff = Backoff::default();
        let mut most = backoff;
        for rest in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            assert_eq!(backoff.rest_ms(0), rest / 2);
            assert_eq!(most.rest_ms(rest), rest / 2 * 3);
        }
    }

    #[test]
    fn only_what_held_makes_up_for_failures() {
        let mut backoff = Backoff::default();
        backoff.give_time();
        assert_eq!(backoff.rest_ms(0), REST_MS_MAX / 2);
        backoff.held(GOOD_MS - 1);
        assert!(!backoff.is_fresh());
        backoff.held(GOOD_MS);
        assert!(backoff.is_fresh());
    }
}
