//! A table of bounded size whose entries become worthless by themselves and are forgotten in slices.
//!
//! Invariant: it never holds more than its limit, and what it forgets and when depends on its inputs alone.

use std::collections::BTreeMap;
use std::ops::Bound;

/// Entries looked at to make room for a new one in a full table.
const SLICE: usize = 16;

/// A table that goes round its own entries, some at a time, and forgets the worthless ones.
#[derive(Clone, Debug)]
pub struct Swept<K, V> {
    entries: BTreeMap<K, V>,
    entries_max: usize,
    /// The last key that was looked at.
    hand: Option<K>,
}

impl<K: Ord + Clone, V> Swept<K, V> {
    /// An empty table of at most `entries_max` entries (at least 1).
    #[must_use]
    pub fn new(entries_max: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            entries_max: entries_max.max(1),
            hand: None,
        }
    }

    /// The entry of a key, made if there is none.
    ///
    /// A full table first looks at a few entries. It forgets those with nothing left to remember, or else the one with
    /// the least, as `left` says: 0 for nothing.
    pub fn entry(&mut self, key: K, left: impl Fn(&V) -> u64, make: impl FnOnce() -> V) -> &mut V {
        if self.entries.len() >= self.entries_max && !self.entries.contains_key(&key) {
            self.make_room(left);
        }
        self.entries.entry(key).or_insert_with(make)
    }

    /// The entry of a key.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key)
    }

    /// Looks at the next `slice` entries and forgets the worthless ones; how many.
    pub fn sweep(&mut self, slice: usize, worthless: impl Fn(&V) -> bool) -> usize {
        let before = self.entries.len();
        for key in self.next_slice(slice) {
            if self.entries.get(&key).is_some_and(&worthless) {
                self.entries.remove(&key);
            }
        }
        before - self.entries.len()
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn make_room(&mut self, left: impl Fn(&V) -> u64) {
        let mut least: Option<(u64, K)> = None;
        let mut forgotten = false;
        for key in self.next_slice(SLICE) {
            let worth = self.entries.get(&key).map_or(0, &left);
            if worth == 0 {
                self.entries.remove(&key);
                forgotten = true;
            } else if least.as_ref().is_none_or(|(known, _)| worth < *known) {
                least = Some((worth, key));
            }
        }
        if let (false, Some((_, key))) = (forgotten, least) {
            self.entries.remove(&key);
        }
    }

    /// The keys after the hand, going round; moves the hand.
    fn next_slice(&mut self, slice: usize) -> Vec<K> {
        let slice = slice.min(self.entries.len());
        let from = self.hand.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let keys: Vec<K> = self
            .entries
            .range((from, Bound::Unbounded))
            .chain(self.entries.iter())
            .map(|(key, _)| key.clone())
            .take(slice)
            .collect();
        if let Some(last) = keys.last() {
            self.hand = Some(last.clone());
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(worths: &[u64]) -> Swept<usize, u64> {
        let mut table = Swept::new(worths.len());
        for (key, worth) in worths.iter().enumerate() {
            table.entry(key, |left| *left, || *worth);
        }
        table
    }

    #[test]
    fn a_full_table_forgets_what_has_nothing_left() {
        let mut table = table(&[5, 0, 3, 0]);
        table.entry(9, |left| *left, || 1);
        assert_eq!(table.entries.keys().copied().collect::<Vec<_>>(), [0, 2, 9]);
    }

    #[test]
    fn else_it_forgets_what_has_the_least_left() {
        let mut table = table(&[5, 4, 3, 4]);
        table.entry(9, |left| *left, || 1);
        assert_eq!(table.entries.keys().copied().collect::<Vec<_>>(), [0, 1, 3, 9]);
        assert_eq!(table.len(), 4);
    }

    #[test]
    fn a_known_key_pushes_nobody_out() {
        let mut table = table(&[5, 0]);
        *table.entry(0, |left| *left, || 1) += 1;
        assert_eq!((table.len(), table.get_mut(&0).copied()), (2, Some(6)));
    }

    #[test]
    fn slices_go_round_and_reach_every_entry() {
        let mut table = table(&[1, 1, 1, 1, 1]);
        assert_eq!(table.sweep(3, |_| false), 0);
        table.entries.insert(1, 0);
        assert_eq!(
            table.sweep(2, |left| *left == 0),
            0,
            "entries 3 and 4 were its turn"
        );
        assert_eq!(table.sweep(2, |left| *left == 0), 1, "0 and 1 are next");
        assert_eq!(table.sweep(9, |_| true), 4);
        assert!(table.is_empty());
    }
}
