//! The live feed: what happens on any node, for operators who watch this one.
//!
//! Invariant: whoever tells never waits, and what nobody watches costs two looks at a number. Of what waits for a watcher, or
//! to be said to the other nodes, there are at most `limits.happenings_max`; who is slower misses the newest, and a watcher
//! is told how many.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use bongsu_bus::{Heard, Subject};
use bongsu_core::policy;
use bongsu_model::{Code, Happening, HappeningKind, Refusal};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use crate::node::Node;
use crate::usecases::operate::Operator;

/// Those who watch a node.
pub(crate) struct Happenings {
    count: AtomicUsize,
    watchers: Mutex<Watchers>,
    watchers_max: usize,
    waiting_max: usize,
    /// Whether somebody watches on another node, as far as is known.
    elsewhere: AtomicBool,
    /// What waits to be said to the other nodes.
    says: mpsc::Sender<Arc<Happening>>,
}

/// What is to be said to the other nodes.
pub(crate) struct Unsaid(mpsc::Receiver<Arc<Happening>>);

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
    pub(crate) fn new(watchers_max: usize, waiting_max: usize) -> (Self, Unsaid) {
        let (says, unsaid) = mpsc::channel(waiting_max.max(1));
        let happenings = Self {
            count: AtomicUsize::new(0),
            watchers: Mutex::default(),
            watchers_max,
            waiting_max,
            elsewhere: AtomicBool::new(false),
            says,
        };
        (happenings, Unsaid(unsaid))
    }

    /// Tells those who want to hear of it, here and elsewhere; what is told is made only for them.
    fn tell(&self, kind: HappeningKind, make: impl FnOnce() -> Happening) {
        if self.elsewhere.load(Ordering::Relaxed) {
            let happening = Arc::new(make());
            self.tell_here(kind, || Arc::clone(&happening));
            // The others miss what they are too slow to be told.
            let _ = self.says.try_send(happening);
        } else {
            self.tell_here(kind, || Arc::new(make()));
        }
    }

    /// Tells those here who want to hear of it.
    fn tell_here(&self, kind: HappeningKind, make: impl FnOnce() -> Arc<Happening>) {
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
        let happening = make();
        for watcher in wanting {
            watcher.tell(watchers.last, &happening, self.waiting_max);
        }
    }

    /// Whether somebody watches here.
    pub(crate) fn is_watched(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Whether somebody watches on another node from now on.
    pub(crate) fn set_watched_elsewhere(&self, watched: bool) {
        self.elsewhere.store(watched, Ordering::Relaxed);
    }

    /// One more watches; `first` is called if nobody did.
    fn watch(&self, prefixes: Vec<Box<str>>, first: impl FnOnce()) -> Option<Arc<Watcher>> {
        let watcher = Arc::new(Watcher {
            prefixes,
            waits: Mutex::default(),
            wake: Notify::new(),
        });
        let mut watchers = self.watchers.lock();
        if watchers.all.len() >= self.watchers_max {
            return None;
        }
        if watchers.all.is_empty() {
            first();
        }
        watchers.all.push(Arc::clone(&watcher));
        self.count.store(watchers.all.len(), Ordering::Relaxed);
        Some(watcher)
    }

    /// One less does; `last` is called if nobody does any more.
    fn leave(&self, watcher: &Arc<Watcher>, last: impl FnOnce()) {
        let mut watchers = self.watchers.lock();
        watchers.all.retain(|it| !Arc::ptr_eq(it, watcher));
        self.count.store(watchers.all.len(), Ordering::Relaxed);
        if watchers.all.is_empty() {
            last();
        }
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
        let last = || self.node.want(Subject::Happenings, false);
        self.node.happenings.leave(&self.watcher, last);
    }
}

impl Node {
    /// Something has happened here: those who watch are told. Never waits; where nobody watches `tell` is not called, and it
    /// must not tell of anything else.
    pub fn happened(&self, kind: HappeningKind, tell: impl FnOnce(Happening) -> Happening) {
        let make = || tell(Happening::new(kind, self.now()).on_node(&self.id));
        self.happenings.tell(kind, make);
    }

    /// Something has happened on some node: those who watch here are told, unless this one has told them before.
    pub(crate) fn happened_somewhere(&self, happening: &Arc<Happening>) {
        if happening.node.as_ref() != Some(&self.id) {
            self.happenings
                .tell_here(happening.kind, || Arc::clone(happening));
        }
    }

    /// Begins to watch what happens: here from now on, on other nodes as soon as they know; of those kinds whose names begin
    /// with one of these, or of all kinds if there are none.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`; `OVERLOADED`: there are too many watchers.
    pub fn watch_happenings(
        self: &Arc<Self>,
        by: &Operator,
        prefixes: Vec<Box<str>>,
    ) -> Result<Watching, Refusal> {
        policy::may_operate(&by.principal)?;
        let first = || {
            self.want(Subject::Happenings, true);
            let node = Arc::clone(self);
            // The others say what happens there once they have heard that somebody wants to know.
            tokio::spawn(async move { node.tell_beat().await });
        };
        let watcher = self.happenings.watch(prefixes, first);
        let watcher = watcher.ok_or_else(|| Refusal::retry(Code::Overloaded, 1_000))?;
        Ok(Watching {
            watcher,
            node: Arc::clone(self),
        })
    }
}

impl Unsaid {
    /// Says to the other nodes what happens here, in its order, as long as the node lives.
    pub(crate) async fn run(mut self, node: Weak<Node>) {
        while let Some(happening) = self.0.recv().await {
            let Some(node) = node.upgrade() else { return };
            node.publish(Heard::Happening(happening)).await;
        }
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
        let (happenings, _unsaid) = Happenings::new(2, 8);
        let unwanted = || panic!("nobody wants it");
        happenings.tell(ONLINE, unwanted);
        let watcher = happenings.watch(vec!["command.".into()], || {}).unwrap();
        happenings.tell(ONLINE, unwanted);
        tell(&happenings, ENDED);
        assert_eq!(told(&watcher), [(1, ENDED)]);
        happenings.leave(&watcher, || {});
        happenings.tell(ENDED, unwanted);
    }

    #[test]
    fn everyone_hears_what_it_asked_for_in_one_order() {
        let (happenings, _unsaid) = Happenings::new(2, 8);
        let all = happenings.watch(Vec::new(), || {}).unwrap();
        let some = happenings
            .watch(vec!["device.".into(), "user.on".into()], || {})
            .unwrap();
        assert!(happenings.watch(Vec::new(), || {}).is_none(), "one too many");
        for kind in [ENDED, ONLINE, ENDED] {
            tell(&happenings, kind);
        }
        assert_eq!(told(&all), [(1, ENDED), (2, ONLINE), (3, ENDED)]);
        assert_eq!(told(&some), [(2, ONLINE)]);
        happenings.leave(&some, || panic!("another watches"));
        assert!(happenings.watch(Vec::new(), || {}).is_some());
    }

    #[test]
    fn who_is_slow_is_told_how_many_it_missed() {
        let (happenings, _unsaid) = Happenings::new(1, 2);
        let watcher = happenings.watch(Vec::new(), || {}).unwrap();
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

    #[tokio::test]
    async fn what_is_watched_elsewhere_is_made_once_and_said() {
        let (happenings, mut unsaid) = Happenings::new(1, 2);
        let watcher = happenings.watch(Vec::new(), || {}).unwrap();
        tell(&happenings, ONLINE);
        happenings.set_watched_elsewhere(true);
        for _ in 0..3 {
            tell(&happenings, ENDED);
        }
        let first = [watcher.next(), watcher.next()].map(|it| match it {
            Some(Told::Happened(number, happening)) => (number, happening.kind),
            other => panic!("{other:?}"),
        });
        assert_eq!(first, [(1, ONLINE), (2, ENDED)], "no more wait");
        for _ in 0..2 {
            assert_eq!(unsaid.0.recv().await.unwrap().kind, ENDED);
        }
        assert!(unsaid.0.try_recv().is_err(), "what did not fit is not said");
    }
}
