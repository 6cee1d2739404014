//! Clients that are sent to another node: all of them, or some.

use std::time::Duration;

use bongsu_model::Limits;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::{Socket, Version, event, message};
use crate::together::{limits, nodes, two};
use crate::world::PATIENCE;

/// A client that speaks as the type protocol has it, signed in.
async fn typed(server: &crate::server::Server, user: i64) -> Socket {
    let mut socket = server.socket(Version::V4).await;
    socket.next().await;
    let auth = json!({ "protocol": "type", "token": user.to_string() });
    socket.say(&format!("40{auth}")).await;
    socket.wait("auth.ok").await;
    socket
}

/// A message that is to be acknowledged.
fn asked(content: &str) -> String {
    message(content).replacen("42", "427", 1)
}

/// Whether a message was acknowledged.
fn is_kept(packet: &str) -> bool {
    packet.starts_with("437") && packet.contains("message_id")
}

/// Reads to the end: what was told about coming back, and for how long the socket was open.
async fn sent_away(mut socket: Socket) -> (Value, Duration) {
    let began = Instant::now();
    let told = tokio::time::timeout(PATIENCE, socket.end())
        .await
        .expect("an end");
    let shutdown = told.iter().find_map(|it| event(it, "system.shutdown"));
    (shutdown.unwrap_or_else(|| panic!("{told:?}")), began.elapsed())
}

#[tokio::test]
async fn who_is_on_a_node_that_drains_goes_at_a_moment_of_its_own_and_comes_back_elsewhere() {
    let [one, other] = two().await;
    let first = typed(&other.server, 1).await;
    let second = typed(&other.server, 2).await;
    one.done(202, "POST", "/api/v1/nodes/node-1/drain", "{}").await;
    for (told, open) in [sent_away(first).await, sent_away(second).await] {
        assert!(told["reconnect_after_ms"].as_u64().unwrap() >= 1_000, "{told}");
        // Far below the time that calls and commands have.
        assert!(open < Duration::from_secs(15), "{open:?}");
    }
    let mut refused = other.server.http().await;
    let answer = refused.get("/socket.io/?EIO=4&transport=polling").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    let mut back = one.server.session(Version::V4, 1).await;
    back.say(&[asked("again")]).await;
    while !is_kept(&back.next().await) {}
}

#[tokio::test]
async fn draining_that_is_taken_back_ends_nobody() {
    let [one, other] = two().await;
    let mut stays = typed(&other.server, 1).await;
    one.done(202, "POST", "/api/v1/nodes/node-1/drain", "{}").await;
    stays.wait("system.shutdown").await;
    one.done(202, "POST", "/api/v1/nodes/node-1/drain", r#"{"on":false}"#)
        .await;
    one.knows("node-1", "serving").await;
    // Longer than it was told to wait, by far.
    other.server.pass_ms(60_000);
    stays.say(&asked("still here")).await;
    while !is_kept(&stays.next().await) {}
}

#[tokio::test]
async fn what_is_being_carried_out_is_answered_before_its_session_ends() {
    let [one, other] = two().await;
    let mut busy = typed(&other.server, 1).await;
    let idle = typed(&other.server, 2).await;
    busy.say(&asked("slow to pass")).await;
    one.done(202, "POST", "/api/v1/nodes/node-1/drain", "{}").await;
    busy.wait("system.shutdown").await;
    // The moments of both are over once the one who is idle is gone and a while has passed for the other.
    sent_away(idle).await;
    other.server.pass_ms(10_000);
    one.until("/status", |_, _| other.server.node.sessions_count() == 1)
        .await;
    other.server.held.add_permits(1);
    let told = busy.end().await;
    assert!(told.iter().any(|it| is_kept(it)), "{told:?}");
}

#[tokio::test]
async fn so_many_as_were_asked_for_are_sent_away_at_the_rate() {
    let limits = Limits {
        sessions_per_user_max: 20,
        ..limits()
    };
    let both = nodes(2, limits, |_, wanted| wanted).await;
    let (one, other) = (&both[0], &both[1]);
    let mut sockets = Vec::new();
    for _ in 0..6 {
        sockets.push(typed(&other.server, 1).await);
    }
    let began = Instant::now();
    one.done(
        202,
        "POST",
        "/api/v1/nodes/node-1/shed",
        r#"{"sessions":4,"per_s":2}"#,
    )
    .await;
    other
        .server
        .until("four have gone", |it| it.node.sessions_count() == 2)
        .await;
    // The fourth is told after a second and a half, and has a second to go by itself.
    assert!(
        began.elapsed() >= Duration::from_millis(2_500),
        "{:?}",
        began.elapsed()
    );
    one.knows("node-1", "serving").await;
}
