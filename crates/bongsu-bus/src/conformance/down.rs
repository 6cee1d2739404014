//! What a bus must do when its broker is gone, and when it is back.

use std::sync::Arc;
use std::time::Duration;

use bongsu_model::{RoomId, UserId};
use tokio::time::{Instant, timeout};

use super::notes::{Notes, large, number, wants};
use super::{Broker, Cluster};
use crate::{Bus, BusFault, Health, Reach, Subject};

const ROOM: RoomId = RoomId(1);
/// A room that is wanted only once the broker is gone.
const LATER: RoomId = RoomId(2);
/// One that is wanted no more by then.
const NO_MORE: RoomId = RoomId(3);
/// How long anything may take that is not to wait for the broker.
const AT_ONCE: Duration = Duration::from_millis(100);
/// How long it may take until it is known that the broker is gone.
const NOTICED: Duration = Duration::from_secs(5);
/// How long it may take until all is as it was.
const BACK: Duration = Duration::from_secs(20);
/// Between two looks at what cannot be waited for.
const LOOK: Duration = Duration::from_millis(10);

struct Two {
    speaker: Arc<dyn Bus>,
    hearer: Arc<dyn Bus>,
    own: Arc<Notes>,
    heard: Arc<Notes>,
}

/// A broker that is killed, and started again: what is said meanwhile is refused at once, the node itself hears it, and
/// afterwards all that is wanted is heard, and ears are told that they may have missed something.
///
/// # Panics
/// If the bus does not keep the contract.
pub async fn killed(cluster: &dyn Cluster, broker: &mut dyn Broker) {
    let two = meet(cluster).await;
    broker.kill().await;
    let gone = Instant::now();
    let mut count = 0;
    // Until the fall is noticed, what is said is lost.
    loop {
        count += 1;
        if at_once(&two.speaker, number(ROOM, count)).await == Err(BusFault::Unreachable) {
            break;
        }
        assert!(gone.elapsed() < NOTICED, "what is said is still taken");
        pause(LOOK).await;
    }
    let asked = timeout(NOTICED, two.speaker.reach(number(ROOM, count + 1))).await;
    assert!(
        matches!(asked, Ok(Err(BusFault::Unreachable) | Ok(Reach::Unknown))),
        "nothing is known of others: {asked:?}"
    );
    assert_eq!(
        two.own.numbers(ROOM),
        (1..=count + 1).collect::<Vec<_>>(),
        "the node itself hears"
    );
    is_silent(&two, gone).await;
    two.hearer.want(Subject::Room(LATER), true);
    two.hearer.want(Subject::Room(NO_MORE), false);
    timeout(AT_ONCE * 50, two.speaker.flush())
        .await
        .expect("flush gives up");
    broker.start().await;
    is_back(&two).await;
}

/// A broker that is stopped, and goes on later: nothing waits for it, and when it goes on all is as it was.
///
/// # Panics
/// If the bus does not keep the contract.
pub async fn stopped(cluster: &dyn Cluster, broker: &mut dyn Broker) {
    let two = meet(cluster).await;
    broker.pause().await;
    let gone = Instant::now();
    let mut refused = 0;
    // More than fits into all the buffers on the way.
    for count in 1..=400 {
        let said = at_once(&two.speaker, large(UserId(count), 10_000)).await;
        refused += usize::from(said.is_err());
    }
    is_silent(&two, gone).await;
    for count in 1..=20_000 {
        let said = at_once(&two.speaker, number(ROOM, count)).await;
        refused += usize::from(said.is_err());
    }
    assert!(refused > 0, "what waits is bounded");
    two.hearer.want(Subject::Room(LATER), true);
    two.hearer.want(Subject::Room(NO_MORE), false);
    broker.resume().await;
    is_back(&two).await;
}

async fn meet(cluster: &dyn Cluster) -> Two {
    let (speaker, hearer) = (cluster.node("speaker").await, cluster.node("hearer").await);
    let (own, heard) = (Notes::on(&*speaker), Notes::on(&*hearer));
    wants(&*hearer, [ROOM, NO_MORE]);
    for room in [ROOM, NO_MORE] {
        heard.hears(&*speaker, room).await;
    }
    Two {
        speaker,
        hearer,
        own,
        heard,
    }
}

async fn at_once(bus: &Arc<dyn Bus>, heard: crate::Heard) -> Result<(), BusFault> {
    timeout(AT_ONCE, bus.publish(heard))
        .await
        .expect("nobody waits for the broker")
}

async fn is_silent(two: &Two, gone: Instant) {
    for bus in [&two.speaker, &two.hearer] {
        while bus.health() == Health::Well {
            assert!(
                gone.elapsed() < NOTICED,
                "it is not noticed that the broker is gone"
            );
            pause(LOOK).await;
        }
    }
}

async fn is_back(two: &Two) {
    let began = Instant::now();
    for bus in [&two.speaker, &two.hearer] {
        while bus.health() != Health::Well {
            assert!(
                began.elapsed() < BACK,
                "it is not noticed that the broker is back"
            );
            pause(LOOK).await;
        }
    }
    for notes in [&two.own, &two.heard] {
        notes
            .until("ears know that they may have missed something", |book| {
                book.missed > 0
            })
            .await;
    }
    for room in [ROOM, LATER] {
        two.heard.hears(&*two.speaker, room).await;
    }
    // What others said when the ears were told is heard: nothing was said before it that was not wanted again.
    two.speaker
        .publish(number(LATER, 100_000))
        .await
        .expect("the broker is back");
    two.heard
        .until("words come again", |book| book.heads.contains(&(LATER, 100_000)))
        .await;
    let before = two.heard.numbers(LATER).len();
    for count in 100_001..=100_500 {
        two.speaker
            .publish(number(LATER, count))
            .await
            .expect("the broker is back");
    }
    two.heard
        .until("words come again", |book| book.heads.contains(&(LATER, 100_500)))
        .await;
    assert_eq!(two.heard.numbers(LATER).len(), before + 500, "all of them");
}

/// Health is not told, it is looked at; this is how long between two looks.
async fn pause(time: Duration) {
    timeout(time, std::future::pending::<()>()).await.ok();
}
