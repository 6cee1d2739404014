//! Checks of how commands are recorded: once, joined, superseded, refused.

use std::sync::Arc;

use bongsu_model::device::{
    Command, CommandId, CommandState, ConnectionEpoch, DeviceId, Fence, IfOffline, Late, NewCommand, Note,
    Number, Object, Pace, Recorded, Value, Wish,
};

use super::devices::{device, id, opened, session};
use super::leases::ask;
use super::{NOW, Shared};
use crate::StoreLimits;

/// A command as callers give it mostly: nothing holds it up, and it holds nothing up.
pub(super) fn order(number: u128, device: &DeviceId) -> NewCommand {
    let command = Command {
        id: CommandId(number),
        device: device.clone(),
        name: "door.open".into(),
        args: Object::from([("speed".into(), 3.into())]),
        target: Some("door".into()),
        pace: Pace::Serial,
        if_offline: IfOffline::Queue,
        by: "ops".into(),
        from: None,
        at: NOW,
        deadline: NOW.plus_ms(5_000),
        execution_ms: 300_000,
        state: CommandState::Accepted,
        since: NOW,
        epoch: ConnectionEpoch(0),
        result: None,
        error: None,
        late: None,
        history: vec![Note {
            state: CommandState::Accepted,
            at: NOW,
            node: "n1".into(),
            detail: None,
        }],
    };
    NewCommand {
        command,
        key: None,
        debounce_ms: 0,
        fence: None,
        wish: None,
        open_max: 64,
    }
}

pub(super) fn wish(key: &str, value: i64) -> Wish {
    Wish {
        key: key.into(),
        value: value.into(),
    }
}

pub(super) async fn record(store: &Shared, new: NewCommand) -> Recorded {
    store.record_command(new).await.unwrap()
}

/// Records a command that must be new; which it superseded.
pub(super) async fn recorded(store: &Shared, new: NewCommand) -> Vec<u128> {
    let answer = record(store, new).await;
    let Recorded::New { superseded, .. } = &answer else {
        panic!("it is new, and not {answer:?}");
    };
    superseded.iter().map(|id| id.0).collect()
}

pub(super) async fn kept(store: &Shared, number: u128) -> Command {
    store.command(CommandId(number)).await.unwrap().unwrap()
}

fn keyed(mut new: NewCommand, key: &str, hash: u8) -> NewCommand {
    new.key = Some((key.into(), [hash; 32]));
    new
}

/// `ms` after the others, with a debounce of half a second.
fn soon(number: u128, device: &DeviceId, ms: u64) -> NewCommand {
    let mut new = order(number, device);
    new.command.at = NOW.plus_ms(ms);
    new.debounce_ms = 500;
    new
}

fn joined(answer: Recorded) -> Command {
    let Recorded::Joined(command) = &answer else {
        panic!("it joins, and is not {answer:?}");
    };
    Command::clone(command)
}

fn repeated(answer: Recorded) -> Command {
    let Recorded::Repeat(command) = &answer else {
        panic!("it is a repeat, and not {answer:?}");
    };
    Command::clone(command)
}

/// Whatever a command is made of is read back.
pub async fn a_command_is_kept_as_it_was_recorded(store: Shared) {
    let car = device(&store, "car").await;
    let list = Value::List([Value::Null, true.into(), "\"\n가".into(), i64::MIN.into()].into());
    let float = Value::Number(Number::float(0.1 + 0.2).unwrap());
    let uint = Value::Number(Number::Uint(u64::MAX));
    let args = Object::from([
        ("list".into(), list),
        ("float".into(), float),
        ("uint".into(), uint),
    ]);
    let paces = [
        Pace::LatestWins,
        Pace::Serial,
        Pace::Parallel(u32::MAX),
        Pace::Exclusive,
    ];
    for (number, pace) in (1..).zip(paces) {
        let epoch = opened(&store, &car, session(number, "n1")).await.epoch;
        let mut new = order(number, &car);
        let odd = number % 2 == 1;
        new.command = Command {
            args: if odd { args.clone() } else { Object::new() },
            target: odd.then(|| format!("target {number}").into()),
            pace,
            if_offline: if odd { IfOffline::Fail } else { IfOffline::Queue },
            from: odd.then(|| "::1".into()),
            state: if odd {
                CommandState::Routed
            } else {
                CommandState::Accepted
            },
            epoch,
            result: odd.then_some(Value::Null),
            error: odd.then(|| "why".into()),
            late: odd.then_some(Late {
                at: NOW,
                state: CommandState::Failed,
                result: None,
                error: Some(Value::Null),
            }),
            ..new.command
        };
        let meant = new.command.clone();
        assert_eq!(recorded(&store, new).await, []);
        assert_eq!(kept(&store, number).await, meant);
    }
    assert_eq!(store.command(CommandId(9)).await.unwrap(), None);
}

/// A command is routed only under the epoch of the session that its device has; otherwise it is accepted, as if the device
/// had not been there, and whoever asked hears so.
pub async fn a_command_is_routed_only_to_the_last_session(store: Shared) {
    let car = device(&store, "car").await;
    let routed = async |number, epoch| {
        let mut new = order(number, &car);
        new.command.state = CommandState::Routed;
        new.command.epoch = ConnectionEpoch(epoch);
        new.command.pace = Pace::LatestWins;
        let accepted = new.command.history[0].clone();
        let note = Note {
            state: CommandState::Routed,
            ..accepted.clone()
        };
        new.command.history.push(note.clone());
        let answer = record(&store, new).await;
        let Recorded::New { superseded, routed } = answer else {
            panic!("it is new, and not {answer:?}");
        };
        let after = kept(&store, number).await;
        if routed {
            assert_eq!((after.state, after.epoch.0), (CommandState::Routed, epoch));
            assert_eq!(after.history, [accepted, note]);
        } else {
            assert_eq!((after.state, after.epoch.0), (CommandState::Accepted, 0));
            assert_eq!(after.history, [accepted]);
        }
        (routed, superseded)
    };
    let (none, one) = (Vec::new(), |number| vec![CommandId(number)]);
    assert_eq!(routed(1, 0).await, (false, none.clone()), "it has no session");
    let epoch = opened(&store, &car, session(1, "n1")).await.epoch;
    assert_eq!(routed(2, 1).await, (true, one(1)), "no node has what is accepted");
    assert_eq!(
        routed(3, 2).await,
        (false, none.clone()),
        "it has no such session yet"
    );
    opened(&store, &car, session(2, "n2")).await;
    assert_eq!(routed(4, 1).await, (false, one(3)), "it has a later session");
    assert_eq!(routed(5, 2).await, (true, one(4)));
    store.close_device_session(car.clone(), epoch, NOW).await.unwrap();
    assert_eq!(routed(6, 2).await, (true, none.clone()), "an older one has ended");
    let epoch = ConnectionEpoch(2);
    store.close_device_session(car.clone(), epoch, NOW).await.unwrap();
    assert_eq!(routed(7, 2).await, (false, none), "its session has ended");
    let answer = record(&store, order(8, &car)).await;
    assert!(
        matches!(answer, Recorded::New { routed: false, .. }),
        "{answer:?}"
    );
}

/// A command is refused for the first of all reasons, and nothing is kept of it.
pub async fn refusals_come_in_order(store: Shared) {
    let car = device(&store, "car").await;
    recorded(&store, keyed(order(1, &car), "k", 1)).await;
    let mut all = keyed(soon(2, &car, 10), "k", 2);
    all.open_max = 1;
    store.take_lease(ask(&car, "boss", 0, 1_000)).await.unwrap();
    let nowhere = NewCommand {
        command: Command {
            device: id("none"),
            ..all.command.clone()
        },
        ..all.clone()
    };
    assert_eq!(record(&store, nowhere).await, Recorded::NoDevice);
    assert_eq!(record(&store, all.clone()).await, Recorded::KeyReused);
    all.key = None;
    assert!(matches!(record(&store, all.clone()).await, Recorded::Leased(_)));
    store
        .release_lease(car.clone(), "boss".into(), NOW)
        .await
        .unwrap();
    let first = joined(record(&store, all.clone()).await);
    assert_eq!(first.id, CommandId(1));
    all.debounce_ms = 0;
    assert_eq!(record(&store, all.clone()).await, Recorded::TooMany);
    assert_eq!(store.command(CommandId(2)).await.unwrap(), None);
    all.open_max = 2;
    recorded(&store, all).await;
}

/// The same command again is a repeat, whoever lost the answer.
pub async fn a_known_command_is_a_repeat(store: Shared) {
    let car = device(&store, "car").await;
    recorded(&store, order(1, &car)).await;
    let again = repeated(record(&store, soon(1, &car, 1)).await);
    assert_eq!((again.id, again.at, again.history.len()), (CommandId(1), NOW, 1));
    assert_eq!(store.commands(car, None, 9).await.unwrap().len(), 1);
}

/// A caller's key stands for its first use, for a day; it is the caller's alone, and speaks of one thing.
pub async fn a_key_is_a_repeat_for_its_time(store: Shared) {
    let car = device(&store, "car").await;
    let at = |number, ms| {
        let mut new = keyed(order(number, &car), "k", 1);
        new.command.at = NOW.plus_ms(ms);
        new
    };
    recorded(&store, at(1, 0)).await;
    assert_eq!(repeated(record(&store, at(2, 1)).await).id, CommandId(1));
    let mut other = at(3, 2);
    other.command.by = "other".into();
    recorded(&store, other).await;
    let another_thing = keyed(order(4, &car), "k", 2);
    assert_eq!(record(&store, another_thing).await, Recorded::KeyReused);
    recorded(&store, keyed(order(5, &car), "l", 1)).await;
    let day = StoreLimits::COMMAND_KEY_KEPT_MS;
    assert_eq!(repeated(record(&store, at(6, day)).await).id, CommandId(1));
    recorded(&store, at(7, day + 1)).await;
    assert_eq!(repeated(record(&store, at(8, day + 2)).await).id, CommandId(7));
}

/// A key whose command was trimmed may be used again.
pub async fn a_key_goes_with_its_command(store: Shared) {
    let car = device(&store, "car").await;
    let mut first = keyed(order(1, &car), "k", 1);
    first.command.state = CommandState::Offline;
    recorded(&store, first).await;
    assert_eq!(store.trim_commands(NOW.plus_ms(1)).await.unwrap(), 1);
    recorded(&store, keyed(order(2, &car), "k", 2)).await;
    assert_eq!(
        repeated(record(&store, keyed(order(3, &car), "k", 2)).await).id,
        CommandId(2)
    );
}

/// However many use a key at once, one of them records, and the others hear of the same.
pub async fn concurrent_calls_with_one_key_record_once(store: Shared) {
    let car = device(&store, "car").await;
    let news = (1..=8).map(|number| keyed(order(number, &car), "k", 1));
    let answers = at_once(&store, news).await;
    let is_new = |answer: &&Recorded| matches!(answer, Recorded::New { .. });
    assert_eq!(answers.iter().filter(is_new).count(), 1, "{answers:?}");
    let all = store.commands(car, None, 9).await.unwrap();
    assert_eq!(all.len(), 1);
    for answer in answers {
        if !matches!(answer, Recorded::New { .. }) {
            assert_eq!(repeated(answer), all[0]);
        }
    }
}

async fn at_once(store: &Shared, news: impl Iterator<Item = NewCommand>) -> Vec<Recorded> {
    let tasks: Vec<_> = news
        .map(|new| {
            let store = Arc::clone(store);
            tokio::spawn(async move { record(&store, new).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

/// The same thing again within the time joins the open command, and says so in its history.
pub async fn the_same_thing_again_joins(store: Shared) {
    let (car, bus) = (device(&store, "car").await, device(&store, "bus").await);
    recorded(&store, soon(1, &car, 0)).await;
    let mut again = soon(2, &car, 499);
    again.command.by = "other".into();
    let first = joined(record(&store, again).await);
    assert_eq!(
        (first.id, &*first.by, first.state),
        (CommandId(1), "ops", CommandState::Accepted)
    );
    let note = first.history.last().unwrap();
    assert_eq!(
        (first.history.len(), note.at, note.state),
        (2, NOW.plus_ms(499), CommandState::Accepted)
    );
    assert_eq!((&*note.node, note.detail.as_deref()), ("n1", Some("by=other")));
    assert_eq!(kept(&store, 1).await, first);
    assert_eq!(store.command(CommandId(2)).await.unwrap(), None);
    recorded(&store, soon(3, &bus, 0)).await;
    recorded(&store, soon(4, &car, 500)).await;
    let mut never = soon(5, &car, 500);
    never.debounce_ms = 0;
    recorded(&store, never).await;
}

/// What differs in name, target or arguments is another thing, and so is what came before something else for the same
/// target: opening, closing and opening again must end open.
pub async fn another_thing_does_not_join(store: Shared) {
    let car = device(&store, "car").await;
    recorded(&store, soon(1, &car, 0)).await;
    let mut close = soon(2, &car, 1);
    close.command.name = "door.close".into();
    recorded(&store, close).await;
    recorded(&store, soon(3, &car, 2)).await;
    let mut faster = soon(4, &car, 3);
    faster.command.args = Object::from([("speed".into(), 4.into())]);
    recorded(&store, faster).await;
    recorded(&store, soon(5, &car, 4)).await;
    let mut window = soon(6, &car, 5);
    window.command.target = Some("window".into());
    recorded(&store, window).await;
    let mut aimless = soon(7, &car, 6);
    aimless.command.target = None;
    recorded(&store, aimless.clone()).await;
    assert_eq!(joined(record(&store, soon(8, &car, 7)).await).id, CommandId(5));
    aimless.command.id = CommandId(9);
    assert_eq!(joined(record(&store, aimless).await).id, CommandId(7));
}

/// A command that has ended is not joined.
pub async fn what_has_ended_is_not_joined(store: Shared) {
    let car = device(&store, "car").await;
    let mut ended = soon(1, &car, 0);
    ended.command.state = CommandState::Succeeded;
    recorded(&store, ended).await;
    recorded(&store, soon(2, &car, 1)).await;
}

/// A caller that joined with a key finds what it joined under it.
pub async fn who_joins_keeps_its_key(store: Shared) {
    let car = device(&store, "car").await;
    recorded(&store, soon(1, &car, 0)).await;
    joined(record(&store, keyed(soon(2, &car, 1), "k", 1)).await);
    let found = repeated(record(&store, keyed(soon(3, &car, 400), "k", 1)).await);
    assert_eq!((found.id, found.history.len()), (CommandId(1), 2));
    assert_eq!(
        record(&store, keyed(soon(4, &car, 400), "k", 2)).await,
        Recorded::KeyReused
    );
}

/// However many ask for the same thing at once, one command is recorded and the others join it.
pub async fn concurrent_calls_join_one(store: Shared) {
    let car = device(&store, "car").await;
    let news = (1..=8).map(|number| soon(number, &car, 0));
    let answers = at_once(&store, news).await;
    let is_new = |answer: &&Recorded| matches!(answer, Recorded::New { .. });
    assert_eq!(answers.iter().filter(is_new).count(), 1, "{answers:?}");
    let all = store.commands(car, None, 9).await.unwrap();
    // Six notes is what the limits of this suite allow.
    assert_eq!((all.len(), all[0].history.len()), (1, 6));
    for answer in answers {
        if !matches!(answer, Recorded::New { .. }) {
            assert_eq!(joined(answer).id, all[0].id);
        }
    }
}

/// A device has only so many open commands; those that a new one takes the place of do not count.
pub async fn a_device_has_only_so_many_open_commands(store: Shared) {
    let (car, bus) = (device(&store, "car").await, device(&store, "bus").await);
    let of = |number, target: &str| {
        let mut new = order(number, &car);
        new.command.target = Some(target.into());
        new.command.pace = Pace::LatestWins;
        new.open_max = 2;
        new
    };
    recorded(&store, order(9, &bus)).await;
    let mut ended = of(8, "a");
    ended.command.state = CommandState::Failed;
    recorded(&store, ended).await;
    recorded(&store, of(1, "a")).await;
    recorded(&store, of(2, "b")).await;
    assert_eq!(record(&store, of(3, "c")).await, Recorded::TooMany);
    assert_eq!(store.command(CommandId(3)).await.unwrap(), None);
    assert_eq!(recorded(&store, of(4, "b")).await, [2]);
    assert_eq!(record(&store, of(5, "c")).await, Recorded::TooMany);
}

/// The latest of a target takes the place of those that no node has; of no others.
pub async fn a_newer_command_supersedes_what_no_node_has(store: Shared) {
    let (car, bus) = (device(&store, "car").await, device(&store, "bus").await);
    let latest = |number, device: &DeviceId, state, target: Option<&str>| {
        let mut new = order(number, device);
        new.command.pace = Pace::LatestWins;
        new.command.state = state;
        new.command.target = target.map(Into::into);
        new
    };
    let accepted = CommandState::Accepted;
    recorded(&store, order(1, &car)).await;
    recorded(&store, order(2, &car)).await;
    recorded(&store, latest(3, &bus, accepted, Some("door"))).await;
    recorded(&store, latest(4, &car, accepted, Some("window"))).await;
    recorded(&store, latest(5, &car, accepted, None)).await;
    assert_eq!(
        recorded(&store, latest(6, &car, accepted, None)).await,
        [],
        "of no target"
    );
    assert_eq!(recorded(&store, order(7, &car)).await, [], "one after the other");
    let mut newer = latest(8, &car, CommandState::Routed, Some("door"));
    newer.command.epoch = opened(&store, &car, session(1, "n1")).await.epoch;
    assert_eq!(recorded(&store, newer).await, [1, 2, 7], "the oldest first");
    let newest = latest(9, &car, accepted, Some("door"));
    assert_eq!(recorded(&store, newest).await, [], "a node has it");
    let old = kept(&store, 2).await;
    assert_eq!(
        (old.state, old.since, old.result),
        (CommandState::Superseded, NOW, None)
    );
    let note = old.history.last().unwrap();
    let by = format!("superseded_by={}", CommandId(8));
    assert_eq!((note.state, &*note.node), (CommandState::Superseded, "n1"));
    assert_eq!(note.detail.as_deref(), Some(&*by));
    let open = store.open_commands(car).await.unwrap();
    let open: Vec<_> = open.iter().map(|it| it.id.0).collect();
    assert_eq!(open, [4, 5, 6, 8, 9]);
    assert_eq!(kept(&store, 3).await.state, accepted);
}

/// While an operator has the device, others are kept out, and so are fences that are not of this lease.
pub async fn a_lease_keeps_others_out(store: Shared) {
    let car = device(&store, "car").await;
    let by = |number, by: &str, fence: Option<u64>, ms| {
        let mut new = order(number, &car);
        new.command.by = by.into();
        new.command.at = NOW.plus_ms(ms);
        new.fence = fence.map(Fence);
        new
    };
    let Recorded::Leased(nobody) = record(&store, by(1, "ops", Some(1), 0)).await else {
        panic!("there is no lease that the fence is of");
    };
    assert_eq!((&*nobody.holder, nobody.fence), ("", Fence(0)));
    recorded(&store, by(2, "ops", None, 0)).await;
    store.take_lease(ask(&car, "ops", 0, 10)).await.unwrap();
    recorded(&store, by(3, "ops", None, 9)).await;
    recorded(&store, by(4, "ops", Some(1), 9)).await;
    for refused in [
        by(5, "ops", Some(2), 9),
        by(5, "other", None, 9),
        by(5, "other", Some(1), 9),
    ] {
        let Recorded::Leased(lease) = record(&store, refused).await else {
            panic!("it is kept out");
        };
        assert_eq!((&*lease.holder, lease.fence), ("ops", Fence(1)));
    }
    recorded(&store, by(6, "other", None, 10)).await;
    let old = record(&store, by(7, "ops", Some(1), 10)).await;
    assert!(
        matches!(&old, Recorded::Leased(lease) if lease.fence == Fence(1)),
        "{old:?}"
    );
    store.take_lease(ask(&car, "ops", 10, 10)).await.unwrap();
    let old = record(&store, by(7, "ops", Some(1), 11)).await;
    assert!(
        matches!(&old, Recorded::Leased(lease) if lease.fence == Fence(2)),
        "{old:?}"
    );
    store
        .release_lease(car.clone(), "ops".into(), NOW.plus_ms(12))
        .await
        .unwrap();
    recorded(&store, by(7, "other", None, 12)).await;
    assert!(matches!(
        record(&store, by(8, "ops", Some(2), 12)).await,
        Recorded::Leased(_)
    ));
}
