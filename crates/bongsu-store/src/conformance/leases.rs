//! Checks of control leases.

use std::sync::Arc;

use bongsu_model::device::{AtLapse, DeviceId, Fence, Lease, LeaseAsk, Leased, Object};

use super::devices::{device, id};
use super::{NOW, Shared};
use crate::Existing;

/// Asks for a lease at `at_ms`, for `ms`.
pub(super) fn ask(device: &DeviceId, holder: &str, at_ms: u64, ms: u64) -> LeaseAsk {
    LeaseAsk {
        device: device.clone(),
        holder: holder.into(),
        at: NOW.plus_ms(at_ms),
        expires_at: NOW.plus_ms(at_ms + ms),
        at_lapse: None,
    }
}

fn stop() -> AtLapse {
    AtLapse {
        name: "stop".into(),
        args: Object::from([("why".into(), "\"가\"".into())]),
    }
}

async fn granted(store: &Shared, ask: LeaseAsk) -> Lease {
    let answer = store.take_lease(ask).await.unwrap();
    let Leased::Granted(lease) = &answer else {
        panic!("it is granted, and not {answer:?}");
    };
    lease.clone()
}

/// One operator has the device until the lease lapses; the holder renews it, and its fence stays.
pub async fn one_operator_has_a_device(store: Shared) {
    let (car, bus) = (device(&store, "car").await, device(&store, "bus").await);
    let nothing = store.take_lease(ask(&id("none"), "ops", 0, 1)).await.unwrap();
    assert_eq!(nothing, Leased::NoDevice);
    assert_eq!(store.lease(car.clone(), NOW).await.unwrap(), None);
    let first = granted(
        &store,
        LeaseAsk {
            at_lapse: Some(stop()),
            ..ask(&car, "ops", 0, 100)
        },
    )
    .await;
    let meant = Lease {
        device: car.clone(),
        holder: "ops".into(),
        fence: Fence(1),
        since: NOW,
        expires_at: NOW.plus_ms(100),
        at_lapse: Some(stop()),
    };
    assert_eq!(first, meant);
    let lease = async |ms| store.lease(car.clone(), NOW.plus_ms(ms)).await.unwrap();
    assert_eq!((lease(99).await, lease(100).await), (Some(meant.clone()), None));
    let held = store.take_lease(ask(&car, "other", 99, 100)).await.unwrap();
    assert_eq!(held, Leased::Held(meant.clone()));
    let renewed = granted(&store, ask(&car, "ops", 50, 100)).await;
    let meant = Lease {
        expires_at: NOW.plus_ms(150),
        at_lapse: None,
        ..meant
    };
    assert_eq!(renewed, meant);
    assert_eq!(lease(149).await, Some(meant));
    let next = granted(&store, ask(&car, "other", 150, 10)).await;
    assert_eq!((next.fence, next.since), (Fence(2), NOW.plus_ms(150)));
    assert_eq!(granted(&store, ask(&bus, "ops", 0, 100)).await.fence, Fence(1));
}

/// Every new lease of a device has a higher fence, whatever ended the one before.
pub async fn fences_rise(store: Shared) {
    let car = device(&store, "car").await;
    let mut fences = vec![granted(&store, ask(&car, "a", 0, 10)).await.fence];
    fences.push(granted(&store, ask(&car, "a", 10, 10)).await.fence);
    store
        .release_lease(car.clone(), "a".into(), NOW.plus_ms(11))
        .await
        .unwrap();
    fences.push(granted(&store, ask(&car, "a", 12, 10)).await.fence);
    let ended = store.end_lease(car.clone(), Fence(3)).await.unwrap();
    assert_eq!(ended, Existing::Changed);
    fences.push(granted(&store, ask(&car, "b", 22, 10)).await.fence);
    assert_eq!(fences, [1, 2, 3, 4].map(Fence));
}

/// Of many who ask at once one gets the device.
pub async fn concurrent_leases_are_one(store: Shared) {
    let car = device(&store, "car").await;
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let (store, ask) = (Arc::clone(&store), ask(&car, &format!("ops {number}"), 0, 100));
            tokio::spawn(async move { store.take_lease(ask).await.unwrap() })
        })
        .collect();
    let (mut granted, mut held) = (Vec::new(), Vec::new());
    for task in tasks {
        match task.await.unwrap() {
            Leased::Granted(lease) => granted.push(lease),
            Leased::Held(lease) => held.push(lease),
            Leased::NoDevice => panic!("it is there"),
        }
    }
    assert_eq!((granted.len(), held.len()), (1, 7));
    assert!(held.iter().all(|lease| *lease == granted[0]));
}

/// A lease is released by its holder while it runs, and then does not lapse.
pub async fn a_lease_is_released_by_its_holder(store: Shared) {
    let car = device(&store, "car").await;
    let release = async |device: &DeviceId, holder: &str, ms| {
        let at = NOW.plus_ms(ms);
        store
            .release_lease(device.clone(), holder.into(), at)
            .await
            .unwrap()
    };
    assert_eq!(release(&id("none"), "ops", 0).await, Existing::Absent);
    assert_eq!(release(&car, "ops", 0).await, Existing::Unchanged);
    granted(&store, ask(&car, "ops", 0, 10)).await;
    assert_eq!(release(&car, "other", 1).await, Existing::Unchanged);
    assert!(store.lease(car.clone(), NOW).await.unwrap().is_some());
    assert_eq!(release(&car, "ops", 1).await, Existing::Changed);
    assert_eq!(release(&car, "ops", 1).await, Existing::Unchanged);
    assert_eq!(store.lease(car.clone(), NOW).await.unwrap(), None);
    assert!(store.lapsed_leases(NOW.plus_ms(99), 9).await.unwrap().is_empty());
    granted(&store, ask(&car, "ops", 2, 10)).await;
    assert_eq!(
        release(&car, "ops", 12).await,
        Existing::Unchanged,
        "it has lapsed"
    );
    assert_eq!(store.lapsed_leases(NOW.plus_ms(12), 9).await.unwrap().len(), 1);
}

/// Leases that have lapsed are found, the earliest first, until they are ended.
pub async fn lapsed_leases_are_found_until_they_are_ended(store: Shared) {
    for (name, ms) in [("a", 30), ("b", 10), ("c", 20), ("d", 99)] {
        let device = device(&store, name).await;
        let asked = LeaseAsk {
            at_lapse: Some(stop()),
            ..ask(&device, "ops", 0, ms)
        };
        granted(&store, asked).await;
    }
    let lapsed = async |ms, limit| -> Vec<String> {
        let leases = store.lapsed_leases(NOW.plus_ms(ms), limit).await.unwrap();
        assert!(leases.iter().all(|lease| lease.at_lapse == Some(stop())));
        leases.iter().map(|lease| lease.device.to_string()).collect()
    };
    let end = async |name, fence| store.end_lease(id(name), Fence(fence)).await.unwrap();
    assert!(lapsed(9, 9).await.is_empty());
    assert_eq!(lapsed(10, 9).await, ["b"]);
    assert_eq!(lapsed(30, 2).await, ["b", "c"]);
    assert_eq!(lapsed(30, 9).await, ["b", "c", "a"], "reading ends nothing");
    assert_eq!(end("b", 2).await, Existing::Unchanged, "another lease");
    assert_eq!(end("b", 1).await, Existing::Changed);
    assert_eq!(end("b", 1).await, Existing::Unchanged);
    assert_eq!(lapsed(30, 9).await, ["c", "a"]);
    assert_eq!(end("none", 1).await, Existing::Absent);
    assert_eq!(end("d", 1).await, Existing::Changed, "also one that runs");
    assert_eq!(store.lease(id("d"), NOW).await.unwrap(), None);
    assert_eq!(lapsed(99, 9).await, ["c", "a"]);
}

/// However many end a lapsed lease at once, one of them did it.
pub async fn concurrent_ends_of_a_lease_are_one(store: Shared) {
    let car = device(&store, "car").await;
    granted(&store, ask(&car, "ops", 0, 10)).await;
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let (store, car) = (Arc::clone(&store), car.clone());
            tokio::spawn(async move { store.end_lease(car, Fence(1)).await.unwrap() })
        })
        .collect();
    let mut changed = 0;
    for task in tasks {
        changed += u32::from(task.await.unwrap() == Existing::Changed);
    }
    assert_eq!(changed, 1);
}

/// A lease that lapsed and was followed by another is not among the lapsed any more: control has passed on.
pub async fn a_followed_lease_does_not_lapse(store: Shared) {
    let car = device(&store, "car").await;
    granted(&store, ask(&car, "a", 0, 10)).await;
    granted(&store, ask(&car, "b", 10, 10)).await;
    assert!(store.lapsed_leases(NOW.plus_ms(19), 9).await.unwrap().is_empty());
    let lapsed = store.lapsed_leases(NOW.plus_ms(20), 9).await.unwrap();
    assert_eq!(lapsed.iter().map(|it| &*it.holder).collect::<Vec<_>>(), ["b"]);
}
