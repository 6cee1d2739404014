//! Checks of the append: order, client ids, who may post.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bongsu_model::records::{Change, MemberRole, NewRoom, Room, RoomKind, UserChange};
use bongsu_model::{MessageId, MessageKind, PageFrom, RawJson, RoomRef, Seq, UserId};

use super::{NOW, Shared, by_id, fill, named, new_of, open_room, people, post, posted, repeat_of};
use crate::{AppendRefused, Appended};

async fn all_of(store: &Shared, room: &Room) -> Vec<Arc<bongsu_model::Message>> {
    store
        .history(room.id, PageFrom::After(Seq::ZERO), 10_000)
        .await
        .unwrap()
        .unwrap()
        .messages
}

/// All fields of a message come back, from the append and from the history alike.
pub async fn a_message_is_kept_as_it_was_posted(store: Shared) {
    let [mina] = people(&store).await;
    let room = open_room(&store, &[mina]).await;
    let first = posted(&store, post(&room, mina, "안녕\n\tquote ' and \u{1f38f}")).await;
    let mut answer = named(post(&room, mina, "x"), "c-1");
    answer.kind = MessageKind::Custom;
    answer.reply_to = Some(first.id);
    answer.metadata = Some(RawJson::from_validated(bytes::Bytes::from_static(
        b"{\"a\":[1,null]}",
    )));
    let given = answer.clone();
    let second = posted(&store, answer).await;
    assert_eq!((first.seq, second.seq), (Seq(1), Seq(2)));
    assert_eq!(
        (second.id, second.room, second.epoch),
        (given.id, room.id, room.epoch)
    );
    assert_eq!(
        (&second.content, second.kind, second.reply_to),
        (&given.content, given.kind, given.reply_to)
    );
    assert_eq!((&second.metadata, second.created_at), (&given.metadata, NOW));
    assert_eq!((second.sender.user, &*second.sender.nickname), (mina, "user 0"));
    assert_eq!((first.room_token, second.room_token), (room.token, room.token));
    assert_eq!(all_of(&store, &room).await, [first, second]);
    assert_eq!(store.room(by_id(&room)).await.unwrap().unwrap().seq, Seq(2));
    assert_eq!(store.heads(vec![room.id]).await.unwrap()[0].seq, Seq(2));
}

/// Every seq from 1 on is given once, whoever posts at the same time, and each poster's own are ascending.
pub async fn seqs_have_no_hole_under_concurrency(store: Shared) {
    let posters: [UserId; 4] = people(&store).await;
    let rooms = [
        open_room(&store, &posters).await,
        open_room(&store, &posters).await,
    ];
    let mut tasks = Vec::new();
    for poster in posters {
        let (store, rooms) = (Arc::clone(&store), rooms.clone());
        tasks.push(tokio::spawn(async move {
            let mut seqs = [Vec::new(), Vec::new()];
            for round in 0..50 {
                let message = posted(&store, post(&rooms[round % 2], poster, "hello")).await;
                seqs[round % 2].push(message.seq.0);
            }
            seqs
        }));
    }
    let mut given = [Vec::new(), Vec::new()];
    for task in tasks {
        for (given, seqs) in given.iter_mut().zip(task.await.unwrap()) {
            assert!(seqs.is_sorted(), "a poster's own messages are in its order");
            given.extend(seqs);
        }
    }
    for (mut given, room) in given.into_iter().zip(&rooms) {
        given.sort_unstable();
        assert!(
            given.iter().copied().eq(1..=100),
            "no hole and no seq twice: {given:?}"
        );
        let kept: Vec<_> = all_of(&store, room)
            .await
            .iter()
            .map(|message| message.seq.0)
            .collect();
        assert_eq!(kept, given);
    }
}

/// Appends begun in order get ascending seqs, though none was awaited before the next was begun.
pub async fn pipelined_appends_keep_their_order(store: Shared) {
    let [mina] = people(&store).await;
    let room = open_room(&store, &[mina]).await;
    let mut begun = Vec::new();
    for number in 0..100 {
        let mut append = store.append(post(&room, mina, &number.to_string()));
        // Some may be done at once, and before others that were begun earlier are looked at again.
        begun.push(
            match append.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => Ok(answer),
                Poll::Pending => Err(append),
            },
        );
    }
    let mut done = Vec::new();
    for append in begun {
        let answer = match append {
            Ok(answer) => answer,
            Err(append) => append.await,
        };
        done.push(new_of(answer.unwrap()));
    }
    assert!(done.iter().map(|message| message.seq.0).eq(1..=100));
    assert!(
        done.iter()
            .map(|message| message.content.to_string())
            .eq((0..100).map(|number| number.to_string()))
    );
}

/// A second append with the same client id stores nothing and is answered with the first message.
pub async fn a_repeat_is_answered_with_the_first(store: Shared) {
    let [mina] = people(&store).await;
    let room = open_room(&store, &[mina]).await;
    let first = posted(&store, named(post(&room, mina, "once"), "id")).await;
    posted(&store, post(&room, mina, "between")).await;
    let again = repeat_of(
        store
            .append(named(post(&room, mina, "once"), "id"))
            .await
            .unwrap(),
    );
    assert_eq!(again, first);
    assert_eq!(
        posted(&store, post(&room, mina, "after")).await.seq,
        Seq(3),
        "a repeat takes no seq"
    );
    // Not even the loss of the right to post makes the answer to a repeat another one.
    let gone = named(post(&room, mina, "once"), "id");
    store.leave(by_id(&room), mina).await.unwrap();
    assert!(
        matches!(store.append(gone).await, Err(AppendRefused::NotMember)),
        "but who left learns nothing"
    );
}

/// Client ids of other senders and in other rooms are other ids.
pub async fn a_client_id_is_of_one_sender_and_room(store: Shared) {
    let [mina, jun] = people(&store).await;
    let (room, other) = (
        open_room(&store, &[mina, jun]).await,
        open_room(&store, &[mina]).await,
    );
    for (room, sender, seq) in [(&room, mina, 1), (&room, jun, 2), (&other, mina, 1)] {
        assert_eq!(
            posted(&store, named(post(room, sender, "x"), "id")).await.seq,
            Seq(seq)
        );
    }
    assert_eq!(
        posted(&store, named(post(&room, mina, "x"), "ID")).await.seq,
        Seq(3),
        "bytes count, not letters"
    );
}

/// The same client id with another content is a repeat too: the first message is the answer, and nothing is stored.
pub async fn a_client_id_with_another_content_is_a_repeat(store: Shared) {
    let [mina] = people(&store).await;
    let room = open_room(&store, &[mina]).await;
    let first = posted(&store, named(post(&room, mina, "one"), "id")).await;
    let other = store.append(named(post(&room, mina, "two"), "id")).await;
    assert!(
        matches!(&other, Ok(Appended::Repeat(it)) if *it == first),
        "{other:?}"
    );
    let mut kind = named(post(&room, mina, "one"), "id");
    kind.kind = MessageKind::Image;
    assert!(matches!(store.append(kind).await, Ok(Appended::Repeat(it)) if it == first));
    assert_eq!(all_of(&store, &room).await.len(), 1);
}

/// Of many appends with one client id at the same time, one is stored and all are answered with it.
pub async fn concurrent_repeats_are_stored_once(store: Shared) {
    let [mina] = people(&store).await;
    let room = open_room(&store, &[mina]).await;
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let (store, message) = (Arc::clone(&store), named(post(&room, mina, "x"), "id"));
        tasks.push(tokio::spawn(async move { store.append(message).await.unwrap() }));
    }
    let (mut new, mut ids) = (0, Vec::new());
    for task in tasks {
        let message = match task.await.unwrap() {
            crate::Appended::New(message) => {
                new += 1;
                message
            }
            crate::Appended::Repeat(message) => message,
        };
        ids.push(message.id);
    }
    assert_eq!(new, 1);
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(all_of(&store, &room).await.len(), 1);
}

/// A message carries the membership version at its commit.
pub async fn messages_carry_the_members_version(store: Shared) {
    let [mina, jun] = people(&store).await;
    let room = open_room(&store, &[mina]).await;
    let mut versions = vec![posted(&store, post(&room, mina, "1")).await.members.0];
    store.join(by_id(&room), jun, false, NOW).await.unwrap();
    versions.push(posted(&store, post(&room, jun, "2")).await.members.0);
    store.leave(by_id(&room), jun).await.unwrap();
    versions.push(posted(&store, post(&room, mina, "3")).await.members.0);
    assert_eq!(versions, [1, 2, 3]);
    let kept: Vec<_> = all_of(&store, &room)
        .await
        .iter()
        .map(|message| message.members.0)
        .collect();
    assert_eq!(kept, versions, "the history keeps the version of the commit");
    assert_eq!(store.heads(vec![room.id]).await.unwrap()[0].members_version.0, 3);
}

/// Who is no member, or no longer, does not post; a room that is not there takes nothing.
pub async fn strangers_do_not_post(store: Shared) {
    let [mina, jun] = people(&store).await;
    let room = open_room(&store, &[mina]).await;
    assert!(matches!(
        store.append(post(&room, jun, "x")).await,
        Err(AppendRefused::NotMember)
    ));
    store.join(by_id(&room), jun, false, NOW).await.unwrap();
    posted(&store, post(&room, jun, "x")).await;
    store.leave(by_id(&room), jun).await.unwrap();
    assert!(matches!(
        store.append(post(&room, jun, "x")).await,
        Err(AppendRefused::NotMember)
    ));
    assert!(matches!(
        store.append(post(&room, UserId(99), "x")).await,
        Err(AppendRefused::NotMember)
    ));
    let mut nowhere = post(&room, mina, "x");
    nowhere.room = RoomRef::Name("nowhere".into());
    assert!(matches!(store.append(nowhere).await, Err(AppendRefused::NoRoom)));
}

/// In a broadcast room members read and owners post.
pub async fn only_owners_post_in_a_broadcast_room(store: Shared) {
    let [owner, reader] = people(&store).await;
    let members = vec![(owner, MemberRole::Owner), (reader, MemberRole::Member)];
    let room = NewRoom {
        kind: RoomKind::Broadcast,
        members,
        ..NewRoom::default()
    };
    let room = store.create_room(room, NOW).await.unwrap();
    posted(&store, post(&room, owner, "x")).await;
    assert!(matches!(
        store.append(post(&room, reader, "x")).await,
        Err(AppendRefused::NotOwner)
    ));
    store.join(by_id(&room), owner, true, NOW).await.unwrap();
    posted(&store, post(&room, owner, "still an owner")).await;
}

/// In a direct room a block keeps the other side's messages out, from the next one on, until it ends.
pub async fn a_blocked_user_does_not_post_in_a_direct_room(store: Shared) {
    let [mina, jun] = people(&store).await;
    let members = vec![(mina, MemberRole::Member), (jun, MemberRole::Member)];
    let room = NewRoom {
        kind: RoomKind::Direct,
        members,
        ..NewRoom::default()
    };
    let room = store.create_room(room, NOW).await.unwrap();
    let group = open_room(&store, &[mina, jun]).await;
    posted(&store, named(post(&room, jun, "before"), "id")).await;
    store.block(mina, jun, true).await.unwrap();
    assert!(matches!(
        store.append(post(&room, jun, "x")).await,
        Err(AppendRefused::Blocked)
    ));
    repeat_of(
        store
            .append(named(post(&room, jun, "before"), "id"))
            .await
            .unwrap(),
    );
    posted(&store, post(&room, mina, "who blocks may post")).await;
    posted(&store, post(&group, jun, "blocks do not keep out of groups")).await;
    store.block(mina, jun, false).await.unwrap();
    posted(&store, post(&room, jun, "again")).await;
    store.block(mina, jun, true).await.unwrap();
    store.leave(by_id(&room), mina).await.unwrap();
    posted(&store, post(&room, jun, "nobody is there to mind")).await;
}

/// A reply names a message of the same room.
pub async fn replies_stay_in_their_room(store: Shared) {
    let [mina] = people(&store).await;
    let (room, other) = (open_room(&store, &[mina]).await, open_room(&store, &[mina]).await);
    let first = posted(&store, post(&room, mina, "x")).await;
    let reply = |room: &Room, to: MessageId| {
        let mut message = post(room, mina, "re: x");
        message.reply_to = Some(to);
        message
    };
    assert_eq!(
        posted(&store, reply(&room, first.id)).await.reply_to,
        Some(first.id)
    );
    assert!(matches!(
        store.append(reply(&other, first.id)).await,
        Err(AppendRefused::NoSuchReply)
    ));
    assert!(matches!(
        store.append(reply(&room, MessageId(7))).await,
        Err(AppendRefused::NoSuchReply)
    ));
}

/// A service posts for a user who exists, member or not, blocked or not.
pub async fn a_service_posts_without_membership(store: Shared) {
    let [mina, jun] = people(&store).await;
    let room = NewRoom {
        kind: RoomKind::Broadcast,
        members: vec![(mina, MemberRole::Member)],
        ..NewRoom::default()
    };
    let room = store.create_room(room, NOW).await.unwrap();
    for (sender, seq) in [(jun, 1), (mina, 2)] {
        let mut message = post(&room, sender, "x");
        message.as_member = false;
        assert_eq!(posted(&store, message).await.seq, Seq(seq));
    }
    let mut nobody = post(&room, UserId(99), "x");
    nobody.as_member = false;
    assert!(matches!(
        store.append(nobody).await,
        Err(AppendRefused::NotMember)
    ));
}

/// Nicknames, pictures and the rest of a profile are those of the moment of delivery, for a repeat too.
pub async fn senders_are_shown_as_they_are_now(store: Shared) {
    let [mina, jun] = people(&store).await;
    let room = open_room(&store, &[mina, jun]).await;
    fill(&store, &room, mina, 2).await;
    posted(&store, post(&room, jun, "3")).await;
    posted(&store, named(post(&room, mina, "4"), "c-1")).await;
    for name in ["Mina", "미나"] {
        let change = UserChange {
            nickname: Change::Set(name.into()),
            nick: Change::Set(vec![("ko".into(), Some(name.into()))]),
            profile_img: Change::Set("https://img.example/mina".into()),
            ..UserChange::default()
        };
        let user = store.update_user(mina, change).await.unwrap().unwrap();
        let message = posted(&store, post(&room, mina, "5")).await;
        assert_eq!(message.sender, user.sender());
        let repeat = repeat_of(store.append(named(post(&room, mina, "4"), "c-1")).await.unwrap());
        assert_eq!(repeat.sender, user.sender());
        for message in all_of(&store, &room).await {
            let of_mina = message.sender.user == mina;
            assert_eq!(message.sender == user.sender(), of_mina);
            assert_eq!(
                message.sender.profile.nick.get("ko").map(|it| &**it) == Some(name),
                of_mina
            );
        }
    }
}

/// The messages of a page share the profiles of their senders, and so do the messages that a sender appends.
pub async fn messages_share_their_senders_profile(store: Shared) {
    let [mina, jun] = people(&store).await;
    let room = open_room(&store, &[mina, jun]).await;
    for _ in 0..2 {
        let appended = [
            posted(&store, post(&room, mina, "x")).await,
            posted(&store, post(&room, jun, "x")).await,
            posted(&store, post(&room, mina, "x")).await,
        ];
        let page = all_of(&store, &room).await;
        for messages in [&appended[..], &page[..]] {
            for message in messages {
                let of = |user| messages.iter().find(|it| it.sender.user == user).unwrap();
                let first = of(message.sender.user);
                assert!(Arc::ptr_eq(&first.sender.profile, &message.sender.profile));
            }
        }
    }
}
