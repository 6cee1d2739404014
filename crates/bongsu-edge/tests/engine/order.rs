//! What is said and heard keeps its order, whatever carries it.

use std::time::Duration;

use bongsu_model::Limits;
use serde_json::json;

use crate::client::{Polled, Version, event, message};
use crate::server::Server;

/// Nobody says too much.
pub(crate) fn talkative() -> Limits {
    Limits {
        posts_per_s: 1_000_000,
        posts_burst: 1_000_000,
        flood_repeats_max: 0,
        ..Limits::DEFAULT
    }
}

/// Reads messages until this many have come: they are 0, 1, 2, …, each once.
async fn hears(polled: &mut Polled, count: u64) {
    let mut next = 0;
    while next < count {
        let packet = polled.next().await;
        if let Some(message) = event(&packet, "message") {
            assert_eq!(message["content"], next.to_string(), "{message}");
            assert_eq!(message["seq"], next + 1);
            next += 1;
        }
    }
}

#[tokio::test]
async fn two_thousand_events_are_heard_in_their_order() {
    const COUNT: u64 = 2_000;
    let server = Server::limited(talkative()).await;
    let mut speaker = server.session(Version::V4, 1).await;
    let mut new = server.session(Version::V4, 2).await;
    let mut old = server.session(Version::V3, 3).await;
    let speaking = async {
        for first in (0..COUNT).step_by(50) {
            let packets: Vec<_> = (first..first + 50).map(|it| message(&it.to_string())).collect();
            speaker.begin_post(&packets).await;
            assert_eq!(speaker.posts.answer().await.body, "ok");
            // Its own come back, too, and must not pile up.
            speaker.poll().await;
        }
    };
    tokio::join!(speaking, hears(&mut new, COUNT), hears(&mut old, COUNT));
}

#[tokio::test]
async fn a_body_is_answered_once_it_is_carried_out_and_its_acks_are_in_order() {
    let server = Server::limited(talkative()).await;
    for version in Version::BOTH {
        let mut session = server.session(version, 1).await;
        let packets: Vec<_> = (0..20)
            .map(|id| {
                let message = json!({ "to": { "type": "ROOM", "room": 1 }, "content": "x" });
                format!("42{id}{}", json!(["message", message]))
            })
            .collect();
        let before = server.node.counters.mailbox_bytes.get();
        session.say(&packets).await;
        assert!(
            server.node.counters.mailbox_bytes.get() > before,
            "the answers wait already"
        );
        let mut acks = Vec::new();
        while acks.len() < 20 {
            let packet = session.next().await;
            if let Some(ack) = packet.strip_prefix("43") {
                acks.push(ack.split_once('[').unwrap().0.parse::<u32>().unwrap());
            }
        }
        assert!(acks.iter().copied().eq(0..20), "{acks:?}");
    }
}

#[tokio::test]
async fn all_that_waits_for_a_poll_is_in_one_answer() {
    let server = Server::limited(talkative()).await;
    let mut listener = server.session(Version::V4, 2).await;
    let mut speaker = server.session(Version::V4, 1).await;
    let packets: Vec<_> = (0..10).map(|it| message(&it.to_string())).collect();
    speaker.say(&packets).await;
    server
        .until("they wait", |it| it.node.counters.mailbox_bytes.get() > 4_000)
        .await;
    let heard = listener.poll().await;
    let heard = heard.iter().filter(|packet| event(packet, "message").is_some());
    assert_eq!(heard.count(), 10);
}

#[tokio::test]
async fn a_body_is_not_answered_before_it_is_carried_out() {
    let server = Server::start().await;
    let mut session = server.session(Version::V4, 1).await;
    session.begin_post(&[message("slow"), message("next")]).await;
    let early = tokio::time::timeout(Duration::from_millis(200), session.posts.answer()).await;
    assert!(early.is_err(), "{early:?}");
    server.held.add_permits(1);
    assert_eq!(session.posts.answer().await.body, "ok");
    assert_eq!(session.wait("message").await["content"], "slow");
    assert_eq!(session.wait("message").await["content"], "next");
}

#[tokio::test]
async fn what_is_carried_out_is_done_though_its_client_has_gone() {
    let server = Server::start().await;
    let mut witness = server.session(Version::V4, 2).await;
    let mut session = server.session(Version::V4, 1).await;
    session
        .begin_post(&[message("slow"), message("never read")])
        .await;
    let early = tokio::time::timeout(Duration::from_millis(200), session.posts.answer()).await;
    assert!(early.is_err(), "{early:?}");
    drop(session);
    // Each has a place of its own, and the witness two connections.
    server
        .until("its connections are gone", |it| it.admission.counts().0 == 4)
        .await;
    server.held.add_permits(1);
    assert_eq!(witness.wait("message").await["content"], "slow");
    witness.say(&["1"]).await;
    drop(witness);
    server.until_empty().await;
}

#[tokio::test]
async fn a_page_that_is_larger_than_an_answer_comes_whole() {
    let server = Server::start().await;
    server.history(1, 2, 150, 2_000).await;
    for version in Version::BOTH {
        let mut session = server.session(version, 1).await;
        session
            .say(&[r#"427["room.history",{"room":1,"limit":150}]"#])
            .await;
        let page = loop {
            if let Some(page) = session.next().await.strip_prefix("437") {
                break serde_json::from_str::<serde_json::Value>(page).unwrap();
            }
        };
        assert_eq!(page[0]["messages"].as_array().unwrap().len(), 150);
    }
}

#[tokio::test]
async fn who_polls_rarely_hears_all_there_was() {
    const COUNT: u64 = 600;
    let server = Server::limited(talkative()).await;
    let mut slow = server.session(Version::V4, 2).await;
    let mut speaker = server.session(Version::V4, 1).await;
    let filler = "x".repeat(3_000);
    for first in (0..COUNT).step_by(15) {
        let packets: Vec<_> = (first..first + 15)
            .map(|it| message(&format!("{it} {filler}")))
            .collect();
        speaker.say(&packets).await;
        speaker.poll().await;
    }
    let mut next = 0;
    while next < COUNT {
        if let Some(message) = event(&slow.next().await, "message") {
            let content = message["content"].as_str().unwrap();
            assert_eq!(content.split(' ').next(), Some(next.to_string().as_str()));
            next += 1;
        }
    }
}
