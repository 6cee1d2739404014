//! Events of applications: to whoever is there, and kept nowhere.

use bongsu_model::records::{MemberRole, NewRoom, RoomKind, Visibility};
use bongsu_model::{Limits, PageFrom, RoomRef, Seq};
use bongsu_node::Policy;
use bongsu_store::Store;

use crate::plain::{block, emit, join, leave, post};
use crate::world::{world, world_of};

#[tokio::test(start_paused = true)]
async fn every_session_of_every_member_hears_it_and_nobody_else() {
    let world = world();
    let (phone, desk) = (world.client("mina").await, world.client("mina").await);
    let (jun, stranger) = (world.client("jun").await, world.client("sena").await);
    world.join("lobby", &[&phone, &jun]).await;
    for client in [&desk, &stranger] {
        client.heard().await;
    }
    phone.ask(emit("lobby", "game.move", None, r#"{"x":1}"#)).await;
    for client in [&phone, &desk, &jun] {
        assert_eq!(client.heard().await, [r#"game.move lobby mina {"x":1}"#]);
    }
    assert_eq!(stranger.heard().await, [""; 0]);
    stranger.ask(emit("lobby", "game.move", None, "{}")).await;
    stranger.ask(emit("nowhere", "game.move", None, "{}")).await;
    assert_eq!(stranger.heard().await, ["PERMISSION_DENIED", "ROOM_NOT_FOUND"]);
    jun.ask(leave("lobby")).await;
    jun.ask(emit("lobby", "game.move", None, "{}")).await;
    assert!(jun.heard().await.contains(&"PERMISSION_DENIED".to_owned()));
    assert_eq!(desk.heard().await, ["user.left lobby jun of 1"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_and_no_number_taken() {
    let world = world();
    let mina = world.client("mina").await;
    world.join("lobby", &[&mina]).await;
    mina.ask(emit("lobby", "game.move", Some("k"), "{}")).await;
    world.quiet().await;
    mina.ask(post("lobby", "first")).await;
    assert_eq!(
        mina.heard().await,
        ["game.move lobby mina {}", "posted #1 first", "#1 first"]
    );
    let room = world.store.room(RoomRef::parse("lobby")).await.unwrap().unwrap();
    let page = world
        .store
        .history(room.id, PageFrom::After(Seq::ZERO), 10)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(page.messages.len(), 1);
    let jun = world.client("jun").await;
    jun.ask(join("lobby")).await;
    assert_eq!(
        jun.heard().await,
        ["hello jun", "joined lobby#1 of 2 online mina,jun"]
    );
}

#[tokio::test(start_paused = true)]
async fn who_has_blocked_the_sender_is_spared() {
    let world = world();
    let (mina, jun, sena) = (
        world.client("mina").await,
        world.client("jun").await,
        world.client("sena").await,
    );
    world.join("lobby", &[&mina, &jun, &sena]).await;
    jun.ask(block("mina")).await;
    jun.heard().await;
    mina.ask(emit("lobby", "app.wave", None, "{}")).await;
    sena.ask(emit("lobby", "app.wave", None, "{}")).await;
    assert_eq!(jun.heard().await, ["app.wave lobby sena {}"]);
    assert_eq!(
        sena.heard()
            .await
            .iter()
            .filter(|line| line.starts_with("app.wave"))
            .count(),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn in_a_broadcast_room_only_owners_are_heard() {
    let world = world();
    let (mina, jun) = (world.client("mina").await, world.client("jun").await);
    let users = world.store.users(None, 10).await.unwrap();
    let room = NewRoom {
        name: Some("news".into()),
        kind: RoomKind::Broadcast,
        visibility: Visibility::Open,
        members: vec![(users[0].id, MemberRole::Owner)],
        ..NewRoom::default()
    };
    world.store.create_room(room, world.node.now()).await.unwrap();
    world.join("news", &[&mina, &jun]).await;
    jun.ask(emit("news", "app.x", None, "{}")).await;
    assert_eq!(jun.heard().await, ["PERMISSION_DENIED"]);
    assert_eq!(mina.heard().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_gets_the_latest_of_each_key_of_each_sender_and_kind() {
    let world = world();
    let (mina, jun, slow) = (
        world.client("mina").await,
        world.client("jun").await,
        world.client("sena").await,
    );
    world.join("lobby", &[&mina, &jun, &slow]).await;
    world.join("cellar", &[&mina, &slow]).await;
    slow.room_for(0);
    mina.ask(post("lobby", "the line is full")).await;
    world.quiet().await;
    for step in 0..5 {
        let data = format!(r#"{{"step":{step}}}"#);
        mina.ask(emit("lobby", "game.move", Some("a"), &data)).await;
        mina.ask(emit("lobby", "game.move", Some("b"), &data)).await;
        mina.ask(emit("lobby", "game.turn", Some("a"), &data)).await;
        mina.ask(emit("cellar", "game.move", Some("a"), &data)).await;
        jun.ask(emit("lobby", "game.move", Some("a"), &data)).await;
    }
    world.quiet().await;
    slow.room_for(usize::MAX);
    world.quiet().await;
    let mut heard = slow.heard().await;
    heard.sort_unstable();
    assert_eq!(
        heard,
        [
            "#1 the line is full",
            r#"game.move cellar mina {"step":4}"#,
            r#"game.move lobby jun {"step":4}"#,
            r#"game.move lobby mina {"step":4}"#,
            r#"game.move lobby mina {"step":4}"#,
            r#"game.turn lobby mina {"step":4}"#,
        ]
    );
    assert_eq!(
        jun.heard()
            .await
            .iter()
            .filter(|line| line.starts_with("game."))
            .count(),
        20,
        "who is not slow gets them all"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_key_the_oldest_go() {
    let limits = Limits {
        mailbox_ephemeral_max: 3,
        ..Limits::DEFAULT
    };
    let world = world_of(limits, Policy::default());
    let (mina, slow) = (world.client("mina").await, world.client("sena").await);
    world.join("lobby", &[&mina, &slow]).await;
    slow.room_for(0);
    mina.ask(post("lobby", "the line is full")).await;
    world.quiet().await;
    for step in 0..5 {
        mina.ask(emit("lobby", "app.step", None, &step.to_string())).await;
    }
    mina.ask(post("lobby", "this is not dropped")).await;
    world.quiet().await;
    slow.room_for(usize::MAX);
    world.quiet().await;
    assert_eq!(
        slow.heard().await,
        [
            "#1 the line is full",
            "#2 this is not dropped",
            "app.step lobby mina 2",
            "app.step lobby mina 3",
            "app.step lobby mina 4",
        ]
    );
}
