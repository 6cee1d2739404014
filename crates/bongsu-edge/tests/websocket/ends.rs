//! Sessions that are ended from this side: the error, the code and the advice of each cause, in both subprotocols.

use bongsu_model::records::Revocation;
use bongsu_model::{Limits, UserId};
use serde_json::json;

use crate::client::{Client, Said, post, text};
use crate::server::{Server, World, until};

/// A session of each subprotocol.
async fn both(server: &Server, token: &str) -> [Client; 2] {
    let mut typed = server.connect().await;
    typed.auth(token).await;
    typed.answer("auth.ok", "auth").await;
    let mut action = server.action().await;
    action
        .say(&json!({ "action": "CONNECT", "seq_id": "c", "data": { "jwt_token": token } }))
        .await;
    assert_eq!(action.next().await["action"], "CONNECT_SUCCESS");
    [typed, action]
}

async fn are_closed(clients: [Client; 2], code: &str, close_code: u16, reconnect: &str) {
    let [mut typed, mut action] = clients;
    typed.closed(code, close_code, reconnect).await;
    loop {
        let told = action.next().await;
        if told["action"] == "SESSION_CLOSED" {
            assert_eq!(told["data"]["error_code"], code.to_uppercase(), "{told}");
            assert_eq!(told["data"]["reconnect"], reconnect, "{told}");
            break;
        }
    }
    action.close_frame(close_code, reconnect).await;
}

#[tokio::test]
async fn bans_disconnects_and_revocations_have_their_codes() {
    let server = Server::start().await;
    let (operator, node) = (World::operator(), &server.node);
    let mut bystander = server.session(3).await;

    let clients = both(&server, "1").await;
    node.ban(&operator, UserId(1), "rude".into()).await.unwrap();
    are_closed(clients, "permission_denied", 4403, "never").await;
    let mut again = server.connect().await;
    again.auth("1").await;
    again.closed("invalid_token", 4403, "never").await;

    let clients = both(&server, "2").await;
    node.disconnect(&operator, UserId(2)).await.unwrap();
    are_closed(clients, "permission_denied", 4403, "now").await;

    let clients = both(&server, "2/stolen").await;
    let revocation = Revocation {
        jti: "stolen".into(),
        expires_at: server.node.now().plus_ms(3_600_000),
    };
    node.revoke(&operator, revocation).await.unwrap();
    are_closed(clients, "invalid_token", 4401, "never").await;
    let mut again = Client::open(server.address).await;
    again.upgrade("/ws?token=2/stolen", None).await;
    let told = again.closed("invalid_token", 4401, "never").await;
    assert_eq!(told["reason"], "revoked");

    bystander.post("still here").await;
    bystander.wait_for("still here").await;
}

#[tokio::test]
async fn an_expired_token_ends_its_session() {
    let server = Server::limited(Limits {
        idle_ms: 10_000_000,
        ping_interval_ms: 3_000_000,
        ..Limits::DEFAULT
    })
    .await;
    let end = server.node.now().0 + 1_000_000;
    let clients = both(&server, &format!("1/t/{end}")).await;
    server.pass_ms(1_000_001);
    are_closed(clients, "invalid_token", 4401, "never").await;
    // Or with the next request, if that is sooner.
    let end = server.node.now().0 + 1_000_000;
    let mut one = server.connect().await;
    one.auth(&format!("1/t/{end}")).await;
    one.answer("auth.ok", "auth").await;
    server.pass_ms(1_000_001);
    one.say(&json!({ "type": "ping", "id": "p" })).await;
    one.closed("invalid_token", 4401, "never").await;
}

#[tokio::test]
async fn what_was_said_last_is_heard_before_the_end_of_an_expired_token() {
    let server = Server::limited(Limits {
        idle_ms: 10_000_000,
        ping_interval_ms: 3_000_000,
        ..Limits::DEFAULT
    })
    .await;
    server.stop_clock();
    let end = server.node.now().0 + 1_000_000;
    let mut one = server.connect().await;
    one.auth(&format!("1/t/{end}")).await;
    one.answer("auth.ok", "auth").await;
    server.pass_ms(999_999);
    one.post("just in time").await;
    one.wait_for("just in time").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_says_so_and_ends() {
    let mut server = Server::limited(Limits {
        slow_ms: 60_000,
        mailbox_bytes_max: 1 << 20,
        ..Limits::DEFAULT
    })
    .await;
    let [mut one, mut action] = both(&server, "1").await;
    let mut silent = server.connect().await;
    // Somebody who never reads must not keep it up.
    let mut never = server.narrow().await;
    never.auth("2").await;
    server
        .until("all are in", |it| it.node.sessions_count() == 3)
        .await;
    let node = std::sync::Arc::clone(&server.node);
    let stopping = tokio::spawn(async move { node.stop(2_000).await });
    let told = one.wait("system.shutdown").await;
    assert!(told["data"]["reconnect_after_ms"].as_u64().unwrap() > 0);
    one.raw(text(post("m", "the last word"))).await;
    one.wait_for("m").await;
    let mut late = server.connect().await;
    late.auth("3").await;
    let told = late.closed("shutting_down", 4503, "later").await;
    assert!(told["retry_after_ms"].as_u64().unwrap() > 0);
    one.closed("shutting_down", 4503, "later").await;
    while let Some(said) = action.next_or_end().await {
        if let Said::Close(close) = said {
            assert_eq!(close, Some((4503, "reconnect=later".to_owned())));
        }
    }
    stopping.await.unwrap();
    let (admission, address) = (std::sync::Arc::clone(&server.admission), server.address);
    server.tell_to_stop();
    silent.closed("shutting_down", 4503, "later").await;
    server.stopped().await;
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "nobody listens"
    );
    until("all connections are gone", || admission.counts().0 == 0).await;
}
