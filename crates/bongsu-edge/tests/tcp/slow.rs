//! Clients that read slowly, or never: they cost what the budget says, and nobody else notices.

use bongsu_model::Limits;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt};

use crate::client::{Client, post};
use crate::resume::seqs;
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
        let burst: String = (0..20).map(|_| post(1, "m", &content).to_string()).collect();
        client.raw(burst).await;
        for _ in 0..20 {
            client.wait("NEW_MESSAGE").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_costs_its_budget_and_is_closed() {
    let server = Server::limited(limits()).await;
    let mut never = Client::narrow(server.address).await;
    never.connect(json!({ "jwt_token": "2" })).await;
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
    one.post(1, "still here").await;
    one.wait("NEW_MESSAGE").await;
    drop(never);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_posts_and_resumes_and_never_reads_is_closed_too() {
    let server = Server::limited(limits()).await;
    server.history(1, 3, 2_000, 4_000).await;
    let mut one = server.session(1).await;
    one.send("JOIN_ROOM", "j", json!({ "chatroom_id": 1 })).await;
    let epoch = one.answer("JOIN_ROOM_SUCCESS", "j").await["epoch"].take();
    // It waits to be level with its room, which it never will be.
    let mut resumes = Client::narrow(server.address).await;
    let point = json!([{ "chatroom_id": 1, "seq": 0, "epoch": epoch }]);
    resumes
        .connect(json!({ "jwt_token": "2", "resume": point }))
        .await;
    server.until("it is in", |it| it.node.sessions_count() == 2).await;
    // It waits to hear what it posted.
    let mut posts = Client::narrow(server.address).await;
    posts.connect(json!({ "jwt_token": "3" })).await;
    server.until("it is in", |it| it.node.sessions_count() == 3).await;
    while server.node.counters.lags.get() == 0 && server.node.sessions_count() == 3 {
        fill(&mut one, 100).await;
    }
    posts
        .raw(format!("{}{}", post(1, "p", "p"), post(9, "p", "p")))
        .await;
    server
        .until("both are closed", |it| it.node.sessions_count() == 1)
        .await;
    drop((resumes, posts, one));
    server.until_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_slowly_but_steadily_gets_everything_in_order() {
    let server = Server::limited(Limits {
        slow_ms: 60_000,
        ..limits()
    })
    .await;
    let mut slow = Client::narrow(server.address).await;
    slow.sign_in(2).await;
    let mut one = server.session(1).await;
    let mut count = 0;
    while server.node.counters.lags.get() == 0 {
        fill(&mut one, 100).await;
        count += 100;
    }
    let (mut next, mut pages) = (1, 0);
    let mut bytes = Vec::new();
    while next <= count {
        // A little at a time.
        let mut piece = [0; 16 * 1024];
        let read = slow.reader.read(&mut piece).await.unwrap();
        assert!(read > 0, "closed at {next} of {count}");
        bytes.extend_from_slice(&piece[..read]);
        tokio::task::yield_now().await;
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = bytes.drain(..=end).collect();
            let line = serde_json::from_slice(&line).unwrap();
            for seq in seqs(&line) {
                assert_eq!(seq, next);
                next += 1;
                pages += usize::from(line["action"] == "BATCH_MESSAGES");
            }
        }
    }
    assert!(pages > 0, "it was caught up from the store");
    assert_eq!(server.node.counters.slow_closes.get(), 0);
    slow.post(1, "level again").await;
    assert_eq!(slow.wait("NEW_MESSAGE").await["data"]["content"], "level again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_much_and_reads_nothing_is_held_back() {
    let server = Server::limited(limits()).await;
    server.history(1, 3, 16, 4_000).await;
    let mut never = Client::narrow(server.address).await;
    never.sign_in(1).await;
    let ask = crate::client::ask("GET_MESSAGES", "h", &json!({ "chatroom_id": 1 })).to_string();
    let asks = ask.repeat(1_000);
    // The server stops reading it long before it has sent all, then closes it.
    let (mut reader, mut writer) = (never.reader, never.writer);
    let sends = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while writer.write_all(asks.as_bytes()).await.is_ok() {}
    });
    server
        .until("it is closed", |it| {
            let waiting = it.node.counters.mailbox_bytes.get();
            assert!(waiting <= 2 * 128 * 1024, "{waiting} bytes wait");
            it.node.sessions_count() == 0
        })
        .await;
    sends.await.unwrap();
    let mut line = String::new();
    // Whatever was on its way, then the end or a reset.
    while reader.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        line.clear();
    }
    server.until_empty().await;
}
