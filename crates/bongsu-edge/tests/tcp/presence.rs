//! Who is online, as those hear who share a room.

use bongsu_model::Limits;
use serde_json::json;

use crate::server::Server;

#[tokio::test]
async fn coming_and_going_are_per_user_and_a_blink_makes_no_noise() {
    let limits = Limits {
        presence_grace_ms: 100_000,
        ..Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    server.users([4]).await;
    server.room(2, &[4]).await;
    let mut one = server.session(1).await;
    let mut stranger = server.session(4).await;
    let first = server.session(2).await;
    let told = one.expect("USER_STATUS_CHANGED").await;
    assert!(told["seq_id"].as_str().unwrap().starts_with("status_"));
    assert_eq!(
        (&told["data"]["user_id"], &told["data"]["is_online"]),
        (&json!(2), &json!(true))
    );
    let second = server.session(2).await;
    drop(first);
    server
        .until("one session left", |it| it.node.sessions_count() == 3)
        .await;
    server.pass_ms(100_001);
    drop(second);
    server
        .until("no session left", |it| it.node.sessions_count() == 2)
        .await;
    // Back within the grace.
    let third = server.session(2).await;
    server.pass_ms(100_001);
    drop(third);
    server
        .until("no session left", |it| it.node.sessions_count() == 2)
        .await;
    let gone_at = server.node.now();
    one.send("JOIN_ROOM", "j", json!({ "chatroom_id": 1 })).await;
    one.answer("JOIN_ROOM_SUCCESS", "j").await;
    server.pass_ms(100_001);
    let told = one.expect_data("USER_STATUS_CHANGED").await;
    assert_eq!((&told["user_id"], &told["is_online"]), (&json!(2), &json!(false)));
    let last_seen = told["last_seen"].as_str().unwrap();
    assert!(last_seen <= gone_at.to_string().as_str(), "{last_seen} {gone_at}");
    assert_eq!(stranger.settled().await.len(), 0, "it shares no room with anyone");
}
