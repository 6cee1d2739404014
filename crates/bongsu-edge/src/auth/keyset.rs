//! The keys in force, and how a token finds the one that may have signed it.
//!
//! Invariant: a payload leaves here only with a good signature over exactly the bytes that were received,
//! by a key of the header's algorithm. What a header says about keys (`jku`, `x5u`, `jwk`) is never looked at.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::json::Object;
use super::key::{Algorithm, Key, RSA_BITS_MAX};
use super::refused::TokenRefused;

/// Keys tried for one token, at most.
const TRIED_MAX: usize = 8;
/// Longest signature that any algorithm makes.
const SIGNATURE_BYTES_MAX: usize = RSA_BITS_MAX / 8;
/// Values of `typ` that are tokens of this kind. Others are kinds of their own (`logout+jwt`, …) and not for us.
const TYPES: [&str; 4] = ["JWT", "at+jwt", "application/at+jwt", "application/jwt"];

/// The keys in force.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Arc<Key>>,
}

/// A token whose signature is good.
pub struct Opened<'k> {
    /// The bytes that were signed as the payload. Nothing in them is checked yet.
    pub payload: Vec<u8>,
    /// The key that signed.
    pub key: &'k Key,
}

struct Header {
    algorithm: Algorithm,
    kid: Option<String>,
}

impl KeySet {
    /// Of these keys; earlier ones are tried first.
    #[must_use]
    pub fn new(keys: Vec<Arc<Key>>) -> Self {
        Self { keys }
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[Arc<Key>] {
        &self.keys
    }

    /// Checks form, algorithm and signature of a token in compact form.
    pub fn open(&self, token: &str) -> Result<Opened<'_>, TokenRefused> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenRefused::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenRefused::Malformed)?;
        let header = read_header(header)?;
        let payload = URL_SAFE_NO_PAD
            .decode(payload)
            .map_err(|_| TokenRefused::Malformed)?;
        let mut buffer = [0; SIGNATURE_BYTES_MAX + 2];
        let length = URL_SAFE_NO_PAD
            .decode_slice(signature, &mut buffer)
            .map_err(|_| TokenRefused::Malformed)?;
        let candidates = self.candidates(&header)?;
        let key = candidates
            .into_iter()
            .find(|key| key.signed(signed.as_bytes(), &buffer[..length]));
        Ok(Opened {
            payload,
            key: key.ok_or(TokenRefused::Signature)?,
        })
    }

    /// Whether the token names a key that might be there after the next fetch: its header is fine and its `kid`
    /// unknown. Costs no signature check.
    #[must_use]
    pub fn misses_key_of(&self, token: &str) -> bool {
        let header = token
            .split_once('.')
            .and_then(|(header, _)| read_header(header).ok());
        header.is_some_and(|header| self.candidates(&header).err() == Some(TokenRefused::UnknownKey))
    }

    /// The keys that may have signed: those of the header's `kid`, else those that have none; without a `kid`
    /// all. Of these, the ones of the header's algorithm.
    fn candidates(&self, header: &Header) -> Result<Vec<&Key>, TokenRefused> {
        let fitting = |named: Option<&str>, any: bool| -> (bool, Vec<&Key>) {
            let of_name = || {
                self.keys
                    .iter()
                    .map(Arc::as_ref)
                    .filter(move |key| any || key.kid() == named)
            };
            let fit = of_name()
                .filter(|key| key.algorithm() == header.algorithm)
                .take(TRIED_MAX)
                .collect();
            (of_name().next().is_some(), fit)
        };
        let Some(kid) = header.kid.as_deref() else {
            let (_, fit) = fitting(None, true);
            return if fit.is_empty() {
                Err(TokenRefused::Algorithm)
            } else {
                Ok(fit)
            };
        };
        let (known, fit) = fitting(Some(kid), false);
        if known {
            return if fit.is_empty() {
                Err(TokenRefused::Algorithm)
            } else {
                Ok(fit)
            };
        }
        let (_, fit) = fitting(None, false);
        if fit.is_empty() {
            Err(TokenRefused::UnknownKey)
        } else {
            Ok(fit)
        }
    }
}

fn read_header(part: &str) -> Result<Header, TokenRefused> {
    let malformed = TokenRefused::Malformed;
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed)?;
    let header = Object::read(&bytes).ok_or(malformed)?;
    // What is critical to the sender is nothing that we know, so we must refuse (RFC 7515, 4.1.11).
    if header.has("crit") {
        return Err(malformed);
    }
    match header.get("typ") {
        None => {}
        Some(Value::String(kind)) if TYPES.iter().any(|known| known.eq_ignore_ascii_case(kind)) => {}
        Some(_) => return Err(malformed),
    }
    let Some(Value::String(algorithm)) = header.get("alg") else {
        return Err(malformed);
    };
    let algorithm = Algorithm::parse(algorithm).ok_or(TokenRefused::Algorithm)?;
    let kid = match header.get("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid.clone()),
        Some(_) => return Err(malformed),
    };
    Ok(Header { algorithm, kid })
}
