//! Disks that are full, for the agent or for a supervisor.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use std::process::Command;

use bongsu_agent::{Code, How, Outcome, Which};
use common::{DEADLINE, Place, ended, job, next, started};
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
        ..before.clone()
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
}
