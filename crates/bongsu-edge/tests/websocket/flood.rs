//! Who does not stop: pings, nonsense and requests without end cost bounded memory, and the connection in the end.

use bongsu_model::Limits;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::client::{Client, Said, frame, text};
use crate::server::Server;

/// Ten requests in a second; who makes twenty or more in each of three seconds is a flooder in the fourth. The first
/// second counts from the first refusal on.
fn limits() -> Limits {
    Limits {
        requests_per_s: 10,
        requests_burst: 10,
        flooder_times: 2,
        flooder_ms: 3_000,
        ..Limits::DEFAULT
    }
}

/// Says the same so often in each second, until it is closed; how many answers came and how many of them were refusals.
async fn flood(server: &Server, one: &mut Client, bytes: &[u8], each_second: usize) -> (usize, usize) {
    let (mut answers, mut refusals) = (0, 0);
    for second in 0..10 {
        let before = answers;
        one.raw(bytes.repeat(each_second)).await;
        while answers < before + each_second {
            match one.said().await {
                Said::Text(told) if told["code"] == "rate_limited" && told["reconnect"] == "later" => {
                    assert!(second >= 4, "not before the time is over: {second}");
                    one.close_frame(4429, "later").await;
                    return (answers, refusals);
                }
                Said::Text(told) if told["code"] == "rate_limited" => {
                    assert!(told["retry_after_ms"].as_u64().unwrap() > 0, "{told}");
                    refusals += 1;
                }
                Said::Text(_) | Said::Pong(_) => {}
                said @ (Said::Ping | Said::Close(_)) => panic!("{said:?}"),
            }
            answers += 1;
        }
        server.pass_ms(1_000);
    }
    panic!("it was never closed");
}

#[tokio::test]
async fn floods_are_refused_and_then_closed() {
    let server = Server::limited(limits()).await;
    server.stop_clock();
    let mut bystander = server.session(3).await;
    for (what, bytes) in [
        ("pings", frame(0x89, b"are you there")),
        ("requests", text(json!({ "type": "ping", "id": "p" }))),
        ("nonsense", text("nonsense")),
        ("unknown types", text(json!({ "type": "no.such", "id": "n" }))),
    ] {
        let mut one = server.session(1).await;
        let (answers, refusals) = flood(&server, &mut one, &bytes, 25).await;
        assert_eq!(answers, 4 * 25 + 19, "{what}: every one is answered");
        assert!(refusals >= 50, "{what}: {refusals} of {answers} were refused");
        drop(one);
        server
            .until("its session is over", |it| it.node.sessions_count() == 1)
            .await;
        bystander.settled().await;
    }
}

#[tokio::test]
async fn who_stays_below_ten_times_its_rate_is_only_refused() {
    let server = Server::limited(limits()).await;
    server.stop_clock();
    let mut one = server.session(1).await;
    for _ in 0..10 {
        one.raw(frame(0x89, b"").repeat(19)).await;
        let mut pongs = 0;
        for _ in 0..19 {
            match one.said().await {
                Said::Pong(_) => pongs += 1,
                Said::Text(told) => assert_eq!(told["code"], "rate_limited"),
                said @ (Said::Ping | Said::Close(_)) => panic!("{said:?}"),
            }
        }
        assert!((10..19).contains(&pongs), "{pongs}");
        server.pass_ms(1_000);
    }
    server.pass_ms(1_000);
    assert_eq!(one.settled().await.len(), 0);
}

/// Sends the same without end and reads nothing, until the server has had enough.
async fn sends_without_end(server: &Server, client: Client, bytes: Vec<u8>) {
    let Client {
        reader, mut writer, ..
    } = client;
    let sends = tokio::spawn(async move {
        let much = bytes.repeat(64 * 1024 / bytes.len());
        let mut sent = 0;
        while writer.write_all(&much).await.is_ok() {
            sent += much.len();
        }
        sent
    });
    let most = 2 * 128 * 1024;
    server
        .until("it is closed", |it| {
            let waiting = it.node.counters.mailbox_bytes.get();
            assert!(waiting <= most, "{waiting} bytes wait");
            sends.is_finished()
        })
        .await;
    // What was sent beyond lies in the buffers of the kernel.
    let sent = sends.await.unwrap();
    assert!(sent < 64 << 20, "{sent} bytes were taken from who reads nothing");
    drop(reader);
    server.until_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_of_who_reads_nothing_are_held_back_and_cost_their_lane() {
    let server = Server::limited(Limits {
        history_page_max: 16,
        mailbox_bytes_max: 128 * 1024,
        mailbox_control_bytes_max: 16 * 1024,
        slow_ms: 1_000,
        requests_per_s: 1_000_000,
        requests_burst: 1_000_000,
        ..Limits::DEFAULT
    })
    .await;
    for signed_in in [true, false] {
        let mut client = server.narrow().await;
        if signed_in {
            client.sign_in(1).await;
        }
        sends_without_end(&server, client, frame(0x89, &[b'x'; 125])).await;
    }
    assert_eq!(server.node.counters.slow_closes.get(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_of_who_reads_nothing_are_held_back_too() {
    let server = Server::limited(Limits {
        history_page_max: 16,
        mailbox_bytes_max: 128 * 1024,
        mailbox_control_bytes_max: 16 * 1024,
        slow_ms: 1_000,
        ..limits()
    })
    .await;
    server.stop_clock();
    // With the clock standing still nobody floods for long enough, and everything is refused.
    for bytes in [frame(0x89, b""), text("nonsense")] {
        let mut client = server.narrow().await;
        client.sign_in(1).await;
        server_time_moves(&server, client, bytes).await;
    }
}

/// As [`sends_without_end`], where patience is measured by a clock that only this moves.
async fn server_time_moves(server: &Server, client: Client, bytes: Vec<u8>) {
    let ends = sends_without_end(server, client, bytes);
    let moves = async {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
        loop {
            ticks.tick().await;
            server.pass_ms(50);
        }
    };
    tokio::select! {
        () = ends => {}
        () = moves => unreachable!("it has no end"),
    }
}
