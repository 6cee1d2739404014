//! How a runner is set up, and why it could not be.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use bongsu_device::journal::JournalFault;

use crate::Limits;
use crate::allow::NoManifest;
use crate::os::cgroup::Quota;
use crate::os::process::OWN_PROGRAM;
use crate::os::user::NoUser;

/// How a runner is set up.
#[derive(Clone, Debug)]
pub struct RunnerConfig {
    /// Where the journal and the programs' folders are; made if it is missing.
    pub data: PathBuf,
    /// The manifest of what may be run; `None`: anything (to be said loudly by whoever sets it).
    pub allow: Option<PathBuf>,
    /// The user that programs run as, by name or number; `None` for the agent's own.
    pub user: Option<String>,
    /// Where programs run that do not say; `None` for their user's home.
    pub cwd: Option<PathBuf>,
    /// How supervisors are started.
    pub supervisor: Supervisor,
    /// Where limits are kept.
    pub cgroups: Cgroups,
    /// What each program may take, if the manifest does not say otherwise.
    pub quota: Quota,
    /// A program whose limits cannot be had is refused; else it is run without them, and that is logged.
    pub require_limits: bool,
    /// How much of everything.
    pub limits: Limits,
}

impl RunnerConfig {
    /// Everything by default, in that data folder, with `supervise` as the hidden subcommand of this very program.
    #[must_use]
    pub fn new(data: PathBuf) -> Self {
        Self {
            data,
            allow: None,
            user: None,
            cwd: None,
            supervisor: Supervisor::own(&["supervise"]),
            cgroups: Cgroups::Delegated,
            quota: Quota::default(),
            require_limits: false,
            limits: Limits::default(),
        }
    }
}

/// How a supervisor is started: this program, these arguments, and the program's folder as the last.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// The program.
    pub program: PathBuf,
    /// Its first arguments.
    pub args: Vec<OsString>,
}

impl Supervisor {
    /// This very program, even if its file has been replaced since, with these arguments before the folder.
    #[must_use]
    pub fn own(args: &[&str]) -> Self {
        Self {
            program: OWN_PROGRAM.into(),
            args: args.iter().map(OsString::from).collect(),
        }
    }
}

/// Where the programs' control groups are made (version 2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cgroups {
    /// Nowhere.
    Off,
    /// In the agent's own group, if it was delegated to it.
    Delegated,
    /// In this one.
    At(PathBuf),
}

/// Why there is no runner.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder cannot be used.
    #[error("the data folder {path} cannot be used")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The data folder is somebody else's, or everybody may write to it: what is found there is not to be believed.
    #[error("the data folder {0} is not the agent's own, or everybody may write to it")]
    Foreign(PathBuf),
    /// The journal cannot be used, is another agent's, or is damaged.
    #[error(transparent)]
    Journal(#[from] JournalFault),
    /// The journal holds something that no version of the agent has written.
    #[error(
        "the journal in {0} holds a command that is not understood: the file has to be looked at by a person"
    )]
    Unknown(PathBuf),
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] NoManifest),
    /// The user that programs are to run as cannot be had.
    #[error(transparent)]
    User(#[from] NoUser),
    /// The control groups that are configured or delegated cannot be used.
    #[error("the control group {path} cannot be used")]
    Cgroup {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// This system cannot tell of the end of a process that is nobody's child: Linux 5.3 can.
    #[error("this system cannot watch processes")]
    System(#[source] io::Error),
}
