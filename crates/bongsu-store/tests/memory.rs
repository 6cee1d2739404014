//! The memory store's mode for the simulator: what is not synced is not seen, not answered, and lost in a crash.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bongsu_model::records::{MemberRole, NewRoom, NewUser, Room};
use bongsu_model::{MessageId, MessageKind, RoomId, RoomRef, Seq, Timestamp, UserId};
use bongsu_store::memory::Injected;
use bongsu_store::{AppendRefused, Appended, Memory, NewMessage, Store, StoreFault, StoreLimits};

type Waits<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

fn poll<T>(waits: &mut Waits<'_, T>) -> Poll<T> {
    waits.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn pending<T>(mut waits: Waits<'_, T>) -> Waits<'_, T> {
    assert!(poll(&mut waits).is_pending());
    waits
}

fn done<T>(mut waits: Waits<'_, T>) -> T {
    match poll(&mut waits) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("nobody answered"),
    }
}

fn message(number: u128) -> NewMessage {
    NewMessage {
        id: MessageId(number),
        room: RoomRef::Id(RoomId(1)),
        sender: UserId(1),
        content: "hello".into(),
        kind: MessageKind::Text,
        client_id: None,
        reply_to: None,
        metadata: None,
        at: Timestamp(0),
        as_member: true,
    }
}

fn furnished(seed: u64) -> (Memory, Room) {
    let memory = Memory::manual(seed, StoreLimits::default());
    let user = pending(memory.create_user(NewUser::default(), Timestamp(0)));
    assert_eq!(memory.sync(), 1);
    done(user).unwrap();
    let room = NewRoom {
        members: vec![(UserId(1), MemberRole::Member)],
        ..NewRoom::default()
    };
    let room = pending(memory.create_room(room, Timestamp(0)));
    assert_eq!(memory.sync(), 1);
    let room = done(room).unwrap();
    (memory, room)
}

fn seq_kept(memory: &Memory) -> Seq {
    done(memory.room(RoomRef::Id(RoomId(1)))).unwrap().unwrap().seq
}

fn seq(answer: Result<Appended, AppendRefused>) -> Seq {
    match answer {
        Ok(Appended::New(message)) => message.seq,
        other => panic!("{other:?}"),
    }
}

fn fault<T: std::fmt::Debug>(answer: Result<T, AppendRefused>) -> StoreFault {
    match answer {
        Err(AppendRefused::Fault(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_synced_is_neither_seen_nor_answered() {
    let (memory, _) = furnished(1);
    let mut first = pending(memory.append(message(1)));
    let mut second = pending(memory.append(message(2)));
    assert_eq!((seq_kept(&memory), memory.unsynced()), (Seq(0), 2));
    assert_eq!(memory.sync_some(1), 1);
    assert_eq!(seq_kept(&memory), Seq(1));
    assert!(poll(&mut first).is_ready() && poll(&mut second).is_pending());
    assert_eq!(memory.sync(), 1);
    assert_eq!(seq(done(second)), Seq(2));
}

#[test]
fn a_crash_forgets_what_was_not_synced_and_nothing_else() {
    let (memory, room) = furnished(1);
    let kept = pending(memory.append(message(1)));
    memory.sync();
    seq(done(kept));
    let lost = pending(memory.append(message(2)));
    memory.crash();
    assert!(matches!(fault(done(lost)), StoreFault::Broken(_)));
    assert!(matches!(
        fault(done(memory.append(message(3)))),
        StoreFault::Stopped
    ));
    memory.restart();
    assert_eq!(memory.sync(), 0);
    assert_eq!(seq_kept(&memory), Seq(1));
    let next = pending(memory.append(message(4)));
    memory.sync();
    let Ok(Appended::New(next)) = done(next) else {
        panic!("it works again")
    };
    assert_eq!((next.seq, next.epoch), (Seq(2), room.epoch));
}

#[test]
fn one_nodes_crash_is_its_own() {
    let (memory, _) = furnished(1);
    let other = memory.view();
    let (its, others) = (
        pending(memory.append(message(1))),
        pending(other.append(message(2))),
    );
    memory.crash();
    assert_eq!(other.sync(), 1);
    assert!(matches!(fault(done(its)), StoreFault::Broken(_)));
    assert_eq!(seq(done(others)), Seq(1));
    let lost = pending(other.append(message(3)));
    memory.crash_all();
    assert!(matches!(fault(done(lost)), StoreFault::Broken(_)));
    assert!(matches!(done(other.ready()), Err(StoreFault::Stopped)));
    other.restart();
    assert_eq!(seq_kept(&other), Seq(1));
    assert!(
        matches!(done(memory.ready()), Err(StoreFault::Stopped)),
        "each restarts on its own"
    );
}

#[test]
fn faults_come_as_often_as_they_were_asked_for() {
    let (memory, _) = furnished(1);
    memory.fail_appends(1, Injected::Overloaded);
    memory.fail_appends(1, Injected::Broken);
    memory.fail_appends(1, Injected::KeptButBroken);
    assert!(matches!(
        fault(done(memory.append(message(1)))),
        StoreFault::Overloaded
    ));
    assert!(matches!(
        fault(done(memory.append(message(2)))),
        StoreFault::Broken(_)
    ));
    let unknown = pending(memory.append(message(3)));
    let fine = pending(memory.append(message(4)));
    memory.sync();
    assert!(matches!(fault(done(unknown)), StoreFault::Broken(_)));
    assert_eq!(
        seq(done(fine)),
        Seq(2),
        "the one that failed is there all the same"
    );
    memory.fail_appends(9, Injected::Broken);
    memory.heal();
    let fine = pending(memory.append(message(5)));
    memory.sync();
    seq(done(fine));
    memory.fail_writes(1, Injected::Overloaded);
    assert!(matches!(
        done(memory.seen(UserId(1), Timestamp(1))),
        Err(StoreFault::Overloaded)
    ));
}

#[test]
fn the_same_seed_draws_the_same() {
    let drawn = |seed| {
        let (_, room) = furnished(seed);
        (room.epoch, room.token)
    };
    assert!(drawn(1) == drawn(1) && drawn(1) != drawn(2));
}
