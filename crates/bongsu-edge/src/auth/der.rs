//! The little DER and PEM that public keys need. Invariant: a reader never looks past its input.

use crate::der::take;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// A public key as its encoding has it, not yet checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PublicBytes<'a> {
    /// Modulus and exponent, big-endian.
    Rsa { n: &'a [u8], e: &'a [u8] },
    /// A point on P-256: 0x04, x, y.
    P256(&'a [u8]),
    /// An Ed25519 key.
    Ed25519(&'a [u8]),
}

/// The first block of a PEM text: its label and its bytes.
pub(super) fn pem(text: &str) -> Option<(&str, Vec<u8>)> {
    let (_, after) = text.split_once("-----BEGIN ")?;
    let (label, after) = after.split_once("-----")?;
    let (body, after) = after.split_once("-----END ")?;
    if !after.starts_with(label) || !after[label.len()..].starts_with("-----") {
        return None;
    }
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    Some((label, STANDARD.decode(body).ok()?))
}

/// A PEM block of up to 64 characters a line.
pub(super) fn to_pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (at, c) in body.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(c);
    }
    text.push_str(&format!("\n-----END {label}-----\n"));
    text
}

/// Reads an X.509 `SubjectPublicKeyInfo`.
pub(super) fn public_key(der: &[u8]) -> Option<PublicBytes<'_>> {
    let (info, rest) = take(der, SEQUENCE)?;
    let (algorithm, info) = take(info, SEQUENCE)?;
    let (bits, after) = take(info, BIT_STRING)?;
    let (&unused, key) = bits.split_first()?;
    if unused != 0 || !rest.is_empty() || !after.is_empty() {
        return None;
    }
    let (id, parameters) = take(algorithm, OBJECT_ID)?;
    match id {
        RSA => rsa_key(key),
        EC => (take(parameters, OBJECT_ID)?.0 == P256).then_some(PublicBytes::P256(key)),
        ED25519 => Some(PublicBytes::Ed25519(key)),
        _ => None,
    }
}

/// Reads a PKCS#1 `RSAPublicKey`.
pub(super) fn rsa_key(der: &[u8]) -> Option<PublicBytes<'_>> {
    let (key, rest) = take(der, SEQUENCE)?;
    let (n, key) = take(key, INTEGER)?;
    let (e, after) = take(key, INTEGER)?;
    (rest.is_empty() && after.is_empty()).then_some(PublicBytes::Rsa { n, e })
}

/// Writes a PKCS#1 `RSAPublicKey`. Neither number may have leading zeros.
pub(super) fn to_rsa_key(n: &[u8], e: &[u8]) -> Vec<u8> {
    let mut body = integer(n);
    body.extend(integer(e));
    tagged(SEQUENCE, &body)
}

fn integer(magnitude: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(magnitude.len() + 1);
    if magnitude.first().is_none_or(|&b| b >= 0x80) {
        value.push(0); // Without it the number would be negative.
    }
    value.extend_from_slice(magnitude);
    tagged(INTEGER, &value)
}

fn tagged(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = value.len().to_be_bytes();
    if value.len() < 0x80 {
        out.push(value.len() as u8);
    } else {
        let used = &length[length.iter().take_while(|&&b| b == 0).count()..];
        out.push(0x80 | used.len() as u8);
        out.extend_from_slice(used);
    }
    out.extend_from_slice(value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rsa_key_round_trips_at_every_length_form() {
        for bytes in [1, 126, 127, 128, 255, 256, 1024] {
            let (n, e) = (vec![0x7f; bytes], [1, 0, 1]);
            let der = to_rsa_key(&n, &e);
            assert_eq!(rsa_key(&der), Some(PublicBytes::Rsa { n: &n, e: &e }));
            for cut in 0..der.len() {
                assert_eq!(rsa_key(&der[..cut]), None, "cut at {cut}");
            }
        }
    }

    #[test]
    fn pem_round_trips() {
        for bytes in [0, 1, 47, 48, 49, 200] {
            let der = vec![0xa5; bytes];
            assert_eq!(pem(&to_pem("PUBLIC KEY", &der)), Some(("PUBLIC KEY", der)));
        }
        assert_eq!(pem("-----BEGIN A-----\nAA==\n-----END B-----"), None);
        assert_eq!(pem("-----BEGIN A-----\n\u{ac00}\n-----END A-----"), None);
    }
}
