//! TLS to a Redis server: rustls, on the connection before anything is said.
//!
//! Invariant: nobody is spoken to who has no certificate, of a trusted authority, for the host's name. The files are read
//! anew for each connection, so what is renewed there is used without a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::fault::RedisFault;
use super::settings::RedisTls;

/// Agrees upon TLS.
pub(super) async fn agree(
    tls: &RedisTls,
    host: &str,
    socket: TcpStream,
) -> Result<TlsStream<TcpStream>, RedisFault> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| RedisFault::NoName(host.to_owned()))?;
    let tls = tls.clone();
    // An end of the task is the end of the runtime.
    let config = tokio::task::spawn_blocking(move || config(&tls))
        .await
        .map_err(|why| RedisFault::Tls(why.into()))??;
    TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
        .map_err(RedisFault::Tls)
}

fn config(tls: &RedisTls) -> Result<ClientConfig, RedisFault> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(RedisFault::Certificates)?
        .with_root_certificates(roots(tls.ca.as_deref())?);
    let Some((certificate, key)) = &tls.identity else {
        return Ok(builder.with_no_client_auth());
    };
    let key = PrivateKeyDer::from_pem_file(key).map_err(file(key))?;
    builder
        .with_client_auth_cert(certificates(certificate)?, key)
        .map_err(RedisFault::Certificates)
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, RedisFault> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            for authority in certificates(path)? {
                roots.add(authority).map_err(RedisFault::Certificates)?;
            }
        }
        None => {
            // What the system has and cannot be read is not trusted; whether anything is left is looked at below.
            let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(RedisFault::NoAuthority);
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, RedisFault> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(file(path))
}

fn file(path: &Path) -> impl Fn(rustls::pki_types::pem::Error) -> RedisFault {
    let path: PathBuf = path.to_owned();
    move |source| RedisFault::File {
        path: path.clone(),
        source,
    }
}
