//! What every bus must do for its own node, others or not.

use bongsu_model::{RoomId, UserId};

use super::notes::{Notes, large, number};
use crate::{Bus, Reach, Subject};

const ROOM: RoomId = RoomId(1);

/// The speaker's own node hears first and once: all that listen, from then on, whether it wants the subject or not; who is
/// gone harms nobody.
///
/// # Panics
/// If the bus does not keep the contract.
pub async fn alone(bus: &dyn Bus) {
    let first = Notes::on(bus);
    say(bus, 1).await;
    assert_eq!(first.numbers(ROOM), [1], "heard before publish returned");
    let second = Notes::on(bus);
    say(bus, 2).await;
    assert_eq!(second.numbers(ROOM), [2], "from then on");
    drop(second);
    bus.want(Subject::Room(ROOM), true);
    for number in 3..=500 {
        say(bus, number).await;
        assert_eq!(
            first.numbers(ROOM).last(),
            Some(&number),
            "heard before publish returned"
        );
    }
    let reach = bus.reach(number(ROOM, 501)).await.expect("the bus is healthy");
    assert_ne!(reach, Reach::Somebody, "nobody else is there");
    bus.publish(large(UserId(1), 10_000))
        .await
        .expect("the bus is healthy");
    assert_eq!(first.read(|book| book.blocks.clone()), [(UserId(1), 10_000)]);
    bus.flush().await;
    assert_eq!(first.numbers(ROOM), (1..=501).collect::<Vec<_>>(), "each once");
    assert_eq!(first.read(|book| book.missed), 0, "nothing was missed");
}

async fn say(bus: &dyn Bus, count: u64) {
    bus.publish(number(ROOM, count))
        .await
        .expect("the bus is healthy");
}
