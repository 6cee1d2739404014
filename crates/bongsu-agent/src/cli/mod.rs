//! What the agent's programs may be asked on a command line: how a runner is set up, and what it has run.
//!
//! Invariant: nothing here needs a server; what is read is the data folder, which may be in use.

mod list;
mod logs;
mod settings;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};

pub use list::ListArgs;
pub use logs::{Asked, LogsArgs};
pub use settings::{NoSettings, RunnerArgs};

/// What can be asked without a server.
#[derive(Clone, Debug, Subcommand)]
pub enum Local {
    /// Lists the programs that run, and those that have ended and whose output is kept
    List(ListArgs),
    /// Shows what a program has written
    Logs(LogsArgs),
    /// Supervises one program; started by the agent itself
    #[command(hide = true)]
    Supervise {
        /// The program's folder
        folder: PathBuf,
    },
}

/// Where the agent keeps what it knows.
#[derive(Clone, Debug, Args)]
pub struct DataArgs {
    /// Where the journal and what programs write are kept [default: /var/lib/bongsu-agent, or of users
    /// ~/.local/state/bongsu-agent]
    #[arg(
        long,
        visible_alias = "data-dir",
        env = "BONGSU_AGENT_DATA",
        value_name = "FOLDER"
    )]
    data: Option<PathBuf>,
}

impl DataArgs {
    /// The data folder.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let state = || std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty());
        let home = || std::env::var_os("HOME").filter(|_| !rustix::process::geteuid().is_root());
        let of_user = || {
            let state = state().map(PathBuf::from);
            Some(
                state
                    .unwrap_or(PathBuf::from(home()?).join(".local/state"))
                    .join("bongsu-agent"),
            )
        };
        let set = self.data.clone();
        // What systemd gives to a service.
        let set = set.or_else(|| {
            std::env::var_os("STATE_DIRECTORY")
                .filter(is_one)
                .map(PathBuf::from)
        });
        set.or_else(of_user)
            .unwrap_or_else(|| "/var/lib/bongsu-agent".into())
    }
}

/// Answers what can be asked without a server, on `out`.
///
/// # Errors
/// The data folder cannot be read, or nothing can be written to `out`.
pub fn answer(asked: &Local, out: &mut impl Write) -> io::Result<std::process::ExitCode> {
    let answered = match asked {
        Local::List(args) => list::list(args, out),
        Local::Logs(args) => logs::logs(args, out),
        Local::Supervise { folder } => Ok(crate::supervise(folder)),
    };
    match answered {
        // Whoever read it has seen enough.
        Err(fault) if fault.kind() == io::ErrorKind::BrokenPipe => Ok(std::process::ExitCode::SUCCESS),
        answered => answered,
    }
}

fn is_one(folders: &OsString) -> bool {
    !folders.is_empty() && folders.to_str().is_some_and(|folders| !folders.contains(':'))
}
