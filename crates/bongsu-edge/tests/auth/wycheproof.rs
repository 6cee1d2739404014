//! The vectors of project Wycheproof for JSON Web Signatures and keys, every one of them.
//!
//! Invariant: a vector is taken, refused, or listed here with the reason; the counts are asserted, so that a
//! vector cannot fall off the table.

use std::collections::BTreeMap;
use std::fs;

use bongsu_edge::auth::jwks::{self, Provenance, SkipReason};
use bongsu_edge::auth::{KeyFault, KeySet};
use serde_json::Value;

use crate::support::Signing;

/// Valid, but of an algorithm that is not ours: HS384, HS512, RS384, RS512, PS256, PS384, PS512, ES512.
const FOREIGN: &str = "valid, of a foreign algorithm, refused";

struct Vector {
    id: u64,
    token: String,
    is_valid: bool,
    keys: KeySet,
    alg: Option<String>,
}

fn suite(file: &str) -> Value {
    let path = format!(
        "{}/../../tests/suites/wycheproof-jose/{file}",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The vectors of a file, but those of encryption.
fn vectors(file: &str) -> (usize, Vec<Vector>) {
    let path = format!(
        "{}/../../tests/suites/wycheproof-jose/{file}",
        env!("CARGO_MANIFEST_DIR")
    );
    let suite: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut vectors = Vec::new();
    for group in suite["testGroups"].as_array().unwrap() {
        if group["comment"].as_str().unwrap().starts_with("jwe_") {
            continue;
        }
        // Secrets have no public half.
        let jwk = group.get("public").unwrap_or(&group["private"]);
        let set = if jwk.get("keys").is_some() {
            jwk.to_string()
        } else {
            format!("{{\"keys\":[{jwk}]}}")
        };
        for test in group["tests"].as_array().unwrap() {
            // The JSON form is an object here and a text in the newer file: not for us in either.
            let token = test["jws"]
                .as_str()
                .map_or_else(|| test["jws"].to_string(), Into::into);
            let keys = jwks::read(set.as_bytes(), Provenance::File)
                .map(|set| set.keys)
                .unwrap_or_default();
            vectors.push(Vector {
                id: test["tcId"].as_u64().unwrap(),
                is_valid: test["result"] == "valid",
                keys: KeySet::new(keys),
                alg: alg(&token),
                token,
            });
        }
    }
    (suite["numberOfTests"].as_u64().unwrap() as usize, vectors)
}

fn alg(token: &str) -> Option<String> {
    use base64::Engine as _;
    let header = token.split('.').next()?;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(header)
        .ok()?;
    serde_json::from_slice::<Value>(&header).ok()?["alg"]
        .as_str()
        .map(Into::into)
}

/// Runs all vectors, counts the outcomes, and fails on any that is neither right nor among the exceptions.
fn run(vectors: &[Vector], exceptions: &[(u64, &'static str)]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for vector in vectors {
        let is_taken = vector.keys.open(&vector.token).is_ok();
        let is_ours = matches!(vector.alg.as_deref(), Some("HS256" | "RS256" | "ES256"));
        let exception = exceptions.iter().find(|(id, _)| *id == vector.id);
        let outcome = match (vector.is_valid, is_taken, exception) {
            (_, _, Some((_, why))) => {
                assert_ne!(
                    vector.is_valid, is_taken,
                    "{} is no exception any more: {why}",
                    vector.id
                );
                why
            }
            (true, true, None) => "valid, taken",
            (false, false, None) => "invalid, refused",
            (true, false, None) if !is_ours && vector.alg.is_some() => FOREIGN,
            (is_valid, ..) => panic!("{} is valid: {is_valid}, taken: {is_taken}", vector.id),
        };
        *counts.entry(outcome).or_default() += 1;
    }
    counts
}

#[test]
fn signatures() {
    let (total, vectors) = vectors("json_web_signature_test.json");
    assert_eq!((total, vectors.len()), (401, 401));
    let strays = "valid, with characters outside of base64url, refused";
    let defects = "called invalid, but the very bytes of the valid 357, taken";
    let counts = run(
        &vectors,
        &[(372, strays), (373, strays), (367, defects), (370, defects)],
    );
    let token = |id| &vectors.iter().find(|vector| vector.id == id).unwrap().token;
    assert_eq!((token(367), token(370)), (token(357), token(357)));
    let expected = [
        ("valid, taken", 18),
        ("invalid, refused", 353),
        (FOREIGN, 26),
        (strays, 2),
        (defects, 2),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
}

#[test]
fn keys() {
    let (total, vectors) = vectors("json_web_key_test.json");
    assert_eq!((total, vectors.len()), (26, 26));
    // The suite calls this one ambiguous. Each key is pinned to its algorithm, so neither can stand in for the other.
    let mixed = "called invalid, secret and public key in one set, taken";
    let counts = run(&vectors, &[(1, mixed)]);
    let expected = [
        ("valid, taken", 3),
        ("invalid, refused", 20),
        (FOREIGN, 2),
        (mixed, 1),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
}

#[test]
fn signatures_of_the_older_suite() {
    let (total, vectors) = vectors("json_web_crypto_test.json");
    let encryption = 34;
    assert_eq!((total, vectors.len()), (83, 83 - encryption));
    let mixed = "called invalid, secret and public key in one set, taken";
    let mixed_id = vectors[vectors.len() - 3].id;
    let counts = run(&vectors, &[(mixed_id, mixed)]);
    let expected = [("valid, taken", 4), ("invalid, refused", 44), (mixed, 1)];
    assert_eq!(counts, BTreeMap::from(expected));
}

/// A refused vector could be refused for the wrong reason: the keys that must be skipped say why they are.
#[test]
fn weak_keys_are_skipped_for_what_they_are() {
    let suite = suite("json_web_key_test.json");
    for (comment, why) in [
        ("jws_rsa_roca_key", SkipReason::Key(KeyFault::Roca)),
        ("keysize_too_small", SkipReason::Key(KeyFault::RsaBits(1_024))),
        ("exponentOne", SkipReason::Key(KeyFault::RsaExponent)),
        ("jws_duplicate_kid", SkipReason::Ambiguous),
        ("invalid_point", SkipReason::Key(KeyFault::Malformed)),
        ("invalid_use", SkipReason::Use),
        ("wrong_curve", SkipReason::Type),
        ("wrong_algorithm", SkipReason::Algorithm),
        ("invalid_aes_gcm_key", SkipReason::Algorithm),
    ] {
        let groups = suite["testGroups"].as_array().unwrap();
        let group = groups.iter().find(|group| group["comment"] == comment).unwrap();
        let mut set = group.get("public").unwrap_or(&group["private"]).clone();
        // With a good key beside it the set as a whole is fine.
        set["keys"]
            .as_array_mut()
            .unwrap()
            .push(Signing::ed25519().public_jwk("good"));
        let read = jwks::read(set.to_string().as_bytes(), Provenance::File).unwrap();
        assert_eq!(
            read.skipped.first().map(|skipped| skipped.why),
            Some(why),
            "{comment}"
        );
    }
}
