//! When a link tries again to connect.
//!
//! Invariant: the first attempt is at once, no two are further apart than a second, and no two nodes are in step for long.

use std::time::Duration;

/// Between two attempts, at first and at most.
const AGAIN: Duration = Duration::from_millis(50);
const AGAIN_MAX: Duration = Duration::from_secs(1);

/// How long to wait before an attempt, the first of which is at once; for each seed a little differently.
pub(crate) fn again(attempts: usize, seed: u64) -> Duration {
    let doubled = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
    if doubled == 0 {
        return Duration::ZERO;
    }
    let longest = AGAIN
        .saturating_mul(2_u32.saturating_pow(doubled - 1))
        .min(AGAIN_MAX);
    // From half of it to all of it.
    let share = seed.rotate_left(doubled) % 512;
    longest.mul_f64(0.5 + share as f64 / 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_never_far_apart_nor_too_close() {
        assert_eq!(again(0, 7), Duration::ZERO);
        assert_eq!(again(1, 7), Duration::ZERO);
        for seed in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
            for attempts in [2, 3, 10, 1_000, usize::MAX] {
                let wait = again(attempts, seed);
                assert!(
                    wait >= AGAIN / 2 && wait <= AGAIN_MAX,
                    "{attempts} {seed} {wait:?}"
                );
            }
            assert!(again(50, seed) >= AGAIN_MAX / 2);
        }
    }
}
