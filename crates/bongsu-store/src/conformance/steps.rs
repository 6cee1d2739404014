//! Checks of how commands move, end, are found and are trimmed.

use std::sync::Arc;

use bongsu_model::Timestamp;
use bongsu_model::device::{
    Command, CommandId, CommandState, ConnectionEpoch, Ends, Late, Note, Step, StepKind, Stepped, Value,
};

use super::commands::{kept, order, recorded};
use super::devices::{device, id, opened, session};
use super::{NOW, Shared};

/// A step of `car`, of epoch 1 and of the moment that its rank says.
pub(super) fn step(number: u128, state: CommandState) -> Step {
    let kind = if state.is_terminal() {
        StepKind::Ends(Ends::default())
    } else {
        StepKind::Moves
    };
    Step {
        command: CommandId(number),
        device: id("car"),
        epoch: ConnectionEpoch(1),
        note: Note {
            state,
            at: NOW.plus_ms(state as u64),
            node: "n1".into(),
            detail: None,
        },
        kind,
    }
}

fn late(number: u128, result: &str) -> Step {
    let late = Late {
        at: NOW.plus_ms(100),
        state: CommandState::Succeeded,
        result: Some(result.into()),
        error: None,
    };
    Step {
        kind: StepKind::Late(late),
        ..step(number, CommandState::Succeeded)
    }
}

pub(super) async fn take(store: &Shared, step: Step) -> Stepped {
    let mut answers = store.step_commands(vec![step]).await.unwrap();
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

pub(super) async fn took(store: &Shared, step: Step) -> Command {
    let answer = take(store, step).await;
    let Stepped::Kept(command) = &answer else {
        panic!("it is kept, and not {answer:?}");
    };
    Command::clone(command)
}

async fn refused(store: &Shared, step: Step) {
    let number = step.command.0;
    let before = kept(store, number).await;
    let answer = take(store, step).await;
    assert_eq!(answer, Stepped::Refused(Box::new(before.clone())));
    assert_eq!(kept(store, number).await, before, "nothing is changed");
}

/// A command goes its way step by step, each is noted, and the last one brings the result.
pub async fn a_command_goes_its_way(store: Shared) {
    use CommandState::{InProgress, Received, Routed, Succeeded, Written};
    let car = device(&store, "car").await;
    recorded(&store, order(1, &car)).await;
    let (mut meant, mut epoch) = (kept(&store, 1).await, 0);
    for state in [Routed, Written, Received, InProgress, Succeeded] {
        epoch += 1;
        let mut next = step(1, state);
        next.epoch = ConnectionEpoch(epoch);
        next.note.detail = Some(format!("attempt={epoch}").into());
        if state == Succeeded {
            let (result, error) = (Some(Value::Null), Some("odd".into()));
            next.kind = StepKind::Ends(Ends { result, error });
            (meant.result, meant.error) = (Some(Value::Null), Some("odd".into()));
        }
        (meant.state, meant.since, meant.epoch) = (state, next.note.at, next.epoch);
        meant.history.push(next.note.clone());
        assert_eq!(took(&store, next).await, meant);
        assert_eq!(kept(&store, 1).await, meant);
    }
}

/// From every open state a command may end in every way, also without having moved.
pub async fn every_open_command_may_end(store: Shared) {
    let car = device(&store, "car").await;
    let mut number = 0;
    let (open, ends): (Vec<_>, Vec<_>) = CommandState::ALL
        .iter()
        .copied()
        .partition(|state| state.is_open());
    let epoch = opened(&store, &car, session(1, "n1")).await.epoch;
    for state in open {
        for end in &ends {
            number += 1;
            let mut new = order(number, &car);
            (new.command.state, new.command.epoch) = (state, epoch);
            recorded(&store, new).await;
            assert_eq!(took(&store, step(number, *end)).await.state, *end);
        }
    }
    assert!(store.open_commands(car).await.unwrap().is_empty());
}

/// A step back, or to where the command is, moves nothing, and is noted with the state that the command has.
pub async fn a_rank_never_falls(store: Shared) {
    let car = device(&store, "car").await;
    recorded(&store, order(1, &car)).await;
    let received = took(&store, step(1, CommandState::Received)).await;
    for state in [
        CommandState::Received,
        CommandState::Written,
        CommandState::Accepted,
    ] {
        let mut back = step(1, state);
        back.note.at = NOW.plus_ms(77);
        back.epoch = ConnectionEpoch(2);
        let after = took(&store, back).await;
        assert_eq!((after.state, after.since), (received.state, received.since));
        assert_eq!(after.epoch, ConnectionEpoch(2));
        let note = after.history.last().unwrap();
        assert_eq!((note.state, note.at), (CommandState::Received, NOW.plus_ms(77)));
    }
    assert_eq!(kept(&store, 1).await.history.len(), received.history.len() + 3);
}

/// What has ended has ended: no step changes it.
pub async fn a_terminal_state_is_final(store: Shared) {
    let car = device(&store, "car").await;
    let ends = CommandState::ALL.iter().filter(|state| state.is_terminal());
    for (number, end) in (1..).zip(ends) {
        recorded(&store, order(number, &car)).await;
        took(&store, step(number, *end)).await;
        for state in CommandState::ALL {
            let mut next = step(number, *state);
            next.epoch = ConnectionEpoch(9);
            refused(&store, next).await;
        }
    }
}

/// Of two ends at once one counts.
pub async fn concurrent_ends_are_one(store: Shared) {
    let car = device(&store, "car").await;
    recorded(&store, order(1, &car)).await;
    let ends = [
        CommandState::Succeeded,
        CommandState::TimedOut,
        CommandState::Cancelled,
    ];
    let tasks = ends.map(|end| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { take(&store, step(1, end)).await })
    });
    let (mut won, mut lost) = (Vec::new(), Vec::new());
    for task in tasks {
        match task.await.unwrap() {
            Stepped::Kept(command) => won.push(*command),
            Stepped::Refused(command) => lost.push(*command),
            Stepped::Absent => panic!("it is there"),
        }
    }
    assert_eq!((won.len(), lost.len()), (1, 2));
    let after = kept(&store, 1).await;
    assert!(
        won.iter().chain(&lost).all(|it| *it == after),
        "everyone hears of the same end"
    );
}

/// Who speaks for an older epoch has no say; one for the same or a later has.
pub async fn an_older_epoch_has_no_say(store: Shared) {
    let car = device(&store, "car").await;
    let mut new = order(1, &car);
    new.command.epoch = ConnectionEpoch(7);
    recorded(&store, new).await;
    let of = |epoch, state| Step {
        epoch: ConnectionEpoch(epoch),
        ..step(1, state)
    };
    for state in [
        CommandState::Written,
        CommandState::Accepted,
        CommandState::Succeeded,
    ] {
        refused(&store, of(6, state)).await;
    }
    took(&store, of(7, CommandState::Written)).await;
    assert_eq!(
        took(&store, of(8, CommandState::Written)).await.epoch,
        ConnectionEpoch(8)
    );
    refused(&store, of(7, CommandState::Received)).await;
    took(&store, of(8, CommandState::Failed)).await;
    let old = Step {
        epoch: ConnectionEpoch(7),
        ..late(1, "old")
    };
    refused(&store, old).await;
}

/// No step has a command routed to a session that its device has not any more, whatever that says of it otherwise: what was
/// written was written.
pub async fn no_step_routes_to_an_older_session(store: Shared) {
    use CommandState::{Cancelled, Routed, Succeeded, Written};
    let car = device(&store, "car").await;
    for number in 1..=4 {
        recorded(&store, order(number, &car)).await;
    }
    opened(&store, &car, session(1, "n1")).await;
    took(&store, step(1, Routed)).await;
    opened(&store, &car, session(2, "n2")).await;
    let later = |number, state| Step {
        epoch: ConnectionEpoch(2),
        ..step(number, state)
    };
    for number in [1, 2] {
        refused(&store, step(number, Routed)).await;
    }
    assert_eq!(took(&store, step(1, Written)).await.epoch, ConnectionEpoch(1));
    refused(&store, step(1, Routed)).await;
    assert_eq!(took(&store, step(2, Cancelled)).await.state, Cancelled);
    for number in [1, 3] {
        assert_eq!(
            took(&store, later(number, Routed)).await.epoch,
            ConnectionEpoch(2)
        );
    }
    took(&store, later(3, Succeeded)).await;
    store
        .close_device_session(car, ConnectionEpoch(2), NOW)
        .await
        .unwrap();
    refused(&store, step(4, Routed)).await;
    took(&store, later(4, Routed)).await;
}

/// Of a takeover and a step that routes to the session before one is first: a later session that reads a command as
/// accepted is the only one that is ever to have it.
pub async fn a_takeover_and_a_step_are_one_after_the_other(store: Shared) {
    let car = device(&store, "car").await;
    for number in 1..=8 {
        recorded(&store, order(number, &car)).await;
        let before = opened(&store, &car, session(number, "n1")).await.epoch;
        let routes = Step {
            epoch: before,
            ..step(number, CommandState::Routed)
        };
        let (one, other) = (Arc::clone(&store), Arc::clone(&store));
        let routing = tokio::spawn(async move { take(&one, routes).await });
        let (taken, new) = (car.clone(), session(number, "n2"));
        let taking = tokio::spawn(async move {
            opened(&other, &taken, new).await;
            kept(&other, number).await
        });
        let (routed, read) = (routing.await.unwrap(), taking.await.unwrap());
        let was_routed = matches!(routed, Stepped::Kept(_));
        assert_eq!(
            was_routed,
            read.state == CommandState::Routed,
            "{routed:?}, {read:?}"
        );
    }
}

/// No device speaks of another's command.
pub async fn a_command_is_its_devices_alone(store: Shared) {
    let (car, bus) = (device(&store, "car").await, device(&store, "bus").await);
    recorded(&store, order(1, &car)).await;
    for state in [CommandState::Received, CommandState::Succeeded] {
        refused(
            &store,
            Step {
                device: bus.clone(),
                ..step(1, state)
            },
        )
        .await;
    }
    took(&store, step(1, CommandState::Failed)).await;
    refused(
        &store,
        Step {
            device: bus,
            ..late(1, "of another")
        },
    )
    .await;
}

/// What a device says after the end is noted, the first such word is kept, and the end stays as it is.
pub async fn the_first_late_word_stays(store: Shared) {
    let car = device(&store, "car").await;
    recorded(&store, order(1, &car)).await;
    refused(&store, late(1, "early")).await;
    let ended = took(&store, step(1, CommandState::TimedOut)).await;
    let first = took(&store, late(1, "first")).await;
    let word = first.late.clone().unwrap();
    assert_eq!((word.at, word.state), (NOW.plus_ms(100), CommandState::Succeeded));
    assert_eq!((word.result, word.error), (Some("first".into()), None));
    assert_eq!(
        (first.state, first.since, &first.result),
        (ended.state, ended.since, &None)
    );
    assert_eq!(first.history.last().unwrap().state, CommandState::TimedOut);
    let second = took(&store, late(1, "second")).await;
    assert_eq!(second.late, first.late);
    assert_eq!(second.history.len(), ended.history.len() + 2);
    assert_eq!(kept(&store, 1).await, second);
}

/// Steps are carried out one after the other, and each has its answer in its place.
pub async fn steps_are_taken_in_order(store: Shared) {
    let car = device(&store, "car").await;
    recorded(&store, order(1, &car)).await;
    recorded(&store, order(2, &car)).await;
    let steps = vec![
        step(1, CommandState::Routed),
        step(9, CommandState::Routed),
        step(1, CommandState::Failed),
        step(1, CommandState::Succeeded),
        step(2, CommandState::Written),
    ];
    let answers = store.step_commands(steps).await.unwrap();
    let states: Vec<_> = answers
        .into_iter()
        .map(|answer| match answer {
            Stepped::Kept(command) => Some((true, command.id.0, command.state)),
            Stepped::Refused(command) => Some((false, command.id.0, command.state)),
            Stepped::Absent => None,
        })
        .collect();
    let meant = [
        Some((true, 1, CommandState::Routed)),
        None,
        Some((true, 1, CommandState::Failed)),
        Some((false, 1, CommandState::Failed)),
        Some((true, 2, CommandState::Written)),
    ];
    assert_eq!(states, meant);
    assert!(store.step_commands(Vec::new()).await.unwrap().is_empty());
}

/// A history takes so many notes (six here) of what moves nothing; what moves the command is always noted.
pub async fn a_history_is_bounded(store: Shared) {
    let car = device(&store, "car").await;
    recorded(&store, order(1, &car)).await;
    for _ in 0..9 {
        took(&store, step(1, CommandState::Accepted)).await;
    }
    assert_eq!(kept(&store, 1).await.history.len(), 6);
    took(&store, step(1, CommandState::Written)).await;
    took(&store, step(1, CommandState::Written)).await;
    took(&store, step(1, CommandState::TimedOut)).await;
    let after = took(&store, late(1, "kept all the same")).await;
    assert!(after.late.is_some());
    let states: Vec<_> = after.history[5..].iter().map(|note| note.state).collect();
    assert_eq!(
        states,
        [
            CommandState::Accepted,
            CommandState::Written,
            CommandState::TimedOut
        ]
    );
}

/// A device's commands are read from the newest on, in the order in which they were recorded.
pub async fn commands_are_paged_backwards(store: Shared) {
    let (car, bus) = (device(&store, "car").await, device(&store, "bus").await);
    recorded(&store, order(20, &bus)).await;
    for number in [3, 1, 5, 2, 4] {
        recorded(&store, order(number, &car)).await;
    }
    took(&store, step(1, CommandState::Failed)).await;
    let page = async |before: Option<u128>, limit| -> Vec<u128> {
        let before = before.map(CommandId);
        let commands = store.commands(car.clone(), before, limit).await.unwrap();
        commands.iter().map(|it| it.id.0).collect()
    };
    assert_eq!(page(None, 2).await, [4, 2]);
    assert_eq!(page(Some(2), 9).await, [5, 1, 3]);
    assert!(page(Some(3), 9).await.is_empty());
    assert!(page(Some(99), 9).await.is_empty(), "before one that is not there");
    assert!(page(None, 0).await.is_empty());
    let none = store.commands(id("none"), None, 9).await.unwrap();
    assert!(none.is_empty());
    let open = store.open_commands(car.clone()).await.unwrap();
    assert_eq!(open.iter().map(|it| it.id.0).collect::<Vec<_>>(), [3, 5, 2, 4]);
}

/// Overdue is what is open past its deadline, or, once the device has it, past its time to carry it out.
pub async fn overdue_commands_are_found(store: Shared) {
    let (car, bus) = (device(&store, "car").await, device(&store, "bus").await);
    let new = |number, device, ms| {
        let mut new = order(number, device);
        new.command.deadline = NOW.plus_ms(ms);
        new.command.execution_ms = 500;
        new
    };
    recorded(&store, new(1, &car, 300)).await;
    recorded(&store, new(2, &bus, 100)).await;
    recorded(&store, new(3, &car, 200)).await;
    recorded(&store, new(4, &car, 100)).await;
    recorded(&store, new(5, &car, 100)).await;
    let overdue = async |ms, limit| -> Vec<u128> {
        let commands = store.overdue_commands(NOW.plus_ms(ms), limit).await.unwrap();
        commands.iter().map(|it| it.id.0).collect()
    };
    assert!(overdue(100, 9).await.is_empty());
    assert_eq!(overdue(101, 9).await, [2, 4, 5]);
    assert_eq!(overdue(301, 2).await, [2, 4]);
    let of_bus = Step {
        device: bus,
        ..step(2, CommandState::Cancelled)
    };
    took(&store, of_bus).await;
    let mut received = step(4, CommandState::Received);
    received.note.at = NOW.plus_ms(50);
    took(&store, received.clone()).await;
    assert_eq!(overdue(301, 9).await, [5, 3, 1]);
    assert_eq!(
        (overdue(550, 9).await, overdue(551, 9).await),
        (vec![5, 3, 1], vec![5, 3, 1, 4])
    );
    received.note.at = NOW.plus_ms(90);
    took(&store, received).await;
    assert_eq!(
        overdue(551, 9).await,
        [5, 3, 1, 4],
        "said again, it has no more time"
    );
}

/// Commands that ended before a moment go; open ones and later ones stay.
pub async fn ended_commands_are_trimmed(store: Shared) {
    let car = device(&store, "car").await;
    let ended = |number, ms| {
        let mut new = order(number, &car);
        new.command.at = NOW.plus_ms(number as u64);
        new.command.state = CommandState::Expired;
        new.command.since = NOW.plus_ms(ms);
        new
    };
    recorded(&store, order(1, &car)).await;
    for (number, ms) in [(2, 100), (3, 101), (4, 99)] {
        recorded(&store, ended(number, ms)).await;
    }
    let trim = async |at: Timestamp| store.trim_commands(at).await.unwrap();
    assert_eq!(trim(NOW).await, 0);
    assert_eq!(
        (trim(NOW.plus_ms(101)).await, trim(NOW.plus_ms(101)).await),
        (2, 0)
    );
    let left = store.commands(car.clone(), None, 9).await.unwrap();
    assert_eq!(left.iter().map(|it| it.id.0).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(store.command(CommandId(4)).await.unwrap(), None);
    assert_eq!(take(&store, step(4, CommandState::Failed)).await, Stepped::Absent);
    assert_eq!(trim(NOW.plus_ms(1_000)).await, 1);
    assert_eq!(kept(&store, 1).await.state, CommandState::Accepted);
    recorded(&store, ended(5, 7)).await;
}
