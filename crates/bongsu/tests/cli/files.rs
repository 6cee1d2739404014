//! The limit of open files: raised as far as it goes, and said where that is too little.

use std::process::Command;

use crate::support::{ANY, Server, folder};

/// A server under a shell's limits.
fn limited(ulimit: &str) -> Command {
    let mut command = Command::new("sh");
    let script = format!("{ulimit}; exec \"$0\" serve \"$@\"");
    command
        .args(["-c", &script, env!("CARGO_BIN_EXE_bongsu")])
        .args(ANY);
    command
}

fn soft_and_hard(server: &Server) -> (String, String) {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.running.id())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let mut words = line.split_whitespace().skip(3).map(str::to_owned);
    (words.next().unwrap(), words.next().unwrap())
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_one() {
    let (_home, data) = folder();
    let server = Server::start_command(&data, limited("ulimit -Sn 200"));
    let (soft, hard) = soft_and_hard(&server);
    assert_eq!(soft, hard);
    assert_ne!(soft, "200", "the test's own hard limit is too low to tell");
}

#[test]
fn too_few_files_for_all_connections_are_said_at_start() {
    let (_home, data) = folder();
    let server = Server::start_command(&data, limited("ulimit -n 400"));
    let line = server.running.err.wait_for("connections fit");
    assert!(
        line.contains("about 272") && line.contains("connections_max=100000"),
        "{line}"
    );
    assert_eq!(server.stop().0, Some(0));
}
