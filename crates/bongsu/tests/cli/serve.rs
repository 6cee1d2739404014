//! `serve`: what is printed where, what ends it, and what keeps it from starting.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use rustix::process::Signal;

use crate::support::{ANY, PATIENCE, Server, bongsu, folder, run, write};

#[test]
fn the_ready_line_is_all_of_stdout_and_sigterm_ends_well() {
    let (_home, data) = folder();
    let server = Server::start(&data, &[]);
    let pid = server.running.id();
    let (http, tcp) = (
        server.address("http").to_owned(),
        server.address("tcp").to_owned(),
    );
    let node = server.address("node_id").to_owned();
    let want = format!(r#"{{"ready":true,"node_id":"{node}","http":"{http}","tcp":"{tcp}","pid":{pid}}}"#);
    assert_eq!(server.line, want);
    assert!(
        !tcp.ends_with(":0") && !http.ends_with(":0"),
        "the ports that were taken"
    );
    assert_eq!(server.stop(), (Some(0), vec![want]));
}

#[test]
fn clients_are_told_the_advertised_address_and_a_demo_says_the_rest_beside_stdout() {
    let (home, data) = folder();
    let file = "[server]\nadvertise = \"http://file.example\"\n";
    let config = write(home.path(), "bongsu.toml", file);
    let told = |server: &Server| {
        let status = server.get("", "/status");
        let host = status["host"].as_str().unwrap().to_owned();
        (host, status["port"].as_u64().unwrap())
    };
    let server = Server::start(&data, &["--dev", "--config", &config]);
    assert_eq!(told(&server), ("http://file.example".to_owned(), 80));
    server.running.err.wait_for("socket.io-client");
    let line = server.line.clone();
    assert_eq!(server.stop(), (Some(0), vec![line]));
    let flag = ["--config", &config, "--advertise", "https://flag.example:8443"];
    let server = Server::start(&data, &flag);
    assert_eq!(told(&server), ("https://flag.example".to_owned(), 8_443));
}

#[test]
fn socket_io_is_there_unless_it_is_switched_off() {
    let handshake = "/socket.io/?EIO=4&transport=websocket";
    let (home, data) = folder();
    let server = Server::start(&data, &[]);
    assert_eq!(server.get("", handshake)["message"], "Bad request", "no upgrade");
    assert!(server.get("", "/status")["node_tag"].is_string());
    assert_eq!(server.stop().0, Some(0));
    let config = write(home.path(), "bongsu.toml", "[socketio]\nenabled = false\n");
    let server = Server::start(&data, &["--config", &config]);
    assert_eq!(server.get("", handshake)["reason"], "no_such_path");
    assert!(server.get("", "/status")["node_tag"].is_null());
    let path = data.to_str().unwrap();
    let tail = [
        "tail",
        "--room",
        "general",
        "--protocol",
        "socketio",
        "--data-dir",
        path,
    ];
    let err = run(&[&tail[..], &["--url", &server.url()]].concat()).bad(1);
    assert!(err.contains("404"), "{err}");
}

#[test]
fn sigint_ends_well_too() {
    let (_home, data) = folder();
    let mut server = Server::start(&data, &[]);
    server.running.signal(Signal::INT);
    assert_eq!(server.running.wait(), Some(0));
}

/// Signs in and stays; the connection with the answer read.
fn sign_in(server: &Server, data: &std::path::Path) -> TcpStream {
    let token = run(&["token", "--sub", "7", "--data-dir", data.to_str().unwrap()]).good();
    let mut stream = TcpStream::connect(server.address("tcp")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    writeln!(
        stream,
        r#"{{"action":"CONNECT","data":{{"jwt_token":"{}"}},"seq_id":"1"}}"#,
        token.trim()
    )
    .unwrap();
    let mut line = String::new();
    BufReader::new(stream.try_clone().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.contains("CONNECT_SUCCESS"), "{line}");
    stream
}

#[test]
fn a_second_signal_ends_at_once() {
    let (home, data) = folder();
    // A session that stays is ended after a while; that was not what ended it if it ended with 1.
    let config = write(home.path(), "bongsu.toml", "[limits]\ndrain_ms = 600000\n");
    let mut server = Server::start(&data, &["--config", &config]);
    let _stays = sign_in(&server, &data);
    server.running.signal(Signal::TERM);
    server.running.err.wait_for("stopping");
    server.running.signal(Signal::TERM);
    assert_eq!(server.running.wait(), Some(1));
}

#[test]
fn a_session_that_stays_is_ended_within_the_drain() {
    let (home, data) = folder();
    let config = write(home.path(), "bongsu.toml", "[limits]\ndrain_ms = 200\n");
    let server = Server::start(&data, &["--config", &config]);
    let _stays = sign_in(&server, &data);
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn a_data_folder_serves_one_server() {
    let (_home, data) = folder();
    let server = Server::start(&data, &[]);
    let path = data.to_str().unwrap();
    let err = run(&[&["serve", "--data-dir", path], &ANY[..]].concat()).bad(1);
    let pid = server.running.id().to_string();
    for part in [path, &pid, "--data-dir"] {
        assert!(err.contains(part), "{part}: {err}");
    }
}

#[test]
fn an_address_in_use_is_named_with_its_flag() {
    let (_home, data) = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (flag, other) in [("--tcp", "--http"), ("--http", "--tcp")] {
        let args = [
            "serve",
            flag,
            &address,
            other,
            "127.0.0.1:0",
            "--data-dir",
            data.to_str().unwrap(),
        ];
        let err = run(&args).bad(1);
        assert!(
            err.contains(&format!("{flag} {address}")) && err.contains("port 0"),
            "{err}"
        );
    }
    assert!(!data.exists(), "a slip in an address leaves nothing behind");
}

#[test]
fn a_demo_stays_at_home() {
    let (_home, data) = folder();
    for (flag, other) in [("--tcp", "--http"), ("--http", "--tcp")] {
        let args = [
            "serve",
            "--dev",
            flag,
            "0.0.0.0:0",
            other,
            "127.0.0.1:0",
            "--data-dir",
            data.to_str().unwrap(),
        ];
        let err = run(&args).bad(1);
        assert!(
            err.contains(&format!("{flag} 0.0.0.0:0")) && err.contains("loopback"),
            "{err}"
        );
    }
}

#[test]
fn the_log_can_be_json_and_has_no_tokens() {
    let (_home, data) = folder();
    let mut server = Server::start(&data, &["--log-format", "json", "--log", "trace"]);
    let stream = sign_in(&server, &data);
    drop(stream);
    server.call(&data, &["user", "list"]).good();
    server.running.signal(Signal::TERM);
    assert_eq!(server.running.wait(), Some(0));
    let lines = server.running.err.all();
    assert!(!lines.is_empty());
    for line in &lines {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(entry["level"].is_string(), "{line}");
        assert!(!line.contains("eyJ"), "a token is logged: {line}");
    }
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let (home, data) = folder();
    let config = write(home.path(), "bongsu.toml", "[server]\nnode_id = \"of-file\"\n");
    let name = |env: Option<&str>, flag: Option<&str>| {
        let mut command = bongsu(&[&["serve"], &ANY[..]].concat());
        command.env("BONGSU_CONFIG", &config);
        command.envs(env.map(|name| ("BONGSU_NODE_ID", name)));
        command.args(flag.iter().flat_map(|name| ["--node-id", name]));
        Server::start_command(&data, command)
            .address("node_id")
            .to_owned()
    };
    assert_eq!(name(None, None), "of-file");
    assert_eq!(name(Some("of-env"), None), "of-env");
    assert_eq!(name(Some("of-env"), Some("of-flag")), "of-flag");
}

#[test]
fn a_switch_in_the_environment_is_on_or_off() {
    for (word, users) in [("1", 3), ("true", 3), ("0", 0), ("no", 0)] {
        let (_home, data) = folder();
        let mut command = bongsu(&[&["serve"], &ANY[..]].concat());
        command.env("BONGSU_DEV", word);
        let server = Server::start_command(&data, command);
        let listed = server.ask(&data, &["user", "list"]);
        assert_eq!(listed.as_array().unwrap().len(), users, "BONGSU_DEV={word}");
    }
}
