//! Very many connections that say nothing, or go as soon as they have come.

use bongsu_model::Limits;

use crate::client::{Client, close, frame, head, lines, post, text};
use crate::server::{Server, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_come_and_go_leave_nothing() {
    let server = Server::limited(Limits {
        presence_grace_ms: 0,
        connections_per_address_max: 1_000,
        joins_burst: 1_000,
        sessions_per_user_max: 200,
        ..Limits::DEFAULT
    })
    .await;
    for round in 0..200_i64 {
        let mut one = Client::open(server.address).await;
        let user = (round % 3 + 1).to_string();
        let handshake = head("GET /ws HTTP/1.1", &lines());
        match round % 10 {
            // Not even a handshake, half of one, and a whole one whose answer nobody reads.
            0 => {}
            1 => one.raw(&handshake[..40]).await,
            2 => one.raw(&handshake).await,
            // Gone with the handshake's token under way.
            3 => {
                one.raw(handshake.replace("/ws", &format!("/ws?token={user}")))
                    .await
            }
            step => {
                one.upgrade("/ws", None).await;
                if step > 4 {
                    one.auth(&user).await;
                }
                if step > 5 {
                    one.answer("auth.ok", "auth").await;
                }
                match step {
                    7 => one.raw(&text(post("x", "half"))[..9]).await,
                    8 => one.raw(close(1001, b"going away")).await,
                    9 => one.raw(frame(0x82, b"")).await,
                    _ => {}
                }
            }
        }
    }
    server.until_empty().await;
    server
        .until("nobody is online, nothing is heard", |it| {
            it.node.present() == (0, 0) && it.node.rooms_count() == 0
        })
        .await;
    for protocol in ["websocket", "http"] {
        let line = format!("bongsu_connections{{protocol=\"{protocol}\"}}");
        until("the meters have seen it", || server.metric(&line) == 0).await;
    }
    let mut one = server.session(1).await;
    one.post("still here").await;
    one.wait_for("still here").await;
}

#[tokio::test]
async fn five_hundred_that_say_nothing_disturb_nobody() {
    const MANY: usize = 500;
    let server = Server::limited(Limits {
        connections_per_address_max: MANY + 1,
        sign_in_ms: 1_000_000,
        ..Limits::DEFAULT
    })
    .await;
    server.stop_clock();
    let mut silent = Vec::new();
    for _ in 0..MANY {
        silent.push(server.connect().await);
    }
    let mut one = server.session(1).await;
    one.post("hello").await;
    one.wait_for("hello").await;
    one.settled().await;
    server.pass_ms(89_999);
    // All are looked at together, so when one was asked the others were.
    one.wait("ping").await;
    one.settled().await;
    server.pass_ms(1);
    for client in &mut silent {
        client.closed("overloaded", 4408, "now").await;
    }
    drop(silent);
    one.post("still here").await;
    one.wait_for("still here").await;
    drop(one);
    server.until_empty().await;
}
