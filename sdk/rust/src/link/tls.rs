//! Whom a device trusts, and by what it is known: certificates and keys from files.
//!
//! Invariant: without a file of authorities the system's are trusted, never nobody's certificate for all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Files for TLS.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsFiles {
    /// The authorities that the gateway's certificate may be of, as PEM; the system's if there is none.
    pub authorities: Option<PathBuf>,
    /// The device's own certificate with what leads to its authority, and its key, as PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum NoTls {
    /// A file cannot be read as PEM.
    #[error("{path} cannot be read as PEM")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// A file holds nothing that could be used.
    #[error("{0} holds no certificate")]
    Empty(PathBuf),
    /// The system has no authorities.
    #[error("this system knows no certificate authority; name a file of them")]
    NoAuthorities,
    /// The certificate or the key is of no use.
    #[error("a certificate or key is of no use")]
    Unusable(#[from] rustls::Error),
}

impl TlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn config(&self) -> Result<Arc<ClientConfig>, NoTls> {
        let roots = match &self.authorities {
            Some(path) => authorities(path)?,
            None => systems()?,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            Some((certificates, key)) => {
                let chain = chain(certificates)?;
                let key = PrivateKeyDer::from_pem_file(key).map_err(|source| no_pem(key, source))?;
                builder.with_client_auth_cert(chain, key)?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn authorities(path: &Path) -> Result<RootCertStore, NoTls> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(path)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn systems() -> Result<RootCertStore, NoTls> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(NoTls::NoAuthorities);
    }
    Ok(roots)
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, NoTls> {
    let certificates = CertificateDer::pem_file_iter(path).map_err(|source| no_pem(path, source))?;
    let chain = certificates
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| no_pem(path, source))?;
    if chain.is_empty() {
        return Err(NoTls::Empty(path.to_owned()));
    }
    Ok(chain)
}

fn no_pem(path: &Path, source: pem::Error) -> NoTls {
    NoTls::Pem {
        path: path.to_owned(),
        source,
    }
}
