//! Signing in with member tokens: whose they are, when they end, and that nothing opens that was revoked.

use bongsu_model::records::NewUser;
use bongsu_model::{Code, Limits, Refusal, Role, Timestamp, TokenHash, UserId};
use bongsu_node::Policy;
use bongsu_node::usecases::operate::Operator;
use bongsu_store::Store as _;
use futures_util::future::FutureExt as _;

use crate::plain::{Forgiving, Plain};
use crate::world::{World, sign_in, world, world_of, world_with};

/// The hash of the token `member:7`.
const SEVEN: TokenHash = TokenHash([7; 32]);

async fn mina(world: &World, expires_at: Option<Timestamp>) -> UserId {
    let user = NewUser {
        handle: Some("mina".into()),
        ..NewUser::default()
    };
    let user = world.store.create_user(user, world.node.now()).await.unwrap().id;
    let by = operator();
    world
        .node
        .add_member_token(&by, user, SEVEN, expires_at)
        .await
        .unwrap();
    user
}

fn operator() -> Operator {
    Operator::api_key("ops".into(), Role::Admin)
}

#[tokio::test(start_paused = true)]
async fn a_member_token_signs_its_user_in() {
    // Whoever has a member token is a user already.
    let policy = Policy {
        create_users: false,
        ..Policy::default()
    };
    let world = world_of(Limits::DEFAULT, policy);
    mina(&world, None).await;
    let mut talk = world.talk(&Plain);
    assert_eq!(talk.say(vec![sign_in("member:7")]).await, ["hello mina"]);
    let refused = world.connect("member:8", Vec::new()).await.err();
    assert_eq!(
        refused,
        Some(Refusal::because(Code::InvalidToken, "unknown_token"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_member_token_that_ends_ends_its_session() {
    let world = world();
    let end = world.node.now().plus_ms(200_000);
    mina(&world, Some(end)).await;
    let mut talk = world.talk(&Plain);
    talk.say(vec![sign_in("member:7")]).await;
    world.pass(100_000).await;
    assert_eq!(talk.heard().await, [""; 0]);
    world.pass(60_000).await;
    let warned = talk.heard().await;
    assert!(
        warned.len() == 1 && warned[0].contains("TokenExpiring"),
        "{warned:?}"
    );
    world.pass(45_000).await;
    assert_eq!(talk.heard().await, ["closed TokenExpired never"]);
    let refused = world.connect("member:7", Vec::new()).await.err();
    assert_eq!(
        refused,
        Some(Refusal::because(Code::InvalidToken, "unknown_token"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_revoked_member_token_cuts_the_session_that_it_is_in_force_of() {
    let world = world();
    let user = mina(&world, None).await;
    let by = operator();
    let other = TokenHash([8; 32]);
    world.node.add_member_token(&by, user, other, None).await.unwrap();
    let mut renewed = world.talk(&Forgiving { loud: false });
    renewed.say(vec![sign_in("member:7")]).await;
    renewed.say(vec![sign_in("member:8")]).await;
    let mut talk = world.talk(&Plain);
    talk.say(vec![sign_in("member:7")]).await;
    renewed.heard().await;
    let revoked = world.node.revoke_member_tokens(&by, user, Some(SEVEN.id())).await;
    assert_eq!(revoked, Ok(1));
    assert_eq!(talk.heard().await, ["closed TokenRevoked never"]);
    assert_eq!(renewed.heard().await, [""; 0], "another token is in force there");
    world.node.revoke_member_tokens(&by, user, None).await.unwrap();
    assert_eq!(renewed.heard().await, ["closed TokenRevoked never"]);
    assert_eq!(world.node.revoke_member_tokens(&by, user, None).await, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn a_member_token_revoked_during_a_sign_in_opens_nothing() {
    // A session draws its number after its token was looked at, and before it can be cut.
    let (world, chance) = world_with(Limits::DEFAULT, Policy::default());
    let user = mina(&world, None).await;
    let (node, by) = (world.node.clone(), operator());
    chance.before_next(move || {
        let revoked = node.revoke_member_tokens(&by, user, None).now_or_never();
        assert_eq!(revoked, Some(Ok(1)), "nothing is waited for");
    });
    let mut talk = world.talk(&Plain);
    let heard = talk.say(vec![sign_in("member:7")]).await;
    assert_eq!(
        heard.last().map(String::as_str),
        Some("closed TokenRevoked never"),
        "{heard:?}"
    );
}
