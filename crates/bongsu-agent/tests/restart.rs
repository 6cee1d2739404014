//! Agents and supervisors that die while programs run, and what the next agent makes of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bongsu_agent::{Code, How, Lost, OnExit, OpenError, Outcome, Runner, Which};
use bongsu_model::display::PresetId;
use common::{DEADLINE, Place, ended, job, kill, lives, next, number, of_preset, shell, started, until};
use rustix::process::Signal;

const HELD: &str = "BONGSU_AGENT_TEST_HOLDS";
const LINE: &str = "BONGSU_AGENT_TEST_LINE";

/// Not a test: the agent that the tests below kill. It runs one program and holds its runner until it is killed.
#[tokio::test]
async fn holder() {
    let (Some(data), Ok(line)) = (std::env::var_os(HELD), std::env::var(LINE)) else {
        return;
    };
    let mut runner = Runner::open(common::config(Path::new(&data))).unwrap().0;
    runner.start(of_preset(7, shell(&line))).await;
    loop {
        runner.next().await;
    }
}

struct Holder(Child);

impl Holder {
    fn new(place: &Place, line: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "holder", "--nocapture"])
            .env(HELD, place.path("data"))
            .env(LINE, line)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    /// Kills it when it is written down that its program runs: a program may run before.
    async fn kill_when_started(&mut self, place: &Place) {
        let runs = place.path("data/runs");
        let run = fs::read_dir(runs).unwrap().next().unwrap().unwrap().path();
        until("the program is said to run", || run.join("started").exists()).await;
        self.kill();
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_program_outlives_its_agent_and_is_taken_over() {
    let place = Place::new();
    let (ready, go) = (place.path("ready"), place.path("go"));
    let line = format!(
        "echo $$ > {}; echo before; while ! [ -e {} ]; do sleep 0.01; done; echo after; exit 9",
        ready.display(),
        go.display()
    );
    let mut holder = Holder::new(&place, &line);
    let pid = number(&ready).await;
    holder.kill_when_started(&place).await;
    let (mut runner, reports) = Runner::open(place.config()).unwrap();
    assert_eq!(reports.len(), 1);
    let (command, preset) = (reports[0].command, reports[0].preset);
    assert!(
        matches!(&reports[0].outcome, Outcome::Running { pid: is, line: said, .. } if *is == pid && **said == *line)
    );
    assert_eq!(preset, Some(PresetId(7)));
    assert_eq!(runner.running()[0].pid, pid);
    fs::write(&go, "").unwrap();
    let report = next(&mut runner).await;
    assert_eq!(report.command, command);
    assert!(matches!(
        report.outcome,
        Outcome::Ended {
            how: How::Exited(9),
            stopped: false,
            ..
        }
    ));
    assert_eq!(place.output(command), "before\nafter\n");
}

#[tokio::test]
async fn one_that_was_taken_over_is_stopped_as_any_other() {
    let place = Place::new();
    let ready = place.path("ready");
    let mut holder = Holder::new(
        &place,
        &format!(
            "trap '' TERM; echo $$ > {}; while :; do sleep 1; done",
            ready.display()
        ),
    );
    let pid = number(&ready).await;
    holder.kill_when_started(&place).await;
    let mut runner = place.runner();
    let stop = job("").command;
    let ticket = runner
        .stop(stop, Which::Preset(PresetId(7)), Some(50), DEADLINE)
        .await;
    assert_eq!(ticket.programs, 1);
    let report = next(&mut runner).await;
    assert!(matches!(
        report.outcome,
        Outcome::Ended {
            how: How::Killed(9),
            stopped: true,
            ..
        }
    ));
    assert!(!lives(pid));
    assert_eq!(next(&mut runner).await.outcome, Outcome::Stopped { programs: 1 });
}

#[tokio::test]
async fn an_end_that_no_agent_saw_is_told_until_it_is_acknowledged() {
    let place = Place::new();
    let (ready, go) = (place.path("ready"), place.path("go"));
    let line = format!(
        "echo $$ > {}; while ! [ -e {} ]; do sleep 0.01; done; exit 6",
        ready.display(),
        go.display()
    );
    let mut holder = Holder::new(&place, &line);
    number(&ready).await;
    holder.kill_when_started(&place).await;
    fs::write(&go, "").unwrap();
    let runs = place.path("data/runs");
    let run = fs::read_dir(runs).unwrap().next().unwrap().unwrap().path();
    until("the end is written", || run.join("end").exists()).await;
    for _ in 0..2 {
        let (runner, reports) = Runner::open(place.config()).unwrap();
        assert_eq!(reports.len(), 1);
        assert!(matches!(
            reports[0].outcome,
            Outcome::Ended {
                how: How::Exited(6),
                stopped: false,
                ..
            }
        ));
        assert_eq!(runner.unacknowledged(), reports);
        drop(runner);
    }
    let (mut runner, reports) = Runner::open(place.config()).unwrap();
    runner.acknowledged(&reports[0]);
    drop(runner);
    assert_eq!(Runner::open(place.config()).unwrap().1, []);
}

#[tokio::test]
async fn a_program_that_loses_its_supervisor_is_lost_and_killed() {
    let place = Place::new();
    let mut runner = place.runner();
    let file = place.path("escaped");
    let job = shell(&format!(
        "setsid sh -c 'echo $$ > {}; exec sleep 1000' & sleep 1000",
        file.display()
    ));
    let pid = started(&mut runner, &job).await;
    let escaped = number(&file).await;
    kill(place.supervisor(job.command), Signal::KILL);
    assert_eq!(
        ended(&mut runner, &job).await,
        (How::Lost(Lost::Supervisor), false)
    );
    assert!(!lives(pid) && !lives(escaped));
}

#[tokio::test]
async fn what_was_lost_while_no_agent_was_there_is_told() {
    let place = Place::new();
    let mut runner = place.runner();
    let jobs = [job("sleep 1000"), job("sleep 1000")];
    let mut pids = Vec::new();
    for job in &jobs {
        pids.push(started(&mut runner, job).await);
    }
    runner.close(OnExit::Leave).await;
    kill(place.supervisor(jobs[0].command), Signal::KILL);
    // As if the machine had been started anew: the program of this supervisor was of another boot.
    let supervisor = place.supervisor(jobs[1].command);
    kill(supervisor, Signal::KILL);
    for supervisor in [place.supervisor(jobs[0].command), supervisor] {
        until("the supervisor is gone", || !lives(supervisor)).await;
    }
    let path = place.run(jobs[1].command).join("supervisor");
    let text = fs::read_to_string(&path).unwrap();
    let boot = text
        .split("\"boot\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    fs::write(&path, text.replace(boot, "another")).unwrap();
    kill(pids[1], Signal::KILL);
    let (_runner, reports) = Runner::open(place.config()).unwrap();
    let outcomes: Vec<_> = reports.into_iter().map(|report| report.outcome).collect();
    let lost = |why| Outcome::Ended {
        how: How::Lost(why),
        stopped: false,
        lasted_ms: 0,
    };
    assert_eq!(outcomes, [lost(Lost::Supervisor), lost(Lost::Reboot)]);
    assert!(!lives(pids[0]), "what was left of it is killed");
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_is_in_nobodys_way() {
    let place = Place::new();
    let mut runner = place.runner();
    let jobs = [job("sleep 1000"), job("sleep 1000")];
    let mut pids = Vec::new();
    for job in &jobs {
        pids.push(started(&mut runner, job).await);
    }
    runner.close(OnExit::Leave).await;
    let path = place.run(jobs[0].command).join("supervisor");
    let claim = fs::read(&path).unwrap();
    fs::write(&path, "\0\0").unwrap();
    let (mut runner, reports) = Runner::open(place.config()).unwrap();
    assert_eq!(reports.len(), 2);
    kill(pids[1], Signal::KILL);
    assert_eq!(ended(&mut runner, &jobs[1]).await, (How::Killed(9), false));
    fs::write(&path, claim).unwrap();
    kill(pids[0], Signal::KILL);
    assert_eq!(ended(&mut runner, &jobs[0]).await, (How::Killed(9), false));
}

#[tokio::test]
async fn a_stop_that_was_begun_is_carried_on() {
    let place = Place::new();
    let mut runner = place.runner();
    let file = place.path("ready");
    let job = shell(&format!(
        "trap '' TERM; echo $$ > {}; while :; do sleep 1; done",
        file.display()
    ));
    let pid = started(&mut runner, &job).await;
    number(&file).await;
    let stop = common::job("").command;
    runner.stop(stop, Which::All, Some(1_000), DEADLINE).await;
    drop(runner);
    let (mut runner, reports) = Runner::open(place.config()).unwrap();
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(matches!(
        next(&mut runner).await.outcome,
        Outcome::Ended {
            how: How::Killed(9),
            stopped: true,
            ..
        }
    ));
    let done = next(&mut runner).await;
    assert_eq!(
        (done.command, done.outcome),
        (stop, Outcome::Stopped { programs: 1 })
    );
    assert!(!lives(pid));
}

#[tokio::test]
async fn a_command_that_was_the_same_as_another_has_its_end_after_a_restart() {
    let place = Place::new();
    let mut config = place.config();
    config.limits.repeat_ms = 60_000;
    let mut runner = Runner::open(config).unwrap().0;
    let jobs = [of_preset(1, job("sleep 1000")), of_preset(1, job("sleep 1000"))];
    let pid = started(&mut runner, &jobs[0]).await;
    runner.start(jobs[1].clone()).await;
    runner.close(OnExit::Leave).await;
    let (mut runner, reports) = Runner::open(place.config()).unwrap();
    assert_eq!(reports.len(), 2);
    assert_eq!(runner.running().len(), 1);
    kill(pid, Signal::KILL);
    for job in &jobs {
        assert_eq!(ended(&mut runner, job).await, (How::Killed(9), false));
    }
}

#[tokio::test]
async fn a_program_that_no_supervisor_took_is_never_started() {
    let place = Place::new();
    let mut config = place.config();
    config.supervisor.program = "/bin/true".into();
    let mut runner = Runner::open(config).unwrap().0;
    let job = shell(&format!("echo x > {}", place.path("ran").display()));
    runner.start(job.clone()).await;
    let report = next(&mut runner).await;
    assert!(
        matches!(
            report.outcome,
            Outcome::NotStarted {
                code: Code::System,
                ..
            }
        ),
        "{report:?}"
    );
    // A supervisor that comes too late finds that it has been given up.
    let late = Command::new(env!("CARGO_BIN_EXE_bongsu-agent"))
        .arg("supervise")
        .arg(place.run(job.command))
        .output();
    assert!(!late.unwrap().status.success());
    assert!(!place.path("ran").exists());
}

#[tokio::test]
async fn a_program_that_the_journal_does_not_know_is_taken_over() {
    let place = Place::new();
    let mut runner = place.runner();
    let job = of_preset(4, job("sleep 1000"));
    let pid = started(&mut runner, &job).await;
    runner.close(OnExit::Leave).await;
    fs::remove_file(place.path("data/journal")).unwrap();
    let (mut runner, reports) = Runner::open(place.config()).unwrap();
    assert!(matches!(reports[0].outcome, Outcome::Running { pid: is, .. } if is == pid));
    let reports = runner.start(job.clone()).await;
    assert!(
        matches!(reports[0].outcome, Outcome::Running { .. }),
        "not run again"
    );
    runner.close(OnExit::Stop).await;
    assert!(!lives(pid));
}

#[tokio::test]
async fn a_torn_end_of_the_journal_is_cut_off_and_damage_before_it_is_an_error() {
    let place = Place::new();
    let mut runner = place.runner();
    let jobs = [shell("exit 1"), shell("exit 2")];
    for job in &jobs {
        started(&mut runner, job).await;
        ended(&mut runner, job).await;
    }
    drop(runner);
    let path = place.path("data/journal");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 3]).unwrap();
    // The last line said how the second ended; its folder says it, too.
    let (runner, reports) = Runner::open(place.config()).unwrap();
    assert_eq!(reports.len(), 2);
    assert!(matches!(
        reports[1].outcome,
        Outcome::Ended {
            how: How::Exited(2),
            ..
        }
    ));
    drop(runner);
    let mut damaged = whole.clone();
    damaged[20] ^= 1;
    fs::write(&path, &damaged).unwrap();
    assert!(matches!(Runner::open(place.config()), Err(OpenError::Journal(_))));
    assert_eq!(fs::read(&path).unwrap(), damaged, "nothing is deleted");
}

#[tokio::test]
async fn a_data_folder_that_everybody_may_write_to_is_not_believed() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let data = place.path("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(Runner::open(place.config()), Err(OpenError::Foreign(_))));
    fs::set_permissions(&data, fs::Permissions::from_mode(0o770)).unwrap();
    assert!(Runner::open(place.config()).is_ok());
}

#[tokio::test]
async fn two_agents_do_not_share_a_folder() {
    let place = Place::new();
    let _runner = place.runner();
    assert!(matches!(Runner::open(place.config()), Err(OpenError::Journal(_))));
}

#[tokio::test]
async fn an_agent_that_is_killed_at_any_time_runs_a_command_once_or_says_that_it_did_not() {
    for wait_us in [0, 200, 1_000, 3_000, 6_000, 10_000, 20_000, 50_000] {
        let place = Place::new();
        let ran = place.path("ran");
        let mut holder = Holder::new(&place, &format!("echo x >> {}", ran.display()));
        let runs = place.path("data/journal");
        until("there is a journal", || {
            fs::metadata(&runs).is_ok_and(|is| is.len() > 0)
        })
        .await;
        tokio::time::timeout(Duration::from_micros(wait_us), std::future::pending::<()>())
            .await
            .unwrap_err();
        holder.kill();
        let (mut runner, reports) = Runner::open(place.config()).unwrap();
        assert_eq!(reports.len(), 1);
        let mut outcome = reports[0].outcome.clone();
        while !outcome.is_end() {
            outcome = next(&mut runner).await.outcome;
        }
        let times = fs::read_to_string(&ran).unwrap_or_default();
        if let Outcome::Ended { how, .. } = outcome {
            assert_eq!((how, &*times), (How::Exited(0), "x\n"), "{wait_us}");
        } else {
            assert!(matches!(outcome, Outcome::NotStarted { .. }), "{outcome:?}");
            assert_eq!(times, "", "{wait_us}");
        }
    }
}
