//! One key that verifies signatures, pinned to one algorithm.
//!
//! Invariant: a key that exists is strong enough and of the type of its algorithm; which algorithm it is
//! comes from the key and never from a token.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};

use super::claims::Origin;
use super::der::{self, PublicBytes};
use super::secret::Secret;

/// Shortest secret for HS256: as long as its hash.
pub const SECRET_BYTES_MIN: usize = 32;
/// Weakest RSA modulus.
pub const RSA_BITS_MIN: usize = 2_048;
/// Largest RSA modulus; larger ones only cost time.
pub const RSA_BITS_MAX: usize = 8_192;

/// How a token may be signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// The name in the `alg` of a header. Exact: there is no algorithm `hs256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Reads `alg`. `Ed25519` is the newer name (RFC 9864) of the same algorithm.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "HS256" => Some(Self::Hs256),
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// Why a key was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyFault {
    /// A secret that can be guessed.
    #[error("a secret for HS256 needs at least {SECRET_BYTES_MIN} bytes; this one has {0}")]
    SecretTooShort(usize),
    /// Somebody pasted a key of another kind where a secret belongs.
    #[error("this is a PEM text, not a secret; put it where public keys are configured")]
    SecretIsPem,
    /// The text holds no PEM block.
    #[error("this is not a PEM text with a `PUBLIC KEY` block")]
    NotPem,
    /// The key that signs does not belong here.
    #[error("this is a private key; give the public one, and consider this one seen")]
    Private,
    /// A certificate, whose key must be taken out first.
    #[error("this is a certificate; take its key out with `openssl x509 -pubkey -noout`")]
    Certificate,
    /// Neither RSA nor P-256 nor Ed25519.
    #[error("this key is neither RSA nor on P-256 nor Ed25519")]
    Unsupported,
    /// Not a key of its own type.
    #[error("the key's encoding is wrong")]
    Malformed,
    /// An RSA key of a size that is not taken.
    #[error("an RSA key needs {RSA_BITS_MIN} to {RSA_BITS_MAX} bits; this one has {0}")]
    RsaBits(usize),
    /// An RSA exponent that protects nothing.
    #[error("the exponent of this RSA key is even or less than 3")]
    RsaExponent,
    /// An RSA key made by a library whose keys can be factored.
    #[error("this RSA key is of the kind that can be factored (CVE-2017-15361)")]
    Roca,
}

#[derive(Clone)]
enum Material {
    Hmac(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

/// One key that verifies signatures.
#[derive(Clone)]
pub struct Key {
    kid: Option<Arc<str>>,
    algorithm: Algorithm,
    origin: Origin,
    material: Material,
}

impl Key {
    /// A shared secret for HS256.
    pub fn secret(kid: Option<Arc<str>>, secret: &Secret) -> Result<Self, KeyFault> {
        let bytes = secret.expose();
        if bytes.trim_ascii_start().starts_with(b"-----BEGIN ") {
            return Err(KeyFault::SecretIsPem);
        }
        if bytes.len() < SECRET_BYTES_MIN {
            return Err(KeyFault::SecretTooShort(bytes.len()));
        }
        let material = Material::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, bytes)));
        Ok(Self {
            kid,
            algorithm: Algorithm::Hs256,
            origin: Origin::Configured,
            material,
        })
    }

    /// The first key of a PEM text.
    pub fn pem(kid: Option<Arc<str>>, text: &str) -> Result<Self, KeyFault> {
        let (label, der) = der::pem(text).ok_or(KeyFault::NotPem)?;
        let bytes = match label {
            "PUBLIC KEY" => der::public_key(&der).ok_or(KeyFault::Unsupported)?,
            "RSA PUBLIC KEY" => der::rsa_key(&der).ok_or(KeyFault::Malformed)?,
            "CERTIFICATE" => return Err(KeyFault::Certificate),
            label if label.ends_with("PRIVATE KEY") => return Err(KeyFault::Private),
            _ => return Err(KeyFault::NotPem),
        };
        match bytes {
            PublicBytes::Rsa { n, e } => Self::rsa(kid, n, e),
            PublicBytes::P256(point) => Self::p256(kid, point),
            PublicBytes::Ed25519(key) => Self::ed25519(kid, key, Origin::Configured),
        }
    }

    /// An RSA key of its modulus and exponent, big-endian.
    pub(super) fn rsa(kid: Option<Arc<str>>, n: &[u8], e: &[u8]) -> Result<Self, KeyFault> {
        let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
        let bits = n
            .first()
            .map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
        if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
            return Err(KeyFault::RsaBits(bits));
        }
        if e.last().is_none_or(|last| last % 2 == 0) || e == [1] {
            return Err(KeyFault::RsaExponent);
        }
        if is_roca(n) {
            return Err(KeyFault::Roca);
        }
        Self::public(kid, Algorithm::Rs256, Origin::Configured, der::to_rsa_key(n, e))
    }

    /// A key on P-256 of its uncompressed point.
    pub(super) fn p256(kid: Option<Arc<str>>, point: &[u8]) -> Result<Self, KeyFault> {
        if point.len() != 65 || point[0] != 4 {
            return Err(KeyFault::Malformed);
        }
        Self::public(kid, Algorithm::Es256, Origin::Configured, point)
    }

    /// An Ed25519 key of its 32 bytes.
    pub(super) fn ed25519(kid: Option<Arc<str>>, key: &[u8], origin: Origin) -> Result<Self, KeyFault> {
        if key.len() != 32 {
            return Err(KeyFault::Malformed);
        }
        Self::public(kid, Algorithm::EdDsa, origin, key)
    }

    fn public(
        kid: Option<Arc<str>>,
        algorithm: Algorithm,
        origin: Origin,
        bytes: impl AsRef<[u8]>,
    ) -> Result<Self, KeyFault> {
        let encoding: &'static dyn VerificationAlgorithm = match algorithm {
            Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
            Algorithm::EdDsa => &ED25519,
            Algorithm::Hs256 => return Err(KeyFault::Unsupported),
        };
        let parsed = ParsedPublicKey::new(encoding, bytes).map_err(|_| KeyFault::Malformed)?;
        Ok(Self {
            kid,
            algorithm,
            origin,
            material: Material::Public(parsed),
        })
    }

    /// The `kid` it goes by.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The one algorithm that it verifies.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whose it is.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether the signature is this key's over these bytes. The time it takes tells nothing about a secret.
    pub(super) fn signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Hmac(key) => hmac::verify(key, bytes, signature).is_ok(),
            Material::Public(key) => key.verify_sig(bytes, signature).is_ok(),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|&&b| b == 0).count()..]
}

/// Whether the modulus is, for each small prime, a power of 65537: so for every key of the flawed generator,
/// and by chance for fewer than one in a hundred million others.
fn is_roca(n: &[u8]) -> bool {
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101,
        103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    PRIMES.iter().all(|&prime| {
        let rest = n
            .iter()
            .fold(0, |rest, &byte| (rest * 256 + u32::from(byte)) % prime);
        let (step, mut power) = (65_537 % prime, 1);
        for _ in 0..prime {
            if power == rest {
                return true;
            }
            power = power * step % prime;
        }
        false
    })
}
