//! Coming back: all that was missed before anything live, or nothing and a word.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bongsu_model::Limits;
use serde_json::{Value, json};

use crate::client::{Client, post};
use crate::server::Server;

async fn resume(client: &mut Client, user: i64, room: i64, seq: u64, epoch: &Value) -> Value {
    let point = json!([{ "chatroom_id": room, "seq": seq, "epoch": epoch }]);
    client
        .connect(json!({ "jwt_token": user.to_string(), "resume": point }))
        .await;
    client.answer("CONNECT_SUCCESS", "connect").await["rooms"][0].take()
}

/// The numbers of the messages in a line: one, a page, or none.
pub(crate) fn seqs(line: &Value) -> Vec<u64> {
    let number = |it: &Value| it["seq"].as_u64().unwrap();
    match line["action"].as_str().unwrap() {
        "NEW_MESSAGE" => vec![number(&line["data"])],
        "BATCH_MESSAGES" => line["data"]["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(number)
            .collect(),
        _ => vec![],
    }
}

#[tokio::test]
async fn a_resume_is_whole_or_refused() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    one.send("JOIN_ROOM", "j", json!({ "chatroom_id": 1 })).await;
    let epoch = one.answer("JOIN_ROOM_SUCCESS", "j").await["epoch"].take();
    drop(one);
    server.history(1, 2, 450, 1).await;

    let mut back = server.connect().await;
    assert_eq!(resume(&mut back, 1, 1, 3, &epoch).await["recovered"], true);
    let mut next = 4;
    while next <= 450 {
        let line = back.expect("BATCH_MESSAGES").await;
        for seq in seqs(&line) {
            assert_eq!(seq, next);
            next += 1;
        }
        assert_eq!(line["data"]["epoch"], epoch);
    }
    back.post(1, "live").await;
    assert_eq!(back.answer("NEW_MESSAGE", "live").await["seq"], 451);

    for (seq, epoch) in [(3, json!("0000000000000000")), (452, epoch.clone())] {
        let mut back = server.connect().await;
        assert_eq!(resume(&mut back, 1, 1, seq, &epoch).await["recovered"], false);
        assert_eq!(back.settled().await.len(), 0, "nothing is replayed");
    }
    let mut level = server.connect().await;
    assert_eq!(resume(&mut level, 1, 1, 451, &epoch).await["recovered"], true);
    assert_eq!(level.settled().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_comes_before_what_is_live_while_others_post() {
    let limits = Limits {
        posts_per_s: 100_000,
        posts_burst: 100_000,
        flood_repeats_max: 0,
        ..Limits::DEFAULT
    };
    let server = Arc::new(Server::limited(limits).await);
    server.history(1, 2, 500, 1).await;
    let mut reads = server.session(1).await;
    reads.send("JOIN_ROOM", "j", json!({ "chatroom_id": 1 })).await;
    let epoch = reads.answer("JOIN_ROOM_SUCCESS", "j").await["epoch"].take();
    drop(reads);
    let stop = Arc::new(AtomicBool::new(false));
    let posts = tokio::spawn({
        let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
        async move {
            let mut two = server.session(2).await;
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                let burst: String = (0..20)
                    .map(|n| post(1, "m", &format!("{count} {n}")).to_string())
                    .collect();
                two.raw(burst).await;
                for _ in 0..20 {
                    two.wait("NEW_MESSAGE").await;
                }
                count += 20;
            }
        }
    });
    for round in 0..10 {
        let mut back = server.connect().await;
        let room = resume(&mut back, 1, 1, round, &epoch).await;
        assert_eq!(room["recovered"], true);
        let head = room["seq"].as_u64().unwrap();
        let (mut next, mut live) = (round + 1, 0);
        while live < 30 || next <= head {
            let line = back.next().await;
            for seq in seqs(&line) {
                assert_eq!(seq, next, "round {round}");
                next += 1;
            }
            if line["action"] == "NEW_MESSAGE" {
                live += 1;
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    posts.await.unwrap();
}

#[tokio::test]
async fn a_join_may_ask_for_what_came_before() {
    let server = Server::start().await;
    server.users([4]).await;
    server.history(1, 2, 10, 1).await;
    let mut four = server.session(4).await;
    four.send("JOIN_ROOM", "j", json!({ "chatroom_id": 1, "after_seq": 6 }))
        .await;
    four.answer("JOIN_ROOM_SUCCESS", "j").await;
    assert_eq!(seqs(&four.expect("BATCH_MESSAGES").await), [7, 8, 9, 10]);
    four.post(1, "live").await;
    assert_eq!(four.answer("NEW_MESSAGE", "live").await["seq"], 11);
}
