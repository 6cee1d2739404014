//! Chance from a seed.
//!
//! Invariant: the seed is all there is; the same calls give the same numbers on every machine.

use std::ops::Range;
use std::sync::Arc;

use bongsu_node::Chance;
use parking_lot::Mutex;

/// A splitmix64 generator. Clones share one state.
#[derive(Clone, Debug)]
pub struct Random(Arc<Mutex<u64>>);

impl Random {
    /// The generator of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed)))
    }

    /// Another generator that goes its own way from here.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::new(self.next())
    }

    /// 64 bits.
    #[must_use]
    pub fn next(&self) -> u64 {
        let mut state = self.0.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in a range that is not empty.
    #[must_use]
    pub fn within(&self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// True so often in a thousand times.
    #[must_use]
    pub fn often(&self, per_mille: u64) -> bool {
        self.next() % 1_000 < per_mille
    }

    /// One of these, if there is any.
    #[must_use]
    pub fn one_of<'a, T>(&self, all: &'a [T]) -> Option<&'a T> {
        if all.is_empty() {
            return None;
        }
        all.get(usize::try_from(self.next() % all.len() as u64).unwrap_or(0))
    }
}

impl Chance for Random {
    fn bits(&self) -> u128 {
        (u128::from(self.next()) << 64) | u128::from(self.next())
    }
}
