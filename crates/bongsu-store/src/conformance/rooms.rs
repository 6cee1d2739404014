//! Checks of rooms, memberships and read marks.

use std::sync::Arc;

use bongsu_model::records::{MemberRole, Membership, NewRoom, RoomKind, Visibility};
use bongsu_model::{MembersVersion, RoomId, RoomRef, RoomToken, Seq, UserId};

use super::{NOW, Shared, by_id, fill, limits, open_room, people};
use crate::{CreateRefused, JoinRefused, Mark};

/// A room is found by number, name and token, as it was made.
pub async fn rooms_are_made_and_found(store: Shared) {
    let [mina, jun] = people(&store).await;
    let room = NewRoom {
        id: Some(RoomId(-7)),
        name: Some("general".into()),
        kind: RoomKind::Broadcast,
        visibility: Visibility::Open,
        membership: Membership::Session,
        max_members: Some(3),
        members: vec![
            (mina, MemberRole::Owner),
            (jun, MemberRole::Member),
            (mina, MemberRole::Member),
        ],
    };
    let made = store.create_room(room, NOW).await.unwrap();
    assert_eq!(
        (made.id, made.name.as_deref(), made.max_members),
        (RoomId(-7), Some("general"), 3)
    );
    assert_eq!(
        (made.kind, made.visibility, made.membership),
        (RoomKind::Broadcast, Visibility::Open, Membership::Session)
    );
    assert_eq!(
        (made.members_count, made.members_version, made.seq),
        (2, MembersVersion(1), Seq::ZERO)
    );
    assert_eq!(made.created_at, NOW);
    for by in [
        RoomRef::Id(made.id),
        RoomRef::Name("general".into()),
        RoomRef::Token(made.token),
    ] {
        assert_eq!(store.room(by).await.unwrap().as_ref(), Some(&made));
    }
    for by in [
        RoomRef::Id(RoomId(7)),
        RoomRef::Name("General".into()),
        RoomRef::Token(RoomToken([1; 24])),
    ] {
        assert_eq!(store.room(by).await.unwrap(), None);
    }
    let role = async |user| store.member(made.id, user).await.unwrap().unwrap().role;
    assert_eq!(
        (role(mina).await, role(jun).await),
        (MemberRole::Owner, MemberRole::Member),
        "named first counts"
    );
    let empty = store.create_room(NewRoom::default(), NOW).await.unwrap();
    assert_eq!(
        (empty.id, empty.name.clone(), empty.max_members),
        (RoomId(1), None, limits().room_members_max)
    );
    assert_eq!(
        (empty.members_count, empty.members_version),
        (0, MembersVersion(0))
    );
    assert!(
        empty.token != made.token && empty.epoch != made.epoch,
        "drawn, not counted"
    );
}

/// A room whose number, name or members do not fit is not made.
pub async fn rooms_refuse_what_does_not_fit(store: Shared) {
    let [mina, jun, sena] = people(&store).await;
    let first = NewRoom {
        id: Some(RoomId(1)),
        name: Some("a".into()),
        ..NewRoom::default()
    };
    store.create_room(first, NOW).await.unwrap();
    let refused = async |room: NewRoom| store.create_room(room, NOW).await.unwrap_err();
    let with = |users: &[UserId]| {
        users
            .iter()
            .map(|user| (*user, MemberRole::Member))
            .collect::<Vec<_>>()
    };
    let taken = NewRoom {
        id: Some(RoomId(1)),
        ..NewRoom::default()
    };
    assert!(matches!(refused(taken).await, CreateRefused::IdTaken));
    let taken = NewRoom {
        name: Some("a".into()),
        ..NewRoom::default()
    };
    assert!(matches!(refused(taken).await, CreateRefused::NameTaken));
    let unknown = NewRoom {
        members: with(&[mina, UserId(99)]),
        ..NewRoom::default()
    };
    assert!(matches!(
        refused(unknown).await,
        CreateRefused::NoUser(UserId(99))
    ));
    let many = NewRoom {
        members: with(&[mina, jun]),
        max_members: Some(1),
        ..NewRoom::default()
    };
    assert!(matches!(refused(many).await, CreateRefused::Members));
    for members in [&[mina][..], &[mina, mina], &[mina, jun, sena]] {
        let direct = NewRoom {
            kind: RoomKind::Direct,
            members: with(members),
            ..NewRoom::default()
        };
        assert!(matches!(refused(direct).await, CreateRefused::Members));
    }
    let direct = NewRoom {
        kind: RoomKind::Direct,
        members: with(&[mina, jun]),
        ..NewRoom::default()
    };
    let direct = store.create_room(direct, NOW).await.unwrap();
    assert_eq!(
        (direct.id, direct.max_members),
        (RoomId(2), 2),
        "what was refused took no number"
    );
    assert_eq!(
        store.my_rooms(mina).await.unwrap().len(),
        1,
        "and left no members behind"
    );
}

/// Rooms are listed ascending, all or those of one user, page by page.
pub async fn rooms_are_paged(store: Shared) {
    let [mina, jun] = people(&store).await;
    let mut rooms = Vec::new();
    for number in 0..5 {
        let members: &[UserId] = if number % 2 == 0 { &[mina, jun] } else { &[jun] };
        rooms.push(open_room(&store, members).await.id);
    }
    let ids = async |of, after, limit| -> Vec<RoomId> {
        store
            .rooms(of, after, limit)
            .await
            .unwrap()
            .iter()
            .map(|room| room.id)
            .collect()
    };
    assert_eq!(ids(None, None, 2).await, rooms[..2]);
    assert_eq!(ids(None, Some(rooms[1]), 200).await, rooms[2..]);
    assert_eq!(ids(None, Some(RoomId(i64::MAX)), 200).await, []);
    assert_eq!(ids(Some(mina), None, 200).await, [rooms[0], rooms[2], rooms[4]]);
    assert_eq!(ids(Some(mina), Some(rooms[0]), 1).await, [rooms[2]]);
    let mine: Vec<_> = store
        .my_rooms(mina)
        .await
        .unwrap()
        .iter()
        .map(|room| room.room)
        .collect();
    assert_eq!(mine, [rooms[0], rooms[2], rooms[4]]);
    let heads = store.heads(vec![rooms[3], RoomId(99), rooms[0]]).await.unwrap();
    assert_eq!(
        heads.iter().map(|head| head.room).collect::<Vec<_>>(),
        [rooms[3], rooms[0]]
    );
}

/// A second join changes nothing, and says what the first one said.
pub async fn joining_twice_is_joining_once(store: Shared) {
    let [mina, jun] = people(&store).await;
    let room = open_room(&store, &[mina]).await;
    fill(&store, &room, mina, 3).await;
    let first = store.join(by_id(&room), jun, false, NOW).await.unwrap();
    assert_eq!(
        (first.first, first.joined_seq, first.first_seq),
        (true, Seq(3), Seq(1))
    );
    assert_eq!(
        (
            first.room.members_count,
            first.room.members_version,
            first.room.seq
        ),
        (2, MembersVersion(2), Seq(3))
    );
    super::posted(&store, super::post(&room, jun, "4")).await;
    let second = store.join(by_id(&room), jun, false, NOW).await.unwrap();
    assert_eq!(
        (second.first, second.joined_seq, second.first_seq),
        (false, Seq(3), Seq(1))
    );
    assert_eq!(
        (
            second.room.members_count,
            second.room.members_version,
            second.room.seq
        ),
        (2, MembersVersion(2), Seq(4))
    );
    let all = store.room_members(room.id).await.unwrap().unwrap();
    assert_eq!(all.members, [(mina, Seq(0)), (jun, Seq(3))]);
    assert_eq!(
        (all.head.seq, all.head.epoch, all.head.members_version),
        (Seq(4), room.epoch, MembersVersion(2))
    );
    assert!(store.room_members(RoomId(404)).await.unwrap().is_none());
}

/// A second leave changes nothing; who comes back is new.
pub async fn leaving_twice_is_leaving_once(store: Shared) {
    let [mina, jun] = people(&store).await;
    let room = open_room(&store, &[mina, jun]).await;
    fill(&store, &room, mina, 2).await;
    let left = store.leave(by_id(&room), jun).await.unwrap().unwrap();
    assert_eq!(
        (
            left.was_member,
            left.room.members_count,
            left.room.members_version
        ),
        (true, 1, MembersVersion(2))
    );
    let left = store.leave(by_id(&room), jun).await.unwrap().unwrap();
    assert_eq!(
        (
            left.was_member,
            left.room.members_count,
            left.room.members_version
        ),
        (false, 1, MembersVersion(2))
    );
    assert!(
        !store
            .leave(by_id(&room), UserId(99))
            .await
            .unwrap()
            .unwrap()
            .was_member
    );
    assert!(
        store
            .leave(RoomRef::Id(RoomId(404)), jun)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(store.member(room.id, jun).await.unwrap(), None);
    assert!(store.my_rooms(jun).await.unwrap().is_empty());
    let back = store.join(by_id(&room), jun, false, NOW).await.unwrap();
    assert_eq!(
        (back.first, back.joined_seq, back.room.members_version),
        (true, Seq(2), MembersVersion(3))
    );
}

/// A room at its limit takes nobody until someone leaves; members themselves are never refused.
pub async fn a_full_room_takes_nobody(store: Shared) {
    let [mina, jun, sena] = people(&store).await;
    let room = NewRoom {
        visibility: Visibility::Open,
        max_members: Some(2),
        ..NewRoom::default()
    };
    let room = store.create_room(room, NOW).await.unwrap();
    store.join(by_id(&room), mina, false, NOW).await.unwrap();
    store.join(by_id(&room), jun, false, NOW).await.unwrap();
    for by_operator in [false, true] {
        let full = store.join(by_id(&room), sena, by_operator, NOW).await;
        assert!(matches!(full, Err(JoinRefused::Full)), "{full:?}");
    }
    assert!(!store.join(by_id(&room), mina, false, NOW).await.unwrap().first);
    assert_eq!(
        store.room(by_id(&room)).await.unwrap().unwrap().members_version,
        MembersVersion(2)
    );
    store.leave(by_id(&room), jun).await.unwrap();
    assert!(store.join(by_id(&room), sena, false, NOW).await.unwrap().first);
}

/// Only an operator adds to a closed room; members may say again that they join.
pub async fn a_closed_room_takes_whom_an_operator_adds(store: Shared) {
    let [mina] = people(&store).await;
    let room = store.create_room(NewRoom::default(), NOW).await.unwrap();
    assert!(matches!(
        store.join(by_id(&room), mina, false, NOW).await,
        Err(JoinRefused::Closed)
    ));
    assert!(store.join(by_id(&room), mina, true, NOW).await.unwrap().first);
    assert!(!store.join(by_id(&room), mina, false, NOW).await.unwrap().first);
}

/// Joins of rooms and users that do not exist say which of them does not.
pub async fn joins_of_nothing_are_refused(store: Shared) {
    let [mina] = people(&store).await;
    let room = open_room(&store, &[]).await;
    assert!(matches!(
        store.join(RoomRef::Id(RoomId(404)), mina, true, NOW).await,
        Err(JoinRefused::NoRoom)
    ));
    assert!(matches!(
        store.join(by_id(&room), UserId(404), true, NOW).await,
        Err(JoinRefused::NoUser)
    ));
}

/// A user at its limit of rooms joins no other until it leaves one.
pub async fn a_user_joins_only_so_many_rooms(store: Shared) {
    let [mina] = people(&store).await;
    let mut rooms = Vec::new();
    for _ in 0..=limits().rooms_per_user_max {
        rooms.push(open_room(&store, &[]).await);
    }
    let (last, others) = rooms.split_last().unwrap();
    for room in others {
        store.join(by_id(room), mina, false, NOW).await.unwrap();
    }
    assert!(matches!(
        store.join(by_id(last), mina, false, NOW).await,
        Err(JoinRefused::TooManyRooms)
    ));
    assert!(
        !store
            .join(by_id(&others[0]), mina, false, NOW)
            .await
            .unwrap()
            .first
    );
    store.leave(by_id(&others[0]), mina).await.unwrap();
    assert!(store.join(by_id(last), mina, false, NOW).await.unwrap().first);
}

/// Members are listed ascending by user, page by page.
pub async fn members_are_paged(store: Shared) {
    let users: [UserId; 4] = people(&store).await;
    let room = open_room(&store, &[users[2], users[0], users[3], users[1]]).await;
    let ids = async |after, limit| -> Vec<UserId> {
        store
            .members(room.id, after, limit)
            .await
            .unwrap()
            .iter()
            .map(|member| member.user)
            .collect()
    };
    assert_eq!(ids(None, 3).await, users[..3]);
    assert_eq!(ids(Some(users[2]), 3).await, users[3..]);
    assert_eq!(ids(Some(UserId(i64::MAX)), 3).await, []);
    assert!(store.members(RoomId(404), None, 3).await.unwrap().is_empty());
    assert_eq!(
        &*store.members(room.id, None, 1).await.unwrap()[0].nickname,
        "user 0"
    );
}

/// A read mark moves forward only, and not past the last message.
pub async fn read_marks_never_go_back(store: Shared) {
    let [mina, jun] = people(&store).await;
    let room = open_room(&store, &[mina]).await;
    fill(&store, &room, mina, 3).await;
    for (seq, expected) in [
        (0, (Seq(0), Mark::Kept)),
        (2, (Seq(2), Mark::Moved)),
        (2, (Seq(2), Mark::Kept)),
        (1, (Seq(2), Mark::Kept)),
        (u64::MAX, (Seq(3), Mark::Moved)),
        (u64::MAX, (Seq(3), Mark::Kept)),
    ] {
        let (id, seq, mark) = store.mark_read(by_id(&room), mina, Seq(seq)).await.unwrap();
        assert_eq!((id, (seq, mark)), (room.id, expected));
    }
    assert_eq!(
        store.member(room.id, mina).await.unwrap().unwrap().read_seq,
        Seq(3)
    );
    assert_eq!(
        store.mark_read(by_id(&room), jun, Seq(1)).await.unwrap(),
        (room.id, Seq(0), Mark::NotMember)
    );
    let nowhere = store
        .mark_read(RoomRef::Name("nowhere".into()), jun, Seq(1))
        .await
        .unwrap();
    assert_eq!(nowhere.2, Mark::NotMember);
}

/// Joins at the same time each make one version, and all of them count.
pub async fn concurrent_joins_are_each_one_version(store: Shared) {
    let users: [UserId; 4] = people(&store).await;
    let room = open_room(&store, &[]).await;
    let mut tasks = Vec::new();
    for user in users.into_iter().chain(users) {
        let (store, room) = (Arc::clone(&store), by_id(&room));
        tasks.push(tokio::spawn(async move {
            store.join(room, user, false, NOW).await.unwrap()
        }));
    }
    let mut versions = Vec::new();
    for task in tasks {
        let joined = task.await.unwrap();
        versions.extend(joined.first.then_some(joined.room.members_version.0));
    }
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3, 4]);
    assert_eq!(store.room(by_id(&room)).await.unwrap().unwrap().members_count, 4);
}

async fn session_room(store: &Shared, id: i64, members: &[UserId]) -> RoomId {
    let room = NewRoom {
        id: Some(RoomId(id)),
        visibility: Visibility::Open,
        membership: Membership::Session,
        members: members.iter().map(|user| (*user, MemberRole::Member)).collect(),
        ..NewRoom::default()
    };
    store.create_room(room, NOW).await.unwrap().id
}

/// Memberships of session rooms, and of no others, are listed ascending by room and user, page by page; a page may end
/// within a room and may begin after a membership that is no more, or after a room that never was.
pub async fn members_of_session_rooms_are_paged(store: Shared) {
    let users: [UserId; 3] = people(&store).await;
    let [mina, jun, sena] = users;
    // Not in the order of their numbers, so that a store that lists by age is found out.
    let last = session_room(&store, 30, &[jun, mina]).await;
    open_room(&store, &users).await;
    let first = session_room(&store, -5, &[sena, mina, jun]).await;
    session_room(&store, 10, &[]).await;
    let page = async |after, limit| store.session_members(after, limit).await.unwrap();
    let all = [
        (first, mina),
        (first, jun),
        (first, sena),
        (last, mina),
        (last, jun),
    ];
    assert_eq!(page(None, 100).await, all);
    assert_eq!(page(None, 0).await, []);
    for limit in 1..=6 {
        let (mut seen, mut after) = (Vec::<(RoomId, UserId)>::new(), None);
        loop {
            let next = page(after, limit).await;
            assert!(next.len() <= limit as usize);
            after = next.last().copied();
            seen.extend(&next);
            if next.len() < limit as usize {
                break;
            }
        }
        assert_eq!(seen, all, "in pages of {limit}");
    }
    assert_eq!(page(Some((RoomId(0), UserId(0))), 100).await, all[3..]);
    assert_eq!(page(Some((first, UserId(i64::MAX))), 100).await, all[3..]);
    assert_eq!(page(Some((first, UserId(i64::MIN))), 100).await, all);
    assert_eq!(page(Some((RoomId(i64::MIN), sena)), 100).await, all);
    assert_eq!(page(Some((last, jun)), 100).await, []);
    assert_eq!(page(Some((RoomId(i64::MAX), UserId(i64::MAX))), 100).await, []);
}

/// Who joins is listed, who leaves is not, and a place that was left is a place to go on from.
pub async fn members_of_session_rooms_come_and_go(store: Shared) {
    let [mina, jun] = people(&store).await;
    let room = session_room(&store, 7, &[]).await;
    let durable = open_room(&store, &[]).await;
    let page = async |after| store.session_members(after, 100).await.unwrap();
    assert_eq!(page(None).await, []);
    for user in [jun, mina] {
        store.join(RoomRef::Id(room), user, false, NOW).await.unwrap();
        store.join(by_id(&durable), user, false, NOW).await.unwrap();
    }
    assert_eq!(page(None).await, [(room, mina), (room, jun)]);
    store.leave(RoomRef::Id(room), mina).await.unwrap();
    assert_eq!(page(None).await, [(room, jun)]);
    assert_eq!(page(Some((room, mina))).await, [(room, jun)]);
    store.join(RoomRef::Id(room), mina, false, NOW).await.unwrap();
    assert_eq!(page(None).await, [(room, mina), (room, jun)]);
    let mine = store.my_rooms(mina).await.unwrap();
    let lasting: Vec<_> = mine.iter().map(|it| (it.room, it.membership)).collect();
    assert_eq!(
        lasting,
        [(durable.id, Membership::Durable), (room, Membership::Session)]
    );
    for user in [mina, jun] {
        store.leave(RoomRef::Id(room), user).await.unwrap();
    }
    assert_eq!(page(None).await, []);
}
