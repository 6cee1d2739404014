//! Rates, over all sessions of a user; and those who do not stop.

use bongsu_model::{Code, Limits, Request};
use bongsu_node::Policy;

use crate::plain::{emit, join, post};
use crate::world::{Client, world, world_of};

const LIMITS: Limits = Limits::DEFAULT;

/// Asks so often; how often it was let through, and the last refusal.
async fn flood(
    client: &Client,
    times: u32,
    ask: impl Fn(u32) -> Request,
) -> (u32, Option<bongsu_model::Refusal>) {
    let (mut passed, mut refused) = (0, None);
    for number in 0..times {
        match client.try_ask(ask(number)).await {
            Ok(()) => passed += 1,
            Err(refusal) => refused = Some(refusal),
        }
    }
    (passed, refused)
}

#[tokio::test(start_paused = true)]
async fn posts_are_counted_over_all_sessions_of_a_user() {
    let world = world();
    let (phone, desk, jun) = (
        world.client("mina").await,
        world.client("mina").await,
        world.client("jun").await,
    );
    world.join("lobby", &[&phone, &jun]).await;
    let text = |number| post("lobby", &format!("text {number}"));
    let (passed, _) = flood(&phone, 25, text).await;
    assert_eq!(passed, 25);
    let (passed, refused) = flood(&desk, 25, |number| text(number + 100)).await;
    assert_eq!(passed, LIMITS.posts_burst - 25);
    let refused = refused.unwrap();
    assert_eq!(
        (refused.code, refused.retry_after_ms),
        (Code::RateLimited, Some(50))
    );
    let refused = phone
        .try_ask(emit("lobby", "app.x", None, "{}"))
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::RateLimited, "an event counts as a post");
    assert_eq!(jun.try_ask(text(0)).await, Ok(()), "others have their own");
    assert_eq!(
        phone.try_ask(Request::Ping).await,
        Ok(()),
        "other requests have their own"
    );
    world.pass(50).await;
    assert_eq!(
        phone.try_ask(text(200)).await,
        Ok(()),
        "waiting as told is enough"
    );
    assert_eq!(desk.try_ask(text(201)).await.unwrap_err().code, Code::RateLimited);
}

#[tokio::test(start_paused = true)]
async fn who_goes_on_far_beyond_the_rate_is_ended() {
    let world = world();
    let (phone, desk) = (world.client("mina").await, world.client("mina").await);
    world.join("lobby", &[&phone]).await;
    let beyond = LIMITS.posts_per_s * LIMITS.flooder_times;
    for second in 0..=LIMITS.flooder_ms / 1_000 {
        assert!(!phone.is_cut(), "in second {second}");
        flood(&phone, beyond + LIMITS.posts_burst, |number| {
            post("lobby", &format!("{second} {number}"))
        })
        .await;
        world.pass(1_000).await;
    }
    assert!(phone.is_cut());
    assert!(phone.heard().await.contains(&"closed Flooding later".to_owned()));
    let refused = phone.try_ask(Request::Ping).await.unwrap_err();
    assert_eq!(
        refused.code,
        Code::InvalidToken,
        "nothing it asks is served any more"
    );
    desk.try_ask(post("lobby", "it was not me")).await.unwrap();
    assert!(!desk.is_cut());
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_often_but_less_than_that_stays() {
    let world = world();
    let mina = world.client("mina").await;
    world.join("lobby", &[&mina]).await;
    let beyond = LIMITS.posts_per_s * LIMITS.flooder_times;
    flood(&mina, LIMITS.posts_burst, |number| {
        post("lobby", &number.to_string())
    })
    .await;
    for second in 0..3 * LIMITS.flooder_ms / 1_000 {
        flood(&mina, beyond - 1, |number| {
            post("lobby", &format!("{second} {number}"))
        })
        .await;
        world.pass(1_000).await;
    }
    assert!(!mina.is_cut());
}

#[tokio::test(start_paused = true)]
async fn posts_that_came_in_together_and_nonsense_are_counted_too() {
    let limits = Limits {
        requests_per_s: 20,
        requests_burst: 20,
        ..LIMITS
    };
    let world = world_of(limits, Policy::default());
    let (mina, jun) = (world.client("mina").await, world.client("jun").await);
    world.join("lobby", &[&mina]).await;
    let beyond = 20 * LIMITS.flooder_times + LIMITS.posts_burst;
    for second in 0..=LIMITS.flooder_ms / 1_000 {
        assert!(!mina.is_cut() && !jun.is_cut(), "in second {second}");
        let posts = (0..beyond).map(|number| post("lobby", &format!("{second} {number}")));
        mina.post_all(posts.collect()).await;
        for _ in 0..beyond {
            let _ = jun.nonsense();
        }
        world.pass(1_000).await;
    }
    assert!(mina.is_cut() && jun.is_cut());
    assert_eq!(jun.heard().await, ["hello jun", "closed Flooding later"]);
    let after = mina.post_all(vec![post("lobby", "late")]).await;
    assert_eq!(after, [Err(Code::InvalidToken)]);
}

#[tokio::test(start_paused = true)]
async fn answers_to_pings_count_as_requests() {
    let limits = Limits {
        requests_per_s: 5,
        requests_burst: 5,
        ..LIMITS
    };
    let world = world_of(limits, Policy::default());
    let (phone, desk) = (world.client("mina").await, world.client("mina").await);
    let (passed, refused) = flood(&phone, 6, |_| Request::Pong).await;
    assert_eq!((passed, refused.unwrap().retry_after_ms), (5, Some(200)));
    assert_eq!(
        phone.try_ask(Request::Ping).await.unwrap_err().code,
        Code::RateLimited
    );
    assert_eq!(desk.try_ask(Request::Ping).await, Ok(()), "a session's own");
}

#[tokio::test(start_paused = true)]
async fn joins_have_their_own_rate() {
    let world = world();
    let mina = world.client("mina").await;
    let (passed, refused) = flood(&mina, LIMITS.joins_burst + 1, |_| join("lobby")).await;
    assert_eq!(
        (passed, refused.unwrap().retry_after_ms),
        (LIMITS.joins_burst, Some(100))
    );
}

#[tokio::test(start_paused = true)]
async fn one_session_too_many_is_told_when_to_try_again() {
    let limits = Limits {
        sessions_per_user_max: 2,
        ..LIMITS
    };
    let world = world_of(limits, Policy::default());
    let phone = world.client("mina").await;
    let _desk = world.client("mina").await;
    let refused = world.connect("mina", Vec::new()).await.err().unwrap();
    assert_eq!(
        crate::plain::refusal(&refused),
        format!("RATE_LIMITED sessions retry after {}", LIMITS.ping_interval_ms)
    );
    phone.leave_off().await;
    assert!(world.connect("mina", Vec::new()).await.is_ok());
}
