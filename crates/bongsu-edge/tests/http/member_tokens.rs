//! Member tokens: who gets in with them, and what ends when they are revoked.

use bongsu_model::{Limits, TokenHash, UserId};
use bongsu_store::{Store as _, TokenAdded};
use serde_json::{Value, json};

use crate::server::{NOW, Server};
use crate::sessions::sign_in;

async fn make(server: &Server, user: i64) -> (String, String) {
    let made = server
        .service("POST", &format!("/api/v1/users/{user}/tokens"), None)
        .await
        .is(201);
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    (text("token"), text("token_id"))
}

#[tokio::test]
async fn a_member_token_is_its_user_and_no_more() {
    let server = Server::start().await;
    server.users([1, 2]).await;
    let (token, _) = make(&server, 1).await;
    let call = async |token: &str, path: &str| server.call(token, "GET", path, None).await;
    assert_eq!(call(&token, "/api/v1/users/1").await.is(200)["user_id"], 1);
    call(&token, "/api/v1/users/2")
        .await
        .refused(403, "PERMISSION_DENIED");
    call(&token, "/api/v1/users")
        .await
        .refused(403, "PERMISSION_DENIED");
    let session = sign_in(&server, &token).await;
    assert_eq!(session.user, UserId(1));
    assert_eq!(session.expires_at().to_string(), "9999-12-31T23:59:59.999Z");
}

#[tokio::test]
async fn nothing_that_is_shown_is_a_member_token() {
    let server = Server::start().await;
    server.users([1]).await;
    let (token, token_id) = make(&server, 1).await;
    let user = server.service("GET", "/api/v1/users/1", None).await.is(200);
    let room = server
        .service("POST", "/api/v1/rooms", Some(json!({})))
        .await
        .is(201);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let hash = "ab".repeat(24);
    for (shown, reason) in [
        (text(&user["public_token"]), "unknown_token"),
        (text(&room["token"]), "unknown_token"),
        (hash, "unknown_token"),
        (token_id, "malformed"),
        (token.to_uppercase(), "malformed"),
        (token[1..].to_owned(), "malformed"),
    ] {
        let problem = server.call(&shown, "GET", "/api/v1/users/1", None).await;
        assert_eq!(problem.refused(401, "INVALID_TOKEN")["reason"], reason, "{shown}");
    }
    server.call(&token, "GET", "/api/v1/users/1", None).await.is(200);
}

#[tokio::test]
async fn a_revocation_cuts_what_the_token_opened_and_nothing_else() {
    let server = Server::start().await;
    server.users([1, 2]).await;
    let [(first, id), (second, _)] = [make(&server, 1).await, make(&server, 1).await];
    let (others, others_id) = make(&server, 2).await;
    let sessions = [
        sign_in(&server, &first).await,
        sign_in(&server, &second).await,
        sign_in(&server, "1/user").await,
        sign_in(&server, &others).await,
    ];
    let cut = || sessions.each_ref().map(|session| session.is_cut());
    let delete = async |path: &str| {
        let answer = server
            .service("DELETE", &format!("/api/v1/users/{path}"), None)
            .await;
        answer.is(200)["revoked"].as_u64().unwrap()
    };
    assert_eq!(
        delete(&format!("1/tokens/{others_id}")).await,
        0,
        "another user's"
    );
    assert_eq!(cut(), [false; 4]);
    assert_eq!(delete(&format!("1/tokens/{id}")).await, 1);
    assert_eq!(cut(), [true, false, false, false]);
    assert_eq!(delete(&format!("1/tokens/{id}")).await, 0, "it is gone");
    let refused = server.call(&first, "GET", "/api/v1/users/1", None).await;
    assert_eq!(refused.refused(401, "INVALID_TOKEN")["reason"], "unknown_token");
    server.call(&second, "GET", "/api/v1/users/1", None).await.is(200);
    assert_eq!(delete("1/tokens").await, 1);
    assert_eq!(cut(), [true, true, false, false]);
    server.call(&others, "GET", "/api/v1/users/2", None).await.is(200);
}

#[tokio::test]
async fn revoking_is_for_operators_and_by_a_whole_id() {
    let server = Server::start().await;
    server.users([1]).await;
    let (_, id) = make(&server, 1).await;
    let path = format!("/api/v1/users/1/tokens/{id}");
    server
        .user(1, "DELETE", &path, None)
        .await
        .refused(403, "PERMISSION_DENIED");
    for wrong in [
        &id[1..],
        &id.to_uppercase().replace(char::is_numeric, "F"),
        "x",
        &format!("{id}0"),
    ] {
        let path = format!("/api/v1/users/1/tokens/{wrong}");
        let problem = server
            .service("DELETE", &path, None)
            .await
            .refused(422, "INVALID_DATA");
        assert_eq!(problem["field"], "token_id", "{wrong}");
    }
    server.service("DELETE", &path, None).await.is(200);
    let audit = server.service("GET", "/api/v1/audit", None).await.is(200);
    let noted: Vec<_> = audit["entries"].as_array().unwrap()[..2]
        .iter()
        .map(|it| (it["action"].as_str().unwrap(), it["detail"].as_str().unwrap()))
        .collect();
    assert_eq!(
        noted,
        [("user.token_revoked", &*id), ("user.token_created", &*id)]
    );
}

#[tokio::test]
async fn a_token_too_many_is_refused() {
    let server = Server::start().await;
    server.users([1]).await;
    let max = Limits::DEFAULT.member_tokens_per_user_max;
    for number in 0..max - 1 {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let added = server
            .store
            .add_member_token(UserId(1), TokenHash(hash), None, bongsu_model::Timestamp(NOW))
            .await;
        assert_eq!(added.unwrap(), TokenAdded::Yes);
    }
    let (last, _) = make(&server, 1).await;
    let problem = server
        .service("POST", "/api/v1/users/1/tokens", None)
        .await
        .refused(429, "RATE_LIMITED");
    assert_eq!(problem["reason"], "tokens");
    server.call(&last, "GET", "/api/v1/users/1", None).await.is(200);
}
