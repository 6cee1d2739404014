//! Steps that share a transaction: one that cannot be is no matter of the others, and what is lost on the way is said to be.
//!
//! Invariant: what was answered is in the database; what is said not to have been done is not.

use std::sync::Arc;

use bongsu_model::Limits;
use bongsu_model::device::{CommandId, CommandState, NewCommand, Stepped};
use bongsu_store::{DeviceStore as _, Postgres, PostgresOptions, StoreFault};
use tokio::sync::Semaphore;

use crate::races::{id, order, step, with_devices};
use crate::servers::{Fresh, address};

/// One that supersedes no other.
fn alone(number: u64) -> NewCommand {
    let mut new = order(number, "car");
    (new.command.target, new.open_max) = (None, usize::MAX);
    new
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_damaged_command_does_not_fail_its_group() {
    let fresh = Fresh::new();
    let store = Arc::new(fresh.open().await);
    with_devices(&store).await;
    for number in 1..=40 {
        store.record_command(alone(number)).await.unwrap();
    }
    fresh
        .sql("UPDATE commands SET state = 'odd' WHERE id = '00000000-0000-0000-0000-000000000007'")
        .await;
    let calls: Vec<_> = (1..=40)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let step = step(number, "car", CommandState::Cancelled);
                (number, store.step_commands(vec![step]).await)
            })
        })
        .collect();
    for call in calls {
        match call.await.unwrap() {
            (7, Err(StoreFault::Damaged { table, what })) => assert_eq!((table, what), ("commands", "state")),
            (number, Ok(stepped)) if number != 7 => assert!(matches!(*stepped, [Stepped::Kept(_)])),
            other => panic!("{other:?}"),
        }
    }
}

/// Has the server end the connections of a store.
async fn cut(fresh: &Fresh) {
    let name = &fresh.schema;
    fresh
        .sql(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'"
        ))
        .await;
}

/// Every command ends once, whatever happens to the connections: who is told that nothing was done asks again and is the
/// one who ends it, and who is told that it is in doubt looks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connections_lose_no_step_and_do_none_twice() {
    const COMMANDS: u64 = 160;
    /// So many end between one cut and the next.
    const APART: u32 = 8;
    let fresh = Fresh::new();
    let mut address = address();
    address.push(if address.contains('?') { '&' } else { '?' });
    address.push_str(&format!("application_name={}", fresh.schema));
    let mut options = PostgresOptions::new(&address, &Limits::DEFAULT).unwrap();
    (options.schema, options.connections) = (Some(fresh.schema.clone()), 4);
    let store = Arc::new(Postgres::open(options).await.unwrap());
    with_devices(&store).await;
    for number in 1..=COMMANDS {
        store.record_command(alone(number)).await.unwrap();
    }
    let ended = Arc::new(Semaphore::new(0));
    let ending: Vec<_> = (0..4)
        .map(|part| {
            let (store, ended) = (Arc::clone(&store), Arc::clone(&ended));
            tokio::spawn(async move {
                for number in (1..=COMMANDS).filter(|number| number % 4 == part) {
                    end(&store, number).await;
                    ended.add_permits(1);
                }
            })
        })
        .collect();
    for _ in 0..COMMANDS / u64::from(APART) {
        ended.acquire_many(APART).await.unwrap().forget();
        cut(&fresh).await;
    }
    for task in ending {
        task.await.unwrap();
    }
    assert!(store.open_commands(id("car")).await.unwrap().is_empty());
    for number in 1..=COMMANDS {
        let command = store.command(CommandId(number.into())).await.unwrap().unwrap();
        assert_eq!(
            (command.state, command.history.len()),
            (CommandState::Cancelled, 2)
        );
    }
}

/// Ends a command, asked for as often as it takes.
async fn end(store: &Postgres, number: u64) {
    let mut in_doubt = false;
    loop {
        let ends = step(number, "car", CommandState::Cancelled);
        match store.step_commands(vec![ends]).await.as_deref() {
            Ok([Stepped::Kept(_)]) => return,
            Ok([Stepped::Refused(kept)]) => {
                assert_eq!(kept.state, CommandState::Cancelled);
                assert!(in_doubt, "it was said that nothing was done");
                return;
            }
            Err(StoreFault::Unavailable(_)) => {}
            Err(StoreFault::InDoubt(_)) => in_doubt = true,
            other => panic!("{number}: {other:?}"),
        }
    }
}
