//! From polling to a WebSocket, and what may go wrong on the way.

use std::time::Duration;

use bongsu_model::Limits;

use crate::client::{Http, Polled, Socket, Version, event, message, text, upgrade};
use crate::order::talkative;
use crate::server::Server;

/// The contents of the messages among packets.
fn contents(packets: &[String]) -> Vec<u64> {
    let contents = packets.iter().filter_map(|packet| event(packet, "message"));
    contents
        .map(|it| it["content"].as_str().unwrap().parse().unwrap())
        .collect()
}

async fn says(polled: &mut Polled, content: u64) {
    polled.say(&[message(&content.to_string())]).await;
}

#[tokio::test]
async fn what_is_said_during_the_change_arrives_once_and_in_order() {
    let server = Server::limited(talkative()).await;
    for version in Version::BOTH {
        let mut other = server.session(Version::V4, 1).await;
        let mut changing = server.session(version, 2).await;
        let mut heard = Vec::new();
        says(&mut other, 0).await;
        heard.extend(contents(&changing.poll().await));
        changing.begin_poll().await;
        let mut socket = changing.probe().await;
        assert_eq!(changing.polled().await, ["6"], "the poll that waits is ended");
        says(&mut other, 1).await;
        // Whoever polls all the same must not wait, and takes nothing.
        assert_eq!(changing.poll().await, ["6"]);
        changing.say(&[message("2")]).await;
        says(&mut other, 3).await;
        // The change, and what is said right behind it, in one piece.
        let mut behind = text("5");
        behind.extend(text(&message("4")));
        behind.extend(text(&message("5")));
        socket.raw(behind).await;
        while heard.len() < 6 {
            heard.extend(contents(&[socket.next().await]));
        }
        assert_eq!(heard, [0, 1, 2, 3, 4, 5], "{version:?}");
        says(&mut other, 6).await;
        assert_eq!(socket.wait("message").await["content"], "6");
        changing.gone().await;
        let mut all = Vec::new();
        while all.len() < 7 {
            all.extend(contents(&other.poll().await));
        }
        assert_eq!(all, [0, 1, 2, 3, 4, 5, 6]);
    }
}

#[tokio::test]
async fn one_websocket_at_a_time_may_carry_a_session() {
    let server = Server::start().await;
    let mut session = server.session(Version::V4, 1).await;
    let mut first = session.probe().await;
    let refused = async |target: String| {
        let mut http = server.http().await;
        http.raw(upgrade(&target).request()).await;
        http.answer().await
    };
    refused(session.target("websocket")).await.refused(400, 3);
    first.say("5").await;
    first.say(&message("x")).await;
    assert_eq!(first.wait("message").await["content"], "x");
    refused(session.target("websocket")).await.refused(400, 1);
    session.gone().await;
    session.post(&["3"]).await.refused(400, 1);
}

#[tokio::test]
async fn what_is_said_behind_the_change_waits_for_the_body_before_it() {
    let server = Server::start().await;
    let mut session = server.session(Version::V4, 1).await;
    session.begin_post(&[message("slow"), message("after")]).await;
    let early = tokio::time::timeout(Duration::from_millis(200), session.posts.answer()).await;
    assert!(early.is_err(), "{early:?}");
    let mut socket = session.probe().await;
    let mut behind = text("5");
    behind.extend(text(&message("behind")));
    socket.raw(behind).await;
    let other = server.session(Version::V4, 2).await;
    server.held.add_permits(1);
    for content in ["slow", "after", "behind"] {
        assert_eq!(socket.wait("message").await["content"], content);
    }
    assert_eq!(session.posts.answer().await.body, "ok");
    drop(other);
}

/// A request for a page that is larger than what a poll takes: the next one waits until it has left.
fn page(id: u32) -> String {
    format!(r#"42{id}["room.history",{{"room":1,"limit":150}}]"#)
}

/// Reads on the socket until all these pages have come, in this order.
async fn pages(socket: &mut Socket, ids: impl Iterator<Item = u32>) {
    for id in ids {
        let ack = format!("43{id}[");
        while !socket.next().await.starts_with(&ack) {}
    }
}

/// Clients change when all that they posted is answered, and poll no more; so a body must not wait for what leaves when
/// they have changed.
#[tokio::test]
async fn a_body_that_waits_for_room_holds_no_change_up() {
    let server = Server::start().await;
    server.history(1, 2, 150, 2_000).await;
    for version in Version::BOTH {
        for probed_first in [false, true] {
            let mut session = server.session(version, 1).await;
            session.say(&[page(0)]).await;
            let mut probed = None;
            if probed_first {
                probed = Some(session.probe().await);
            }
            session.begin_post(&[page(1)]).await;
            let mut socket = match probed {
                Some(socket) => socket,
                None => {
                    let early = Duration::from_millis(200);
                    let early = tokio::time::timeout(early, session.posts.answer()).await;
                    assert!(early.is_err(), "who polls is held back: {early:?}");
                    session.probe().await
                }
            };
            assert_eq!(session.posts.answer().await.body, "ok");
            socket.say("5").await;
            pages(&mut socket, 0..=1).await;
            session.gone().await;
        }
    }
}

#[tokio::test]
async fn who_posts_on_and_on_instead_of_changing_is_held_back() {
    const BODIES_MAX: u32 = 4;
    let server = Server::start().await;
    server.history(1, 2, 150, 2_000).await;
    let mut session = server.session(Version::V4, 1).await;
    session.say(&[page(0)]).await;
    let mut socket = session.probe().await;
    for id in 1..=BODIES_MAX {
        session.say(&[page(id)]).await;
    }
    session.begin_post(&[page(BODIES_MAX + 1)]).await;
    let early = tokio::time::timeout(Duration::from_millis(200), session.posts.answer()).await;
    assert!(early.is_err(), "{early:?}");
    socket.say("5").await;
    pages(&mut socket, 0..=BODIES_MAX + 1).await;
    assert_eq!(session.posts.answer().await.body, "ok");
}

#[tokio::test]
async fn a_poll_that_waits_when_its_client_has_changed_is_refused() {
    let server = Server::start().await;
    for version in Version::BOTH {
        let mut session = server.session(version, 1).await;
        session.begin_poll().await;
        let mut socket = Socket::open(server.address, &session.target("websocket")).await;
        let mut both = text("2probe");
        both.extend(text("5"));
        socket.raw(both).await;
        assert_eq!(socket.next().await, "3probe");
        session.polls.answer().await.refused(400, 1);
        session.gone().await;
        socket.say(&message("x")).await;
        assert_eq!(socket.wait("message").await["content"], "x");
    }
}

#[tokio::test]
async fn who_hangs_up_a_poll_of_nothing_on_its_way_to_a_websocket_is_still_there() {
    let server = Server::start().await;
    for version in Version::BOTH {
        let mut session = server.session(version, 1).await;
        session.begin_poll().await;
        let mut socket = session.probe().await;
        session.polls = Http::open(server.address).await;
        socket.say("5").await;
        for content in ["x", "y"] {
            socket.say(&message(content)).await;
            assert_eq!(socket.wait("message").await["content"], content, "{version:?}");
            session.gone().await;
        }
    }
}

#[tokio::test]
async fn a_websocket_that_is_lost_gives_the_session_back() {
    let server = Server::start().await;
    let mut session = server.session(Version::V4, 1).await;
    for lost in ["dropped", "nonsense", "no probe", "another probe"] {
        let mut socket = match lost {
            "no probe" => {
                let mut socket = Socket::open(server.address, &session.target("websocket")).await;
                socket.say("5").await;
                socket
            }
            _ => session.probe().await,
        };
        match lost {
            "dropped" => drop(socket),
            "nonsense" => {
                socket.say("4hello").await;
                assert!(socket.end().await.is_empty());
            }
            "another probe" => {
                socket.say("2probed").await;
                assert!(socket.end().await.is_empty());
            }
            _ => assert!(socket.end().await.is_empty()),
        }
        // A poll that waits says that it is polled for again.
        let mut polls = 0;
        session.say(&[message(lost)]).await;
        loop {
            let packets = session.poll().await;
            if packets == ["6"] {
                polls += 1;
                assert!(polls < 10_000, "never polled for again");
                continue;
            }
            assert_eq!(event(&packets[0], "message").unwrap()["content"], lost);
            break;
        }
    }
    assert_eq!(server.node.sessions_count(), 1);
}

#[tokio::test]
async fn a_probe_that_leads_to_nothing_ends() {
    let limits = Limits {
        engine_upgrade_ms: 10_000,
        engine_ping_interval_ms: 40_000,
        engine_ping_timeout_ms: 40_000,
        ..Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    server.stop_clock();
    let mut session = server.session(Version::V4, 1).await;
    let mut silent = Socket::open(server.address, &session.target("websocket")).await;
    server.pass_ms(10_000);
    assert!(silent.end().await.is_empty());
    let mut probed = loop {
        // The one before gives it back a moment later.
        let mut http = server.http().await;
        let target = session.target("websocket");
        http.raw(upgrade(&target).request()).await;
        if http.answer().await.status == 101 {
            break http;
        }
    };
    probed.raw(text("2probe")).await;
    assert_eq!(session.poll().await, ["6"], "whether it waited or not");
    server.pass_ms(9_999);
    assert_eq!(session.poll().await, ["6"]);
    server.pass_ms(1);
    session.say(&[message("still here")]).await;
    loop {
        let packets = session.poll().await;
        if packets != ["6"] {
            assert_eq!(event(&packets[0], "message").unwrap()["content"], "still here");
            break;
        }
    }
}

#[tokio::test]
async fn a_session_that_ends_while_it_is_probed_ends_everywhere() {
    let server = Server::start().await;
    let mut session = server.session(Version::V4, 1).await;
    let mut socket = session.probe().await;
    session.say(&["1"]).await;
    assert!(socket.end().await.is_empty());
    session.gone().await;
    drop((session, socket));
    server.until_empty().await;
}

#[tokio::test]
async fn a_session_is_counted_once_whatever_carries_it() {
    let server = Server::start().await;
    let session = server.session(Version::V4, 1).await;
    let open = r#"bongsu_connections{protocol="socketio"}"#;
    let polling = r#"bongsu_socketio_connections{transport="polling"}"#;
    let websocket = r#"bongsu_socketio_connections{transport="websocket"}"#;
    let counts = || {
        (
            server.metric(open),
            server.metric(polling),
            server.metric(websocket),
        )
    };
    assert_eq!(counts(), (1, 1, 0));
    let mut socket = session.probe().await;
    socket.say("5").await;
    socket.say(&message("x")).await;
    socket.wait("message").await;
    assert_eq!(counts(), (1, 0, 1));
    drop((session, socket));
    server.until_empty().await;
    assert_eq!(counts(), (0, 0, 0));
    let opened = r#"bongsu_connections_opened_total{protocol="socketio"}"#;
    assert_eq!(server.metric(opened), 1);
}
