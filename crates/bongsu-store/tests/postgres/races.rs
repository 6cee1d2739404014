//! Two stores on one database, as two nodes have them: what both want at once, one of them gets.
//!
//! Invariant: each round begins with both at the same moment, and which of them wins is not asked.

use std::sync::Arc;

use bongsu_model::device::{
    Command, CommandId, CommandState, ConnectionEpoch, Desired, DeviceId, DeviceSession, Ends, Expects,
    IfOffline, LeaseAsk, Leased, NewCommand, NewDevice, Note, Object, OpenSession, Opened, Pace, Recorded,
    SessionOpened, Shadow, ShadowPut, Step, StepKind, Stepped,
};
use bongsu_model::display::NewPreset;
use bongsu_model::{SessionId, Timestamp};
use bongsu_store::{CreateRefused, DeviceStore as _, Postgres, PresetStore as _};
use tokio::sync::Barrier;

use crate::servers::Fresh;

pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);
const ROUNDS: u64 = 20;

/// Two stores of one database.
struct Two {
    stores: [Arc<Postgres>; 2],
    _fresh: Fresh,
}

impl Two {
    async fn new() -> Self {
        let fresh = Fresh::new();
        let stores = [Arc::new(fresh.open().await), Arc::new(fresh.open().await)];
        with_devices(&stores[0]).await;
        Self {
            stores,
            _fresh: fresh,
        }
    }

    /// Has both do something at once.
    async fn both<T, F>(&self, work: impl Fn(Arc<Postgres>, u64) -> F) -> [T; 2]
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let gate = Arc::new(Barrier::new(2));
        let tasks = [0, 1].map(|which| {
            let (gate, work) = (
                Arc::clone(&gate),
                work(Arc::clone(&self.stores[usize::from(which > 0)]), which),
            );
            tokio::spawn(async move {
                gate.wait().await;
                work.await
            })
        });
        let [one, other] = tasks;
        [one.await.unwrap(), other.await.unwrap()]
    }
}

pub(crate) async fn with_devices(store: &Postgres) {
    for name in ["car", "bus"] {
        let (id, kind) = (id(name), "vehicle".into());
        store.create_device(NewDevice { id, kind }, NOW).await.unwrap();
    }
}

pub(crate) fn id(name: &str) -> DeviceId {
    DeviceId::parse(name).unwrap()
}

fn open(number: u64, expects: Expects) -> OpenSession {
    OpenSession {
        device: id("car"),
        session: DeviceSession {
            id: SessionId(number.into()),
            node: "n1".into(),
            boot: 1,
            since: NOW,
        },
        create: false,
        expects,
        kind: None,
        version: None,
        capabilities: Arc::default(),
    }
}

pub(crate) fn order(number: u64, device: &str) -> NewCommand {
    let command = Command {
        id: CommandId(number.into()),
        device: id(device),
        name: "door.open".into(),
        args: Object::new(),
        target: Some("door".into()),
        pace: Pace::LatestWins,
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
        history: vec![note(CommandState::Accepted)],
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

fn note(state: CommandState) -> Note {
    Note {
        state,
        at: NOW,
        node: "n1".into(),
        detail: None,
    }
}

pub(crate) fn step(number: u64, device: &str, state: CommandState) -> Step {
    Step {
        command: CommandId(number.into()),
        device: id(device),
        epoch: ConnectionEpoch(1_000_000),
        note: note(state),
        kind: if state.is_terminal() {
            StepKind::Ends(Ends::default())
        } else {
            StepKind::Moves
        },
    }
}

fn opened(answer: SessionOpened) -> Opened {
    match answer {
        SessionOpened::Opened(opened) => opened,
        other @ (SessionOpened::Taken(_) | SessionOpened::NoDevice) => panic!("{other:?}"),
    }
}

fn is_new(answer: &Recorded) -> bool {
    matches!(answer, Recorded::New { .. })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openers_get_an_epoch_each_and_hear_of_each_other() {
    let two = Two::new().await;
    for round in 0..ROUNDS {
        let answers = two.both(move |store, which| async move {
            let open = open(2 * round + which, Expects::Any);
            opened(store.open_device_session(open, NOW).await.unwrap())
        });
        let mut answers = answers.await;
        answers.sort_by_key(|opened| opened.epoch);
        let epochs = answers.each_ref().map(|opened| opened.epoch.0);
        assert_eq!(epochs, [2 * round + 1, 2 * round + 2]);
        let before = answers[1].before.as_ref().map(|held| held.epoch);
        assert_eq!(before, Some(answers[0].epoch), "it takes over from the other");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_takeovers_of_one_session_one_is() {
    let two = Two::new().await;
    let mut held = opened(
        two.stores[0]
            .open_device_session(open(0, Expects::Any), NOW)
            .await
            .unwrap(),
    )
    .epoch;
    for round in 1..=ROUNDS {
        let before = held;
        let answers = two.both(move |store, which| async move {
            let open = open(2 * round + which, Expects::Held(before));
            store.open_device_session(open, NOW).await.unwrap()
        });
        let mut won = answers.await.into_iter().filter_map(|answer| match answer {
            SessionOpened::Opened(opened) => Some(opened.epoch),
            SessionOpened::Taken(_) => None,
            SessionOpened::NoDevice => panic!("it is there"),
        });
        held = won.next().unwrap();
        assert_eq!((held.0, won.next()), (before.0 + 1, None));
    }
}

/// The one that is open is of the last epoch, and the close of the one before must not end it, however they meet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_ends_no_later_session() {
    let two = Two::new().await;
    let mut last = opened(
        two.stores[0]
            .open_device_session(open(0, Expects::Any), NOW)
            .await
            .unwrap(),
    )
    .epoch;
    for round in 1..=ROUNDS {
        let before = last;
        let answers = two.both(move |store, which| async move {
            if which == 0 {
                let closed = store.close_device_session(id("car"), before, NOW).await;
                closed.unwrap();
                None
            } else {
                let open = open(round, Expects::Any);
                Some(opened(store.open_device_session(open, NOW).await.unwrap()).epoch)
            }
        });
        last = answers.await[1].unwrap();
        let car = two.stores[0].device(id("car")).await.unwrap().unwrap();
        assert_eq!(car.epoch, last);
        assert!(car.session.is_some(), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_that_are_made_at_once_have_a_number_each() {
    let two = Two::new().await;
    for round in 0..ROUNDS {
        let answers = two.both(move |store, which| async move {
            let new = |name: String| NewDevice {
                id: id(&name),
                kind: "vehicle".into(),
            };
            let both = new(format!("both-{round}"));
            let own = new(format!("own-{round}-{which}"));
            let mut open = open(round, Expects::Any);
            (open.device, open.create) = (id(&format!("came-{round}")), true);
            opened(store.open_device_session(open, NOW).await.unwrap());
            store.create_devices(vec![both, own], NOW).await.unwrap()
        });
        let answers = answers.await;
        let refused = |answer: &&Result<_, _>| matches!(answer, Err(CreateRefused::IdTaken));
        assert_eq!(answers.iter().flatten().filter(refused).count(), 1, "{answers:?}");
        assert!(answers.iter().all(|both| both[1].is_ok()));
    }
    let all = two.stores[0].devices(None, 1_000).await.unwrap();
    let mut clients: Vec<_> = all.iter().map(|device| device.client).collect();
    clients.sort_unstable();
    assert!(
        clients.iter().copied().eq(1..=2 + 4 * ROUNDS.cast_signed()),
        "{clients:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_ends_one_counts_and_both_hear_of_it() {
    let two = Two::new().await;
    for number in 1..=ROUNDS {
        two.stores[0].record_command(order(number, "car")).await.unwrap();
        let answers = two.both(move |store, which| async move {
            let end = [CommandState::Succeeded, CommandState::TimedOut][usize::from(which > 0)];
            // Others on the way, in another order: whoever takes them one by one waits in a circle.
            let mut steps = vec![step(number, "car", end), step(1, "bus", end)];
            if which > 0 {
                steps.reverse();
            }
            let mut stepped = store.step_commands(steps).await.unwrap();
            stepped.swap_remove(usize::from(which > 0))
        });
        let (mut won, mut lost) = (Vec::new(), Vec::new());
        for answer in answers.await {
            match answer {
                Stepped::Kept(command) => won.push(command),
                Stepped::Refused(command) => lost.push(command),
                Stepped::Absent => panic!("it is there"),
            }
        }
        assert_eq!((won.len(), lost.len()), (1, 1));
        assert_eq!(won, lost);
        assert_eq!(won[0].history.len(), 2);
    }
}

/// Steps of many commands of both devices, in opposite orders, by both nodes: nobody waits in a circle, and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_in_any_order_are_all_kept() {
    let two = Two::new().await;
    for number in 1..=ROUNDS {
        let device = ["car", "bus"][usize::from(number % 2 > 0)];
        let mut new = order(number, device);
        new.command.pace = Pace::Serial;
        two.stores[0].record_command(new).await.unwrap();
    }
    let moves = |number| {
        step(
            number,
            ["car", "bus"][usize::from(number % 2 > 0)],
            CommandState::Accepted,
        )
    };
    for _ in 0..3 {
        let answers = two.both(move |store, which| async move {
            let mut steps: Vec<_> = (1..=ROUNDS).map(moves).collect();
            if which > 0 {
                steps.reverse();
            }
            let calls = steps.into_iter().map(|step| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.step_commands(vec![step]).await.unwrap() })
            });
            for call in calls.collect::<Vec<_>>() {
                assert!(matches!(*call.await.unwrap(), [Stepped::Kept(_)]));
            }
        });
        answers.await;
    }
    let command = two.stores[1].command(CommandId(1)).await.unwrap().unwrap();
    // Six notes is what the limits of these tests allow.
    assert_eq!(command.history.len(), 6);
    let meter = two.stores[0].meter().read();
    assert!(meter.batch_max > 1 && meter.failed_commits == 0, "{meter:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_take_a_device_one_has_it() {
    let two = Two::new().await;
    for round in 0..ROUNDS {
        let answers = two.both(move |store, which| async move {
            let at = NOW.plus_ms(10 * round);
            let ask = LeaseAsk {
                device: id("car"),
                holder: format!("operator {which}").into(),
                at,
                expires_at: at.plus_ms(10),
                at_lapse: None,
            };
            store.take_lease(ask).await.unwrap()
        });
        let granted = answers.await.into_iter().filter_map(|answer| match answer {
            Leased::Granted(lease) => Some(lease.fence.0),
            Leased::Held(_) => None,
            Leased::NoDevice => panic!("it is there"),
        });
        assert!(granted.eq([round + 1]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_states_from_one_version_one_is_kept() {
    let two = Two::new().await;
    for version in 0..ROUNDS {
        let before: Shadow = two.stores[0].shadow(id("car")).await.unwrap().unwrap();
        assert_eq!(before.version, version);
        let answers = two.both(|store, which| {
            let mut shadow = before.clone();
            let desired = Desired {
                value: which.cast_signed().into(),
                at: NOW,
                by: "ops".into(),
                expires_at: None,
                command: None,
            };
            shadow.desired.insert(format!("key {which}").into(), desired);
            shadow.version += 1;
            async move { store.put_shadow(id("car"), version, shadow).await.unwrap() }
        });
        let answers = answers.await;
        let kept = answers.iter().filter(|it| **it == ShadowPut::Kept);
        assert_eq!(kept.count(), 1, "{answers:?}");
    }
}

/// A caller's key is the caller's, whatever it is used for: of two devices one gets a command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_uses_of_a_key_one_records() {
    let two = Two::new().await;
    for round in 0..ROUNDS {
        let answers = two.both(move |store, which| async move {
            let device = ["car", "bus"][usize::from(which > 0)];
            let mut new = order(2 * round + which + 1, device);
            new.key = Some((round.to_string().into(), [u8::from(which > 0); 32]));
            store.record_command(new).await.unwrap()
        });
        let answers = answers.await;
        assert_eq!(answers.iter().filter(|it| is_new(it)).count(), 1, "{answers:?}");
        assert!(answers.contains(&Recorded::KeyReused), "{answers:?}");
    }
}

/// The last one recorded is the only one that stays open: each sees those that were recorded before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_are_recorded_one_supersedes_the_other() {
    let two = Two::new().await;
    for round in 0..ROUNDS {
        let answers = two.both(move |store, which| async move {
            let new = order(2 * round + which + 1, "car");
            store.record_command(new).await.unwrap()
        });
        let answers = answers.await;
        assert!(answers.iter().all(is_new), "{answers:?}");
        let open = two.stores[0].open_commands(id("car")).await.unwrap();
        assert_eq!(open.len(), 1, "{open:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_presets_of_a_name_one_is_made() {
    let two = Two::new().await;
    for round in 0..3 {
        let answers = two.both(move |store, _| async move {
            let new = NewPreset {
                name: format!("preset {round}").into(),
                displays: [].into(),
            };
            store.create_preset(new, NOW).await
        });
        let answers = answers.await;
        let taken = |answer: &&Result<_, _>| matches!(answer, Err(CreateRefused::NameTaken));
        assert_eq!(answers.iter().filter(taken).count(), 1, "{answers:?}");
    }
    let presets = two.stores[1].presets(None, 9).await.unwrap();
    assert!(presets.iter().map(|preset| preset.id.0).eq(1..=3));
}

/// A renaming and a device that is made under the new id: one of them is first, and neither is a fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renaming_and_a_new_device_are_one_after_the_other() {
    let two = Two::new().await;
    for round in 0..ROUNDS {
        let name = move |at: u64| match at {
            0 => id("car"),
            at => id(&format!("car-{at}")),
        };
        let answers = two.both(move |store, which| async move {
            if which == 0 {
                let renames = vec![(name(round), name(round + 1))];
                store.rename_devices(renames, NOW).await.is_ok()
            } else {
                let (id, kind) = (name(round + 1), "vehicle".into());
                store.create_device(NewDevice { id, kind }, NOW).await.is_ok()
            }
        });
        let [renamed, made] = answers.await;
        assert!(renamed != made, "round {round}");
        assert!(two.stores[0].device(name(round + 1)).await.unwrap().is_some());
    }
}
