//! A bounded queue between async callers and threads.
//!
//! Invariant: nothing is accepted after [`Queue::close`], and what was accepted before is still taken. Neither side ever
//! waits for the other but a taker that finds nothing.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};

use crate::StoreFault;

pub(super) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    filled: Condvar,
    max: usize,
}

struct Inner<T> {
    waiting: VecDeque<T>,
    closed: bool,
    /// Takers that sleep; a push wakes one of them, and makes no system call when there is none.
    asleep: usize,
}

impl<T> Queue<T> {
    pub(super) fn new(max: usize) -> Self {
        let inner = Inner {
            waiting: VecDeque::new(),
            closed: false,
            asleep: 0,
        };
        Self {
            inner: Mutex::new(inner),
            filled: Condvar::new(),
            max,
        }
    }

    pub(super) fn push(&self, item: T) -> Result<(), StoreFault> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(StoreFault::Stopped);
        }
        if inner.waiting.len() >= self.max {
            return Err(StoreFault::Overloaded);
        }
        inner.waiting.push_back(item);
        let wake = inner.asleep > 0;
        drop(inner);
        if wake {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits until there is something, and moves the oldest, at most `most`, into `taken`. False when closed and empty.
    pub(super) fn take(&self, most: usize, taken: &mut VecDeque<T>) -> bool {
        let mut inner = self.inner.lock();
        while inner.waiting.is_empty() {
            if inner.closed {
                return false;
            }
            inner.asleep += 1;
            self.filled.wait(&mut inner);
            inner.asleep -= 1;
        }
        if inner.waiting.len() <= most && taken.is_empty() {
            std::mem::swap(&mut inner.waiting, taken);
        } else {
            let count = most.min(inner.waiting.len());
            taken.extend(inner.waiting.drain(..count));
        }
        true
    }

    pub(super) fn len(&self) -> usize {
        self.inner.lock().waiting.len()
    }

    pub(super) fn close(&self) {
        self.inner.lock().closed = true;
        self.filled.notify_all();
    }

    /// Closes and forgets what waits: its callers hear that nobody will answer.
    pub(super) fn abandon(&self) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        drop(waiting);
        self.filled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_no_more_than_its_bound() {
        let queue = Queue::new(2);
        queue.push(1).unwrap();
        queue.push(2).unwrap();
        assert!(matches!(queue.push(3), Err(StoreFault::Overloaded)));
        let mut taken = VecDeque::new();
        assert!(queue.take(1, &mut taken));
        assert_eq!(taken, [1]);
        queue.push(3).unwrap();
        taken.clear();
        assert!(queue.take(9, &mut taken));
        assert_eq!(taken, [2, 3]);
    }

    #[test]
    fn what_was_accepted_is_taken_after_the_end() {
        let queue = Queue::new(2);
        queue.push(1).unwrap();
        queue.close();
        assert!(matches!(queue.push(2), Err(StoreFault::Stopped)));
        let mut taken = VecDeque::new();
        assert!(queue.take(9, &mut taken));
        taken.clear();
        assert!(!queue.take(9, &mut taken));
    }
}
