//! What runs out: the time to sign in, to finish a frame, to say anything at all.

use bongsu_model::Limits;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::client::post;
use crate::server::Server;

/// The clock jumps over deadlines, so these are far beyond what any step of a test takes.
fn limits() -> Limits {
    Limits {
        sign_in_ms: 100_000,
        frame_ms: 200_000,
        idle_ms: 400_000,
        ping_interval_ms: 100_000,
        ..Limits::DEFAULT
    }
}

#[tokio::test]
async fn nobody_connects_without_signing_in() {
    let server = Server::limited(limits()).await;
    let mut silent = server.connect().await;
    let mut chatty = server.connect().await;
    chatty.raw("\n").await;
    server
        .until("both are in", |it| it.admission.counts().0 == 2)
        .await;
    server.pass_ms(100_000);
    silent.closed("NOT_AUTHENTICATED", "later").await;
    chatty.closed("NOT_AUTHENTICATED", "later").await;
    drop((silent, chatty));
    server.until_empty().await;
}

#[tokio::test]
async fn a_frame_is_finished_in_time_however_slowly_it_comes() {
    let server = Server::limited(limits()).await;
    let mut one = server.session(1).await;
    one.raw("{").await;
    let mut beat = server.session(2).await;
    for byte in b"\"action\"" {
        server.pass_ms(20_000);
        one.raw([*byte]).await;
        beat.send("PING", "p", json!({})).await;
        beat.wait("PONG").await;
    }
    server.pass_ms(40_001);
    one.closed("OVERLOADED", "later").await;
    beat.send("PING", "p", json!({})).await;
    beat.wait("PONG").await;
}

#[tokio::test]
async fn silence_ends_a_session_and_a_ping_keeps_it() {
    let server = Server::limited(limits()).await;
    let mut silent = server.session(1).await;
    let mut pings = server.session(2).await;
    for _ in 0..3 {
        server.pass_ms(150_000);
        pings.send("PING", "p", json!({})).await;
        pings.wait("PONG").await;
    }
    silent.closed("OVERLOADED", "now").await;
    // It does not hang up: its place is given back all the same.
    server
        .until("its session is over", |it| it.node.sessions_count() == 1)
        .await;
}

#[tokio::test]
async fn time_that_the_server_takes_does_not_run_against_the_client() {
    let server = Server::limited(limits()).await;
    let mut one = server.session(1).await;
    // A post that takes long, the first half of a frame behind it, and the rest unread.
    let next = post(1, "after", "after").to_string();
    let (first, rest) = next.split_at(20);
    one.raw(format!("{}{first}", post(1, "slow", "slow"))).await;
    server
        .until("the post is under way", |it| it.node.counters.requests.get() == 1)
        .await;
    one.raw(rest).await;
    for _ in 0..3 {
        // When it is closed, the sweeper has looked at the other too.
        let mut witness = server.session(1).await;
        witness.raw(r#"{"action":"PING","seq_id":"p"}{"#).await;
        witness.answer("PONG", "p").await;
        server.pass_ms(250_000);
        witness.closed("OVERLOADED", "later").await;
    }
    server.held.add_permits(1);
    one.answer("NEW_MESSAGE", "slow").await;
    one.answer("NEW_MESSAGE", "after").await;
}

#[tokio::test]
async fn who_has_finished_sending_is_still_answered() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    let posts: String = (0..30)
        .map(|n| post(1, &format!("m{n}"), &format!("post {n}")).to_string())
        .collect();
    one.raw(posts).await;
    one.writer.shutdown().await.unwrap();
    for n in 0..30 {
        one.answer("NEW_MESSAGE", &format!("m{n}")).await;
    }
    one.end().await;
    server.until_empty().await;
}
