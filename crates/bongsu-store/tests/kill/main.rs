//! Kills a process that appends, again and again, and looks for what it had acknowledged.
//!
//! The test starts itself as that process. Invariant: an acknowledgement that reached the parent is in the file, at its
//! seq, and no seq is missing; a store whose disk failed acknowledges nothing any more.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod devices;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bongsu_model::records::{MemberRole, NewRoom, NewUser};
use bongsu_model::{
    Epoch, Message, MessageId, MessageKind, PageFrom, RoomId, RoomRef, Seq, Timestamp, UserId,
};
use bongsu_store::{Appended, Durability, NewMessage, Sqlite, SqliteOptions, Store};

const ROUNDS: u64 = 24;
const POSTERS: i64 = 8;
const ROOMS: i64 = 2;
const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("--child") => child(Path::new(&args[2]), args[3] == "power"),
        Some("--devices") => devices::child(Path::new(&args[2]), args[3] == "power"),
        Some(_) | None => {
            nothing_acknowledged_is_lost();
            devices::nothing_is_half_renamed();
            a_store_whose_disk_fails_stays_broken();
        }
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(work)
}

fn open(path: &Path, power: bool) -> Sqlite {
    let durability = if power {
        Durability::Power
    } else {
        Durability::Process
    };
    Sqlite::open(SqliteOptions {
        durability,
        ..SqliteOptions::new(path)
    })
    .unwrap()
}

async fn furnish(store: &Sqlite) {
    for _ in 0..POSTERS {
        store.create_user(NewUser::default(), NOW).await.unwrap();
    }
    for _ in 0..ROOMS {
        let members = (1..=POSTERS)
            .map(|user| (UserId(user), MemberRole::Member))
            .collect();
        store
            .create_room(
                NewRoom {
                    members,
                    ..NewRoom::default()
                },
                NOW,
            )
            .await
            .unwrap();
    }
}

fn text(id: MessageId) -> Arc<str> {
    format!("content of {id}").into()
}

/// Appends until it is killed or the store fails, and says on its stdout what was acknowledged.
fn child(path: &Path, power: bool) {
    block_on(async {
        let store = Arc::new(open(path, power));
        let base = store.room(RoomRef::Id(RoomId(1))).await.unwrap().unwrap().seq.0;
        let tasks: Vec<_> = (1..=POSTERS)
            .map(|poster| tokio::spawn(post_for_ever(Arc::clone(&store), poster, base)))
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        // Only a failure of the disk leads here.
        for _ in 0..3 {
            assert!(
                store.append(message(1, 1, base, 0)).await.is_err(),
                "nothing is acknowledged after a failure"
            );
        }
        let ready = store.ready().await;
        say(&format!("failed {}", ready.is_err()));
    });
}

fn message(room: i64, poster: i64, base: u64, number: u64) -> NewMessage {
    let id = u128::from(base + number) << 64 | u128::from(number) << 8 | poster.cast_unsigned() as u128;
    NewMessage {
        id: MessageId(id),
        room: RoomRef::Id(RoomId(room)),
        sender: UserId(poster),
        content: text(MessageId(id)),
        kind: MessageKind::Text,
        client_id: None,
        reply_to: None,
        metadata: None,
        at: NOW,
        as_member: true,
    }
}

async fn post_for_ever(store: Arc<Sqlite>, poster: i64, base: u64) {
    for number in 1_u64.. {
        let room = 1 + number.cast_signed() % ROOMS;
        match store.append(message(room, poster, base, number)).await {
            Ok(Appended::New(it)) => say(&format!("{} {} {}", it.room, it.seq, it.id)),
            Ok(Appended::Repeat(it)) => panic!("{} without a client id", it.id),
            Err(_) => return,
        }
    }
}

fn say(line: &str) {
    // One write per line: a kill between two of them cuts no line that the parent would take for a whole one.
    std::io::stdout()
        .write_all(format!("{line}\n").as_bytes())
        .unwrap();
}

/// Starts a child that does what `work` says.
fn start(work: &str, path: &Path, power: bool) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            work,
            path.to_str().unwrap(),
            if power { "power" } else { "process" },
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

type Acked = BTreeMap<(i64, u64), MessageId>;

fn note(acked: &mut Acked, line: &str) {
    let [room, seq, id] = line.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{line}")
    };
    let place = (room.parse().unwrap(), seq.parse().unwrap());
    let before = acked.insert(place, MessageId::parse(id).unwrap());
    assert!(before.is_none(), "seq {place:?} was given twice");
}

fn nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bongsu.db");
    let mut acked = Acked::new();
    let epochs = block_on(async {
        let store = open(&path, true);
        furnish(&store).await;
        let epochs = epochs(&store).await;
        store.stop().await;
        epochs
    });
    for round in 0..ROUNDS {
        let mut child = start("--child", &path, round % 2 == 0);
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        // Each round dies at another point.
        for _ in 0..10 + round * 13 {
            line.clear();
            assert!(
                said.read_line(&mut line).unwrap() > 0,
                "the child ended by itself"
            );
            note(&mut acked, line.trim_end());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        rest.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .for_each(|line| {
                note(&mut acked, line.trim_end());
            });
        verify(&path, &acked, &epochs);
    }
    assert!(acked.len() > 1_000, "only {} were acknowledged", acked.len());
}

/// The child's files may not grow beyond a size: its log fails in the middle of a commit.
fn a_store_whose_disk_fails_stays_broken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bongsu.db");
    let epochs = block_on(async {
        let store = open(&path, true);
        furnish(&store).await;
        let epochs = epochs(&store).await;
        store.stop().await;
        epochs
    });
    let limited = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 1024; exec \"$0\" --child \"$1\" process",
        ])
        .arg(std::env::current_exe().unwrap())
        .arg(&path)
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8(limited.stdout).unwrap();
    let (acks, end) = said.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(end, "failed true", "ready() fails too");
    let mut acked = Acked::new();
    acks.lines().for_each(|line| note(&mut acked, line));
    assert!(!acked.is_empty());
    verify(&path, &acked, &epochs);
}

async fn epochs(store: &Sqlite) -> Vec<Epoch> {
    let heads = store.heads((1..=ROOMS).map(RoomId).collect()).await.unwrap();
    heads.iter().map(|head| head.epoch).collect()
}

fn verify(path: &Path, acked: &Acked, before: &[Epoch]) {
    assert_eq!(bongsu_store::sqlite::check(path).unwrap(), []);
    block_on(async {
        let store = open(path, true);
        assert_eq!(epochs(&store).await, before, "an epoch outlives a crash");
        for room in 1..=ROOMS {
            let page = store
                .history(RoomId(room), PageFrom::After(Seq::ZERO), u32::MAX)
                .await
                .unwrap()
                .unwrap();
            let kept: Vec<&Message> = page.messages.iter().map(|message| &**message).collect();
            assert!(
                kept.iter().map(|message| message.seq.0).eq(1..=page.head.0),
                "no holes"
            );
            assert!(
                kept.iter().all(|message| message.content == text(message.id)),
                "whole rows"
            );
            for ((_, seq), id) in acked.range((room, 0)..(room + 1, 0)) {
                let at = usize::try_from(*seq).unwrap() - 1;
                assert_eq!(
                    kept.get(at).map(|message| message.id),
                    Some(*id),
                    "room {room}, seq {seq} is lost"
                );
            }
        }
        store.stop().await;
    });
}
