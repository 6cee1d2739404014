//! Connections to a NATS server: how they are made, and who is let in.
//!
//! Invariant: they come back by themselves, for ever, no two nodes in step, and say nothing that is secret.

use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use bongsu_model::cluster::NodeRef;

use super::settings::{NatsLogin, NatsSettings};
use crate::backplane::again;

/// The oldest server that is spoken to, major and minor.
pub const OLDEST: (u64, u64) = (2, 10);
/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a server may say nothing before it is asked; at the third time without an answer it is gone.
const PING: Duration = Duration::from_secs(1);
/// What may wait within a connection for its socket, in parcels.
const WAITING_MAX: usize = 1_024;
/// What may wait within a connection for one subscription. It waits for nobody, so more than a moment's load is never there.
const BROUGHT_MAX: usize = 16_384;

/// Why there is no bus over NATS.
#[derive(Debug, thiserror::Error)]
pub enum NatsFault {
    /// No server could be reached.
    #[error("no NATS server can be reached")]
    Unreachable(#[source] ConnectError),
    /// It does not let this node in.
    #[error("the NATS server does not let this node in")]
    NotLetIn(#[source] ConnectError),
    /// TLS could not be agreed upon, or the server is not whom its certificate should show.
    #[error("the NATS server does not speak TLS as it should")]
    Tls(#[source] ConnectError),
    /// It is too old.
    #[error("the NATS server has version {found}; {}.{} or newer is needed", OLDEST.0, OLDEST.1)]
    TooOld {
        /// Its version.
        found: String,
    },
    /// A connection was lost while it was being set up.
    #[error("the connection to the NATS server was lost at once")]
    Lost,
}

/// Makes a connection. `listener` is told what becomes of it, in order, and must not wait.
pub(super) async fn connect(
    settings: &NatsSettings,
    node: &NodeRef,
    role: &str,
    listener: impl Fn(Event) + Send + Sync + 'static,
) -> Result<Client, NatsFault> {
    let seed = node.boot;
    let mut options = ConnectOptions::new()
        .name(format!("bongsu {} {role}", node.id))
        // What this node says its own ears have heard already.
        .no_echo()
        .max_reconnects(None)
        .connection_timeout(CONNECT)
        .ping_interval(PING)
        .client_capacity(WAITING_MAX)
        .subscription_capacity(BROUGHT_MAX)
        .reconnect_delay_callback(move |attempts| again(attempts, seed))
        .event_callback(move |event| {
            listener(event);
            std::future::ready(())
        })
        .require_tls(settings.tls.is_required);
    options = match &settings.login {
        NatsLogin::None => options,
        NatsLogin::User(user, password) => {
            options.user_and_password(user.reveal().to_owned(), password.reveal().to_owned())
        }
        NatsLogin::Token(token) => options.token(token.reveal().to_owned()),
    };
    if settings.tls.is_first {
        options = options.tls_first();
    }
    if let Some(ca) = &settings.tls.ca {
        options = options.add_root_certificates(ca.clone());
    }
    if let Some((certificate, key)) = &settings.tls.identity {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    Box::pin(options.connect(servers(settings)?)).await.map_err(fault)
}

/// Whether a server of this version is new enough.
///
/// # Errors
/// It is not, or its version cannot be read.
pub(super) fn is_new_enough(version: &str) -> Result<(), NatsFault> {
    let mut parts = version.split('.').map(str::parse::<u64>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST => Ok(()),
        _ => Err(NatsFault::TooOld {
            found: version.to_owned(),
        }),
    }
}

fn servers(settings: &NatsSettings) -> Result<Vec<ServerAddr>, NatsFault> {
    let address = |(host, port): &(String, u16)| {
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.clone()
        };
        format!("nats://{host}:{port}").parse().map_err(|why| {
            NatsFault::Unreachable(ConnectError::with_source(ConnectErrorKind::ServerParse, why))
        })
    };
    settings.servers.iter().map(address).collect()
}

fn fault(why: ConnectError) -> NatsFault {
    use ConnectErrorKind as Kind;
    match why.kind() {
        Kind::Authentication | Kind::AuthorizationViolation => NatsFault::NotLetIn(why),
        Kind::Tls => NatsFault::Tls(why),
        Kind::ServerParse | Kind::Dns | Kind::TimedOut | Kind::Io | Kind::MaxReconnects => {
            NatsFault::Unreachable(why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_new_enough_from_its_version_on() {
        for version in ["2.10.0", "2.10.27", "2.11.0-RC.1", "2.100.0", "3.0.0", "2.10"] {
            assert!(is_new_enough(version).is_ok(), "{version}");
        }
        for version in ["2.9.99", "1.20.0", "2", "", "x.y.z", "v2.10.1"] {
            assert!(is_new_enough(version).is_err(), "{version}");
        }
    }
}
