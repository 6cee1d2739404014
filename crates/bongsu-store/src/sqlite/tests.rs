//! Tests that put jobs of their own into the writer's queue.

use std::sync::mpsc::sync_channel;

use bongsu_model::records::{MemberRole, NewRoom, NewUser};
use bongsu_model::{MessageId, MessageKind, PageFrom, RoomId, RoomRef, Seq, Timestamp, UserId};
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
    store
        .push(Job::Append(message(MessageId(1), None), tell))
        .unwrap();
    answer
}

/// Keeps the writer busy until the sender is used, so that what is pushed meanwhile makes one batch.
async fn hold(store: &Sqlite) -> std::sync::mpsc::SyncSender<()> {
    let (release, held) = sync_channel::<()>(1);
    drop(push(store, move |_| {
        let _ = held.recv();
        Ok(())
    }));
    // What comes before the writer has taken this would be of its batch.
    while store.queue_len() > 0 {
        tokio::task::yield_now().await;
    }
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
    let release = hold(&store).await;
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
    let release = hold(&store).await;
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
    let release = hold(&store).await;
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

/// Appends messages with these ids to room 1, in one job.
async fn fill(store: &Sqlite, ids: impl Iterator<Item = u128> + Send + 'static) {
    let filled = push(store, move |tables| {
        for id in ids {
            let message = message(MessageId(id), None);
            let appended = tables.append(message);
            assert!(matches!(appended, Ok(Appended::New(_))), "{appended:?}");
        }
        Ok(())
    });
    filled.await.unwrap().unwrap();
}

fn message(id: MessageId, reply_to: Option<MessageId>) -> NewMessage {
    NewMessage {
        id,
        room: RoomRef::Id(RoomId(1)),
        sender: UserId(1),
        content: "hello".into(),
        kind: MessageKind::Text,
        client_id: None,
        reply_to,
        metadata: None,
        at: Timestamp(0),
        as_member: true,
    }
}

#[tokio::test]
async fn a_reply_finds_its_message_in_a_long_room() {
    let (_folder, store) = furnished().await;
    // Even ids, in the order of time but for those of a few writers that overlap.
    let id = |number: u128| 2 * ((64 + number) ^ 0x3f);
    fill(&store, (1..=10_000).map(id)).await;
    let reply = async |to: u128| {
        store
            .append(message(MessageId(u128::MAX), Some(MessageId(to))))
            .await
    };
    for number in [1, 2, 63, 64, 65, 2_047, 2_048, 4_999, 9_936, 9_999, 10_000] {
        assert!(reply(id(number)).await.is_ok(), "the message number {number}");
        let odd = reply(id(number) + 1).await;
        assert!(matches!(odd, Err(AppendRefused::NoSuchReply)), "{odd:?}");
    }
    for absent in [0, u128::MAX - 1] {
        assert!(matches!(reply(absent).await, Err(AppendRefused::NoSuchReply)));
    }
    store.stop().await;
}

#[tokio::test]
async fn a_reply_finds_its_message_in_a_short_room_whatever_the_ids() {
    let (_folder, store) = furnished().await;
    let id = |number: u128| number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    fill(&store, (1..=2_000).map(id)).await;
    for number in (1..=2_000).step_by(97) {
        store
            .append(message(MessageId(u128::MAX), Some(MessageId(id(number)))))
            .await
            .unwrap();
    }
    store.stop().await;
}

#[tokio::test]
async fn a_long_retention_goes_in_pieces_to_its_end() {
    let (_folder, store) = furnished().await;
    fill(&store, 1..=9_000).await;
    let before = store.meter().read().batches;
    assert_eq!(store.retain(500, None).await.unwrap(), 8_500);
    assert!(
        store.meter().read().batches - before >= 4,
        "others had their turn in between"
    );
    let page = store
        .history(RoomId(1), PageFrom::After(Seq(0)), 1)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(page.messages[0].seq, Seq(8_501));
    assert_eq!(
        store.retain(0, Some(Timestamp(1))).await.unwrap(),
        500,
        "by age alone"
    );
    store.stop().await;
}
