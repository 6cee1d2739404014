//! Certificates, keys and lists from their files.
//!
//! Invariant: what is returned can be put in force as it is; nothing of it is read again at a handshake.

use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use webpki::{CertRevocationList, OwnedCertRevocationList};

use super::der;
use super::live::Lists;
use super::settings::{ClientAuth, TlsSettings};
use crate::der::{element, take};

/// What the listeners are to work with, read and tried out.
pub struct Loaded {
    pub(super) https: Arc<ServerConfig>,
    pub(super) tcps: Arc<ServerConfig>,
    pub(super) lists: Lists,
    warnings: Vec<TlsWarning>,
}

/// Which of the settings a file belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The server's certificate.
    Certificate,
    /// Its key.
    Key,
    /// Who may have issued client certificates.
    ClientCa,
    /// A list of revoked certificates.
    Crl,
}

/// Why something is not put in force.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    Unreadable {
        /// What it is for.
        place: Place,
        /// Which.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// A file is not PEM.
    #[error("{} is not PEM: {why}", path.display())]
    NotPem {
        /// What it is for.
        place: Place,
        /// Which.
        path: PathBuf,
        /// Why.
        why: pem::Error,
    },
    /// A file has nothing of what it is for.
    #[error("{} has no {place} in it", path.display())]
    Without {
        /// What it is for.
        place: Place,
        /// Which.
        path: PathBuf,
    },
    /// What a file has cannot be used.
    #[error("the {place} in {} cannot be used: {why}", path.display())]
    Unusable {
        /// What it is for.
        place: Place,
        /// Which.
        path: PathBuf,
        /// Why.
        why: rustls::Error,
    },
    /// The key is another certificate's.
    #[error("the key in {} does not belong to the certificate in {}", key.display(), certificate.display())]
    AnothersKey {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// Clients are asked, and nothing says whose certificates are good.
    #[error("who may have issued client certificates is needed where clients are asked for them")]
    NoClientCa,
    /// Lists are there, but none of an issuer: nobody with a certificate of its would be let in.
    #[error(
        "there is no list of revoked certificates of {issuer}: where lists are given, each issuer in client_ca needs one"
    )]
    NoList {
        /// The issuer.
        issuer: String,
    },
    /// A list that names an issuer was not signed by it.
    #[error("the list in {} was not signed by {issuer}", path.display())]
    Unsigned {
        /// The list's file.
        path: PathBuf,
        /// The issuer.
        issuer: String,
    },
}

/// What someone should look at, although it can be worked with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TlsWarning {
    /// Every user of the machine can read the key.
    KeyForAll(PathBuf),
    /// The certificate is not good any more, or not yet.
    NotNow(PathBuf),
    /// A newer list should be there by now.
    Outdated(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate | Self::ClientCa => "certificate",
            Self::Key => "private key that is not encrypted",
            Self::Crl => "list of revoked certificates",
        })
    }
}

impl fmt::Display for TlsWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyForAll(path) => write!(
                f,
                "every user of this machine can read the key {}: chmod 600 it",
                path.display()
            ),
            Self::NotNow(path) => write!(
                f,
                "the certificate {} is not valid at this time: clients will refuse it",
                path.display()
            ),
            Self::Outdated(path) => write!(
                f,
                "the list of revoked certificates {} says that there is a newer one by now",
                path.display()
            ),
        }
    }
}

impl TlsFault {
    /// Which setting is to blame.
    #[must_use]
    pub const fn place(&self) -> Place {
        match self {
            Self::Unreadable { place, .. }
            | Self::NotPem { place, .. }
            | Self::Without { place, .. }
            | Self::Unusable { place, .. } => *place,
            Self::AnothersKey { .. } => Place::Key,
            Self::NoClientCa => Place::ClientCa,
            Self::NoList { .. } | Self::Unsigned { .. } => Place::Crl,
        }
    }
}

impl Loaded {
    /// Reads all files and tries out whether they go together.
    ///
    /// # Errors
    /// The first fault, in the order of the settings.
    pub fn read(settings: &TlsSettings) -> Result<Self, TlsFault> {
        let mut warnings = Vec::new();
        let chain = certificates(Place::Certificate, &settings.certificate)?;
        if !chain.first().is_some_and(|first| is_good_now(first)) {
            warnings.push(TlsWarning::NotNow(settings.certificate.clone()));
        }
        let key = private_key(&settings.key)?;
        let for_all =
            std::fs::metadata(&settings.key).is_ok_and(|about| about.permissions().mode() & 0o004 != 0);
        if for_all {
            warnings.push(TlsWarning::KeyForAll(settings.key.clone()));
        }
        let roots = Roots::read(&settings.client_ca)?;
        let lists = read_lists(&settings.crl, &roots, &mut warnings)?;
        let config = |auth, alpn: &[&[u8]]| {
            let config = config(settings, auth, (chain.clone(), key.clone_key()), &roots, &lists);
            config.map(|mut config| {
                config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
                Arc::new(config)
            })
        };
        Ok(Self {
            https: config(settings.https_client_auth, &[b"h2", b"http/1.1"])?,
            tcps: config(settings.tcps_client_auth, &[])?,
            lists: Arc::new(lists.into_iter().map(|list| list.parsed).collect()),
            warnings,
        })
    }

    /// What someone should look at.
    #[must_use]
    pub fn warnings(&self) -> &[TlsWarning] {
        &self.warnings
    }
}

/// Whose client certificates are good.
struct Roots {
    certificates: Vec<CertificateDer<'static>>,
    store: Arc<RootCertStore>,
}

impl Roots {
    fn read(paths: &[PathBuf]) -> Result<Self, TlsFault> {
        let (mut all, mut store) = (Vec::new(), RootCertStore::empty());
        for path in paths {
            for certificate in certificates(Place::ClientCa, path)? {
                store
                    .add(certificate.clone())
                    .map_err(|why| unusable(Place::ClientCa, path, why))?;
                all.push(certificate);
            }
        }
        Ok(Self {
            certificates: all,
            store: Arc::new(store),
        })
    }
}

/// A list of revoked certificates.
struct List {
    der: CertificateRevocationListDer<'static>,
    parsed: CertRevocationList<'static>,
}

fn read_lists(
    paths: &[PathBuf],
    roots: &Roots,
    warnings: &mut Vec<TlsWarning>,
) -> Result<Vec<List>, TlsFault> {
    let mut lists = Vec::new();
    for path in paths {
        for der in pem_items::<CertificateRevocationListDer<'static>>(Place::Crl, path)? {
            let parsed = OwnedCertRevocationList::from_der(&der).map_err(|_| {
                let why = rustls::CertRevocationListError::ParseError;
                unusable(Place::Crl, path, rustls::Error::InvalidCertRevocationList(why))
            })?;
            let parsed = CertRevocationList::from(parsed);
            let mut issuers = roots.certificates.iter().filter_map(|root| {
                let root = webpki::EndEntityCert::try_from(root).ok()?;
                (root.subject() == parsed.issuer()).then_some(root)
            });
            // One of an issuer further down has its signature looked at with the certificates that it is about.
            let known = issuers.clone().next().is_some();
            if known && !issuers.any(|root| is_signed_by(&der, &root)) {
                let (path, issuer) = (path.clone(), der::readable(parsed.issuer()));
                return Err(TlsFault::Unsigned { path, issuer });
            }
            if next_list_at(&der).is_some_and(|at| at < now_s()) {
                warnings.push(TlsWarning::Outdated(path.clone()));
            }
            lists.push(List { der, parsed });
        }
    }
    let covered = |subject: &[u8]| lists.iter().any(|list| list.parsed.issuer() == subject);
    for root in &roots.certificates {
        let parsed = webpki::EndEntityCert::try_from(root).ok();
        if let Some(root) = parsed.filter(|root| !lists.is_empty() && !covered(root.subject())) {
            return Err(TlsFault::NoList {
                issuer: der::readable(root.subject()),
            });
        }
    }
    Ok(lists)
}

fn config(
    settings: &TlsSettings,
    auth: ClientAuth,
    (chain, key): (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
    roots: &Roots,
    lists: &[List],
) -> Result<ServerConfig, TlsFault> {
    let provider = provider();
    let verifier = verifier(auth, &provider, roots, lists)?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|why| unusable(Place::Certificate, &settings.certificate, why))?
        .with_client_cert_verifier(verifier);
    let mut config = builder.with_single_cert(chain, key).map_err(|why| {
        if matches!(why, rustls::Error::InconsistentKeys(_)) {
            return TlsFault::AnothersKey {
                key: settings.key.clone(),
                certificate: settings.certificate.clone(),
            };
        }
        if matches!(why, rustls::Error::InvalidCertificate(_)) {
            return unusable(Place::Certificate, &settings.certificate, why);
        }
        unusable(Place::Key, &settings.key, why)
    })?;
    if auth != ClientAuth::None {
        // Invariant: who comes back by an earlier session shows no certificate, so that nobody would look whether it is
        // still good.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
    }
    Ok(config)
}

fn verifier(
    auth: ClientAuth,
    provider: &Arc<CryptoProvider>,
    roots: &Roots,
    lists: &[List],
) -> Result<Arc<dyn ClientCertVerifier>, TlsFault> {
    if auth == ClientAuth::None {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots.store), Arc::clone(provider))
        .with_crls(lists.iter().map(|list| list.der.clone()));
    let builder = match auth {
        ClientAuth::Optional => builder.allow_unauthenticated(),
        ClientAuth::None | ClientAuth::Required => builder,
    };
    // Lists were read before, so that only a lack of roots is left.
    builder.build().map_err(|_| TlsFault::NoClientCa)
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The certificates of a file, at least one.
pub(super) fn certificates(place: Place, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let certificates = pem_items::<CertificateDer<'static>>(place, path)?;
    for certificate in &certificates {
        webpki::EndEntityCert::try_from(certificate).map_err(|_| {
            let why = rustls::CertificateError::BadEncoding;
            unusable(place, path, rustls::Error::InvalidCertificate(why))
        })?;
    }
    Ok(certificates)
}

/// The first key of a file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFault> {
    let bytes = read(Place::Key, path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|why| not_pem(Place::Key, path, why))
}

fn pem_items<T: PemObject>(place: Place, path: &Path) -> Result<Vec<T>, TlsFault> {
    let bytes = read(place, path)?;
    let items: Result<Vec<T>, _> = T::pem_slice_iter(&bytes).collect();
    let items = items.map_err(|why| not_pem(place, path, why))?;
    if items.is_empty() {
        return Err(not_pem(place, path, pem::Error::NoItemsFound));
    }
    Ok(items)
}

fn read(place: Place, path: &Path) -> Result<Vec<u8>, TlsFault> {
    std::fs::read(path).map_err(|why| TlsFault::Unreadable {
        place,
        path: path.to_owned(),
        why,
    })
}

fn not_pem(place: Place, path: &Path, why: pem::Error) -> TlsFault {
    let path = path.to_owned();
    if matches!(why, pem::Error::NoItemsFound) {
        TlsFault::Without { place, path }
    } else {
        TlsFault::NotPem { place, path, why }
    }
}

fn unusable(place: Place, path: &Path, why: rustls::Error) -> TlsFault {
    TlsFault::Unusable {
        place,
        path: path.to_owned(),
        why,
    }
}

/// Whether a certificate is good at this time; one whose times cannot be read is not.
fn is_good_now(certificate: &CertificateDer<'_>) -> bool {
    let times = || {
        let (certificate, _) = take(certificate, der::SEQUENCE)?;
        let (mut body, _) = take(certificate, der::SEQUENCE)?;
        // Version (where it stands), serial number, algorithm, issuer; then when it is good.
        let parts = if body.first() == Some(&0xa0) { 4 } else { 3 };
        for _ in 0..parts {
            (_, _, body) = element(body)?;
        }
        let (times, _) = take(body, der::SEQUENCE)?;
        let (tag, from, rest) = element(times)?;
        let (last_tag, to, _) = element(rest)?;
        Some((der::seconds(tag, from)?, der::seconds(last_tag, to)?))
    };
    times().is_some_and(|(from, to)| (from..=to).contains(&now_s()))
}

/// When a newer list is due, as the list says it.
fn next_list_at(list: &[u8]) -> Option<i64> {
    let (list, _) = take(list, der::SEQUENCE)?;
    let (mut body, _) = take(list, der::SEQUENCE)?;
    // Up to the first of two times: version, algorithm, issuer.
    loop {
        let (tag, _, rest) = element(body)?;
        body = rest;
        if matches!(tag, der::UTC_TIME | der::GENERALIZED_TIME) {
            break;
        }
    }
    let (tag, next, _) = element(body)?;
    der::seconds(tag, next)
}

fn is_signed_by(list: &[u8], issuer: &webpki::EndEntityCert<'_>) -> bool {
    let parts = || {
        let (whole, _) = take(list, der::SEQUENCE)?;
        let (_, _, behind) = element(whole)?;
        let signed = &whole[..whole.len() - behind.len()];
        let (_, _, signature) = element(behind)?;
        let (tag, bits, _) = element(signature)?;
        // A bit string says first how many bits of its last byte do not count.
        let (&0, signature) = bits.split_first().filter(|_| tag == 0x03)? else {
            return None;
        };
        Some((signed, signature))
    };
    parts().is_some_and(|(signed, signature)| {
        let algorithms = provider().signature_verification_algorithms.all;
        algorithms
            .iter()
            .any(|algorithm| issuer.verify_signature(*algorithm, signed, signature).is_ok())
    })
}

fn now_s() -> i64 {
    // The machine's own clock, as the handshake takes it.
    #[allow(clippy::disallowed_methods, reason = "files are looked at when they are read")]
    let now = SystemTime::now();
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().cast_signed())
}
