//! The agent's command line, and how it is run by one.
//!
//! Invariant: what is wrong is found before anything is connected, and named by its flag; a token is in no message and no
//! log.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use bongsu_device::link::{Address, NoAddress, NoTls, TlsFiles};
use bongsu_model::DeviceId;
use bongsu_wire::socketio::switchboard::NAMESPACE;
use clap::{Args, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Local, NoSettings, RunnerArgs, answer};
use crate::link::{Carriers, LinkConfig, PATH, said};
use crate::run::{AgentConfig, run};
use crate::session::Identity;

/// Everything that the agent may be asked on a command line.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct AgentArgs {
    #[command(subcommand)]
    asked: Option<Asked>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Clone, Debug, Subcommand)]
enum Asked {
    /// Runs programs on this display, as a server asks (so does no subcommand)
    Run(Box<RunArgs>),
    #[command(flatten)]
    Local(Local),
}

/// How the agent is run.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The server's address, such as `https://switchboard.example`
    #[arg(long, env = "BONGSU_AGENT_SERVER", value_name = "URL")]
    server: Option<String>,
    /// This display's name, such as Display_01
    #[arg(long, env = "BONGSU_AGENT_NAME", value_name = "NAME")]
    name: Option<String>,
    /// What lets this display in; --token-file keeps it from other users of this machine
    #[arg(
        long,
        env = "BONGSU_AGENT_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    token: Option<Token>,
    /// A file that holds it
    #[arg(
        long,
        env = "BONGSU_AGENT_TOKEN_FILE",
        value_name = "FILE",
        conflicts_with = "token"
    )]
    token_file: Option<PathBuf>,
    /// The authorities that the server's certificate may be of, as PEM [default: the system's]
    #[arg(long, env = "BONGSU_AGENT_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// This display's own certificate, as PEM
    #[arg(long, env = "BONGSU_AGENT_CERT", value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key, as PEM
    #[arg(long, env = "BONGSU_AGENT_KEY", value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The server's namespace for displays; `/` of a server that has none
    #[arg(long, env = "BONGSU_AGENT_NAMESPACE", value_name = "PATH", default_value = NAMESPACE)]
    namespace: String,
    /// How the log is written
    #[arg(long, env = "BONGSU_AGENT_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(flatten)]
    runner: RunnerArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum LogFormat {
    /// Lines for people
    Text,
    /// An object a line
    Json,
}

/// What nobody is to read.
#[derive(Clone, PartialEq, Eq)]
struct Token(String);

impl From<String> for Token {
    fn from(token: String) -> Self {
        Self(token)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Why a command line makes no agent.
#[derive(Debug, thiserror::Error)]
pub enum NotMeant {
    /// There is no address.
    #[error("--server is missing: the server's address, such as `https://switchboard.example`")]
    NoServer,
    /// The address is none.
    #[error("--server {url} is no address of a server")]
    Server {
        /// What was said.
        url: String,
        /// What is wrong with it.
        #[source]
        source: NoAddress,
    },
    /// There is no name.
    #[error("--name is missing: this display's name, such as Display_01")]
    NoName,
    /// The name is none.
    #[error("--name {0:?} is no name of a display: 1 to 128 of A-Z a-z 0-9 . _ : -")]
    Name(String),
    /// The token's file cannot be read.
    #[error("--token-file {path} cannot be read")]
    TokenFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The token is none.
    #[error("{0} holds no token: one line of ASCII without blanks")]
    Token(&'static str),
    /// Certificates are of no use.
    #[error("{0} is of use only with TLS: --server must begin with https://")]
    NotSecure(&'static str),
    /// Certificates cannot be used.
    #[error("--ca, --cert and --key cannot be used")]
    Tls(#[from] NoTls),
    /// The namespace is none.
    #[error("--namespace {0:?} is none: it begins with a slash, and has no blanks, commas or question marks")]
    Namespace(String),
    /// How programs are run.
    #[error(transparent)]
    Runner(#[from] NoSettings),
}

/// Does what a command line asks, and says how it ended: 0 well, 1 not, 2 it could not be meant. `supervise` is what
/// stands before a folder in the arguments of this very program that make it a supervisor, such as `["supervise"]`.
///
/// Without a subcommand, or with `run`, it returns when the process is asked to end (SIGINT, SIGTERM).
#[must_use]
pub fn main(args: &AgentArgs, supervise: &[&str]) -> ExitCode {
    let run = match &args.asked {
        None => &args.run,
        Some(Asked::Run(run)) => run,
        Some(Asked::Local(local)) => {
            return answer(local, &mut io::stdout().lock()).unwrap_or_else(|fault| failed(&fault, 1));
        }
    };
    let config = match run.config(supervise) {
        Ok(config) => config,
        Err(fault) => return failed(&fault, 2),
    };
    run.log_format.start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.and_then(|runtime| runtime.block_on(serve(config)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => failed(&fault, 1),
    }
}

/// Runs an agent until the process is asked to end; asked once more, it ends at once.
async fn serve(config: AgentConfig) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let asked = tokio::spawn(async move {
        let mut stop = Some(stop);
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            match stop.take() {
                // Nobody waits any more: it has ended by itself.
                Some(stop) => drop(stop.send(())),
                None => std::process::exit(1),
            }
        }
    });
    let stop = async move {
        let _ = stopped.await;
    };
    let ended = Box::pin(run(config, stop)).await;
    asked.abort();
    ended.map_err(io::Error::other)
}

impl RunArgs {
    /// What the agent goes by. For `supervise` see [`main`].
    ///
    /// # Errors
    /// What cannot be meant.
    pub fn config(&self, supervise: &[&str]) -> Result<AgentConfig, NotMeant> {
        let url = self.server.as_deref().ok_or(NotMeant::NoServer)?;
        let address = Address::of_http(url, PATH).map_err(|source| NotMeant::Server {
            url: url.to_owned(),
            source,
        })?;
        let name = self.name.as_deref().ok_or(NotMeant::NoName)?;
        let name = DeviceId::parse(name).ok_or_else(|| NotMeant::Name(name.to_owned()))?;
        let bad = |b: u8| !(0x21..=0x7e).contains(&b) || matches!(b, b',' | b'?');
        if !self.namespace.starts_with('/') || self.namespace.bytes().any(bad) {
            return Err(NotMeant::Namespace(self.namespace.clone()));
        }
        let runner = self.runner.config(supervise)?;
        Ok(AgentConfig {
            server: LinkConfig {
                tls: self.tls(&address)?,
                address,
                token: None,
                carriers: Carriers::Any,
            },
            namespace: self.namespace.clone(),
            identity: Identity {
                name: name.as_str().into(),
                address: None,
                version: env!("CARGO_PKG_VERSION").into(),
                token: self.token()?,
            },
            runner,
            on_exit: self.runner.on_exit(),
        })
    }

    fn tls(&self, address: &Address) -> Result<Option<Arc<rustls::ClientConfig>>, NotMeant> {
        if address.is_secure() {
            let files = TlsFiles {
                authorities: self.ca.clone(),
                identity: self.cert.clone().zip(self.key.clone()),
            };
            return Ok(Some(files.config()?));
        }
        match (&self.ca, &self.cert) {
            (Some(_), _) => Err(NotMeant::NotSecure("--ca")),
            (None, Some(_)) => Err(NotMeant::NotSecure("--cert")),
            (None, None) => Ok(None),
        }
    }

    fn token(&self) -> Result<Option<Arc<str>>, NotMeant> {
        let (token, flag) = match (&self.token, &self.token_file) {
            (Some(Token(token)), _) => (token.clone(), "--token"),
            (None, Some(path)) => {
                let read = std::fs::read_to_string(path).map_err(|source| NotMeant::TokenFile {
                    path: path.clone(),
                    source,
                })?;
                (read.trim().to_owned(), "--token-file")
            }
            (None, None) => return Ok(None),
        };
        if token.is_empty() || !token.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
            return Err(NotMeant::Token(flag));
        }
        Ok(Some(token.into()))
    }
}

impl LogFormat {
    /// Has what is logged written to standard error: from INFO on, or as `RUST_LOG` says.
    fn start(self) {
        let filter = tracing_subscriber::EnvFilter::builder()
            .with_default_directive(tracing::level_filters::LevelFilter::INFO.into())
            .from_env_lossy();
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(io::stderr().is_terminal())
            .with_writer(io::stderr);
        // Whoever embeds the agent may have a log already.
        let _ = match self {
            Self::Text => log.try_init(),
            Self::Json => log.json().flatten_event(true).try_init(),
        };
    }
}

fn failed(fault: &dyn std::error::Error, code: u8) -> ExitCode {
    eprintln!("bongsu-agent: {}", said(fault));
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        agent: AgentArgs,
    }

    fn parse(args: &str) -> Result<AgentArgs, String> {
        let args = format!("agent {args}");
        let line = Line::try_parse_from(args.split_whitespace());
        line.map(|line| line.agent).map_err(|fault| fault.to_string())
    }

    fn config(args: &str) -> Result<AgentConfig, String> {
        let agent = parse(args)?;
        let run = match &agent.asked {
            None => &agent.run,
            Some(Asked::Run(run)) => run,
            Some(Asked::Local(_)) => panic!("{args}"),
        };
        run.config(&["supervise"]).map_err(|fault| said(&fault))
    }

    #[test]
    fn it_is_run_with_and_without_the_word() {
        for word in ["", "run "] {
            let config = config(&format!(
                "{word}--server http://gate.example:8000 --name Display_01 --allow-any --token secret"
            ))
            .unwrap();
            assert_eq!(config.server.address.target(), "/socket.io/");
            assert_eq!(config.namespace, "/switchboard");
            assert_eq!(&*config.identity.name, "Display_01");
            assert_eq!(config.identity.token.as_deref(), Some("secret"));
            assert!(!format!("{:?}", config.identity).contains("secret"));
        }
        assert!(matches!(parse("list").unwrap().asked, Some(Asked::Local(_))));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_flag() {
        let most = "--server http://h --name d --allow-any";
        for (args, told) in [
            (
                "--allow-any --name d",
                "--server is missing: the server's address",
            ),
            (
                "--allow-any --server ws://h --name d",
                "--server ws://h is no address of a server: it must begin with http:// or https://",
            ),
            (
                "--allow-any --server http://h",
                "--name is missing: this display's name",
            ),
            (
                "--allow-any --server http://h --name d/1",
                "--name \"d/1\" is no name of a display: 1 to 128 of",
            ),
            (
                &format!("{most} --token 토큰"),
                "--token holds no token: one line of ASCII",
            ),
            (
                &format!("{most} --token-file /none"),
                "--token-file /none cannot be read: ",
            ),
            (&format!("{most} --ca /none"), "--ca is of use only with TLS"),
            (
                &format!("{most} --cert /none --key /none"),
                "--cert is of use only with TLS",
            ),
            (
                &format!("{most} --namespace x"),
                "--namespace \"x\" is none: it begins with a slash",
            ),
            (
                "--allow-any --server https://h --name d --ca /none",
                "--ca, --cert and --key cannot be used: /none cannot be read as PEM",
            ),
            ("--server http://h --name d", "--allow"),
        ] {
            let fault = config(args).err().unwrap();
            assert!(fault.contains(told), "{args}: {fault}");
        }
        assert!(parse(&format!("{most} --cert /none")).is_err());
        assert!(parse(&format!("{most} --token a --token-file b")).is_err());
        assert!(parse(&format!("{most} --log-format xml")).is_err());
    }

    #[test]
    fn a_token_may_stand_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let args = format!(
            "--server http://h --name d --allow-any --token-file {}",
            path.display()
        );
        std::fs::write(&path, " secret\n").unwrap();
        assert_eq!(config(&args).unwrap().identity.token.as_deref(), Some("secret"));
        std::fs::write(&path, "two\nlines").unwrap();
        assert_eq!(
            config(&args).err().unwrap(),
            "--token-file holds no token: one line of ASCII without blanks"
        );
    }
}
