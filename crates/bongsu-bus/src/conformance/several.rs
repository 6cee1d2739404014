//! What a bus must do between nodes when nothing is wrong with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bongsu_model::{RoomId, UserId};
use bytes::Bytes;

use super::notes::{Notes, large, number, wants};
use super::{Cluster, May, alone};
use crate::{Bus, BusFault, Health, Reach, Subject};

/// A room that is wanted for the whole test, to see by it that others are not heard.
const KEPT: RoomId = RoomId(1);
const ROOM: RoomId = RoomId(2);
const USER: UserId = UserId(3);
/// Words of one speaker, one after the other.
const MANY: u64 = 10_000;
const TOTAL: usize = 10_000;

/// All that nodes must hear of each other.
///
/// # Panics
/// If the bus does not keep the contract.
pub async fn several(cluster: &dyn Cluster) {
    let may = cluster.may();
    let own = cluster.node("own").await;
    alone(&*own).await;
    assert_eq!(own.health(), Health::Well);
    drop(own);

    // Names that are hard to say.
    let (speaker, hearer) = (cluster.node("a.b").await, cluster.node("c *>").await);
    let heard = Notes::on(&*hearer);
    let own = Notes::on(&*speaker);
    wants(&*hearer, [KEPT]);
    heard.hears(&*speaker, KEPT).await;
    whoever_wants_hears(&*speaker, &*hearer, &heard, may).await;
    words_come_in_order(&*speaker, &*hearer, &heard, may).await;
    every_subject_is_heard(&*speaker, &*hearer, &heard).await;
    reach_is_true(&*speaker, &*hearer, &heard, may).await;
    large_words_come(&*speaker, &*hearer, &heard).await;
    strangers_harm_nobody(cluster, &*speaker, &heard).await;
    if !may.repeat {
        let mut numbers = own.numbers(ROOM);
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(
            own.numbers(ROOM).len(),
            numbers.len(),
            "the speaker heard itself once"
        );
    }
    assert_eq!(own.read(|book| book.missed), 0, "nothing was missed");
    assert_eq!(heard.read(|book| book.missed), 0, "nothing was missed");
    drop((speaker, hearer));
    all_hear_all(cluster, may).await;
}

async fn whoever_wants_hears(speaker: &dyn Bus, hearer: &dyn Bus, heard: &Notes, may: May) {
    if !may.overhear {
        heard.is_deaf_to(speaker, ROOM, KEPT).await;
    }
    // Wanting twice is wanting once, and so is not wanting.
    for _ in 0..3 {
        wants(hearer, [ROOM, ROOM]);
        heard.hears(speaker, ROOM).await;
        hearer.want(Subject::Room(ROOM), false);
        hearer.want(Subject::Room(ROOM), false);
        if !may.overhear {
            heard.is_deaf_to(speaker, ROOM, KEPT).await;
        }
    }
    for _ in 0..1_000 {
        hearer.want(Subject::Room(ROOM), true);
        hearer.want(Subject::Room(ROOM), false);
    }
    wants(hearer, [ROOM]);
    heard.hears(speaker, ROOM).await;
}

async fn words_come_in_order(speaker: &dyn Bus, hearer: &dyn Bus, heard: &Notes, may: May) {
    wants(hearer, [ROOM]);
    heard.hears(speaker, ROOM).await;
    for count in 1..=MANY {
        say(speaker, ROOM, count).await;
    }
    if may.lose {
        heard
            .until("something is heard", |book| book.heads.contains(&(ROOM, MANY)))
            .await;
    } else {
        heard
            .until("all is heard", |book| {
                book.heads
                    .iter()
                    .filter(|(room, number)| *room == ROOM && *number > 0)
                    .count()
                    >= TOTAL
            })
            .await;
    }
    let numbers = heard.numbers(ROOM);
    if !may.reorder {
        assert!(numbers.is_sorted(), "in the order in which it was said");
    }
    let different: BTreeSet<_> = numbers.iter().collect();
    assert!(may.repeat || different.len() == numbers.len(), "each once");
    assert!(may.lose || different.len() == TOTAL, "all of it");
}

/// Says a word again while the bus has no room for it.
async fn say(speaker: &dyn Bus, room: RoomId, count: u64) {
    match speaker.publish(number(room, count)).await {
        Ok(()) => {}
        Err(fault) => panic!("word {count} was not taken: {fault}"),
    }
}

async fn every_subject_is_heard(speaker: &dyn Bus, hearer: &dyn Bus, heard: &Notes) {
    // A negative id, one of all digits, and a user whose number is a room's.
    for room in [RoomId(-7), RoomId(i64::MAX)] {
        wants(hearer, [room]);
        heard.hears(speaker, room).await;
        hearer.want(Subject::Room(room), false);
    }
    let user = UserId(ROOM.0);
    hearer.want(Subject::User(user), true);
    let count = |book: &super::notes::Book| book.blocks.iter().filter(|(of, _)| *of == user).count();
    for _ in 0..200 {
        speaker.publish(large(user, 1)).await.expect("the bus is healthy");
        if heard
            .within(std::time::Duration::from_millis(50), |book| count(book) > 0)
            .await
        {
            return;
        }
    }
    panic!("{user:?} is not heard");
}

async fn reach_is_true(speaker: &dyn Bus, hearer: &dyn Bus, heard: &Notes, may: May) {
    let room = RoomId(77);
    let reach = speaker.reach(number(room, 1)).await.expect("the bus is healthy");
    let expected = |truth| if may.not_reach { Reach::Unknown } else { truth };
    assert_eq!(reach, expected(Reach::Nobody), "nobody wants it");
    // Its own wish is not another's.
    wants(speaker, [room]);
    let own = RoomId(78);
    wants(speaker, [own]);
    let reach = speaker.reach(number(room, 2)).await.expect("the bus is healthy");
    assert_eq!(reach, expected(Reach::Nobody), "nobody else wants it");
    wants(hearer, [room]);
    heard.hears(speaker, room).await;
    let reach = speaker.reach(number(room, 3)).await.expect("the bus is healthy");
    assert_eq!(reach, expected(Reach::Somebody), "somebody wants it");
    heard
        .until("who is reached hears", |book| book.heads.contains(&(room, 3)))
        .await;
    hearer.want(Subject::Room(room), false);
    if !may.overhear {
        heard.is_deaf_to(speaker, room, KEPT).await;
        let reach = speaker.reach(number(room, 4)).await.expect("the bus is healthy");
        assert_eq!(reach, expected(Reach::Nobody), "nobody wants it any more");
    }
}

async fn large_words_come(speaker: &dyn Bus, hearer: &dyn Bus, heard: &Notes) {
    hearer.want(Subject::User(USER), true);
    heard.hears(speaker, KEPT).await;
    // About 7 bytes each: some hundred kilobytes, and more than any bus carries.
    let count = 50_000;
    let is_heard = |book: &super::notes::Book| book.blocks.contains(&(USER, count));
    for _ in 0..200 {
        speaker
            .publish(large(USER, count))
            .await
            .expect("it is not too large");
        if heard
            .within(std::time::Duration::from_millis(100), is_heard)
            .await
        {
            break;
        }
    }
    heard.until("a large word is heard", is_heard).await;
    let too_large = speaker.publish(large(USER, 1_000_000)).await;
    assert!(
        matches!(too_large, Err(BusFault::TooLarge { bytes, max }) if bytes > max),
        "{too_large:?}"
    );
    heard.hears(speaker, KEPT).await;
    assert_eq!(speaker.health(), Health::Well);
}

async fn strangers_harm_nobody(cluster: &dyn Cluster, speaker: &dyn Bus, heard: &Notes) {
    let word = bongsu_wire::backplane::encode(&number(KEPT, 9), 0x0bad);
    let cut = word.slice(..word.len() - 1);
    let strange = [
        Bytes::new(),
        Bytes::from_static(b"\0"),
        Bytes::from_static(b"PUB bongsu.all 5\r\nhello\r\n"),
        Bytes::from(vec![0xb5; 10]),
        Bytes::from(vec![0xff; 100_000]),
        cut,
    ];
    let before = heard.numbers(KEPT);
    for bytes in strange {
        cluster.shout(&Subject::Room(KEPT), bytes).await;
    }
    // A stranger who knows the language is heard: that the channel is the nodes' own is the broker's business.
    cluster.shout(&Subject::Room(KEPT), word).await;
    heard
        .until("what is a word is heard", |book| book.heads.contains(&(KEPT, 9)))
        .await;
    assert_eq!(heard.numbers(KEPT).len(), before.len() + 1, "nothing else is");
    heard.hears(speaker, KEPT).await;
}

async fn all_hear_all(cluster: &dyn Cluster, may: May) {
    let mut nodes: Vec<(Arc<dyn Bus>, Arc<Notes>, RoomId)> = Vec::new();
    for index in 0..4 {
        let bus = cluster.node(&format!("n{index}")).await;
        let notes = Notes::on(&*bus);
        // Each speaks of its own room, and all hear of all.
        wants(&*bus, (100..104).map(RoomId));
        nodes.push((bus, notes, RoomId(100 + index)));
    }
    for (_, notes, _) in &nodes {
        for (speaker, _, room) in &nodes {
            notes.hears(&**speaker, *room).await;
        }
    }
    for count in 1..=100 {
        for (speaker, _, room) in &nodes {
            say(&**speaker, *room, count).await;
        }
    }
    for (_, notes, _) in &nodes {
        for (_, _, room) in &nodes {
            notes
                .until("the last is heard", |book| book.heads.contains(&(*room, 100)))
                .await;
            if may == May::default() {
                assert_eq!(notes.numbers(*room), (1..=100).collect::<Vec<_>>());
            }
        }
    }
}
