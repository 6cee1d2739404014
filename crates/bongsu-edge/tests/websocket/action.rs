//! `bongsu.action.v1`: the action protocol's own objects, one in each text frame.

use serde_json::{Value, json};

use crate::client::{Client, Said, frame, post, text};
use crate::server::Server;

fn ask(action: &str, seq_id: &str, data: &Value) -> Value {
    json!({ "action": action, "seq_id": seq_id, "data": data })
}

async fn session(server: &Server, connect: &Value) -> Client {
    let mut client = server.action().await;
    client.say(&ask("CONNECT", "connect", connect)).await;
    answer(&mut client, "CONNECT_SUCCESS", "connect").await;
    client
}

/// The next message, which answers this request with this action: its `data`.
async fn answer(client: &mut Client, action: &str, seq_id: &str) -> Value {
    let mut message = client.next().await;
    assert_eq!(message["action"], action, "{message}");
    assert_eq!(message["seq_id"], seq_id, "{message}");
    message["data"].take()
}

async fn wait(client: &mut Client, action: &str) -> Value {
    loop {
        let message = client.next().await;
        if message["action"] == action {
            return message;
        }
    }
}

#[tokio::test]
async fn requests_answers_and_events_are_the_same_objects_as_on_a_stream() {
    let server = Server::start().await;
    let mut one = session(&server, &json!({ "jwt_token": "1" })).await;
    one.say(&ask("PING", "p", &json!({}))).await;
    answer(&mut one, "PONG", "p").await;
    let data = json!({ "chatroom_id": 1, "content": "hello", "message_type": "text" });
    one.say(&ask("SEND_MESSAGE", "m", &data)).await;
    let event = one.next().await;
    assert_eq!(
        (&event["action"], &event["seq_id"]),
        (&json!("NEW_MESSAGE"), &json!("m"))
    );
    assert_eq!(
        (&event["data"]["content"], &event["data"]["seq"]),
        (&json!("hello"), &json!(1))
    );
    let entries = [
        ask("JOIN_ROOM", "1", &json!({ "chatroom_id": 1 })),
        ask("NO_SUCH", "2", &json!({})),
        ask("GET_MESSAGES", "3", &json!({ "chatroom_id": 1 })),
    ];
    one.say(&ask("BATCH_MESSAGES", "all", &json!({ "messages": entries })))
        .await;
    answer(&mut one, "JOIN_ROOM_SUCCESS", "1").await;
    assert_eq!(one.next().await["data"]["original_seq_id"], "2");
    answer(&mut one, "BATCH_MESSAGES", "3").await;
}

#[tokio::test]
async fn one_room_is_heard_in_both_protocols() {
    let server = Server::start().await;
    let mut action = session(&server, &json!({ "jwt_token": "1" })).await;
    let mut typed = server.session(2).await;
    wait(&mut action, "USER_STATUS_CHANGED").await;
    typed.say(&post("t", "from a page")).await;
    typed.answer("chat.ack", "t").await;
    assert_eq!(typed.expect("chat.message").await["data"]["seq"], 1);
    let heard = wait(&mut action, "NEW_MESSAGE").await;
    assert_eq!(
        (&heard["data"]["content"], &heard["data"]["seq"]),
        (&json!("from a page"), &json!(1))
    );
    let data = json!({ "chatroom_id": 1, "content": "from elsewhere", "message_type": "text" });
    action.say(&ask("SEND_MESSAGE", "a", &data)).await;
    answer(&mut action, "NEW_MESSAGE", "a").await;
    let heard = typed.expect("chat.message").await;
    assert_eq!(
        (
            &heard["data"]["text"],
            &heard["data"]["seq"],
            &heard["data"]["user_id"]
        ),
        (&json!("from elsewhere"), &json!(2), &json!("1"))
    );
}

#[tokio::test]
async fn compression_of_the_protocol_itself_works_in_frames() {
    let server = Server::start().await;
    let mut packs = session(&server, &json!({ "jwt_token": "1", "accept_compression": true })).await;
    let mut plain = session(&server, &json!({ "jwt_token": "2" })).await;
    wait(&mut packs, "USER_STATUS_CHANGED").await;
    let content = "x".repeat(3_000);
    let data = json!({ "chatroom_id": 1, "content": content, "message_type": "text" });
    plain.say(&ask("SEND_MESSAGE", "m", &data)).await;
    assert_eq!(answer(&mut plain, "NEW_MESSAGE", "m").await["content"], content);
    let event = packs.next().await;
    assert_eq!(
        (&event["action"], &event["compressed"]),
        (&json!("NEW_MESSAGE"), &json!(true))
    );
    assert!(event["data"].as_str().unwrap().len() < 1_000);
}

#[tokio::test]
async fn a_token_may_come_with_the_handshake() {
    let server = Server::start().await;
    for (target, action) in [
        ("/ws?token=1", "CONNECT_SUCCESS"),
        ("/ws?token=bad", "CONNECT_ERROR"),
    ] {
        let mut client = Client::open(server.address).await;
        client.upgrade(target, Some("bongsu.action.v1")).await;
        let told = client.next().await;
        assert_eq!(told["action"], action, "{told}");
        if action == "CONNECT_ERROR" {
            assert_eq!(told["data"]["error_code"], "INVALID_TOKEN");
            client.close_frame(4401, "never").await;
        }
    }
}

#[tokio::test]
async fn who_says_nothing_is_asked_by_a_frame_alone() {
    let server = Server::start().await;
    server.stop_clock();
    let mut one = session(&server, &json!({ "jwt_token": "1" })).await;
    one.say(&ask("PING", "p", &json!({}))).await;
    answer(&mut one, "PONG", "p").await;
    server.pass_ms(30_000);
    assert_eq!(one.said().await, Said::Ping);
    one.raw(frame(0x8a, b"")).await;
    one.say(&ask("PING", "p", &json!({}))).await;
    answer(&mut one, "PONG", "p").await;
    server.pass_ms(90_000);
    let told = wait(&mut one, "SESSION_CLOSED").await;
    assert_eq!(
        (&told["data"]["error_code"], &told["data"]["reconnect"]),
        (&json!("OVERLOADED"), &json!("now"))
    );
    one.close_frame(4408, "now").await;
}

#[tokio::test]
async fn refusals_and_faults_have_their_codes() {
    let server = Server::start().await;
    for action in ["PING", "JOIN_ROOM", "SEND_MESSAGE"] {
        let mut one = server.action().await;
        let data = json!({ "chatroom_id": 1, "content": "x", "message_type": "text" });
        one.say(&ask(action, "a", &data)).await;
        let told = one.next().await;
        assert_eq!(told["data"]["error_code"], "NOT_AUTHENTICATED", "{told}");
        one.close_frame(4401, "never").await;
    }
    let huge = text(ask("PING", "p", &json!({ "x": "y".repeat(65_536) })));
    for (bytes, code, close_code) in [
        (frame(0x82, b"{}"), "INVALID_DATA", 4400),
        (frame(0x81, b"\xff"), "INVALID_DATA", 1007),
        (frame(0x83, b""), "INVALID_DATA", 1002),
        (huge, "MESSAGE_TOO_LARGE", 4413),
    ] {
        let mut one = session(&server, &json!({ "jwt_token": "1" })).await;
        one.raw(bytes).await;
        let told = wait(&mut one, "ERROR").await;
        assert_eq!(told["data"]["error_code"], code, "{told}");
        loop {
            match one.said().await {
                Said::Text(told) => assert_eq!(told["action"], "SESSION_CLOSED", "{told}"),
                said @ (Said::Ping | Said::Pong(_) | Said::Close(_)) => {
                    assert_eq!(said, Said::Close(Some((close_code, "reconnect=never".into()))));
                    break;
                }
            }
        }
        one.end().await;
    }
    // On a stream nobody could read on; a message is a message, whatever is in it.
    let mut one = session(&server, &json!({ "jwt_token": "1" })).await;
    for nonsense in ["x", "[]", "{}", "{\"action\":\"PING\"}{}"] {
        one.raw(text(nonsense)).await;
        assert_eq!(
            wait(&mut one, "ERROR").await["data"]["error_code"],
            "INVALID_DATA"
        );
    }
    one.say(&ask("PING", "p", &json!({}))).await;
    answer(&mut one, "PONG", "p").await;
}
