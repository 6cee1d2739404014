//! Clients that read slowly or never: what waits for them waits in their mailbox, and nothing is lost or said twice.

use bongsu_edge::tls::ClientAuth;
use bongsu_model::Limits;
use serde_json::json;

use crate::client::{Client, config};
use crate::server::{Server, until};

fn limits() -> Limits {
    Limits {
        posts_per_s: 1_000_000,
        posts_burst: 1_000_000,
        flood_repeats_max: 0,
        slow_ms: 60_000,
        presence_grace_ms: 0,
        ..Limits::DEFAULT
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_slowly_gets_every_byte_once_and_in_order() {
    let server = Server::limited(ClientAuth::None, limits()).await;
    let mut slow = Client::narrow(server.https, config(&server.ca, None))
        .await
        .unwrap();
    slow.upgrade().await;
    slow.sign_in(2).await;
    let mut one = server.http(None).await;
    one.upgrade().await;
    one.sign_in(1).await;
    // So much that the kernel takes no more of it, in frames of all lengths.
    let mut count = 0_usize;
    while server.node.counters.mailbox_bytes.get() < 300_000 {
        let text = format!("{count} {}", "x".repeat(count * 37 % 4_000));
        one.say(&json!({ "type": "chat.message", "id": "m", "data": { "room": "1", "text": text } }))
            .await;
        one.wait("chat.message").await;
        count += 1;
        assert!(count < 20_000, "the kernel takes everything");
    }
    for number in 0..count {
        let message = slow.wait("chat.message").await;
        let want = format!("{number} {}", "x".repeat(number * 37 % 4_000));
        assert_eq!(message["data"]["text"], want);
    }
    until("nothing waits any more", || {
        server.node.counters.mailbox_bytes.get() == 0
    })
    .await;
    server.stopped().await;
    assert!(slow.wait("error").await.to_string().contains("shutting_down"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_is_closed_and_costs_no_more_than_its_budget() {
    let server = Server::limited(
        ClientAuth::None,
        Limits {
            slow_ms: 500,
            history_page_max: 16,
            mailbox_bytes_max: 128 * 1024,
            mailbox_control_bytes_max: 16 * 1024,
            ..limits()
        },
    )
    .await;
    let mut never = Client::narrow(server.https, config(&server.ca, None))
        .await
        .unwrap();
    never.upgrade().await;
    never.sign_in(2).await;
    let mut one = server.http(None).await;
    one.upgrade().await;
    one.sign_in(1).await;
    let text = "x".repeat(4_000);
    let mut most = 0;
    while server.node.counters.slow_closes.get() == 0 {
        one.say(&json!({ "type": "chat.message", "id": "m", "data": { "room": "1", "text": text } }))
            .await;
        one.wait("chat.message").await;
        most = most.max(server.node.counters.mailbox_bytes.get());
    }
    assert!(most <= 256 * 1024, "{most}");
}
