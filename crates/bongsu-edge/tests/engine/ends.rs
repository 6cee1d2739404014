//! Who ends a session, and how its client hears of it.

use crate::client::{Version, event};
use crate::server::{Server, World};

#[tokio::test]
async fn a_server_that_stops_says_so_to_whoever_polls_and_does_not_wait() {
    let mut server = Server::start().await;
    let mut signed_in = server.session(Version::V4, 1).await;
    let mut old = server.session(Version::V3, 2).await;
    let mut nobody = server.polled(Version::V4).await;
    let mut socket = server.socket(Version::V4).await;
    assert!(socket.next().await.starts_with('0'));
    for polled in [&mut signed_in, &mut old, &mut nobody] {
        polled.begin_poll().await;
        // It waits once a body that came after it is answered.
        polled
            .say(&[if polled.version == Version::V3 { "6" } else { "3" }])
            .await;
    }
    server.tell_to_stop();
    for polled in [&mut signed_in, &mut old, &mut nobody] {
        let told = polled.polled().await;
        assert!(
            !told.iter().any(|packet| packet == "1"),
            "it would stay away: {told:?}"
        );
        let error = told.iter().find_map(|packet| event(packet, "server_error"));
        assert_eq!(error.unwrap()["code"], "SHUTTING_DOWN", "{told:?}");
    }
    let told = socket.end().await;
    assert!(
        told.iter().any(|packet| event(packet, "server_error").is_some()),
        "{told:?}"
    );
    drop((signed_in, old, nobody, socket));
    server.stopped().await;
}

#[tokio::test]
async fn whoever_is_disconnected_hears_why_at_its_next_poll() {
    let server = Server::start().await;
    let mut session = server.session(Version::V4, 1).await;
    server
        .node
        .disconnect(&World::operator(), bongsu_model::UserId(1))
        .await
        .unwrap();
    let told = session.poll().await;
    assert!(event(&told[0], "server_error").is_some(), "{told:?}");
    assert_eq!(told.len(), 1, "it would stay away: {told:?}");
    session.gone().await;
    drop(session);
    server.until_empty().await;
}

#[tokio::test]
async fn a_client_that_closes_is_gone_at_once() {
    let server = Server::start().await;
    for version in Version::BOTH {
        let mut session = server.session(version, 1).await;
        session.begin_poll().await;
        session
            .say(&[if version == Version::V3 { "6" } else { "3" }])
            .await;
        session.say(&["1"]).await;
        assert_eq!(session.polled().await, ["6"]);
        session.gone().await;
        drop(session);
        server.until_empty().await;
    }
    let mut socket = server.socket(Version::V4).await;
    assert!(socket.next().await.starts_with('0'));
    socket.say("1").await;
    assert!(socket.end().await.is_empty());
    drop(socket);
    server.until_empty().await;
}

#[tokio::test]
async fn a_session_takes_a_place_and_gives_it_back() {
    let limits = bongsu_model::Limits {
        connections_max: 4,
        ..bongsu_model::Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    // Two connections of HTTP, and the session.
    let mut session = server.polled(Version::V4).await;
    server
        .until("it is counted", |it| it.admission.counts().0 == 3)
        .await;
    let mut http = server.http().await;
    let answer = http.get("/socket.io/?EIO=4&transport=polling").await;
    answer.refused(503, 3);
    assert_eq!(answer.header("retry-after"), Some("1"));
    session.say(&["1"]).await;
    server
        .until("its place is free", |it| it.admission.counts().0 == 3)
        .await;
    let answer = http.get("/socket.io/?EIO=4&transport=polling").await;
    assert_eq!(answer.status, 200);
}
