//! `[review]`: a back end of ours has the last word on what is posted.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, sync_channel};

use serde_json::Value;

use crate::support::{PATIENCE, Server, folder, write};

/// Answers each question with the next of these bodies, and passes the questions on.
fn reviewer(answers: Vec<&'static str>) -> (String, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/review", listener.local_addr().unwrap());
    let (tell, heard) = sync_channel(16);
    std::thread::spawn(move || {
        for body in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            let lower = head.to_ascii_lowercase();
            let length = lower.split("content-length: ").nth(1).unwrap();
            let mut question = vec![0; length.lines().next().unwrap().parse().unwrap()];
            reader.read_exact(&mut question).unwrap();
            let length = body.len();
            let head_out =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all(format!("{head_out}{body}").as_bytes()).unwrap();
            tell.send((lower, serde_json::from_slice(&question).unwrap()))
                .unwrap();
        }
    });
    (url, heard)
}

#[test]
fn the_reviewer_decides_and_its_silence_counts_as_configured() {
    let (home, data) = folder();
    let (url, heard) = reviewer(vec![r#"{"allow":true}"#, r#"{"allow":false}"#, "what?"]);
    let config =
        format!("[review]\nurl = \"{url}\"\nsecret = \"north\"\non_fault = \"closed\"\ntimeout_ms = 30000\n");
    let config = write(home.path(), "bongsu.toml", &config);
    let server = Server::start(&data, &["--dev", "--config", &config]);
    let say = |text: &str| server.call(&data, &["send", "--room", "1", "--as", "1", text]);
    say("fine").good();
    let (head, question) = heard.recv_timeout(PATIENCE).unwrap();
    assert!(
        head.starts_with("post /review ") && head.contains("authorization: bearer north"),
        "{head}"
    );
    assert_eq!(
        (question["user_id"].as_i64(), question["content"].as_str()),
        (Some(1), Some("fine"))
    );
    for text in ["refused", "an answer that is none"] {
        let err = say(text).bad(1);
        assert!(
            err.contains("MESSAGE_REJECTED") && err.contains("review"),
            "{err}"
        );
    }
}

#[test]
fn with_fail_open_silence_lets_a_post_pass() {
    let (home, data) = folder();
    let (url, _heard) = reviewer(Vec::new());
    let config = write(
        home.path(),
        "bongsu.toml",
        &format!("[review]\nurl = \"{url}\"\ntimeout_ms = 500\n"),
    );
    let server = Server::start(&data, &["--dev", "--config", &config]);
    server
        .call(&data, &["send", "--room", "1", "--as", "1", "nobody is asked"])
        .good();
}
