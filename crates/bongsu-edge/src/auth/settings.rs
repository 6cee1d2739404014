//! What the configuration says about tokens, before any key is loaded.

use std::path::PathBuf;
use std::sync::Arc;

use super::fetch::FetchSettings;
use super::secret::Secret;

/// Which tokens are taken. Without any key of another, only the data folder's own.
#[derive(Clone, Debug, Default)]
pub struct TokenSettings {
    /// Shared secrets for HS256.
    pub secrets: Vec<SecretSetting>,
    /// Public keys in PEM files, for RS256, ES256 or EdDSA as their type says.
    pub public_keys: Vec<PublicKeySetting>,
    /// JWK sets in files. They may hold secrets for HS256.
    pub jwks_files: Vec<PathBuf>,
    /// JWK sets behind URLs, fetched again at intervals. Secrets in them are skipped.
    pub jwks_urls: Vec<Arc<str>>,
    /// `iss` must be one of these, if there are any. Tokens of our own key are exempt: they say [`super::signer::ISSUER`].
    pub issuers: Vec<Arc<str>>,
    /// `aud` must name one of these, if there are any. Tokens of our own key are exempt: it signs for nobody else.
    pub audiences: Vec<Arc<str>>,
    /// How URLs are fetched.
    pub fetch: FetchSettings,
}

/// A shared secret.
#[derive(Clone, Debug)]
pub struct SecretSetting {
    /// Tokens with this `kid` are for this secret. Without one it is tried for any `kid` that no other key has.
    pub kid: Option<Arc<str>>,
    /// Where its bytes are.
    pub source: SecretSource,
}

/// Where a secret's bytes are.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// Here.
    Inline(Secret),
    /// In this file; one line end at its end is not part of the secret.
    File(PathBuf),
}

/// A public key in a file.
#[derive(Clone, Debug)]
pub struct PublicKeySetting {
    /// Tokens with this `kid` are for this key. Without one it is tried for any `kid` that no other key has.
    pub kid: Option<Arc<str>>,
    /// A PEM file: `PUBLIC KEY` or `RSA PUBLIC KEY`.
    pub path: PathBuf,
}
