//! Requests of Socket.IO that come to another node than the one that has their session.

use crate::client::{Http, Socket, Version, message};
use crate::server::Wanted;
use crate::together::{limits, nodes, two};

#[tokio::test]
async fn a_session_is_polled_for_through_any_node() {
    let [one, other] = two().await;
    for version in Version::BOTH {
        let mut session = one.server.polled(version).await;
        // From now on a load balancer sends all that it says elsewhere.
        session.polls = other.server.http().await;
        session.posts = other.server.http().await;
        session.sign_in(1).await;
        session.begin_poll().await;
        session.say(&[message("through another node")]).await;
        let heard = loop {
            let packets = session.polled().await;
            if packets.iter().any(|it| it.contains("through another node")) {
                break packets;
            }
            session.begin_poll().await;
        };
        assert_eq!(heard.len(), 1, "{heard:?}");
    }
    assert_eq!(
        (
            one.server.node.sessions_count(),
            other.server.node.sessions_count()
        ),
        (2, 0)
    );
    let carried = "bongsu_socketio_forwarded_total{outcome=\"carried\"}";
    assert!(other.server.metric(carried) >= 6);
    assert_eq!(one.server.metric(carried), 0);
}

#[tokio::test]
async fn whoever_hangs_up_a_poll_that_was_carried_on_is_gone() {
    let [one, other] = two().await;
    let mut session = one.server.session(Version::V4, 1).await;
    session.polls = other.server.http().await;
    session.begin_poll().await;
    // It waits there once a body that came after it is answered.
    session.say(&["3"]).await;
    drop(session);
    let gone = |it: &crate::world::World| it.node.sessions_count() == 0;
    one.server.until("its session is gone", gone).await;
}

#[tokio::test]
async fn a_session_changes_to_a_websocket_through_another_node() {
    let [one, other] = two().await;
    let mut session = one.server.session(Version::V4, 1).await;
    let mut socket = Socket::open(other.server.address, &session.target("websocket")).await;
    socket.say("2probe").await;
    assert_eq!(socket.next().await, "3probe");
    // Clients change once a poll is answered.
    session.poll().await;
    socket.say("5").await;
    socket.say(&message("by a socket now")).await;
    let heard = socket.wait("message").await;
    assert_eq!(heard["content"], "by a socket now");
    drop((session, socket));
    let gone = |it: &crate::world::World| it.node.sessions_count() == 0;
    one.server.until("its session is gone", gone).await;
    other.server.until_empty().await;
}

#[tokio::test]
async fn where_nothing_is_carried_the_nodes_name_is_told() {
    let keeps = |number, wanted| Wanted {
        keeps_requests: number == 1,
        ..wanted
    };
    let both = nodes(2, limits(), keeps).await;
    let (one, other) = (&both[0], &both[1]);
    let session = one.server.polled(Version::V4).await;
    let answer = other.server.http().await.get(&session.target("polling")).await;
    answer.refused(400, 1);
    assert_eq!(answer.header("bongsu-node"), Some(&session.sid[..8]));
    // Nor is what was carried once carried on, or what is for a node that nobody knows.
    let theirs = other.server.polled(Version::V4).await;
    let mut http = one.server.http().await;
    http.ask(
        "GET",
        &theirs.target("polling"),
        &["Bongsu-Forwarded: 00000000"],
        "",
    )
    .await;
    let answer = http.answer().await;
    answer.refused(400, 1);
    assert_eq!(answer.header("bongsu-node"), Some(&theirs.sid[..8]));
    let nobody = theirs.target("polling").replace(&theirs.sid[..8], "00000000");
    let answer = one.server.http().await.get(&nobody).await;
    answer.refused(400, 1);
    assert_eq!(answer.header("bongsu-node"), Some("00000000"));
}

#[tokio::test]
async fn a_node_that_does_not_answer_any_more_costs_a_client_no_more_than_its_session() {
    let [one, mut other] = two().await;
    let session = other.server.polled(Version::V4).await;
    let target = session.target("polling");
    drop(session);
    other.server.tell_to_stop();
    let address = other.server.address;
    other.server.stopped().await;
    let answer = Http::open(one.server.address).await.get(&target).await;
    answer.refused(400, 1);
    assert!(answer.header("bongsu-node").is_some(), "{answer:?} of {address}");
    let failed = "bongsu_socketio_forwarded_total{outcome=\"failed\"}";
    assert_eq!(one.server.metric(failed), 1);
}
