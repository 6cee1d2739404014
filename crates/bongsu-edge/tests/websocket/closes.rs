//! The end of a connection as RFC 6455 has it: who closes is answered, and nothing is heard after a close.

use serde_json::json;

use crate::client::{Said, close, frame, post, request, text, texts};
use crate::server::Server;

#[tokio::test]
async fn a_close_is_answered_with_its_code_and_the_socket_ends() {
    let server = Server::start().await;
    for signed_in in [false, true] {
        for code in [1000, 1001, 1003, 1011, 1014, 3000, 4000, 4999] {
            let mut one = server.connect().await;
            if signed_in {
                one.sign_in(1).await;
            }
            one.raw(close(code, "잘 있어요".as_bytes())).await;
            assert_eq!(one.said().await, Said::Close(Some((code, String::new()))));
            one.end().await;
        }
        let mut one = server.connect().await;
        one.raw(frame(0x88, b"")).await;
        assert_eq!(one.said().await, Said::Close(None), "no code is answered by none");
        one.end().await;
    }
    server.until_empty().await;
}

#[tokio::test]
async fn what_came_before_a_close_is_answered_and_what_comes_after_is_not_heard() {
    let server = Server::start().await;
    let mut two = server.session(2).await;
    let mut one = server.session(1).await;
    let mut packet = texts(&[post("1", "first"), post("2", "second")]);
    packet.extend(close(1000, b""));
    packet.extend(texts(&[post("3", "third")]));
    packet.extend(frame(0x83, b"nonsense"));
    one.raw(packet).await;
    assert_eq!(one.wait_for("1").await["data"]["seq"], 1);
    assert_eq!(one.wait_for("2").await["data"]["seq"], 2);
    let mut heard = 0;
    loop {
        match one.said().await {
            Said::Text(message) => heard += u64::from(message["type"] == "chat.message"),
            said @ (Said::Ping | Said::Pong(_) | Said::Close(_)) => {
                assert_eq!(said, Said::Close(Some((1000, String::new()))));
                break;
            }
        }
    }
    assert!(
        (1..=2).contains(&heard),
        "what it caused is heard before its end: {heard}"
    );
    // It takes its time to hang up, and goes on talking.
    one.raw(text(post("4", "fourth"))).await;
    one.end().await;
    drop(one);
    server
        .until("its session is over", |it| it.node.sessions_count() == 1)
        .await;
    two.post("the last word").await;
    assert_eq!(two.wait_for("the last word").await["data"]["seq"], 3);
}

#[tokio::test]
async fn what_comes_after_our_close_is_dropped() {
    let server = Server::start().await;
    let mut two = server.session(2).await;
    let mut one = server.session(1).await;
    one.raw(frame(0x82, b"binary")).await;
    one.raw(texts(&[
        post("1", "late"),
        request("room.leave", "2", &json!({ "room": "1" })),
    ]))
    .await;
    // A close frame of its own is not answered once more.
    one.raw(close(1000, b"")).await;
    one.closed("invalid_data", 4400, "never").await;
    drop(one);
    server
        .until("its session is over", |it| it.node.sessions_count() == 1)
        .await;
    two.post("hello").await;
    assert_eq!(
        two.wait_for("hello").await["data"]["seq"],
        1,
        "nothing was posted"
    );
    two.send("room.join", "j", json!({ "room": "1" })).await;
    assert_eq!(
        two.wait_for("j").await["data"]["participants_count"],
        3,
        "nobody has left"
    );
}

#[tokio::test]
async fn the_error_is_received_though_the_client_sends_on() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    let mut flood = frame(0x82, b"");
    flood.extend(text(post("x", &"x".repeat(1_000))).repeat(4_000));
    one.raw(&flood).await;
    one.closed("invalid_data", 4400, "never").await;
    drop(one);
    server.until_empty().await;
}

#[tokio::test]
async fn who_has_finished_sending_is_still_answered() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    let posts: Vec<_> = (0..30)
        .map(|n| post(&n.to_string(), &format!("post {n}")))
        .collect();
    one.raw(texts(&posts)).await;
    tokio::io::AsyncWriteExt::shutdown(&mut one.writer).await.unwrap();
    for n in 0..30 {
        one.wait_for(&n.to_string()).await;
    }
    while one.next_or_end().await.is_some() {}
    drop(one);
    server.until_empty().await;
}

#[tokio::test]
async fn whoever_closes_is_offline_and_its_place_in_the_room_is_kept() {
    let server = Server::limited(bongsu_model::Limits {
        presence_grace_ms: 0,
        ..bongsu_model::Limits::DEFAULT
    })
    .await;
    let mut two = server.session(2).await;
    let mut one = server.session(1).await;
    let online = two.wait("user.status").await;
    assert_eq!(
        (&online["data"]["user_id"], &online["data"]["is_online"]),
        (&json!("1"), &json!(true))
    );
    one.raw(close(1000, b"")).await;
    let offline = two.wait("user.status").await;
    assert_eq!(
        (&offline["data"]["user_id"], &offline["data"]["is_online"]),
        (&json!("1"), &json!(false))
    );
    two.send("room.join", "j", json!({ "room": "1" })).await;
    let joined = two.wait_for("j").await;
    assert_eq!(joined["data"]["participants_count"], 3);
    assert_eq!(joined["data"]["online"].as_array().unwrap().len(), 1);
}
