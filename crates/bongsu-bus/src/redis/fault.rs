//! Why a Redis server is not spoken to.
//!
//! Invariant: what is said here holds no secret.

use std::path::PathBuf;

use redis::{ErrorKind, RedisError};

/// The oldest server that is spoken to, major and minor.
pub const OLDEST: (u64, u64) = (6, 2);

/// Why there is no bus over Redis.
#[derive(Debug, thiserror::Error)]
pub enum RedisFault {
    /// The server cannot be reached.
    #[error("the Redis server cannot be reached")]
    Unreachable(#[source] std::io::Error),
    /// It takes connections and does not answer in time.
    #[error("the Redis server does not answer")]
    Silent,
    /// It does not let this node in, or not do what nodes do.
    #[error("the Redis server does not let this node in")]
    NotLetIn(#[source] RedisError),
    /// TLS could not be agreed upon, or the server is not whom its certificate should show.
    #[error("the Redis server does not speak TLS as it should")]
    Tls(#[source] std::io::Error),
    /// A file that TLS needs cannot be read, or is no such file.
    #[error("cannot use the certificates or the key in {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// What the files hold cannot be used.
    #[error("the certificates cannot be used")]
    Certificates(#[source] rustls::Error),
    /// The system trusts no authority, and none is named.
    #[error("no authority is trusted: name one with ca=")]
    NoAuthority,
    /// The host is no name that a certificate could hold.
    #[error("{0:?} is no name of a server")]
    NoName(String),
    /// It is too old.
    #[error("the Redis server has version {found}; {}.{} or newer is needed", OLDEST.0, OLDEST.1)]
    TooOld {
        /// Its version, or what it says instead of one.
        found: String,
    },
    /// It follows another server, and what it is told is not heard there.
    #[error("the Redis server is a replica: nodes speak to the primary")]
    Replica,
    /// It is a member of a Redis Cluster.
    #[error(
        "the Redis server is a member of a Redis Cluster, which does not say who hears: nodes need one of its own"
    )]
    Cluster,
    /// A connection was lost, or did not work, while it was being set up.
    #[error("the connection to the Redis server was lost at once")]
    Lost(#[source] RedisError),
}

impl From<RedisError> for RedisFault {
    fn from(why: RedisError) -> Self {
        if why.kind() == ErrorKind::RESP3NotSupported {
            return Self::TooOld {
                found: "before 6.0".to_owned(),
            };
        }
        if why.is_timeout() {
            return Self::Silent;
        }
        match why.code() {
            Some("WRONGPASS" | "NOAUTH" | "NOPERM" | "DENIED") => Self::NotLetIn(why),
            _ if why.kind() == ErrorKind::AuthenticationFailed => Self::NotLetIn(why),
            _ => Self::Lost(why),
        }
    }
}

/// Whether a server that says this of itself (`INFO`) is one that nodes can speak over.
///
/// # Errors
/// It is not, or it cannot be told.
pub(super) fn is_fit(info: &str) -> Result<(), RedisFault> {
    let version = field(info, "redis_version").unwrap_or_default();
    let mut parts = version.split('.').map(str::parse::<u64>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST => {}
        _ => {
            return Err(RedisFault::TooOld {
                found: version.to_owned(),
            });
        }
    }
    if field(info, "redis_mode") == Some("cluster") {
        return Err(RedisFault::Cluster);
    }
    follows_nobody(info)
}

/// Whether a server that says this of itself follows no other.
///
/// # Errors
/// It does, or it cannot be told.
pub(super) fn follows_nobody(info: &str) -> Result<(), RedisFault> {
    match field(info, "role") {
        Some("master") => Ok(()),
        _ => Err(RedisFault::Replica),
    }
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = info.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(is, _)| *is == name).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(version: &str, mode: &str, role: &str) -> String {
        format!(
            "# Server\r\nredis_version:{version}\r\nredis_mode:{mode}\r\nos:Linux\r\n# Replication\r\nrole:{role}\r\n"
        )
    }

    #[test]
    fn a_server_is_fit_from_its_version_on() {
        for version in [
            "6.2.0",
            "6.2.14",
            "7.0.15",
            "7.2.4",
            "8.0.0",
            "10.0",
            "255.255.255",
        ] {
            assert!(
                is_fit(&told(version, "standalone", "master")).is_ok(),
                "{version}"
            );
        }
        for version in ["6.0.16", "5.9.9", "7", "", "x.y.z", "v7.0.1"] {
            let fault = is_fit(&told(version, "standalone", "master"));
            assert!(matches!(fault, Err(RedisFault::TooOld { .. })), "{version}");
        }
        assert!(matches!(is_fit(""), Err(RedisFault::TooOld { .. })));
    }

    #[test]
    fn one_that_does_not_hear_all_is_not() {
        let fault = is_fit(&told("7.0.0", "cluster", "master"));
        assert!(matches!(fault, Err(RedisFault::Cluster)));
        let fault = is_fit(&told("7.0.0", "standalone", "slave"));
        assert!(matches!(fault, Err(RedisFault::Replica)));
    }
}
