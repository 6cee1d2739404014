//! A token is verified by the algorithm of the key, never by one that it chooses.

use bongsu_edge::auth::{Key, KeySet, TokenRefused};
use serde_json::json;

use crate::support::{NOW, SECRET, Signing, base64url, claims, hs256, hs256_raw, jwks, signed, verifier};

fn of_pem(key: &Signing, kid: Option<&str>) -> KeySet {
    KeySet::new(vec![
        Key::pem(kid.map(Into::into), &key.public_pem()).unwrap().into(),
    ])
}

#[test]
fn every_algorithm_is_taken_from_pem_and_from_jwk() {
    for key in Signing::each() {
        let token = key.token(Some("k1"));
        assert!(
            of_pem(&key, None).open(&token).is_ok(),
            "{} without a kid",
            key.alg()
        );
        assert!(
            of_pem(&key, Some("k1")).open(&token).is_ok(),
            "{} by its kid",
            key.alg()
        );
        let set = jwks(&[key.public_jwk("k1")]);
        for provenance in [
            bongsu_edge::auth::jwks::Provenance::File,
            bongsu_edge::auth::jwks::Provenance::Url,
        ] {
            let set = bongsu_edge::auth::jwks::read(set.as_bytes(), provenance).unwrap();
            assert!(KeySet::new(set.keys).open(&token).is_ok(), "{} as JWK", key.alg());
        }
    }
}

#[test]
fn tokens_of_another_library_are_taken() {
    let header = jsonwebtoken::Header::default();
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
    let token =
        jsonwebtoken::encode(&header, &json!({ "sub": "1", "exp": 9_000_000_000_u64 }), &key).unwrap();
    assert_eq!(&*verifier().verify(&token, NOW).unwrap().subject, "1");
}

#[test]
fn a_public_key_never_serves_as_a_secret() {
    for key in Signing::each() {
        let set = of_pem(&key, Some("k1"));
        let text = key.public_pem();
        let forms = [
            text.clone(),
            text.trim_end().to_owned(),
            text.lines().nth(1).unwrap().to_owned(),
        ];
        for secret in forms {
            for (header, refused) in [
                (json!({ "alg": "HS256", "kid": "k1" }), TokenRefused::Algorithm),
                (json!({ "alg": "HS256" }), TokenRefused::Algorithm),
                (json!({ "alg": key.alg(), "kid": "k1" }), TokenRefused::Signature),
            ] {
                let token = hs256_raw(secret.as_bytes(), &signed(header.to_string(), claims(json!({}))));
                assert_eq!(set.open(&token).err(), Some(refused), "{header}");
            }
        }
    }
}

#[test]
fn a_key_of_one_type_is_not_used_for_another() {
    let keys = Signing::each();
    for key in &keys {
        for other in keys.iter().filter(|other| other.alg() != key.alg()) {
            let refused = of_pem(key, Some("k1")).open(&other.token(Some("k1"))).err();
            assert_eq!(
                refused,
                Some(TokenRefused::Algorithm),
                "{} for {}",
                key.alg(),
                other.alg()
            );
        }
    }
}

#[test]
fn none_is_no_algorithm_however_it_is_written() {
    for bits in 0..16_u32 {
        let none: String = "none"
            .chars()
            .enumerate()
            .map(|(at, c)| {
                if bits >> at & 1 == 1 {
                    c.to_ascii_uppercase()
                } else {
                    c
                }
            })
            .collect();
        for extra in ["", ",\"kid\":\"k1\"", ",\"typ\":\"JWT\""] {
            let header = format!("{{\"alg\":\"{none}\"{extra}}}");
            for token in [
                format!("{}.", signed(&header, claims(json!({})))),
                format!("{}.{}", signed(&header, claims(json!({}))), base64url([0; 32])),
                hs256_raw(SECRET, &signed(&header, claims(json!({})))),
            ] {
                assert_eq!(
                    verifier().verify(&token, NOW),
                    Err(TokenRefused::Algorithm),
                    "{header}"
                );
            }
        }
    }
}

#[test]
fn only_the_exact_names_are_algorithms() {
    for alg in [
        "hs256", "HS256 ", "HS-256", "HS384", "HS512", "RS512", "PS256", "ES384", "ES256K", "Ed448", "", "\0",
    ] {
        let token = hs256(&json!({ "alg": alg }), claims(json!({})));
        assert_eq!(
            verifier().verify(&token, NOW),
            Err(TokenRefused::Algorithm),
            "{alg:?}"
        );
    }
    for alg in [
        json!(null),
        json!(1),
        json!(["HS256"]),
        json!({ "HS256": 1 }),
        json!(true),
    ] {
        let token = hs256(&json!({ "alg": alg }), claims(json!({})));
        assert_eq!(
            verifier().verify(&token, NOW),
            Err(TokenRefused::Malformed),
            "{alg}"
        );
    }
}

#[test]
fn keys_that_a_token_brings_along_are_not_looked_at() {
    let attacker = Signing::ed25519();
    let server = of_pem(&Signing::ed25519(), None);
    for (name, value) in [
        ("jwk", attacker.public_jwk("k1")),
        ("jku", json!("http://127.0.0.1:1/jwks.json")),
        ("x5u", json!("http://127.0.0.1:1/cert.pem")),
        ("x5c", json!(["AAAA"])),
    ] {
        let header = json!({ "alg": "EdDSA", "kid": "k1", name: value });
        let token = attacker.sign(&signed(header.to_string(), claims(json!({}))));
        assert_eq!(server.open(&token).err(), Some(TokenRefused::Signature), "{name}");
    }
}

#[test]
fn a_kid_is_a_name_and_nothing_else() {
    let key = Signing::ed25519();
    let set = of_pem(&key, Some("k1"));
    for kid in [
        "../../../../dev/null",
        "/etc/passwd",
        "k1\0",
        "K1",
        " k1",
        "",
        "' OR 1=1 --",
        "http://127.0.0.1/k1",
        "k1/../k1",
    ] {
        assert_eq!(
            set.open(&key.token(Some(kid))).err(),
            Some(TokenRefused::UnknownKey),
            "{kid:?}"
        );
    }
    let long = "k".repeat(8_000);
    assert_eq!(
        set.open(&key.token(Some(&long))).err(),
        Some(TokenRefused::UnknownKey)
    );
    for kid in [json!(1), json!(["k1"]), json!({}), json!(false)] {
        let header = json!({ "alg": "EdDSA", "kid": kid });
        let token = key.sign(&signed(header.to_string(), claims(json!({}))));
        assert_eq!(set.open(&token).err(), Some(TokenRefused::Malformed), "{kid}");
    }
}

#[test]
fn without_a_kid_the_keys_of_the_algorithm_are_tried_up_to_a_bound() {
    let keys: Vec<_> = (0..9).map(|_| Signing::ed25519()).collect();
    let set = KeySet::new(
        keys.iter()
            .map(|key| Key::pem(None, &key.public_pem()).unwrap().into())
            .collect(),
    );
    for (at, key) in keys.iter().enumerate() {
        let refused = set.open(&key.token(None)).err();
        assert_eq!(refused, (at >= 8).then_some(TokenRefused::Signature), "key {at}");
    }
}

#[test]
fn a_kid_that_is_known_leads_to_its_key_alone() {
    let (named, other) = (Signing::ed25519(), Signing::ed25519());
    let set = KeySet::new(vec![
        Key::pem(Some("k1".into()), &named.public_pem()).unwrap().into(),
        Key::pem(None, &other.public_pem()).unwrap().into(),
    ]);
    assert!(set.open(&named.token(Some("k1"))).is_ok());
    assert!(set.open(&named.token(None)).is_ok());
    assert!(
        set.open(&other.token(Some("any"))).is_ok(),
        "a key without a kid serves every kid that no other has"
    );
    assert_eq!(
        set.open(&other.token(Some("k1"))).err(),
        Some(TokenRefused::Signature)
    );
}
