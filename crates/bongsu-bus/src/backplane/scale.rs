//! How many bytes wait.
//!
//! Invariant: what was put on and was not dropped yet weighs no more than may wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What weighs together.
pub(super) struct Scale {
    bytes: Arc<AtomicUsize>,
    max: usize,
}

/// What something weighs, until it is dropped.
pub(super) struct Load {
    scale: Arc<AtomicUsize>,
    bytes: usize,
}

impl Scale {
    pub(super) fn new(max: usize) -> Self {
        Self {
            bytes: Arc::default(),
            max,
        }
    }

    /// Puts something on; `None` if that is too much.
    pub(super) fn put(&self, bytes: usize) -> Option<Load> {
        // Made first, so that what is too much is taken off again.
        let load = Load {
            scale: Arc::clone(&self.bytes),
            bytes,
        };
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        (before.saturating_add(bytes) <= self.max).then_some(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.scale.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_waits_than_may() {
        let scale = Scale::new(10);
        let four = scale.put(4).expect("there is room");
        assert!(scale.put(7).is_none());
        let six = scale.put(6).expect("there is room for just that");
        assert!(scale.put(1).is_none());
        drop(four);
        assert!(scale.put(5).is_none());
        assert!(scale.put(4).is_some());
        drop(six);
        assert!(scale.put(10).is_some());
    }
}
