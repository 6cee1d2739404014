//! Every way a run can fail, said so that a person can act on it.

use std::io;
use std::path::PathBuf;

/// What the binary's own code may fail with when it mints or verifies a token.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The machine does not allow as many open files as the run needs.
    #[error(
        "the run needs {needed} open files in one process and {allowed} are allowed: raise `ulimit -n` or ask for fewer connections"
    )]
    FewFiles {
        /// Files needed.
        needed: u64,
        /// Files allowed.
        allowed: u64,
    },
    /// The process under load is gone or was never there.
    #[error("process {pid} cannot be read in /proc: has the server ended?")]
    NoProcess {
        /// Its id.
        pid: u32,
    },
    /// A server of others is to be measured and is not there.
    #[error("{name} is not installed in {}: `make peers` does that", folder.display())]
    NoPeer {
        /// Its name.
        name: &'static str,
        /// Where it would be.
        folder: PathBuf,
    },
    /// A server could not be started.
    #[error("cannot start {}: {source}", exe.display())]
    Spawn {
        /// The program.
        exe: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A server that was started did not say that it is ready.
    #[error("{} did not say that it is ready within {seconds} s; its last words:\n{last_words}", exe.display())]
    NotReady {
        /// The program.
        exe: PathBuf,
        /// How long it had.
        seconds: u64,
        /// The end of its log.
        last_words: String,
    },
    /// The first line of a server is not a ready line.
    #[error("the server's first line is not a ready line: {line}")]
    ReadyLine {
        /// The line.
        line: String,
    },
    /// The binary could not mint or verify a token.
    #[error("a token cannot be made or verified: {0}")]
    Token(#[source] Fault),
    /// The HTTP API of the server refused something or said nonsense.
    #[error("{method} {path} was answered {status}: {body}")]
    Http {
        /// The method.
        method: &'static str,
        /// The path.
        path: String,
        /// The status; 0 for an answer that is not HTTP.
        status: u16,
        /// The start of the answer's body.
        body: String,
    },
    /// The server refused a request of a simulated user, or closed its connection.
    #[error("the server refused user {user}: {line}")]
    Refused {
        /// The user.
        user: i64,
        /// What it said, or what happened to the connection.
        line: String,
    },
    /// Nothing arrives any more although something is due.
    #[error("nothing arrived for {seconds} s: {arrived} of {due} {what} are there")]
    Stalled {
        /// How long was waited.
        seconds: f64,
        /// How many arrived.
        arrived: u64,
        /// How many are due.
        due: u64,
        /// Of what.
        what: &'static str,
    },
    /// More was delivered than was sent: the figures would be wrong.
    #[error("{arrived} deliveries arrived where {due} are due: the server repeats itself")]
    Repeated {
        /// How many arrived.
        arrived: u64,
        /// How many are due.
        due: u64,
    },
    /// An option has a value that no run can have.
    #[error("{option} is {value}: {advice}")]
    Option {
        /// The option's name on the command line.
        option: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        advice: &'static str,
    },
    /// The floor's own store failed.
    #[error("the floor's store: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

/// Names what was tried when the system refuses it.
pub(crate) trait Tried<T> {
    /// Turns the system's error into `BenchError::Io`.
    fn tried(self, what: &'static str) -> Result<T, BenchError>;
}

impl<T, E: Into<io::Error>> Tried<T> for Result<T, E> {
    fn tried(self, what: &'static str) -> Result<T, BenchError> {
        self.map_err(|source| BenchError::Io {
            what,
            source: source.into(),
        })
    }
}
