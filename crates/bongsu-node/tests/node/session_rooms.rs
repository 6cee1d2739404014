//! Memberships that end with the member's last session.

use bongsu_model::media::MediaStatus;
use bongsu_model::records::{MemberRole, Membership, NewRoom, NewUser, Visibility};
use bongsu_model::{CallId, Code, Limits, Request, ResumePoint, RoomId, RoomRef, Seq};
use bongsu_node::Policy;
use bongsu_store::{Store, memory::Injected};

use crate::plain::{emit, join, leave, post};
use crate::world::{World, world, world_by_hand, world_of};

const GRACE_MS: u64 = Limits::DEFAULT.presence_grace_ms;
const CHECK_MS: u64 = Limits::DEFAULT.session_rooms_check_ms;
/// How exact deadlines are, twice: presence first, then what follows from it.
const TICKS_MS: u64 = 250;
/// Memberships that one round of the check looks at.
const ROUND: u32 = 32 * 512;

async fn with_durable_room() -> World {
    let world = world();
    let room = NewRoom {
        name: Some("durable".into()),
        visibility: Visibility::Open,
        ..NewRoom::default()
    };
    world.store.create_room(room, world.node.now()).await.unwrap();
    world
}

#[tokio::test(start_paused = true)]
async fn a_membership_ends_after_the_grace_time_and_the_others_hear_of_it() {
    let world = with_durable_room().await;
    let (mina, jun) = (world.client("mina").await, world.client("jun").await);
    for client in [&mina, &jun] {
        client.ask(join("lobby")).await;
        client.ask(join("durable")).await;
    }
    jun.heard().await;
    mina.leave_off().await;
    world.pass(GRACE_MS - TICKS_MS).await;
    assert_eq!(jun.heard().await, [""; 0], "the grace time is not over");
    assert_eq!(world.members("lobby").await, ["mina", "jun"]);
    world.pass(2 * TICKS_MS).await;
    assert_eq!(
        jun.heard().await,
        ["mina is offline", "user.left lobby mina of 1"]
    );
    assert_eq!(world.members("lobby").await, ["jun"]);
    assert_eq!(
        world.members("durable").await,
        ["mina", "jun"],
        "that one stays until left"
    );
    let mina = world.client("mina").await;
    assert_eq!(mina.heard().await, ["hello mina durable#0"]);
}

#[tokio::test(start_paused = true)]
async fn only_the_last_session_counts() {
    let world = world();
    let (phone, desk) = (world.client("mina").await, world.client("mina").await);
    phone.ask(join("lobby")).await;
    phone.leave_off().await;
    world.pass(CHECK_MS + GRACE_MS).await;
    assert_eq!(world.members("lobby").await, ["mina"]);
    desk.leave_off().await;
    world.pass(GRACE_MS + TICKS_MS).await;
    assert_eq!(world.members("lobby").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_quick_return_with_a_resume_loses_nothing() {
    let world = world();
    let (mina, jun) = (world.client("mina").await, world.client("jun").await);
    world.join("lobby", &[&mina, &jun]).await;
    mina.ask(post("lobby", "one")).await;
    jun.heard().await;
    mina.leave_off().await;
    jun.ask(post("lobby", "two")).await;
    world.pass(GRACE_MS - TICKS_MS).await;
    let room = world.store.room(RoomRef::parse("lobby")).await.unwrap().unwrap();
    let point = ResumePoint {
        room: RoomRef::parse("lobby"),
        seq: Seq(1),
        epoch: Some(room.epoch),
    };
    let mina = world.connect("mina", vec![point]).await.unwrap();
    world.pass(CHECK_MS + GRACE_MS).await;
    jun.ask(post("lobby", "three")).await;
    assert_eq!(
        mina.heard().await,
        ["hello mina lobby#2 recovered=true", "missed #2 two", "#3 three"]
    );
    assert_eq!(
        jun.heard().await,
        ["posted #2 two", "#2 two", "posted #3 three", "#3 three"],
        "there was no noise"
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_out_is_out_of_the_calls_of_the_room_too() {
    let world = world();
    let (mina, jun) = (world.client("mina").await, world.client("jun").await);
    world.join("lobby", &[&mina, &jun]).await;
    let create = Request::CreateCall {
        room: RoomRef::parse("lobby"),
        name: "standup".into(),
        max_participants: 4,
    };
    mina.ask(create).await;
    let media = MediaStatus {
        audio_enabled: true,
        video_enabled: true,
        screen_sharing: None,
    };
    jun.ask(Request::JoinCall {
        call: CallId(1),
        media,
    })
    .await;
    world.quiet().await;
    jun.heard().await;
    mina.leave_off().await;
    world.pass(GRACE_MS + TICKS_MS).await;
    let heard = jun.heard().await;
    assert_eq!(heard[0], "mina is offline");
    assert_eq!(heard[1], "call left mina disconnected");
    assert_eq!(heard.last().unwrap(), "user.left lobby mina of 1");
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_at_the_very_moment_hears_that_it_is_out() {
    let world = world_by_hand();
    let mina = world.synced(world.client("mina")).await;
    world.synced(Box::pin(mina.ask(join("lobby")))).await;
    world.synced(mina.leave_off()).await;
    world.pass(GRACE_MS + TICKS_MS).await;
    assert_eq!(
        world.store.unsynced(),
        1,
        "the end of the membership waits for the disk"
    );
    let mina = world.client("mina").await;
    assert_eq!(mina.heard().await, ["hello mina lobby#0"]);
    world.store.sync();
    assert_eq!(mina.heard().await, ["user.left lobby mina of 0"]);
    let refused = mina
        .try_ask(emit("lobby", "app.x", None, "{}"))
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::PermissionDenied);
    world.synced(Box::pin(mina.ask(join("lobby")))).await;
    assert_eq!(mina.heard().await, ["joined lobby#0 of 1 online mina"]);
    world.pass(CHECK_MS).await;
    assert_eq!(world.members("lobby").await, ["mina"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_store_did_not_take_is_healed_by_the_check() {
    let world = world();
    let (mina, jun) = (world.client("mina").await, world.client("jun").await);
    world.join("lobby", &[&mina, &jun]).await;
    jun.heard().await;
    mina.leave_off().await;
    world.store.fail_writes(1, Injected::Broken);
    world.pass(GRACE_MS + TICKS_MS).await;
    assert_eq!(jun.heard().await, ["mina is offline"]);
    assert_eq!(world.members("lobby").await, ["mina", "jun"]);
    world.pass(CHECK_MS).await;
    assert_eq!(jun.heard().await, ["user.left lobby mina of 1"]);
    assert_eq!(world.members("lobby").await, ["jun"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_left_behind_is_healed_and_who_comes_back_in_time_stays() {
    let mut world = world();
    let (mina, jun) = (world.client("mina").await, world.client("jun").await);
    world.join("lobby", &[&mina, &jun]).await;
    world.restart();
    world.pass(CHECK_MS - TICKS_MS).await;
    let jun = world.client("jun").await;
    assert_eq!(
        world.members("lobby").await,
        ["mina", "jun"],
        "both have as long as that to come back"
    );
    world.pass(2 * TICKS_MS).await;
    assert_eq!(
        jun.heard().await,
        ["hello jun lobby#0", "user.left lobby mina of 1"]
    );
    assert_eq!(world.members("lobby").await, ["jun"]);
}

#[tokio::test(start_paused = true)]
async fn the_check_comes_past_everyone_however_many_there_are() {
    const CROWD: u32 = ROUND + 1_000;
    let limits = Limits {
        room_members_max: 100_000,
        ..Limits::DEFAULT
    };
    let world = world_of(limits, Policy::default());
    let room = NewRoom {
        name: Some("crowd".into()),
        visibility: Visibility::Open,
        membership: Membership::Session,
        ..NewRoom::default()
    };
    let now = world.node.now();
    let crowd = world.store.create_room(room, now).await.unwrap();
    for _ in 0..CROWD {
        let user = world.store.create_user(NewUser::default(), now).await.unwrap();
        world
            .store
            .join(RoomRef::Id(crowd.id), user.id, true, now)
            .await
            .unwrap();
    }
    let mina = world.client("mina").await;
    mina.ask(join("crowd")).await;
    let count = async || {
        let room = world.store.room(RoomRef::Id(crowd.id)).await.unwrap();
        room.unwrap().members_count
    };
    world.pass(CHECK_MS - TICKS_MS).await;
    assert_eq!(count().await, CROWD + 1);
    world.pass(2 * TICKS_MS).await;
    assert_eq!(count().await, CROWD + 1 - ROUND, "a round has its bound");
    world.pass(CHECK_MS).await;
    assert_eq!(world.members("crowd").await, ["mina"]);
}

#[tokio::test(start_paused = true)]
async fn who_has_left_is_not_told_of_again() {
    let world = world();
    let (mina, jun) = (world.client("mina").await, world.client("jun").await);
    world.join("lobby", &[&mina, &jun]).await;
    mina.ask(leave("lobby")).await;
    jun.heard().await;
    mina.leave_off().await;
    world.pass(GRACE_MS + CHECK_MS).await;
    assert_eq!(jun.heard().await, [""; 0]);
    assert_eq!(world.store.session_members(None, 10).await.unwrap().len(), 1);
    assert_eq!(
        world.store.heads(vec![RoomId(1)]).await.unwrap()[0]
            .members_version
            .0,
        3
    );
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_while_others_are_taken_out_stays() {
    const CROWD: i64 = 70;
    let world = world_by_hand();
    let now = world.node.now();
    let furnish = async {
        let room = NewRoom {
            name: Some("lobby".into()),
            visibility: Visibility::Open,
            membership: Membership::Session,
            ..NewRoom::default()
        };
        world.store.create_room(room, now).await.unwrap();
        for _ in 0..CROWD {
            let user = world.store.create_user(NewUser::default(), now).await.unwrap();
            let lobby = RoomRef::parse("lobby");
            world.store.join(lobby, user.id, true, now).await.unwrap();
        }
    };
    world.synced(Box::pin(furnish)).await;
    world.pass(CHECK_MS + TICKS_MS).await;
    assert!(world.store.unsynced() > 0, "the first of them wait for the disk");
    assert!(world.store.unsynced() < 70, "not all at once");
    let last = world.client(&CROWD.to_string()).await;
    world.synced(world.pass(1_000)).await;
    assert_eq!(world.members("lobby").await, [CROWD.to_string()]);
    assert_eq!(last.heard().await[0], format!("hello {CROWD} lobby#0"));
}

#[tokio::test(start_paused = true)]
async fn a_round_of_the_check_goes_on_where_the_last_one_stopped() {
    const ROOMS: u32 = 1_000;
    let limits = Limits {
        session_rooms_check_ms: 1_000,
        ..Limits::DEFAULT
    };
    let world = world_of(limits, Policy::default());
    let now = world.node.now();
    let mut people = Vec::new();
    // More who are online than one round looks at; they stand before the one who is not.
    for _ in 0..=ROUND / ROOMS {
        people.push(world.store.create_user(NewUser::default(), now).await.unwrap().id);
    }
    let gone = world.store.create_user(NewUser::default(), now).await.unwrap().id;
    for number in 1..=ROOMS {
        let mut members: Vec<_> = people.clone();
        if number == ROOMS {
            members.push(gone);
        }
        let room = NewRoom {
            visibility: Visibility::Open,
            membership: Membership::Session,
            members: members
                .into_iter()
                .map(|user| (user, MemberRole::Member))
                .collect(),
            ..NewRoom::default()
        };
        world.store.create_room(room, now).await.unwrap();
    }
    let mut clients = Vec::new();
    for user in &people {
        clients.push(world.client(&user.to_string()).await);
    }
    let last = RoomId(i64::from(ROOMS));
    let stays = async || world.store.member(last, gone).await.unwrap().is_some();
    world.pass(1_000 + TICKS_MS).await;
    assert!(stays().await, "a round has its bound");
    world.pass(1_000).await;
    assert!(!stays().await);
    world.pass(2_000).await;
    let kept = world.store.heads(vec![RoomId(1), last]).await.unwrap();
    assert_eq!(kept[0].members_version.0, 1, "whoever is online stays");
    assert_eq!(kept[1].members_version.0, 2);
}
