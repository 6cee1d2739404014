//! Signing in and out on one connection: how often it may be tried, and who hears what.

use bongsu_model::{Incoming, Limits};
use bongsu_node::{Dialect, Policy};

use crate::plain::{Forgiving, Plain, emit, join, post};
use crate::world::{incoming, sign_in, world, world_of};

const QUIET: Forgiving = Forgiving { loud: false };
const LOUD: Forgiving = Forgiving { loud: true };

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

    let mut second = world.talk(&QUIET);
    assert_eq!(
        second.say(vec![incoming(join("lobby")), sign_in("mina")]).await,
        ["NOT_AUTHENTICATED", "hello mina"]
    );

    let mut last = world.talk(&QUIET);
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
    let mut talk = world.talk(&QUIET);
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

#[tokio::test(start_paused = true)]
async fn a_token_that_is_no_good_takes_nothing_from_a_session_whose_own_one_is() {
    let world = world();
    for (dialect, stays) in [(&QUIET as &'static dyn Dialect, true), (&Plain, false)] {
        let mut talk = world.talk(dialect);
        talk.say(vec![sign_in("mina"), incoming(join("lobby"))]).await;
        let heard = talk.say(vec![sign_in("member:9")]).await;
        assert_eq!(heard[0], "INVALID_TOKEN unknown_token");
        assert!(talk.conversation.declined());
        assert_eq!(talk.conversation.mailbox().is_closed(), !stays);
        talk.conversation.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_another_way_of_being_told_is_told_as_before_until_it_is_granted() {
    let world = world();
    let jun = world.client("jun").await;
    let mut talk = world.talk(&QUIET);
    talk.say(vec![sign_in("mina"), incoming(join("lobby"))]).await;
    world.join("lobby", &[&jun]).await;
    talk.heard().await;

    talk.dialect = &LOUD;
    jun.ask(post("lobby", "one")).await;
    talk.say(vec![sign_in("member:9")]).await;
    jun.ask(post("lobby", "two")).await;
    assert_eq!(talk.heard().await, ["#2 two"], "it was refused");
    talk.say(vec![sign_in("mina")]).await;
    jun.ask(post("lobby", "three")).await;
    assert_eq!(talk.heard().await, ["! #3 three"]);

    talk.dialect = &QUIET;
    jun.ask(post("lobby", "four")).await;
    let says = incoming(post("lobby", "mine"));
    let heard = talk.say(vec![says, Incoming::SignOut, sign_in("sena")]).await;
    let heard: Vec<&str> = heard.iter().map(String::as_str).collect();
    let before = ["! #4 four", "posted #5 mine", "! #5 mine"];
    assert!(before.iter().all(|line| heard.contains(line)), "{heard:?}");
    talk.say(vec![incoming(join("lobby"))]).await;
    jun.ask(post("lobby", "five")).await;
    assert_eq!(talk.heard().await, ["#6 five"]);
}

#[tokio::test(start_paused = true)]
async fn signing_in_and_out_comes_to_an_end() {
    let limits = Limits {
        sign_in_tries_max: 3,
        ..Limits::DEFAULT
    };
    let world = world_of(limits, Policy::default());
    let mut talk = world.talk(&QUIET);
    for _ in 0..3 {
        assert_eq!(
            talk.say(vec![sign_in("mina"), Incoming::SignOut]).await,
            ["hello mina"]
        );
    }
    let heard = talk.say(vec![sign_in("mina")]).await;
    assert_eq!(heard, ["RATE_LIMITED retry after 10000"]);
    assert!(talk.conversation.mailbox().is_closed());
}
