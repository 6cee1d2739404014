//! The agent as a program of its own, against a server of a few lines: programs are run, told of and stopped, and it ends
//! as it is asked to.
//!
//! Invariant: nothing waits for the clock; what the server hears was said by the built program.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bongsu_wire::socketio::client::{Heard as Packet, Value};
use bongsu_wire::websocket::{Decoder, Heard, MessageLimits, Opcode, Role, accept_key, frame};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const LIMITS: MessageLimits = MessageLimits {
    message_bytes_max: 1 << 20,
    fragments_max: 10,
};
/// Everything happens sooner.
const PATIENCE: Duration = Duration::from_secs(20);
const OPEN: &str =
    r#"0{"sid":"s","upgrades":[],"pingInterval":60000,"pingTimeout":60000,"maxPayload":65536}"#;
/// The server's clock. Any will do: the agent measures it.
const NOW: i64 = 4_000_000_000_000;

/// One link of the agent, at the server.
struct Peer {
    stream: TcpStream,
    decoder: Decoder,
    heard: VecDeque<String>,
}

/// An event of the agent.
#[derive(Debug)]
struct Said {
    name: String,
    ack: Option<u64>,
    data: Value,
}

impl Peer {
    /// Accepts a link and lets the display in; how it registered.
    async fn registered(listener: &TcpListener) -> (Self, Value) {
        let (mut stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(!head.contains("secret"), "a token is in no head");
        let key = head
            .lines()
            .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let accept = accept_key(key.unwrap()).unwrap();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        let mut peer = Self {
            stream,
            decoder: Decoder::new(Role::Server, false),
            heard: VecDeque::new(),
        };
        peer.packet(OPEN).await;
        assert_eq!(peer.hear().await.as_deref(), Some("40/switchboard,"));
        peer.packet("40/switchboard,{\"sid\":\"x\"}").await;
        let register = peer.said("register_client").await;
        peer.say(
            "registration_success",
            &format!(
                r#"{{"clientId":1,"clientName":"Wall_1","epoch":1,"heartbeatMs":30000,"serverTime":{NOW}}}"#
            ),
        )
        .await;
        (peer, register.data)
    }

    async fn packet(&mut self, text: &str) {
        self.stream
            .write_all(&frame(Opcode::Text, text.as_bytes()))
            .await
            .unwrap();
    }

    async fn say(&mut self, name: &str, data: &str) {
        self.packet(&format!("42/switchboard,[\"{name}\",{data}]")).await;
    }

    async fn execute(&mut self, id: u8, line: &str) {
        let line = Value::from(line);
        self.say(
            "execute_command",
            &format!(
                r#"{{"clientName":"Wall_1","command":{line},"presetId":7,"commandId":"{id:032x}","shell":true,"issuedAt":{NOW},"ttlMs":600000}}"#
            ),
        )
        .await;
    }

    /// The next message; `None` when the agent has gone.
    async fn hear(&mut self) -> Option<String> {
        while self.heard.is_empty() {
            let mut bytes = vec![0; 4_096];
            let count = timeout(PATIENCE, self.stream.read(&mut bytes)).await.unwrap();
            let count = count.unwrap_or(0);
            let Self { decoder, heard, .. } = self;
            let mut closed = count == 0;
            decoder
                .push(&mut bytes[..count], &LIMITS, &mut |it| match it {
                    Heard::Text(text) => heard.push_back(text.to_owned()),
                    Heard::Close(_) => closed = true,
                    Heard::Binary(_) | Heard::Ping(_) | Heard::Pong(_) => panic!("not of engine.io"),
                })
                .unwrap();
            if closed && self.heard.is_empty() {
                return None;
            }
        }
        self.heard.pop_front()
    }

    /// The next event of that name. Heartbeats are answered, and results taken.
    async fn said(&mut self, wanted: &str) -> Said {
        loop {
            let packet = self.hear().await.expect("the agent goes on");
            let Packet::Event { name, data, .. } = Packet::parse(&packet).unwrap() else {
                panic!("{packet}")
            };
            // `42/switchboard,7[…`: what stands between is the number.
            let (head, _) = packet.split_once('[').unwrap();
            let ack = head.rsplit_once(',').unwrap().1.parse().ok();
            let said = Said {
                data: data.parse().unwrap(),
                name,
                ack,
            };
            if said.name == "heartbeat" {
                self.say("heartbeat_response", r#"{"status":"ok","nextHeartbeatIn":30000}"#)
                    .await;
            }
            if let Some(ack) = said.ack {
                self.packet(&format!("43/switchboard,{ack}[{{\"ok\":true}}]"))
                    .await;
            }
            if said.name == wanted {
                return said;
            }
        }
    }

    /// The next result, which is of this command and of this status.
    async fn result(&mut self, id: u8, status: &str) -> Value {
        let said = self.said("execution_result").await;
        assert!(said.ack.is_some());
        assert_eq!(said.data["commandId"], format!("{id:032x}"), "{said:?}");
        assert_eq!(said.data["status"], status, "{said:?}");
        said.data["details"].clone()
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

fn agent(url: &str, data: &Path, more: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_bongsu-agent"))
        .env("BONGSU_AGENT_TOKEN", "secret")
        .args([
            "--server",
            url,
            "--name",
            "Wall_1",
            "--allow-any",
            "--cgroup",
            "off",
        ])
        // It need not be absolute.
        .args(["--data-dir", "agent"])
        .current_dir(data)
        .args(more)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Asks the agent to end; its log.
async fn end(mut agent: Child) -> String {
    let pid = i32::try_from(agent.id().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    ended(&mut agent).await
}

/// Waits until the agent has ended well; its log.
async fn ended(agent: &mut Child) -> String {
    let mut log = String::new();
    let mut stderr = agent.stderr.take().unwrap();
    timeout(PATIENCE, stderr.read_to_string(&mut log))
        .await
        .unwrap()
        .unwrap();
    let status = timeout(PATIENCE, agent.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("secret"), "{log}");
    log
}

#[tokio::test]
async fn a_program_is_run_and_told_of_to_its_end() {
    let (listener, url) = listen().await;
    let data = tempfile::tempdir().unwrap();
    let agent = agent(&url, data.path(), &[]);
    let (mut peer, registered) = Peer::registered(&listener).await;
    assert_eq!(registered["name"], "Wall_1");
    assert_eq!(registered["token"], "secret");
    assert_eq!(registered["ip_address"], "127.0.0.1");
    peer.execute(1, "exit 3").await;
    peer.result(1, "starting").await;
    assert!(peer.result(1, "running").await["pid"].is_u64());
    assert_eq!(peer.result(1, "failed").await["exit_code"], 3);
    peer.execute(1, "exit 3").await;
    assert_eq!(
        peer.result(1, "failed").await["exit_code"],
        3,
        "it is not run again"
    );
    peer.say("connection_check", r#"{"timestamp":12.5}"#).await;
    assert_eq!(
        peer.said("connection_check_response").await.data["received_at"],
        12.5
    );
    let log = tokio::spawn(end(agent));
    while peer.hear().await.is_some_and(|said| said != "41/switchboard,") {}
    assert_eq!(peer.hear().await, None);
    assert!(
        log.await.unwrap().contains("may run anything"),
        "it says so loudly"
    );
}

#[tokio::test]
async fn programs_are_stopped_on_request_and_at_the_end() {
    let (listener, url) = listen().await;
    let data = tempfile::tempdir().unwrap();
    let agent = agent(&url, data.path(), &["--on-exit", "stop"]);
    let (mut peer, _) = Peer::registered(&listener).await;
    for id in [1, 2] {
        peer.say(
            "execute_command",
            &format!(
                r#"{{"clientName":"Wall_1","command":"sleep 1000","presetId":{id},"commandId":"{id:032x}","issuedAt":{NOW},"ttlMs":600000}}"#
            ),
        )
        .await;
        peer.result(id, "starting").await;
        peer.result(id, "running").await;
    }
    let stop = format!(
        r#"{{"clientName":"Wall_1","presetId":1,"commandId":"{:032x}"}}"#,
        3
    );
    peer.say("stop_command", &stop).await;
    peer.result(3, "starting").await;
    assert_eq!(peer.result(1, "stopped").await["signal"], 15);
    assert_eq!(peer.result(3, "stopped").await["stopped"], 1);
    let log = tokio::spawn(end(agent));
    assert_eq!(peer.result(2, "stopped").await["signal"], 15);
    while peer.hear().await.is_some() {}
    log.await.unwrap();
}

#[tokio::test]
async fn who_leaves_a_program_takes_it_over_when_it_comes_back() {
    let (listener, url) = listen().await;
    let data = tempfile::tempdir().unwrap();
    let first = agent(&url, data.path(), &["--on-exit", "leave"]);
    let (mut peer, _) = Peer::registered(&listener).await;
    let fifo = data.path().join("go on");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let line = format!("read -r code < '{}'; exit $code", fifo.display());
    peer.execute(1, &line).await;
    peer.result(1, "starting").await;
    let pid = peer.result(1, "running").await["pid"].clone();
    let log = tokio::spawn(end(first));
    while peer.hear().await.is_some() {}
    log.await.unwrap();
    let second = agent(&url, data.path(), &[]);
    let (mut peer, registered) = Peer::registered(&listener).await;
    assert_eq!(registered["running"][0], format!("{:032x}", 1));
    let status = peer.said("process_status").await.data;
    assert_eq!(status["running_processes"][0]["pid"], pid);
    let writer = tokio::task::spawn_blocking(move || std::fs::write(fifo, "5\n"));
    loop {
        let said = peer.said("execution_result").await.data;
        // That it runs is said again, as the agent is another.
        if said["status"] != "running" {
            assert_eq!(said["details"]["exit_code"], 5, "{said}");
            break;
        }
    }
    writer.await.unwrap().unwrap();
    let log = tokio::spawn(end(second));
    while peer.hear().await.is_some() {}
    log.await.unwrap();
}

#[tokio::test]
async fn a_result_that_was_not_taken_is_said_again_over_the_next_link() {
    let (listener, url) = listen().await;
    let data = tempfile::tempdir().unwrap();
    let agent = agent(&url, data.path(), &[]);
    let (mut peer, _) = Peer::registered(&listener).await;
    peer.execute(1, "exit 0").await;
    // Whatever it says is lost with the link.
    drop(peer);
    let (mut peer, _) = Peer::registered(&listener).await;
    peer.said("reconnection_success").await;
    loop {
        let said = peer.said("execution_result").await.data;
        assert_eq!(said["commandId"], format!("{:032x}", 1));
        if said["status"] == "completed" {
            break;
        }
    }
    let log = tokio::spawn(end(agent));
    while peer.hear().await.is_some() {}
    log.await.unwrap();
}

#[tokio::test]
async fn a_server_that_asks_is_answered_whatever_the_disk_does() {
    let (listener, url) = listen().await;
    let data = tempfile::tempdir().unwrap();
    // Whoever writes this file waits for a reader: a disk that does not answer.
    let run = data.path().join(format!("agent/runs/{:032x}", 1));
    std::fs::create_dir_all(&run).unwrap();
    let slow = run.join("spec.new");
    let made = std::process::Command::new("mkfifo").arg(&slow).status();
    assert!(made.unwrap().success());
    let agent = agent(&url, data.path(), &[]);
    let (mut peer, _) = Peer::registered(&listener).await;
    peer.execute(1, "exit 0").await;
    peer.say("connection_check", r#"{"timestamp":12.5}"#).await;
    let alive = peer.said("connection_check_response").await.data;
    assert_eq!(alive["received_at"], 12.5);
    // What comes behind it is done behind it.
    peer.say(
        "prepare_command",
        &format!(
            r#"{{"clientName":"Wall_1","command":"true","presetId":7,"commandId":"{:032x}","issuedAt":{NOW},"ttlMs":600000}}"#,
            2
        ),
    )
    .await;
    let reader = tokio::task::spawn_blocking(move || std::fs::read(slow));
    peer.result(1, "failed").await;
    peer.result(2, "prepared").await;
    reader.await.unwrap().unwrap();
    let log = tokio::spawn(end(agent));
    while peer.hear().await.is_some() {}
    log.await.unwrap();
}
