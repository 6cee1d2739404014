//! Checks of what is done to many devices at once: making, listing by kind, giving other ids.

use std::sync::Arc;

use bongsu_model::TokenHash;
use bongsu_model::device::{
    CommandState, ConnectionEpoch, Device, DeviceId, Fence, Lease, Leased, NewDevice, Recorded, Reported,
};

use super::commands::{kept, order, recorded};
use super::devices::{device, enrolment, id, opened, read, session};
use super::leases::ask;
use super::presets::{known, made, preset};
use super::{NOW, Shared};
use crate::{CreateRefused, Existing, NotRenamed, RenameRefused};

fn new(name: &str, kind: &str) -> NewDevice {
    NewDevice {
        id: id(name),
        kind: kind.into(),
    }
}

fn ids(renames: &[(&str, &str)]) -> Vec<(DeviceId, DeviceId)> {
    renames.iter().map(|(from, to)| (id(from), id(to))).collect()
}

async fn rename(store: &Shared, renames: &[(&str, &str)]) {
    store.rename_devices(ids(renames), NOW.plus_ms(77)).await.unwrap();
}

/// Which device a renaming was refused for, and why.
async fn refused(store: &Shared, renames: &[(&str, &str)]) -> (String, NotRenamed) {
    match store.rename_devices(ids(renames), NOW).await {
        Err(RenameRefused::Device { from, why }) => (from.to_string(), why),
        other => panic!("{renames:?}: {other:?}"),
    }
}

async fn close(store: &Shared, device: &DeviceId, epoch: ConnectionEpoch) {
    let at = NOW.plus_ms(9);
    let closed = store.close_device_session(device.clone(), epoch, at).await;
    assert_eq!(closed.unwrap(), Existing::Changed);
}

/// Gives a device so many sessions that have ended.
async fn visits(store: &Shared, device: &DeviceId, count: u64) {
    for _ in 0..count {
        let epoch = opened(store, device, session(1, "n")).await.epoch;
        close(store, device, epoch).await;
    }
}

async fn leased(store: &Shared, device: &DeviceId, holder: &str) -> Lease {
    match store.take_lease(ask(device, holder, 0, 1_000)).await.unwrap() {
        Leased::Granted(lease) => lease,
        other @ (Leased::Held(_) | Leased::NoDevice) => panic!("{other:?}"),
    }
}

async fn lease(store: &Shared, device: &DeviceId) -> Option<Lease> {
    store.lease(device.clone(), NOW).await.unwrap()
}

async fn ended(store: &Shared, number: u128, device: &DeviceId) {
    let mut new = order(number, device);
    new.command.state = CommandState::Succeeded;
    recorded(store, new).await;
}

async fn commands(store: &Shared, device: &DeviceId) -> Vec<u128> {
    let commands = store.commands(device.clone(), None, 9).await.unwrap();
    commands.iter().map(|it| it.id.0).collect()
}

/// Of many devices that are to be made each is made or refused on its own, in the order asked for.
pub async fn devices_are_made_each_on_its_own(store: Shared) {
    device(&store, "b").await;
    let many = ["a", "b", "c", "a"].map(|name| new(name, "display"));
    let answers = store.create_devices(many.into(), NOW.plus_ms(1)).await.unwrap();
    let made: Vec<_> = answers
        .iter()
        .map(|it| it.as_ref().ok().map(|it| (it.id.as_str(), it.client)))
        .collect();
    assert_eq!(made, [Some(("a", 2)), None, Some(("c", 3)), None]);
    let is_taken = |it: &&Result<Device, CreateRefused>| matches!(it, Err(CreateRefused::IdTaken));
    assert_eq!(answers.iter().filter(is_taken).count(), 2);
    for it in answers.iter().flatten() {
        assert_eq!(read(&store, &it.id).await, *it);
        assert_eq!((&*it.kind, it.created_at), ("display", NOW.plus_ms(1)));
    }
    assert_eq!(&*read(&store, &id("b")).await.kind, "vehicle");
    assert_eq!(store.create_devices(vec![], NOW).await.unwrap().len(), 0);
}

/// The devices of a kind are listed by the bytes of their ids, page by page; no others.
pub async fn devices_of_a_kind_are_paged(store: Shared) {
    for name in ["b", "B", "a-1", "1"] {
        store.create_device(new(name, "display"), NOW).await.unwrap();
    }
    for (name, kind) in [("a", "displays"), ("aa", "Display"), ("0", "vehicle")] {
        store.create_device(new(name, kind), NOW).await.unwrap();
    }
    let page = async |kind: &str, after: Option<&str>, limit| -> Vec<String> {
        let devices = store.devices_of(kind.into(), after.map(id), limit).await.unwrap();
        devices.iter().map(|it| it.id.to_string()).collect()
    };
    assert_eq!(page("display", None, 3).await, ["1", "B", "a-1"]);
    assert_eq!(page("display", Some("a-1"), 3).await, ["b"]);
    assert_eq!(
        page("display", Some("a"), 1).await,
        ["a-1"],
        "after one of another kind"
    );
    assert_eq!(page("vehicle", None, 9).await, ["0"]);
    assert!(page("none", None, 9).await.is_empty());
    assert!(page("display", None, 0).await.is_empty());
}

/// Everything goes with a device to its new id, and nothing is left under the old one but its numbers.
pub async fn a_renamed_device_takes_everything_with_it(store: Shared) {
    let (car, bus) = (device(&store, "car").await, id("bus"));
    visits(&store, &car, 2).await;
    store.add_enrolment(enrolment(1, &car, None), NOW).await.unwrap();
    let fence = leased(&store, &car, "ops").await.fence;
    ended(&store, 1, &car).await;
    let mut shadow = store.shadow(car.clone()).await.unwrap().unwrap();
    let value = Reported {
        value: 1.into(),
        at: NOW,
    };
    shadow.reported.insert("door".into(), value);
    shadow.version = 3;
    store.put_shadow(car.clone(), 0, shadow.clone()).await.unwrap();
    let before = read(&store, &car).await;
    let lease_before = lease(&store, &car).await.unwrap();
    rename(&store, &[("car", "bus")]).await;

    let meant = Device {
        id: bus.clone(),
        ..before
    };
    assert_eq!(read(&store, &bus).await, meant);
    assert_eq!(
        store.enrolment(TokenHash([1; 32]), NOW).await.unwrap(),
        Some(bus.clone())
    );
    let meant = Lease {
        device: bus.clone(),
        ..lease_before
    };
    assert_eq!(lease(&store, &bus).await, Some(meant));
    assert_eq!(store.shadow(bus.clone()).await.unwrap(), Some(shadow));
    assert_eq!(
        (commands(&store, &bus).await, commands(&store, &car).await),
        (vec![1], vec![])
    );
    assert_eq!(kept(&store, 1).await.device, bus);

    assert_eq!(store.device(car.clone()).await.unwrap(), None);
    assert_eq!(lease(&store, &car).await, None);
    let lapsed = store.lapsed_leases(NOW.plus_ms(5_000), 9).await.unwrap();
    assert_eq!(lapsed.iter().map(|it| &it.device).collect::<Vec<_>>(), [&bus]);
    let again = device(&store, "car").await;
    let known = read(&store, &again).await;
    assert_eq!((known.client, known.epoch), (2, ConnectionEpoch(2)));
    assert_eq!(
        store.shadow(again.clone()).await.unwrap(),
        Some(Default::default())
    );
    assert_eq!(leased(&store, &again, "ops").await.fence, Fence(fence.0 + 1));
    assert_eq!(
        opened(&store, &again, session(2, "n")).await.epoch,
        ConnectionEpoch(3)
    );
    assert_eq!(
        opened(&store, &bus, session(3, "n")).await.epoch,
        ConnectionEpoch(3)
    );
}

/// An id that had a device before goes on above the numbers of both.
pub async fn a_renaming_leaves_no_number_behind(store: Shared) {
    let (car, bus) = (device(&store, "car").await, device(&store, "bus").await);
    visits(&store, &bus, 4).await;
    visits(&store, &car, 1).await;
    for holder in ["a", "b", "c"] {
        leased(&store, &bus, holder).await;
        store
            .release_lease(bus.clone(), holder.into(), NOW)
            .await
            .unwrap();
    }
    leased(&store, &car, "ops").await;
    ended(&store, 1, &bus).await;
    store.delete_device(bus.clone(), "n".into(), NOW).await.unwrap();
    rename(&store, &[("car", "bus")]).await;
    let known = read(&store, &bus).await;
    assert_eq!((known.client, known.epoch), (1, ConnectionEpoch(4)));
    assert_eq!(
        opened(&store, &bus, session(1, "n")).await.epoch,
        ConnectionEpoch(5)
    );
    let running = lease(&store, &bus).await.unwrap();
    assert_eq!((&*running.holder, running.fence), ("ops", Fence(4)));
    // The fence of the lease before is no fence of this one.
    let mut stale = order(2, &bus);
    stale.fence = Some(Fence(1));
    let answer = store.record_command(stale).await.unwrap();
    assert!(matches!(answer, Recorded::Leased(_)), "{answer:?}");
    assert_eq!(commands(&store, &bus).await, [1], "what the id was before stays");
    // Nor does one that is the same tell two leases apart.
    let (one, two) = (device(&store, "one").await, device(&store, "two").await);
    let fences = (
        leased(&store, &one, "x").await.fence,
        leased(&store, &two, "x").await.fence,
    );
    assert_eq!(fences, (Fence(1), Fence(1)));
    store.delete_device(two.clone(), "n".into(), NOW).await.unwrap();
    rename(&store, &[("one", "two")]).await;
    assert_eq!(lease(&store, &two).await.unwrap().fence, Fence(2));
}

/// Devices may swap their ids and pass them on, in whatever order it is said.
pub async fn devices_swap_their_ids(store: Shared) {
    let [a, b, c] = [
        device(&store, "a").await,
        device(&store, "b").await,
        device(&store, "c").await,
    ];
    for (number, device) in (1_u8..).zip([&a, &b, &c]) {
        visits(&store, device, u64::from(number)).await;
        ended(&store, number.into(), device).await;
        let token = enrolment(number, device, None);
        store.add_enrolment(token, NOW).await.unwrap();
    }
    let fence = leased(&store, &a, "ops").await.fence;
    rename(&store, &[("a", "b"), ("b", "a")]).await;
    let place = async |number: u128| {
        let device = kept(&store, number).await.device;
        let known = read(&store, &device).await;
        assert_eq!(u128::try_from(known.client).unwrap(), number);
        let hash = TokenHash([u8::try_from(number).unwrap(); 32]);
        assert_eq!(store.enrolment(hash, NOW).await.unwrap().as_ref(), Some(&device));
        assert_eq!(commands(&store, &device).await, [number]);
        (device.to_string(), known.epoch.0)
    };
    assert_eq!(place(1).await, ("b".into(), 2));
    assert_eq!(place(2).await, ("a".into(), 2));
    assert_eq!(lease(&store, &b).await.unwrap().fence, fence);
    assert_eq!(lease(&store, &a).await, None);
    assert!(
        leased(&store, &a, "x").await.fence > fence,
        "its own numbers stay with an id"
    );
    // Round, out of it, and one that stays.
    rename(&store, &[("c", "b"), ("b", "a"), ("a", "d")]).await;
    assert_eq!(place(1).await, ("a".into(), 2));
    assert_eq!(place(2).await, ("d".into(), 2));
    assert_eq!(place(3).await, ("b".into(), 3));
    rename(&store, &[("a", "d"), ("b", "b"), ("d", "a")]).await;
    assert_eq!(place(1).await, ("d".into(), 2));
    assert_eq!(place(3).await, ("b".into(), 3));
    assert_eq!(store.device(c).await.unwrap(), None);
    let swapped = store.devices(None, 9).await.unwrap();
    let names: Vec<_> = swapped.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(names, ["a", "b", "d"]);
}

/// The first that may not be renamed is named with its reason, and none is renamed.
pub async fn a_renaming_is_of_all_or_none(store: Shared) {
    let [free, there, on] = ["free", "there", "on"];
    for name in [free, there, on, "busy", "both"] {
        device(&store, name).await;
    }
    for name in [on, "both"] {
        opened(&store, &id(name), session(1, "n")).await;
    }
    recorded(&store, order(1, &id("busy"))).await;
    recorded(&store, order(2, &id("both"))).await;
    let before = store.devices(None, 9).await.unwrap();
    for (renames, from, why) in [
        (vec![(free, "x"), ("none", "y")], "none", NotRenamed::Absent),
        (vec![(free, "x"), (free, "y")], free, NotRenamed::Absent),
        (vec![(free, there)], free, NotRenamed::Taken),
        (vec![(free, "x"), (there, "x")], there, NotRenamed::Taken),
        (vec![(free, there), (there, there)], there, NotRenamed::Taken),
        (vec![(free, "x"), (on, "y")], on, NotRenamed::Connected),
        (vec![(free, on), (on, free)], on, NotRenamed::Connected),
        (
            vec![(free, "x"), ("busy", "y")],
            "busy",
            NotRenamed::HasOpenCommands,
        ),
        (vec![("both", there)], "both", NotRenamed::Taken),
        (vec![("both", "x"), ("none", "y")], "both", NotRenamed::Connected),
    ] {
        assert_eq!(refused(&store, &renames).await, (from.into(), why), "{renames:?}");
        assert_eq!(store.devices(None, 9).await.unwrap(), before, "{renames:?}");
    }
    rename(&store, &[]).await;
    close(&store, &id(on), ConnectionEpoch(1)).await;
    rename(&store, &[(free, on), (on, free), (there, "new")]).await;
    let names: Vec<_> = store.devices(None, 9).await.unwrap();
    let names: Vec<_> = names.iter().map(|it| (it.id.as_str(), it.client)).collect();
    let meant = [("both", 5), ("busy", 4), ("free", 3), ("new", 2), ("on", 1)];
    assert_eq!(names, meant);
}

/// Of several that take one id at once one gets it.
pub async fn concurrent_renamings_to_one_id_are_one(store: Shared) {
    let names = ["a", "b", "c", "d"];
    for name in names {
        device(&store, name).await;
    }
    let tasks = names.map(|name| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.rename_devices(ids(&[(name, "x")]), NOW).await })
    });
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => won += 1,
            Err(RenameRefused::Device { why, .. }) => assert_eq!(why, NotRenamed::Taken),
            Err(RenameRefused::Fault(fault)) => panic!("{fault}"),
        }
    }
    assert_eq!((won, store.devices(None, 9).await.unwrap().len()), (1, 4));
}

/// What presets say of a device they say of it under its new id, and of nothing else; those that do not speak of it stay as
/// they are.
pub async fn what_presets_say_of_a_device_goes_with_it(store: Shared) {
    for name in ["a", "b"] {
        device(&store, name).await;
    }
    let both = made(&store, preset("both", &["a", "b", "c"])).await;
    let other = made(&store, preset("other", &["c", "d"])).await;
    let soon = made(&store, preset("soon", &["a", "x"])).await;
    let lines = async |preset| -> Vec<(String, String)> {
        let displays = known(&store, preset).await.displays.into_iter();
        displays
            .map(|(id, it)| (id.to_string(), it.line.to_string()))
            .collect()
    };
    let meant = |lines: &[(&str, &str)]| -> Vec<(String, String)> {
        let line = |(id, shows): &(&str, &str)| ((*id).into(), format!("show {shows}"));
        lines.iter().map(line).collect()
    };
    rename(&store, &[("a", "b"), ("b", "a")]).await;
    assert_eq!(lines(both.id).await, meant(&[("a", "b"), ("b", "a"), ("c", "c")]));
    assert_eq!(lines(soon.id).await, meant(&[("b", "a"), ("x", "x")]));
    assert_eq!(known(&store, other.id).await, other);
    let changed = known(&store, both.id).await;
    assert_eq!((changed.created_at, changed.updated_at), (NOW, NOW.plus_ms(77)));
    // No device was `x` before: what was said of it then makes room for what is said of the device.
    rename(&store, &[("b", "x"), ("a", "a")]).await;
    assert_eq!(lines(soon.id).await, meant(&[("x", "a")]));
    assert_eq!(lines(both.id).await, meant(&[("a", "b"), ("c", "c"), ("x", "a")]));
}
