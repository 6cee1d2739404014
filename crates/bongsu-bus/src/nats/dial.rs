//! A new connection to a server: found, greeted, with TLS where there should be, let in.
//!
//! Invariant: who comes out of here speaks a version that is new enough, and has let this node in.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::protocol::{self, Said, ServerSelf};
use super::settings::{NatsLogin, NatsSettings, NatsTls};

/// The oldest server that is spoken to, major and minor.
pub const OLDEST: (u64, u64) = (2, 10);
/// How long all of it may take, for each server.
const DIAL: Duration = Duration::from_secs(2);

/// Why there is no bus over NATS.
#[derive(Debug, thiserror::Error)]
pub enum NatsFault {
    /// No server could be reached.
    #[error("no NATS server can be reached")]
    Unreachable(#[source] io::Error),
    /// What is there does not speak as a NATS server does.
    #[error("it does not speak as a NATS server does")]
    NotNats,
    /// It does not let this node in.
    #[error("the NATS server does not let this node in: {0}")]
    NotLetIn(String),
    /// TLS could not be agreed upon, or the server is not whom its certificate should show.
    #[error("the NATS server does not speak TLS as it should")]
    Tls(#[source] io::Error),
    /// The files for TLS are not what they should be.
    #[error("the certificates and keys for NATS cannot be used")]
    Files(#[from] PemError),
    /// The certificates and keys do not fit, or nobody is trusted.
    #[error("the certificates and keys for NATS cannot be used")]
    Certificates(#[from] rustls::Error),
    /// It is too old.
    #[error("the NATS server has version {found}; {}.{} or newer is needed", OLDEST.0, OLDEST.1)]
    TooOld {
        /// Its version.
        found: String,
    },
}

pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// A connection that is let in.
pub(super) struct Dialled {
    pub(super) socket: Box<dyn Socket>,
    pub(super) server: ServerSelf,
    /// What was read behind the greeting.
    pub(super) read: BytesMut,
}

/// Who dials, and how.
pub(super) struct Dialler {
    servers: Vec<(String, u16)>,
    login: NatsLogin,
    tls: NatsTls,
    name: String,
}

impl Dialler {
    pub(super) fn new(settings: &NatsSettings, name: String) -> Self {
        Self {
            servers: settings.servers.clone(),
            login: settings.login.clone(),
            tls: settings.tls.clone(),
            name,
        }
    }

    /// Tries each server once, from the one whose turn it is; the last fault if none will do.
    pub(super) async fn dial(&self, turn: usize) -> Result<Dialled, NatsFault> {
        let mut fault = NatsFault::Unreachable(io::ErrorKind::NotFound.into());
        for index in 0..self.servers.len() {
            let (host, port) = &self.servers[(turn + index) % self.servers.len()];
            match timeout(DIAL, self.dial_one(host, *port)).await {
                Ok(Ok(dialled)) => return Ok(dialled),
                Ok(Err(why)) => fault = why,
                Err(_) => fault = NatsFault::Unreachable(io::ErrorKind::TimedOut.into()),
            }
        }
        Err(fault)
    }

    async fn dial_one(&self, host: &str, port: u16) -> Result<Dialled, NatsFault> {
        let stream = TcpStream::connect((host, port))
            .await
            .map_err(NatsFault::Unreachable)?;
        stream.set_nodelay(true).map_err(NatsFault::Unreachable)?;
        let mut socket: Box<dyn Socket> = Box::new(stream);
        if self.tls.is_first {
            socket = self.secured(socket, host).await?;
        }
        let mut read = BytesMut::new();
        let Said::Itself(server) = hear(&mut socket, &mut read).await? else {
            return Err(NatsFault::NotNats);
        };
        is_new_enough(&server.version)?;
        if !self.tls.is_first && (self.tls.is_required || server.tls_required) {
            // What comes before TLS is from anybody.
            read.clear();
            socket = self.secured(socket, host).await?;
        }
        let mut greeting = BytesMut::new();
        protocol::line(&mut greeting, format_args!("CONNECT {}", self.greeting()));
        protocol::line(&mut greeting, format_args!("PING"));
        socket
            .write_all(&greeting)
            .await
            .map_err(NatsFault::Unreachable)?;
        socket.flush().await.map_err(NatsFault::Unreachable)?;
        loop {
            match hear(&mut socket, &mut read).await? {
                Said::Pong => break,
                Said::Error(why) => return Err(NatsFault::NotLetIn(why)),
                Said::Fine | Said::Itself(_) | Said::Ping => {}
                Said::Message(_) => return Err(NatsFault::NotNats),
            }
        }
        Ok(Dialled {
            socket,
            server: *server,
            read,
        })
    }

    /// TLS from here on. The files are read anew for each connection, so what is renewed there is used.
    async fn secured(&self, socket: Box<dyn Socket>, host: &str) -> Result<Box<dyn Socket>, NatsFault> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|why| NatsFault::Tls(io::Error::new(io::ErrorKind::InvalidInput, why)))?;
        let settings = self.tls.clone();
        // An end of the task is the end of the runtime.
        let config = tokio::task::spawn_blocking(move || tls(&settings))
            .await
            .map_err(|why| NatsFault::Tls(why.into()))??;
        let secured = TlsConnector::from(Arc::new(config)).connect(name, socket).await;
        Ok(Box::new(secured.map_err(NatsFault::Tls)?))
    }

    /// What this side says of itself. What it says its own ears have heard already: no echo.
    fn greeting(&self) -> serde_json::Value {
        let mut greeting = json!({
            "verbose": false,
            "pedantic": false,
            "echo": false,
            "headers": true,
            "no_responders": true,
            "tls_required": self.tls.is_required,
            "lang": "rust",
            "version": env!("CARGO_PKG_VERSION"),
            "protocol": 1,
            "name": self.name,
        });
        match &self.login {
            NatsLogin::None => {}
            NatsLogin::User(user, password) => {
                greeting["user"] = user.reveal().into();
                greeting["pass"] = password.reveal().into();
            }
            NatsLogin::Token(token) => greeting["auth_token"] = token.reveal().into(),
        }
        greeting
    }
}

/// The next thing that the server says.
async fn hear(socket: &mut Box<dyn Socket>, read: &mut BytesMut) -> Result<Said, NatsFault> {
    loop {
        if let Some(said) = protocol::read(read).map_err(|_| NatsFault::NotNats)? {
            return Ok(said);
        }
        if socket.read_buf(read).await.map_err(NatsFault::Unreachable)? == 0 {
            return Err(NatsFault::Unreachable(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

/// Whether a server of this version is new enough.
fn is_new_enough(version: &str) -> Result<(), NatsFault> {
    let mut parts = version.split('.').map(str::parse::<u64>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST => Ok(()),
        _ => Err(NatsFault::TooOld {
            found: version.to_owned(),
        }),
    }
}

fn tls(settings: &NatsTls) -> Result<ClientConfig, NatsFault> {
    let mut roots = RootCertStore::empty();
    match &settings.ca {
        Some(path) => {
            for authority in CertificateDer::pem_file_iter(path)? {
                roots.add(authority?)?;
            }
        }
        None => {
            // What the system has and cannot be read is not trusted.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    match &settings.identity {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
            Ok(builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key)?)?)
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
