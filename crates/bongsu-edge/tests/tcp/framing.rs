//! Streams that make no sense: told where, closed, and nobody else notices.

use bongsu_model::Limits;
use serde_json::json;

use crate::client::{ask, post};
use crate::server::Server;

#[tokio::test]
async fn malformed_streams_are_told_the_place_then_closed() {
    let cases: [(&[u8], &str, &str); 6] = [
        (b"x", "INVALID_DATA", "0"),
        (b"  [1]", "INVALID_DATA", "2"),
        (b"{\"a\":\"\xff\"}", "INVALID_DATA", "6"),
        (b"}", "INVALID_DATA", "0"),
        (b"{\"a\":\"\xed\xa0\x80\"}", "INVALID_DATA", "6"),
        (&[b'['; 10], "INVALID_DATA", "0"),
    ];
    let server = Server::start().await;
    for (bytes, code, place) in cases {
        let mut stranger = server.connect().await;
        stranger.raw(bytes).await;
        let told = stranger.expect_data("ERROR").await;
        assert_eq!(told["error_code"], code);
        let text = told["message"].as_str().unwrap();
        match place {
            // What is wrong from the first byte on has no place.
            "0" => assert!(!text.contains("byte"), "{text}"),
            place => assert!(text.contains(&format!("byte {place} ")), "{text}"),
        }
        assert!(told["original_seq_id"].is_null());
        stranger.end().await;

        let mut one = server.session(1).await;
        one.raw(bytes).await;
        assert_eq!(one.wait("ERROR").await["data"]["error_code"], code);
        one.closed(code, "never").await;
    }
    server.until_empty().await;
}

#[tokio::test]
async fn what_came_before_the_fault_is_answered_first() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    one.raw(format!(
        "{}{}]",
        post(1, "m", "hello"),
        ask("PING", "p", &json!({}))
    ))
    .await;
    assert_eq!(one.answer("NEW_MESSAGE", "m").await["content"], "hello");
    one.answer("PONG", "p").await;
    one.expect("ERROR").await;
    one.closed("INVALID_DATA", "never").await;
}

#[tokio::test]
async fn the_error_is_received_though_the_client_sends_on() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    let mut flood = b"]".to_vec();
    flood.resize(4 << 20, b'x');
    one.raw(&flood).await;
    one.expect("ERROR").await;
    one.closed("INVALID_DATA", "never").await;
    drop(one);
    server.until_empty().await;
}

#[tokio::test]
async fn a_frame_may_be_as_long_as_the_limit_and_no_longer() {
    let max = Limits::DEFAULT.frame_bytes_max;
    let server = Server::start().await;
    let frame = |len: usize| {
        let empty = r#"{"action":"PING","seq_id":"p","x":""}"#.len();
        format!(
            r#"{{"action":"PING","seq_id":"p","x":"{}"}}"#,
            "y".repeat(len - empty)
        )
    };
    let mut one = server.session(1).await;
    for len in [max - 1, max] {
        one.raw(frame(len)).await;
        one.answer("PONG", "p").await;
    }
    let mut other = server.session(1).await;
    other.raw(frame(max + 1)).await;
    let told = other.expect_data("ERROR").await;
    assert_eq!(told["error_code"], "MESSAGE_TOO_LARGE");
    other.closed("MESSAGE_TOO_LARGE", "never").await;
    one.send("PING", "p", json!({})).await;
    one.answer("PONG", "p").await;
}

#[tokio::test]
async fn nesting_has_a_depth() {
    let max = Limits::DEFAULT.json_depth_max;
    let server = Server::start().await;
    let nested = |depth: usize| {
        let inner = depth - 1;
        format!(
            r#"{{"action":"PING","seq_id":"p","x":{}{}}}"#,
            "[".repeat(inner),
            "]".repeat(inner)
        )
    };
    let mut one = server.session(1).await;
    one.raw(nested(max)).await;
    one.answer("PONG", "p").await;
    for depth in [max + 1, 100_000] {
        let mut one = server.session(1).await;
        one.raw(nested(depth)).await;
        one.wait("ERROR").await;
        one.closed("INVALID_DATA", "never").await;
    }
}

#[tokio::test]
async fn cuts_and_white_space_do_not_matter() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    let stream = format!(
        " \n{}\r\n\t{}{}",
        post(1, "가", "안녕 {\"}"),
        post(1, "2", "둘"),
        ask("PING", "p", &json!({}))
    );
    for byte in stream.as_bytes() {
        one.raw([*byte]).await;
    }
    assert_eq!(one.answer("NEW_MESSAGE", "가").await["content"], "안녕 {\"}");
    assert_eq!(one.answer("NEW_MESSAGE", "2").await["content"], "둘");
    one.answer("PONG", "p").await;
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_answered_and_the_session_goes_on() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    for (frame, code) in [
        (r#"{"seq_id":"a"}"#, "INVALID_DATA"),
        (r#"{"action":"PING","seq_id":"a","data":[]}"#, "INVALID_DATA"),
        (r#"{"action":"ping","seq_id":"a"}"#, "INVALID_ACTION"),
        (
            r#"{"action":"JOIN_ROOM","seq_id":"a","data":{"chatroom_id":9223372036854775808}}"#,
            "INVALID_DATA",
        ),
        (
            r#"{"action":"JOIN_ROOM","seq_id":"a","data":{"chatroom_id":1.5}}"#,
            "INVALID_DATA",
        ),
        (
            r#"{"action":"PING","seq_id":"a","compressed":true,"data":"no"}"#,
            "INVALID_DATA",
        ),
    ] {
        one.raw(frame).await;
        one.refused(code, "a").await;
    }
    // Ever so many at once: a client that reads is answered every one of them, and told when it is too much.
    let mut too_much = 0;
    let count = 30_000;
    let frames = "{}".repeat(count);
    let (mut writer, mut reader) = (one.writer, one.reader);
    let sent = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        writer.write_all(frames.as_bytes()).await.unwrap();
        writer
    });
    for _ in 0..count {
        let mut line = String::new();
        tokio::io::AsyncBufReadExt::read_line(&mut reader, &mut line)
            .await
            .unwrap();
        if line.contains("RATE_LIMITED") {
            too_much += 1;
        } else {
            assert!(line.contains("INVALID_DATA"), "{line}");
        }
    }
    sent.await.unwrap();
    assert!(
        (count / 2..count).contains(&too_much),
        "nonsense is rated like sense: {too_much}"
    );
}
