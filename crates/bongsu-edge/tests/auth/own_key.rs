//! The data folder's own key: made once, kept from others, and enough to sign what we take.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::thread;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bongsu_edge::auth::signer::FILE_NAME;
use bongsu_edge::auth::{
    Key, KeySet, MintRequest, Role, Signer, SignerFault, TokenRefused, TokenSettings, Verifier,
};
use bongsu_model::{Limits, RoomId, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{NOW, NOW_S, Signing, claims, hs256, pem, settings, signed};

fn request() -> MintRequest {
    MintRequest {
        sub: "123".into(),
        ttl_ms: 3_600_000,
        ..MintRequest::default()
    }
}

fn verifier(signer: &Signer) -> std::sync::Arc<Verifier> {
    Verifier::load(TokenSettings::default(), Some(signer), &Limits::DEFAULT).unwrap()
}

#[test]
fn a_minted_token_says_what_was_asked() {
    let signer = Signer::ephemeral().unwrap();
    let asked = MintRequest {
        role: Role::Admin,
        nickname: Some("\"하나\"\\".into()),
        rooms: Some(vec![RoomId(2), RoomId(1)]),
        jti: Some("j".into()),
        ..request()
    };
    let claims = verifier(&signer).verify(&signer.mint(&asked, NOW), NOW).unwrap();
    assert_eq!(
        (&*claims.subject, claims.role, claims.jti.as_deref()),
        ("123", Role::Admin, Some("j"))
    );
    assert_eq!(claims.nickname.as_deref(), Some("\"하나\"\\"));
    assert_eq!(claims.rooms.as_deref(), Some(&[RoomId(1), RoomId(2)][..]));
    assert_eq!(
        (claims.issued_at, claims.expires_at),
        (Some(NOW), Timestamp((NOW_S + 3_600) * 1_000))
    );
    assert_eq!(claims.issuer.as_deref(), Some("bongsu"));
}

#[test]
fn each_token_can_be_revoked_on_its_own() {
    let signer = Signer::ephemeral().unwrap();
    let jti = || {
        verifier(&signer)
            .verify(&signer.mint(&request(), NOW), NOW)
            .unwrap()
            .jti
            .unwrap()
    };
    assert_ne!(jti(), jti());
}

#[test]
fn a_token_ends() {
    let signer = Signer::ephemeral().unwrap();
    let token = signer.mint(
        &MintRequest {
            ttl_ms: 10,
            ..request()
        },
        NOW,
    );
    let at = |s: i64| verifier(&signer).verify(&token, Timestamp((NOW_S + s) * 1_000));
    assert!(at(30).is_ok(), "one second is the least, and thirty are leeway");
    assert_eq!(at(31), Err(TokenRefused::Expired));
    let endless = signer.mint(
        &MintRequest {
            ttl_ms: u64::MAX,
            ..request()
        },
        NOW,
    );
    assert_eq!(
        verifier(&signer).verify(&endless, NOW),
        Err(TokenRefused::Claims("exp"))
    );
}

#[test]
fn the_key_is_made_once_and_stays() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("new/data");
    let made = Signer::load_or_create(&data).unwrap();
    let file = data.join(FILE_NAME);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_dir(&data).unwrap().count(), 1, "no draft stays behind");
    for again in [
        Signer::load_or_create(&data).unwrap(),
        Signer::load(&data).unwrap(),
    ] {
        assert_eq!(again.kid(), made.kid());
        assert!(verifier(&made).verify(&again.mint(&request(), NOW), NOW).is_ok());
    }
}

#[test]
fn two_that_start_together_have_one_key() {
    let folder = TempDir::new().unwrap();
    let kids: Vec<String> = thread::scope(|scope| {
        let start = || Signer::load_or_create(folder.path()).unwrap().kid().to_owned();
        let started: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(kids.iter().all(|kid| *kid == kids[0]), "{kids:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_key_that_others_can_read_is_refused_with_advice() {
    let folder = TempDir::new().unwrap();
    Signer::load_or_create(folder.path()).unwrap();
    let file = folder.path().join(FILE_NAME);
    for mode in [0o640, 0o604, 0o660, 0o777, 0o601] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let fault = Signer::load_or_create(folder.path()).unwrap_err();
        assert!(matches!(fault, SignerFault::Exposed { .. }), "{mode:o}: {fault}");
        assert!(fault.to_string().contains("chmod 600"), "{fault}");
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(Signer::load(folder.path()).is_ok());
}

#[test]
fn a_broken_key_is_never_replaced() {
    let folder = TempDir::new().unwrap();
    assert!(matches!(Signer::load(folder.path()), Err(SignerFault::Io { .. })));
    let file = folder.path().join(FILE_NAME);
    for content in [
        String::new(),
        "rubbish".into(),
        pem("PRIVATE KEY", &[1, 2, 3]),
        Signing::p256().public_pem(),
    ] {
        fs::write(&file, &content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let fault = Signer::load_or_create(folder.path()).unwrap_err();
        assert!(matches!(fault, SignerFault::NotAKey { .. }), "{fault}");
        assert_eq!(fs::read_to_string(&file).unwrap(), content);
    }
}

#[test]
fn the_public_half_is_published_in_both_forms() {
    let signer = Signer::ephemeral().unwrap();
    let token = signer.mint(&request(), NOW);
    let pem = signer.public_pem().unwrap();
    assert!(
        KeySet::new(vec![Key::pem(None, &pem).unwrap().into()])
            .open(&token)
            .is_ok()
    );
    let set = json!({ "keys": [signer.public_jwk()] }).to_string();
    let set =
        bongsu_edge::auth::jwks::read(set.as_bytes(), bongsu_edge::auth::jwks::Provenance::Url).unwrap();
    assert_eq!(set.keys[0].kid(), Some(signer.kid()));
    assert!(KeySet::new(set.keys).open(&token).is_ok());
    // Another library reads it too.
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(signer.public_jwk()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    rules.validate_exp = false;
    let key = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
    let read = jsonwebtoken::decode::<Value>(&token, &key, &rules).unwrap();
    assert_eq!(
        (&read.claims["sub"], read.header.kid.as_deref()),
        (&json!("123"), Some(signer.kid()))
    );
    let jsonwebtoken_print = jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap();
    assert_eq!(signer.kid(), jsonwebtoken_print);
}

#[test]
fn openssl_reads_the_file() {
    let folder = TempDir::new().unwrap();
    let signer = Signer::load_or_create(folder.path()).unwrap();
    let Ok(output) = Command::new("openssl")
        .args(["pkey", "-pubout", "-in"])
        .arg(folder.path().join(FILE_NAME))
        .output()
    else {
        return; // Not on this machine.
    };
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        signer.public_pem().unwrap()
    );
}

#[test]
fn our_key_signs_for_us_and_rules_for_others_do_not_bind_it() {
    let signer = Signer::ephemeral().unwrap();
    let strict = TokenSettings {
        issuers: vec!["them".into()],
        audiences: vec!["us".into()],
        ..settings()
    };
    let verifier = Verifier::load(strict, Some(&signer), &Limits::DEFAULT).unwrap();
    assert!(verifier.verify(&signer.mint(&request(), NOW), NOW).is_ok());
    let forged = json!({ "alg": "HS256" });
    let forged = hs256(&forged, claims(json!({ "iss": "bongsu", "aud": "us" })));
    assert_eq!(
        verifier.verify(&forged, NOW),
        Err(TokenRefused::Issuer),
        "our name under another key"
    );
    let stranger = Signing::ed25519();
    let header = json!({ "alg": "EdDSA", "kid": signer.kid() });
    let forged = stranger.sign(&signed(header.to_string(), claims(json!({ "iss": "bongsu" }))));
    assert_eq!(verifier.verify(&forged, NOW), Err(TokenRefused::Signature));
}

#[test]
fn our_key_speaks_in_our_name_only() {
    let folder = TempDir::new().unwrap();
    let signer = Signer::load_or_create(folder.path()).unwrap();
    let file = fs::read_to_string(folder.path().join(FILE_NAME)).unwrap();
    let pkcs8 = STANDARD.decode(file.lines().nth(1).unwrap()).unwrap();
    let stolen = Signing::Ed25519(Box::new(
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8).unwrap(),
    ));
    let header = json!({ "alg": "EdDSA", "kid": signer.kid() }).to_string();
    let verdict = |issuer: Value| {
        let token = stolen.sign(&signed(&header, claims(json!({ "iss": issuer }))));
        verifier(&signer).verify(&token, NOW).map(|_| ())
    };
    assert_eq!(verdict(json!("bongsu")), Ok(()));
    for other in [json!(null), json!("them"), json!("Bongsu"), json!(["bongsu"])] {
        assert_eq!(verdict(other.clone()), Err(TokenRefused::Issuer), "{other}");
    }
}

#[test]
fn the_private_half_is_not_shown() {
    let folder = TempDir::new().unwrap();
    let signer = Signer::load_or_create(folder.path()).unwrap();
    let file = fs::read_to_string(folder.path().join(FILE_NAME)).unwrap();
    let secret = file.lines().nth(1).unwrap();
    let shown = format!("{signer:?} {} {:?}", signer.public_jwk(), signer.verifying_key());
    assert!(!shown.contains(&secret[22..]), "{shown}");
    assert!(signer.public_jwk().get("d").is_none());
}
