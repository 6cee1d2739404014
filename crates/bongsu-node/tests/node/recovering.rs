//! Sessions that are taken up again: what was not seen is given once, in order, or it is said that it is not.

use std::sync::Arc;

use bongsu_model::{Limits, Recover, RoomRef};
use bongsu_node::Policy;
use bongsu_store::Store;

use crate::plain::{block, join, join_after, leave, post};
use crate::world::{Client, World, world, world_of};

/// The offset of a room's message.
async fn offset(world: &World, room: &str, seq: u64) -> Arc<str> {
    let room = world.store.room(RoomRef::parse(room)).await.unwrap().unwrap();
    format!("{}-{seq}", room.id.0).into()
}

fn pid(client: &Client) -> Arc<str> {
    Arc::clone(&client.recovery().unwrap().pid)
}

fn from(client: &Client, offset: Arc<str>) -> Recover {
    Recover::From {
        pid: pid(client),
        offset,
    }
}

/// Takes a session up again; what it heard, but for the greeting.
async fn again(world: &World, earlier: &Client, seen: Arc<str>) -> (Client, Vec<String>) {
    let client = world.recover("mina", from(earlier, seen)).await;
    assert!(client.recovery().unwrap().recovered, "{:?}", client.heard().await);
    assert_eq!(pid(&client), pid(earlier), "it keeps its name");
    let mut heard = client.heard().await;
    assert!(heard.remove(0).starts_with("hello mina"));
    (client, heard)
}

/// It is not recovered: nothing comes, and it has a name of its own.
async fn refused(world: &World, token: &str, recover: Recover, why: &str) -> Client {
    let Recover::From { pid: old, .. } = &recover else {
        panic!("nothing was asked for")
    };
    let old = Arc::clone(old);
    let client = world.recover(token, recover).await;
    let recovery = client.recovery().unwrap();
    assert!(!recovery.recovered, "{why}");
    assert_ne!(recovery.pid, old, "{why}");
    let heard = client.heard().await;
    assert_eq!(heard.len(), 1, "{why}: {heard:?}");
    assert!(!heard[0].contains("recovered"), "{why}: {heard:?}");
    client
}

/// Mina, who can come back, and Jun, in two rooms in which one message was posted.
async fn furnished(world: &World) -> (Client, Client) {
    let (mina, jun) = (
        world.recover("mina", Recover::Fresh).await,
        world.client("jun").await,
    );
    world.join("lobby", &[&mina, &jun]).await;
    world.join("attic", &[&mina, &jun]).await;
    say(&jun, &["lobby", "attic"]).await;
    assert_eq!(mina.heard().await.len(), 2);
    (mina, jun)
}

/// Posts to these rooms in turn; each text is its room.
async fn say(client: &Client, rooms: &[&str]) {
    for room in rooms {
        client.ask(post(room, room)).await;
        let heard = client.heard().await.concat();
        assert!(heard.contains(room), "{heard}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_seen_comes_once_and_in_order() {
    let world = world();
    let (mina, jun) = furnished(&world).await;
    say(&jun, &["lobby", "attic", "lobby", "lobby"]).await;
    assert_eq!(
        mina.heard().await,
        ["#2 lobby", "#2 attic", "#3 lobby", "#4 lobby"]
    );
    mina.leave_off().await;
    say(&jun, &["attic", "lobby"]).await;
    let seen = offset(&world, "attic", 2).await;
    let (back, heard) = again(&world, &mina, seen).await;
    // Of each room in its order; the attic's second message and the lobby's second were seen.
    let mut sorted = heard.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        ["missed #3 attic", "missed #3 lobby, #4 lobby, #5 lobby"],
        "{heard:?}"
    );
    say(&jun, &["lobby"]).await;
    assert_eq!(back.heard().await, ["#6 lobby"], "then it hears live");

    // What it was given now counts as well.
    back.leave_off().await;
    let seen = offset(&world, "lobby", 6).await;
    let (back, heard) = again(&world, &back, seen).await;
    assert_eq!(heard, [""; 0]);
    back.leave_off().await;
    say(&jun, &["attic"]).await;
    let seen = offset(&world, "lobby", 6).await;
    let (_, heard) = again(&world, &back, seen).await;
    assert_eq!(
        heard,
        ["missed #4 attic"],
        "a message of before the session is none"
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_seen_nothing_gets_all() {
    let world = world();
    let mina = world.recover("mina", Recover::Fresh).await;
    let jun = world.client("jun").await;
    world.join("lobby", &[&mina, &jun]).await;
    mina.leave_off().await;
    say(&jun, &["lobby", "lobby"]).await;
    let (_, heard) = again(&world, &mina, "".into()).await;
    assert_eq!(heard, ["missed #1 lobby, #2 lobby"]);
}

#[tokio::test(start_paused = true)]
async fn it_survives_a_server_that_is_stopped_and_started() {
    let mut world = world();
    let (mina, jun) = furnished(&world).await;
    say(&jun, &["attic"]).await;
    let gone = async {
        while !mina.is_cut() {
            world.quiet().await;
        }
        mina.leave_off().await;
        jun.leave_off().await;
    };
    tokio::join!(world.node.stop(0), gone);
    world.store.restart();
    world.restart();
    let jun = world.client("jun").await;
    jun.heard().await;
    say(&jun, &["lobby"]).await;
    let seen = offset(&world, "lobby", 1).await;
    let (_, mut heard) = again(&world, &mina, seen).await;
    heard.sort_unstable();
    assert_eq!(heard, ["missed #1 attic, #2 attic", "missed #2 lobby"]);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_that_the_server_stops_comes_back_too() {
    let mut world = world();
    let (mina, jun) = furnished(&world).await;
    mina.room_for(0);
    say(&jun, &["lobby"]).await;
    world.node.stop(0).await;
    world.store.restart();
    world.restart();
    let seen = offset(&world, "attic", 1).await;
    let (_, heard) = again(&world, &mina, seen).await;
    assert_eq!(heard, ["missed #2 lobby"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_crashed_says_that_it_does_not_know() {
    let mut world = world();
    let (mina, _jun) = furnished(&world).await;
    let recover = from(&mina, offset(&world, "lobby", 1).await);
    world.restart();
    let back = refused(&world, "mina", recover, "the trail was in memory").await;
    back.leave_off().await;
    let seen = offset(&world, "lobby", 1).await;
    let (_, heard) = again(&world, &back, seen).await;
    assert_eq!(heard, [""; 0], "from there on it can come back");
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_first_ends_its_earlier_session() {
    let world = world();
    let (mina, jun) = furnished(&world).await;
    // The connection is dead, and nobody has noticed.
    mina.room_for(0);
    say(&jun, &["lobby", "attic"]).await;
    let seen = offset(&world, "attic", 1).await;
    let (back, mut heard) = again(&world, &mina, seen).await;
    heard.sort_unstable();
    assert_eq!(heard, ["missed #2 attic", "missed #2 lobby"]);
    assert!(mina.is_cut());
    assert_eq!(world.node.sessions_count(), 2);
    // The connection's own end comes late and changes nothing.
    mina.leave_off().await;
    say(&jun, &["lobby"]).await;
    assert_eq!(back.heard().await, ["#3 lobby"]);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_no_credential() {
    let world = world();
    let (mina, jun) = furnished(&world).await;
    let seen = offset(&world, "lobby", 1).await;
    refused(&world, "sena", from(&mina, Arc::clone(&seen)), "live, another's").await;
    assert!(!mina.is_cut(), "nobody else ends it");
    mina.leave_off().await;
    say(&jun, &["lobby"]).await;
    refused(&world, "sena", from(&mina, Arc::clone(&seen)), "kept, another's").await;
    let (_, mut heard) = again(&world, &mina, seen).await;
    heard.sort_unstable();
    assert_eq!(heard, ["missed #1 attic", "missed #2 lobby"]);
}

#[tokio::test(start_paused = true)]
async fn it_can_be_asked_for_once_and_not_for_ever() {
    let world = world();
    let recovery_ms = world.limits.recovery_ms;
    for (late_ms, recovered) in [(recovery_ms - 2, true), (recovery_ms, false)] {
        let mina = world.recover("mina", Recover::Fresh).await;
        mina.leave_off().await;
        world.pass(late_ms).await;
        let back = world.recover("mina", from(&mina, "".into())).await;
        assert_eq!(back.recovery().unwrap().recovered, recovered, "{late_ms}");
        back.leave_off().await;
    }
    let mina = world.recover("mina", Recover::Fresh).await;
    mina.leave_off().await;
    let recover = Recover::From {
        pid: pid(&mina),
        offset: "nonsense".into(),
    };
    refused(&world, "mina", recover, "no offset").await;
    refused(&world, "mina", from(&mina, "".into()), "it was asked for before").await;
}

#[tokio::test(start_paused = true)]
async fn what_retention_took_is_not_passed_over() {
    let world = world();
    let (mina, jun) = furnished(&world).await;
    mina.leave_off().await;
    say(&jun, &["lobby", "lobby", "lobby"]).await;
    let (lobby, attic) = (offset(&world, "lobby", 1).await, offset(&world, "attic", 1).await);
    world.store.retain(2, None).await.unwrap();
    let back = refused(&world, "mina", from(&mina, lobby), "message 2 is gone").await;
    back.leave_off().await;
    world.store.retain(1, None).await.unwrap();
    let (_, heard) = again(&world, &back, attic).await;
    assert_eq!(heard, [""; 0], "it lacks nothing of what is gone");
}

#[tokio::test(start_paused = true)]
async fn an_offset_must_be_among_the_last() {
    for (pushed, recovered) in [(4, true), (5, true), (6, false)] {
        let limits = Limits {
            recovery_trail_max: 5,
            ..Limits::DEFAULT
        };
        let world = world_of(limits, Policy::default());
        let (mina, jun) = (
            world.recover("mina", Recover::Fresh).await,
            world.client("jun").await,
        );
        world.join("lobby", &[&jun]).await;
        mina.ask(join("lobby")).await;
        for _ in 0..pushed {
            say(&jun, &["lobby"]).await;
        }
        mina.leave_off().await;
        let seen = offset(&world, "lobby", 1).await;
        let back = world.recover("mina", from(&mina, seen)).await;
        assert_eq!(back.recovery().unwrap().recovered, recovered, "{pushed}");
    }
    let world = world();
    let (mina, _jun) = furnished(&world).await;
    mina.leave_off().await;
    let never = offset(&world, "lobby", 2).await;
    refused(&world, "mina", from(&mina, never), "it was never pushed").await;
}

#[tokio::test(start_paused = true)]
async fn rooms_come_and_go() {
    let world = world();
    let (mina, jun) = furnished(&world).await;
    let seen = offset(&world, "lobby", 1).await;
    // While it is there: one room is left, another is entered, a third is left and entered again.
    jun.ask(join("cellar")).await;
    say(&jun, &["cellar"]).await;
    mina.ask(leave("attic")).await;
    mina.ask(join("cellar")).await;
    mina.ask(leave("lobby")).await;
    say(&jun, &["lobby"]).await;
    mina.ask(join("lobby")).await;
    say(&jun, &["attic", "cellar"]).await;
    mina.leave_off().await;
    say(&jun, &["lobby"]).await;
    // And while it is away, by another device.
    jun.ask(join("roof")).await;
    say(&jun, &["roof"]).await;
    let device = world.client("mina").await;
    device.ask(join("roof")).await;
    say(&jun, &["roof"]).await;
    device.leave_off().await;
    let (_, mut heard) = again(&world, &mina, seen).await;
    heard.sort_unstable();
    assert_eq!(heard, ["missed #2 cellar", "missed #2 roof", "missed #3 lobby"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_for_once_more_is_told_apart_or_refused() {
    let world = world();
    let (mina, jun) = furnished(&world).await;
    mina.ask(join_after("lobby", 0)).await;
    let heard = mina.heard().await;
    assert!(
        heard.iter().any(|line| line.contains("missed #1 lobby")),
        "{heard:?}"
    );
    mina.leave_off().await;
    say(&jun, &["attic"]).await;
    let (lobby, attic) = (offset(&world, "lobby", 1).await, offset(&world, "attic", 1).await);
    let copy = from(&mina, attic);
    let back = refused(&world, "mina", from(&mina, lobby), "it was pushed twice").await;
    back.leave_off().await;
    refused(&world, "mina", copy, "it was asked for before").await;
}

#[tokio::test(start_paused = true)]
async fn who_was_blocked_is_not_heard_afterwards() {
    let world = world();
    let (mina, jun) = furnished(&world).await;
    let sena = world.client("sena").await;
    world.join("lobby", &[&sena]).await;
    mina.ask(block("sena")).await;
    say(&sena, &["lobby"]).await;
    say(&jun, &["lobby"]).await;
    mina.leave_off().await;
    say(&sena, &["lobby"]).await;
    say(&jun, &["attic"]).await;
    let seen = offset(&world, "attic", 1).await;
    let (_, mut heard) = again(&world, &mina, seen).await;
    heard.sort_unstable();
    assert_eq!(heard, ["missed #2 attic", "missed #3 lobby"]);
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_nothing_gets_nothing() {
    let world = world();
    assert_eq!(world.client("mina").await.recovery(), None);
    let limits = Limits {
        recovery_ms: 0,
        ..Limits::DEFAULT
    };
    let world = world_of(limits, Policy::default());
    let mina = world.recover("mina", Recover::Fresh).await;
    assert_eq!(mina.recovery(), None, "it is switched off");
}

#[tokio::test(start_paused = true)]
async fn what_did_not_fit_is_caught_up_and_counts_then() {
    let limits = Limits {
        mailbox_bytes_max: 256,
        mailbox_control_bytes_max: 64,
        history_page_max: 4,
        ..Limits::DEFAULT
    };
    let world = world_of(limits, Policy::default());
    let (mina, jun) = furnished(&world).await;
    mina.room_for(16);
    for number in 0..20 {
        jun.ask(post("lobby", &format!("{number:x>40}"))).await;
        world.quiet().await;
    }
    world.quiet().await;
    mina.room_for(usize::MAX);
    world.pass(100).await;
    let heard = mina.heard().await.concat();
    assert!(heard.contains("missed") && heard.contains("#21 "), "{heard}");
    mina.leave_off().await;
    for seq in [2, 9, 20, 21] {
        let seen = offset(&world, "lobby", seq).await;
        let (back, heard) = again(&world, &mina, seen).await;
        let seqs: Vec<u64> = heard
            .join(" ")
            .split_whitespace()
            .filter_map(|word| word.strip_prefix('#')?.parse().ok())
            .collect();
        assert!(seqs.iter().copied().eq(seq + 1..22), "{seq}: {seqs:?}");
        // Once more from the same place: what came was not seen.
        back.leave_off().await;
    }
}
