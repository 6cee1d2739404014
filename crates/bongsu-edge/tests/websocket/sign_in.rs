//! Who is let in: by the first frame, the address or a header; and who is told what.

use bongsu_model::{Limits, UserId};
use serde_json::json;

use crate::client::{Client, upgrade};
use crate::server::{Server, World};

#[tokio::test]
async fn a_session_is_told_who_it_is_and_where_its_rooms_are() {
    let server = Server::start().await;
    server.history(1, 2, 3, 1).await;
    let mut one = server.connect().await;
    let told = one.sign_in(1).await;
    assert_eq!(
        (&told["user_id"], &told["username"]),
        (&json!("1"), &json!("nick 1"))
    );
    let session = told["session_id"].as_str().unwrap();
    assert!(
        session.starts_with("session_") && session.len() == 40,
        "{session}"
    );
    assert!(told["server_time"].as_str().unwrap().ends_with('Z'));
    assert!(told["expires_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(told["ping_interval_ms"], 30_000);
    let rooms = told["rooms"].as_array().unwrap();
    assert_eq!(rooms.len(), 1);
    assert_eq!(
        (&rooms[0]["room"], &rooms[0]["room_id"], &rooms[0]["seq"]),
        (&json!("1"), &json!(1), &json!(3))
    );
    assert_eq!(rooms[0].get("recovered"), None, "it did not resume");
}

#[tokio::test]
async fn a_token_may_come_with_the_handshake() {
    let server = Server::start().await;
    for (target, authorization, user) in [
        ("/ws?token=1", None, "1"),
        ("/ws?locale=ko&token=2%2Fjti&x=y", None, "2"),
        ("/ws", Some("Bearer 3"), "3"),
        ("/ws", Some("bearer 3"), "3"),
        // What stands in no log is preferred.
        ("/ws?token=2", Some("Bearer 1"), "1"),
        ("/ws?token=bad", Some("Bearer 1"), "1"),
        ("/ws?token=2", Some("Basic MTox"), "2"),
    ] {
        let mut client = Client::open(server.address).await;
        client
            .upgrade_with(&bongsu_wire::websocket::Upgrade {
                authorization,
                ..upgrade(target, None)
            })
            .await;
        let told = client.expect("auth.ok").await;
        assert_eq!(told["data"]["user_id"], user, "{target} {authorization:?}");
        assert_eq!(told.get("ref_id"), None, "no request of its own is answered");
    }
    server.until_empty().await;
}

#[tokio::test]
async fn a_member_token_is_a_token_here_too() {
    let server = Server::start().await;
    let token = server.member_token(2).await;
    let mut by_auth = server.connect().await;
    by_auth.auth(&token).await;
    assert_eq!(by_auth.expect("auth.ok").await["data"]["user_id"], "2");
    let mut by_address = Client::open(server.address).await;
    by_address.upgrade(&format!("/ws?token={token}"), None).await;
    assert_eq!(by_address.expect("auth.ok").await["data"]["user_id"], "2");
    let by = World::operator();
    let revoked = server.node.revoke_member_tokens(&by, UserId(2), None).await;
    assert_eq!(revoked, Ok(1));
    for mut cut in [by_auth, by_address] {
        cut.closed("invalid_token", 4401, "never").await;
    }
    let mut again = server.connect().await;
    again.auth(&token).await;
    again.closed("invalid_token", 4401, "never").await;
}

#[tokio::test]
async fn a_token_that_is_no_good_is_told_so_and_closed() {
    let server = Server::start().await;
    for (target, authorization) in [
        ("/ws?token=bad", None),
        ("/ws?token=1/old/1", None),
        ("/ws", Some("Bearer bad")),
        ("/ws?token=1", Some("Bearer bad")),
    ] {
        let mut client = Client::open(server.address).await;
        client
            .upgrade_with(&bongsu_wire::websocket::Upgrade {
                authorization,
                ..upgrade(target, None)
            })
            .await;
        let told = client.closed("invalid_token", 4401, "never").await;
        assert_eq!(told.get("ref_id"), None, "{target}");
    }
    for token in ["bad", "1/old/1"] {
        let mut client = server.connect().await;
        client.auth(token).await;
        let told = client.closed("invalid_token", 4401, "never").await;
        assert_eq!(told["ref_id"], "auth");
    }
    let mut client = server.connect().await;
    client.send("auth", "auth", json!({})).await;
    client.closed("invalid_data", 4400, "never").await;
    drop(client);
    server.until_empty().await;
}

#[tokio::test]
async fn an_address_that_says_two_things_is_not_guessed_at() {
    let server = Server::start().await;
    for target in ["/ws?token=1&token=2", "/ws?token=1&locale=en&locale=ko"] {
        let mut client = Client::open(server.address).await;
        client.raw(upgrade(target, None).request()).await;
        let answer = client.http().await;
        assert_eq!(answer.status, 400, "{target}: {answer:?}");
    }
}

#[tokio::test]
async fn whoever_asks_before_signing_in_is_refused_and_closed() {
    let server = Server::start().await;
    for (kind, code, close_code) in [
        ("ping", "not_authenticated", 4401),
        ("room.join", "not_authenticated", 4401),
        ("chat.message", "not_authenticated", 4401),
        ("auth_update", "not_authenticated", 4401),
        ("game.move", "not_authenticated", 4401),
        ("no.such", "unknown_type", 4400),
    ] {
        let mut one = server.connect().await;
        let data = json!({ "room": "1", "text": "x", "token": "1" });
        one.send(kind, "a", data).await;
        let told = one.closed(code, close_code, "never").await;
        assert_eq!(told["ref_id"], "a", "{kind}");
    }
    let mut one = server.connect().await;
    one.raw(crate::client::text("nonsense")).await;
    one.closed("invalid_data", 4400, "never").await;
    drop(one);
    server.until_empty().await;
}

#[tokio::test]
async fn what_is_said_behind_a_refusal_is_not_heard() {
    let server = Server::start().await;
    let mut one = server.connect().await;
    one.raw(crate::client::texts(&[
        json!({ "type": "ping", "id": "a" }),
        json!({ "type": "auth", "id": "b", "data": { "token": "1" } }),
    ]))
    .await;
    let told = one.closed("not_authenticated", 4401, "never").await;
    assert_eq!(told["ref_id"], "a");
    assert_eq!(server.node.sessions_count(), 0);
}

#[tokio::test]
async fn a_second_auth_renews_the_token_of_the_same_subject_only() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    one.auth("1/second").await;
    assert_eq!(one.answer("auth.ok", "auth").await["user_id"], "1");
    one.auth("2").await;
    one.refused("permission_denied", "auth").await;
    one.send("auth_update", "u", json!({ "token": "2" })).await;
    one.refused("permission_denied", "u").await;
    one.say(&json!({ "type": "auth_update", "id": "t", "token": "1/third" }))
        .await;
    one.answer("auth.ok", "t").await;
    one.send("auth_update", "u", json!({ "token": "1/fourth" })).await;
    one.answer("auth.ok", "u").await;
    one.send("auth_update", "u", json!({ "token": "bad" })).await;
    one.refused("invalid_token", "u").await;
    one.closed("invalid_token", 4401, "never").await;
}

#[tokio::test]
async fn texts_are_in_the_language_of_the_address_or_of_the_sign_in() {
    let server = Server::start().await;
    let korean = |error: &serde_json::Value| !error["message"].as_str().unwrap().is_ascii();
    for (target, said, expected) in [
        ("/ws?locale=ko", None, true),
        ("/ws?locale=ko-KR", None, true),
        ("/ws?locale=fr", None, false),
        ("/ws", Some("ko"), true),
        ("/ws?locale=ko", Some("en"), false),
        ("/ws", None, false),
    ] {
        let mut one = Client::open(server.address).await;
        one.upgrade(target, None).await;
        let mut data = json!({ "token": "1" });
        if let Some(locale) = said {
            data["locale"] = locale.into();
        }
        one.send("auth", "a", data).await;
        one.wait_for("a").await;
        one.send("no.such", "n", json!({})).await;
        let error = one.refused("unknown_type", "n").await;
        assert_eq!(korean(&error), expected, "{target} {said:?}: {error}");
    }
    let mut one = Client::open(server.address).await;
    one.upgrade("/ws?locale=ko&token=bad", None).await;
    assert!(korean(&one.closed("invalid_token", 4401, "never").await));
    let mut one = Client::open(server.address).await;
    one.upgrade("/ws?locale=ko&token=1", None).await;
    one.expect("auth.ok").await;
    one.send("no.such", "n", json!({})).await;
    assert!(korean(&one.wait_for("n").await));
}

#[tokio::test]
async fn a_user_has_so_many_sessions_over_all_protocols() {
    let server = Server::limited(Limits {
        sessions_per_user_max: 2,
        ..Limits::DEFAULT
    })
    .await;
    let _one = server.session(1).await;
    let mut two = server.action().await;
    two.say(&json!({ "action": "CONNECT", "seq_id": "c", "data": { "jwt_token": "1" } }))
        .await;
    assert_eq!(two.next().await["action"], "CONNECT_SUCCESS");
    let mut third = server.connect().await;
    third.auth("1").await;
    third.closed("rate_limited", 4429, "later").await;
}
