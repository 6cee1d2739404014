//! Who waits for news of what: the callers of commands, the watchers of states and telemetry.
//!
//! Invariant: news never wait for whoever hears them; who is slow hears the latest. A key that nobody watches costs nothing,
//! and whoever wants to know is told of each key when it is watched first and when it is not any more, in that order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

/// The latest news by key, for those who watch.
pub(crate) struct Watched<K, V>(Arc<Inner<K, V>>);

struct Inner<K, V> {
    keys: Mutex<BTreeMap<K, Key<V>>>,
    count: AtomicUsize,
    max: usize,
    noted: Noted<K>,
}

/// Hears whether anybody watches a key from now on. It must not ask of what is watched.
type Noted<K> = Box<dyn Fn(&K, bool) + Send + Sync>;

/// Those who watch a key, in the order in which they began, so that they are always told in the same order: one channel
/// for all would wake them in any.
struct Key<V> {
    watchers: BTreeMap<u64, watch::Sender<Option<V>>>,
    last: u64,
}

impl<V> Default for Key<V> {
    fn default() -> Self {
        Self {
            watchers: BTreeMap::new(),
            last: 0,
        }
    }
}

/// One who watches a key, as long as it lives.
pub struct Watch<K: Ord, V> {
    key: K,
    number: u64,
    news: watch::Receiver<Option<V>>,
    inner: Arc<Inner<K, V>>,
}

/// There are too many watchers already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooManyWatchers;

impl<K: Ord + Clone, V: Clone> Watched<K, V> {
    pub(crate) fn new(max: usize) -> Self {
        Self::noted(max, |_, _| {})
    }

    /// As [`Self::new`]; `noted` hears whether anybody watches a key, whenever that changes.
    pub(crate) fn noted(max: usize, noted: impl Fn(&K, bool) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            keys: Mutex::default(),
            count: AtomicUsize::new(0),
            max,
            noted: Box::new(noted),
        }))
    }

    /// Begins to watch: hears what is told from now on.
    pub(crate) fn watch(&self, key: K) -> Result<Watch<K, V>, TooManyWatchers> {
        if self.0.count.fetch_add(1, Ordering::Relaxed) >= self.0.max {
            self.0.count.fetch_sub(1, Ordering::Relaxed);
            return Err(TooManyWatchers);
        }
        let mut keys = self.0.keys.lock();
        let one = keys.entry(key.clone()).or_default();
        if one.watchers.is_empty() {
            (self.0.noted)(&key, true);
        }
        one.last += 1;
        let (tells, news) = watch::channel(None);
        one.watchers.insert(one.last, tells);
        Ok(Watch {
            key,
            number: one.last,
            news,
            inner: Arc::clone(&self.0),
        })
    }

    /// Tells whoever watches a key.
    pub(crate) fn tell(&self, key: &K, news: impl FnOnce() -> V) {
        if let Some(one) = self.0.keys.lock().get(key) {
            let news = news();
            for watcher in one.watchers.values() {
                watcher.send_replace(Some(news.clone()));
            }
        }
    }

    /// How many watch.
    pub(crate) fn len(&self) -> usize {
        self.0.count.load(Ordering::Relaxed)
    }

    /// Whether anybody watches a key.
    pub(crate) fn has(&self, key: &K) -> bool {
        self.0.keys.lock().contains_key(key)
    }
}

impl<K: Ord, V: Clone> Watch<K, V> {
    /// Waits for the next news, and hears the latest.
    pub async fn next(&mut self) -> V {
        loop {
            // The sender lives as long as a watcher does.
            if self.news.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            if let Some(news) = self.news.borrow_and_update().clone() {
                return news;
            }
        }
    }
}

impl<K: Ord, V> Drop for Watch<K, V> {
    fn drop(&mut self) {
        let mut keys = self.inner.keys.lock();
        if let Some(one) = keys.get_mut(&self.key) {
            one.watchers.remove(&self.number);
            if one.watchers.is_empty() {
                keys.remove(&self.key);
                (self.inner.noted)(&self.key, false);
            }
        }
        self.inner.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_watcher_of_a_key_and_the_last_are_noted() {
        let notes = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&notes);
        let watched: Watched<u8, ()> = Watched::noted(3, move |key, on| written.lock().push((*key, on)));
        let first = watched.watch(1).unwrap();
        let second = watched.watch(1).unwrap();
        let other = watched.watch(2).unwrap();
        drop(first);
        assert_eq!(*notes.lock(), [(1, true), (2, true)]);
        drop((second, other));
        assert_eq!(notes.lock()[2..], [(1, false), (2, false)]);
    }

    #[tokio::test]
    async fn watchers_hear_the_latest_and_leave_nothing_behind() {
        let watched: Watched<u8, u32> = Watched::new(2);
        watched.tell(&1, || panic!("nobody watches"));
        let mut first = watched.watch(1).unwrap();
        let second = watched.watch(1).unwrap();
        assert_eq!(watched.watch(2).err(), Some(TooManyWatchers));
        watched.tell(&1, || 7);
        watched.tell(&1, || 8);
        assert_eq!(first.next().await, 8);
        drop(second);
        assert!(watched.has(&1));
        drop(first);
        assert!(!watched.has(&1));
        assert!(watched.watch(2).is_ok());
    }
}
