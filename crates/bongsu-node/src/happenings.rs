//! The live feed: what happens on this node, for operators who watch it.
//!
//! Invariant: whoever tells never waits, and what nobody watches costs one look at a number. Of what waits for a watcher there
//! are at most `limits.happenings_max`; who is slower misses the newest, and is told how many.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bongsu_core::policy;
use bongsu_model::{Code, Happening, HappeningKind, Refusal};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::node::Node;
use crate::usecases::operate::Operator;

/// Those who watch a node.
pub(crate) struct Happenings {
    count: AtomicUsize,
    watchers: Mutex<Watchers>,
    watchers_max: usize,
    waiting_max: usize,
}

/// Told in the order in which they began, under one lock, so that all hear the same order.
#[derive(Default)]
struct Watchers {
    /// The number of the last happening.
    last: u64,
    all: Vec<Arc<Watcher>>,
}

struct Watcher {
    prefixes: Vec<Box<str>>,
    waits: Mutex<Waits>,
    wake: Notify,
}

#[derive(Default)]
struct Waits {
    happenings: VecDeque<(u64, Arc<Happening>)>,
    missed: u64,
}

/// One who watches what happens, as long as it lives.
pub struct Watching {
    watcher: Arc<Watcher>,
    node: Arc<Node>,
}

/// What one who watches is told.
#[derive(Clone, PartialEq, Debug)]
pub enum Told {
    /// This happened. Numbers rise while the node runs, and have holes where only others wanted to hear of it.
    Happened(u64, Arc<Happening>),
    /// So many happenings did not fit into what may wait: they came after all that was told before.
    Missed(u64),
}

impl Watcher {
    fn wants(&self, kind: HappeningKind) -> bool {
        let name = kind.name();
        self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| name.starts_with(&**prefix))
    }

    fn tell(&self, number: u64, happening: &Arc<Happening>, waiting_max: usize) {
        let mut waits = self.waits.lock();
        // Once some are missed the rest waits until that was told, so that what is told stays in order.
        if waits.missed > 0 || waits.happenings.len() >= waiting_max {
            waits.missed += 1;
        } else {
            waits.happenings.push_back((number, Arc::clone(happening)));
        }
        drop(waits);
        self.wake.notify_one();
    }

    fn next(&self) -> Option<Told> {
        let mut waits = self.waits.lock();
        if let Some((number, happening)) = waits.happenings.pop_front() {
            return Some(Told::Happened(number, happening));
        }
        let missed = std::mem::take(&mut waits.missed);
        (missed > 0).then_some(Told::Missed(missed))
    }
}

impl Happenings {
    pub(crate) fn new(watchers_max: usize, waiting_max: usize) -> Self {
        Self {
            count: AtomicUsize::new(0),
            watchers: Mutex::default(),
            watchers_max,
            waiting_max,
        }
    }

    /// Tells those who want to hear of it; what is told is made only for them.
    fn tell(&self, kind: HappeningKind, make: impl FnOnce() -> Happening) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut watchers = self.watchers.lock();
        let mut wanting = watchers
            .all
            .iter()
            .filter(|it| it.wants(kind))
            .cloned()
            .peekable();
        if wanting.peek().is_none() {
            return;
        }
        let wanting: Vec<_> = wanting.collect();
        watchers.last += 1;
        let happening = Arc::new(make());
        for watcher in wanting {
            watcher.tell(watchers.last, &happening, self.waiting_max);
        }
    }

    fn watch(&self, prefixes: Vec<Box<str>>) -> Option<Arc<Watcher>> {
        let watcher = Arc::new(Watcher {
            prefixes,
            waits: Mutex::default(),
            wake: Notify::new(),
        });
        let mut watchers = self.watchers.lock();
        if watchers.all.len() >= self.watchers_max {
            return None;
        }
        watchers.all.push(Arc::clone(&watcher));
        self.count.store(watchers.all.len(), Ordering::Relaxed);
        Some(watcher)
    }

    fn leave(&self, watcher: &Arc<Watcher>) {
        let mut watchers = self.watchers.lock();
        watchers.all.retain(|it| !Arc::ptr_eq(it, watcher));
        self.count.store(watchers.all.len(), Ordering::Relaxed);
    }
}

impl Watching {
    /// Waits for the next that is to be told.
    pub async fn next(&self) -> Told {
        loop {
            let woken = self.watcher.wake.notified();
            if let Some(told) = self.watcher.next() {
                return told;
            }
            woken.await;
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.node.happenings.leave(&self.watcher);
    }
}

impl Node {
    /// Something has happened here: those who watch are told. Never waits; where nobody watches `tell` is not called, and it
    /// must not tell of anything else.
    pub fn happened(&self, kind: HappeningKind, tell: impl FnOnce(Happening) -> Happening) {
        let make = || tell(Happening::new(kind, self.now()));
        self.happenings.tell(kind, make);
    }

    /// Begins to watch what happens on this node: what happens from now on, of those kinds whose names begin with one of
    /// these; of all kinds if there are none.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`; `OVERLOADED`: there are too many watchers.
    pub fn watch_happenings(
        self: &Arc<Self>,
        by: &Operator,
        prefixes: Vec<Box<str>>,
    ) -> Result<Watching, Refusal> {
        policy::may_operate(&by.principal)?;
        let watcher = self.happenings.watch(prefixes);
        let watcher = watcher.ok_or_else(|| Refusal::retry(Code::Overloaded, 1_000))?;
        Ok(Watching {
            watcher,
            node: Arc::clone(self),
        })
    }
}

#[cfg(test)]
mod tests {
    use bongsu_model::Timestamp;
    use bongsu_model::device::CommandState;

    use super::*;

    const ONLINE: HappeningKind = HappeningKind::UserOnline;
    const ENDED: HappeningKind = HappeningKind::Command(CommandState::Failed);

    fn tell(happenings: &Happenings, kind: HappeningKind) {
        happenings.tell(kind, || Happening::new(kind, Timestamp(1)));
    }

    fn told(watcher: &Watcher) -> Vec<(u64, HappeningKind)> {
        std::iter::from_fn(|| match watcher.next()? {
            Told::Happened(number, happening) => Some((number, happening.kind)),
            Told::Missed(missed) => panic!("missed {missed}"),
        })
        .collect()
    }

    #[test]
    fn what_nobody_watches_is_not_even_made() {
        let happenings = Happenings::new(2, 8);
        let unwanted = || panic!("nobody wants it");
        happenings.tell(ONLINE, unwanted);
        let watcher = happenings.watch(vec!["command.".into()]).unwrap();
        happenings.tell(ONLINE, unwanted);
        tell(&happenings, ENDED);
        assert_eq!(told(&watcher), [(1, ENDED)]);
        happenings.leave(&watcher);
        happenings.tell(ENDED, unwanted);
    }

    #[test]
    fn everyone_hears_what_it_asked_for_in_one_order() {
        let happenings = Happenings::new(2, 8);
        let all = happenings.watch(Vec::new()).unwrap();
        let some = happenings
            .watch(vec!["device.".into(), "user.on".into()])
            .unwrap();
        assert!(happenings.watch(Vec::new()).is_none(), "one too many");
        for kind in [ENDED, ONLINE, ENDED] {
            tell(&happenings, kind);
        }
        assert_eq!(told(&all), [(1, ENDED), (2, ONLINE), (3, ENDED)]);
        assert_eq!(told(&some), [(2, ONLINE)]);
        happenings.leave(&some);
        assert!(happenings.watch(Vec::new()).is_some());
    }

    #[test]
    fn who_is_slow_is_told_how_many_it_missed() {
        let happenings = Happenings::new(1, 2);
        let watcher = happenings.watch(Vec::new()).unwrap();
        for _ in 0..5 {
            tell(&happenings, ONLINE);
        }
        let number = |told| match told {
            Some(Told::Happened(number, _)) => number,
            other => panic!("{other:?}"),
        };
        assert_eq!(number(watcher.next()), 1);
        // There is room again, but what is missed by then was before it.
        tell(&happenings, ONLINE);
        assert_eq!(number(watcher.next()), 2);
        assert_eq!(watcher.next(), Some(Told::Missed(4)));
        assert_eq!(watcher.next(), None);
        tell(&happenings, ONLINE);
        assert_eq!(number(watcher.next()), 7);
    }
}
