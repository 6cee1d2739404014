//! What a certificate in a file says of itself, for those who issue and revoke.

use std::path::Path;

use super::der;
use super::identity::ClientIdentity;
use super::load::{Place, TlsFault, certificates};

/// What the first certificate of a file says of itself. Nobody has looked whether it is true.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateFacts {
    /// Its common name, if it has one.
    pub common_name: Option<String>,
    /// Its serial number, big-endian.
    pub serial: Vec<u8>,
    /// Whom it would be taken for.
    pub identity: ClientIdentity,
}

impl CertificateFacts {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or has no certificate.
    pub fn read(path: &Path) -> Result<Self, TlsFault> {
        let without = || TlsFault::Without {
            place: Place::Certificate,
            path: path.to_owned(),
        };
        let chain = certificates(Place::Certificate, path)?;
        let first = chain.first().ok_or_else(without)?;
        let parsed = webpki::EndEntityCert::try_from(first).map_err(|_| without())?;
        Ok(Self {
            common_name: der::common_name(parsed.subject()),
            serial: parsed.serial().to_vec(),
            identity: ClientIdentity::of(first).ok_or_else(without)?,
        })
    }
}
