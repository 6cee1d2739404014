//! What runs out: the time to sign in, to finish a message, to say anything at all; and who is asked whether it is there.

use bongsu_model::Limits;
use serde_json::{Value, json};

use crate::client::{Client, Said, frame, post, text};
use crate::server::{Server, World};

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

/// Is asked in both ways, by a frame for machines and by a message for pages.
async fn is_asked(client: &mut Client) {
    assert_eq!(client.said().await, Said::Ping);
    assert_eq!(
        client.said().await,
        Said::Text(json!({ "type": "ping", "data": {} }))
    );
}

/// A session whose sign-in is over: only then its silence begins.
async fn session(server: &Server, user: i64) -> Client {
    let mut client = server.session(user).await;
    client.settled().await;
    client
}

/// With users 11 and 12, who share no room and so do not hear of each other.
async fn alone(limits: Limits) -> Server {
    let server = Box::pin(Server::limited(limits)).await;
    server.users([11, 12]).await;
    server.stop_clock();
    server
}

#[tokio::test]
async fn nobody_connects_without_signing_in() {
    let server = alone(limits()).await;
    let mut silent = server.connect().await;
    let mut chatty = server.connect().await;
    chatty.raw(frame(0x89, b"")).await;
    assert_eq!(chatty.said().await, Said::Pong(Vec::new()));
    server.pass_ms(99_999);
    chatty.raw(frame(0x89, b"")).await;
    assert_eq!(chatty.said().await, Said::Pong(Vec::new()));
    server.pass_ms(1);
    silent.closed("not_authenticated", 4401, "later").await;
    chatty.closed("not_authenticated", 4401, "later").await;
    drop((silent, chatty));
    server.until_empty().await;
}

#[tokio::test]
async fn who_says_nothing_is_asked_once_and_then_closed() {
    let server = alone(limits()).await;
    let mut silent = session(&server, 11).await;
    let mut witness = session(&server, 12).await;
    server.pass_ms(100_000);
    is_asked(&mut silent).await;
    is_asked(&mut witness).await;
    for round in 1..=2 {
        // Whoever answers is asked again after the next silence, and all are looked at together.
        witness.raw(text(json!({ "type": "pong" }))).await;
        witness.settled().await;
        server.pass_ms(100_000);
        is_asked(&mut witness).await;
        assert_eq!(server.node.sessions_count(), 2, "round {round}");
    }
    witness.settled().await;
    server.pass_ms(100_000);
    silent.closed("overloaded", 4408, "now").await;
    witness.raw(text(json!({ "type": "ping", "id": "p" }))).await;
    let answer = witness.wait_for("p").await;
    assert!(answer["data"]["server_time"].is_string(), "{answer}");
}

#[tokio::test]
async fn whatever_is_heard_shows_that_somebody_is_there() {
    let server = alone(limits()).await;
    let whole = text(json!({ "type": "room.history", "data": { "room": 999 } }));
    let ways: [(&str, Vec<u8>); 5] = [
        ("pong", text(json!({ "type": "pong", "data": {} }))),
        ("a frame that answers the frame", frame(0x8a, b"")),
        ("a ping of its own", frame(0x89, b"?")),
        ("any request", whole),
        ("an empty fragment", frame(0x01, b"")),
    ];
    for (what, bytes) in ways {
        let mut silent = session(&server, 11).await;
        let mut heard = session(&server, 12).await;
        server.pass_ms(300_000);
        is_asked(&mut silent).await;
        is_asked(&mut heard).await;
        heard.raw(bytes).await;
        heard_by_now(&server, what).await;
        server.pass_ms(100_000);
        silent.closed("overloaded", 4408, "now").await;
        drop(silent);
        // It is still served, if it finishes what it has begun.
        heard
            .raw(if what == "an empty fragment" {
                frame(0x80, b"")
            } else {
                Vec::new()
            })
            .await;
        heard.send("ping", what, json!({})).await;
        heard.wait_for(what).await;
        drop(heard);
        server.until_empty().await;
    }
}

/// All that was sent before has been read: a connection that was opened later is served later.
async fn heard_by_now(server: &Server, what: &str) {
    let mut later = server.connect().await;
    later.raw(frame(0x89, what.as_bytes())).await;
    assert_eq!(later.said().await, Said::Pong(what.as_bytes().to_vec()));
}

#[tokio::test]
async fn a_message_is_finished_in_time_however_slowly_it_comes() {
    let server = alone(limits()).await;
    let mut one = session(&server, 11).await;
    let mut beat = session(&server, 12).await;
    let slowly = text(post("x", "slow"));
    one.raw(&slowly[..1]).await;
    beat.settled().await;
    for byte in &slowly[1..8] {
        server.pass_ms(20_000);
        one.raw([*byte]).await;
        beat.settled().await;
    }
    server.pass_ms(60_001);
    one.closed("overloaded", 4400, "later").await;
    beat.settled().await;
}

#[tokio::test]
async fn fragments_are_one_message_and_have_its_time() {
    let server = alone(limits()).await;
    let mut one = session(&server, 11).await;
    let mut beat = session(&server, 12).await;
    one.raw(frame(0x01, b"{")).await;
    beat.settled().await;
    for _ in 0..9 {
        server.pass_ms(20_000);
        one.raw(frame(0x00, b" ")).await;
        beat.settled().await;
    }
    server.pass_ms(20_001);
    one.closed("overloaded", 4400, "later").await;
    beat.settled().await;
}

#[tokio::test]
async fn pings_between_fragments_buy_no_time() {
    let server = alone(limits()).await;
    let mut one = session(&server, 11).await;
    let mut beat = session(&server, 12).await;
    one.raw(frame(0x01, b"{")).await;
    beat.settled().await;
    for _ in 0..9 {
        server.pass_ms(20_000);
        one.raw(frame(0x89, b"")).await;
        assert_eq!(one.said().await, Said::Pong(Vec::new()));
        beat.settled().await;
    }
    server.pass_ms(20_001);
    one.closed("overloaded", 4400, "later").await;
    beat.settled().await;
}

#[tokio::test]
async fn messages_between_slow_ones_have_their_own_time() {
    let server = alone(limits()).await;
    let mut one = session(&server, 11).await;
    let mut bytes = Vec::new();
    for n in 0..4 {
        bytes.push(text(json!({ "type": "ping", "id": n.to_string() })));
    }
    let mut rest = Vec::new();
    for (n, message) in bytes.iter().enumerate() {
        // The end of one and the beginning of the next in one packet: never idle, and never too long at one.
        let (begun, end) = message.split_at(message.len() / 2);
        rest.extend_from_slice(begun);
        one.raw(&rest).await;
        rest = end.to_vec();
        if n > 0 {
            one.answer("pong", &(n - 1).to_string()).await;
        }
        server.pass_ms(99_999);
    }
    one.raw(&rest).await;
    one.answer("pong", "3").await;
}

#[tokio::test]
async fn time_that_the_server_takes_does_not_run_against_the_client() {
    let server = Server::limited(limits()).await;
    let mut one = server.session(1).await;
    // A post that takes long, the first half of a frame behind it, and the rest unread.
    let next = text(post("after", "after"));
    let (first, rest) = next.split_at(20);
    let mut packet = text(post("slow", "slow"));
    packet.extend_from_slice(first);
    one.raw(packet).await;
    server
        .until("the post is under way", |it| it.node.counters.requests.get() == 1)
        .await;
    one.raw(rest).await;
    for _ in 0..3 {
        // When it is closed, the sweeper has looked at the other too.
        let mut witness = server.session(2).await;
        witness.raw(&text(post("x", "x"))[..3]).await;
        heard_by_now(&server, "the frame was begun").await;
        server.pass_ms(250_000);
        witness.closed("overloaded", 4400, "later").await;
    }
    server.held.add_permits(1);
    one.wait_for("slow").await;
    one.wait_for("after").await;
}

#[tokio::test]
async fn who_does_not_close_after_us_is_cut_off_in_the_end() {
    let server = alone(limits()).await;
    let mut one = session(&server, 11).await;
    let operator = World::operator();
    server
        .node
        .disconnect(&operator, bongsu_model::UserId(11))
        .await
        .unwrap();
    one.closed("permission_denied", 4403, "now").await;
    // It has heard the end and says nothing: the socket is open until the time for it is over.
    let mut witness = server.connect().await;
    for _ in 0..2 {
        // Each time it is closed, the sweeper has looked at the other once more.
        server.pass_ms(1_999);
        witness.raw(frame(0x89, b"")).await;
        assert_eq!(witness.said().await, Said::Pong(Vec::new()));
    }
    server
        .until("its place is free", |it| {
            it.pass_ms(100);
            it.admission.counts().0 == 1 && it.node.sessions_count() == 0
        })
        .await;
    drop(one);
}

#[tokio::test]
async fn a_token_that_is_about_to_end_is_said_and_can_be_renewed() {
    let server = Server::limited(Limits {
        idle_ms: 10_000_000,
        ping_interval_ms: 3_000_000,
        ..limits()
    })
    .await;
    let end = server.node.now().0 + 1_000_000;
    let mut one = server.connect().await;
    one.auth(&format!("1/t/{end}")).await;
    one.answer("auth.ok", "auth").await;
    let mut renewed = server.connect().await;
    renewed.auth(&format!("2/t/{end}")).await;
    renewed.answer("auth.ok", "auth").await;
    one.wait("user.status").await;
    server.pass_ms(500_000);
    assert_eq!(one.settled().await, Vec::<Value>::new(), "no warning yet");
    server.pass_ms(450_000);
    for client in [&mut one, &mut renewed] {
        let told = client.expect("system.token_expiring").await;
        assert!(told["data"]["expires_at"].as_str().unwrap().ends_with('Z'));
    }
    renewed.send("auth_update", "u", json!({ "token": "2" })).await;
    renewed.answer("auth.ok", "u").await;
    server.pass_ms(50_001);
    one.closed("invalid_token", 4401, "never").await;
    assert_eq!(renewed.settled().await, Vec::<Value>::new());
}
