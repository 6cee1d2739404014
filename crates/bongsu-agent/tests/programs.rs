//! Programs as they start, write and end: with real processes, each of which ends with its test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bongsu_agent::{Code, How, OnExit, Outcome};
use bongsu_model::display::PresetId;
use common::{Place, ended, job, next, of_preset, shell, started};

#[tokio::test]
async fn a_program_ends_with_its_exit_code_or_its_signal() {
    let place = Place::new();
    let mut runner = place.runner();
    for (line, how) in [
        ("exit 0", How::Exited(0)),
        ("exit 7", How::Exited(7)),
        ("exit 255", How::Exited(255)),
        ("kill -KILL $$", How::Killed(9)),
        ("kill -SEGV $$", How::Killed(11)),
    ] {
        let job = shell(line);
        started(&mut runner, &job).await;
        assert_eq!(ended(&mut runner, &job).await, (how, false), "{line}");
    }
    assert!(runner.running().is_empty());
}

#[tokio::test]
async fn what_runs_is_listed_and_acknowledged() {
    let place = Place::new();
    let mut runner = place.runner();
    let job = of_preset(3, job("sleep 1000"));
    let pid = started(&mut runner, &job).await;
    let running = runner.running();
    assert_eq!(running.len(), 1);
    assert_eq!((running[0].pid, running[0].preset), (pid, Some(PresetId(3))));
    assert_eq!(running[0].command, job.command);
    let untold = runner.unacknowledged();
    assert_eq!(untold.len(), 1);
    runner.acknowledged(&untold[0]);
    assert_eq!(runner.unacknowledged(), []);
    let reports = runner.close(OnExit::Stop).await;
    assert_eq!(reports.len(), 1);
    assert!(matches!(
        reports[0].outcome,
        Outcome::Ended {
            stopped: true,
            how: How::Killed(15),
            ..
        }
    ));
    assert!(!common::lives(pid));
}

#[tokio::test]
async fn what_a_program_is_given_is_what_was_asked_for_and_nothing_else() {
    let place = Place::new();
    let folder = place.path("쇼 룸");
    fs::create_dir(&folder).unwrap();
    let script = place.script("재생 기", "pwd; env; for arg; do echo \"<$arg>\"; done");
    let mut runner = place.runner();
    let mut job = of_preset(
        12,
        job(&format!("'{}' 'one two' 영상\\ 1 '' $HOME", script.display())),
    );
    job.program.cwd = Some(folder.to_str().unwrap().into());
    job.program.env.insert("GREETING".into(), "안녕 = \"x\"".into());
    started(&mut runner, &job).await;
    assert_eq!(ended(&mut runner, &job).await, (How::Exited(0), false));
    let output = place.output(job.command);
    assert_eq!(output.lines().next(), folder.to_str());
    assert!(output.ends_with("<one two>\n<영상 1>\n<>\n<$HOME>\n"), "{output}");
    let variables = ["GREETING=안녕 = \"x\"", "BONGSU_PRESET_ID=12"].map(str::to_owned);
    let mark = format!("BONGSU_COMMAND_ID={}", job.command);
    for variable in variables.iter().chain([&mark]) {
        assert!(
            output.lines().any(|line| line == variable),
            "{variable} in {output}"
        );
    }
    // The tests are run by cargo, which gives them much that is not to be passed on.
    assert!(std::env::vars().any(|(name, _)| name.starts_with("CARGO")));
    assert!(!output.contains("CARGO"), "{output}");
}

#[tokio::test]
async fn a_line_may_be_as_long_as_the_limit_and_no_longer() {
    let place = Place::new();
    let mut runner = place.runner();
    let max = place.config().limits.line_bytes_max;
    let line = |bytes: usize| format!("/bin/echo {}", "x".repeat(bytes - 10));
    let whole = job(&line(max));
    started(&mut runner, &whole).await;
    ended(&mut runner, &whole).await;
    assert_eq!(place.output(whole.command).len(), max - 10 + 1);
    let mut in_shell = whole.clone();
    in_shell.command = shell("").command;
    in_shell.program.shell = true;
    started(&mut runner, &in_shell).await;
    ended(&mut runner, &in_shell).await;
    let long = job(&line(max + 1));
    assert!(matches!(
        runner.start(long.clone()).await[0].outcome,
        Outcome::Rejected {
            code: Code::BadLine,
            ..
        }
    ));
    let nul = job("echo \0");
    assert!(matches!(
        runner.start(nul).await[0].outcome,
        Outcome::Rejected {
            code: Code::BadLine,
            ..
        }
    ));
}

#[tokio::test]
async fn what_cannot_be_started_is_said_with_its_reason() {
    let place = Place::new();
    let mut runner = place.runner();
    let plain = place.path("plain");
    fs::write(&plain, "text").unwrap();
    let mut nowhere = job("true");
    nowhere.program.cwd = Some("/no/such/folder".into());
    let mut ours = job("true");
    ours.program.env.insert("BONGSU_COMMAND_ID".into(), "x".into());
    for (job, expected) in [
        (job("no-such-program-at-all"), Code::NotFound),
        (job("/no/such/program"), Code::NotFound),
        (job(plain.to_str().unwrap()), Code::NotExecutable),
        (job("./relative"), Code::BadLine),
        (job("echo 'open"), Code::BadLine),
        (nowhere, Code::BadProgram),
        (ours, Code::BadProgram),
    ] {
        assert_eq!(runner.prepare(&job.program).unwrap_err().0, expected);
        let reports = runner.start(job.clone()).await;
        assert_eq!(reports.len(), 1);
        assert!(
            matches!(reports[0].outcome, Outcome::Rejected { code, .. } if code == expected),
            "{reports:?}"
        );
        assert_eq!(runner.start(job).await, reports, "a repeat");
    }
    // It is to be executed, and the kernel does not know how: that shows only when it is.
    let empty = place.script("no-interpreter", "");
    fs::write(&empty, "#!/no/such/interpreter\n").unwrap();
    let job = job(empty.to_str().unwrap());
    assert!(runner.prepare(&job.program).is_ok());
    assert_eq!(runner.start(job.clone()).await[0].outcome, Outcome::Starting);
    let report = next(&mut runner).await;
    assert!(
        matches!(
            report.outcome,
            Outcome::NotStarted {
                code: Code::NotFound,
                ..
            }
        ),
        "{report:?}"
    );
    assert_eq!(runner.start(job).await, [report]);
}

#[tokio::test]
async fn a_file_that_was_changed_after_it_was_prepared_is_the_new_one() {
    let place = Place::new();
    let script = place.script("show", "echo old");
    let mut runner = place.runner();
    let job = job(script.to_str().unwrap());
    assert!(runner.prepare(&job.program).is_ok());
    place.script("show", "echo new");
    started(&mut runner, &job).await;
    ended(&mut runner, &job).await;
    assert_eq!(place.output(job.command), "new\n");
}

#[tokio::test]
async fn a_program_that_writes_without_end_fills_no_disk_and_is_not_held_up() {
    let place = Place::new();
    let mut runner = place.runner();
    // A billion bytes, and as a last word where it was: it is not the beginning that is kept.
    let job = shell("head -c 1000000000 /dev/zero; echo done; head -c 50000000 /dev/zero >&2");
    started(&mut runner, &job).await;
    assert_eq!(ended(&mut runner, &job).await, (How::Exited(0), false));
    let limits = place.config().limits;
    for stream in ["stdout.log", "stderr.log"] {
        let files: Vec<_> = fs::read_dir(place.run(job.command))
            .unwrap()
            .map(|file| file.unwrap())
            .filter(|file| file.file_name().to_string_lossy().starts_with(stream))
            .collect();
        assert_eq!(files.len(), limits.log_files as usize, "{stream}");
        assert!(
            files
                .iter()
                .all(|file| file.metadata().unwrap().len() <= limits.log_bytes_max)
        );
    }
    assert!(
        fs::read(place.run(job.command).join("stdout.log"))
            .unwrap()
            .ends_with(b"done\n")
    );
}

#[tokio::test]
async fn a_supervisor_stays_small_while_its_program_writes() {
    let place = Place::new();
    let mut runner = place.runner();
    let job = shell("head -c 300000000 /dev/zero; exec sleep 1000");
    let pid = started(&mut runner, &job).await;
    let is_asleep =
        || fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "sleep");
    common::until("everything is written", is_asleep).await;
    let status = fs::read_to_string(format!("/proc/{}/status", place.supervisor(job.command))).unwrap();
    assert!(
        status.starts_with("Name:\tbongsu-program\n"),
        "it is not ended with the agent by its name"
    );
    let kilobytes = |name: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    assert!(kilobytes("RssAnon:") < 2_048, "{status}");
    runner.close(OnExit::Stop).await;
}

#[tokio::test]
async fn what_a_program_leaves_behind_ends_with_it() {
    let place = Place::new();
    let mut runner = place.runner();
    let file = place.path("left");
    let job = shell(&format!(
        "setsid sh -c 'trap \"\" TERM; echo $$ > {0}; while :; do sleep 1; done' & while ! [ -s {0} ]; do :; done; exit 3",
        file.display()
    ));
    started(&mut runner, &job).await;
    assert_eq!(ended(&mut runner, &job).await, (How::Exited(3), false));
    let left = common::number(&file).await;
    common::until("what is left is killed", || !common::lives(left)).await;
}

#[tokio::test]
async fn the_same_command_is_not_run_again() {
    let place = Place::new();
    let mut runner = place.runner();
    let job = shell(&format!("echo x >> {}", place.path("runs").display()));
    let reports = runner.start(job.clone()).await;
    assert_eq!(runner.start(job.clone()).await, reports);
    let running = next(&mut runner).await;
    assert_eq!(runner.start(job.clone()).await, [running]);
    let report = next(&mut runner).await;
    assert!(matches!(
        report.outcome,
        Outcome::Ended {
            how: How::Exited(0),
            ..
        }
    ));
    assert_eq!(runner.start(job.clone()).await, std::slice::from_ref(&report));
    assert_eq!(runner.unacknowledged(), std::slice::from_ref(&report));
    runner.acknowledged(&report);
    assert_eq!(runner.unacknowledged(), []);
    drop(runner);
    let mut runner = place.runner();
    assert_eq!(runner.unacknowledged(), []);
    assert_eq!(runner.start(job).await, [report]);
    assert_eq!(fs::read_to_string(place.path("runs")).unwrap(), "x\n");
}

#[tokio::test]
async fn the_same_preset_shortly_after_is_the_same_program() {
    let place = Place::new();
    let mut config = place.config();
    config.limits.repeat_ms = 60_000;
    let mut runner = bongsu_agent::Runner::open(config).unwrap().0;
    let first = of_preset(1, job("sleep 1000"));
    let pid = started(&mut runner, &first).await;
    let second = of_preset(1, job("sleep 1000"));
    let reports = runner.start(second.clone()).await;
    assert!(
        matches!(reports[0].outcome, Outcome::Running { pid: same, .. } if same == pid),
        "{reports:?}"
    );
    assert_eq!(reports[0].command, second.command);
    let other = of_preset(2, job("sleep 1000"));
    assert_ne!(started(&mut runner, &other).await, pid);
    let another_line = of_preset(1, job("sleep 2000"));
    assert_ne!(started(&mut runner, &another_line).await, pid);
    assert_eq!(runner.running().len(), 3);
    common::kill(pid, rustix::process::Signal::KILL);
    let mut commands = Vec::new();
    for _ in 0..2 {
        let report = next(&mut runner).await;
        assert!(matches!(
            report.outcome,
            Outcome::Ended {
                how: How::Killed(9),
                stopped: false,
                ..
            }
        ));
        commands.push(report.command);
    }
    assert_eq!(commands, [first.command, second.command]);
    let third = of_preset(1, job("sleep 1000"));
    assert_ne!(
        started(&mut runner, &third).await,
        pid,
        "it does not run any more"
    );
    runner.close(OnExit::Stop).await;
}

#[tokio::test]
async fn the_same_preset_later_is_another_program() {
    let place = Place::new();
    let mut config = place.config();
    config.limits.repeat_ms = 0;
    let mut runner = bongsu_agent::Runner::open(config).unwrap().0;
    let jobs = [of_preset(1, job("sleep 1000")), of_preset(1, job("sleep 1000"))];
    let first = started(&mut runner, &jobs[0]).await;
    assert_ne!(started(&mut runner, &jobs[1]).await, first);
    runner.close(OnExit::Stop).await;
}

#[tokio::test]
async fn so_many_programs_run_and_no_more() {
    let place = Place::new();
    let mut config = place.config();
    config.limits.programs_max = 2;
    let mut runner = bongsu_agent::Runner::open(config).unwrap().0;
    for _ in 0..2 {
        started(&mut runner, &job("sleep 1000")).await;
    }
    let third = job("sleep 1000");
    let reports = runner.start(third.clone()).await;
    assert!(matches!(
        reports[0].outcome,
        Outcome::Rejected { code: Code::Busy, .. }
    ));
    assert_eq!(runner.prepare(&third.program).unwrap_err().0, Code::Busy);
    runner.close(OnExit::Stop).await;
}

#[tokio::test]
async fn a_limit_that_cannot_be_had_is_refused_if_it_is_required() {
    let place = Place::new();
    let mut config = place.config();
    config.quota.memory_bytes = Some(1 << 30);
    let mut runner = bongsu_agent::Runner::open(config.clone()).unwrap().0;
    let without = job("true");
    started(&mut runner, &without).await;
    ended(&mut runner, &without).await;
    drop(runner);
    config.require_limits = true;
    let mut runner = bongsu_agent::Runner::open(config).unwrap().0;
    let reports = runner.start(job("true")).await;
    assert!(matches!(
        reports[0].outcome,
        Outcome::Rejected {
            code: Code::Limits,
            ..
        }
    ));
}

#[tokio::test]
async fn next_may_be_dropped_at_any_time() {
    let place = Place::new();
    let mut runner = place.runner();
    let job = shell("exit 5");
    runner.start(job.clone()).await;
    let mut heard: Vec<Arc<str>> = Vec::new();
    let all = async {
        while heard.len() < 2 {
            if let Ok(report) = tokio::time::timeout(Duration::from_micros(50), runner.next()).await {
                heard.push(format!("{:?}", report.outcome).into());
            }
        }
    };
    tokio::time::timeout(common::PATIENCE, all).await.unwrap();
    assert!(
        heard[0].starts_with("Running") && heard[1].contains("Exited(5)"),
        "{heard:?}"
    );
}
