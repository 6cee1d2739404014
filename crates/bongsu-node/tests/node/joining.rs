//! Joins: of users and not of sessions, with a place in the history, and of rooms that nobody has made.

use bongsu_model::records::{Membership, NewRoom, NewUser, Visibility};
use bongsu_model::{Limits, RoomId, RoomRef};
use bongsu_node::Policy;
use bongsu_store::{Memory, Store};

use crate::plain::{block, join, join_after, leave, post};
use crate::world::{World, world, world_of};

async fn room(world: &World, room: NewRoom) -> RoomId {
    let now = world.node.now();
    world.store.create_room(room, now).await.unwrap().id
}

async fn rooms_count(store: &Memory) -> usize {
    store.rooms(None, None, 1_000).await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn a_second_session_joins_without_noise_and_hears_all() {
    let world = world();
    let (jun, phone) = (world.client("jun").await, world.client("mina").await);
    let desk = world.client("mina").await;
    world.join("lobby", &[&jun]).await;
    phone.ask(join("lobby")).await;
    assert_eq!(jun.heard().await, ["user.joined lobby mina of 2"]);
    desk.ask(join("lobby")).await;
    assert_eq!(jun.heard().await, [""; 0], "she is a member already");
    jun.ask(post("lobby", "welcome")).await;
    assert_eq!(
        phone.heard().await,
        ["hello mina", "joined lobby#0 of 2 online jun,mina", "#1 welcome"]
    );
    assert_eq!(
        desk.heard().await,
        ["hello mina", "joined lobby#0 of 2 online jun,mina", "#1 welcome"],
        "it heard the room since the first one joined"
    );
    desk.ask(leave("lobby")).await;
    assert_eq!(
        jun.heard().await,
        ["posted #1 welcome", "#1 welcome", "user.left lobby mina of 1"]
    );
    assert_eq!(
        phone.heard().await,
        ["user.left lobby mina of 1"],
        "all her sessions are out"
    );
}

#[tokio::test(start_paused = true)]
async fn a_join_with_a_place_replays_what_came_after_it() {
    let world = world();
    let (jun, phone) = (world.client("jun").await, world.client("mina").await);
    world.join("lobby", &[&jun, &phone]).await;
    for text in ["one", "two", "three"] {
        jun.ask(post("lobby", text)).await;
    }
    let desk = world.client("mina").await;
    desk.heard().await;
    desk.ask(join_after("lobby", 1)).await;
    jun.ask(post("lobby", "four")).await;
    assert_eq!(
        desk.heard().await,
        [
            "joined lobby#3 of 2 online jun,mina recovered=true",
            "missed #2 two, #3 three",
            "#4 four"
        ]
    );
    desk.ask(join_after("lobby", 4)).await;
    assert_eq!(
        desk.heard().await,
        ["joined lobby#4 of 2 online jun,mina recovered=true"]
    );
    assert_eq!(phone.heard().await, ["#1 one", "#2 two", "#3 three", "#4 four"]);
    let sena = world.client("sena").await;
    sena.heard().await;
    sena.ask(join_after("lobby", 2)).await;
    assert_eq!(
        sena.heard().await,
        [
            "joined lobby#4 of 3 online jun,mina,sena recovered=true",
            "missed #3 three, #4 four"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_replayed_whole_is_not_replayed_at_all() {
    let world = world();
    let (jun, mina) = (world.client("jun").await, world.client("mina").await);
    world.join("lobby", &[&jun]).await;
    for text in ["one", "two", "three", "four"] {
        jun.ask(post("lobby", text)).await;
    }
    world.store.retain(2, None).await.unwrap();
    mina.heard().await;
    for (after, recovered) in [(1, false), (2, true), (4, true), (5, false), (u64::MAX, false)] {
        mina.ask(join_after("lobby", after)).await;
        let mut heard = mina.heard().await;
        let answer = heard.remove(0);
        assert!(
            answer.ends_with(&format!("recovered={recovered}")),
            "after {after}: {answer}"
        );
        let missed: &[&str] = if after == 2 {
            &["missed #3 three, #4 four"]
        } else {
            &[]
        };
        assert_eq!(heard, missed, "after {after}");
    }
    jun.ask(post("lobby", "five")).await;
    assert_eq!(
        mina.heard().await,
        ["#5 five"],
        "whom nothing was replayed to goes on from the answer"
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_that_no_room_has_makes_one() {
    let world = world();
    let mina = world.client("mina").await;
    mina.ask(join("general")).await;
    assert_eq!(
        mina.heard().await,
        ["hello mina", "joined general#0 of 1 online mina"]
    );
    let made = world
        .store
        .room(RoomRef::parse("general"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (made.visibility, made.membership, made.max_members),
        (
            Visibility::Open,
            Membership::Session,
            Limits::DEFAULT.room_members_max
        )
    );
    mina.ask(join("general")).await;
    assert_eq!(rooms_count(&world.store).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_no_room_may_have_is_refused_and_makes_none() {
    let world = world();
    let mina = world.client("mina").await;
    mina.heard().await;
    for name in [
        "",
        "General",
        "한글",
        "a b",
        &"a".repeat(65),
        "99999999999999999999",
    ] {
        mina.ask(join(name)).await;
        assert_eq!(mina.heard().await, ["INVALID_DATA room RoomName"], "{name:?}");
    }
    for unknown in ["7", &"0f".repeat(24)] {
        mina.ask(join(unknown)).await;
        assert_eq!(mina.heard().await, ["ROOM_NOT_FOUND"], "{unknown}");
    }
    assert_eq!(rooms_count(&world.store).await, 0);
}

#[tokio::test(start_paused = true)]
async fn where_rooms_are_not_made_by_name_there_is_none() {
    let policy = Policy {
        create_rooms_by_name: false,
        ..Policy::default()
    };
    let world = world_of(Limits::DEFAULT, policy);
    let mina = world.client("mina").await;
    mina.heard().await;
    for name in ["general", "General"] {
        mina.ask(join(name)).await;
        assert_eq!(mina.heard().await, ["ROOM_NOT_FOUND"], "{name}");
    }
    assert_eq!(rooms_count(&world.store).await, 0);
}

#[tokio::test(start_paused = true)]
async fn two_who_race_for_a_name_meet_in_one_room() {
    let world = crate::world::world_by_hand();
    let mina = world.synced(world.client("mina")).await;
    let jun = world.synced(world.client("jun")).await;
    let both = async { tokio::join!(mina.ask(join("general")), jun.ask(join("general"))) };
    world.synced(Box::pin(both)).await;
    assert_eq!(rooms_count(&world.store).await, 1);
    assert_eq!(world.members("general").await, ["mina", "jun"]);
    let mut answers = Vec::new();
    for client in [mina, jun] {
        answers.extend(
            client
                .heard()
                .await
                .into_iter()
                .filter(|line| line.starts_with("joined")),
        );
    }
    answers.sort_unstable();
    assert!(answers[0].starts_with("joined general#0 of 1 "), "{answers:?}");
    assert!(answers[1].starts_with("joined general#0 of 2 "), "{answers:?}");
}

#[tokio::test(start_paused = true)]
async fn a_room_made_by_name_takes_only_so_many() {
    let limits = Limits {
        room_members_max: 2,
        ..Limits::DEFAULT
    };
    let world = world_of(limits, Policy::default());
    let clients = [
        world.client("mina").await,
        world.client("jun").await,
        world.client("sena").await,
    ];
    for client in &clients {
        client.ask(join("general")).await;
    }
    assert_eq!(clients[2].heard().await, ["hello sena", "ROOM_FULL"]);
    clients[0].ask(leave("general")).await;
    world.quiet().await;
    clients[2].ask(join("general")).await;
    assert_eq!(
        clients[2].heard().await,
        ["joined general#0 of 2 online jun,sena"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_for_some_rooms_opens_and_makes_no_other() {
    let world = world();
    let named = |name: &str| NewRoom {
        name: Some(name.into()),
        visibility: Visibility::Open,
        ..NewRoom::default()
    };
    let inside = room(&world, named("inside")).await;
    room(&world, named("outside")).await;
    let mina = world.client(&format!("mina/{inside}")).await;
    mina.heard().await;
    for (name, answer) in [
        ("inside", "joined inside#0 of 1 online mina"),
        ("outside", "PERMISSION_DENIED"),
        ("general", "ROOM_NOT_FOUND"),
        ("General", "ROOM_NOT_FOUND"),
    ] {
        mina.ask(join(name)).await;
        assert_eq!(mina.heard().await, [answer], "{name}");
    }
    assert_eq!(rooms_count(&world.store).await, 2);
    assert_eq!(world.members("outside").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_closed_room_is_not_made_again_by_its_name() {
    let world = world();
    let closed = NewRoom {
        name: Some("board".into()),
        ..NewRoom::default()
    };
    room(&world, closed).await;
    let mina = world.client("mina").await;
    mina.ask(join("board")).await;
    assert_eq!(mina.heard().await, ["hello mina", "ROOM_NOT_FOUND"]);
    assert_eq!(rooms_count(&world.store).await, 1);
}

#[tokio::test(start_paused = true)]
async fn only_users_are_blocked() {
    let world = world();
    let mina = world.client("mina").await;
    mina.heard().await;
    world
        .store
        .create_user(NewUser::default(), world.node.now())
        .await
        .unwrap();
    for (user, answer) in [
        ("404", "USER_NOT_FOUND"),
        ("nobody", "USER_NOT_FOUND"),
        ("mina", "INVALID_DATA user_id Other"),
        ("2", "blocked 2"),
    ] {
        mina.ask(block(user)).await;
        assert_eq!(mina.heard().await, [answer], "{user}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_posted_right_after_a_join_is_heard_at_once() {
    let world = world();
    let mina = world.client("mina").await;
    mina.ask(join("lobby")).await;
    mina.ask(post("lobby", "hello")).await;
    assert_eq!(
        mina.heard().await[1..],
        ["joined lobby#0 of 1 online mina", "posted #1 hello", "#1 hello"],
        "and not when a hole is looked for"
    );
}
