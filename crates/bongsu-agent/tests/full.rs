//! Disks that are full, for the agent or for a supervisor; and descriptors that are few.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use bongsu_agent::{Code, How, Outcome, Runner, Which};
use common::{DEADLINE, Place, ended, job, next, started, until};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const FULL: &str = "BONGSU_AGENT_TEST_FULL";

/// A process that may not make files larger meets what a full disk has for it, if it can ignore the signal for that: so
/// the test is another process.
#[test]
fn programs_are_stopped_on_a_full_disk() {
    let done = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" --exact stops_without_a_disk"])
        .arg(std::env::current_exe().unwrap())
        .env(FULL, "1")
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

/// Not a test by itself: the other process of the one above.
#[tokio::test]
async fn stops_without_a_disk() {
    if std::env::var_os(FULL).is_none() {
        return;
    }
    let place = Place::new();
    let mut runner = place.runner();
    let program = job("sleep 1000");
    started(&mut runner, &program).await;
    let before = getrlimit(Resource::Fsize);
    let full = Rlimit {
        current: Some(0),
        ..before
    };
    setrlimit(Resource::Fsize, full).unwrap();
    let refused = runner.start(job("sleep 1000")).await.remove(0).outcome;
    let code = Code::Journal;
    assert!(
        matches!(refused, Outcome::Rejected { code: is, .. } if is == code),
        "{refused:?}"
    );
    let stop = job("").command;
    let ticket = runner
        .stop(stop, Which::Run(program.command), None, DEADLINE)
        .await;
    assert_eq!((ticket.programs, ticket.answer), (1, None));
    assert_eq!(ended(&mut runner, &program).await, (How::Killed(15), true));
    let done = next(&mut runner).await;
    assert_eq!(
        (done.command, &done.outcome),
        (stop, &Outcome::Stopped { programs: 1 })
    );
    let again = runner.stop(stop, Which::All, None, DEADLINE).await;
    assert_eq!(again.answer, Some(done), "it is known as long as the agent runs");
    setrlimit(Resource::Fsize, before).unwrap();
    // What could not be written is, with the next that is.
    let next_one = job("true");
    started(&mut runner, &next_one).await;
    drop(runner);
    fs::remove_dir_all(place.run(program.command)).unwrap();
    let (mut runner, _) = Runner::open(place.config()).unwrap();
    let again = runner.start(program).await.remove(0).outcome;
    assert!(
        matches!(
            again,
            Outcome::Ended {
                how: How::Killed(15),
                ..
            }
        ),
        "{again:?}"
    );
}

/// Something is in the way of a file of that name for the supervisor that is started: it cannot be written.
fn without(place: &Place, name: &str) -> Runner {
    let mut config = place.config();
    let own = std::mem::replace(&mut config.supervisor.program, PathBuf::from("/bin/sh"));
    let line = format!("mkdir \"$1/{name}.new\"; exec {} supervise \"$1\"", own.display());
    config.supervisor.args = ["-c", &line, "sh"].map(Into::into).to_vec();
    Runner::open(config).unwrap().0
}

#[tokio::test]
async fn an_end_that_cannot_be_written_is_written_later() {
    let place = Place::new();
    let mut runner = without(&place, "end");
    let program = job("sleep 1000");
    let pid = started(&mut runner, &program).await;
    common::kill(pid, rustix::process::Signal::KILL);
    let log = place.run(program.command).join("supervisor.log");
    until("it is tried", || fs::metadata(&log).is_ok_and(|it| it.len() > 0)).await;
    fs::remove_dir(place.run(program.command).join("end.new")).unwrap();
    assert_eq!(ended(&mut runner, &program).await, (How::Killed(9), false));
}

#[tokio::test]
async fn a_start_that_cannot_be_written_is_written_later() {
    let place = Place::new();
    let mut runner = without(&place, "started");
    let program = job("sleep 1000");
    runner.start(program.clone()).await;
    let log = place.run(program.command).join("supervisor.log");
    until("it is tried", || fs::metadata(&log).is_ok_and(|it| it.len() > 0)).await;
    fs::remove_dir(place.run(program.command).join("started.new")).unwrap();
    let running = next(&mut runner).await.outcome;
    let Outcome::Running { pid, .. } = running else {
        panic!("{running:?}");
    };
    common::kill(pid, rustix::process::Signal::KILL);
    assert_eq!(ended(&mut runner, &program).await, (How::Killed(9), false));
}

#[tokio::test]
async fn more_children_than_descriptors_are_all_asked() {
    let place = Place::new();
    let mut config = place.config();
    let own = std::mem::replace(&mut config.supervisor.program, PathBuf::from("/bin/sh"));
    let line = format!("ulimit -n 20; exec {} supervise \"$1\"", own.display());
    config.supervisor.args = ["-c", &line, "sh"].map(Into::into).to_vec();
    // Who was not asked lives for longer than the test has patience.
    config.limits.leftover_grace_ms = 600_000;
    let mut runner = Runner::open(config).unwrap().0;
    let program = common::shell("for each in $(seq 60); do sleep 1000 & done; exit 5");
    started(&mut runner, &program).await;
    assert_eq!(ended(&mut runner, &program).await, (How::Exited(5), false));
    let folder = place.run(program.command);
    until("nothing is left", || !folder.join("control").exists()).await;
}
