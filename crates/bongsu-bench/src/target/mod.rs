//! The server under load: a child of our own, a floor of our own, or one that runs already.
//!
//! Invariant: a child that was started is ended and its folder removed when its `Server` is dropped, however the run ends.

pub(crate) mod child;
mod config;
mod rooms;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bongsu_model::Role;
pub(crate) use rooms::{enrol, make_rooms};

use crate::dialect::Carrier;
use crate::error::{BenchError, Fault};
use crate::options::{Options, Scenario};
use crate::scenario::commands;

/// Whom to put under load.
#[derive(Clone, Debug)]
pub enum Target {
    /// A server started for the run, fresh for every round, on a data folder of its own.
    Child {
        /// The program; `serve` and its flags follow.
        exe: PathBuf,
        /// More arguments, put after our own.
        extra_args: Vec<String>,
        /// More TOML, put after our own `[limits]`; it must begin with a table's header.
        extra_config: String,
    },
    /// A server that runs already, on this machine if its CPU time and memory are to be read.
    External {
        /// Its TCP listener.
        tcp: SocketAddr,
        /// Its HTTP listener, where rooms are made and WebSockets are opened; none if joining makes rooms and the users
        /// speak over TCP.
        http: Option<SocketAddr>,
        /// Its process.
        pid: u32,
    },
}

/// How to start a process of our own program.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program, as a rule `std::env::current_exe()`.
    pub exe: PathBuf,
    /// The arguments that lead it to `floor::main`; the floor's own follow.
    pub args: Vec<String>,
}

/// The keys of the server under load, lent by the binary.
pub trait Keys {
    /// Opens the signing key of a child's data folder, or, with `None`, that of an external server.
    ///
    /// Called once a server is ready, so that its first start has made the key.
    ///
    /// # Errors
    /// Whatever kept the key from being read.
    fn open(&self, data_dir: Option<&Path>) -> Result<Box<dyn Signer>, Fault>;
}

/// A signing key.
pub trait Signer {
    /// A token for `subject`, a simulated user or, as `Role::Service`, the bench itself; good for at least an hour.
    ///
    /// # Errors
    /// Whatever kept the token from being signed.
    fn mint(&self, subject: i64, role: Role) -> Result<String, Fault>;

    /// Verifies `token` once, exactly as the server does for CONNECT; its cost becomes part of the connect floor.
    ///
    /// # Errors
    /// If the token is not good, which would make the measurement meaningless.
    fn verify_once(&self, token: &str) -> Result<(), Fault>;
}

/// A server that accepts.
pub(crate) struct Server {
    /// Where the simulated users connect.
    pub(crate) users: SocketAddr,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) pid: u32,
    /// What it says it is; only servers of others do.
    pub(crate) version: Option<String>,
    pub(crate) signer: Box<dyn Signer>,
    /// Ends with the server; none for an external one.
    _child: Option<child::Child>,
}

impl Server {
    /// Starts or finds the server under load.
    ///
    /// # Errors
    /// Whatever kept it from being ready.
    pub(crate) fn start(options: &Options, keys: &dyn Keys) -> Result<Self, BenchError> {
        let door = |tcp, http: Option<SocketAddr>| match (options.protocol.carrier(), http) {
            (Carrier::Lines, _) => Ok(tcp),
            (Carrier::Frames | Carrier::Polls | Carrier::Stream, Some(http)) => Ok(http),
            (Carrier::Frames | Carrier::Polls | Carrier::Stream, None) => Err(BenchError::Option {
                option: "--http",
                value: "not given".to_owned(),
                advice: "WebSockets are opened there",
            }),
        };
        match &options.target {
            Target::Child {
                exe,
                extra_args,
                extra_config,
            } => {
                let catalogue = (options.scenario == Scenario::Commands).then_some(commands::CATALOGUE);
                let (child, ready) =
                    child::serve(exe, extra_args, extra_config, catalogue, &options.work_dir)?;
                let signer = keys.open(Some(child.data_dir())).map_err(BenchError::Token)?;
                Ok(Self {
                    users: door(ready.tcp, ready.http)?,
                    http: ready.http,
                    pid: ready.pid,
                    version: None,
                    signer,
                    _child: Some(child),
                })
            }
            Target::External { tcp, http, pid } => {
                let signer = keys.open(None).map_err(BenchError::Token)?;
                Ok(Self {
                    users: door(*tcp, *http)?,
                    http: *http,
                    pid: *pid,
                    version: None,
                    signer,
                    _child: None,
                })
            }
        }
    }

    /// Starts a floor or a server of others that writes frames of the sizes in `args`.
    ///
    /// `token_like` is a token of the server it is compared with: it reads sign-ins of the same length.
    ///
    /// # Errors
    /// Whatever kept it from being ready.
    pub(crate) fn start_floor(
        program: &Program,
        args: &[String],
        token_like: &str,
        work_dir: &Path,
    ) -> Result<Self, BenchError> {
        let (child, ready) = child::floor(program, args, work_dir)?;
        let signer = Box::new(Sham {
            token: "x".repeat(token_like.len()),
        });
        Ok(Self {
            users: ready.tcp,
            http: None,
            pid: ready.pid,
            version: ready.version,
            signer,
            _child: Some(child),
        })
    }
}

/// Stands in for keys where a floor reads tokens without looking at them.
struct Sham {
    token: String,
}

impl Signer for Sham {
    fn mint(&self, _subject: i64, _role: Role) -> Result<String, Fault> {
        Ok(self.token.clone())
    }

    fn verify_once(&self, _token: &str) -> Result<(), Fault> {
        Ok(())
    }
}
