//! Two stores on one database, as two nodes have them.

use std::sync::Arc;

use bongsu_model::records::{MemberRole, NewRoom, NewUser, Room, Visibility};
use bongsu_model::{
    ClientMessageId, MessageId, MessageKind, PageFrom, RoomRef, Seq, Timestamp, UserId, UserRef,
};
use bongsu_store::{
    AppendRefused, Appended, CreateRefused, JoinRefused, NewMessage, Postgres, SignIn, Store, StoreFault,
};

use crate::servers::Fresh;

pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);

async fn two(fresh: &Fresh) -> [Arc<Postgres>; 2] {
    [Arc::new(fresh.open().await), Arc::new(fresh.open().await)]
}

pub(crate) async fn user(store: &Postgres) -> UserId {
    store.create_user(NewUser::default(), NOW).await.unwrap().id
}

pub(crate) async fn room(store: &Postgres, members: &[UserId], name: Option<&str>) -> Room {
    let room = NewRoom {
        name: name.map(Arc::from),
        visibility: Visibility::Open,
        members: members.iter().map(|user| (*user, MemberRole::Member)).collect(),
        ..NewRoom::default()
    };
    store.create_room(room, NOW).await.unwrap()
}

pub(crate) fn post(room: RoomRef, sender: UserId, number: u128, client_id: Option<&str>) -> NewMessage {
    NewMessage {
        id: MessageId(0x0190_0000_0000_7000_8000_0000_0000_0000 + number),
        room,
        sender,
        content: format!("{number}").into(),
        kind: MessageKind::Text,
        client_id: client_id.and_then(ClientMessageId::new),
        reply_to: None,
        metadata: None,
        at: NOW,
        as_member: true,
    }
}

pub(crate) async fn seqs(store: &Postgres, room: &Room) -> Vec<u64> {
    let page = store.history(room.id, PageFrom::After(Seq::ZERO), 100_000).await;
    let messages = page.unwrap().unwrap().messages;
    messages.iter().map(|message| message.seq.0).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_of_two_nodes_make_one_history() {
    let fresh = Fresh::new();
    let stores = two(&fresh).await;
    let sender = user(&stores[0]).await;
    let rooms = [
        room(&stores[0], &[sender], None).await,
        room(&stores[0], &[sender], None).await,
    ];
    let mut appending = tokio::task::JoinSet::new();
    for number in 0..400 {
        let store = Arc::clone(&stores[number % 2]);
        let new = post(
            RoomRef::Id(rooms[number / 2 % 2].id),
            sender,
            number as u128,
            None,
        );
        appending.spawn(async move {
            match store.append(new).await.unwrap() {
                Appended::New(message) => (message.room, message.seq.0),
                Appended::Repeat(message) => panic!("{message:?} was there before"),
            }
        });
    }
    let given = appending.join_all().await;
    for room in &rooms {
        let mut of_room: Vec<_> = given
            .iter()
            .filter(|(of, _)| *of == room.id)
            .map(|(_, seq)| *seq)
            .collect();
        of_room.sort_unstable();
        assert!(
            of_room.iter().copied().eq(1..=200),
            "no hole and no seq twice: {of_room:?}"
        );
        for store in &stores {
            assert!(seqs(store, room).await.into_iter().eq(1..=200));
            let heads = store.heads(vec![room.id]).await.unwrap();
            assert_eq!(heads[0].seq, Seq(200));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_id_is_stored_once_by_two_nodes() {
    let fresh = Fresh::new();
    let stores = two(&fresh).await;
    let sender = user(&stores[0]).await;
    let room = room(&stores[0], &[sender], None).await;
    let mut appending = tokio::task::JoinSet::new();
    for number in 0..32 {
        let store = Arc::clone(&stores[number % 2]);
        let new = post(RoomRef::Id(room.id), sender, number as u128, Some("once"));
        appending.spawn(async move { store.append(new).await.unwrap() });
    }
    let answers = appending.join_all().await;
    let new = answers.iter().filter(|it| matches!(it, Appended::New(_))).count();
    assert_eq!((new, seqs(&stores[1], &room).await), (1, vec![1]));
}

#[tokio::test]
async fn a_room_has_one_order_whatever_it_is_called() {
    let fresh = Fresh::new();
    let store = Arc::new(fresh.open().await);
    let sender = user(&store).await;
    let room = room(&store, &[sender], Some("plaza")).await;
    let names = [
        RoomRef::Name("plaza".into()),
        RoomRef::Id(room.id),
        RoomRef::Token(room.token),
    ];
    let appends: Vec<_> = (0..60)
        .map(|number| store.append(post(names[number % 3].clone(), sender, number as u128, None)))
        .collect();
    // Polled in this order.
    let answers = futures_util::future::join_all(appends.into_iter().take(30)).await;
    for (seq, answer) in (1..).zip(answers) {
        assert!(
            matches!(&answer, Ok(Appended::New(it)) if it.seq == Seq(seq)),
            "{seq}: {answer:?}"
        );
    }
    let nowhere = post(RoomRef::Name("nowhere".into()), sender, 99, None);
    assert!(matches!(store.append(nowhere).await, Err(AppendRefused::NoRoom)));
}

#[tokio::test]
async fn what_cannot_be_kept_fails_alone() {
    let fresh = Fresh::new();
    let store = Arc::new(fresh.open().await);
    let sender = user(&store).await;
    let room = room(&store, &[sender], None).await;
    let mut appends = Vec::new();
    for number in 0..20 {
        let mut new = post(RoomRef::Id(room.id), sender, number, None);
        if number == 7 {
            // The server keeps every character but this.
            new.content = "a\0b".into();
        }
        appends.push(store.append(new));
    }
    let answers = futures_util::future::join_all(appends).await;
    for (number, answer) in answers.iter().enumerate() {
        match number {
            7 => assert!(matches!(answer, Err(AppendRefused::Fault(StoreFault::Broken(_))))),
            _ => assert!(answer.is_ok(), "{number}: {answer:?}"),
        }
    }
    assert!(seqs(&store, &room).await.into_iter().eq(1..=19));
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_there() {
    let fresh = Fresh::new();
    let store = fresh.open().await;
    let sender = user(&store).await;
    let (room, odd) = (room(&store, &[sender], Some("plaza")).await, "a\0b");
    assert_eq!(store.user(UserRef::Handle(odd.into())).await.unwrap(), None);
    assert_eq!(store.room(RoomRef::Name(odd.into())).await.unwrap(), None);
    assert_eq!(store.user_by_public_token(odd.into()).await.unwrap(), None);
    assert!(!store.is_revoked(odd.into()).await.unwrap());
    assert_eq!(store.kept_answer("a".into(), odd.into()).await.unwrap(), None);
    // Nor does it keep others from finding their rooms.
    let (nowhere, there) = tokio::join!(
        store.append(post(RoomRef::Name(odd.into()), sender, 1, None)),
        store.append(post(RoomRef::Name("plaza".into()), sender, 2, None))
    );
    assert!(matches!(nowhere, Err(AppendRefused::NoRoom)), "{nowhere:?}");
    assert!(matches!(there, Ok(Appended::New(message)) if message.room == room.id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_user_who_comes_to_two_nodes_is_made_once() {
    let fresh = Fresh::new();
    let stores = two(&fresh).await;
    let mut signing = tokio::task::JoinSet::new();
    for number in 0..24_i64 {
        let store = Arc::clone(&stores[(number % 2) as usize]);
        // Each of them comes twice at once, some by number and some by handle.
        let user = match number / 2 % 2 {
            0 => UserRef::Id(UserId(number / 2 + 1_000)),
            _ => UserRef::Handle(format!("u{}", number / 2).into()),
        };
        let sign_in = SignIn {
            user,
            nickname: None,
            create: true,
            at: NOW,
        };
        signing.spawn(async move { store.sign_in(sign_in).await.unwrap().unwrap().user.id });
    }
    let mut ids = signing.join_all().await;
    ids.sort_unstable();
    let users = stores[0].users(None, 100).await.unwrap();
    assert_eq!(users.len(), 12);
    assert!(users.iter().flat_map(|user| [user.id, user.id]).eq(ids));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_places_are_given_once_by_two_nodes() {
    let fresh = Fresh::new();
    let stores = two(&fresh).await;
    let mut making = tokio::task::JoinSet::new();
    for number in 0..8 {
        let store = Arc::clone(&stores[number % 2]);
        let named = NewRoom {
            name: Some("plaza".into()),
            visibility: Visibility::Open,
            max_members: Some(3),
            ..NewRoom::default()
        };
        making.spawn(async move { store.create_room(named, NOW).await });
    }
    let made = making.join_all().await;
    let refused = made
        .iter()
        .filter(|it| matches!(it, Err(CreateRefused::NameTaken)))
        .count();
    assert_eq!((made.len() - refused, refused), (1, 7), "{made:?}");
    let mut joining = tokio::task::JoinSet::new();
    for number in 0..8 {
        let store = Arc::clone(&stores[number % 2]);
        let user = user(&store).await;
        let plaza = RoomRef::Name("plaza".into());
        joining.spawn(async move { store.join(plaza, user, false, NOW).await });
    }
    let joined = joining.join_all().await;
    let full = joined
        .iter()
        .filter(|it| matches!(it, Err(JoinRefused::Full)))
        .count();
    assert_eq!((joined.len() - full, full), (3, 5), "{joined:?}");
    let plaza = stores[0]
        .room(RoomRef::Name("plaza".into()))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((plaza.members_count, plaza.members_version.0), (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_messages_go_once_while_others_come() {
    let fresh = Fresh::new();
    let stores = two(&fresh).await;
    let sender = user(&stores[0]).await;
    let room = room(&stores[0], &[sender], None).await;
    for number in 0..40 {
        stores[0]
            .append(post(RoomRef::Id(room.id), sender, number, None))
            .await
            .unwrap();
    }
    let (one, other, appended) = tokio::join!(
        stores[0].retain(10, None),
        stores[1].retain(10, None),
        stores[1].append(post(RoomRef::Id(room.id), sender, 40, None))
    );
    let (deleted, kept) = (one.unwrap() + other.unwrap(), seqs(&stores[0], &room).await);
    assert!(appended.is_ok());
    assert_eq!(deleted as usize + kept.len(), 41, "each is deleted once or there");
    assert!(kept.iter().copied().eq(kept[0]..=41), "{kept:?}");
    assert!(kept.len() <= 11, "{kept:?}");
}
