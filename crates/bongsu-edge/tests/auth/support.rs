//! Makes tokens of any shape, right and wrong, with keys of every kind.

use std::sync::Arc;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use aws_lc_rs::{hmac, rand, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bongsu_edge::auth::{Secret, SecretSetting, SecretSource, TokenSettings, Verifier};
use bongsu_model::{Limits, Timestamp};
use serde_json::{Value, json};

/// The moment at which all tests happen, in seconds.
pub(crate) const NOW_S: i64 = 1_700_000_000;
pub(crate) const NOW: Timestamp = Timestamp(NOW_S * 1_000);
pub(crate) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Header and payload as they are signed.
pub(crate) fn signed(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    format!("{}.{}", base64url(header), base64url(payload))
}

pub(crate) fn hs256_raw(secret: &[u8], signed: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", base64url(tag))
}

/// A token under the shared secret of these tests.
pub(crate) fn hs256(header: &Value, payload: impl AsRef<[u8]>) -> String {
    hs256_raw(SECRET, &signed(header.to_string(), payload))
}

/// Claims that are fine, with these on top; `null` takes one away.
pub(crate) fn claims(changes: Value) -> String {
    let mut claims = json!({ "sub": "123", "exp": NOW_S + 3_600 });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims.to_string()
}

/// A token with these claims that is otherwise fine.
pub(crate) fn token(changes: Value) -> String {
    hs256(&json!({ "alg": "HS256" }), claims(changes))
}

pub(crate) fn settings() -> TokenSettings {
    let secret = SecretSetting {
        kid: None,
        source: SecretSource::Inline(Secret::new(SECRET)),
    };
    TokenSettings {
        secrets: vec![secret],
        ..TokenSettings::default()
    }
}

/// Takes tokens under the shared secret.
pub(crate) fn verifier() -> Arc<Verifier> {
    Verifier::load(settings(), None, &Limits::DEFAULT).unwrap()
}

/// A key that signs, of one of the public algorithms.
pub(crate) enum Signing {
    Rsa(Box<RsaKeyPair>),
    P256(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl Signing {
    pub(crate) fn rsa() -> Self {
        let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        Self::Rsa(Box::new(pair))
    }

    pub(crate) fn p256() -> Self {
        Self::P256(Box::new(
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
        ))
    }

    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(Box::new(Ed25519KeyPair::generate().unwrap()))
    }

    pub(crate) fn each() -> [Self; 3] {
        [Self::rsa(), Self::p256(), Self::ed25519()]
    }

    pub(crate) fn alg(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    pub(crate) fn sign(&self, signed: &str) -> String {
        let random = rand::SystemRandom::new();
        let signature = match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature)
                    .unwrap();
                signature
            }
            Self::P256(pair) => pair.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        format!("{signed}.{}", base64url(signature))
    }

    /// A token that is fine, with this `kid`.
    pub(crate) fn token(&self, kid: Option<&str>) -> String {
        let mut header = json!({ "alg": self.alg() });
        if let Some(kid) = kid {
            header["kid"] = kid.into();
        }
        self.sign(&signed(header.to_string(), claims(json!({}))))
    }

    /// The public half as X.509 has it.
    pub(crate) fn public_pem(&self) -> String {
        let der = match self {
            Self::Rsa(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
            Self::P256(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
        };
        pem("PUBLIC KEY", &der)
    }

    pub(crate) fn public_jwk(&self, kid: &str) -> Value {
        match self {
            Self::Rsa(pair) => {
                let public = pair.public_key();
                let n = public.modulus().big_endian_without_leading_zero().to_vec();
                let e = public.exponent().big_endian_without_leading_zero().to_vec();
                json!({ "kty": "RSA", "kid": kid, "n": base64url(n), "e": base64url(e), "use": "sig" })
            }
            Self::P256(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (base64url(&point[1..33]), base64url(&point[33..]));
                json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y, "alg": "ES256" })
            }
            Self::Ed25519(pair) => {
                let x = base64url(pair.public_key().as_ref());
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x })
            }
        }
    }
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        STANDARD.encode(der)
    )
}

/// A set of these keys.
pub(crate) fn jwks(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}
