//! JWK sets: the keys that are taken from them, and what is skipped and why.
//!
//! Invariant: one strange key never costs the others; a set without any usable key is a fault of the whole.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::claims::Origin;
use super::key::{Algorithm, Key, KeyFault};
use super::secret::Secret;

/// Keys read of one set; a set with more is refused.
pub const KEYS_MAX: usize = 64;
/// Longest `kid`, in bytes.
const KID_BYTES_MAX: usize = 256;

/// Where a set came from, which decides what may be in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Provenance {
    /// A file of the operator's: secrets may be in it.
    File,
    /// A URL: whatever is secret in it is not.
    Url,
}

/// A set that was read.
#[derive(Debug)]
pub struct ReadSet {
    /// The usable keys.
    pub keys: Vec<Arc<Key>>,
    /// The others, in the order of the set.
    pub skipped: Vec<Skipped>,
}

/// A key that was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Skipped {
    /// Its place in the set, from 0.
    pub index: usize,
    /// Why.
    pub why: SkipReason,
}

/// Why a key of a set was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SkipReason {
    /// Not an object with members of the right types.
    #[error("it is not a JWK")]
    NotAKey,
    /// A type or curve that no algorithm of ours uses.
    #[error("its type is none that we use")]
    Type,
    /// An algorithm that is not ours, or not one of its type.
    #[error("its algorithm is none that we take")]
    Algorithm,
    /// It is for something else than signatures.
    #[error("it is not for verifying")]
    Use,
    /// A secret where anybody can read it.
    #[error("it is a secret, and the set is public")]
    PublicSecret,
    /// Another key of the set has the same `kid` and algorithm.
    #[error("its kid stands for two keys")]
    Ambiguous,
    /// The key itself.
    #[error("{0}")]
    Key(#[from] KeyFault),
}

/// Why a whole set was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SetFault {
    /// Not a JSON object with an array `keys`.
    #[error("not a JWK set: an object with an array `keys`")]
    NotASet,
    /// Too many to look at.
    #[error("a JWK set may have at most {KEYS_MAX} keys; this one has {0}")]
    TooMany(usize),
    /// Nothing in it helps.
    #[error("none of the {0} keys of the set can be used")]
    NoUsableKey(usize),
}

#[derive(Deserialize)]
struct Set<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    intended: Option<String>,
    key_ops: Option<Vec<String>>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<String>,
    d: Option<String>,
}

/// Reads a set.
pub fn read(json: &[u8], provenance: Provenance) -> Result<ReadSet, SetFault> {
    let text = std::str::from_utf8(json).map_err(|_| SetFault::NotASet)?;
    let set: Set<'_> = serde_json::from_str(text).map_err(|_| SetFault::NotASet)?;
    if set.keys.len() > KEYS_MAX {
        return Err(SetFault::TooMany(set.keys.len()));
    }
    let read: Vec<_> = set
        .keys
        .iter()
        .map(|raw| Described::read(raw.get(), provenance))
        .collect();
    let (mut keys, mut skipped) = (Vec::with_capacity(read.len()), Vec::new());
    for (index, described) in read.iter().enumerate() {
        let key = described.as_ref().map_err(|why| *why).and_then(|described| {
            if described.has_twin(&read) {
                Err(SkipReason::Ambiguous)
            } else {
                described.key()
            }
        });
        match key {
            Ok(key) => keys.push(Arc::new(key)),
            Err(why) => skipped.push(Skipped { index, why }),
        }
    }
    if keys.is_empty() {
        return Err(SetFault::NoUsableKey(set.keys.len()));
    }
    Ok(ReadSet { keys, skipped })
}

/// A key that is meant for one of our algorithms; whether it is any good is not known yet.
struct Described {
    jwk: Jwk,
    algorithm: Algorithm,
}

impl Described {
    fn read(json: &str, provenance: Provenance) -> Result<Self, SkipReason> {
        let jwk: Jwk = serde_json::from_str(json).map_err(|_| SkipReason::NotAKey)?;
        let algorithm = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => Algorithm::Rs256,
            ("EC", Some("P-256")) => Algorithm::Es256,
            ("OKP", Some("Ed25519")) => Algorithm::EdDsa,
            ("oct", _) => Algorithm::Hs256,
            _ => return Err(SkipReason::Type),
        };
        if jwk
            .alg
            .as_deref()
            .is_some_and(|name| Algorithm::parse(name) != Some(algorithm))
        {
            return Err(SkipReason::Algorithm);
        }
        let is_for_verifying = jwk.intended.as_deref().is_none_or(|it| it == "sig")
            && jwk
                .key_ops
                .as_ref()
                .is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !is_for_verifying {
            return Err(SkipReason::Use);
        }
        if jwk.kid.as_ref().is_some_and(|kid| kid.len() > KID_BYTES_MAX) {
            return Err(SkipReason::NotAKey);
        }
        if algorithm == Algorithm::Hs256 && provenance == Provenance::Url {
            return Err(SkipReason::PublicSecret);
        }
        Ok(Self { jwk, algorithm })
    }

    /// Whether a token of this `kid` and algorithm could mean another key of the set, usable or not.
    fn has_twin(&self, all: &[Result<Self, SkipReason>]) -> bool {
        let is_same = |it: &&Self| it.jwk.kid == self.jwk.kid && it.algorithm == self.algorithm;
        self.jwk.kid.is_some() && all.iter().flatten().filter(is_same).count() > 1
    }

    fn key(&self) -> Result<Key, SkipReason> {
        let jwk = &self.jwk;
        let kid = jwk.kid.as_deref().map(Into::into);
        // Whoever can read the private half can sign.
        if jwk.d.is_some() {
            return Err(KeyFault::Private.into());
        }
        let key = match self.algorithm {
            Algorithm::Hs256 => Key::secret(kid, &Secret::new(bytes(jwk.k.as_ref())?)),
            Algorithm::Rs256 => Key::rsa(kid, &bytes(jwk.n.as_ref())?, &bytes(jwk.e.as_ref())?),
            Algorithm::Es256 => {
                let (x, y) = (bytes(jwk.x.as_ref())?, bytes(jwk.y.as_ref())?);
                if x.len() != 32 || y.len() != 32 {
                    return Err(KeyFault::Malformed.into());
                }
                Key::p256(kid, &[&[4], x.as_slice(), y.as_slice()].concat())
            }
            Algorithm::EdDsa => Key::ed25519(kid, &bytes(jwk.x.as_ref())?, Origin::Configured),
        };
        Ok(key?)
    }
}

fn bytes(member: Option<&String>) -> Result<Vec<u8>, SkipReason> {
    let text = member.ok_or(SkipReason::NotAKey)?;
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| SkipReason::Key(KeyFault::Malformed))
}
