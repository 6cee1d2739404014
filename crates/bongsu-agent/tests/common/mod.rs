//! What the tests with real processes share: a data folder whose programs end with it, jobs, and waiting for conditions.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bongsu_agent::{Cgroups, How, Job, Outcome, Report, Runner, RunnerConfig, Supervisor};
use bongsu_model::display::{PresetId, Program};
use bongsu_model::{CommandId, Timestamp};

/// Nothing here lasts longer, unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const DEADLINE: Timestamp = Timestamp(4_000_000_000_000);

/// A data folder. What was started in it is killed with it.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("bongsu-agent-test")
            .tempdir()
            .unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn config(&self) -> RunnerConfig {
        config(&self.path("data"))
    }

    pub(crate) fn runner(&self) -> Runner {
        Runner::open(self.config()).unwrap().0
    }

    /// A program of its own: a script for the shell.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub(crate) fn run(&self, command: CommandId) -> PathBuf {
        self.path("data").join("runs").join(command.to_string())
    }

    /// All that the command's program has written.
    pub(crate) fn output(&self, command: CommandId) -> String {
        fs::read_to_string(self.run(command).join("stdout.log")).unwrap_or_default()
    }

    pub(crate) fn supervisor(&self, command: CommandId) -> u32 {
        let text = fs::read_to_string(self.run(command).join("supervisor")).unwrap();
        let text = text.split("\"pid\":").nth(1).unwrap();
        text.split(|next: char| !next.is_ascii_digit())
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Ok(runs) = fs::read_dir(self.folder.path().join("data/runs")) else {
            return;
        };
        for run in runs.flatten() {
            if let Ok(text) = fs::read_to_string(run.path().join("supervisor"))
                && let Some(rest) = text.split("\"pid\":").nth(1)
                && let Ok(pid) = rest
                    .split(|next: char| !next.is_ascii_digit())
                    .next()
                    .unwrap()
                    .parse()
                && !run.path().join("end").exists()
            {
                kill(pid, rustix::process::Signal::KILL);
            }
            kill_marked(&run.file_name().to_string_lossy());
        }
        // A supervisor that comes too late writes into its folder until it finds that it has been given up.
        for _ in 0..1_000 {
            if fs::remove_dir_all(self.folder.path()).is_ok() || !self.folder.path().exists() {
                break;
            }
            std::thread::yield_now();
        }
    }
}

pub(crate) fn config(data: &Path) -> RunnerConfig {
    let mut config = RunnerConfig::new(data.to_owned());
    config.cgroups = Cgroups::Off;
    config.supervisor = Supervisor {
        program: env!("CARGO_BIN_EXE_bongsu-agent").into(),
        args: vec!["supervise".into()],
    };
    config
}

/// A job of its own command, for a line that is split into words.
pub(crate) fn job(line: &str) -> Job {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Tests run beside each other, in processes of their own: what one of them ends must be its own.
    let process = u128::from(std::process::id()) << 64;
    Job {
        command: CommandId(process | u128::from(NEXT.fetch_add(1, Ordering::Relaxed))),
        preset: None,
        program: Program::new(line),
        deadline: DEADLINE,
    }
}

/// A job for the shell.
pub(crate) fn shell(line: &str) -> Job {
    let mut job = job(line);
    job.program.shell = true;
    job
}

pub(crate) fn of_preset(preset: i64, mut job: Job) -> Job {
    job.preset = Some(PresetId(preset));
    job
}

pub(crate) async fn next(runner: &mut Runner) -> Report {
    tokio::time::timeout(PATIENCE, runner.next())
        .await
        .expect("nothing is said")
}

/// Starts a program that is to run; its number.
pub(crate) async fn started(runner: &mut Runner, job: &Job) -> u32 {
    let reports = runner.start(job.clone()).await;
    let outcomes: Vec<_> = reports.into_iter().map(|report| report.outcome).collect();
    assert_eq!(outcomes, [Outcome::Starting]);
    let report = next(runner).await;
    assert_eq!(report.command, job.command);
    let Outcome::Running { pid, line, .. } = report.outcome else {
        panic!("not running: {report:?}");
    };
    assert_eq!(line, job.program.line);
    pid
}

/// How the program that was started ends: the next thing that is said.
pub(crate) async fn ended(runner: &mut Runner, job: &Job) -> (How, bool) {
    let report = next(runner).await;
    assert_eq!(report.command, job.command);
    let Outcome::Ended { how, stopped, .. } = report.outcome else {
        panic!("not ended: {report:?}");
    };
    (how, stopped)
}

/// Waits for something that nobody tells of.
pub(crate) async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let waiting = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while !is() {
            ticks.tick().await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, waiting).await.is_ok(),
        "never: {what}"
    );
}

/// Whether a process lives: one that is only not waited for does not.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

pub(crate) fn kill(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, signal);
}

fn kill_marked(command: &str) {
    let mark = format!("BONGSU_COMMAND_ID={command}");
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let pid = process.file_name().to_string_lossy().parse();
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        if let Ok(pid) = pid
            && environment
                .split(|byte| *byte == 0)
                .any(|variable| variable == mark.as_bytes())
        {
            kill(pid, rustix::process::Signal::KILL);
        }
    }
}

/// A number that a program has written into a file.
pub(crate) async fn number(path: &Path) -> u32 {
    let read = || {
        fs::read_to_string(path)
            .ok()
            .and_then(|text| text.strip_suffix('\n')?.parse().ok())
    };
    until("a number in a file", || read().is_some()).await;
    read().unwrap()
}
