//! Checks of devices, their sessions and enrolments.

use std::sync::Arc;

use bongsu_model::device::{
    CommandState, ConnectionEpoch, Device, DeviceId, DeviceSession, Enrolment, Expects, Held, Leased,
    NewDevice, OpenSession, Opened, SessionOpened,
};
use bongsu_model::{SessionId, Timestamp, TokenHash};

use super::commands::{kept, order, recorded, wish};
use super::leases::ask;
use super::{NOW, Shared};
use crate::{CreateRefused, Existing};

pub(super) fn id(name: &str) -> DeviceId {
    DeviceId::parse(name).unwrap()
}

pub(super) async fn device(store: &Shared, name: &str) -> DeviceId {
    let new = NewDevice {
        id: id(name),
        kind: "vehicle".into(),
    };
    store.create_device(new, NOW).await.unwrap().id
}

pub(super) fn session(number: u128, node: &str) -> DeviceSession {
    DeviceSession {
        id: SessionId(number),
        node: node.into(),
        boot: u64::MAX,
        since: NOW.plus_ms(5),
    }
}

fn open(device: &DeviceId, session: DeviceSession) -> OpenSession {
    OpenSession {
        device: device.clone(),
        session,
        create: false,
        expects: Expects::Any,
        kind: None,
        version: None,
        capabilities: Arc::default(),
    }
}

pub(super) async fn opened(store: &Shared, device: &DeviceId, session: DeviceSession) -> Opened {
    begun(store, open(device, session), NOW).await
}

/// A session that must begin.
async fn begun(store: &Shared, open: OpenSession, at: Timestamp) -> Opened {
    match store.open_device_session(open, at).await.unwrap() {
        SessionOpened::Opened(opened) => opened,
        other @ (SessionOpened::Taken(_) | SessionOpened::NoDevice) => panic!("{other:?}"),
    }
}

pub(super) async fn read(store: &Shared, device: &DeviceId) -> Device {
    store.device(device.clone()).await.unwrap().unwrap()
}

/// A device is found by its id as it was made; an id that is taken is refused, and changes nothing.
pub async fn devices_are_made_and_found(store: Shared) {
    let new = |kind: &str| NewDevice {
        id: id("car-1"),
        kind: kind.into(),
    };
    assert_eq!(store.device(id("car-1")).await.unwrap(), None);
    let made = store.create_device(new("vehicle"), NOW).await.unwrap();
    let meant = Device {
        id: id("car-1"),
        client: 1,
        kind: "vehicle".into(),
        version: None,
        capabilities: Arc::default(),
        epoch: ConnectionEpoch(0),
        session: None,
        last_seen: None,
        created_at: NOW,
    };
    assert_eq!(made, meant);
    let taken = store.create_device(new("display"), NOW.plus_ms(1)).await;
    assert!(matches!(taken, Err(CreateRefused::IdTaken)), "{taken:?}");
    assert_eq!(read(&store, &made.id).await, meant);
    assert_eq!(store.device(id("CAR-1")).await.unwrap(), None);
}

/// Devices are listed by the bytes of their ids, page by page.
pub async fn devices_are_paged(store: Shared) {
    for name in ["a", "b", "B", "a-1", "a.1", "1", "a:1"] {
        device(&store, name).await;
    }
    let ids = async |after: Option<&str>, limit| -> Vec<String> {
        let devices = store.devices(after.map(id), limit).await.unwrap();
        devices.iter().map(|device| device.id.to_string()).collect()
    };
    assert_eq!(ids(None, 4).await, ["1", "B", "a", "a-1"]);
    assert_eq!(ids(Some("a-1"), 4).await, ["a.1", "a:1", "b"]);
    assert_eq!(ids(Some("a-"), 1).await, ["a-1"], "after an id that is not there");
    assert!(ids(Some("b"), 4).await.is_empty());
    assert!(ids(None, 0).await.is_empty());
}

/// Each session has the next epoch and hears which one it takes over from; the device is what it said last.
pub async fn epochs_rise_by_one(store: Shared) {
    let car = device(&store, "car").await;
    let other = device(&store, "other").await;
    let first = opened(&store, &car, session(1, "n1")).await;
    let epoch = ConnectionEpoch(1);
    assert_eq!(first, Opened { epoch, before: None });
    let says = OpenSession {
        kind: Some("display".into()),
        version: Some("1.2".into()),
        capabilities: ["go".into(), "\"가\"".into()].into(),
        ..open(&car, session(2, "n2"))
    };
    let second = begun(&store, says, NOW).await;
    let (of_first, epoch) = (session(1, "n1"), ConnectionEpoch(1));
    let held = Held {
        session: of_first,
        epoch,
    };
    assert_eq!((second.epoch, second.before), (ConnectionEpoch(2), Some(held)));
    let known = read(&store, &car).await;
    assert_eq!((&*known.kind, known.version.as_deref()), ("display", Some("1.2")));
    assert_eq!(*known.capabilities, ["go".into(), "\"가\"".into()]);
    assert_eq!(
        (known.epoch, known.session),
        (ConnectionEpoch(2), Some(session(2, "n2")))
    );
    opened(&store, &car, session(3, "n1")).await;
    let known = read(&store, &car).await;
    assert_eq!((&*known.kind, known.version.as_deref()), ("display", None));
    assert!(known.capabilities.is_empty());
    assert_eq!(
        opened(&store, &other, session(4, "n1")).await.epoch,
        ConnectionEpoch(1)
    );
}

/// Sessions that begin at once get one epoch each, and each takes over from the one before it.
pub async fn concurrent_sessions_get_an_epoch_each(store: Shared) {
    let car = device(&store, "car").await;
    let mut tasks = Vec::new();
    for number in 1..=8 {
        let (store, car) = (Arc::clone(&store), car.clone());
        tasks.push(tokio::spawn(async move {
            let opened = opened(&store, &car, session(number, "n")).await;
            (opened, SessionId(number))
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all.sort_by_key(|(opened, _)| opened.epoch);
    let mut before = None;
    for (epoch, (opened, session)) in (1..).map(ConnectionEpoch).zip(all) {
        assert_eq!(opened.epoch, epoch);
        let held = opened.before.map(|held| (held.epoch, held.session.id));
        assert_eq!(held, before);
        before = Some((epoch, session));
    }
}

/// A session of an unknown device makes it if it may, and otherwise leaves nothing behind.
pub async fn a_session_makes_its_device_only_if_told(store: Shared) {
    let car = id("car");
    let ask = open(&car, session(1, "n"));
    let none = store.open_device_session(ask.clone(), NOW).await.unwrap();
    assert_eq!(none, SessionOpened::NoDevice);
    assert_eq!(store.device(car.clone()).await.unwrap(), None);
    let ask = OpenSession { create: true, ..ask };
    let opened = begun(&store, ask.clone(), NOW).await;
    assert_eq!((opened.epoch, opened.before), (ConnectionEpoch(1), None));
    let known = read(&store, &car).await;
    assert_eq!((&*known.kind, known.created_at), ("device", NOW));
    let again = begun(&store, ask, NOW.plus_ms(9)).await;
    assert_eq!(again.epoch, ConnectionEpoch(2));
    assert_eq!(read(&store, &car).await.created_at, NOW);
}

/// A session that expects another than the one that is kept does not begin, and changes nothing.
pub async fn a_session_begins_only_where_it_is_expected(store: Shared) {
    let car = device(&store, "car").await;
    let expecting = |number, expects| OpenSession {
        expects,
        version: Some("new".into()),
        kind: Some("new".into()),
        ..open(&car, session(number, "n2"))
    };
    let of = |epoch| Expects::Held(ConnectionEpoch(epoch));
    let first = begun(&store, expecting(1, Expects::Free), NOW).await;
    assert_eq!((first.epoch, first.before), (ConnectionEpoch(1), None));
    let held = opened(&store, &car, session(2, "n1")).await;
    let before = read(&store, &car).await;
    let kept = Held {
        session: session(2, "n1"),
        epoch: held.epoch,
    };
    for expects in [Expects::Free, of(0), of(1), of(3)] {
        let taken = store
            .open_device_session(expecting(3, expects), NOW.plus_ms(1))
            .await
            .unwrap();
        assert_eq!(taken, SessionOpened::Taken(kept.clone()), "{expects:?}");
        assert_eq!(read(&store, &car).await, before, "{expects:?}");
    }
    let next = begun(&store, expecting(3, of(2)), NOW).await;
    assert_eq!((next.epoch, next.before), (ConnectionEpoch(3), Some(kept)));
    let close = store.close_device_session(car.clone(), next.epoch, NOW).await;
    assert_eq!(close.unwrap(), Existing::Changed);
    let free = begun(&store, expecting(4, of(2)), NOW).await;
    assert_eq!((free.epoch, free.before), (ConnectionEpoch(4), None));
    // One that is made has none.
    for (name, expects) in [("a", Expects::Free), ("b", of(7))] {
        let absent = OpenSession {
            device: id(name),
            ..expecting(5, expects)
        };
        let none = store.open_device_session(absent.clone(), NOW).await.unwrap();
        assert_eq!(none, SessionOpened::NoDevice);
        let create = OpenSession {
            create: true,
            ..absent
        };
        assert_eq!(begun(&store, create, NOW).await.epoch, ConnectionEpoch(1));
    }
}

/// Of several that take over from the same session one does.
pub async fn concurrent_takeovers_are_one(store: Shared) {
    let car = device(&store, "car").await;
    let held = opened(&store, &car, session(100, "n")).await;
    let mut tasks = Vec::new();
    for number in 1..=8 {
        let (store, car) = (Arc::clone(&store), car.clone());
        tasks.push(tokio::spawn(async move {
            let open = OpenSession {
                expects: Expects::Held(held.epoch),
                ..open(&car, session(number, "n"))
            };
            (number, store.open_device_session(open, NOW).await.unwrap())
        }));
    }
    let (mut winners, mut losers) = (Vec::new(), Vec::new());
    for task in tasks {
        match task.await.unwrap() {
            (number, SessionOpened::Opened(opened)) => winners.push((opened.epoch, SessionId(number))),
            (_, SessionOpened::Taken(kept)) => losers.push((kept.epoch, kept.session.id)),
            (_, SessionOpened::NoDevice) => panic!("it is there"),
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(losers, vec![winners[0]; 7], "they hear who it was");
}

/// Each device has a number of its own, and none is given twice, whatever becomes of the device.
pub async fn client_numbers_rise(store: Shared) {
    let client = async |name: &str| read(&store, &id(name)).await.client;
    let car = device(&store, "car").await;
    let taken = NewDevice {
        id: car.clone(),
        kind: "vehicle".into(),
    };
    store.create_device(taken, NOW).await.unwrap_err();
    device(&store, "bus").await;
    let create = OpenSession {
        create: true,
        ..open(&id("van"), session(1, "n"))
    };
    begun(&store, create.clone(), NOW).await;
    begun(&store, create, NOW).await;
    assert_eq!((client("car").await, client("bus").await), (1, 2));
    assert_eq!(client("van").await, 3);
    for name in ["van", "car"] {
        let deleted = store.delete_device(id(name), "n".into(), NOW).await.unwrap();
        assert_eq!(deleted, Existing::Changed);
    }
    device(&store, "van").await;
    device(&store, "car").await;
    assert_eq!((client("van").await, client("car").await), (4, 5));
    assert_eq!(client("bus").await, 2);
}

/// Only the last epoch's session is closed, once; when the device was seen last never goes back.
pub async fn only_the_last_session_is_closed(store: Shared) {
    let car = device(&store, "car").await;
    let close = async |epoch, at: Timestamp| {
        let epoch = ConnectionEpoch(epoch);
        store.close_device_session(car.clone(), epoch, at).await.unwrap()
    };
    assert_eq!(close(0, NOW).await, Existing::Unchanged);
    opened(&store, &car, session(1, "n")).await;
    opened(&store, &car, session(2, "n")).await;
    for stale in [0, 1, 3] {
        assert_eq!(close(stale, NOW).await, Existing::Unchanged, "{stale}");
    }
    assert_eq!(read(&store, &car).await.session, Some(session(2, "n")));
    assert_eq!(close(2, NOW.plus_ms(50)).await, Existing::Changed);
    assert_eq!(close(2, NOW.plus_ms(60)).await, Existing::Unchanged);
    let known = read(&store, &car).await;
    assert_eq!((known.session, known.last_seen), (None, Some(NOW.plus_ms(50))));
    assert_eq!(known.epoch, ConnectionEpoch(2));
    assert_eq!(opened(&store, &car, session(3, "n")).await.before, None);
    assert_eq!(close(3, NOW.plus_ms(40)).await, Existing::Changed);
    assert_eq!(read(&store, &car).await.last_seen, Some(NOW.plus_ms(50)));
    let absent = store
        .close_device_session(id("none"), ConnectionEpoch(1), NOW)
        .await;
    assert_eq!(absent.unwrap(), Existing::Absent);
}

/// A node that starts has no sessions; those of others stay.
pub async fn sessions_of_a_node_are_forgotten(store: Shared) {
    let names = ["a", "b", "c"];
    for (number, name) in (1..).zip(names) {
        let node = if name == "b" { "n2" } else { "n1" };
        let device = device(&store, name).await;
        opened(&store, &device, session(number, node)).await;
    }
    let forget = async || {
        store
            .forget_device_sessions("n1".into(), NOW.plus_ms(7))
            .await
            .unwrap()
    };
    assert_eq!((forget().await, forget().await), (2, 0));
    for name in names {
        let known = read(&store, &id(name)).await;
        let stays = name == "b";
        assert_eq!(
            (known.session.is_some(), known.last_seen.is_none()),
            (stays, stays)
        );
        assert_eq!(known.epoch, ConnectionEpoch(1));
    }
}

pub(super) fn enrolment(number: u8, device: &DeviceId, ends_ms: Option<u64>) -> Enrolment {
    Enrolment {
        hash: TokenHash([number; 32]),
        device: device.clone(),
        expires_at: ends_ms.map(|ms| NOW.plus_ms(ms)),
    }
}

/// An enrolment token lets its device in until it ends or is revoked.
pub async fn enrolments_open_and_end(store: Shared) {
    let (car, bus) = (device(&store, "car").await, device(&store, "bus").await);
    let add = async |it| store.add_enrolment(it, NOW).await.unwrap();
    let opens = async |number, ms| {
        let hash = TokenHash([number; 32]);
        store.enrolment(hash, NOW.plus_ms(ms)).await.unwrap()
    };
    assert_eq!(add(enrolment(1, &id("none"), None)).await, Existing::Absent);
    assert_eq!(opens(1, 0).await, None);
    assert_eq!(add(enrolment(1, &car, Some(10))).await, Existing::Changed);
    assert_eq!(add(enrolment(2, &bus, None)).await, Existing::Changed);
    assert_eq!((opens(1, 9).await, opens(1, 10).await), (Some(car.clone()), None));
    assert_eq!(opens(2, 1_000_000).await, Some(bus.clone()));
    assert_eq!(add(enrolment(1, &bus, None)).await, Existing::Changed);
    assert_eq!(opens(1, 10).await, Some(bus.clone()), "the later one counts");
    let revoke = async |device: &DeviceId| store.revoke_enrolments(device.clone()).await.unwrap();
    assert_eq!(revoke(&car).await, Existing::Unchanged);
    assert_eq!(revoke(&bus).await, Existing::Changed);
    assert_eq!((opens(1, 0).await, opens(2, 0).await), (None, None));
    assert_eq!(revoke(&id("none")).await, Existing::Absent);
}

/// Of one device two tokens stay here: the last that have not ended.
pub async fn only_the_last_enrolments_stay(store: Shared) {
    let (car, bus) = (device(&store, "car").await, device(&store, "bus").await);
    let add = async |number, device: &DeviceId, ends_ms, at_ms| {
        let it = enrolment(number, device, ends_ms);
        store.add_enrolment(it, NOW.plus_ms(at_ms)).await.unwrap();
    };
    let there = async || {
        let mut there = Vec::new();
        for number in 0..10 {
            let hash = TokenHash([number; 32]);
            if store.enrolment(hash, NOW).await.unwrap().is_some() {
                there.push(number);
            }
        }
        there
    };
    add(9, &bus, None, 0).await;
    add(1, &car, None, 0).await;
    add(2, &car, Some(10), 0).await;
    assert_eq!(there().await, [1, 2, 9]);
    add(3, &car, None, 10).await;
    assert_eq!(there().await, [1, 3, 9], "what has ended goes before the oldest");
    add(4, &car, None, 10).await;
    assert_eq!(there().await, [3, 4, 9]);
}

/// A device that is deleted takes everything with it but its numbers and its ended commands; open ones end.
pub async fn a_deleted_device_leaves_its_numbers(store: Shared) {
    let car = device(&store, "car").await;
    opened(&store, &car, session(1, "n")).await;
    store.add_enrolment(enrolment(1, &car, None), NOW).await.unwrap();
    let Leased::Granted(lease) = store.take_lease(ask(&car, "ops", 0, 10)).await.unwrap() else {
        panic!("nobody has it");
    };
    let mut new = order(1, &car);
    new.wish = Some(wish("door", 1));
    recorded(&store, new).await;
    let delete = async || {
        store
            .delete_device(car.clone(), "n1".into(), NOW.plus_ms(3))
            .await
            .unwrap()
    };
    assert_eq!(
        (delete().await, delete().await),
        (Existing::Changed, Existing::Absent)
    );
    assert_eq!(store.device(car.clone()).await.unwrap(), None);
    assert_eq!(store.shadow(car.clone()).await.unwrap(), None);
    assert_eq!(store.enrolment(TokenHash([1; 32]), NOW).await.unwrap(), None);
    assert_eq!(store.lease(car.clone(), NOW).await.unwrap(), None);
    let lapsed = store.lapsed_leases(NOW.plus_ms(99), 9).await.unwrap();
    assert!(lapsed.is_empty(), "{lapsed:?}");
    let ended = kept(&store, 1).await;
    assert_eq!(
        (ended.state, ended.since),
        (CommandState::Cancelled, NOW.plus_ms(3))
    );
    let note = ended.history.last().unwrap();
    assert_eq!(
        (&*note.node, note.detail.as_deref()),
        ("n1", Some("device=deleted"))
    );
    let again = device(&store, "car").await;
    assert_eq!(read(&store, &again).await.epoch, ConnectionEpoch(1));
    assert_eq!(
        opened(&store, &again, session(2, "n")).await.epoch,
        ConnectionEpoch(2)
    );
    assert_eq!(
        store.shadow(again.clone()).await.unwrap(),
        Some(Default::default())
    );
    let Leased::Granted(next) = store.take_lease(ask(&again, "ops", 0, 10)).await.unwrap() else {
        panic!("nobody has it");
    };
    assert!(next.fence > lease.fence);
}
