//! Sessions that are ended from this side: told why, and the stream ends.

use bongsu_model::records::Revocation;
use bongsu_model::{Limits, UserId};
use serde_json::json;

use crate::client::{Client, post};
use crate::server::{Server, until};

/// The clock jumps far, and nobody is closed for saying nothing meanwhile.
fn patient() -> Limits {
    Limits {
        idle_ms: 10_000_000,
        ..Limits::DEFAULT
    }
}

#[tokio::test]
async fn bans_disconnects_and_revocations_cut_live_sessions() {
    let server = Server::start().await;
    let operator = Server::operator();
    let node = &server.node;
    let mut bystander = server.session(3).await;

    let mut both = [server.session(1).await, server.session(1).await];
    node.ban(&operator, UserId(1), "rude".into()).await.unwrap();
    for client in &mut both {
        client.closed("PERMISSION_DENIED", "never").await;
    }
    // They do not hang up, and still their sessions are over soon.
    server
        .until("the sessions of the banned are over", |it| {
            it.node.sessions_count() == 1
        })
        .await;
    let mut again = server.connect().await;
    again.connect(json!({ "jwt_token": "1" })).await;
    assert_eq!(
        again.answer("CONNECT_ERROR", "connect").await["error_code"],
        "INVALID_TOKEN"
    );
    again.end().await;

    let mut two = server.session(2).await;
    node.disconnect(&operator, UserId(2)).await.unwrap();
    two.closed("PERMISSION_DENIED", "now").await;
    let mut two = server.connect().await;
    two.connect(json!({ "jwt_token": "2/stolen" })).await;
    two.answer("CONNECT_SUCCESS", "connect").await;
    let revocation = Revocation {
        jti: "stolen".into(),
        expires_at: server.node.now().plus_ms(3_600_000),
    };
    node.revoke(&operator, revocation).await.unwrap();
    two.closed("INVALID_TOKEN", "never").await;
    let mut again = server.connect().await;
    again.connect(json!({ "jwt_token": "2/stolen" })).await;
    assert_eq!(
        again.answer("CONNECT_ERROR", "connect").await["reason"],
        "revoked"
    );
    let mut third = server.session(2).await;
    third
        .send("REFRESH_TOKEN", "r", json!({ "jwt_token": "2/stolen" }))
        .await;
    third.refused("INVALID_TOKEN", "r").await;
    bystander.post(1, "still here").await;
    bystander.wait("NEW_MESSAGE").await;
}

#[tokio::test]
async fn a_token_is_warned_of_then_ends_its_session() {
    let server = Server::limited(patient()).await;
    let end = server.node.now().0 + 1_000_000;
    let mut one = server.connect().await;
    one.connect(json!({ "jwt_token": format!("1/t/{end}") })).await;
    one.answer("CONNECT_SUCCESS", "connect").await;
    let mut renewed = server.connect().await;
    renewed
        .connect(json!({ "jwt_token": format!("2/t/{end}") }))
        .await;
    renewed.answer("CONNECT_SUCCESS", "connect").await;
    one.wait("USER_STATUS_CHANGED").await;
    server.pass_ms(500_000);
    assert_eq!(one.settled().await.len(), 0, "no warning yet");
    server.pass_ms(450_000);
    for client in [&mut one, &mut renewed] {
        assert!(client.expect_data("TOKEN_EXPIRING").await["expires_at"].is_string());
    }
    renewed
        .send("REFRESH_TOKEN", "r", json!({ "jwt_token": "2" }))
        .await;
    renewed.answer("REFRESH_TOKEN_SUCCESS", "r").await;
    server.pass_ms(50_001);
    one.closed("INVALID_TOKEN", "never").await;
    assert_eq!(renewed.settled().await.len(), 0);
}

#[tokio::test]
async fn an_expired_token_is_good_for_no_request_even_before_the_session_is_ended() {
    let server = Server::limited(patient()).await;
    let end = server.node.now().0 + 1_000_000;
    let mut one = server.connect().await;
    one.connect(json!({ "jwt_token": format!("1/t/{end}") })).await;
    one.answer("CONNECT_SUCCESS", "connect").await;
    server.pass_ms(1_000_001);
    one.send("PING", "p", json!({})).await;
    one.closed("INVALID_TOKEN", "never").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_says_so_and_ends() {
    let limits = Limits {
        slow_ms: 60_000,
        mailbox_bytes_max: 1 << 20,
        ..Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    let mut one = server.session(1).await;
    let _silent = server.connect().await;
    // Somebody who never reads must not keep it up.
    let mut never = Client::narrow(server.address).await;
    never.connect(json!({ "jwt_token": "2" })).await;
    server
        .until("both are in", |it| it.node.sessions_count() == 2)
        .await;
    one.wait("USER_STATUS_CHANGED").await;
    let node = std::sync::Arc::clone(&server.node);
    let stopping = tokio::spawn(async move { node.stop(2_000).await });
    let told = one.expect_data("SERVER_SHUTDOWN").await;
    assert!(told["reconnect_after_ms"].as_u64().unwrap() > 0);
    assert_eq!(told["resume"], true);
    one.raw(post(1, "m", "the last word").to_string()).await;
    assert_eq!(one.answer("NEW_MESSAGE", "m").await["content"], "the last word");
    let mut late = server.connect().await;
    late.connect(json!({ "jwt_token": "3" })).await;
    let told = late.answer("CONNECT_ERROR", "connect").await;
    assert_eq!(told["error_code"], "SHUTTING_DOWN");
    assert!(told["retry_after_ms"].as_u64().unwrap() > 0);
    one.closed("SHUTTING_DOWN", "later").await;
    stopping.await.unwrap();
    let (admission, address) = (std::sync::Arc::clone(&server.admission), server.address);
    server.tell_to_stop();
    server.stopped().await;
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "nobody listens"
    );
    until("all connections are gone", || admission.counts().0 == 0).await;
}
