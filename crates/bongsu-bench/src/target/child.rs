//! Starting servers as processes of their own and ending them.
//!
//! Invariant: the child's log goes to a file in its folder and is quoted when it does not come up.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde::{Deserialize, Serialize};

use super::{Program, config};
use crate::error::{BenchError, Tried};

const READY_S: u64 = 60;
const STOP_S: i64 = 15;

/// The one line that a server prints when every listener accepts.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Ready {
    pub(crate) ready: bool,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) tcp: SocketAddr,
    pub(crate) pid: u32,
    /// What it is, if it is none of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
}

/// A running process with a folder of its own.
pub(crate) struct Child {
    process: process::Child,
    dir: tempfile::TempDir,
}

impl Child {
    /// Where a served child keeps its key and its store.
    pub(crate) fn data_dir(&self) -> &Path {
        self.dir.path()
    }
}

/// Starts `exe serve` on free ports with a data folder and a configuration of its own.
pub(crate) fn serve(
    exe: &Path,
    extra_args: &[String],
    extra_config: &str,
    catalogue: Option<&str>,
    work_dir: &Path,
) -> Result<(Child, Ready), BenchError> {
    let dir = folder(work_dir)?;
    let file = dir.path().join("bench.toml");
    fs::write(&file, config::toml(extra_config)).tried("writing the child's configuration")?;
    let mut command = Command::new(exe);
    command
        .arg("serve")
        .arg("--data-dir")
        .arg(dir.path())
        .arg("--config")
        .arg(&file);
    if let Some(catalogue) = catalogue {
        let file = dir.path().join("bench-catalogue.toml");
        fs::write(&file, catalogue).tried("writing the child's catalogue")?;
        command.arg("--catalogue").arg(&file);
    }
    command
        .args(["--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0"])
        .args(extra_args);
    start(command, exe, dir)
}

/// Starts a floor, or a server of others.
pub(crate) fn floor(
    program: &Program,
    args: &[String],
    work_dir: &Path,
) -> Result<(Child, Ready), BenchError> {
    let dir = folder(work_dir)?;
    let mut command = Command::new(&program.exe);
    command.args(&program.args).args(args).current_dir(dir.path());
    start(command, &program.exe, dir)
}

fn folder(work_dir: &Path) -> Result<tempfile::TempDir, BenchError> {
    tempfile::Builder::new()
        .prefix("bongsu-bench-")
        .tempdir_in(work_dir)
        .tried("making a folder for the run")
}

fn start(mut command: Command, exe: &Path, dir: tempfile::TempDir) -> Result<(Child, Ready), BenchError> {
    let log_path = dir.path().join("bench-child.log");
    let log = fs::File::create(&log_path).tried("making the child's log")?;
    // Settings in our own environment are not the child's: a run is to be the same everywhere.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"BONGSU_")) {
        command.env_remove(name);
    }
    let spawned = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn();
    let process = spawned.map_err(|source| BenchError::Spawn {
        exe: exe.to_owned(),
        source,
    })?;
    let mut child = Child { process, dir };
    let stdout = child
        .process
        .stdout
        .take()
        .expect("stdout is piped three lines above");
    let line = first_line(stdout)?;
    let not_ready = || BenchError::NotReady {
        exe: PathBuf::from(exe),
        seconds: READY_S,
        last_words: end_of(&log_path),
    };
    let line = line.ok_or_else(not_ready)?;
    match serde_json::from_str::<Ready>(&line) {
        Ok(ready) if ready.ready => Ok((child, ready)),
        Ok(_) | Err(_) => Err(BenchError::ReadyLine { line }),
    }
}

/// The first line of `stdout`, or none if it ends or time runs out before.
fn first_line(stdout: process::ChildStdout) -> Result<Option<String>, BenchError> {
    let patience = Timespec {
        tv_sec: READY_S as i64,
        tv_nsec: 0,
    };
    let arrived = poll(
        &mut [PollFd::new(&stdout.as_fd(), PollFlags::IN)],
        Some(&patience),
    );
    if arrived.tried("waiting for the child")? == 0 {
        return Ok(None);
    }
    let mut line = String::new();
    // The line is written at once, so that what has begun to arrive is there in full.
    BufReader::new(stdout.take(64 * 1024))
        .read_line(&mut line)
        .tried("reading the child's ready line")?;
    Ok(Some(line.trim_end().to_owned()).filter(|line| !line.is_empty()))
}

fn end_of(log: &Path) -> String {
    let text = fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
            // Invariant: nobody has waited for the child yet, so the id is still its own. It may have ended already.
            let _ = kill_process(pid, Signal::TERM);
            if let Ok(ended) = pidfd_open(pid, PidfdFlags::empty()) {
                let patience = Timespec {
                    tv_sec: STOP_S,
                    tv_nsec: 0,
                };
                let _ = poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&patience));
            }
        }
        if !matches!(self.process.try_wait(), Ok(Some(_))) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}
