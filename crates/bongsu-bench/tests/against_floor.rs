//! The whole bench against servers of its own, bounded by counts: every scenario, every way to fail.
//!
//! This test is a program without the usual harness because it also plays the servers: started with `floor` it is the
//! floor, started with `serve` it stands in for the product (the floor again, with an HTTP API that makes no rooms).

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test, though clippy cannot see it without the harness"
)]

#[path = "fakes/polling.rs"]
mod polling;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bongsu_bench::{
    BenchError, Fault, Keys, Options, Peer, Program, Protocol, Report, Scenario, Signer, Target, floor, run,
};
use bongsu_model::Role;

fn main() {
    let mut args = std::env::args().skip(1).peekable();
    match args.peek().map(String::as_str) {
        Some("floor") => floor::main(args.skip(1)).unwrap(),
        Some("serve") => stand_in(&args.collect::<Vec<_>>()),
        Some(_) | None => tests(),
    }
}

fn tests() {
    let all: &[(&str, fn())] = &[
        (
            "every_scenario_gives_figures_over_every_protocol",
            every_scenario_gives_figures_over_every_protocol,
        ),
        (
            "the_floor_writes_what_the_server_wrote",
            the_floor_writes_what_the_server_wrote,
        ),
        (
            "servers_of_others_take_their_turn",
            servers_of_others_take_their_turn,
        ),
        (
            "many_addresses_and_an_external_server",
            many_addresses_and_an_external_server,
        ),
        ("paced_messages_arrive", paced_messages_arrive),
        ("a_load_is_a_share_of_saturation", a_load_is_a_share_of_saturation),
        (
            "users_who_poll_are_answered_and_answer_heartbeats",
            users_who_poll_are_answered_and_answer_heartbeats,
        ),
        (
            "a_websocket_that_is_not_opened_is_reported",
            a_websocket_that_is_not_opened_is_reported,
        ),
        (
            "a_server_that_pings_is_answered_and_its_close_is_quoted",
            a_server_that_pings_is_answered_and_its_close_is_quoted,
        ),
        (
            "websockets_of_an_external_server_need_its_http_address",
            websockets_of_an_external_server_need_its_http_address,
        ),
        ("a_refused_room_is_reported", a_refused_room_is_reported),
        ("a_refused_session_is_reported", a_refused_session_is_reported),
        (
            "a_silent_server_is_not_waited_for_for_ever",
            a_silent_server_is_not_waited_for_for_ever,
        ),
        (
            "a_server_that_repeats_itself_is_caught",
            a_server_that_repeats_itself_is_caught,
        ),
        ("a_session_that_ends_is_quoted", a_session_that_ends_is_quoted),
        (
            "a_server_that_does_not_start_is_quoted",
            a_server_that_does_not_start_is_quoted,
        ),
        ("a_bad_token_ends_the_run", a_bad_token_ends_the_run),
    ];
    for (name, test) in all {
        test();
        println!("test {name} ... ok");
    }
}

fn every_scenario_gives_figures_over_every_protocol() {
    // Those that the floor speaks, since it stands in for the product.
    let all = Protocol::ALL
        .into_iter()
        .filter(|protocol| protocol.floor() == *protocol);
    let pairs = all.flat_map(|one| Scenario::ALL.map(|scenario| (one, scenario)));
    for (protocol, scenario) in pairs {
        let options = over(protocol, small(scenario));
        if let Err(BenchError::Option { option, .. }) = options.check() {
            // Devices and displays are in no rooms, and commands or programs are theirs alone.
            assert_eq!(option, "--protocol");
            let theirs = [
                (Protocol::DeviceJson, Scenario::Commands),
                (Protocol::Switchboard, Scenario::Displays),
            ];
            let own = theirs.iter().find(|(one, _)| *one == protocol);
            assert!(match own {
                Some((_, own)) => scenario != *own,
                None => theirs.iter().any(|(_, one)| *one == scenario),
            });
            continue;
        }
        let report = measure(&options).unwrap();
        assert_eq!(
            (report.scenario, report.protocol),
            (scenario.name(), protocol.name())
        );
        assert!(
            report
                .json()
                .contains(&format!("\"protocol\":\"{}\"", protocol.name()))
        );
        assert_eq!(report.rounds, 2);
        let has_goal = report.rows.iter().any(|row| row.goal.is_some());
        let of_users = ![Protocol::DeviceJson, Protocol::Switchboard].contains(&protocol);
        assert_eq!(has_goal, of_users, "{report}");
        for row in &report.rows {
            assert!(row.floors.len() == 2, "{row:?}");
            assert!(
                row.figures
                    .iter()
                    .chain(&row.floors)
                    .all(|value| value.is_finite()),
                "{row:?}"
            );
        }
        let throughput = report.rows.iter().find(|row| row.unit == "/s");
        assert_eq!(throughput.is_none(), scenario == Scenario::Idle);
        assert!(
            throughput.is_none_or(|row| row.figure > Some(0.0) && row.floor > Some(0.0)),
            "{report}"
        );
        let table = report.to_string();
        assert!(table.lines().count() > report.rows.len());
        assert!(table.starts_with(&format!("{} over {}: ", scenario.name(), protocol.name())));
    }
}

fn the_floor_writes_what_the_server_wrote() {
    let options = with_flag(Scenario::Fanout, "--frame-bytes=777");
    assert_eq!(measure(&options).unwrap().frame_bytes, 777);
    for protocol in [Protocol::Type, Protocol::Socketio] {
        assert_eq!(
            measure(&over(protocol, options.clone())).unwrap().frame_bytes,
            777
        );
    }
}

fn servers_of_others_take_their_turn() {
    let exe = std::env::current_exe().unwrap();
    let other = |protocol: Protocol| Peer {
        name: format!("other-{}", protocol.name()),
        protocol,
        program: Program {
            exe: exe.clone(),
            args: ["floor", "--protocol", protocol.name()]
                .map(str::to_owned)
                .to_vec(),
        },
    };
    for scenario in [Scenario::Fanout, Scenario::Rooms, Scenario::Echo, Scenario::Idle] {
        let mut options = over(Protocol::Type, small(scenario));
        options.peers = vec![other(Protocol::Socketio), other(Protocol::Action)];
        let report = measure(&options).unwrap();
        for row in &report.rows {
            let names: Vec<&str> = row.peers.iter().map(|cell| cell.name.as_str()).collect();
            assert_eq!(names, ["other-socketio", "other-action"], "{report}");
            assert!(row.peers.iter().all(|cell| cell.figures.len() == 2), "{report}");
        }
        let cost = &report.rows[0].peers;
        assert!(
            scenario == Scenario::Idle || cost.iter().all(|cell| cell.figure > 0.0),
            "{report}"
        );
        assert!(report.to_string().contains("other-socketio"), "{report}");
    }
    let mut options = small(Scenario::Posts);
    options.peers = vec![other(Protocol::Action)];
    let fault = measure(&options).unwrap_err();
    assert!(
        matches!(
            fault,
            BenchError::Option {
                option: "--beside",
                ..
            }
        ),
        "{fault}"
    );
    let mut options = small(Scenario::Echo);
    options.peers = vec![Peer {
        program: Program {
            exe: "/no/such/program".into(),
            args: Vec::new(),
        },
        ..other(Protocol::Action)
    }];
    assert!(matches!(measure(&options).unwrap_err(), BenchError::Spawn { .. }));
}

fn many_addresses_and_an_external_server() {
    let mut options = small(Scenario::Rooms);
    options.connections_per_address = 3;
    let (floor, tcp) = start_floor(&[]);
    options.target = Target::External {
        tcp,
        http: None,
        pid: floor.0.id(),
    };
    let report = measure(&options).unwrap();
    assert_eq!(report.connections, 12);
    assert!(
        Path::new(&format!("/proc/{}", floor.0.id())).exists(),
        "an external server is left alone"
    );
}

fn paced_messages_arrive() {
    let mut options = small(Scenario::Fanout);
    options.rate = Some(2_000.0);
    let report = measure(&options).unwrap();
    assert!(report.rows.iter().all(|row| row.step == "2000 msg/s"), "{report}");
}

fn a_load_is_a_share_of_saturation() {
    let mut options = over(Protocol::Type, small(Scenario::Fanout));
    options.load = Some(0.5);
    let report = measure(&options).unwrap();
    let rate = |row: &bongsu_bench::Row| row.step.strip_prefix("50 % load, ").is_some();
    assert!(report.rows.iter().all(rate), "{report}");
    assert!(
        report.notes.iter().any(|note| note.contains("with 5 in flight")),
        "{report}"
    );
    let p99 = report.rows.iter().find(|row| row.what == "latency p99").unwrap();
    assert!(p99.goal.is_some() && p99.figure > Some(0.0), "{report}");
}

fn users_who_poll_are_answered_and_answer_heartbeats() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let http = listener.local_addr().unwrap();
    let sessions = polling::serve(listener);
    let mut options = small(Scenario::Echo);
    options.protocol = Protocol::SocketioPolling;
    options.target = Target::External {
        tcp: http,
        http: Some(http),
        pid: std::process::id(),
    };
    let report = measure(&options).unwrap();
    let throughput = report.rows.iter().find(|row| row.unit == "/s").unwrap();
    assert!(
        throughput.figure > Some(0.0) && throughput.floor > Some(0.0),
        "{report}"
    );
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("the floor speaks socketio")),
        "{report}"
    );
    assert!(report.rows.iter().all(|row| row.goal.is_none()), "{report}");
    let (pings, pongs) = sessions.heartbeats();
    let users = (options.connections() * options.rounds) as u64;
    assert!(pongs > 0 && pongs <= pings, "{pongs} of {pings}");
    assert!(
        pings - pongs <= users,
        "at most each user's last one is not answered: {pongs} of {pings}"
    );
}

fn a_websocket_that_is_not_opened_is_reported() {
    let fault = against_odd_websocket(&[b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"]);
    assert!(fault.to_string().contains("403 Forbidden"), "{fault}");
    let other_key = "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: AAAA\r\n\r\n";
    let fault = against_odd_websocket(&[other_key.as_bytes()]);
    assert!(fault.to_string().contains("AAAA"), "{fault}");
}

fn a_server_that_pings_is_answered_and_its_close_is_quoted() {
    let said: [&[u8]; 4] = [
        b"HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        b"\x81\x12{\"type\":\"auth.ok\"}",
        b"\x89\x02hi",
        b"\x88\x0d\x11\x30reconnect=x",
    ];
    let fault = against_odd_websocket(&said);
    assert!(fault.to_string().contains("4400: reconnect=x"), "{fault}");
}

fn websockets_of_an_external_server_need_its_http_address() {
    let mut options = over(Protocol::Type, small(Scenario::Echo));
    options.target = Target::External {
        tcp: "127.0.0.1:9".parse().unwrap(),
        http: None,
        pid: std::process::id(),
    };
    let fault = measure(&options).unwrap_err();
    assert!(
        matches!(fault, BenchError::Option { option: "--http", .. }),
        "{fault}"
    );
}

/// Opens a WebSocket on a server that says all of `said` as soon as it was asked for the upgrade; each ping among it
/// must be answered.
fn against_odd_websocket(said: &[&[u8]]) -> BenchError {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let http = listener.local_addr().unwrap();
    let mut options = over(Protocol::Type, small(Scenario::Echo));
    options.target = Target::External {
        tcp: http,
        http: Some(http),
        pid: std::process::id(),
    };
    options.in_flight = vec![1];
    let (close, rest) = said.split_last().unwrap();
    let pings = rest.iter().filter(|said| said[0] == 0x89).count();
    std::thread::scope(|scope| {
        let server = scope.spawn(|| {
            let (mut peer, _) = listener.accept().unwrap();
            let mut from = BufReader::new(peer.try_clone().unwrap());
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                from.read_line(&mut line).unwrap();
            }
            for said in rest {
                peer.write_all(said).unwrap();
            }
            for _ in 0..pings {
                let mut pong = [0; 8];
                from.read_exact(&mut pong).unwrap();
                let payload = [pong[6] ^ pong[2], pong[7] ^ pong[3]];
                assert_eq!((pong[..2].to_vec(), payload), (vec![0x8a, 0x82], *b"hi"));
            }
            peer.write_all(close).unwrap();
            // Until the load generator has seen enough.
            let _ = from.read_to_end(&mut Vec::new());
        });
        let fault = measure(&options).unwrap_err();
        server.join().unwrap();
        fault
    })
}

fn a_refused_room_is_reported() {
    let fault = measure(&with_flag(Scenario::Fanout, "--no-rooms")).unwrap_err();
    assert!(matches!(fault, BenchError::Http { status: 507, .. }), "{fault}");
    assert!(fault.to_string().contains("no room at the inn"), "{fault}");
}

fn a_refused_session_is_reported() {
    let error = r#"{"action":"CONNECT_ERROR","data":{"error_code":"INVALID_TOKEN"}}"#;
    let fault = against_odd_server(vec![error]);
    assert!(
        matches!(&fault, BenchError::Refused { line, .. } if line == error),
        "{fault}"
    );
}

fn a_silent_server_is_not_waited_for_for_ever() {
    let fault = against_odd_server(vec![CONNECTED, JOINED, "", ""]);
    assert!(
        matches!(
            fault,
            BenchError::Stalled {
                arrived: 0,
                due: 1,
                ..
            }
        ),
        "{fault}"
    );
}

fn a_server_that_repeats_itself_is_caught() {
    let fault = against_odd_server(vec![CONNECTED, JOINED, DELIVERED, DELIVERED_TWICE, "", ""]);
    assert!(
        matches!(fault, BenchError::Repeated { arrived: 2, due: 1 }),
        "{fault}"
    );
}

fn a_session_that_ends_is_quoted() {
    let last = r#"{"action":"SESSION_CLOSED","data":{"error_code":"OVERLOADED","reconnect":"later"}}"#;
    let fault = against_odd_server(vec![CONNECTED, JOINED, DELIVERED, last]);
    assert!(
        matches!(&fault, BenchError::Refused { line, .. } if line.contains("OVERLOADED")),
        "{fault}"
    );
}

const CONNECTED: &str = r#"{"action":"CONNECT_SUCCESS"}"#;
const JOINED: &str = r#"{"action":"JOIN_ROOM_SUCCESS"}"#;
const DELIVERED: &str = r#"{"action":"NEW_MESSAGE","data":{"content":"0000000000000000001^"}}"#;
const DELIVERED_TWICE: &str = concat!(
    r#"{"action":"NEW_MESSAGE","data":{"content":"0000000000000000001^"}}"#,
    "\n",
    r#"{"action":"NEW_MESSAGE","data":{"content":"0000000000000000001^"}}"#,
);

/// Measures one message in a room of one on a server that answers each line with the next of `answers` and hangs up
/// after the last.
fn against_odd_server(answers: Vec<&'static str>) -> BenchError {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = small(Scenario::Fanout);
    options.target = Target::External {
        tcp: listener.local_addr().unwrap(),
        http: None,
        pid: std::process::id(),
    };
    (options.members, options.in_flight, options.messages) = (1, vec![1], Some(1));
    options.patience_seconds = 0.2;
    let server = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut from = BufReader::new(peer.try_clone().unwrap());
        for answer in answers {
            // The end of the stream: the load generator has seen enough.
            if from.read_line(&mut String::new()).unwrap_or(0) == 0 {
                return;
            }
            if !answer.is_empty() {
                peer.write_all(format!("{answer}\n").as_bytes()).unwrap();
            }
        }
    });
    let fault = measure(&options).unwrap_err();
    server.join().unwrap();
    fault
}

fn a_server_that_does_not_start_is_quoted() {
    let fault = measure(&with_flag(Scenario::Echo, "--broken")).unwrap_err();
    assert!(matches!(fault, BenchError::NotReady { .. }), "{fault}");
    assert!(fault.to_string().contains("the flux is not capacious"), "{fault}");
    let mut options = small(Scenario::Echo);
    options.target = Target::Child {
        exe: "/no/such/program".into(),
        extra_args: Vec::new(),
        extra_config: String::new(),
    };
    assert!(matches!(measure(&options).unwrap_err(), BenchError::Spawn { .. }));
}

fn a_bad_token_ends_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = small(Scenario::Connect);
    options.work_dir = dir.path().to_owned();
    let fault = run(&options, &Ring { broken: true }).unwrap_err();
    assert!(matches!(fault, BenchError::Token(_)), "{fault}");
}

/// A run that takes moments.
fn small(scenario: Scenario) -> Options {
    let exe = std::env::current_exe().unwrap();
    let target = Target::Child {
        exe: exe.clone(),
        extra_args: Vec::new(),
        extra_config: String::new(),
    };
    let mut options = Options::new(
        scenario,
        target,
        Program {
            exe,
            args: vec!["floor".to_owned()],
        },
    );
    options.members = 4;
    options.rooms = 3;
    options.sessions = 40;
    options.displays = 7;
    options.in_flight = vec![1, 5];
    options.messages = Some(100);
    options.rounds = 2;
    options
}

fn with_flag(scenario: Scenario, flag: &str) -> Options {
    flagged(small(scenario), flag)
}

fn flagged(mut options: Options, flag: &str) -> Options {
    let Target::Child { extra_args, .. } = &mut options.target else {
        unreachable!("small() starts a child")
    };
    extra_args.push(flag.to_owned());
    options
}

/// The same over a protocol, which the stand-in must be told.
fn over(protocol: Protocol, options: Options) -> Options {
    Options {
        protocol,
        ..flagged(options, &format!("--protocol={}", protocol.name()))
    }
}

/// Runs in a folder of its own and checks that nothing stays there.
fn measure(options: &Options) -> Result<Report, BenchError> {
    let dir = tempfile::tempdir().unwrap();
    let result = run(
        &Options {
            work_dir: dir.path().to_owned(),
            ..options.clone()
        },
        &Ring { broken: false },
    );
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "a folder was left behind"
    );
    result
}

struct Ring {
    broken: bool,
}

impl Keys for Ring {
    fn open(&self, data_dir: Option<&Path>) -> Result<Box<dyn Signer>, Fault> {
        assert!(data_dir.is_none_or(|dir| dir.join("bench.toml").exists()));
        Ok(Box::new(Ring { broken: self.broken }))
    }
}

impl Signer for Ring {
    fn mint(&self, subject: i64, role: Role) -> Result<String, Fault> {
        Ok(format!("{subject}.{role:?}.sign"))
    }

    fn verify_once(&self, token: &str) -> Result<(), Fault> {
        if self.broken {
            Err(format!("{token} is not good").into())
        } else {
            Ok(())
        }
    }
}

/// Ends its process when it is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn start_floor(args: &[&str]) -> (Ended, std::net::SocketAddr) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut floor = command
        .arg("floor")
        .args(args)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(floor.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    (Ended(floor), ready["tcp"].as_str().unwrap().parse().unwrap())
}

/// Plays `bongsu serve` until it is ended.
fn stand_in(args: &[String]) {
    assert_eq!(args[1], "--data-dir");
    assert!(Path::new(&args[2]).is_dir());
    assert_eq!(args[3], "--config");
    let config = std::fs::read_to_string(&args[4]).unwrap();
    assert!(
        config.starts_with("[limits]\n") && config.contains("connections_per_address_max"),
        "{config}"
    );
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if has("--broken") {
        eprintln!("the flux is not capacious");
        return;
    }
    let value = |flag: &str, usual| {
        let given = args.iter().find_map(|arg| arg.strip_prefix(flag));
        given.unwrap_or(usual)
    };
    let frame = value("--frame-bytes=", "512");
    let protocol = value("--protocol=", "action");
    let sizes = ["--frame-bytes", frame, "--pong-bytes", "120"];
    let (floor, tcp) = start_floor(&[&sizes[..], &["--protocol", protocol]].concat());
    let http = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, pid) = (http.local_addr().unwrap(), floor.0.id());
    let line = format!(
        "{{\"ready\":true,\"node_id\":\"n\",\"http\":\"{address}\",\"tcp\":\"{tcp}\",\"pid\":{pid}}}\n"
    );
    std::io::stdout().write_all(line.as_bytes()).unwrap();
    let refuse = has("--no-rooms");
    for peer in http.incoming() {
        std::thread::spawn(move || answer_http(&peer.unwrap(), refuse, tcp));
    }
}

/// Answers every POST for a room or a preset on one connection, or carries a WebSocket to the floor.
fn answer_http(peer: &TcpStream, refuse: bool, floor: std::net::SocketAddr) {
    let mut from = BufReader::new(peer);
    loop {
        let (mut line, mut length, mut first) = (String::new(), 0, true);
        let mut makes_preset = false;
        loop {
            line.clear();
            if from.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if std::mem::take(&mut first) {
                if line.starts_with("GET /ws ")
                    || line.starts_with("GET /device ")
                    || line.starts_with("POST /api/v1/devices/")
                    || line.starts_with("POST /api/v1/displays/")
                    || line.starts_with("POST /api/v1/presets/")
                    || line.starts_with("GET /socket.io/?EIO=4&transport=websocket ")
                {
                    return carry(&line, from, peer, floor);
                }
                makes_preset = line == "POST /api/v1/presets HTTP/1.1\r\n";
                assert!(
                    makes_preset || line == "POST /api/v1/rooms HTTP/1.1\r\n",
                    "{line}"
                );
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body).unwrap();
        let made: serde_json::Value = serde_json::from_slice(&body).unwrap();
        if makes_preset {
            assert_eq!(made["displays"].as_object().map(serde_json::Map::len), Some(7));
        } else {
            assert!(made["room_id"].is_i64() && made["visibility"] == "open");
        }
        let answer = if makes_preset {
            "HTTP/1.1 201 Created\r\ncontent-length: 15\r\n\r\n{\"preset_id\":1}"
        } else if refuse {
            "HTTP/1.1 507 Insufficient Storage\r\ncontent-length: 18\r\n\r\nno room at the inn"
        } else {
            "HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}"
        };
        let mut to = peer;
        to.write_all(answer.as_bytes()).unwrap();
    }
}

/// Carries bytes between a client that has said `first` and more, and the floor.
fn carry(first: &str, mut from: BufReader<&TcpStream>, mut peer: &TcpStream, floor: std::net::SocketAddr) {
    let mut to = TcpStream::connect(floor).unwrap();
    let mut back = to.try_clone().unwrap();
    to.set_nodelay(true).unwrap();
    peer.set_nodelay(true).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // Either end may go first.
            let _ = to.write_all(first.as_bytes());
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
        let _ = std::io::copy(&mut back, &mut peer);
        let _ = peer.shutdown(std::net::Shutdown::Both);
    });
}
