//! What only a store on a file can do wrong: opening, locking, damage, overload, failing jobs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::future::Future;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bongsu_model::records::{MemberRole, NewRoom, NewUser, Visibility};
use bongsu_model::{MessageId, MessageKind, PageFrom, RoomId, RoomRef, Seq, Timestamp, UserId, UserRef};
use bongsu_store::sqlite::{Finding, SCHEMA_VERSION, check};
use bongsu_store::{
    AppendRefused, Appended, NewMessage, OpenError, Sqlite, SqliteOptions, Store, StoreFault,
};
use rusqlite::Connection;
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made").join("bongsu.db");
    (folder, path)
}

/// A store with user 1, who is a member of rooms 1 and 2, and three messages in each.
async fn furnished(path: &Path) -> Sqlite {
    let store = Sqlite::open(SqliteOptions::new(path)).unwrap();
    store.create_user(NewUser::default(), NOW).await.unwrap();
    for room in 1..=2 {
        let members = vec![(UserId(1), MemberRole::Owner)];
        let new = NewRoom {
            members,
            visibility: Visibility::Open,
            ..NewRoom::default()
        };
        store.create_room(new, NOW).await.unwrap();
        for _ in 0..3 {
            store.append(message(room)).await.unwrap();
        }
    }
    store
}

fn message(room: i64) -> NewMessage {
    NewMessage {
        id: MessageId(7),
        room: RoomRef::Id(RoomId(room)),
        sender: UserId(1),
        content: "hello".into(),
        kind: MessageKind::Text,
        client_id: None,
        reply_to: None,
        metadata: None,
        at: NOW,
        as_member: true,
    }
}

/// Closes a furnished store, runs SQL on its file, and opens it again.
async fn tampered(path: &Path, sql: &str) -> Sqlite {
    furnished(path).await.stop().await;
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
    Sqlite::open(SqliteOptions::new(path)).unwrap()
}

fn is_damaged<T>(answer: Result<T, StoreFault>, table: &str) -> bool {
    matches!(answer, Err(StoreFault::Damaged { table: at, .. }) if at == table)
}

#[tokio::test]
async fn a_reopened_store_goes_on_where_it_was() {
    let (_folder, path) = place();
    let store = furnished(&path).await;
    let before = store.room(RoomRef::Id(RoomId(1))).await.unwrap().unwrap();
    store.stop().await;
    assert!(
        !path.with_extension("db-wal").exists(),
        "a stopped store leaves one file"
    );
    let store = Sqlite::open(SqliteOptions::new(&path)).unwrap();
    assert_eq!(store.room(RoomRef::Id(RoomId(1))).await.unwrap(), Some(before));
    let Appended::New(next) = store.append(message(1)).await.unwrap() else {
        panic!("no client id")
    };
    assert_eq!(next.seq, Seq(4));
    assert_eq!(store.next_call().await.unwrap().0, 1);
    store.stop().await;
    assert_eq!(check(&path).unwrap(), []);
}

#[tokio::test]
async fn what_it_makes_is_private() {
    let (_folder, path) = place();
    let store = furnished(&path).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for name in ["bongsu.db", "bongsu.db-wal", "bongsu.db-shm", "bongsu.lock"] {
        assert_eq!(mode(&path.with_file_name(name)), 0o600, "{name}");
    }
    store.stop().await;
}

#[tokio::test]
async fn one_process_at_a_time_has_the_folder() {
    let (_folder, path) = place();
    let store = furnished(&path).await;
    let second = Sqlite::open(SqliteOptions::new(&path)).err().unwrap();
    let OpenError::InUse { pid, .. } = &second else {
        panic!("{second}")
    };
    assert_eq!(*pid, Some(std::process::id()));
    assert!(matches!(Sqlite::migrate(&path), Err(OpenError::InUse { .. })));
    store.stop().await;
    Sqlite::open(SqliteOptions::new(&path)).unwrap().stop().await;
}

#[tokio::test]
async fn a_newer_schema_and_other_programs_files_are_left_alone() {
    let (_folder, path) = place();
    furnished(&path).await.stop().await;
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", SCHEMA_VERSION + 1)
        .unwrap();
    let newer = Sqlite::open(SqliteOptions::new(&path)).err().unwrap();
    let is_newer = |fault: &OpenError| matches!(fault, OpenError::Newer { found, known } if found > known);
    assert!(is_newer(&newer), "{newer}");
    assert!(is_newer(&Sqlite::migrate(&path).unwrap_err()));
    let other = path.with_file_name("other.db");
    Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (a)")
        .unwrap();
    assert!(matches!(
        Sqlite::open(SqliteOptions::new(&other)),
        Err(OpenError::NotOurs)
    ));
    let text = path.with_file_name("text.db");
    std::fs::write(
        &text,
        "this is no SQLite file, but it is long enough to be looked at as if it were one".repeat(20),
    )
    .unwrap();
    assert!(matches!(
        Sqlite::open(SqliteOptions::new(&text)),
        Err(OpenError::Sql(_))
    ));
}

#[test]
fn migrate_says_what_it_did() {
    let (_folder, path) = place();
    let first = Sqlite::migrate(&path).unwrap();
    assert_eq!((first.from, first.to), (0, SCHEMA_VERSION));
    let second = Sqlite::migrate(&path).unwrap();
    assert_eq!((second.from, second.to), (SCHEMA_VERSION, SCHEMA_VERSION));
    assert_eq!(check(&path).unwrap(), []);
}

#[tokio::test]
async fn a_damaged_record_is_never_an_absent_one() {
    let history = async |store: &Sqlite| store.history(RoomId(1), PageFrom::Latest, 9).await;
    for (sql, table) in [
        (
            "UPDATE messages SET id = x'00' WHERE place = 1 << 36 | 2",
            "messages",
        ),
        (
            "UPDATE messages SET kind = 99 WHERE place = 1 << 36 | 2",
            "messages",
        ),
        (
            "UPDATE messages SET members_version = -1 WHERE place = 1 << 36 | 2",
            "messages",
        ),
        (
            "UPDATE messages SET content = cast(x'ff' AS TEXT) WHERE place = 1 << 36 | 2",
            "messages",
        ),
        (
            "UPDATE messages SET sender = 99 WHERE place = 1 << 36 | 2",
            "messages",
        ),
        ("DELETE FROM messages WHERE place = 1 << 36 | 2", "messages"),
        ("UPDATE rooms SET first_seq = -1 WHERE id = 1", "rooms"),
        ("UPDATE rooms SET first_seq = 9 WHERE id = 1", "rooms"),
        ("UPDATE rooms SET kind = 'odd' WHERE id = 1", "rooms"),
        ("UPDATE rooms SET token = x'00' WHERE id = 1", "rooms"),
        ("UPDATE rooms SET seq = 4 WHERE id = 1", "rooms"),
    ] {
        let (_folder, path) = place();
        let store = tampered(&path, sql).await;
        assert!(
            is_damaged(history(&store).await, table),
            "{sql}: {:?}",
            history(&store).await
        );
        assert!(
            store
                .history(RoomId(2), PageFrom::Latest, 9)
                .await
                .unwrap()
                .is_some(),
            "others are not affected"
        );
        store.stop().await;
    }
    let (_folder, path) = place();
    let store = tampered(
        &path,
        "UPDATE users SET banned_at = 1; UPDATE members SET role = 'king' WHERE slot = 1",
    )
    .await;
    assert!(is_damaged(store.user(UserRef::Id(UserId(1))).await, "users"));
    assert!(is_damaged(store.member(RoomId(1), UserId(1)).await, "members"));
    store.stop().await;
}

#[tokio::test]
async fn check_finds_what_does_not_fit() {
    for (sql, finding) in [
        (
            "DELETE FROM messages WHERE place = 1 << 36 | 2",
            Finding::Messages(1),
        ),
        (
            "DELETE FROM messages WHERE place = 1 << 36 | 1",
            Finding::Messages(1),
        ),
        ("UPDATE rooms SET seq = 9 WHERE id = 2", Finding::Messages(2)),
        (
            "UPDATE rooms SET members_count = 9 WHERE id = 2",
            Finding::Members(2),
        ),
        (
            "UPDATE messages SET sender = 99",
            Finding::NoUser { table: "messages" },
        ),
        (
            "INSERT INTO members VALUES (99, 1, 'member', 0, 0, 0)",
            Finding::NoRoom { table: "members" },
        ),
    ] {
        let (_folder, path) = place();
        tampered(&path, sql).await.stop().await;
        assert_eq!(check(&path).unwrap(), [finding], "{sql}");
    }
}

type Append<'a> = Pin<Box<dyn Future<Output = Result<Appended, AppendRefused>> + Send + 'a>>;

/// Begins an append without waiting for it.
fn begin(store: &Sqlite, room: i64) -> Append<'_> {
    let mut append = store.append(message(room));
    let polled = append.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Pending));
    append
}

#[tokio::test]
async fn one_bad_job_does_not_fail_its_batch() {
    let (_folder, path) = place();
    let store = tampered(&path, "UPDATE rooms SET kind = 'odd' WHERE id = 2").await;
    let appends: Vec<_> = (0..200)
        .map(|number| (number % 5, begin(&store, if number % 5 == 0 { 2 } else { 1 })))
        .collect();
    let mut seqs = Vec::new();
    for (number, append) in appends {
        match append.await {
            Ok(Appended::New(message)) if number > 0 => seqs.push(message.seq.0),
            Err(AppendRefused::Fault(StoreFault::Damaged { table: "rooms", .. })) if number == 0 => {}
            other => panic!("{number}: {other:?}"),
        }
    }
    assert!(seqs.iter().copied().eq(4..=163), "{seqs:?}");
    let reading = store.meter().read();
    assert_eq!((reading.appended, reading.failed_commits), (160, 0));
    assert!(
        reading.batches < 200 && reading.batch_max > 1,
        "they shared commits: {reading:?}"
    );
    store.stop().await;
}

/// Holds the file's write lock, so that the writer cannot begin.
fn hold(path: &Path) -> Connection {
    let other = Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_loses_nothing() {
    let (_folder, path) = place();
    furnished(&path).await.stop().await;
    let store = Sqlite::open(SqliteOptions {
        queue_max: 4,
        ..SqliteOptions::new(&path)
    })
    .unwrap();
    let other = hold(&path);
    let mut appends = vec![begin(&store, 1)];
    while store.queue_len() > 0 {
        tokio::task::yield_now().await;
    }
    appends.extend((0..4).map(|_| begin(&store, 1)));
    let full = store.append(message(1)).await;
    assert!(
        matches!(full, Err(AppendRefused::Fault(StoreFault::Overloaded))),
        "{full:?}"
    );
    assert!(matches!(store.ready().await, Err(StoreFault::Overloaded)));
    assert_eq!(store.meter().read().overloaded, 2);
    assert!(
        store.room(RoomRef::Id(RoomId(1))).await.unwrap().is_some(),
        "reads go on"
    );
    other.execute_batch("ROLLBACK").unwrap();
    for (number, append) in (4..).zip(appends) {
        let Ok(Appended::New(message)) = append.await else {
            panic!("{number} was accepted")
        };
        assert_eq!(message.seq, Seq(number));
    }
    store.ready().await.unwrap();
    store.stop().await;
}

#[tokio::test]
async fn a_stop_finishes_what_waits() {
    let (_folder, path) = place();
    let store = Arc::new(furnished(&path).await);
    let appends: Vec<_> = (0..100).map(|_| begin(&store, 1)).collect();
    store.stop().await;
    for append in appends {
        assert!(matches!(append.await, Ok(Appended::New(_))));
    }
    let refused = store.append(message(1)).await;
    assert!(matches!(refused, Err(AppendRefused::Fault(StoreFault::Stopped))));
    let store = Sqlite::open(SqliteOptions::new(&path)).unwrap();
    assert_eq!(store.heads(vec![RoomId(1)]).await.unwrap()[0].seq, Seq(103));
    store.stop().await;
}
