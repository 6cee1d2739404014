//! The hop: from `publish` on one node to an ear of another, beside the same within one process.
//!
//! Both nodes are in this process, so the figures hold two of everything; servers are those that the environment names
//! (`BONGSU_TEST_NATS`, …). `cargo bench -p bongsu-bus --bench hop` prints a row for each bus that it finds.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bongsu_bus::{Bus, BusFault, Ear, Heard, LocalBus, Subject};
use bongsu_model::UserId;
use bongsu_model::cluster::NodeRef;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Hops that are timed one by one.
const HOPS: usize = 5_000;
/// Words that are said as fast as they go.
const WORDS: u64 = 200_000;
/// Makes a word of about 300 bytes, as an ordinary chat message is.
const BLOCKED: i64 = 96;
const USER: UserId = UserId(1);

#[allow(clippy::disallowed_methods, reason = "a bench measures time")]
fn now() -> Instant {
    Instant::now()
}

#[derive(Default)]
struct Count {
    heard: AtomicU64,
    turned: Notify,
}

#[async_trait]
impl Ear for Count {
    async fn hear(&self, _: Heard) {
        self.heard.fetch_add(1, Ordering::Release);
        self.turned.notify_one();
    }

    async fn missed(&self) {
        panic!("a word was lost, so the figures are none");
    }
}

impl Count {
    fn so_far(&self) -> u64 {
        self.heard.load(Ordering::Acquire)
    }

    async fn reaches(&self, count: u64) {
        while self.so_far() < count {
            self.turned.notified().await;
        }
    }
}

fn word() -> Heard {
    Heard::Blocks(USER, (1..=BLOCKED).map(|id| UserId(id << 14)).collect())
}

fn listen(bus: &dyn Bus) -> Arc<Count> {
    let count = Arc::new(Count::default());
    let ear: Arc<dyn Ear> = count.clone();
    bus.listen(Arc::downgrade(&ear) as Weak<dyn Ear>);
    count
}

/// Figures of a bus, where `hearer` hears what `speaker` says.
async fn row(name: &str, speaker: &dyn Bus, hearer: &dyn Bus) {
    let heard = listen(hearer);
    hearer.want(Subject::User(USER), true);
    while heard.so_far() == 0 {
        speaker.publish(word()).await.unwrap();
        timeout(Duration::from_millis(100), heard.reaches(1)).await.ok();
    }
    let mut hops = Vec::with_capacity(HOPS);
    for _ in 0..HOPS {
        let before = heard.so_far();
        let said = now();
        speaker.publish(word()).await.unwrap();
        heard.reaches(before + 1).await;
        hops.push(said.elapsed());
    }
    hops.sort_unstable();
    let began = now();
    let first = heard.so_far();
    for said in 0..WORDS {
        while speaker.publish(word()).await == Err(BusFault::Full) {
            heard.reaches((first + said).saturating_sub(1_000)).await;
            tokio::task::yield_now().await;
        }
        // Not more on the way than the inbox holds.
        heard.reaches((first + said).saturating_sub(10_000)).await;
    }
    heard.reaches(first + WORDS).await;
    let rate = WORDS as f64 / began.elapsed().as_secs_f64();
    let us = |at: f64| hops[(HOPS as f64 * at) as usize].as_secs_f64() * 1e6;
    println!(
        "{name:>8}  p50 {:>7.1} us  p99 {:>7.1} us  max {:>8.1} us  {rate:>9.0} words/s",
        us(0.5),
        us(0.99),
        us(0.9999)
    );
}

/// Two starts of nodes.
fn nodes() -> [NodeRef; 2] {
    ["speaker", "hearer"].map(|id| NodeRef {
        id: id.into(),
        boot: uuid::Uuid::new_v4().as_u64_pair().0,
    })
}

#[cfg(feature = "nats")]
async fn nats(address: &str) {
    use bongsu_bus::nats::{NatsSettings, open};
    let settings = NatsSettings::parse(address).unwrap();
    let limits = bongsu_model::Limits::DEFAULT;
    let [speaker, hearer] = nodes();
    let speaker = open(&settings, &speaker, &limits).await.unwrap();
    let hearer = open(&settings, &hearer, &limits).await.unwrap();
    row("nats", &speaker, &hearer).await;
}

#[cfg(feature = "redis")]
async fn redis(address: &str) {
    use bongsu_bus::redis::{RedisSettings, open};
    let settings = RedisSettings::parse(address).unwrap();
    let limits = bongsu_model::Limits::DEFAULT;
    let [speaker, hearer] = nodes();
    let speaker = open(&settings, &speaker, &limits).await.unwrap();
    let hearer = open(&settings, &hearer, &limits).await.unwrap();
    row("redis", &speaker, &hearer).await;
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let local = LocalBus::new();
    row("local", &local, &local).await;
    #[cfg(feature = "nats")]
    if let Ok(address) = std::env::var("BONGSU_TEST_NATS") {
        nats(&address).await;
    }
    #[cfg(feature = "redis")]
    if let Ok(address) = std::env::var("BONGSU_TEST_REDIS") {
        redis(&address).await;
    }
}
