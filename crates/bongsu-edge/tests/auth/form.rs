//! The form of a token: strict base64url, three parts, a plain header, a bound on its size.

use bongsu_edge::auth::{MintRequest, Signer, TokenRefused, Verifier};
use bongsu_model::Limits;
use proptest::prelude::*;
use serde_json::json;

use crate::support::{NOW, SECRET, claims, hs256, hs256_raw, settings, signed, token, verifier};

fn refused(token: &str) -> Option<TokenRefused> {
    verifier().verify(token, NOW).err()
}

#[test]
fn no_token_is_called_missing() {
    assert_eq!(refused(""), Some(TokenRefused::Missing));
}

#[test]
fn a_token_cut_anywhere_is_refused() {
    let token = token(json!({}));
    for cut in 1..token.len() {
        let refused = refused(&token[..cut]);
        assert!(
            matches!(refused, Some(TokenRefused::Malformed | TokenRefused::Signature)),
            "cut at {cut}: {refused:?}"
        );
    }
}

#[test]
fn no_bit_of_a_token_can_be_changed() {
    let signer = Signer::ephemeral().unwrap();
    let verifier = Verifier::load(settings(), Some(&signer), &Limits::DEFAULT).unwrap();
    let request = MintRequest {
        sub: "1".into(),
        ttl_ms: 60_000,
        ..MintRequest::default()
    };
    for token in [token(json!({})), signer.mint(&request, NOW)] {
        assert!(verifier.verify(&token, NOW).is_ok());
        for at in 0..token.len() {
            for bit in 0..7 {
                let mut changed = token.clone().into_bytes();
                changed[at] ^= 1 << bit;
                let changed = String::from_utf8(changed).unwrap();
                assert!(verifier.verify(&changed, NOW).is_err(), "bit {bit} of byte {at}");
            }
        }
    }
}

#[test]
fn padding_and_strange_characters_are_refused() {
    let token = token(json!({}));
    let parts: Vec<_> = token.split('.').collect();
    for stray in [
        "=", "==", " ", "\n", "\r\n", "\t", "+", "/", "%3D", "\0", "한", ".",
    ] {
        for part in 0..3 {
            for is_behind in [true, false] {
                let mut parts: Vec<String> = parts.iter().map(|&part| part.into()).collect();
                let at = if is_behind { parts[part].len() } else { 0 };
                parts[part].insert_str(at, stray);
                assert_eq!(
                    refused(&parts.join(".")),
                    Some(TokenRefused::Malformed),
                    "{stray:?} at part {part}"
                );
            }
        }
    }
}

#[test]
fn three_parts_are_three() {
    let token = token(json!({}));
    for bad in [
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.AA"),
        "..".into(),
        ".".into(),
        "a".into(),
    ] {
        assert_eq!(refused(&bad), Some(TokenRefused::Malformed), "{bad}");
    }
    assert_eq!(refused(&format!("Bearer {token}")), Some(TokenRefused::Malformed));
    let json = r#"{"payload":"e30","signatures":[{"protected":"e30","signature":"AA"}]}"#;
    assert_eq!(refused(json), Some(TokenRefused::Malformed));
}

#[test]
fn a_header_is_one_object_without_repeats() {
    for header in [
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","x":1,"x":2}"#,
        r#"{"alg":"HS256","\u0061lg":"HS256"}"#,
        r#"{"alg":"HS256"} {}"#,
        r#"{"alg":"HS256"}x"#,
        r#"["HS256"]"#,
        r#""HS256""#,
        "null",
        "",
        "{}",
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","crit":null}"#,
        r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#,
        r#"{"alg":"HS256","typ":"logout+jwt"}"#,
        r#"{"alg":"HS256","typ":1}"#,
    ] {
        let token = hs256_raw(SECRET, &signed(header, claims(json!({}))));
        assert_eq!(refused(&token), Some(TokenRefused::Malformed), "{header}");
    }
    let not_utf8 = hs256_raw(
        SECRET,
        &signed(b"{\"alg\":\"HS256\",\"x\":\"\xff\"}", claims(json!({}))),
    );
    assert_eq!(refused(&not_utf8), Some(TokenRefused::Malformed));
    for typ in ["JWT", "jwt", "at+jwt", "application/at+jwt"] {
        let token = hs256(&json!({ "alg": "HS256", "typ": typ }), claims(json!({})));
        assert_eq!(refused(&token), None, "{typ}");
    }
}

#[test]
fn nesting_costs_no_stack() {
    for open in ["[", "{\"a\":"] {
        let deep = format!("{{\"alg\":\"HS256\",\"x\":{}", open.repeat(2_000));
        assert_eq!(
            refused(&hs256_raw(SECRET, &signed(&deep, claims(json!({}))))),
            Some(TokenRefused::Malformed)
        );
        let deep = format!("{{\"exp\":9000000000,\"x\":{}", open.repeat(2_000));
        assert_eq!(
            refused(&hs256(&json!({ "alg": "HS256" }), &deep)),
            Some(TokenRefused::Malformed)
        );
    }
}

#[test]
fn a_payload_is_one_object_without_repeats() {
    for payload in [
        r#"{"sub":"1","exp":9000000000,"exp":9000000000}"#,
        r#"{"sub":"1","exp":9000000000,"sub":"2"}"#,
        r#"{"sub":"1","exp":9000000000,"role":"user","role":"admin"}"#,
        r#"{"sub":"1","exp":9000000000,"r\u006fle":"admin","role":"user"}"#,
        r#"{"sub":"1","exp":9000000000,"x":1,"x":1}"#,
        r#"{"sub":"1","exp":9000000000}{}"#,
        r#"{"sub":"1","exp":1e999}"#,
        r#"{"sub":"1","exp":NaN}"#,
        r#"{"sub":"1","exp":Infinity}"#,
        r#"{"sub":"1","exp":9000000000,}"#,
        r#"{'sub':'1','exp':9000000000}"#,
        r#"[{"sub":"1","exp":9000000000}]"#,
        "\u{feff}{\"sub\":\"1\",\"exp\":9000000000}",
        "",
        "null",
    ] {
        let token = hs256(&json!({ "alg": "HS256" }), payload);
        assert_eq!(refused(&token), Some(TokenRefused::Malformed), "{payload}");
    }
}

/// A good token of exactly this many bytes.
fn token_of(bytes: usize) -> String {
    let bare = token(json!({ "pad": "" })).len();
    let padding = (bytes - bare) * 3 / 4;
    (padding.saturating_sub(4)..padding + 4)
        .map(|padding| token(json!({ "pad": "x".repeat(padding) })))
        .find(|token| token.len() == bytes)
        .unwrap_or_else(|| {
            hs256(
                &json!({ "alg": "HS256", "a": "" }),
                claims(json!({ "pad": "x".repeat(padding) })),
            )
        })
}

#[test]
fn a_token_over_the_limit_is_refused() {
    let mut limits = Limits::DEFAULT;
    limits.token_bytes_max = token_of(4_000).len();
    let verifier = Verifier::load(settings(), None, &limits).unwrap();
    let at_limit = token_of(limits.token_bytes_max);
    assert_eq!(at_limit.len(), limits.token_bytes_max);
    assert!(verifier.verify(&at_limit, NOW).is_ok());
    limits.token_bytes_max -= 1;
    let verifier = Verifier::load(settings(), None, &limits).unwrap();
    assert_eq!(verifier.verify(&at_limit, NOW), Err(TokenRefused::Malformed));
    limits.token_bytes_max += 2;
    let verifier = Verifier::load(settings(), None, &limits).unwrap();
    assert!(verifier.verify(&at_limit, NOW).is_ok());
}

proptest! {
    #[test]
    fn any_text_is_judged_without_a_panic(text in "\\PC{0,300}|[A-Za-z0-9_.=-]{0,300}") {
        prop_assert!(verifier().verify(&text, NOW).is_err());
    }

    #[test]
    fn any_signed_payload_is_judged_without_a_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let token = hs256(&json!({ "alg": "HS256" }), payload);
        prop_assert!(verifier().verify(&token, NOW).is_err());
    }

    #[test]
    fn any_header_is_judged_without_a_panic(header in "\\{(\"(alg|kid|typ|crit)\":(\"HS256\"|\"RS256\"|1|null|\\[\\]),?){0,4}\\}") {
        let token = hs256_raw(SECRET, &signed(&header, claims(json!({}))));
        let verdict = verifier().verify(&token, NOW);
        prop_assert!(verdict.is_err() || header.contains("HS256"));
    }

    #[test]
    fn any_claims_are_judged_without_a_panic(
        name in "sub|exp|nbf|iat|iss|aud|role|nickname|rooms|jti",
        value in "-?[0-9]{1,25}(\\.[0-9]{1,5})?(e[0-9]{1,3})?|\"\\\\PC{0,20}\"|\\[[0-9,]{0,9}\\]|true|null|\\{\\}",
    ) {
        let payload = format!("{{\"sub\":\"1\",\"exp\":{},\"{name}\":{value}}}", 9_000_000_000_u64);
        let _ = verifier().verify(&hs256(&json!({ "alg": "HS256" }), payload), NOW);
    }
}
