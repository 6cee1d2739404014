//! Answers come in the order of the requests, and events in the order of the room.

use serde_json::{Value, json};

use crate::client::{ask, post};
use crate::server::Server;

#[tokio::test]
async fn a_batch_is_answered_one_by_one_in_order() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    let entries: Vec<Value> = vec![
        post(1, "1", "first"),
        ask("JOIN_ROOM", "2", &json!({ "chatroom_id": 99 })),
        post(1, "3", "second"),
        ask("SEND_MESSAGE", "4", &json!({ "chatroom_id": 1 })),
        post(9, "5", "no such room"),
        post(1, "6", "third"),
        ask("GET_MESSAGES", "7", &json!({ "chatroom_id": 1, "after_seq": 0 })),
        ask("NO_SUCH", "8", &json!({})),
        ask("JOIN_ROOM", "9", &json!({ "chatroom_id": 1 })),
    ];
    one.send("BATCH_MESSAGES", "all", json!({ "messages": entries }))
        .await;
    assert_eq!(one.answer("NEW_MESSAGE", "1").await["seq"], 1);
    one.refused("ROOM_NOT_FOUND", "2").await;
    assert_eq!(one.answer("NEW_MESSAGE", "3").await["seq"], 2);
    one.refused("INVALID_DATA", "4").await;
    one.refused("ROOM_NOT_FOUND", "5").await;
    assert_eq!(one.answer("NEW_MESSAGE", "6").await["seq"], 3);
    assert_eq!(
        one.answer("BATCH_MESSAGES", "7").await["messages"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    one.refused("INVALID_ACTION", "8").await;
    one.answer("JOIN_ROOM_SUCCESS", "9").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_answers_is_not_overtaken() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    for round in 0..10 {
        server.pass_ms(1_000);
        let create = json!({ "chatroom_id": 1, "video_room_name": "v", "max_participants": 2 });
        let page = json!({ "chatroom_id": 1, "after_seq": 0 });
        one.raw(
            ask("CREATE_VIDEO_ROOM", "made", &create).to_string()
                + &ask("GET_MESSAGES", "page", &page).to_string(),
        )
        .await;
        let call = one.answer("VIDEO_ROOM_CREATED", "made").await["video_room_id"].clone();
        one.answer("BATCH_MESSAGES", "page").await;
        let off = json!({ "audio_enabled": false, "video_enabled": false });
        let switch = json!({ "video_room_id": call, "media_status": off });
        let end = json!({ "video_room_id": call });
        one.raw(
            ask("MEDIA_STATUS_CHANGE", "switched", &switch).to_string()
                + &ask("GET_MESSAGES", "page", &page).to_string()
                + &ask("END_VIDEO_ROOM", "ended", &end).to_string()
                + &ask("GET_MESSAGES", "last", &page).to_string(),
        )
        .await;
        one.answer("PARTICIPANT_MEDIA_CHANGED", "switched").await;
        one.answer("BATCH_MESSAGES", "page").await;
        assert_eq!(
            one.expect_data("VIDEO_ROOM_ENDED").await["video_room_id"],
            call,
            "round {round}"
        );
        one.answer("BATCH_MESSAGES", "last").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_in_one_segment_is_answered_in_order() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    for round in 0..20 {
        server.pass_ms(1_000);
        let mut segment = String::new();
        for n in 0..5 {
            segment += &post(1, &format!("{round}-{n}"), &format!("{round}-{n}")).to_string();
        }
        segment += &ask(
            "GET_MESSAGES",
            "page",
            &json!({ "chatroom_id": 1, "before_seq": 1_000, "limit": 5 }),
        )
        .to_string();
        segment += &post(1, "last", &format!("last {round}")).to_string();
        segment += &ask("PING", "ping", &json!({})).to_string();
        one.raw(segment).await;
        for n in 0..5 {
            one.answer("NEW_MESSAGE", &format!("{round}-{n}")).await;
        }
        let page = one.answer("BATCH_MESSAGES", "page").await;
        let newest = page["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["seq"].as_u64().unwrap())
            .max();
        assert_eq!(newest, Some(round * 6 + 5));
        one.answer("NEW_MESSAGE", "last").await;
        one.answer("PONG", "ping").await;
    }
}

#[tokio::test]
async fn a_post_that_is_looked_at_for_long_keeps_its_place() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    one.raw(format!(
        "{}{}",
        post(1, "a", "slow one"),
        post(1, "b", "quick one")
    ))
    .await;
    server
        .until("both are under way", |it| it.node.counters.requests.get() == 2)
        .await;
    server.held.add_permits(1);
    assert_eq!(one.answer("NEW_MESSAGE", "a").await["seq"], 1);
    assert_eq!(one.answer("NEW_MESSAGE", "b").await["seq"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_hears_a_room_in_one_order_without_holes() {
    let server = Server::start().await;
    let mut all = [
        server.session(1).await,
        server.session(2).await,
        server.session(3).await,
    ];
    for n in 0..13 {
        for (who, client) in all.iter_mut().enumerate() {
            client.post(1, &format!("{who} {n}")).await;
        }
    }
    let mut heard = Vec::new();
    for client in &mut all {
        let mut lines = Vec::new();
        for seq in 1..=39 {
            let line = client.wait("NEW_MESSAGE").await;
            assert_eq!(line["data"]["seq"], seq);
            lines.push(line.to_string());
        }
        heard.push(lines);
    }
    assert_eq!(heard[0], heard[1]);
    assert_eq!(heard[1], heard[2], "the shared event is the same for all");
}
