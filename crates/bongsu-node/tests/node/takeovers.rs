//! What a node does that has not heard that another one has its device by now: the store has heard.

use std::sync::Arc;

use bongsu_model::device::{
    CommandState, DeviceSession, Expects, OpenSession, Opened, SessionOpened, Status, ToDevice,
};
use bongsu_model::refusal::CloseCause;
use bongsu_model::{Code, ConnectionEpoch, SessionId, Why};
use bongsu_node::devices::WaitFor;
use bongsu_store::DeviceStore as _;

use crate::devices::{Car, ask, car, car_world, kept, run};
use crate::world::World;

/// A session that begins on a node from which nothing is heard.
async fn taken_over(world: &World, node: &str) -> Opened {
    let open = OpenSession {
        device: car(),
        session: DeviceSession {
            id: SessionId(7),
            node: node.into(),
            boot: 7,
            since: world.node.now(),
        },
        create: false,
        expects: Expects::Any,
        kind: None,
        version: None,
        capabilities: Arc::default(),
    };
    match world
        .store
        .open_device_session(open, world.node.now())
        .await
        .unwrap()
    {
        SessionOpened::Opened(opened) => opened,
        other @ (SessionOpened::Taken(_) | SessionOpened::NoDevice) => panic!("{other:?}"),
    }
}

/// Nothing but its end is written to it any more.
fn is_replaced(car: &Car) {
    assert_eq!(car.0.ending().unwrap().cause, CloseCause::Replaced);
    while let Some(frame) = car.frame() {
        assert!(
            matches!(frame, ToDevice::Welcome(_) | ToDevice::Closing(_)),
            "{frame:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_missed_a_takeover_sends_nothing_more() {
    let world = car_world();
    let stale = Car::comes(&world).await;
    taken_over(&world, "other").await;
    let refusal = ask(&world, run("window.set", "open"), WaitFor::Done)
        .await
        .unwrap_err();
    // The other one has it, as the store says, and says nothing.
    assert_eq!(refusal.code, Code::DeviceUnknownState);
    let Why::Command(id) = refusal.why else {
        panic!("{refusal:?}")
    };
    is_replaced(&stale);
    let command = kept(&world, *id).await;
    assert_eq!(
        (command.state, command.epoch),
        (CommandState::Offline, ConnectionEpoch(0))
    );
    let routed = |state| state == CommandState::Routed;
    assert!(
        !command.history.iter().any(|note| routed(note.state)),
        "{command:?}"
    );
}

/// A later session that is on its way in on this very node reads what is kept: nobody is told that its device is offline.
#[tokio::test(start_paused = true)]
async fn what_is_asked_for_between_two_sessions_here_goes_to_the_later_one() {
    let world = car_world();
    let first = Car::comes(&world).await;
    let epoch = taken_over(&world, "node").await.epoch;
    let asked = ask(&world, run("window.set", "open"), WaitFor::Accepted).await;
    let id = asked.unwrap().command.id;
    world.quiet().await;
    assert_eq!(kept(&world, id).await.state, CommandState::Accepted);
    let later = Car::comes(&world).await;
    assert!(later.0.epoch > epoch);
    is_replaced(&first);
    let sent = later.command().await;
    assert_eq!((sent.command.id, sent.attempt), (id, 0));
    later.says(id, Status::Ok).await.unwrap();
    world.quiet().await;
    assert_eq!(kept(&world, id).await.state, CommandState::Succeeded);
}
