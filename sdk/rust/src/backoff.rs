//! How long to rest before the next connection: full jitter, so that devices that were cut off together come back apart.
//!
//! Invariant: pure; chance is an argument. A rest is never longer than [`REST_MAX_MS`] unless the gateway asked for it.

use bongsu_model::Reconnect;

/// The first rest is up to this long.
pub const REST_MS: u64 = 500;
/// No rest of our own is longer.
pub const REST_MAX_MS: u64 = 30_000;
/// A session that lived so long was a good one: the next failure is the first.
pub const GOOD_MS: u64 = 10_000;
/// A gateway that asks for more is not believed.
const ASKED_MAX_MS: u64 = 10 * 60 * 1_000;

/// How often it went wrong in a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// A session has ended that lived for `lived_ms` after its welcome.
    pub const fn ended(&mut self, lived_ms: u64) {
        if lived_ms >= GOOD_MS {
            self.failures = 0;
        }
    }

    /// How long to rest now, in milliseconds. `chance` is any number, `advice` what the gateway said, `asked_ms` the
    /// rest that it asked for.
    pub fn rest_ms(&mut self, chance: u64, advice: Option<Reconnect>, asked_ms: Option<u64>) -> u64 {
        // Later means: not at once, even the first time.
        let least = match advice {
            Some(Reconnect::Later) => 2,
            Some(Reconnect::Now | Reconnect::Never) | None => 0,
        };
        let doublings = self.failures.max(least).min(16);
        self.failures = self.failures.saturating_add(1);
        let most = (REST_MS << doublings).min(REST_MAX_MS);
        asked_ms.unwrap_or(0).min(ASKED_MAX_MS) + chance % (most + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_to_their_limit_and_are_any_part_of_it() {
        let mut backoff = Backoff::default();
        let most: Vec<_> = (0..8)
            .map(|_| {
                let failures = backoff.failures;
                let mut again = Backoff { failures };
                // The largest rest there is: the remainder by one more than the most.
                let most = (REST_MS << failures).min(REST_MAX_MS);
                assert_eq!(again.rest_ms(most + 1, None, None), 0);
                backoff.rest_ms(most, None, None)
            })
            .collect();
        assert_eq!(most, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    }

    #[test]
    fn what_the_gateway_says_counts() {
        assert!(Backoff::default().rest_ms(1_999, Some(Reconnect::Later), None) == 1_999);
        assert_eq!(
            Backoff::default().rest_ms(0, Some(Reconnect::Later), Some(7_000)),
            7_000
        );
        assert_eq!(Backoff::default().rest_ms(0, None, Some(u64::MAX)), ASKED_MAX_MS);
    }

    #[test]
    fn only_a_session_that_lived_makes_up_for_failures() {
        let mut backoff = Backoff { failures: 5 };
        backoff.ended(GOOD_MS - 1);
        assert_eq!(backoff.failures, 5);
        backoff.ended(GOOD_MS);
        assert_eq!(backoff.failures, 0);
    }
}
