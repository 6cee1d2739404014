//! Answers come in the order of the requests, events in the order of the room, and what was caused before what follows.

use bongsu_model::Limits;
use serde_json::{Value, json};

use crate::client::{Said, post, request, text, texts};
use crate::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_posted_is_heard_before_what_was_asked_after_it() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    for round in 0..20 {
        server.pass_ms(1_000);
        one.raw(texts(&[
            post("a", &format!("a {round}")),
            post("b", &format!("b {round}")),
            request("room.join", "join", &json!({ "room": "1" })),
            post("c", &format!("c {round}")),
            request(
                "room.history",
                "page",
                &json!({ "room": "1", "after_seq": round * 3 }),
            ),
            request("chat.read", "read", &json!({ "room": "1", "seq": round * 3 + 3 })),
            request("ping", "ping", &json!({})),
        ]))
        .await;
        let mut acks = Vec::new();
        let mut heard = Vec::new();
        while acks.len() + heard.len() < 4 {
            let mut message = one.next().await;
            if message["type"] == "chat.ack" {
                acks.push(message["ref_id"].take());
            } else if message["type"] != "chat.read" {
                assert_eq!(message["type"], "chat.message", "{message}");
                heard.push(message["data"]["text"].take());
                assert!(acks.len() >= heard.len(), "an answer comes before its event");
            }
        }
        assert_eq!(acks, ["a", "b"]);
        assert_eq!(heard, [format!("a {round}"), format!("b {round}")]);
        assert_eq!(one.answer("room.joined", "join").await["seq"], round * 3 + 2);
        one.answer("chat.ack", "c").await;
        assert_eq!(
            one.expect("chat.message").await["data"]["text"],
            format!("c {round}")
        );
        let page = one.answer("room.messages", "page").await;
        assert_eq!(page["messages"].as_array().unwrap().len(), 3);
        one.answer("chat.read.ok", "read").await;
        one.wait_for("ping").await;
    }
}

#[tokio::test]
async fn refusals_stand_where_their_requests_stood() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    let mut packet = texts(&[
        post("1", "first"),
        request("room.join", "2", &json!({ "room": 99 })),
        post("3", "second"),
        request("chat.message", "4", &json!({ "room": "1" })),
        request("chat.message", "5", &json!({ "room": 9, "text": "x" })),
        post("6", "third"),
    ]);
    packet.extend(text("nonsense"));
    packet.extend(texts(&[
        request("no.such", "8", &json!({})),
        request("ping", "9", &json!({})),
    ]));
    one.raw(packet).await;
    let mut ids: Vec<String> = Vec::new();
    let mut seq = 0;
    while ids.len() < 9 {
        let message = one.next().await;
        if message["type"] == "chat.message" {
            seq += 1;
            assert_eq!(message["data"]["seq"], seq);
            continue;
        }
        if message["type"] == "error" {
            // What was posted before was heard before.
            let posted = ids
                .iter()
                .filter(|it| ["1", "3", "6"].contains(&it.as_str()))
                .count();
            assert_eq!(seq, posted, "{ids:?} {message}");
        }
        ids.push(message["ref_id"].as_str().unwrap_or("none").to_owned());
    }
    assert_eq!(ids, ["1", "2", "3", "4", "5", "6", "none", "8", "9"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_posts_in_one_packet_are_all_acknowledged_in_order() {
    const COUNT: usize = 1_000;
    let server = Server::limited(Limits {
        posts_per_s: 1_000_000,
        posts_burst: 1_000_000,
        flood_repeats_max: 0,
        ..Limits::DEFAULT
    })
    .await;
    let mut one = server.session(1).await;
    let mut two = server.session(2).await;
    one.wait("user.status").await;
    let posts: Vec<_> = (1..=COUNT).map(|n| post(&n.to_string(), "x")).collect();
    one.raw(texts(&posts)).await;
    let (mut acked, mut heard) = (0, 0);
    while acked < COUNT || heard < COUNT {
        let message = one.next().await;
        if message["type"] == "chat.ack" {
            acked += 1;
            assert_eq!(message["ref_id"], acked.to_string());
            assert_eq!(message["data"]["seq"], acked);
        } else {
            assert_eq!(message["type"], "chat.message", "{message}");
            heard += 1;
            assert_eq!(message["data"]["seq"], heard);
            assert!(heard <= acked, "an answer comes before its event");
        }
    }
    for seq in 1..=COUNT {
        assert_eq!(two.expect("chat.message").await["data"]["seq"], seq);
    }
}

#[tokio::test]
async fn a_post_that_is_looked_at_for_long_keeps_its_place() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    one.raw(texts(&[
        post("a", "slow one"),
        post("b", "quick one"),
        request("ping", "p", &json!({})),
    ]))
    .await;
    server
        .until("both are under way", |it| it.node.counters.requests.get() == 2)
        .await;
    server.held.add_permits(1);
    assert_eq!(one.answer("chat.ack", "a").await["seq"], 1);
    assert_eq!(one.wait_for("b").await["data"]["seq"], 2);
    assert_eq!(one.wait_for("p").await["type"], "pong");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_hears_a_room_in_one_order_in_the_same_bytes() {
    let server = Server::start().await;
    let mut all = [
        server.session(1).await,
        server.session(2).await,
        server.session(3).await,
    ];
    for n in 0..13 {
        for (who, client) in all.iter_mut().enumerate() {
            client.post(&format!("{who} {n}")).await;
        }
    }
    let mut heard = Vec::new();
    for client in &mut all {
        let mut frames = Vec::new();
        while frames.len() < 39 {
            let frame = client.frame().await.unwrap();
            let Said::Text(message) = client.read(&frame) else {
                panic!("{frame:?}");
            };
            if message["type"] == "chat.message" {
                frames.push(frame);
                assert_eq!(message["data"]["seq"], frames.len());
            }
        }
        heard.push(frames);
    }
    assert_eq!(heard[0], heard[1]);
    assert_eq!(heard[1], heard[2], "one frame is shared by all");
}

#[tokio::test]
async fn ephemeral_events_are_shared_frames_as_well() {
    let server = Server::start().await;
    let mut all = [
        server.session(1).await,
        server.session(2).await,
        server.session(2).await,
    ];
    for client in &mut all {
        client.settled().await;
    }
    let mine = json!({ "room": "1", "x": 1, "nested": { "y": [1, 2] } });
    all[0].say(&json!({ "type": "game.move", "data": mine })).await;
    all[0].send("chat.typing", "t", json!({ "room": "1" })).await;
    let event = all[0].expect("game.move").await;
    assert_eq!(
        event["data"],
        json!({ "room": "1", "x": 1, "nested": { "y": [1, 2] }, "user_id": "1" })
    );
    let [_, two, three] = &mut all;
    for kind in ["game.move", "chat.typing"] {
        let (theirs, others) = (two.frame().await.unwrap(), three.frame().await.unwrap());
        assert_eq!(theirs, others);
        let Said::Text(message) = two.read(&theirs) else {
            panic!("{theirs:?}");
        };
        assert_eq!(message["type"], kind);
    }
    assert_eq!(
        all[0].settled().await,
        Vec::<Value>::new(),
        "typing is not told to who types"
    );
}
