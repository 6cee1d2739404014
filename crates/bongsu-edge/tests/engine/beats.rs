//! Heartbeats, which each version has the other way round.

use bongsu_model::Limits;

use crate::client::Version;
use crate::server::Server;

/// The clock jumps over deadlines, so these are far beyond what any step of a test takes.
fn limits() -> Limits {
    Limits {
        engine_ping_interval_ms: 40_000,
        engine_ping_timeout_ms: 30_000,
        sign_in_ms: 3_600_000,
        frame_ms: 3_600_000,
        ..Limits::DEFAULT
    }
}

#[tokio::test]
async fn version_4_is_pinged_at_every_interval_and_must_answer() {
    let server = Server::limited(limits()).await;
    server.stop_clock();
    let mut polled = server.polled(Version::V4).await;
    let mut socket = server.socket(Version::V4).await;
    assert!(socket.next().await.starts_with('0'));
    socket.say("40").await;
    assert!(socket.next().await.starts_with("40{"));
    for _ in 0..3 {
        polled.begin_poll().await;
        server.pass_ms(40_000);
        assert_eq!(polled.polled().await, ["2"]);
        assert_eq!(socket.next().await, "2");
        polled.say(&["3"]).await;
        socket.say("3").await;
        // It is heard before time passes.
        socket.say(r#"42["ping",{}]"#).await;
        socket.wait("server_error").await;
    }
    polled.begin_poll().await;
    server.pass_ms(40_000);
    assert_eq!(polled.polled().await, ["2"]);
    assert_eq!(socket.next().await, "2");
    server.pass_ms(29_999);
    polled.begin_poll().await;
    server.pass_ms(1);
    let answer = polled.polls.answer().await;
    match answer.status {
        200 => assert!(answer.body.ends_with("\u{1e}1"), "{answer:?}"),
        // It came only when the time was over.
        _ => answer.refused(400, 1),
    }
    polled.gone().await;
    socket.end().await;
    drop((polled, socket));
    server.until_empty().await;
    let idle = r#"bongsu_connections_closed_total{cause="idle"}"#;
    assert_eq!(server.metric(idle), 2);
}

#[tokio::test]
async fn version_3_pings_by_itself_and_is_answered() {
    let server = Server::limited(limits()).await;
    server.stop_clock();
    let mut polled = server.polled(Version::V3).await;
    let mut socket = server.socket(Version::V3).await;
    assert!(socket.next().await.starts_with('0'));
    assert_eq!(socket.next().await, "40");
    assert_eq!(polled.next().await, "40");
    for _ in 0..3 {
        server.pass_ms(69_999);
        polled.say(&["2"]).await;
        assert_eq!(polled.poll().await, ["3"]);
        socket.say("2still there?").await;
        assert_eq!(socket.next().await, "3still there?");
    }
    server.pass_ms(69_999);
    polled.say(&["2"]).await;
    server.pass_ms(1);
    socket.end().await;
    server.pass_ms(69_999);
    polled.gone().await;
    drop((polled, socket));
    server.until_empty().await;
}

#[tokio::test]
async fn who_posts_and_never_polls_is_not_there() {
    let server = Server::limited(limits()).await;
    server.stop_clock();
    for (version, beat) in [(Version::V4, "3"), (Version::V3, "2")] {
        let mut polled = server.polled(version).await;
        for _ in 0..6 {
            server.pass_ms(10_000);
            polled.say(&[beat]).await;
        }
        server.pass_ms(9_999);
        polled.say(&[beat]).await;
        server.pass_ms(1);
        polled.gone().await;
        drop(polled);
        server.until_empty().await;
    }
}

#[tokio::test]
async fn a_heartbeat_goes_on_over_the_change_of_the_transport() {
    let server = Server::limited(limits()).await;
    server.stop_clock();
    let session = server.session(Version::V4, 1).await;
    server.pass_ms(30_000);
    let mut socket = session.probe().await;
    socket.say("5").await;
    socket.say("41").await;
    server
        .until("it is heard there", |it| it.node.sessions_count() == 0)
        .await;
    server.pass_ms(10_000);
    assert_eq!(socket.next().await, "2", "40 s after the first handshake");
    server.pass_ms(30_000);
    socket.end().await;
}
