//! Very many connections that say nothing, or go as soon as they have come.

use bongsu_model::Limits;
use serde_json::json;

use crate::server::Server;

const MANY: usize = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_that_say_nothing_disturb_nobody() {
    let limits = Limits {
        connections_per_address_max: MANY + 1,
        sign_in_ms: 1_000_000,
        ..Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    let mut silent = Vec::new();
    for _ in 0..MANY {
        silent.push(server.connect().await);
    }
    let mut one = server.session(1).await;
    one.post(1, "hello").await;
    one.answer("NEW_MESSAGE", "hello").await;
    server.pass_ms(89_000);
    one.send("PING", "p", json!({})).await;
    one.answer("PONG", "p").await;
    server.pass_ms(1_000);
    for client in &mut silent {
        client.closed("OVERLOADED", "now").await;
    }
    drop(silent);
    one.post(1, "still here").await;
    one.answer("NEW_MESSAGE", "still here").await;
    drop(one);
    server.until_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_come_and_go_leave_nothing() {
    let limits = Limits {
        presence_grace_ms: 0,
        ..Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    for round in 0..100_i64 {
        let mut one = server.connect().await;
        if round % 4 > 0 {
            one.connect(json!({ "jwt_token": (round % 3 + 1).to_string() }))
                .await;
        }
        if round % 4 > 1 {
            one.answer("CONNECT_SUCCESS", "connect").await;
        }
        if round % 4 > 2 {
            one.raw("{\"action\":").await;
        }
    }
    server.until_empty().await;
    server
        .until("nobody is online, nothing is heard", |it| {
            it.node.present() == (0, 0) && it.node.rooms_count() == 0
        })
        .await;
}
