//! The folder of one program: what is to be run, who supervises it, what runs, how it ended, and what it wrote.
//!
//! Invariant: each file is written by one side only and is there as a whole; the file of the supervisor is given once, so a
//! program has one supervisor or none, for ever.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bongsu_model::CommandId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::spec::Spec;
use crate::os::files;
use crate::os::process::Identity;
use crate::report::{Code, How, Lost, Outcome};

/// The folder of one program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

/// Whose a program is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Claim {
    /// This supervisor's.
    Supervisor(Identity),
    /// Nobody's: an agent found it without a supervisor and decided that it has none.
    Nobody,
}

/// A program that runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Started {
    /// Who it is.
    pub(crate) program: Identity,
    /// Since when, by this machine's clock, in milliseconds.
    pub(crate) started_at: i64,
    /// Since when, in milliseconds since the boot.
    pub(crate) boot_ms: u64,
}

/// How it went.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    /// The program ended with this code.
    Exited(i32, Lasted),
    /// The program ended by this signal.
    Killed(i32, Lasted),
    /// The program could not be started: the name of a [`Code`], and more.
    NotStarted(String, String),
    /// Nobody saw the program's end: whether by a reboot, and otherwise by the supervisor's. Written by the agent.
    Lost {
        /// Whether by a reboot.
        reboot: bool,
    },
}

/// How long and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Lasted {
    /// Whether it was asked to end.
    pub(crate) stopped: bool,
    /// In milliseconds.
    pub(crate) lasted_ms: u64,
    /// When it ended, by this machine's clock, in milliseconds.
    pub(crate) ended_at: i64,
}

impl Ending {
    /// Why the program could not be started.
    pub(crate) fn not_started(code: Code, error: &str) -> Self {
        Self::NotStarted(code.name().to_owned(), error.to_owned())
    }

    /// What there is to say of it.
    pub(crate) fn outcome(&self) -> Outcome {
        let ended = |how, lasted: &Lasted| Outcome::Ended {
            how,
            stopped: lasted.stopped,
            lasted_ms: lasted.lasted_ms,
        };
        match self {
            Self::Exited(code, lasted) => ended(How::Exited(*code), lasted),
            Self::Killed(signal, lasted) => ended(How::Killed(*signal), lasted),
            Self::NotStarted(code, error) => Outcome::NotStarted {
                // A code of a later version is a reason that this one does not know.
                code: Code::parse(code).unwrap_or(Code::System),
                error: error.as_str().into(),
            },
            Self::Lost { reboot } => Outcome::Ended {
                how: How::Lost(if *reboot { Lost::Reboot } else { Lost::Supervisor }),
                stopped: false,
                lasted_ms: 0,
            },
        }
    }
}

impl Folder {
    /// The folder of a command's program.
    pub(crate) fn of(data: &Path, command: CommandId) -> Self {
        Self::at(runs(data).join(command.to_string()))
    }

    /// The folder at that path.
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it, with what is to be run and the pipe for its supervisor, which is opened.
    pub(crate) fn make(&self, spec: &Spec) -> io::Result<File> {
        files::make_folder(&self.path)?;
        files::write_whole(&self.file("spec"), &json(spec)?, true)?;
        files::make_pipe(&self.file("control"))?;
        self.control()
    }

    /// The pipe by which its supervisor is spoken to.
    pub(crate) fn control(&self) -> io::Result<File> {
        files::open_pipe(&self.file("control"))
    }

    /// Nothing is left of the program, and nobody to be spoken to.
    pub(crate) fn leave(&self) -> io::Result<()> {
        match fs::remove_file(self.file("control")) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Whether something may be left of the program: its supervisor has not said otherwise.
    pub(crate) fn may_be_left(&self) -> bool {
        self.file("control").exists()
    }

    /// Held by a supervisor until the program is started or cannot be: waits for that.
    pub(crate) fn gate(&self) -> io::Result<File> {
        files::lock(&self.file("gate"))
    }

    /// What is to be run.
    pub(crate) fn spec(&self) -> io::Result<Option<Spec>> {
        self.read("spec")
    }

    /// Claims the program, if nobody has; whether it did.
    pub(crate) fn claim(&self, claim: &Claim) -> io::Result<bool> {
        files::write_first(&self.file("supervisor"), &json(claim)?)
    }

    /// Whose the program is, if it has been claimed.
    pub(crate) fn claimed(&self) -> io::Result<Option<Claim>> {
        self.read("supervisor")
    }

    /// Says that the program runs.
    pub(crate) fn say_started(&self, started: &Started) -> io::Result<()> {
        files::write_whole(&self.file("started"), &json(started)?, false)
    }

    /// What runs, or ran.
    pub(crate) fn started(&self) -> io::Result<Option<Started>> {
        self.read("started")
    }

    /// Says how it went: it is on the disk when this returns.
    pub(crate) fn say_end(&self, ending: &Ending) -> io::Result<()> {
        files::write_whole(&self.file("end"), &json(ending)?, true)
    }

    /// How it went, if it is over.
    pub(crate) fn end(&self) -> io::Result<Option<Ending>> {
        self.read("end")
    }

    /// One of its files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        match fs::read(self.file(name)) {
            // What was not yet on the disk when the power went may be there by its name alone.
            Ok(bytes) if bytes.is_empty() => Ok(None),
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

/// Where the folders of programs are.
pub(crate) fn runs(data: &Path) -> PathBuf {
    data.join("runs")
}

/// The folders of all programs there are, and their commands, oldest command first.
pub(crate) fn all(data: &Path) -> io::Result<Vec<(CommandId, Folder)>> {
    let entries = match fs::read_dir(runs(data)) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) => return Err(fault),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        // Whatever else lies there is somebody else's.
        if let Some(command) = entry.file_name().to_str().and_then(CommandId::parse) {
            found.push((command, Folder::at(entry.path())));
        }
    }
    found.sort_unstable_by_key(|(command, _)| *command);
    Ok(found)
}

fn json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(value)?)
}
