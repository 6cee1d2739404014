//! Keys in files: what is taken, what is refused with advice, and reload as a whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use bongsu_edge::auth::jwks::{self, Provenance, SetFault, SkipReason};
use bongsu_edge::auth::{
    Key, KeyFault, LoadFault, PublicKeySetting, Secret, SecretSetting, SecretSource, TokenRefused,
    TokenSettings, Verifier,
};
use bongsu_model::Limits;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{NOW, SECRET, Signing, base64url, claims, hs256, jwks, pem};

fn write(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

fn load(settings: TokenSettings) -> Result<std::sync::Arc<Verifier>, LoadFault> {
    Verifier::load(settings, None, &Limits::DEFAULT)
}

fn pem_file(path: &Path) -> TokenSettings {
    let key = PublicKeySetting {
        kid: None,
        path: path.into(),
    };
    TokenSettings {
        public_keys: vec![key],
        ..TokenSettings::default()
    }
}

#[test]
fn keys_of_every_source_serve_together() {
    let folder = TempDir::new().unwrap();
    let (in_pem, in_set) = (Signing::p256(), Signing::ed25519());
    let secret = SecretSource::File(write(&folder, "secret", [SECRET, b"\n"].concat()));
    let settings = TokenSettings {
        secrets: vec![SecretSetting {
            kid: Some("s".into()),
            source: secret,
        }],
        jwks_files: vec![write(&folder, "set.json", jwks(&[in_set.public_jwk("e")]))],
        ..pem_file(&write(&folder, "key.pem", in_pem.public_pem()))
    };
    let verifier = load(settings).unwrap();
    let by_secret = hs256(&json!({ "alg": "HS256", "kid": "s" }), claims(json!({})));
    for token in [by_secret, in_pem.token(Some("whatever")), in_set.token(Some("e"))] {
        assert!(verifier.verify(&token, NOW).is_ok(), "{token}");
    }
    assert_eq!(verifier.keys().keys().len(), 3);
}

#[test]
fn a_secret_is_long_enough_to_be_one() {
    for bytes in [0, 1, 31] {
        let fault = Key::secret(None, &Secret::new(&SECRET[..bytes])).unwrap_err();
        assert_eq!(fault, KeyFault::SecretTooShort(bytes));
    }
    assert!(Key::secret(None, &Secret::new(SECRET)).is_ok());
    let pem = Signing::ed25519().public_pem();
    assert_eq!(
        Key::secret(None, &Secret::new(format!("\n{pem}"))).unwrap_err(),
        KeyFault::SecretIsPem
    );
}

#[test]
fn faults_name_the_file_and_hide_the_secret() {
    let folder = TempDir::new().unwrap();
    let path = write(&folder, "secret", "hunter2hunter2");
    let settings = |source| TokenSettings {
        secrets: vec![SecretSetting { kid: None, source }],
        ..TokenSettings::default()
    };
    let fault = load(settings(SecretSource::File(path.clone())))
        .err()
        .unwrap()
        .to_string();
    assert!(
        fault.contains(path.to_str().unwrap()) && fault.contains("at least 32 bytes"),
        "{fault}"
    );
    assert!(!fault.contains("hunter2"), "{fault}");
    let inline = settings(SecretSource::Inline(Secret::new("hunter2hunter2")));
    assert!(!format!("{inline:?}").contains("hunter2"));
    let fault = load(inline).err().unwrap().to_string();
    assert!(
        fault.contains("number 1") && !fault.contains("hunter2"),
        "{fault}"
    );
    let fault = load(pem_file(&folder.path().join("absent"))).err().unwrap();
    assert!(matches!(fault, LoadFault::Read { .. }), "{fault}");
}

#[test]
fn what_is_not_a_public_key_is_refused_with_advice() {
    let key = |text: &str| Key::pem(None, text).unwrap_err();
    assert_eq!(key(""), KeyFault::NotPem);
    assert_eq!(
        key("-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----"),
        KeyFault::NotPem
    );
    assert_eq!(key(&pem("PRIVATE KEY", &[0])), KeyFault::Private);
    assert_eq!(key(&pem("RSA PRIVATE KEY", &[0])), KeyFault::Private);
    assert_eq!(key(&pem("CERTIFICATE", &[0])), KeyFault::Certificate);
    assert_eq!(key(&pem("PUBLIC KEY", &[0x30, 0])), KeyFault::Unsupported);
    assert_eq!(key(&pem("RSA PUBLIC KEY", &[0x30, 0])), KeyFault::Malformed);
    // Any public key cut or changed anywhere is no key, or another one, but never a panic.
    for signing in Signing::each() {
        let text = signing.public_pem();
        for at in 0..text.len() {
            let _ = Key::pem(None, &text[..at]);
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            let _ = Key::pem(None, &String::from_utf8(changed).unwrap());
        }
        assert!(Key::pem(None, &text).is_ok());
    }
}

#[test]
fn a_bad_file_is_refused_whole_and_the_old_keys_stay() {
    let folder = TempDir::new().unwrap();
    let (first, second) = (Signing::ed25519(), Signing::ed25519());
    let pem = write(&folder, "key.pem", first.public_pem());
    let set = write(&folder, "set.json", jwks(&[second.public_jwk("k")]));
    let verifier = load(TokenSettings {
        jwks_files: vec![set.clone()],
        ..pem_file(&pem)
    })
    .unwrap();
    let takes = |key: &Signing, kid| verifier.verify(&key.token(kid), NOW).map(|_| ());

    let third = Signing::ed25519();
    fs::write(&pem, third.public_pem()).unwrap();
    fs::write(&set, "{").unwrap();
    let fault = verifier.reload().unwrap_err();
    assert!(
        matches!(
            fault,
            LoadFault::Set {
                why: SetFault::NotASet,
                ..
            }
        ),
        "{fault}"
    );
    assert_eq!(
        (takes(&first, None), takes(&third, None)),
        (Ok(()), Err(TokenRefused::Signature))
    );

    fs::write(&set, jwks(&[second.public_jwk("k")])).unwrap();
    verifier.reload().unwrap();
    assert_eq!(
        (takes(&third, None), takes(&first, None)),
        (Ok(()), Err(TokenRefused::Signature))
    );
    assert_eq!(takes(&second, Some("k")), Ok(()));
}

fn skipped(keys: &[Value], provenance: Provenance) -> Vec<(usize, SkipReason)> {
    let mut keys = keys.to_vec();
    keys.push(Signing::ed25519().public_jwk("good"));
    let set = jwks::read(jwks(&keys).as_bytes(), provenance).unwrap();
    assert_eq!(set.keys.last().unwrap().kid(), Some("good"));
    set.skipped
        .iter()
        .map(|skipped| (skipped.index, skipped.why))
        .collect()
}

#[test]
fn strange_keys_of_a_set_are_skipped_alone() {
    let good = Signing::p256().public_jwk("p");
    let with = |changes: Value| {
        let mut jwk = good.clone();
        for (name, value) in changes.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    };
    let small = json!({ "kty": "RSA", "n": base64url([0xff; 255]), "e": "AQAB" });
    let huge = json!({ "kty": "RSA", "n": base64url([0xff; 1_025]), "e": "AQAB" });
    let even = json!({ "kty": "RSA", "n": base64url([0xff; 256]), "e": "Ag" });
    for (jwk, why) in [
        (json!({ "kty": "quantum" }), SkipReason::Type),
        (
            json!({ "kty": "OKP", "crv": "X25519", "x": "AA" }),
            SkipReason::Type,
        ),
        (with(json!({ "crv": "P-384" })), SkipReason::Type),
        (with(json!({ "alg": "ES384" })), SkipReason::Algorithm),
        (with(json!({ "alg": "HS256" })), SkipReason::Algorithm),
        (with(json!({ "use": "enc" })), SkipReason::Use),
        (with(json!({ "key_ops": ["sign"] })), SkipReason::Use),
        (with(json!({ "d": "AA" })), SkipReason::Key(KeyFault::Private)),
        (with(json!({ "x": "AA" })), SkipReason::Key(KeyFault::Malformed)),
        (
            with(json!({ "x": base64url([1; 32]) })),
            SkipReason::Key(KeyFault::Malformed),
        ),
        (with(json!({ "x": null })), SkipReason::NotAKey),
        (with(json!({ "kid": 5 })), SkipReason::NotAKey),
        (with(json!({ "kid": "k".repeat(257) })), SkipReason::NotAKey),
        (json!("key"), SkipReason::NotAKey),
        (json!({}), SkipReason::NotAKey),
        (small, SkipReason::Key(KeyFault::RsaBits(2_040))),
        (huge, SkipReason::Key(KeyFault::RsaBits(8_200))),
        (even, SkipReason::Key(KeyFault::RsaExponent)),
        (
            json!({ "kty": "oct", "k": base64url([1; 31]) }),
            SkipReason::Key(KeyFault::SecretTooShort(31)),
        ),
    ] {
        assert_eq!(
            skipped(std::slice::from_ref(&jwk), Provenance::File),
            [(0, why)],
            "{jwk}"
        );
    }
    assert_eq!(
        skipped(&[good.clone(), good.clone()], Provenance::Url),
        [0, 1].map(|at| (at, SkipReason::Ambiguous))
    );
    let secret = json!({ "kty": "oct", "k": base64url(SECRET) });
    assert_eq!(skipped(std::slice::from_ref(&secret), Provenance::File), []);
    assert_eq!(
        skipped(&[secret], Provenance::Url),
        [(0, SkipReason::PublicSecret)]
    );
}

#[test]
fn a_set_is_an_object_with_a_bounded_array_of_keys() {
    let fault = |text: &str| jwks::read(text.as_bytes(), Provenance::File).unwrap_err();
    for text in [
        "",
        "[]",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":[],\"keys\":[]}",
        "{\"keys\":[]} x",
        "<html>",
    ] {
        assert_eq!(fault(text), SetFault::NotASet, "{text}");
    }
    assert_eq!(fault("{\"keys\":[]}"), SetFault::NoUsableKey(0));
    assert_eq!(fault("{\"keys\":[1,{}]}"), SetFault::NoUsableKey(2));
    let key = Signing::ed25519();
    let set = |count: usize| {
        jwks(
            &(0..count)
                .map(|at| key.public_jwk(&at.to_string()))
                .collect::<Vec<_>>(),
        )
    };
    for count in [63, 64] {
        assert_eq!(
            jwks::read(set(count).as_bytes(), Provenance::File)
                .unwrap()
                .keys
                .len(),
            count
        );
    }
    assert_eq!(fault(&set(65)), SetFault::TooMany(65));
    assert!(jwks::read(b"{\"keys\":[\"\xff\"]}", Provenance::File).is_err());
}
