//! Mailboxes over lines that take what they like: order, budgets, patience, and nothing left behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bongsu_model::event::Lane;
use bongsu_model::{Encode, Event, Fatal, Limits, Notice, Refusal, Reply, Slot, Tag, Timestamp};
use bongsu_node::{Clock, Counters, Dialect, Line, Mailbox, Pushed, Setting, Wrote};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Says nothing by itself.
struct Mute;

impl Dialect for Mute {
    fn protocol(&self) -> &'static str {
        "mute"
    }

    fn events(&self) -> &dyn Encode {
        &Self
    }

    fn reply(&self, _: &Tag, _: &Reply, _: Setting<'_>) -> Option<Bytes> {
        None
    }

    fn refusal(&self, _: &Tag, _: &Refusal, _: Setting<'_>) -> Bytes {
        Bytes::new()
    }

    fn notice(&self, _: &Notice, _: Setting<'_>) -> Bytes {
        Bytes::new()
    }

    fn broken_off(&self, _: &Fatal, _: bool, _: Setting<'_>) -> Bytes {
        Bytes::new()
    }

    fn ping(&self, _: Setting<'_>) -> Option<Bytes> {
        None
    }
}

impl Encode for Mute {
    fn slot(&self) -> Slot {
        Slot::ActionLine
    }

    fn encode(&self, _: &Event) -> Bytes {
        Bytes::new()
    }
}

/// A line with room for so many bytes, until it is given more.
#[derive(Default)]
struct Pipe {
    taken: Mutex<Vec<u8>>,
    room: AtomicUsize,
    roomy: Notify,
    finished: AtomicBool,
    aborted: AtomicBool,
}

impl Pipe {
    fn give(&self, room: usize) {
        self.room.fetch_add(room, SeqCst);
        self.roomy.notify_one();
    }

    fn text(&self) -> String {
        String::from_utf8(self.taken.lock().clone()).unwrap()
    }
}

impl Line for Pipe {
    fn try_write(&self, bytes: &[u8]) -> Wrote {
        if self.aborted.load(SeqCst) {
            return Wrote::Gone;
        }
        let count = bytes.len().min(self.room.load(SeqCst));
        if count == 0 {
            return Wrote::Full;
        }
        self.room.fetch_sub(count, SeqCst);
        self.taken.lock().extend_from_slice(&bytes[..count]);
        Wrote::Bytes(count)
    }

    fn writable(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            while self.room.load(SeqCst) == 0 && !self.aborted.load(SeqCst) {
                self.roomy.notified().await;
            }
        })
    }

    fn finish(&self) {
        self.finished.store(true, SeqCst);
    }

    fn abort(&self) {
        self.aborted.store(true, SeqCst);
        self.roomy.notify_one();
    }
}

/// The runtime's time, which passes at once when there is nothing else to do.
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
}

struct Bench {
    pipe: Arc<Pipe>,
    mailbox: Arc<Mailbox>,
    counters: Arc<Counters>,
}

fn bench(room: usize) -> Bench {
    let pipe = Arc::new(Pipe::default());
    pipe.give(room);
    let limits = Limits {
        mailbox_bytes_max: 1_000,
        mailbox_control_bytes_max: 100,
        slow_ms: 10_000,
        ..Limits::DEFAULT
    };
    let counters = Arc::new(Counters::default());
    let line: Arc<dyn Line> = Arc::clone(&pipe) as Arc<dyn Line>;
    let clock = Arc::new(PausedClock(Instant::now()));
    let mailbox = Mailbox::new(line, &Mute, Arc::new(limits), clock, Arc::clone(&counters));
    Bench {
        pipe,
        mailbox,
        counters,
    }
}

impl Bench {
    fn push(&self, lane: Lane, text: &str) -> Pushed {
        self.mailbox.push(lane, &Bytes::copy_from_slice(text.as_bytes()))
    }

    /// Waits until something holds. The clock moves while nobody else has anything to do.
    async fn until(&self, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_fits_is_written_at_once_and_costs_nothing() {
    let it = bench(100);
    assert_eq!(it.push(Lane::Message, "hello"), Pushed::Written);
    assert_eq!(
        (it.pipe.text().as_str(), it.mailbox.waiting_bytes()),
        ("hello", 0)
    );
}

#[tokio::test(start_paused = true)]
async fn every_byte_leaves_once_and_in_order_however_the_line_takes_them() {
    let mut chance = 7_u64;
    let mut next = |below: u64| {
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((chance >> 33) % below).unwrap()
    };
    let it = bench(0);
    let mut want = String::new();
    for number in 0..2_000 {
        let text = format!("<{number}{}>", "x".repeat(next(60)));
        loop {
            match it.push(Lane::Message, &text) {
                Pushed::Written | Pushed::Queued => break,
                Pushed::Full => {
                    it.pipe.give(next(300) + 1);
                    tokio::task::yield_now().await;
                }
                Pushed::Closed => panic!("it was open"),
            }
        }
        want.push_str(&text);
        it.pipe.give(next(40));
    }
    it.pipe.give(want.len());
    it.until(|it| it.mailbox.waiting_bytes() == 0).await;
    assert_eq!(it.pipe.text(), want);
    assert_eq!(it.counters.mailbox_bytes.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_for_what_waits_and_control_has_its_own() {
    let it = bench(0);
    let hundred = "m".repeat(100);
    for _ in 0..10 {
        assert_eq!(it.push(Lane::Message, &hundred), Pushed::Queued);
    }
    assert_eq!(it.push(Lane::Message, "m"), Pushed::Full);
    assert_eq!(it.push(Lane::Control, &"c".repeat(100)), Pushed::Queued);
    assert_eq!(it.push(Lane::Control, "c"), Pushed::Full);
    assert_eq!(
        it.mailbox.answer(Lane::Message, &Bytes::from_static(b"answer")),
        Pushed::Queued
    );
    assert_eq!(it.counters.mailbox_bytes.get(), 1_106);
    it.pipe.give(10_000);
    it.until(|it| it.mailbox.waiting_bytes() == 0).await;
    assert_eq!(it.push(Lane::Message, &hundred), Pushed::Written);
}

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_without_progress_ends_and_one_with_a_little_does_not() {
    let it = bench(0);
    assert_eq!(it.push(Lane::Message, &"m".repeat(900)), Pushed::Queued);
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(9_000)).await;
        it.pipe.give(1);
    }
    assert!(!it.mailbox.is_closed(), "a byte is progress");
    it.until(|it| it.mailbox.is_closed()).await;
    assert!(it.pipe.aborted.load(SeqCst));
    assert_eq!(
        (it.counters.slow_closes.get(), it.counters.mailbox_bytes.get()),
        (1, 0)
    );
    assert_eq!(it.push(Lane::Control, "c"), Pushed::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_almost_empty_mailbox_has_patience_until_someone_waits_for_it() {
    let it = bench(0);
    assert_eq!(it.push(Lane::Message, "few"), Pushed::Queued);
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(!it.mailbox.is_closed(), "it costs next to nothing");
    it.mailbox.relief(0).await;
    assert!(
        it.mailbox.is_closed(),
        "who waited was let go when the line was given up"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cut_drops_what_waits_but_finishes_what_was_begun() {
    let it = bench(3);
    assert_eq!(it.push(Lane::Message, "begun "), Pushed::Queued);
    assert_eq!(it.push(Lane::Message, "waits "), Pushed::Queued);
    it.mailbox.cut(Some(&Bytes::from_static(b"bye")));
    assert_eq!(it.push(Lane::Message, "late"), Pushed::Closed);
    it.pipe.give(100);
    it.until(|it| it.pipe.finished.load(SeqCst)).await;
    assert_eq!(it.pipe.text(), "begun bye");
    assert_eq!(it.counters.mailbox_bytes.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_close_says_all_first_but_does_not_wait_for_ever() {
    let it = bench(3);
    for text in ["begun ", "waits "] {
        it.push(Lane::Message, text);
    }
    it.mailbox.close(Some(&Bytes::from_static(b"bye")));
    it.pipe.give(100);
    it.until(|it| it.pipe.finished.load(SeqCst)).await;
    assert_eq!(it.pipe.text(), "begun waits bye");

    let it = bench(3);
    it.push(Lane::Message, "begun ");
    it.mailbox.close(Some(&Bytes::from_static(b"bye")));
    it.until(|it| it.pipe.aborted.load(SeqCst)).await;
    assert_eq!(it.pipe.text(), "beg");
    assert_eq!(
        (it.counters.slow_closes.get(), it.counters.mailbox_bytes.get()),
        (0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_words_wait_for_a_line_that_takes_nothing_now() {
    let it = bench(0);
    it.mailbox.close(Some(&Bytes::from_static(b"bye")));
    assert_eq!(it.push(Lane::Message, "late"), Pushed::Closed);
    assert_eq!(it.counters.mailbox_bytes.get(), 3);
    it.pipe.give(2);
    it.until(|it| it.pipe.text() == "by").await;
    assert!(!it.pipe.finished.load(SeqCst));
    it.pipe.give(2);
    it.until(|it| it.pipe.finished.load(SeqCst)).await;
    assert_eq!(
        (it.pipe.text().as_str(), it.counters.mailbox_bytes.get()),
        ("bye", 0)
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_dialect_has_no_words_for_costs_nothing() {
    let it = bench(0);
    assert_eq!(it.push(Lane::Message, ""), Pushed::Written);
    assert_eq!(it.mailbox.waiting_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_relief_is_woken_by_it_and_by_the_end() {
    let it = bench(0);
    it.push(Lane::Message, &"m".repeat(600));
    let mailbox = Arc::clone(&it.mailbox);
    let waits = tokio::spawn(async move { mailbox.relief(300).await });
    it.pipe.give(299);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(!waits.is_finished(), "301 bytes wait");
    it.pipe.give(1);
    waits.await.unwrap();
    let mailbox = Arc::clone(&it.mailbox);
    let waits = tokio::spawn(async move { mailbox.relief(0).await });
    tokio::time::sleep(Duration::from_millis(10)).await;
    it.mailbox.abort();
    waits.await.unwrap();
}
