//! Tests that put jobs of their own into the writer's queue.

use std::sync::mpsc::sync_channel;

use bongsu_model::records::{MemberRole, NewRoom, NewUser};
use bongsu_model::{MessageId, MessageKind, RoomId, RoomRef, Seq, Timestamp, UserId};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::rows::Sql as _;
use super::tables::Tables;
use super::writer::{Job, Shape};
use super::{Sqlite, SqliteOptions};
use crate::{AppendRefused, Appended, NewMessage, Store, StoreFault};

async fn furnished() -> (TempDir, Sqlite) {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(SqliteOptions::new(folder.path().join("bongsu.db"))).unwrap();
    store.create_user(NewUser::default(), Timestamp(0)).await.unwrap();
    let room = NewRoom {
        members: vec![(UserId(1), MemberRole::Member)],
        ..NewRoom::default()
    };
    store.create_room(room, Timestamp(0)).await.unwrap();
    (folder, store)
}

type Answer<T> = oneshot::Receiver<Result<T, StoreFault>>;

fn push<T: Send + 'static>(
    store: &Sqlite,
    run: impl FnOnce(&mut Tables<'_>) -> Result<T, StoreFault> + Send + 'static,
) -> Answer<T> {
    let (tell, answer) = oneshot::channel();
    store.push(Job::op(Shape::Several, tell, run)).unwrap();
    answer
}

fn append(store: &Sqlite) -> oneshot::Receiver<Result<Appended, AppendRefused>> {
    let (tell, answer) = oneshot::channel();
    let message = NewMessage {
        id: MessageId(1),
        room: RoomRef::Id(RoomId(1)),
        sender: UserId(1),
        content: "hello".into(),
        kind: MessageKind::Text,
        client_id: None,
        reply_to: None,
        metadata: None,
        at: Timestamp(0),
        as_member: true,
    };
    store.push(Job::Append(message, tell)).unwrap();
    answer
}

/// Keeps the writer busy until the sender is used, so that what is pushed meanwhile makes one batch.
fn hold(store: &Sqlite) -> std::sync::mpsc::SyncSender<()> {
    let (release, held) = sync_channel::<()>(1);
    drop(push(store, move |_| {
        let _ = held.recv();
        Ok(())
    }));
    release
}

fn seq(answer: Result<Appended, AppendRefused>) -> Seq {
    match answer {
        Ok(Appended::New(message)) => message.seq,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_failed_commit_fails_its_whole_batch_and_no_other() {
    let (_folder, store) = furnished().await;
    assert_eq!(seq(append(&store).await.unwrap()), Seq(1));
    push(&store, |tables| {
        let sql = "CREATE TABLE parent (id INTEGER PRIMARY KEY); \
                   CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)";
        tables.conn.execute_batch(sql).sql()
    })
    .await
    .unwrap()
    .unwrap();
    let release = hold(&store);
    while store.queue_len() > 0 {
        tokio::task::yield_now().await;
    }
    let before = append(&store);
    // The statement succeeds; what it breaks is found by the commit.
    let orphan = push(&store, |tables| {
        tables.conn.execute_batch("INSERT INTO child VALUES (1)").sql()
    });
    let after = append(&store);
    release.send(()).unwrap();
    for lost in [before, after] {
        let lost = lost.await.unwrap();
        assert!(
            matches!(lost, Err(AppendRefused::Fault(StoreFault::Broken(_)))),
            "{lost:?}"
        );
    }
    assert!(matches!(orphan.await.unwrap(), Err(StoreFault::Broken(_))));
    assert_eq!(store.meter().read().failed_commits, 1);
    assert_eq!(
        seq(append(&store).await.unwrap()),
        Seq(2),
        "the lost seqs are given again"
    );
    store.ready().await.unwrap();
    store.stop().await;
}

#[tokio::test]
async fn a_job_that_half_fails_leaves_nothing_behind() {
    let (_folder, store) = furnished().await;
    let release = hold(&store);
    let before = append(&store);
    let half = push(&store, |tables| {
        tables
            .conn
            .execute_batch("UPDATE users SET nickname = 'half'")
            .sql()?;
        tables
            .conn
            .execute_batch("INSERT INTO no_such_table VALUES (1)")
            .sql()
    });
    let after = append(&store);
    release.send(()).unwrap();
    assert!(matches!(half.await.unwrap(), Err(StoreFault::Broken(_))));
    assert_eq!(
        (seq(before.await.unwrap()), seq(after.await.unwrap())),
        (Seq(1), Seq(2))
    );
    assert_eq!(&*store.users(None, 1).await.unwrap()[0].nickname, "1");
    store.stop().await;
}

#[tokio::test]
async fn a_writer_that_panics_answers_nobody_and_takes_nothing() {
    let (_folder, store) = furnished().await;
    let release = hold(&store);
    let lost = append(&store);
    drop(push(&store, |_| -> Result<(), StoreFault> {
        panic!("as the test wants it")
    }));
    release.send(()).unwrap();
    assert!(lost.await.is_err(), "no answer, and so no acknowledgement");
    store.wait_for_end(2).await;
    assert!(matches!(store.ready().await, Err(StoreFault::Stopped)));
    assert!(
        store.room(RoomRef::Id(RoomId(1))).await.unwrap().is_some(),
        "reads go on"
    );
    store.stop().await;
}
