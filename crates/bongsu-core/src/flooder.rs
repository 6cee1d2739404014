//! Flooders: who goes on far beyond its rate though it is refused.
//!
//! Invariant: only keys that were refused a short while ago are remembered, and what makes a flooder of one depends on
//! its own attempts alone. Time is cut into windows of a second that begin with the first refusal.

use bongsu_model::{Limits, Timestamp};

use crate::swept::Swept;

const WINDOW_MS: u64 = 1_000;

/// What makes a flooder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlooderLimit {
    /// At least so many times its rate …
    pub times: u32,
    /// … in every second for so many milliseconds, rounded up to seconds.
    pub ms: u64,
}

impl From<&Limits> for FlooderLimit {
    fn from(limits: &Limits) -> Self {
        Self {
            times: limits.flooder_times,
            ms: limits.flooder_ms,
        }
    }
}

/// One key's attempts of late, granted and refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Streak {
    /// When the window under way began.
    window: Timestamp,
    /// Attempts in it.
    attempts: u64,
    /// Windows before it, without a gap, in each of which there were too many.
    hot: u64,
    /// It was found to flood in this window.
    found: bool,
}

impl Streak {
    const fn new(now: Timestamp) -> Self {
        Self {
            window: now,
            attempts: 0,
            hot: 0,
            found: false,
        }
    }

    /// Goes on to the window of `now`; a clock that went back begins anew.
    fn go_on(&mut self, threshold: u64, now: Timestamp) {
        if now < self.window {
            *self = Self::new(now);
            return;
        }
        let windows = now.ms_since(self.window) / WINDOW_MS;
        if windows == 0 {
            return;
        }
        let goes_on = windows == 1 && self.attempts >= threshold;
        self.hot = if goes_on { self.hot + 1 } else { 0 };
        self.attempts = 0;
        self.found = false;
        self.window = self.window.plus_ms(windows * WINDOW_MS);
    }

    /// Whether nothing of it can count any more: there was a window without an attempt.
    fn is_over(&self, now: Timestamp) -> bool {
        now < self.window || now.ms_since(self.window) >= 2 * WINDOW_MS
    }
}

/// Who was refused of late, by key, in bounded number.
#[derive(Clone, Debug)]
pub struct Flooders<K> {
    table: Swept<K, Streak>,
}

impl<K: Ord + Copy> Flooders<K> {
    /// Nobody, and never more than `keys_max`.
    #[must_use]
    pub fn new(keys_max: usize) -> Self {
        Self {
            table: Swept::new(keys_max),
        }
    }

    /// Notes an attempt of a key whose rate is `per_s` (0 for no limit); true if it was refused and makes its key a flooder.
    ///
    /// True once in each window for as long as the key goes on, so that of several sessions that flood together one after
    /// the other is found. An attempt that was granted is noted only if an earlier one was refused.
    pub fn note(&mut self, key: K, per_s: u32, refused: bool, limit: FlooderLimit, now: Timestamp) -> bool {
        let threshold = u64::from(per_s) * u64::from(limit.times);
        if threshold == 0 {
            return false;
        }
        let streak = if refused {
            let left = |streak: &Streak| {
                if streak.is_over(now) {
                    0
                } else {
                    streak
                        .hot
                        .saturating_mul(threshold)
                        .saturating_add(streak.attempts)
                }
            };
            self.table.entry(key, left, || Streak::new(now))
        } else {
            match self.table.get_mut(&key) {
                Some(streak) => streak,
                None => return false,
            }
        };
        streak.go_on(threshold, now);
        streak.attempts += 1;
        let floods = streak.attempts >= threshold && streak.hot.saturating_mul(WINDOW_MS) >= limit.ms;
        floods && refused && !std::mem::replace(&mut streak.found, true)
    }

    /// Looks at the next `slice` keys and forgets those who have stopped; how many. To be called now and then.
    pub fn sweep(&mut self, slice: usize, now: Timestamp) -> usize {
        self.table.sweep(slice, |streak| streak.is_over(now))
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nobody is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

#[cfg(test)]
mod tests;
