//! What TLS is told. Invariant: nothing here has been read yet.

use std::path::PathBuf;

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ClientAuth {
    /// They are not asked.
    #[default]
    None,
    /// They are asked; one that is shown must be good, and who shows none is let in without a name.
    Optional,
    /// They are asked, and who shows none is not let in.
    Required,
}

impl ClientAuth {
    /// The words of the configuration, in the order of the variants.
    pub const NAMES: [&'static str; 3] = ["none", "optional", "required"];

    /// The variant of one of [`Self::NAMES`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "optional" => Some(Self::Optional),
            "required" => Some(Self::Required),
            _ => None,
        }
    }
}

/// The files of the TLS listeners, all PEM, and how clients are asked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsSettings {
    /// The server's certificate, its intermediates behind it.
    pub certificate: PathBuf,
    /// Its private key: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
    /// Whether clients of the HTTPS listener are asked for a certificate.
    pub https_client_auth: ClientAuth,
    /// The same for the TCP listener.
    pub tcps_client_auth: ClientAuth,
    /// Who may have issued client certificates. Needed where clients are asked.
    pub client_ca: Vec<PathBuf>,
    /// Lists of revoked certificates. If there are any there must be one of every issuer.
    pub crl: Vec<PathBuf>,
}

impl TlsSettings {
    /// Whether any listener asks clients for a certificate.
    #[must_use]
    pub fn asks_clients(&self) -> bool {
        self.https_client_auth != ClientAuth::None || self.tcps_client_auth != ClientAuth::None
    }
}
