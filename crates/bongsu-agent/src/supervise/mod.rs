//! The supervisor: a process per program that starts it, keeps what it writes, stops it, and writes down how it ended.
//!
//! Invariant: it outlives the agent and decides nothing. What it is given it does once; the program's end is on the disk
//! as soon as it is known, and in any case before the supervisor's own.

pub(crate) mod ending;
pub(crate) mod folder;
pub(crate) mod log;
pub(crate) mod spec;

mod notes;
mod tend;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitCode};
use std::time::Duration;

use bongsu_device::time::OwnTime;

use crate::allow::code_of;
use crate::os::cgroup::Cgroup;
use crate::os::files::Mark;
use crate::os::process::{Identity, since_boot_ms};
use crate::os::{child, files};
use crate::report::Code;
use folder::{Claim, Ending, Folder, Started};
use notes::Notes;
use spec::Spec;
use tend::Tended;

/// Supervises the program of a folder to its end. To be called first thing in a process that does nothing else: it takes
/// the process over, and wants no runtime.
#[must_use]
pub fn supervise(folder: &Path) -> ExitCode {
    let folder = Folder::at(folder.to_owned());
    match carry_out(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            say(&format!("{fault}"));
            ExitCode::FAILURE
        }
    }
}

fn carry_out(folder: &Folder) -> io::Result<()> {
    child::settle()?;
    let gate = folder.gate()?;
    let me = Identity::of(std::process::id())?;
    if !folder.claim(&Claim::Supervisor(me))? {
        return Err(io::Error::other(
            "the program has been given up or has another supervisor",
        ));
    }
    let spec = folder.spec()?.ok_or(io::ErrorKind::NotFound)?;
    let control = folder.control()?;
    let mut notes = Notes::new(folder);
    // Who waits for it is there before it is: where nothing more can be made, nothing is started.
    let reaper = child::Reaper::new().map_err(|fault| (Code::System, fault.to_string()));
    match reaper.and_then(|reaper| Ok((reaper, start(&spec)?))) {
        Ok((reaper, (program, group))) => {
            let began = since_boot_ms();
            // Nobody waits for the child yet, so there is a process of its number even if it has ended.
            match Identity::of(program.id()) {
                Ok(program) => notes.started(
                    Started {
                        program,
                        started_at: OwnTime::start().now().0,
                        boot_ms: began,
                    },
                    began,
                ),
                Err(fault) => say(&format!("it cannot be said that the program runs: {fault}")),
            }
            if let Err(fault) = child::close_stdout() {
                say(&format!(
                    "it cannot be shown that the program was started: {fault}"
                ));
            }
            drop(gate);
            let heard = reaper.wait_for(program.id());
            Tended::new(program, heard, control, folder.path(), &spec, group).finish(&mut notes, began)?;
        }
        Err((code, error)) => notes.ended(Ending::not_started(code, &error), since_boot_ms()),
    }
    while let Some(at) = notes.next() {
        let now = since_boot_ms();
        std::thread::park_timeout(Duration::from_millis(at.saturating_sub(now)));
        notes.due(since_boot_ms());
    }
    folder.leave()
}

fn start(spec: &Spec) -> Result<(Child, Option<Cgroup>), (Code, String)> {
    let group = group(spec)?;
    let fail = |code, error: String| {
        if let Some(group) = &group {
            group.remove();
        }
        Err((code, error))
    };
    match Mark::of(&spec.program) {
        Ok(mark) if mark == spec.mark => {}
        Ok(_) => {
            return fail(
                Code::NotAllowed,
                "the program was changed after it was checked".into(),
            );
        }
        Err(fault) => return fail(Code::NotFound, format!("{}: {fault}", spec.program.display())),
    }
    let mut command = Command::new(&spec.program);
    std::os::unix::process::CommandExt::arg0(&mut command, &spec.called);
    command
        .args(&spec.args)
        .current_dir(&spec.cwd)
        .env_clear()
        .envs(&spec.env);
    match child::start(command, spec.account.as_ref()) {
        Ok(program) => {
            if let Some(group) = &group
                && let Err(fault) = group.leave()
            {
                say(&format!(
                    "the supervisor stays in its program's control group: {fault}"
                ));
            }
            Ok((program, group))
        }
        Err(fault) => {
            if let Some(group) = &group {
                let _ = group.leave();
            }
            fail(code_of(&fault), format!("{}: {fault}", spec.program.display()))
        }
    }
}

fn group(spec: &Spec) -> Result<Option<Cgroup>, (Code, String)> {
    let made = match &spec.cgroup {
        None if spec.quota.is_any() => Err(io::Error::other("there are no control groups")),
        None => return Ok(None),
        Some(path) => Cgroup::make(path, &spec.quota).and_then(|group| {
            let entered = group.enter();
            if entered.is_err() {
                group.remove();
            }
            entered.map(|()| group)
        }),
    };
    match made {
        Ok(group) => Ok(Some(group)),
        Err(fault) if spec.quota.is_any() && spec.quota_required => {
            Err((Code::Limits, format!("its limits cannot be had: {fault}")))
        }
        Err(fault) => {
            say(&format!(
                "the program runs without its control group and its limits: {fault}"
            ));
            Ok(None)
        }
    }
}

/// Says something in the supervisor's own log. What cannot be said has nowhere to go.
fn say(what: &str) {
    let _ = writeln!(io::stderr(), "{what}");
}

/// The file that a supervisor says in what it has to say.
pub(crate) fn own_log(folder: &Folder) -> io::Result<std::fs::File> {
    files::append(&folder.file("supervisor.log"))
}
