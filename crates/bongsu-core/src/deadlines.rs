//! A small queue of deadlines in their order; equal ones in the order of their keys.
//!
//! Invariant: the owner keeps the moment of each entry beside what it is for, so that the queue needs no second index.

use std::collections::BTreeSet;

use bongsu_model::Timestamp;

/// Deadlines by key.
#[derive(Clone, Debug)]
pub struct Deadlines<K> {
    queue: BTreeSet<(Timestamp, K)>,
}

impl<K: Ord + Copy> Deadlines<K> {
    /// A queue in which nothing waits.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            queue: BTreeSet::new(),
        }
    }

    /// Adds a deadline. One key may have several.
    pub fn set(&mut self, at: Timestamp, key: K) {
        self.queue.insert((at, key));
    }

    /// Takes a deadline back; false if there was none at that moment.
    pub fn cancel(&mut self, at: Timestamp, key: K) -> bool {
        self.queue.remove(&(at, key))
    }

    /// The first deadline.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes the first deadline if its moment has come.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, K)> {
        let first = *self.queue.first()?;
        if first.0 > now {
            return None;
        }
        self.queue.remove(&first);
        Some(first)
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

impl<K: Ord + Copy> Default for Deadlines<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_in_order_and_not_before_their_time() {
        let mut queue = Deadlines::new();
        for (at, key) in [(20, 'b'), (10, 'z'), (20, 'a'), (30, 'c')] {
            queue.set(Timestamp(at), key);
        }
        assert!(queue.cancel(Timestamp(30), 'c'));
        assert!(!queue.cancel(Timestamp(30), 'c'), "it is gone");
        assert_eq!(queue.next(), Some(Timestamp(10)));
        assert_eq!(queue.pop_due(Timestamp(9)), None);
        let due: Vec<_> = std::iter::from_fn(|| queue.pop_due(Timestamp(20)))
            .map(|(_, key)| key)
            .collect();
        assert_eq!(due, ['z', 'a', 'b']);
        assert!(queue.is_empty() && queue.next().is_none());
    }
}
