//! `tail`: what a member hears, over a server's death and return.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

use rustix::process::Signal;

use crate::support::{Lines, PATIENCE, Running, Server, bongsu, folder, run, write};

const PROTOCOLS: [&str; 3] = ["action", "type", "socketio"];

fn tail(server: &Server, data: &Path, protocol: &str, args: &[&str]) -> (Running, Lines) {
    let mut command = bongsu(&["tail", "--tcp", server.address("tcp"), "--url", &server.url()]);
    command
        .args(["--protocol", protocol])
        .args(args)
        .arg("--data-dir")
        .arg(data);
    let (running, out) = Running::start(command);
    (running, Lines::of(out))
}

fn send(server: &Server, data: &Path, text: &str) {
    server
        .call(data, &["send", "--room", "1", "--as", "1", text])
        .good();
}

#[test]
fn messages_are_shown_as_they_come_and_control_c_ends_it() {
    let (_home, data) = folder();
    let server = Server::start(&data, &["--dev"]);
    send(&server, &data, "첫째");
    let room = ["--room", "general", "--as", "2", "--after", "0"];
    let mut tails = PROTOCOLS.map(|protocol| tail(&server, &data, protocol, &room));
    for (_, out) in &tails {
        let line = out.wait_for("첫째");
        assert!(line.contains("#1 하나: 첫째"), "{line}");
    }
    send(&server, &data, "둘째");
    for (running, out) in &mut tails {
        out.wait_for("#2 하나: 둘째");
        running.signal(Signal::INT);
        assert_eq!(running.wait(), Some(0));
    }
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn whatever_happens_in_the_room_is_shown_and_nobody_need_be_named() {
    let (_home, data) = folder();
    let server = Server::start(&data, &["--dev"]);
    let room = ["--room", "general", "--as", "2", "--after", "0"];
    let as_two = PROTOCOLS.map(|protocol| tail(&server, &data, protocol, &room));
    send(&server, &data, "hello");
    for (_, out) in &as_two {
        // They have joined: from here on nothing is missed.
        out.wait_for("hello");
    }
    let (_running, nobody) = tail(&server, &data, "type", &["--room", "general", "--json"]);
    for (_, out) in &as_two {
        out.wait_for("* bongsu-cli joined, 4 are here");
    }
    let path = data.to_str().unwrap();
    let token = run(&["token", "--sub", "1", "--data-dir", path]).good();
    let mut client = TcpStream::connect(server.address("tcp")).unwrap();
    let say = |client: &mut TcpStream, action: &str, of: &str| {
        writeln!(client, r#"{{"action":"{action}","data":{{{of}}},"seq_id":"1"}}"#).unwrap();
    };
    say(
        &mut client,
        "CONNECT",
        &format!(r#""jwt_token":"{}""#, token.trim()),
    );
    // In another room, where the users that listen are members, too.
    say(&mut client, "TYPING", r#""chatroom_id":2,"is_typing":false"#);
    say(&mut client, "TYPING", r#""chatroom_id":1,"is_typing":true"#);
    say(
        &mut client,
        "SEND_EVENT",
        r#""chatroom_id":1,"type":"game.move","data":{"to":"e4"}"#,
    );
    for (_, out) in &as_two {
        out.wait_for("* 1 is online");
        out.wait_for(" is typing");
        let line = out.wait_for("* game.move");
        assert!(line.contains("to e4"), "{line}");
    }
    let line = nobody.wait_for("game.move");
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&event["type"], &event["data"]["to"]),
        (&"game.move".into(), &"e4".into())
    );
    assert_eq!(server.stop().0, Some(0));
    for (_, out) in &as_two {
        assert!(!out.seen().iter().any(|line| line.contains("stopped typing")));
    }
}

#[test]
fn after_a_crash_of_the_server_it_goes_on_without_hole_or_repeat() {
    PROTOCOLS.into_iter().for_each(goes_on_after_a_crash);
}

fn goes_on_after_a_crash(protocol: &str) {
    let (_home, data) = folder();
    let first = Server::start(&data, &["--dev"]);
    let (http, tcp) = (first.address("http").to_owned(), first.address("tcp").to_owned());
    let (mut running, out) = tail(
        &first,
        &data,
        protocol,
        &["--room", "1", "--as", "2", "--after", "0", "--json"],
    );
    send(&first, &data, "before");
    out.wait_for("before");
    first.running.signal(Signal::KILL);
    running.err.wait_for("the next try");
    drop(first);
    let second = Server::start_command(&data, bongsu(&["serve", "--dev", "--http", &http, "--tcp", &tcp]));
    send(&second, &data, "after");
    out.wait_for("after");
    send(&second, &data, "later");
    out.wait_for("later");
    running.signal(Signal::INT);
    assert_eq!(running.wait(), Some(0));
    let lines: Vec<serde_json::Value> = out
        .all()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seqs: Vec<_> = lines.iter().filter_map(|line| line["seq"].as_i64()).collect();
    assert_eq!(seqs, [1, 2, 3]);
}

#[test]
fn who_may_not_is_told_and_not_tried_again() {
    let (_home, data) = folder();
    let server = Server::start(&data, &["--dev"]);
    server
        .call(&data, &["room", "create", "--id", "9", "--member", "1"])
        .good();
    server.call(&data, &["user", "ban", "3"]).good();
    for protocol in PROTOCOLS {
        let (mut running, _) = tail(&server, &data, protocol, &["--room", "9", "--as", "2"]);
        assert_eq!(running.wait(), Some(1));
        running.err.wait_for("ROOM_NOT_FOUND");
        let (mut running, _) = tail(&server, &data, protocol, &["--room", "1", "--as", "3"]);
        assert_eq!(running.wait(), Some(1));
        let (mut running, _) = tail(&server, &data, protocol, &["--room", "1", "--token", "a.b.c"]);
        assert_eq!(running.wait(), Some(1));
        running.err.wait_for("INVALID_TOKEN");
    }
}

#[test]
fn a_token_that_ends_is_replaced_in_time() {
    PROTOCOLS.into_iter().for_each(replaces_a_token);
}

#[allow(clippy::disallowed_methods, reason = "the patience of a test is real time")]
fn replaces_a_token(protocol: &str) {
    let (home, data) = folder();
    // The tokens of `tail` live five minutes, so that the first one is about to end almost at once.
    let config = write(
        home.path(),
        "bongsu.toml",
        "[limits]\ntoken_warning_ms = 298500\n",
    );
    let server = Server::start(&data, &["--dev", "--config", &config]);
    let (_running, _out) = tail(&server, &data, protocol, &["--room", "1", "--as", "2"]);
    let path = data.to_str().unwrap();
    let service = ["token", "--sub", "test", "--role", "service", "--data-dir", path];
    let service = run(&service).good();
    let expiry = || {
        let sessions = server.get(service.trim(), "/api/v1/sessions");
        sessions["sessions"][0]["expires_at"].as_str().map(str::to_owned)
    };
    let until = Instant::now() + PATIENCE;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        assert!(Instant::now() < until, "{seen:?}");
        if let Some(at) = expiry().filter(|at| !seen.contains(at)) {
            seen.push(at);
        }
    }
    assert!(seen[0] < seen[1], "{seen:?}");
}

#[test]
fn it_ends_when_nobody_reads_it() {
    let (_home, data) = folder();
    let server = Server::start(&data, &["--dev"]);
    send(&server, &data, "one");
    let mut command = bongsu(&["tail", "--room", "1", "--as", "2", "--after", "0"]);
    command
        .args(["--tcp", server.address("tcp")])
        .arg("--data-dir")
        .arg(&data);
    let (mut running, out) = Running::start(command);
    drop(out);
    assert_eq!(running.wait(), Some(0));
}
