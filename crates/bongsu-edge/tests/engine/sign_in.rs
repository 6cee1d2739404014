//! Tries to sign in, and the time for them.

use bongsu_model::{Limits, UserId};
use bongsu_store::Store as _;

use crate::client::{Version, event, sign_in};
use crate::server::{Server, World};

fn limits() -> Limits {
    Limits {
        sign_in_ms: 10_000,
        sign_in_tries_max: 3,
        ..Limits::DEFAULT
    }
}

#[tokio::test]
async fn who_is_refused_may_try_again_so_often() {
    let server = Server::limited(limits()).await;
    let mut lucky = server.polled(Version::V4).await;
    lucky
        .say(&["40", &sign_in("bad"), &sign_in("bad"), &sign_in("1")])
        .await;
    for _ in 0..2 {
        let error = lucky.wait("server_error").await;
        assert_eq!(error["code"], "INVALID_PARAM", "{error}");
        assert_eq!(error["message"], "invalid member_token");
    }
    lucky.wait("postinit_res").await;
    let mut unlucky = server.polled(Version::V4).await;
    unlucky
        .say(&[
            "40",
            &sign_in("bad"),
            &sign_in("bad"),
            &sign_in("bad"),
            &sign_in("1"),
        ])
        .await;
    let told = unlucky.poll().await;
    let errors = told
        .iter()
        .filter(|packet| event(packet, "server_error").is_some());
    assert!(errors.count() >= 3, "{told:?}");
    assert_eq!(told.last().unwrap(), "1", "{told:?}");
    unlucky.gone().await;
    assert_eq!(server.node.sessions_count(), 1);
}

#[tokio::test]
async fn nobody_stays_without_signing_in() {
    let server = Server::limited(limits()).await;
    server.stop_clock();
    let mut polled = server.polled(Version::V4).await;
    polled.say(&["40"]).await;
    assert!(polled.next().await.starts_with("40{"));
    polled.begin_poll().await;
    server.pass_ms(10_000);
    let told = polled.polled().await;
    assert!(event(&told[0], "server_error").is_some(), "{told:?}");
    assert_eq!(told.len(), 1, "it would stay away: {told:?}");
    polled.gone().await;
    let timeouts = r#"bongsu_connections_closed_total{cause="sign_in_timeout"}"#;
    drop(polled);
    server.until_empty().await;
    assert_eq!(server.metric(timeouts), 1);
}

#[tokio::test]
async fn who_signs_out_has_the_time_again() {
    let server = Server::limited(limits()).await;
    server.stop_clock();
    let mut polled = server.session(Version::V4, 1).await;
    server.pass_ms(15_000);
    polled.say(&["41"]).await;
    assert_eq!(server.node.sessions_count(), 0);
    server.pass_ms(9_999);
    polled.say(&["40", &sign_in("2")]).await;
    polled.wait("postinit_res").await;
    polled.say(&["41"]).await;
    polled.begin_poll().await;
    server.pass_ms(10_000);
    let told = polled.polled().await;
    assert!(event(&told[0], "server_error").is_some(), "{told:?}");
    polled.gone().await;
}

#[tokio::test]
async fn a_member_token_signs_in_by_polling_and_after_the_change() {
    let server = Server::limited(limits()).await;
    let (first, second) = (server.member_token(1).await, server.member_token(2).await);
    let mut polled = server.polled(Version::V3).await;
    polled.say(&[sign_in(&first)]).await;
    assert_eq!(polled.wait("postinit_res").await["user"]["user_id"], 1);
    let polled = server.polled(Version::V4).await;
    let mut socket = polled.probe().await;
    socket.say("5").await;
    socket.say("40").await;
    assert!(socket.next().await.starts_with("40{"));
    socket.say(&sign_in(&second)).await;
    assert_eq!(socket.wait("postinit_res").await["user"]["user_id"], 2);
}

#[tokio::test]
async fn a_member_token_signs_in_until_it_is_revoked() {
    let server = Server::start().await;
    let token = server.member_token(1).await;
    let public = server.store.users(None, 1).await.unwrap()[0]
        .profile
        .public_token
        .to_string();
    let mut polled = server.polled(Version::V4).await;
    polled.say(&["40", &sign_in(&public), &sign_in(&token)]).await;
    assert_eq!(
        polled.wait("server_error").await["message"],
        "invalid member_token"
    );
    let told = polled.wait("postinit_res").await;
    assert_eq!(told["user"]["token"], *public);
    polled.begin_poll().await;
    let by = World::operator();
    let revoked = server.node.revoke_member_tokens(&by, UserId(1), None).await;
    assert_eq!(revoked, Ok(1));
    let told = polled.polled().await;
    assert!(event(&told[0], "server_error").is_some(), "{told:?}");
    assert_eq!(told.last().unwrap(), "1", "{told:?}");
    polled.gone().await;
    let mut again = server.polled(Version::V4).await;
    again.say(&["40", &sign_in(&token)]).await;
    assert_eq!(
        again.wait("server_error").await["message"],
        "invalid member_token"
    );
}
