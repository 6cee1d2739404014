//! A log-linear histogram of nanoseconds: 64 steps per power of two.
//!
//! Invariant: a quantile is at most 1/64 above the value that was added, and never above the largest one.

const STEPS: usize = 64;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// Counts of values by size.
#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    /// An empty histogram; it holds every `u64`.
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; slot(u64::MAX) + 1],
            total: 0,
            max: 0,
        }
    }

    /// Counts one value.
    pub(crate) fn add(&mut self, value: u64) {
        self.counts[slot(value)] += 1;
        self.total += 1;
        self.max = self.max.max(value);
    }

    /// The largest value added; 0 if there is none.
    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    /// The value that the share `q` (0 to 1) of all values does not exceed; 0 if there is none.
    pub(crate) fn quantile(&self, q: f64) -> u64 {
        let rank = ((self.total as f64 * q).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return top(at).min(self.max);
            }
        }
        self.max
    }

    /// Forgets all values.
    pub(crate) fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
        self.max = 0;
    }
}

/// Where a value is counted: itself below `STEPS`, then `STEPS` slots per power of two.
fn slot(value: u64) -> usize {
    if value < STEPS as u64 {
        return value as usize;
    }
    let shift = value.ilog2() - STEP_BITS;
    let step = (value >> shift) as usize & (STEPS - 1);
    (shift as usize + 1) * STEPS + step
}

/// The largest value that is counted in a slot.
fn top(slot: usize) -> u64 {
    if slot < STEPS {
        return slot as u64;
    }
    let shift = slot / STEPS - 1;
    let low = ((STEPS + slot % STEPS) as u64) << shift;
    low + ((1u64 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_slot() {
        let mut values: Vec<u64> = (0..5_000).collect();
        for bit in 0..64 {
            let power = 1u64 << bit;
            values.extend([power - 1, power, power + 1, power.wrapping_mul(3) | 1]);
        }
        values.push(u64::MAX);
        for value in values {
            let at = slot(value);
            assert!(top(at) >= value, "{value} is above its slot {at}");
            assert!(
                at == 0 || top(at - 1) < value,
                "{value} belongs into a slot before {at}"
            );
        }
    }

    #[test]
    fn quantiles_are_close_and_never_below() {
        let mut all = Histogram::new();
        for value in 1..=100_000u64 {
            all.add(value);
        }
        for (q, exact) in [(0.5, 50_000u64), (0.99, 99_000), (0.999, 99_900), (1.0, 100_000)] {
            let got = all.quantile(q);
            assert!(
                got >= exact && got <= exact + exact / 64 + 1,
                "{q}: {got} for {exact}"
            );
        }
        assert_eq!((all.max(), all.total), (100_000, 100_000));
    }

    #[test]
    fn empty_and_cleared_say_zero() {
        let mut one = Histogram::new();
        assert_eq!(one.quantile(0.99), 0);
        one.add(77);
        assert_eq!(one.quantile(0.0), 77);
        one.clear();
        assert_eq!((one.quantile(0.5), one.max(), one.total), (0, 0, 0));
    }
}
