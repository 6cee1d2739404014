//! Rate limits: the generic cell rate algorithm in whole nanoseconds.
//!
//! Invariant: in any window of `t` seconds no bucket lets more than `burst + per_s × t` through. A bucket is one number:
//! the moment at which it will be full again.

use bongsu_model::Timestamp;

use crate::swept::Swept;

const NS_PER_MS: u64 = 1_000_000;
const MS_PER_S: u64 = 1_000;

/// How much may pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// In `per_ms`, for ever; 0 for no limit.
    count: u32,
    per_ms: u64,
    burst: u32,
}

impl Rate {
    /// So many in a second, for ever; 0 for no limit. `burst` at once, after a rest; 0 counts as 1.
    #[must_use]
    pub const fn new(per_s: u32, burst: u32) -> Self {
        Self {
            count: per_s,
            per_ms: MS_PER_S,
            burst,
        }
    }

    /// So many in so many milliseconds, for ever, and as many at once after a rest; 0 for no limit.
    #[must_use]
    pub const fn within(count: u32, per_ms: u64) -> Self {
        Self {
            count,
            per_ms,
            burst: count,
        }
    }

    /// How many, and in how many milliseconds.
    #[must_use]
    pub const fn parts(self) -> (u32, u64) {
        (self.count, self.per_ms)
    }

    /// Whether it lets everything through.
    #[must_use]
    pub const fn is_unlimited(self) -> bool {
        self.count == 0
    }

    /// Nanoseconds in which one unit comes back, rounded up so that the rate is never exceeded.
    const fn interval_ns(self) -> u64 {
        self.per_ms.saturating_mul(NS_PER_MS).div_ceil(self.count as u64)
    }

    /// Nanoseconds in which an empty bucket becomes full.
    fn burst_ns(self) -> u64 {
        self.interval_ns().saturating_mul(u64::from(self.burst.max(1)))
    }
}

/// What one key has used up: the moment, in nanoseconds since 1970, at which its bucket is full again.
///
/// A new bucket is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bucket(u64);

/// Takes one unit out of a bucket.
///
/// # Errors
///
/// If the rate does not allow it: after how many milliseconds it will. Nothing is taken then.
pub fn check(bucket: &mut Bucket, rate: Rate, now: Timestamp) -> Result<(), u64> {
    check_cost(bucket, rate, 1, now)
}

/// Takes `cost` units out of a bucket at once, all or none. A cost over the burst counts as the burst, so that it passes
/// a full bucket instead of never.
///
/// A clock that went back, or a rate that became lower, keeps a key out for no longer than its bucket takes to fill.
///
/// # Errors
///
/// If the rate does not allow it: after how many milliseconds it will. Nothing is taken then.
pub fn check_cost(bucket: &mut Bucket, rate: Rate, cost: u32, now: Timestamp) -> Result<(), u64> {
    if rate.is_unlimited() {
        return Ok(());
    }
    let now = ns(now);
    let full = now.saturating_add(rate.burst_ns());
    let cost_ns = rate
        .interval_ns()
        .saturating_mul(u64::from(cost.min(rate.burst.max(1))));
    let after = bucket.0.clamp(now, full).saturating_add(cost_ns);
    if after > full {
        return Err((after - full).div_ceil(NS_PER_MS));
    }
    bucket.0 = after;
    Ok(())
}

impl Bucket {
    /// Whether the bucket is full again, so that forgetting it changes nothing.
    #[must_use]
    pub fn is_full(self, now: Timestamp) -> bool {
        self.0 <= ns(now)
    }
}

fn ns(at: Timestamp) -> u64 {
    u64::try_from(at.0).unwrap_or(0).saturating_mul(NS_PER_MS)
}

/// Buckets by key, of bounded number.
///
/// Full buckets are forgotten, which changes no answer. Only if all of a large number of keys are in use at once does the
/// table forget the fullest of a few, whose key then starts afresh.
#[derive(Clone, Debug)]
pub struct Buckets<K> {
    table: Swept<K, Bucket>,
}

impl<K: Ord + Clone> Buckets<K> {
    /// No buckets, and never more than `keys_max`.
    #[must_use]
    pub fn new(keys_max: usize) -> Self {
        Self {
            table: Swept::new(keys_max),
        }
    }

    /// Takes one unit out of a key's bucket.
    ///
    /// # Errors
    ///
    /// As [`check`].
    pub fn check(&mut self, key: K, rate: Rate, now: Timestamp) -> Result<(), u64> {
        self.check_cost(key, rate, 1, now)
    }

    /// Takes `cost` units out of a key's bucket.
    ///
    /// # Errors
    ///
    /// As [`check_cost`].
    pub fn check_cost(&mut self, key: K, rate: Rate, cost: u32, now: Timestamp) -> Result<(), u64> {
        if rate.is_unlimited() {
            return Ok(());
        }
        let left = |bucket: &Bucket| bucket.0.saturating_sub(ns(now));
        check_cost(self.table.entry(key, left, Bucket::default), rate, cost, now)
    }

    /// Looks at the next `slice` buckets and forgets the full ones; how many. To be called now and then.
    pub fn sweep(&mut self, slice: usize, now: Timestamp) -> usize {
        self.table.sweep(slice, |bucket| bucket.is_full(now))
    }

    /// How many buckets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

#[cfg(test)]
mod tests;
