//! The moderation webhook: what it sends, what it believes, what it makes of silence.

use std::sync::Arc;

use bongsu_edge::auth::Secret;
use bongsu_edge::http::review::{ReviewFault, ReviewSettings, Webhook};
use bongsu_model::{RoomId, RoomRef, RoomToken, UserId};
use bongsu_node::Reviewer as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// What the back end of a test does with each question.
#[derive(Clone)]
enum Does {
    Says(&'static str, String),
    HangsUp,
    Nothing,
}

fn says(status: &'static str, body: &str) -> Does {
    Does::Says(status, body.to_owned())
}

/// A back end; the questions it was asked.
async fn back_end(does: Does) -> (String, mpsc::Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/review?x=1", listener.local_addr().unwrap());
    let (heard, questions) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (does, heard) = (does.clone(), heard.clone());
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                let (head, body) = loop {
                    let mut some = [0; 4_096];
                    let count = stream.read(&mut some).await.unwrap_or(0);
                    if count == 0 {
                        return;
                    }
                    bytes.extend_from_slice(&some[..count]);
                    let text = String::from_utf8_lossy(&bytes);
                    if let Some((head, body)) = text.split_once("\r\n\r\n")
                        && let Ok(body) = serde_json::from_str(body)
                    {
                        break (head.to_owned(), body);
                    }
                };
                heard.send((head, body)).await.unwrap();
                match does {
                    Does::Says(status, body) => {
                        let answer = format!(
                            "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
                            body.len()
                        );
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                    Does::HangsUp => {}
                    // Held open until the asker gives up.
                    Does::Nothing => drop(stream.read(&mut [0]).await),
                }
            });
        }
    });
    (url, questions)
}

fn settings(url: &str) -> ReviewSettings {
    ReviewSettings {
        url: url.into(),
        secret: None,
        timeout_ms: 20_000,
        pass_unasked: false,
        questions_max: 8,
    }
}

#[tokio::test]
async fn a_question_has_all_that_a_judge_needs() {
    let (url, mut questions) = back_end(says("200 OK", "{\"allow\":true,\"score\":0.1}")).await;
    let webhook = Webhook::new(&ReviewSettings {
        secret: Some(Secret::new(*b"s3cret")),
        ..settings(&url)
    })
    .unwrap();
    assert!(
        webhook
            .may_pass(UserId(7), &RoomRef::Id(RoomId(1)), "안녕 \"x\"")
            .await
    );
    let (head, body) = questions.recv().await.unwrap();
    assert!(head.starts_with("POST /review?x=1 HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains("authorization: Bearer s3cret") && head.contains("content-type: application/json"),
        "{head}"
    );
    assert_eq!(body, json!({ "user_id": 7, "room": 1, "content": "안녕 \"x\"" }));
    let token = RoomToken([0xab; 24]);
    for (room, shown) in [
        (RoomRef::Name("general".into()), json!("general")),
        (RoomRef::Token(token), json!(token.to_string())),
    ] {
        assert!(webhook.may_pass(UserId(7), &room, "x").await);
        assert_eq!(questions.recv().await.unwrap().1["room"], shown);
    }
}

#[tokio::test]
async fn a_verdict_is_believed_and_silence_is_as_configured() {
    let large = format!("{{\"allow\":true,\"x\":\"{}\"}}", "x".repeat(20_000));
    for (does, verdict) in [
        (says("200 OK", "{\"allow\":true}"), Some(true)),
        (says("200 OK", "{\"allow\":false}"), Some(false)),
        (says("200 OK", "{\"allow\":\"yes\"}"), None),
        (says("200 OK", "{}"), None),
        (says("200 OK", ""), None),
        (says("200 OK", &large), None),
        (says("204 No Content", ""), None),
        (says("500 Internal Server Error", "{\"allow\":true}"), None),
        (
            says("302 Found\r\nlocation: http://127.0.0.1:1/", "{\"allow\":true}"),
            None,
        ),
        (Does::HangsUp, None),
        (Does::Nothing, None),
    ] {
        let timeout_ms = if matches!(does, Does::Nothing) { 50 } else { 20_000 };
        let (url, _questions) = back_end(does).await;
        for pass_unasked in [true, false] {
            let webhook = Webhook::new(&ReviewSettings {
                pass_unasked,
                timeout_ms,
                ..settings(&url)
            })
            .unwrap();
            let passed = webhook.may_pass(UserId(7), &RoomRef::Id(RoomId(1)), "x").await;
            assert_eq!(passed, verdict.unwrap_or(pass_unasked), "{verdict:?}");
        }
    }
}

#[tokio::test]
async fn more_questions_than_places_are_not_asked() {
    let (url, mut questions) = back_end(Does::Nothing).await;
    let webhook = Arc::new(
        Webhook::new(&ReviewSettings {
            questions_max: 1,
            ..settings(&url)
        })
        .unwrap(),
    );
    let first = Arc::clone(&webhook);
    let waiting =
        tokio::spawn(async move { first.may_pass(UserId(1), &RoomRef::Id(RoomId(1)), "first").await });
    assert_eq!(questions.recv().await.unwrap().1["content"], "first");
    assert!(
        !webhook
            .may_pass(UserId(2), &RoomRef::Id(RoomId(1)), "second")
            .await,
        "fail closed, at once"
    );
    waiting.abort();
    assert!(questions.try_recv().is_err(), "the second was not asked");
}

#[tokio::test]
async fn a_closed_port_is_silence() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    for pass_unasked in [true, false] {
        let webhook = Webhook::new(&ReviewSettings {
            pass_unasked,
            ..settings(&url)
        })
        .unwrap();
        assert_eq!(
            webhook.may_pass(UserId(7), &RoomRef::Id(RoomId(1)), "x").await,
            pass_unasked
        );
    }
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    for url in [
        "",
        "/review",
        "ftp://a.example/",
        "http://",
        "https:///x",
        "a.example",
        "http://user:password@a.example/",
    ] {
        assert_eq!(
            Webhook::new(&settings(url)).err(),
            Some(ReviewFault::Url),
            "{url}"
        );
    }
    let good = settings("https://a.example/review");
    assert_eq!(
        Webhook::new(&ReviewSettings {
            timeout_ms: 0,
            ..good.clone()
        })
        .err(),
        Some(ReviewFault::Zero)
    );
    assert_eq!(
        Webhook::new(&ReviewSettings {
            questions_max: 0,
            ..good.clone()
        })
        .err(),
        Some(ReviewFault::Zero)
    );
    let secret = Some(Secret::new(*b"two\nlines"));
    assert_eq!(
        Webhook::new(&ReviewSettings {
            secret,
            ..good.clone()
        })
        .err(),
        Some(ReviewFault::Secret)
    );
    assert!(Webhook::new(&good).is_ok());
}
