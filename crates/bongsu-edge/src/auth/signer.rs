//! The data folder's own Ed25519 key, and the tokens it signs.
//!
//! Invariant: the key's file is readable by its owner alone, is never overwritten, and is either whole or absent.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bongsu_model::{Role, RoomId, Timestamp};
use serde_json::{Map, Value, json};

use super::claims::Origin;
use super::der;
use super::key::Key;

/// The key's file in the data folder.
pub const FILE_NAME: &str = "signing-key.pem";
/// The `iss` of every token that we sign.
pub const ISSUER: &str = "bongsu";

/// Why there is no signing key.
#[derive(Debug, thiserror::Error)]
pub enum SignerFault {
    /// The file system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Others can read the key, so others may have it.
    #[error("{} can be read by others (mode {mode:03o}); run `chmod 600` on it, or delete it for a new key", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not an Ed25519 key in PKCS#8.
    #[error("{} is not an Ed25519 key in PKCS#8 PEM; restore it, or delete it for a new key", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// The random source or the library failed.
    #[error("no key could be made")]
    Crypto,
}

/// The data folder's own signing key.
pub struct Signer {
    pair: Ed25519KeyPair,
    kid: String,
    header: String,
}

/// What a token shall say.
#[derive(Clone, Debug, Default)]
pub struct MintRequest {
    /// `sub`.
    pub sub: String,
    /// `role`.
    pub role: Role,
    /// `nickname`.
    pub nickname: Option<String>,
    /// `rooms`: the only ones it may join.
    pub rooms: Option<Vec<RoomId>>,
    /// How long it is valid, in milliseconds; cut to whole seconds, at least one.
    pub ttl_ms: u64,
    /// `jti`; a random one if absent, so that every token can be revoked.
    pub jti: Option<String>,
}

impl Signer {
    /// Loads the key of a data folder, making folder and key if there is none yet.
    pub fn load_or_create(folder: &Path) -> Result<Self, SignerFault> {
        let path = folder.join(FILE_NAME);
        match path.try_exists() {
            Ok(true) => return Self::load(folder),
            Ok(false) => {}
            Err(source) => {
                return Err(SignerFault::Io {
                    what: "look for",
                    path,
                    source,
                });
            }
        }
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| SignerFault::Io {
            what: "make",
            path: folder.into(),
            source,
        })?;
        let pair = Ed25519KeyPair::generate().map_err(|_| SignerFault::Crypto)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| SignerFault::Crypto)?;
        create(
            folder,
            &path,
            der::to_pem("PRIVATE KEY", pkcs8.as_ref()).as_bytes(),
        )
        .map_err(|source| SignerFault::Io {
            what: "write",
            path,
            source,
        })?;
        // Whoever came first has written it: read what is there.
        Self::load(folder)
    }

    /// Loads the key of a data folder.
    pub fn load(folder: &Path) -> Result<Self, SignerFault> {
        Self::load_file(folder.join(FILE_NAME))
    }

    /// Loads a key, which several nodes may share.
    pub fn load_file(path: PathBuf) -> Result<Self, SignerFault> {
        let read = |path: &Path| -> io::Result<(u32, String)> {
            let file = File::open(path)?;
            Ok((
                file.metadata()?.permissions().mode() & 0o777,
                io::read_to_string(file)?,
            ))
        };
        let (mode, text) = match read(&path) {
            Ok(read) => read,
            Err(source) => {
                return Err(SignerFault::Io {
                    what: "read",
                    path,
                    source,
                });
            }
        };
        if mode & 0o077 != 0 {
            return Err(SignerFault::Exposed { path, mode });
        }
        Self::from_pem(&text).ok_or(SignerFault::NotAKey { path })
    }

    /// A key that lives in memory only.
    pub fn ephemeral() -> Result<Self, SignerFault> {
        Ed25519KeyPair::generate()
            .map(Self::new)
            .map_err(|_| SignerFault::Crypto)
    }

    fn from_pem(text: &str) -> Option<Self> {
        let (label, pkcs8) = der::pem(text)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8).ok()?;
        (label == "PRIVATE KEY").then(|| Self::new(pair))
    }

    fn new(pair: Ed25519KeyPair) -> Self {
        let kid = thumbprint(pair.public_key().as_ref());
        let header = json!({ "alg": "EdDSA", "kid": kid, "typ": "JWT" });
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        Self { pair, kid, header }
    }

    /// Signs a token that is valid from this moment on.
    #[must_use]
    pub fn mint(&self, request: &MintRequest, now: Timestamp) -> String {
        let issued = now.secs();
        let ttl_s = i64::try_from(request.ttl_ms / 1_000).unwrap_or(i64::MAX).max(1);
        let mut claims = Map::new();
        claims.insert("iss".into(), ISSUER.into());
        claims.insert("sub".into(), request.sub.as_str().into());
        claims.insert("role".into(), request.role.name().into());
        claims.insert("iat".into(), issued.into());
        claims.insert("exp".into(), issued.saturating_add(ttl_s).into());
        claims.insert("jti".into(), request.jti.clone().unwrap_or_else(random_id).into());
        if let Some(nickname) = &request.nickname {
            claims.insert("nickname".into(), nickname.as_str().into());
        }
        if let Some(rooms) = &request.rooms {
            claims.insert(
                "rooms".into(),
                rooms.iter().map(|room| room.0).collect::<Vec<_>>().into(),
            );
        }
        let payload = URL_SAFE_NO_PAD.encode(Value::Object(claims).to_string());
        let signed = format!("{}.{payload}", self.header);
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// The key's id: its RFC 7638 thumbprint.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as a JWK.
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref());
        json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.kid, "alg": "EdDSA", "use": "sig" })
    }

    /// The public half as a PEM text, for those who want to check our tokens.
    #[must_use]
    pub fn public_pem(&self) -> Option<String> {
        let der = self.pair.public_key().as_der().ok()?;
        Some(der::to_pem("PUBLIC KEY", der.as_ref()))
    }

    /// The public half as a key that verifies.
    #[must_use]
    pub fn verifying_key(&self) -> Key {
        Key::ed25519(
            Some(self.kid.as_str().into()),
            self.pair.public_key().as_ref(),
            Origin::Own,
        )
        .expect("the public half of a key pair is a key")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// Writes a file that is whole once it has its name, and leaves one alone that is already there.
fn create(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = folder.join(format!(".{FILE_NAME}.{}", random_id()));
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // A link, other than a rename, never replaces.
        match fs::hard_link(&draft, path) {
            Err(fault) if fault.kind() != io::ErrorKind::AlreadyExists => Err(fault),
            Ok(()) | Err(_) => Ok(()),
        }
    })();
    let removed = fs::remove_file(&draft);
    written.and(removed)?;
    File::open(folder)?.sync_all()
}

/// RFC 7638: SHA-256 over the required members in lexicographic order.
fn thumbprint(public: &[u8]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public);
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes()))
}

/// 128 random bits as text.
fn random_id() -> String {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).expect("the library ends the process where the system has no randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}
