//! What must be said to use a server, and how much of it may be used.
//!
//! Invariant: a password is never shown, and every wait has an end that is said here.

use std::path::PathBuf;
use std::time::Duration;

use bongsu_model::Limits;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, TargetSessionAttrs};

use crate::{Durability, StoreLimits};

/// How the connection to the server is protected, as `sslmode` of the address says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TlsMode {
    /// `disable`: not at all.
    Disable,
    /// `prefer`: TLS if the server has it, without a look at its certificate.
    #[default]
    Prefer,
    /// `require`: TLS, without a look at the certificate unless authorities are named: then as [`TlsMode::VerifyCa`].
    Require,
    /// `verify-ca`: TLS, with a certificate of an authority that is trusted.
    VerifyCa,
    /// `verify-full`: TLS, with a certificate of an authority that is trusted, for the host's own name.
    VerifyFull,
}

impl TlsMode {
    const NAMES: [(&'static str, Self); 5] = [
        ("disable", Self::Disable),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    /// The mode of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES
            .into_iter()
            .find_map(|(known, mode)| (known == name).then_some(mode))
    }
}

/// Why an address is none.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// It does not begin with `postgres://` or `postgresql://`.
    #[error("the address of a server begins with postgres://")]
    Scheme,
    /// `sslmode` is not one of those that are known.
    #[error("sslmode is one of disable, prefer, require, verify-ca and verify-full")]
    TlsMode,
    /// Names no host.
    #[error("the address names no host")]
    NoHost,
    /// Names another number of ports than of hosts.
    #[error("the address names {ports} ports for {hosts} hosts")]
    Ports {
        /// How many hosts.
        hosts: usize,
        /// How many ports.
        ports: usize,
    },
    /// Something else is wrong with it.
    #[error("the address cannot be read: {0}")]
    Other(#[from] tokio_postgres::Error),
}

/// How to open a store on a server.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Where the servers are, and who asks. Several hosts are several servers with the same data, of which one takes
    /// writes: that one is used, whichever it is.
    pub(super) config: Config,
    /// How the connection is protected.
    pub tls: TlsMode,
    /// The authorities that are trusted, a file of PEM; `None` for those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// The schema that has the tables, made if it is missing; `None` for the one that the server chooses.
    pub schema: Option<String>,
    /// What an acknowledged write survives. [`Durability::Power`] is a commit on the disk of the server (and of its
    /// standbys, if it is told to wait for them); with [`Durability::Process`] the server's own end loses the last moments.
    pub durability: Durability,
    /// Calls that may be under way, and apart from them appends; more are [`crate::StoreFault::Overloaded`].
    pub queue_max: usize,
    /// Appends in one transaction.
    pub batch_max: usize,
    /// Transactions of appends at once, each with a connection of its own: of different rooms.
    pub lanes: usize,
    /// Connections for everything else.
    pub connections: usize,
    /// How long any call may take, in milliseconds: with a server that is gone it fails by then.
    pub call_ms: u64,
    /// How long it may take to connect to a server, in milliseconds. All are tried at once.
    pub connect_ms: u64,
    /// How long a transaction may wait for another one's lock, in milliseconds.
    pub lock_ms: u64,
    /// How long the server keeps the locks of a node that has gone silent in a transaction, in milliseconds.
    pub idle_ms: u64,
    /// What the store itself refuses.
    pub limits: StoreLimits,
}

impl PostgresOptions {
    /// The defaults for a server, with the limits in force. The address is
    /// `postgres://user:password@host:port,host:port/database`, and may go on with `?sslmode=…&sslrootcert=…` and what else
    /// the driver knows. With several hosts the one that takes writes is used.
    ///
    /// # Errors
    ///
    /// [`AddressError`] if the address cannot be read.
    pub fn new(address: &str, limits: &Limits) -> Result<Self, AddressError> {
        if !address.starts_with("postgres://") && !address.starts_with("postgresql://") {
            return Err(AddressError::Scheme);
        }
        let (mut tls, mut ca_file) = (TlsMode::default(), None);
        let (place, said) = address.split_once('?').unwrap_or((address, ""));
        let mut rest = Vec::new();
        for said in said.split('&').filter(|said| !said.is_empty()) {
            match said.split_once('=') {
                // Not the driver's, which knows fewer modes.
                Some(("sslmode", mode)) => tls = TlsMode::parse(mode).ok_or(AddressError::TlsMode)?,
                Some(("sslrootcert", path)) => ca_file = Some(PathBuf::from(unescape(path))),
                Some(("target_session_attrs", _)) => {}
                _ => rest.push(said),
            }
        }
        let mut config: Config = format!("{place}?{}", rest.join("&")).parse()?;
        let (hosts, ports) = (config.get_hosts().len(), config.get_ports().len());
        if hosts == 0 {
            return Err(AddressError::NoHost);
        }
        if ports > 1 && ports != hosts {
            return Err(AddressError::Ports { hosts, ports });
        }
        if config.get_application_name().is_none() {
            config.application_name("bongsu");
        }
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        Ok(Self {
            config,
            tls,
            ca_file,
            schema: None,
            durability: Durability::default(),
            queue_max: limits.store_queue_max,
            batch_max: limits.store_batch_max,
            lanes: 4,
            connections: 12,
            call_ms: 5_000,
            connect_ms: 3_000,
            lock_ms: 3_000,
            idle_ms: 10_000,
            limits: StoreLimits::from(limits),
        })
    }

    /// Signs in with this password, whatever the address said.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    /// The servers as people know them, for logs: neither user nor password.
    #[must_use]
    pub fn servers(&self) -> String {
        let ports = self.config.get_ports();
        let name = |(number, host): (usize, &Host)| {
            let port = ports.get(number).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        };
        let names: Vec<_> = self.config.get_hosts().iter().enumerate().map(name).collect();
        names.join(", ")
    }

    pub(super) const fn call(&self) -> Duration {
        Duration::from_millis(self.call_ms)
    }
}

/// A part of an address with its `%XX` read; what is none stays as it is.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(address: &str) -> Result<PostgresOptions, AddressError> {
        PostgresOptions::new(address, &Limits::DEFAULT)
    }

    #[test]
    fn addresses_are_read() {
        let it = read(
            "postgres://a:secret@one:5432,two:5433/bongsu?sslmode=verify-full&sslrootcert=/etc/my%20ca.pem",
        )
        .unwrap();
        assert_eq!(it.tls, TlsMode::VerifyFull);
        assert_eq!(it.ca_file, Some(PathBuf::from("/etc/my ca.pem")));
        assert_eq!(it.servers(), "one:5432, two:5433");
        assert_eq!(it.config.get_dbname(), Some("bongsu"));
        assert!(!format!("{it:?}").contains("secret"), "a password is not shown");
        let it = read("postgresql://a@[::1]/b?connect_timeout=3")
            .unwrap()
            .password("hidden");
        assert_eq!(it.tls, TlsMode::Prefer);
        assert_eq!(it.config.get_password(), Some(&b"hidden"[..]));
        assert!(!format!("{it:?}").contains("hidden"), "a password is not shown");
        assert_eq!(
            it.config.get_target_session_attrs(),
            TargetSessionAttrs::ReadWrite
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert!(matches!(read("host=localhost"), Err(AddressError::Scheme)));
        assert!(matches!(read("mysql://a@b/c"), Err(AddressError::Scheme)));
        assert!(matches!(
            read("postgres://a@b/c?sslmode=maybe"),
            Err(AddressError::TlsMode)
        ));
        assert!(matches!(read("postgres:///c"), Err(AddressError::NoHost)));
        assert!(matches!(
            read("postgres://a@b/c?what=1"),
            Err(AddressError::Other(_))
        ));
    }
}
