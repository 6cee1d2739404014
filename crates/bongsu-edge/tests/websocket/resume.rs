//! Coming back: all that was missed before anything live, or nothing and a word.

use serde_json::{Value, json};

use crate::client::Client;
use crate::server::Server;

/// Signs in from a place in room 1; what is said of that room.
async fn resume(client: &mut Client, seq: u64, epoch: &Value) -> Value {
    let point = json!([{ "room": "1", "seq": seq, "epoch": epoch }]);
    client
        .send("auth", "auth", json!({ "token": "1", "resume": point }))
        .await;
    client.answer("auth.ok", "auth").await["rooms"][0].take()
}

#[tokio::test]
async fn a_resume_is_whole_or_refused() {
    let server = Server::start().await;
    let mut one = server.connect().await;
    let epoch = one.sign_in(1).await["rooms"][0]["epoch"].take();
    drop(one);
    server.history(1, 2, 450, 1).await;

    let mut back = server.connect().await;
    assert_eq!(resume(&mut back, 3, &epoch).await["recovered"], true);
    let mut next = 4;
    while next <= 450 {
        let page = back.expect("room.messages").await;
        assert_eq!(page.get("ref_id"), None, "nobody asked for it");
        assert_eq!(
            (&page["data"]["room"], &page["data"]["epoch"]),
            (&json!("1"), &epoch)
        );
        for message in page["data"]["messages"].as_array().unwrap() {
            assert_eq!(message["seq"], next);
            next += 1;
        }
    }
    back.post("live").await;
    assert_eq!(back.answer("chat.ack", "live").await["seq"], 451);
    assert_eq!(back.expect("chat.message").await["data"]["seq"], 451);

    for (seq, epoch) in [(3, json!("0000000000000000")), (452, epoch.clone())] {
        let mut back = server.connect().await;
        assert_eq!(resume(&mut back, seq, &epoch).await["recovered"], false);
        assert_eq!(
            back.settled().await,
            Vec::<Value>::new(),
            "nothing of what may be missed"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_drops_at_any_point_and_resumes_misses_nothing() {
    let server = Server::start().await;
    let mut two = server.session(2).await;
    let mut one = server.connect().await;
    let epoch = one.sign_in(1).await["rooms"][0]["epoch"].take();
    let mut seen = 0;
    for round in 0..20_u64 {
        server.pass_ms(1_000);
        for n in 0..3 {
            two.post(&format!("{round} {n}")).await;
        }
        // It hears so many of them, or none, and is gone.
        while seen < round * 3 + round % 4 {
            let mut message = one.next().await;
            let heard = match message["type"].as_str().unwrap() {
                "chat.message" => vec![message["data"].take()],
                "room.messages" => message["data"]["messages"].as_array().unwrap().clone(),
                _ => vec![],
            };
            for message in heard {
                seen += 1;
                assert_eq!(message["seq"], seen, "round {round}");
            }
        }
        drop(one);
        two.wait_for(&format!("{round} 2")).await;
        one = server.connect().await;
        assert_eq!(resume(&mut one, seen, &epoch).await["recovered"], true);
    }
}
