//! The backplane against the contract, over a broker inside the process.

mod hub;

use std::sync::Arc;

use async_trait::async_trait;
use bongsu_bus::{Backplane, Bus, BusFault, Ear, Health, Heard, Subject, conformance};
use bongsu_model::cluster::Cut;
use bongsu_model::{Limits, UserId};
use hub::{Fault, Hub};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_backplane_keeps_the_contract() {
    conformance::several(&Hub::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_backplane_outlives_its_broker() {
    let hub = Hub::new();
    conformance::killed(&hub, &mut hub.clone()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_backplane_waits_for_no_broker() {
    let hub = Hub::new();
    conformance::stopped(&hub, &mut hub.clone()).await;
}

/// The suite finds what is wrong with a bus.
macro_rules! found {
    ($($name:ident: $fault:ident, $suite:expr, $finds:literal;)*) => {$(
        #[tokio::test(start_paused = true)]
        #[should_panic(expected = $finds)]
        async fn $name() {
            let hub = Hub::with(Some(Fault::$fault));
            $suite(hub).await;
        }
    )*};
}

async fn several(hub: Hub) {
    conformance::several(&hub).await;
}

async fn killed(hub: Hub) {
    conformance::killed(&hub, &mut hub.clone()).await;
}

found! {
    a_bus_that_loses_is_found: Loses, several, "all is heard";
    a_bus_that_repeats_is_found: Repeats, several, "each once";
    a_bus_that_reorders_is_found: Reorders, several, "in the order in which it was said";
    a_bus_that_overhears_is_found: Overhears, several, "is still heard";
    a_bus_that_reaches_itself_is_found: ReachesItself, several, "nobody else";
    a_bus_that_forgets_is_found: Forgets, killed, "it is not noticed that the broker is back";
    a_bus_that_hides_its_fall_is_found: Hides, killed, "what is said is still taken";
}

/// An ear that takes one word for each permit.
struct Slow {
    heard: Mutex<Vec<i64>>,
    missed: Mutex<Vec<usize>>,
    permits: Semaphore,
    turned: Notify,
}

#[async_trait]
impl Ear for Slow {
    async fn hear(&self, heard: Heard) {
        self.permits.acquire().await.expect("it is not closed").forget();
        if let Heard::Cut(Cut::Banned(user)) = heard {
            self.heard.lock().push(user.0);
        }
        self.turned.notify_one();
    }

    async fn missed(&self) {
        let heard = self.heard.lock().len();
        self.missed.lock().push(heard);
        self.turned.notify_one();
    }
}

fn banned(number: i64) -> Heard {
    Heard::Cut(Cut::Banned(UserId(number)))
}

/// Two nodes, of which the second has room for little and hears of user 1 … 9.
async fn two(hub: &Hub) -> (impl Bus, Backplane<hub::HubLink>, Arc<Slow>) {
    let limits = Limits {
        backplane_inbox_max: 4,
        ..Limits::DEFAULT
    };
    let (speaker, hearer) = (
        hub.bus("speaker", &Limits::DEFAULT).await,
        hub.bus("hearer", &limits).await,
    );
    let slow = Arc::new(Slow {
        heard: Mutex::default(),
        missed: Mutex::default(),
        permits: Semaphore::new(0),
        turned: Notify::new(),
    });
    let ear: Arc<dyn Ear> = slow.clone();
    hearer.listen(Arc::downgrade(&ear));
    for user in 1..=9 {
        hearer.want(Subject::User(UserId(user)), true);
    }
    // The hub is told of it by the time that the mouth has nothing more to do.
    hearer.flush().await;
    (speaker, hearer, slow)
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_is_told_as_missed_once_there_is() {
    let hub = Hub::new();
    let (speaker, hearer, slow) = two(&hub).await;
    for user in 1..=9 {
        speaker.publish(banned(user)).await.expect("the hub is up");
    }
    speaker.flush().await;
    assert!(
        hearer.meter().read().inbox_full >= 4,
        "{:?}",
        hearer.meter().read()
    );
    assert!(slow.missed.lock().is_empty(), "there is no room yet");
    slow.permits.add_permits(100);
    while slow.missed.lock().is_empty() {
        slow.turned.notified().await;
    }
    let heard = slow.heard.lock().clone();
    assert!(heard.len() <= 5 && heard.is_sorted(), "{heard:?}");
    assert_eq!(hearer.meter().read().missed, 1);
    assert_eq!(hearer.health(), Health::Well, "the broker is");
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_in_the_queue_is_refused() {
    let hub = Hub::new();
    let limits = Limits {
        backplane_queue_max: 3,
        ..Limits::DEFAULT
    };
    let bus = hub.bus("speaker", &limits).await;
    bus.flush().await;
    // Nothing else runs between these: the mouth takes none of them.
    for user in 1..=3 {
        assert_eq!(bus.publish(banned(user)).await, Ok(()));
    }
    assert_eq!(bus.publish(banned(4)).await, Err(BusFault::Full));
    bus.flush().await;
    assert_eq!(bus.publish(banned(5)).await, Ok(()));
    let reading = bus.meter().read();
    assert_eq!((reading.said, reading.queue_full, reading.unreachable), (4, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_too_heavy_to_wait_is_refused() {
    let hub = Hub::new();
    let limits = Limits {
        backplane_bytes_max: 100_000,
        ..Limits::DEFAULT
    };
    let bus = hub.bus("speaker", &limits).await;
    bus.flush().await;
    let heavy = || Heard::Blocks(UserId(1), (1..=40_000).map(UserId).collect());
    assert_eq!(bus.publish(heavy()).await, Ok(()));
    assert_eq!(bus.publish(heavy()).await, Ok(()));
    assert_eq!(bus.publish(heavy()).await, Err(BusFault::Full));
    assert_eq!(bus.publish(banned(1)).await, Ok(()), "what is light finds room");
    bus.flush().await;
    assert_eq!(bus.publish(heavy()).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_own_word_that_comes_back_is_not_heard_again() {
    let hub = Hub::new();
    let (_, hearer, slow) = two(&hub).await;
    slow.permits.add_permits(100);
    hearer.publish(banned(1)).await.expect("the hub is up");
    hearer.flush().await;
    assert_eq!(*slow.heard.lock(), [1]);
    let reading = hearer.meter().read();
    assert_eq!((reading.echoes, reading.heard, reading.said), (1, 0, 1));
    assert_eq!(reading.is_up, 1);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_brings_nothing_back_is_noticed_in_time() {
    let hub = Hub::new();
    let (_, hearer, slow) = two(&hub).await;
    slow.permits.add_permits(100);
    let mut broker = hub.clone();
    let second = tokio::time::Duration::from_secs(1);
    tokio::time::advance(second).await;
    hearer.flush().await;
    assert_eq!(hearer.health(), Health::Well);
    conformance::Broker::pause(&mut broker).await;
    tokio::time::advance(second * 2).await;
    assert_eq!(hearer.health(), Health::Well);
    tokio::time::advance(second * 2).await;
    assert!(matches!(hearer.health(), Health::Silent { for_ms } if (3_000..=5_000).contains(&for_ms)));
    conformance::Broker::resume(&mut broker).await;
    while slow.missed.lock().is_empty() {
        slow.turned.notified().await;
    }
    assert_eq!(hearer.health(), Health::Well);
}
