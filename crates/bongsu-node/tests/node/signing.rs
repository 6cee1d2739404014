//! Signing in and out on one connection: how often it may be tried, and who hears what.

use bongsu_model::{Incoming, Limits};
use bongsu_node::Policy;

use crate::plain::{Forgiving, Plain, emit, join, post};
use crate::world::{incoming, sign_in, world, world_of};

#[tokio::test(start_paused = true)]
async fn who_is_refused_may_try_again_where_the_protocol_says_so() {
    let limits = Limits {
        sign_in_tries_max: 3,
        ..Limits::DEFAULT
    };
    let world = world_of(limits, Policy::default());
    let mut strict = world.talk(&Plain);
    assert_eq!(
        strict.say(vec![incoming(join("lobby"))]).await,
        ["NOT_AUTHENTICATED"]
    );
    assert!(strict.conversation.mailbox().is_closed());

    let mut second = world.talk(&Forgiving);
    assert_eq!(
        second.say(vec![incoming(join("lobby")), sign_in("mina")]).await,
        ["NOT_AUTHENTICATED", "hello mina"]
    );

    let mut last = world.talk(&Forgiving);
    for closed in [false, false, true] {
        last.say(vec![incoming(join("lobby"))]).await;
        assert_eq!(last.conversation.mailbox().is_closed(), closed);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_posted_in_the_breath_of_a_sign_in_is_heard_at_once() {
    let world = world();
    let mina = world.client("mina").await;
    world.join("lobby", &[&mina]).await;
    let jun = world.client("jun").await;
    world.join("lobby", &[&jun]).await;
    jun.leave_off().await;
    for n in 2..20 {
        let mut talk = world.talk(&Plain);
        let heard = talk
            .say(vec![
                sign_in("jun"),
                incoming(post("lobby", &format!("{n} hello"))),
            ])
            .await;
        let said = heard.iter().filter(|line| line.ends_with(" hello")).count();
        assert_eq!(said, 2, "{n}: posted, and heard within a millisecond: {heard:?}");
        talk.conversation.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_signs_in_next_hears_nothing_of_the_one_before() {
    let world = world();
    let jun = world.client("jun").await;
    let mut talk = world.talk(&Forgiving);
    talk.say(vec![sign_in("mina"), incoming(join("lobby"))]).await;
    world.join("lobby", &[&jun]).await;
    talk.heard().await;
    for n in 0..100 {
        jun.ask(post("lobby", &format!("{n}"))).await;
        jun.ask(emit("lobby", "game.move", None, "{}")).await;
    }
    let heard = talk.say(vec![Incoming::SignOut, sign_in("sena")]).await;
    let hello = heard
        .iter()
        .position(|line| line.starts_with("hello sena"))
        .unwrap();
    assert_eq!(heard.len(), hello + 1, "{:?}", &heard[hello..]);
    jun.ask(post("lobby", "later")).await;
    assert_eq!(talk.heard().await, [""; 0]);
    assert_eq!(world.node.sessions_count(), 2);
    assert_eq!(
        talk.say(vec![Incoming::SignOut, incoming(join("lobby"))]).await,
        ["NOT_AUTHENTICATED"],
        "nobody is signed in"
    );
    assert_eq!(world.node.sessions_count(), 1);
}
