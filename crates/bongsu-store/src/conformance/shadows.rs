//! Checks of desired and reported states, and of the wishes that come with commands.

use std::sync::Arc;

use bongsu_model::device::{
    CommandId, CommandState, Desired, DeviceId, Object, Pace, Reported, Shadow, ShadowPut, Value,
};

use super::commands::{order, record, recorded, wish};
use super::devices::{device, id};
use super::steps::{step, took};
use super::{NOW, Shared};

fn desired(value: Value, command: Option<u128>) -> Desired {
    Desired {
        value,
        at: NOW,
        by: "ops".into(),
        expires_at: command.map(|_| NOW.plus_ms(5_000)),
        command: command.map(CommandId),
    }
}

fn reported(value: Value) -> Reported {
    Reported { value, at: NOW }
}

fn version(version: u64) -> Shadow {
    Shadow {
        version,
        ..Shadow::default()
    }
}

async fn read(store: &Shared, device: &DeviceId) -> Shadow {
    store.shadow(device.clone()).await.unwrap().unwrap()
}

/// A state is read back as it was put, key by key; what is not in it any more is gone.
pub async fn a_state_is_kept_as_it_was_put(store: Shared) {
    let (car, bus) = (device(&store, "car").await, device(&store, "bus").await);
    assert_eq!(store.shadow(id("none")).await.unwrap(), None);
    assert_eq!(read(&store, &car).await, Shadow::default());
    let nested: Value = Object::from([("b".into(), Value::Null), ("a".into(), 1.into())]).into();
    let first = Shadow {
        version: 3,
        desired: [
            ("a".into(), desired(nested.clone(), None)),
            ("\"가".into(), desired(true.into(), Some(7))),
            (
                "c".into(),
                Desired {
                    expires_at: Some(NOW),
                    by: "x".into(),
                    ..desired(1.into(), None)
                },
            ),
        ]
        .into(),
        reported: [("a".into(), reported(nested)), ("b".into(), reported("x".into()))].into(),
        reported_version: Some(2),
    };
    let put = async |device: &DeviceId, from, shadow: &Shadow| {
        store
            .put_shadow(device.clone(), from, shadow.clone())
            .await
            .unwrap()
    };
    assert_eq!(put(&car, 0, &first).await, ShadowPut::Kept);
    assert_eq!(read(&store, &car).await, first);
    assert_eq!(read(&store, &bus).await, Shadow::default());
    let mut second = first.clone();
    (second.version, second.reported_version) = (4, None);
    second.desired.remove("a");
    second.desired.insert("c".into(), desired(2.into(), None));
    second.reported.remove("b");
    second.reported.insert(
        "a".into(),
        Reported {
            at: NOW.plus_ms(1),
            ..reported(1.into())
        },
    );
    second.reported.insert("d".into(), reported(Value::Null));
    assert_eq!(put(&car, 3, &second).await, ShadowPut::Kept);
    assert_eq!(read(&store, &car).await, second);
    assert_eq!(put(&car, 4, &version(5)).await, ShadowPut::Kept);
    assert_eq!(read(&store, &car).await, version(5));
}

/// What was made from an older state is refused, and so is a change that does not raise the version; which version the
/// device has taken in is no change.
pub async fn a_stale_state_is_refused(store: Shared) {
    let car = device(&store, "car").await;
    let put = async |from, to| {
        let mut shadow = version(to);
        let value = i64::try_from(10 * from + to).unwrap();
        shadow.reported.insert("a".into(), reported(value.into()));
        store.put_shadow(car.clone(), from, shadow).await.unwrap()
    };
    let nothing = store.put_shadow(id("none"), 0, version(1)).await.unwrap();
    assert_eq!(nothing, ShadowPut::NoDevice);
    assert_eq!(put(0, 2).await, ShadowPut::Kept);
    for (from, to) in [(0, 3), (1, 3), (3, 4), (2, 2), (2, 1)] {
        assert_eq!(put(from, to).await, ShadowPut::Stale, "{from} {to}");
    }
    let mut taken_in = read(&store, &car).await;
    assert_eq!(taken_in.version, 2);
    taken_in.reported_version = Some(2);
    let kept = store.put_shadow(car.clone(), 2, taken_in.clone()).await.unwrap();
    assert_eq!(kept, ShadowPut::Kept);
    assert_eq!(read(&store, &car).await, taken_in);
    assert_eq!(put(2, 3).await, ShadowPut::Kept);
}

/// Of several who change the same state at once, one wins each time, and nothing is lost of what won.
pub async fn concurrent_states_are_one_after_the_other(store: Shared) {
    let car = device(&store, "car").await;
    let tasks: Vec<_> = (0..6)
        .map(|number| {
            let (store, car) = (Arc::clone(&store), car.clone());
            tokio::spawn(async move {
                loop {
                    let mut shadow = read(&store, &car).await;
                    let from = shadow.version;
                    shadow.version += 1;
                    let key = format!("k{number}").into();
                    shadow.reported.insert(key, reported(number.into()));
                    if store.put_shadow(car.clone(), from, shadow).await.unwrap() == ShadowPut::Kept {
                        break;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let after = read(&store, &car).await;
    assert_eq!((after.version, after.reported.len()), (6, 6));
}

/// A wish is written with its command, and only with one that is recorded.
pub async fn a_wish_comes_with_its_command(store: Shared) {
    let car = device(&store, "car").await;
    let new = |number| {
        let mut new = order(number, &car);
        new.wish = Some(wish("door", number as i64));
        new.open_max = 1;
        new
    };
    recorded(&store, new(1)).await;
    let meant = Shadow {
        desired: [("door".into(), desired(1.into(), Some(1)))].into(),
        ..version(1)
    };
    assert_eq!(read(&store, &car).await, meant);
    record(&store, new(2)).await;
    record(&store, new(1)).await;
    let mut joins = new(3);
    joins.debounce_ms = 500;
    record(&store, joins).await;
    assert_eq!(read(&store, &car).await, meant, "none of these is recorded");
    let stale = store.put_shadow(car.clone(), 0, version(1)).await.unwrap();
    assert_eq!(stale, ShadowPut::Stale, "a wish is a change of the state");
}

/// The end of a command takes its wish back, also after success: what is done is nobody's wish any more.
pub async fn a_wish_ends_with_its_command(store: Shared) {
    let car = device(&store, "car").await;
    let ends = CommandState::ALL.iter().filter(|state| state.is_terminal());
    let mut changes = 0;
    for (number, end) in (1..).zip(ends) {
        let mut new = order(number, &car);
        new.wish = Some(wish("door", 5));
        recorded(&store, new).await;
        took(&store, step(number, CommandState::Written)).await;
        changes += 1;
        assert_eq!(
            read(&store, &car).await.version,
            changes,
            "only its end changes the state"
        );
        took(&store, step(number, *end)).await;
        changes += 1;
        let after = read(&store, &car).await;
        assert_eq!(after.version, changes);
        assert_eq!(after.desired.get("door"), None, "{end:?}");
    }
    recorded(&store, order(99, &car)).await;
    took(&store, step(99, CommandState::Failed)).await;
    assert_eq!(read(&store, &car).await.version, changes, "it wished for nothing");
}

/// A wish that another command or an operator has replaced is not taken back; one that was superseded is.
pub async fn only_a_commands_own_wish_is_taken_back(store: Shared) {
    let car = device(&store, "car").await;
    let new = |number, pace| {
        let mut new = order(number, &car);
        new.command.pace = pace;
        new.wish = Some(wish("door", number as i64));
        new
    };
    recorded(&store, new(1, Pace::Serial)).await;
    recorded(&store, new(2, Pace::Serial)).await;
    took(&store, step(1, CommandState::Failed)).await;
    let after = read(&store, &car).await;
    assert_eq!(after.desired["door"], desired(2.into(), Some(2)));
    assert_eq!(after.version, 2);
    let mut silent = order(3, &car);
    silent.command.pace = Pace::LatestWins;
    assert_eq!(recorded(&store, silent).await, [2]);
    assert!(read(&store, &car).await.desired.is_empty());
    recorded(&store, new(4, Pace::Serial)).await;
    let mut put = read(&store, &car).await;
    let from = put.version;
    put.version += 1;
    put.desired.insert("door".into(), desired(9.into(), None));
    store.put_shadow(car.clone(), from, put.clone()).await.unwrap();
    took(&store, step(4, CommandState::Failed)).await;
    assert_eq!(read(&store, &car).await, put);
}
