//! Who waits to learn whether anybody else wants to hear.
//!
//! Invariant: whoever gave up is forgotten before the number of those who wait can double.

use std::collections::HashMap;

use crate::Reach;
use crate::backplane::Asked;

/// Below so many nobody is looked for who has given up.
const SWEEP_FROM: usize = 64;

/// Questions by the last part of the subject on which they are answered.
pub(super) struct Asks {
    waiting: HashMap<u64, Asked>,
    last: u64,
    sweep_at: usize,
}

impl Asks {
    pub(super) fn new() -> Self {
        Self {
            waiting: HashMap::new(),
            last: 0,
            sweep_at: SWEEP_FROM,
        }
    }

    /// Keeps a question until it is answered; its number.
    pub(super) fn ask(&mut self, asked: Asked) -> u64 {
        if self.waiting.len() >= self.sweep_at {
            self.waiting.retain(|_, asked| !asked.is_given_up());
            self.sweep_at = SWEEP_FROM.max(self.waiting.len() * 2);
        }
        self.last += 1;
        self.waiting.insert(self.last, asked);
        self.last
    }

    /// Answers a question; what nobody asked, or asked no more, is nothing.
    pub(super) fn answer(&mut self, number: u64, reach: Reach) {
        if let Some(asked) = self.waiting.remove(&number) {
            asked.answer(reach);
        }
    }

    /// Nobody will be answered any more: it is not known.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_answered_its_own_question_once() {
        let mut asks = Asks::new();
        let (one, mut first) = Asked::new();
        let (two, mut second) = Asked::new();
        let (one, two) = (asks.ask(one), asks.ask(two));
        asks.answer(two, Reach::Nobody);
        asks.answer(two, Reach::Somebody);
        asks.answer(99, Reach::Somebody);
        assert_eq!(second.try_recv(), Ok(Reach::Nobody));
        assert!(first.try_recv().is_err());
        asks.answer(one, Reach::Somebody);
        assert_eq!(first.try_recv(), Ok(Reach::Somebody));
    }

    #[test]
    fn who_gave_up_is_forgotten() {
        let mut asks = Asks::new();
        let (kept, mut answered) = Asked::new();
        let kept = asks.ask(kept);
        for _ in 0..10_000 {
            asks.ask(Asked::new().0);
        }
        assert!(asks.waiting.len() <= SWEEP_FROM, "{}", asks.waiting.len());
        asks.answer(kept, Reach::Somebody);
        assert_eq!(answered.try_recv(), Ok(Reach::Somebody));
    }

    #[test]
    fn who_is_forgotten_learns_it() {
        let mut asks = Asks::new();
        let (asked, mut answered) = Asked::new();
        asks.ask(asked);
        asks.forget();
        assert!(answered.try_recv().is_err() && answered.is_terminated());
    }
}
