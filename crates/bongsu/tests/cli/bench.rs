//! `bench`: a server of its own and its floor, from the built binary alone.

use crate::support::{Server, folder, run};

/// The report of one short round.
fn measure(args: &str) -> serde_json::Value {
    let (home, _) = folder();
    let args: Vec<&str> = args.split(' ').collect();
    let more = [
        "--rounds",
        "1",
        "--json",
        "--work-dir",
        home.path().to_str().unwrap(),
        "--",
        "--durability",
        "process",
    ];
    let said = run(&[&["bench"], &args[..], &more].concat()).good();
    let left = std::fs::read_dir(home.path()).unwrap().count();
    assert_eq!(left, 0, "nothing is left behind");
    serde_json::from_str(&said).unwrap()
}

#[test]
fn a_short_run_gives_figures_beside_their_floor() {
    for protocol in [
        "action",
        "type",
        "websocket-action",
        "socketio",
        "socketio-chat",
        "socketio-polling",
    ] {
        let report = measure(&format!("echo --in-flight 2 --messages 50 --protocol {protocol}"));
        assert_eq!(report["protocol"], protocol, "{report}");
    }
    for protocol in ["socketio", "socketio-chat", "socketio-polling"] {
        for rest in [
            "fanout --members 5 --in-flight 1,2 --messages 20",
            "idle --members 2 --sessions 10 --messages 1",
        ] {
            let report = measure(&format!("{rest} --protocol {protocol}"));
            assert!(report["rows"][0]["figure"].is_f64(), "{report}");
        }
    }
    let fanout = "fanout --members 5 --in-flight 1,2 --messages 20 --protocol type";
    let report = measure(fanout);
    assert!(report["frame_bytes"].as_u64() > Some(400), "{report}");
    let report = measure(&format!("{fanout} --load 0.5"));
    let step = report["rows"][0]["step"].as_str().unwrap();
    assert!(step.starts_with("50 % load, "), "{report}");
    for rest in [
        "rooms --members 2 --rooms 3 --in-flight 3 --messages 20",
        "idle --members 2 --sessions 10 --messages 1",
        "connect --sessions 10 --in-flight 4",
        "posts --in-flight 2 --messages 10",
    ] {
        measure(&format!("{rest} --protocol type"));
    }
}

#[test]
fn devices_and_displays_have_figures_too() {
    for protocol in ["device-json", "device-proto", "device-grpc"] {
        measure(&format!("idle --sessions 10 --messages 1 --protocol {protocol}"));
        let report = measure(&format!(
            "commands --in-flight 2 --messages 20 --protocol {protocol}"
        ));
        assert_eq!(report["protocol"], protocol, "{report}");
    }
    measure("idle --sessions 10 --messages 1 --protocol switchboard");
    for kind in ["--guide", "--protocol switchboard"] {
        let report = measure(&format!("displays --displays 3 --messages 4 {kind}"));
        let steps: Vec<_> = report["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| &row["step"])
            .collect();
        assert!(
            steps.iter().any(|step| **step == "one preset over 3 displays"),
            "{report}"
        );
    }
}

#[test]
fn a_server_of_others_must_be_installed_by_its_own_command() {
    let (home, _) = folder();
    let dir = home.path().to_str().unwrap();
    let args = ["bench", "echo", "--beside", "node-socketio", "--peers-dir", dir];
    let err = run(&args).bad(1);
    assert!(
        err.contains("not installed") && err.contains("make peers"),
        "{err}"
    );
    let err = run(&["bench", "echo", "--beside", "smoke", "--peers-dir", dir]).bad(1);
    assert!(err.contains("node-socketio"), "{err}");
}

#[test]
fn a_running_server_can_be_measured() {
    let (_home, data) = folder();
    let server = Server::start(&data, &[]);
    let pid = server.running.id().to_string();
    let args = [
        "bench",
        "echo",
        "--in-flight",
        "2",
        "--messages",
        "50",
        "--rounds",
        "1",
        "--json",
    ];
    let of = [
        "--tcp",
        server.address("tcp"),
        "--http",
        server.address("http"),
        "--pid",
        &pid,
    ];
    let folder = ["--data-dir", data.to_str().unwrap()];
    run(&[&args[..], &of[..], &folder[..]].concat()).good();
    let err = run(&["bench", "echo", "--tcp", server.address("tcp")]).bad(2);
    assert!(err.contains("--pid") && err.contains("--data-dir"), "{err}");
}
