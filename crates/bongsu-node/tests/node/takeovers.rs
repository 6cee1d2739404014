//! What a node does that has not heard that another one has its device by now: the store has heard.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use bongsu_bus::{Bus, BusFault, Ear, Health, Heard, Reach, Subject};
use bongsu_model::cluster::{NodeBeat, NodeFigures, NodeRef, NodeSaid, NodeState};
use bongsu_model::device::{
    CommandState, DeviceSession, Expects, OpenSession, Opened, SessionOpened, Status, ToDevice,
};
use bongsu_model::refusal::CloseCause;
use bongsu_model::{Code, ConnectionEpoch, SessionId, Why};
use bongsu_node::devices::WaitFor;
use bongsu_store::DeviceStore as _;
use parking_lot::Mutex;

use crate::devices::{Car, ask, car, car_world, catalogue, kept, run};
use crate::world::{World, world_among};

/// A backplane on which nobody wants to hear of any device.
#[derive(Default)]
struct Deserted {
    ear: Mutex<Option<Weak<dyn Ear>>>,
    /// Whether the nodes themselves hear what they are told.
    hears: AtomicBool,
}

#[async_trait]
impl Bus for Deserted {
    async fn publish(&self, _: Heard) -> Result<(), BusFault> {
        Ok(())
    }

    async fn reach(&self, heard: Heard) -> Result<Reach, BusFault> {
        let to_a_node = |subject: &Subject| matches!(subject, Subject::Node(_));
        let is_heard = self.hears.load(SeqCst) && heard.parts().iter().all(|(subject, _)| to_a_node(subject));
        Ok(if is_heard { Reach::Somebody } else { Reach::Nobody })
    }

    fn want(&self, _: Subject, _: bool) {}

    fn listen(&self, ear: Weak<dyn Ear>) {
        *self.ear.lock() = Some(ear);
    }

    fn health(&self) -> Health {
        Health::Well
    }
}

/// A node that has just heard another one's beat.
async fn deserted_world() -> (World, Arc<Deserted>) {
    let bus = Arc::new(Deserted::default());
    let world = world_among(Arc::clone(&bus) as Arc<dyn Bus>);
    world.node.set_catalogue(catalogue());
    let beat = NodeBeat {
        node: NodeRef {
            id: "other".into(),
            boot: 7,
        },
        state: NodeState::Serving,
        address: None,
        tag: None,
        version: "1".into(),
        started_at: world.node.now(),
        figures: NodeFigures::default(),
        presence: 0,
        users: 0,
        watches: false,
    };
    let ear = bus.ear.lock().as_ref().and_then(Weak::upgrade).unwrap();
    ear.hear(Heard::Node(Arc::new(NodeSaid::Beat(Box::new(beat)))))
        .await;
    (world, bus)
}

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
    let (world, _bus) = deserted_world().await;
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

/// What has died since its last beat cannot say that it has no device, and what is there can.
#[tokio::test(start_paused = true)]
async fn a_device_is_offline_only_by_the_word_of_a_node_that_is_there() {
    let (world, bus) = deserted_world().await;
    Car::comes(&world).await;
    taken_over(&world, "other").await;
    for (hears, code) in [(false, Code::DeviceUnknownState), (true, Code::DeviceOffline)] {
        bus.hears.store(hears, SeqCst);
        let asked = ask(&world, run("window.set", "open"), WaitFor::Done).await;
        assert_eq!(asked.unwrap_err().code, code, "hears: {hears}");
    }
}
