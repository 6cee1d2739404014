//! Clients that break the rules, and those that go away.

use std::time::Duration;

use bongsu_model::Limits;

use crate::client::{Version, message};
use crate::order::talkative;
use crate::server::Server;

#[tokio::test]
async fn two_polls_at_once_end_the_session() {
    let server = Server::start().await;
    for version in Version::BOTH {
        let mut session = server.session(version, 1).await;
        session.begin_poll().await;
        let target = session.target("polling");
        let mut second = server.http().await;
        // The first must wait before the second comes.
        let answer = loop {
            let answer = second.get(&target).await;
            if answer.status == 400 {
                break answer;
            }
        };
        answer.refused(400, 3);
        session.poll_is_over().await;
        session.gone().await;
        drop((session, second));
        server.until_empty().await;
    }
}

#[tokio::test]
async fn two_bodies_at_once_end_the_session() {
    let server = Server::start().await;
    let mut session = server.session(Version::V4, 1).await;
    let target = session.target("polling");
    // The first is not complete.
    let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4");
    session.posts.raw(head).await;
    let mut second = server.http().await;
    let answer = loop {
        second
            .ask("POST", &target, &["Content-Type: text/plain"], "3")
            .await;
        let answer = second.answer().await;
        if answer.status == 400 {
            break answer;
        }
    };
    answer.refused(400, 3);
    session.gone().await;
    drop((session, second));
    server.until_empty().await;
}

#[tokio::test]
async fn a_giant_body_is_not_read_and_ends_the_session() {
    let server = Server::start().await;
    for announced in [true, false] {
        let mut session = server.session(Version::V4, 1).await;
        let target = session.target("polling");
        if announced {
            let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n");
            session.posts.raw(head).await;
        } else {
            let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
            session.posts.raw(head).await;
            let chunk = format!("8000\r\n{}\r\n", "4".repeat(0x8000));
            session
                .posts
                .raw(format!("{chunk}{chunk}1\r\n4\r\n0\r\n\r\n"))
                .await;
        }
        let answer = session.posts.answer().await;
        assert_eq!(answer.header("connection"), Some("close"));
        answer.refused(413, 3);
        session.gone().await;
        drop(session);
        server.until_empty().await;
    }
}

#[tokio::test]
async fn the_largest_body_is_carried_out() {
    let server = Server::start().await;
    let mut session = server.session(Version::V4, 1).await;
    // As many packets as there may be in one, and then as many bytes.
    session.say(&["3"; 10_000]).await;
    let empty = message("").len();
    let largest = message(&"x".repeat(65_536 - empty));
    assert_eq!(Version::V4.payload(&[&largest]).len(), 65_536);
    session.say(&[largest]).await;
    let error = session.wait("server_error").await;
    assert_eq!(
        error["code"], "MESSAGE_TOO_LARGE",
        "read, and refused for what it says: {error}"
    );
    session.post(&["3"; 10_001]).await.refused(400, 3);
}

#[tokio::test]
async fn what_no_client_sends_is_refused() {
    let server = Server::start().await;
    for (version, content_type, body) in [
        (Version::V4, "application/json", "3"),
        (Version::V4, "application/octet-stream", "3"),
        (Version::V4, "text/plain", "nonsense"),
        (Version::V4, "text/plain", "2"),
        (Version::V4, "text/plain", "4"),
        (Version::V4, "text/plain", ""),
        (Version::V3, "text/plain", "abc"),
        (Version::V3, "text/plain", "1:3"),
        (Version::V3, "text/plain", "9:2"),
        (Version::V3, "application/json", "1:2"),
    ] {
        let mut session = server.session(version, 1).await;
        let (target, content_type) = (session.target("polling"), format!("Content-Type: {content_type}"));
        session.posts.ask("POST", &target, &[&content_type], body).await;
        session.posts.answer().await.refused(400, 3);
        session.gone().await;
    }
}

#[tokio::test]
async fn a_poll_whose_client_has_gone_ends_the_session() {
    let server = Server::start().await;
    let mut session = server.session(Version::V4, 1).await;
    session.begin_poll().await;
    // It waits once a body that came after it is answered.
    session.say(&["3"]).await;
    let crate::client::Polled { polls, posts, .. } = session;
    drop(polls);
    server
        .until("the session is gone", |it| it.node.sessions_count() == 0)
        .await;
    drop(posts);
    server.until_empty().await;
}

#[tokio::test]
async fn who_polls_no_more_holds_no_more_than_its_budget_and_ends() {
    let limits = Limits {
        mailbox_bytes_max: 1024 * 1024,
        engine_ping_interval_ms: 40_000,
        engine_ping_timeout_ms: 40_000,
        slow_ms: 3_600_000,
        ..talkative()
    };
    let most = limits.mailbox_bytes_max + limits.mailbox_control_bytes_max + limits.frame_bytes_max;
    let server = Server::limited(limits).await;
    server.stop_clock();
    let vanished = server.session(Version::V4, 2).await;
    let mut speaker = server.session(Version::V4, 1).await;
    let packets: Vec<_> = (0..15).map(|_| message(&"x".repeat(4_000))).collect();
    for _ in 0..40 {
        speaker.say(&packets).await;
        speaker.poll().await;
        let waiting = server.node.counters.mailbox_bytes.get();
        assert!(waiting as usize <= 2 * most, "{waiting} bytes wait");
    }
    assert_eq!(server.node.sessions_count(), 2);
    server.pass_ms(40_000);
    speaker.wait_for_ping().await;
    speaker.say(&["3"]).await;
    server.pass_ms(40_000);
    server
        .until("the one that vanished is gone", |it| {
            it.node.sessions_count() == 1
        })
        .await;
    drop((vanished, speaker));
}

impl crate::client::Polled {
    async fn wait_for_ping(&mut self) {
        while self.next().await != "2" {}
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_not_waited_for() {
    let limits = Limits {
        frame_ms: 200,
        ..Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    let mut session = server.session(Version::V4, 1).await;
    let target = session.target("polling");
    let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4");
    session.posts.raw(head).await;
    let answer = tokio::time::timeout(Duration::from_secs(30), session.posts.answer()).await;
    answer.expect("in time").refused(400, 3);
    session.gone().await;
}
