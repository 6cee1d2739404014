//! An ear that writes down what it hears, and what is said to it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bongsu_model::records::RoomHead;
use bongsu_model::{Epoch, MembersVersion, RoomId, Seq, UserId};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::{Bus, Ear, Heard, Subject};

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a word is waited for before it is said again.
const TRY: Duration = Duration::from_millis(50);
/// How many words may still be heard of what is not wanted any more.
const TRIES: usize = 1_000;

/// What was heard.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// Of rooms: which, and the number.
    pub(super) heads: Vec<(RoomId, u64)>,
    /// Of users: who, and how many they have blocked.
    pub(super) blocks: Vec<(UserId, usize)>,
    /// Times that something may have been missed.
    pub(super) missed: usize,
}

/// One who hears.
#[derive(Default)]
pub(super) struct Notes {
    book: Mutex<Book>,
    turned: Notify,
}

#[async_trait]
impl Ear for Notes {
    async fn hear(&self, heard: Heard) {
        let mut book = self.book.lock();
        match heard {
            Heard::Heads(heads) => book
                .heads
                .extend(heads.iter().map(|head| (head.room, head.seq.0))),
            Heard::Blocks(user, blocked) => book.blocks.push((user, blocked.len())),
            Heard::Event(_)
            | Heard::Members(..)
            | Heard::Cut(_)
            | Heard::Device(_)
            | Heard::Node(_)
            | Heard::Happening(_) => panic!("nobody said that: {heard:?}"),
        }
        drop(book);
        self.turned.notify_waiters();
    }

    async fn missed(&self) {
        self.book.lock().missed += 1;
        self.turned.notify_waiters();
    }
}

impl Notes {
    /// Listens from now on.
    pub(super) fn on(bus: &dyn Bus) -> Arc<Self> {
        let notes = Arc::new(Self::default());
        let ear: Arc<dyn Ear> = notes.clone();
        bus.listen(Arc::downgrade(&ear));
        notes
    }

    /// What is known now.
    pub(super) fn read<T>(&self, of: impl FnOnce(&Book) -> T) -> T {
        of(&self.book.lock())
    }

    /// The numbers heard of a room, without the zeros, which are tries.
    pub(super) fn numbers(&self, room: RoomId) -> Vec<u64> {
        self.read(|book| {
            let of_room = book
                .heads
                .iter()
                .filter(|(of, number)| *of == room && *number > 0);
            of_room.map(|(_, number)| *number).collect()
        })
    }

    /// Waits until it is so; false if it was not in that time.
    pub(super) async fn within(&self, time: Duration, is: impl Fn(&Book) -> bool) -> bool {
        timeout(time, async {
            loop {
                let turned = self.turned.notified();
                if self.read(&is) {
                    return;
                }
                turned.await;
            }
        })
        .await
        .is_ok()
    }

    /// Waits until it is so.
    pub(super) async fn until(&self, what: &str, is: impl Fn(&Book) -> bool) {
        assert!(
            self.within(PATIENCE, is).await,
            "{what}; heard: {}",
            self.read(|book| format!("{:.2000?}", book))
        );
    }

    /// Waits until what the speaker says of a room is heard here.
    pub(super) async fn hears(&self, speaker: &dyn Bus, room: RoomId) {
        let heard = |book: &Book| book.heads.iter().filter(|(of, _)| *of == room).count();
        let before = self.read(heard);
        let tries = async {
            loop {
                // Whether it is heard is seen here, not there.
                speaker.publish(number(room, 0)).await.ok();
                if self.within(TRY, |book| heard(book) > before).await {
                    return;
                }
            }
        };
        assert!(timeout(PATIENCE, tries).await.is_ok(), "{room:?} is not heard");
    }

    /// Waits until what the speaker says of one room is not heard here, while what it says of another is.
    pub(super) async fn is_deaf_to(&self, speaker: &dyn Bus, room: RoomId, other: RoomId) {
        let heard = |book: &Book| book.heads.iter().filter(|(of, _)| *of == room).count();
        for _ in 0..TRIES {
            let before = self.read(heard);
            speaker
                .publish(number(room, 0))
                .await
                .expect("the bus is healthy");
            self.hears(speaker, other).await;
            if self.read(heard) == before {
                return;
            }
        }
        panic!("{room:?} is still heard");
    }
}

/// A numbered word about a room.
pub(super) fn number(room: RoomId, number: u64) -> Heard {
    let head = RoomHead {
        room,
        seq: Seq(number),
        epoch: Epoch(1),
        members_version: MembersVersion(1),
    };
    Heard::Heads([head].into())
}

/// A word about a user whose size is chosen.
pub(super) fn large(user: UserId, count: usize) -> Heard {
    let blocked = (1_i64..).take(count).map(|id| UserId(id << 40)).collect();
    Heard::Blocks(user, blocked)
}

/// A node that hears of rooms.
pub(super) fn wants(bus: &dyn Bus, rooms: impl IntoIterator<Item = RoomId>) {
    for room in rooms {
        bus.want(Subject::Room(room), true);
    }
}
