//! `bench`: a server of its own and its floor, from the built binary alone.

use crate::support::{Server, folder, run};

#[test]
fn a_short_run_gives_figures_beside_their_floor() {
    let (home, _) = folder();
    let work = home.path().to_str().unwrap();
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
    let said = run(&[&args[..], &["--work-dir", work, "--", "--durability", "process"]].concat()).good();
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(report.is_object(), "{report}");
    assert_eq!(
        std::fs::read_dir(home.path()).unwrap().count(),
        0,
        "nothing is left behind"
    );
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
