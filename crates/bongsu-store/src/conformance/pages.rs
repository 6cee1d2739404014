//! Checks of history pages and of retention.

use bongsu_model::{HistoryPage, PageFrom, RoomId, Seq, Timestamp};

use super::{NOW, Shared, by_id, fill, named, open_room, people, post, posted, repeat_of};

async fn page(store: &Shared, room: RoomId, from: PageFrom, limit: u32) -> HistoryPage {
    store.history(room, from, limit).await.unwrap().unwrap()
}

async fn seqs(store: &Shared, room: RoomId, from: PageFrom, limit: u32) -> (Vec<u64>, bool) {
    let page = page(store, room, from, limit).await;
    (
        page.messages.iter().map(|message| message.seq.0).collect(),
        page.has_more,
    )
}

/// A page after a place holds the oldest messages after it.
pub async fn pages_after(store: Shared) {
    let [mina] = people(&store).await;
    let room = open_room(&store, &[mina]).await;
    fill(&store, &room, mina, 5).await;
    for (after, limit, expected) in [
        (0, 2, (vec![1, 2], true)),
        (2, 2, (vec![3, 4], true)),
        (2, 3, (vec![3, 4, 5], false)),
        (3, 2, (vec![4, 5], false)),
        (4, 200, (vec![5], false)),
        (5, 200, (vec![], false)),
        (6, 200, (vec![], false)),
        (u64::MAX, 200, (vec![], false)),
        (0, 0, (vec![], true)),
    ] {
        assert_eq!(
            seqs(&store, room.id, PageFrom::After(Seq(after)), limit).await,
            expected,
            "after {after}"
        );
    }
    let page = page(&store, room.id, PageFrom::After(Seq(4)), 2).await;
    assert_eq!((page.room, page.epoch, page.head), (room.id, room.epoch, Seq(5)));
}

/// A page before a place holds the newest messages before it, ascending.
pub async fn pages_before(store: Shared) {
    let [mina] = people(&store).await;
    let room = open_room(&store, &[mina]).await;
    fill(&store, &room, mina, 5).await;
    for (before, limit, expected) in [
        (6, 2, (vec![4, 5], true)),
        (4, 2, (vec![2, 3], true)),
        (4, 3, (vec![1, 2, 3], false)),
        (3, 2, (vec![1, 2], false)),
        (2, 200, (vec![1], false)),
        (1, 200, (vec![], false)),
        (0, 200, (vec![], false)),
        (u64::MAX, 200, (vec![1, 2, 3, 4, 5], false)),
        (3, 0, (vec![], true)),
    ] {
        assert_eq!(
            seqs(&store, room.id, PageFrom::Before(Seq(before)), limit).await,
            expected,
            "before {before}"
        );
    }
}

/// The latest page holds the newest messages, ascending.
pub async fn pages_of_the_latest(store: Shared) {
    let [mina] = people(&store).await;
    let room = open_room(&store, &[mina]).await;
    fill(&store, &room, mina, 3).await;
    for (limit, expected) in [
        (2, (vec![2, 3], true)),
        (3, (vec![1, 2, 3], false)),
        (200, (vec![1, 2, 3], false)),
        (0, (vec![], true)),
    ] {
        assert_eq!(seqs(&store, room.id, PageFrom::Latest, limit).await, expected);
    }
}

/// An empty room has empty pages; a room that is not there has none.
pub async fn pages_of_an_empty_room(store: Shared) {
    let room = open_room(&store, &[]).await;
    for from in [
        PageFrom::After(Seq(0)),
        PageFrom::Before(Seq(9)),
        PageFrom::Latest,
    ] {
        assert_eq!(seqs(&store, room.id, from, 200).await, (vec![], false));
        assert!(store.history(RoomId(404), from, 200).await.unwrap().is_none());
    }
}

/// Retention by count keeps the newest messages of each room, and its head.
pub async fn retention_by_count(store: Shared) {
    let [mina] = people(&store).await;
    let (room, small) = (open_room(&store, &[mina]).await, open_room(&store, &[mina]).await);
    fill(&store, &room, mina, 5).await;
    fill(&store, &small, mina, 2).await;
    assert_eq!(
        store.retain(0, None).await.unwrap(),
        0,
        "no limits, nothing deleted"
    );
    assert_eq!(store.retain(2, None).await.unwrap(), 3);
    assert_eq!(store.retain(2, None).await.unwrap(), 0);
    assert_eq!(
        seqs(&store, room.id, PageFrom::After(Seq(0)), 200).await,
        (vec![4, 5], false)
    );
    assert_eq!(
        seqs(&store, room.id, PageFrom::Before(Seq(5)), 200).await,
        (vec![4], false)
    );
    assert_eq!(
        seqs(&store, room.id, PageFrom::Before(Seq(2)), 200).await,
        (vec![], false)
    );
    assert_eq!(seqs(&store, room.id, PageFrom::Latest, 1).await, (vec![5], true));
    assert_eq!(
        seqs(&store, small.id, PageFrom::Latest, 200).await,
        (vec![1, 2], false)
    );
    let mine = store.my_rooms(mina).await.unwrap();
    assert_eq!((mine[0].first_seq, mine[0].seq), (Seq(4), Seq(5)));
    assert_eq!((mine[1].first_seq, mine[1].seq), (Seq(1), Seq(2)));
    let joined = store.join(by_id(&room), mina, false, NOW).await.unwrap();
    assert_eq!(joined.first_seq, Seq(4));
}

/// Retention by age deletes what is older, from the oldest on, and may empty a room.
pub async fn retention_by_age(store: Shared) {
    let [mina] = people(&store).await;
    let room = open_room(&store, &[mina]).await;
    fill(&store, &room, mina, 4).await;
    let at = |seq: u64| Some(NOW.plus_ms(seq * 1_000));
    assert_eq!(
        store.retain(0, at(3)).await.unwrap(),
        2,
        "the one of that very moment stays"
    );
    assert_eq!(
        seqs(&store, room.id, PageFrom::Latest, 200).await,
        (vec![3, 4], false)
    );
    assert_eq!(store.retain(1, at(2)).await.unwrap(), 1, "both limits hold");
    assert_eq!(store.retain(0, Some(Timestamp(i64::MAX))).await.unwrap(), 1);
    assert_eq!(
        seqs(&store, room.id, PageFrom::After(Seq(0)), 200).await,
        (vec![], false)
    );
    let mine = &store.my_rooms(mina).await.unwrap()[0];
    assert_eq!(
        (mine.first_seq, mine.seq),
        (Seq(5), Seq(4)),
        "none is kept, and the head stays"
    );
}

/// After a retention a room goes on where it was, and forgets client ids with their messages.
pub async fn a_retained_room_goes_on(store: Shared) {
    let [mina] = people(&store).await;
    let room = open_room(&store, &[mina]).await;
    let old = posted(&store, named(post(&room, mina, "old"), "old")).await;
    posted(&store, named(post(&room, mina, "kept"), "kept")).await;
    store.retain(1, None).await.unwrap();
    repeat_of(
        store
            .append(named(post(&room, mina, "kept"), "kept"))
            .await
            .unwrap(),
    );
    assert_eq!(
        posted(&store, named(post(&room, mina, "new"), "old")).await.seq,
        Seq(3)
    );
    let mut reply = post(&room, mina, "re: old");
    reply.reply_to = Some(old.id);
    assert!(matches!(
        store.append(reply).await,
        Err(crate::AppendRefused::NoSuchReply)
    ));
    store.retain(0, Some(Timestamp(i64::MAX))).await.unwrap();
    assert_eq!(posted(&store, post(&room, mina, "on")).await.seq, Seq(4));
    assert_eq!(
        seqs(&store, room.id, PageFrom::After(Seq(0)), 9).await,
        (vec![4], false)
    );
}
