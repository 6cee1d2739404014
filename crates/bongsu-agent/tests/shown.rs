//! What the agent shows of its programs without a server: `list` and `logs`, as their users run them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use std::fs;
use std::io::Read as _;
use std::process::{Child, Command, Output, Stdio};

use bongsu_agent::OnExit;
use common::{Place, ended, job, of_preset, shell, started, until};

fn agent(place: &Place, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bongsu-agent"));
    command.args(args).arg("--data").arg(place.path("data"));
    command
}

fn ask(place: &Place, args: &[&str]) -> Output {
    agent(place, args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn what_runs_and_what_has_ended_is_listed_while_the_agent_runs() {
    let place = Place::new();
    assert_eq!(
        text(&ask(&place, &["list"]).stdout).lines().count(),
        1,
        "nothing yet"
    );
    let mut runner = place.runner();
    let over = shell("exit 3");
    started(&mut runner, &over).await;
    ended(&mut runner, &over).await;
    let running = of_preset(5, job("sleep 1000 1"));
    let pid = started(&mut runner, &running).await;
    let listed = text(&ask(&place, &["list"]).stdout);
    let line = |command: String| {
        listed
            .lines()
            .find(|line| line.contains(&command))
            .unwrap()
            .to_owned()
    };
    let line_over = line(over.command.to_string());
    assert!(
        line_over.contains("exit 3") && line_over.ends_with("  exit 3"),
        "{listed}"
    );
    let line_running = line(running.command.to_string());
    for part in [" 5 ", &pid.to_string(), "running", "sleep 1000 1"] {
        assert!(line_running.contains(part), "{part} in {listed}");
    }
    let only = text(&ask(&place, &["list", "--running"]).stdout);
    assert_eq!(only.lines().count(), 2, "{only}");
    runner.close(OnExit::Stop).await;
}

#[tokio::test]
async fn what_a_program_wrote_is_shown_by_command_and_by_preset() {
    let place = Place::new();
    let mut runner = place.runner();
    let jobs = [
        of_preset(1, shell("seq 3; echo oops >&2")),
        of_preset(2, shell("echo two")),
    ];
    for job in &jobs {
        started(&mut runner, job).await;
        ended(&mut runner, job).await;
    }
    let id = jobs[0].command.to_string();
    for (args, expected) in [
        (vec!["logs", &id], "1\n2\n3\n"),
        (vec!["logs", "1", "--lines", "2"], "2\n3\n"),
        (vec!["logs", "1", "--stderr"], "oops\n"),
        (vec!["logs", "2"], "two\n"),
        (vec!["logs"], "two\n"),
        (vec!["logs", "1", "--follow"], "1\n2\n3\n"),
    ] {
        let shown = ask(&place, &args);
        assert!(shown.status.success());
        assert_eq!(text(&shown.stdout), expected, "{args:?}");
    }
    let unknown = ask(&place, &["logs", "9"]);
    assert!(!unknown.status.success() && text(&unknown.stderr).contains("no such program"));
}

/// Ends with its test.
struct Following(Child);

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn one_who_follows_sees_everything_up_to_the_end() {
    let place = Place::new();
    let mut config = place.config();
    config.limits.log_bytes_max = 1_000;
    let mut runner = bongsu_agent::Runner::open(config).unwrap().0;
    let go = place.path("go");
    let job = shell(&format!(
        "seq 1 200; while ! [ -e {} ]; do sleep 0.01; done; seq 201 400; exit 1",
        go.display()
    ));
    started(&mut runner, &job).await;
    until("the first part is written", || {
        place.output(job.command).contains("200\n")
    })
    .await;
    let shown = place.path("shown");
    let out = fs::File::create(&shown).unwrap();
    let mut following = Following(
        agent(&place, &["logs", "--follow"])
            .stdout(Stdio::from(out))
            .spawn()
            .unwrap(),
    );
    until("the first part is shown", || {
        fs::read_to_string(&shown).unwrap().ends_with("200\n")
    })
    .await;
    fs::write(&go, "").unwrap();
    ended(&mut runner, &job).await;
    let status = tokio::task::spawn_blocking(move || following.0.wait().map(|status| (status, following)));
    let (status, _) = tokio::time::timeout(common::PATIENCE, status)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(status.success());
    let mut text = String::new();
    fs::File::open(&shown).unwrap().read_to_string(&mut text).unwrap();
    let all: String = (1..=400).map(|number| format!("{number}\n")).collect();
    assert_eq!(text, all);
}
