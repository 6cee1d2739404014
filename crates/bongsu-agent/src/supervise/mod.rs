//! The supervisor: a process per program that starts it, keeps what it writes, stops it, and writes down how it ended.
//!
//! Invariant: it outlives the agent and decides nothing. What it is given it does once; the program's end is on the disk
//! before the supervisor's own.

pub(crate) mod ending;
pub(crate) mod folder;
pub(crate) mod log;
pub(crate) mod spec;

mod tend;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitCode};

use bongsu_device::time::OwnTime;

use crate::allow::code_of;
use crate::os::cgroup::Cgroup;
use crate::os::files::Mark;
use crate::os::process::{Identity, since_boot_ms};
use crate::os::{child, files};
use crate::report::Code;
use folder::{Claim, Ending, Folder, Lasted, Started};
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
    let (program, group) = match start(&spec) {
        Ok(started) => started,
        Err((code, error)) => return folder.say_end(&Ending::not_started(code, &error)),
    };
    let began = since_boot_ms();
    let pid = program.id();
    // The child was not waited for yet, so there is a process of its number even if it has ended.
    let said = Identity::of(pid).and_then(|program| {
        folder.say_started(&Started {
            program,
            started_at: OwnTime::start().now().0,
            boot_ms: began,
        })
    });
    if let Err(fault) = said {
        say(&format!("it cannot be said that the program runs: {fault}"));
    }
    child::close_stdout()?;
    drop(gate);
    let tended = Tended::new(program, control, folder.path(), &spec, group)?;
    let (exit, stopped) = tended.finish()?;
    let lasted = Lasted {
        stopped,
        lasted_ms: since_boot_ms().saturating_sub(began),
        ended_at: OwnTime::start().now().0,
    };
    folder.say_end(&match exit {
        child::Exit::Code(code) => Ending::Exited(code, lasted),
        child::Exit::Signal(signal) => Ending::Killed(signal, lasted),
    })
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
