//! Clients that read slowly, or never: they cost what the budget says, are caught up or closed, and nobody else notices.

use bongsu_model::Limits;
use serde_json::{Value, json};

use crate::client::{Client, Said, post, request, text};
use crate::server::Server;

fn limits() -> Limits {
    Limits {
        history_page_max: 16,
        mailbox_bytes_max: 128 * 1024,
        mailbox_control_bytes_max: 16 * 1024,
        slow_ms: 4_000,
        posts_per_s: 1_000_000,
        posts_burst: 1_000_000,
        flood_repeats_max: 0,
        presence_grace_ms: 0,
        ..Limits::DEFAULT
    }
}

/// Posts so many messages of about 4 KB, and hears each of them.
async fn fill(client: &mut Client, count: usize) {
    let content = "x".repeat(4_000);
    for _ in 0..count / 20 {
        let burst = text(post("m", &content)).repeat(20);
        client.raw(burst).await;
        for _ in 0..20 {
            client.wait("chat.message").await;
        }
    }
}

/// The numbers of the messages in a message: one, a page, or none.
fn seqs(message: &Value) -> Vec<u64> {
    let number = |it: &Value| it["seq"].as_u64().unwrap();
    match message["type"].as_str().unwrap() {
        "chat.message" => vec![number(&message["data"])],
        "room.messages" => message["data"]["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(number)
            .collect(),
        _ => vec![],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_slowly_but_steadily_gets_everything_in_order() {
    let server = Server::limited(Limits {
        slow_ms: 60_000,
        ..limits()
    })
    .await;
    let mut slow = server.narrow().await;
    slow.sign_in(2).await;
    let mut one = server.session(1).await;
    let mut count = 0;
    while server.node.counters.lags.get() == 0 {
        fill(&mut one, 100).await;
        count += 100;
    }
    let (mut next, mut pages) = (1, 0);
    while next <= count {
        let Said::Text(message) = slow.said().await else {
            panic!("closed at {next} of {count}");
        };
        for seq in seqs(&message) {
            assert_eq!(seq, next);
            next += 1;
            pages += usize::from(message["type"] == "room.messages");
        }
        assert_eq!(message.get("ref_id"), None, "nobody asked");
        tokio::task::yield_now().await;
    }
    assert!(pages > 0, "it was caught up from the store");
    assert_eq!(server.node.counters.slow_closes.get(), 0);
    slow.post("level again").await;
    slow.wait_for("level again").await;
    assert_eq!(slow.wait("chat.message").await["data"]["text"], "level again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_costs_its_budget_and_is_closed() {
    let server = Server::limited(limits()).await;
    let mut never = server.narrow().await;
    never.auth("2").await;
    server.until("it is in", |it| it.node.sessions_count() == 1).await;
    let mut one = server.session(1).await;
    let lags = |it: &Server| it.node.counters.lags.get() + it.node.counters.slow_closes.get();
    let mut posted = 0;
    while lags(&server) == 0 {
        fill(&mut one, 20).await;
        posted += 20;
        let waiting = server.node.counters.mailbox_bytes.get();
        // Twice the budget for what cannot be had again, and one read's worth.
        assert!(waiting <= 2 * 128 * 1024 + 64 * 1024, "{waiting} bytes wait");
    }
    // The kernel holds little beside: its own measure would be megabytes.
    assert!(
        posted * 4_200 < 1024 * 1024,
        "{posted} messages were taken for who reads nothing"
    );
    server
        .until("it is closed", |it| it.node.sessions_count() == 1)
        .await;
    server
        .until("its bytes are given back", |it| {
            it.node.counters.mailbox_bytes.get() == 0
        })
        .await;
    assert_eq!(server.node.counters.slow_closes.get(), 1);
    one.post("still here").await;
    one.wait_for("still here").await;
    drop(never);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_much_and_reads_nothing_is_held_back() {
    let server = Server::limited(limits()).await;
    server.history(1, 3, 16, 4_000).await;
    let mut never = server.narrow().await;
    never.sign_in(1).await;
    let asks = text(request("room.history", "h", &json!({ "room": "1" }))).repeat(1_000);
    // The server stops reading it long before it has sent all, then closes it.
    let mut writer = never.writer;
    let sends = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while writer.write_all(&asks).await.is_ok() {}
    });
    server
        .until("it is closed", |it| {
            let waiting = it.node.counters.mailbox_bytes.get();
            assert!(waiting <= 2 * 128 * 1024, "{waiting} bytes wait");
            it.node.sessions_count() == 0
        })
        .await;
    sends.await.unwrap();
    drop(never.reader);
    server.until_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_cut_off_while_much_waits_hears_only_why() {
    let server = Server::limited(Limits {
        slow_ms: 60_000,
        ..limits()
    })
    .await;
    let mut slow = server.narrow().await;
    slow.sign_in(2).await;
    let mut one = server.session(1).await;
    while server.node.counters.lags.get() == 0 {
        fill(&mut one, 100).await;
    }
    let operator = crate::world::World::operator();
    let ban = server.node.ban(&operator, bongsu_model::UserId(2), "rude".into());
    ban.await.unwrap();
    // A frame that was begun is finished, so all that comes is frames.
    slow.closed("permission_denied", 4403, "never").await;
}
