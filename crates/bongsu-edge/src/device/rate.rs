//! How many frames a device may say. Invariant: whatever its clock does, who waits for its turn waits less than a second.

use bongsu_model::{Limits, Timestamp};

/// What one device has said lately.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Rate {
    /// When all that was said is paid for, in microseconds.
    paid_us: i64,
}

impl Rate {
    /// Counts a frame that is in its turn.
    ///
    /// # Errors
    /// For how many milliseconds it is not. It is not counted then.
    pub(super) fn take(&mut self, now: Timestamp, limits: &Limits) -> Result<(), u64> {
        let now_us = now.0.saturating_mul(1_000);
        let each_us = each_us(limits);
        let credit_us = each_us.saturating_mul(i64::from(limits.device_frames_burst) - 1);
        // Who is further ahead than one can be was met by a clock that was set back.
        self.paid_us = self.paid_us.clamp(now_us, now_us + credit_us + each_us);
        let early_us = self.paid_us - now_us - credit_us;
        if early_us > 0 {
            return Err(early_us.unsigned_abs().div_ceil(1_000));
        }
        self.paid_us += each_us;
        Ok(())
    }

    /// Counts a frame that is taken whether it is in its turn or not.
    pub(super) fn charge(&mut self, now: Timestamp, limits: &Limits) {
        if self.take(now, limits).is_err() {
            self.paid_us += each_us(limits);
        }
    }
}

fn each_us(limits: &Limits) -> i64 {
    i64::from(1_000_000 / limits.device_frames_per_s.clamp(1, 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        device_frames_per_s: 10,
        device_frames_burst: 3,
        ..Limits::DEFAULT
    };

    #[test]
    fn a_burst_and_then_one_at_a_time() {
        let mut rate = Rate::default();
        let mut at = |ms: i64| rate.take(Timestamp(1_000_000 + ms), &LIMITS);
        assert_eq!([at(0), at(0), at(0)], [Ok(()); 3]);
        assert_eq!(at(0), Err(100));
        assert_eq!(at(99), Err(1));
        assert_eq!(at(100), Ok(()));
        assert_eq!(at(100), Err(100));
        // After a rest the burst is whole again, and no larger.
        assert_eq!([at(9_000), at(9_000), at(9_000)], [Ok(()); 3]);
        assert_eq!(at(9_000), Err(100));
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nobody_waiting() {
        let mut rate = Rate::default();
        for _ in 0..3 {
            rate.take(Timestamp(9_000_000), &LIMITS).unwrap();
        }
        assert_eq!(rate.take(Timestamp(1_000), &LIMITS), Err(100));
        assert_eq!(rate.take(Timestamp(1_100), &LIMITS), Ok(()));
    }

    #[test]
    fn what_is_taken_anyway_costs_no_more_than_one_frame_of_the_future() {
        let mut rate = Rate::default();
        for _ in 0..1_000 {
            rate.charge(Timestamp(5_000), &LIMITS);
        }
        assert_eq!(rate.take(Timestamp(5_200), &LIMITS), Ok(()));
    }
}
