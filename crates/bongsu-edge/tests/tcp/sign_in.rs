//! Before, at and after CONNECT: who is let in, and who is told what.

use bongsu_model::{Limits, UserId};
use serde_json::json;

use crate::server::Server;
use crate::world::World;

#[tokio::test]
async fn a_session_is_told_who_it_is_and_where_its_rooms_are() {
    let server = Server::start().await;
    server.history(1, 2, 3, 1).await;
    let mut one = server.connect().await;
    let told = one.sign_in(1).await;
    assert_eq!(told["user_id"], 1);
    let session = told["session_id"].as_str().unwrap();
    assert!(
        session.starts_with("session_") && session.len() == 40,
        "{session}"
    );
    assert!(told["server_time"].as_str().unwrap().ends_with('Z'));
    assert_eq!(told["ping_interval_ms"], 30_000);
    let rooms = told["rooms"].as_array().unwrap();
    assert_eq!(rooms.len(), 1);
    assert_eq!(
        (&rooms[0]["chatroom_id"], &rooms[0]["seq"]),
        (&json!(1), &json!(3))
    );
    assert_eq!(rooms[0]["epoch"].as_str().unwrap().len(), 16);
    assert_eq!(rooms[0].get("recovered"), None, "it did not resume");
}

#[tokio::test]
async fn whoever_asks_before_signing_in_is_refused_and_closed() {
    let server = Server::start().await;
    for action in ["PING", "JOIN_ROOM", "SEND_MESSAGE"] {
        let mut one = server.connect().await;
        one.send(
            action,
            "a",
            json!({ "chatroom_id": 1, "content": "x", "message_type": "text" }),
        )
        .await;
        let told = one.refused("NOT_AUTHENTICATED", "a").await;
        assert_eq!(told["original_action"], action);
        one.end().await;
    }
    let mut one = server.connect().await;
    one.raw(r#"{"action":"NO_SUCH","seq_id":"a"}{"action":"PING","seq_id":"b"}"#)
        .await;
    one.refused("INVALID_ACTION", "a").await;
    one.end().await;
    server.until_empty().await;
}

#[tokio::test]
async fn a_token_that_is_no_good_is_refused_and_closes() {
    let server = Server::start().await;
    for token in ["bad", "1/old/1"] {
        let mut one = server.connect().await;
        one.connect(json!({ "jwt_token": token })).await;
        let told = one.answer("CONNECT_ERROR", "connect").await;
        assert_eq!(told["error_code"], "INVALID_TOKEN");
        one.end().await;
    }
    let mut one = server.connect().await;
    one.connect(json!({})).await;
    assert_eq!(
        one.answer("CONNECT_ERROR", "connect").await["error_code"],
        "INVALID_DATA"
    );
    one.end().await;
    server.until_empty().await;
}

#[tokio::test]
async fn a_member_token_is_a_token_here_too() {
    let server = Server::start().await;
    let token = server.member_token(1).await;
    let mut one = server.connect().await;
    one.connect(json!({ "jwt_token": token })).await;
    assert_eq!(one.answer("CONNECT_SUCCESS", "connect").await["user_id"], 1);
    one.send("REFRESH_TOKEN", "r", json!({ "jwt_token": token }))
        .await;
    one.answer("REFRESH_TOKEN_SUCCESS", "r").await;
    one.post(1, "hello").await;
    one.wait("NEW_MESSAGE").await;
    let by = World::operator();
    let revoked = server.node.revoke_member_tokens(&by, UserId(1), None).await;
    assert_eq!(revoked, Ok(1));
    one.closed("INVALID_TOKEN", "never").await;
    let mut again = server.connect().await;
    again.connect(json!({ "jwt_token": token })).await;
    let told = again.answer("CONNECT_ERROR", "connect").await;
    assert_eq!(
        (&told["error_code"], &told["reason"]),
        (&json!("INVALID_TOKEN"), &json!("unknown_token"))
    );
    again.end().await;
}

#[tokio::test]
async fn a_second_connect_renews_the_token_of_the_same_subject_only() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    one.connect(json!({ "jwt_token": "1/second" })).await;
    assert!(one.answer("REFRESH_TOKEN_SUCCESS", "connect").await["expires_at"].is_string());
    one.connect(json!({ "jwt_token": "2" })).await;
    let told = one.answer("CONNECT_ERROR", "connect").await;
    assert_eq!(told["error_code"], "PERMISSION_DENIED");
    one.send("REFRESH_TOKEN", "r", json!({ "jwt_token": "2" })).await;
    one.refused("PERMISSION_DENIED", "r").await;
    one.send("REFRESH_TOKEN", "r", json!({ "jwt_token": "1/third" }))
        .await;
    one.answer("REFRESH_TOKEN_SUCCESS", "r").await;
    one.send("PING", "p", json!({})).await;
    one.answer("PONG", "p").await;
    one.send("REFRESH_TOKEN", "r", json!({ "jwt_token": "bad" }))
        .await;
    one.refused("INVALID_TOKEN", "r").await;
    one.closed("INVALID_TOKEN", "never").await;
}

#[tokio::test]
async fn an_envelope_may_not_name_another_user() {
    let server = Server::start().await;
    let mut one = server.connect().await;
    one.raw(r#"{"action":"CONNECT","seq_id":"c","user_id":2,"data":{"jwt_token":"1"}}"#)
        .await;
    assert_eq!(
        one.answer("CONNECT_ERROR", "c").await["error_code"],
        "PERMISSION_DENIED"
    );
    one.end().await;
    let mut one = server.session(1).await;
    for action in ["PING", "SEND_MESSAGE", "TYPING", "JOIN_ROOM"] {
        let data = r#"{"chatroom_id":1,"content":"x","message_type":"text","is_typing":true}"#;
        one.raw(format!(
            r#"{{"action":"{action}","seq_id":"f","user_id":2,"data":{data}}}"#
        ))
        .await;
        one.refused("PERMISSION_DENIED", "f").await;
    }
    one.raw(r#"{"action":"PING","seq_id":"p","user_id":1}"#).await;
    one.answer("PONG", "p").await;
}

#[tokio::test]
async fn errors_are_in_the_language_of_the_session() {
    let server = Server::start().await;
    let mut one = server.connect().await;
    one.connect(json!({ "jwt_token": "1", "locale": "ko-KR" })).await;
    one.answer("CONNECT_SUCCESS", "connect").await;
    one.send("NO_SUCH", "a", json!({})).await;
    let text = one.refused("INVALID_ACTION", "a").await;
    assert!(!text["message"].as_str().unwrap().is_ascii(), "{text}");
}

#[tokio::test]
async fn a_connection_too_many_is_told_when_to_come_back() {
    let limits = Limits {
        connections_per_address_max: 2,
        ..Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    let mut one = server.session(1).await;
    let _two = server.session(2).await;
    let mut three = server.connect().await;
    // What it says at once must not cost it the answer.
    three.connect(json!({ "jwt_token": "3" })).await;
    let told = three.expect_data("ERROR").await;
    assert_eq!(told["error_code"], "OVERLOADED");
    assert!(told["retry_after_ms"].as_u64().unwrap() > 0);
    drop(three);
    one.wait("USER_STATUS_CHANGED").await;
    drop(one);
    server
        .until("a place is free", |it| it.admission.counts().0 == 1)
        .await;
    server.session(3).await;
}

#[tokio::test]
async fn a_user_has_so_many_sessions_and_no_more() {
    let limits = Limits {
        sessions_per_user_max: 2,
        ..Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    let _both = (server.session(1).await, server.session(1).await);
    let mut third = server.connect().await;
    third.connect(json!({ "jwt_token": "1" })).await;
    assert_eq!(
        third.answer("CONNECT_ERROR", "connect").await["error_code"],
        "RATE_LIMITED"
    );
    third.end().await;
}
