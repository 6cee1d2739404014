//! What a token costs to verify, beside the bare signature check that it cannot do without.

use std::hint::black_box;

use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bongsu_edge::auth::{MintRequest, Secret, SecretSetting, SecretSource, Signer, TokenSettings, Verifier};
use bongsu_model::{Limits, Timestamp};
use criterion::{Criterion, criterion_group, criterion_main};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const SECRET: &[u8] = b"a secret that is longer than 32 bytes";

fn verify(c: &mut Criterion) {
    let signer = Signer::ephemeral().expect("bench input");
    let secret = SecretSetting {
        kid: None,
        source: SecretSource::Inline(Secret::new(SECRET)),
    };
    let settings = TokenSettings {
        secrets: vec![secret],
        ..TokenSettings::default()
    };
    let verifier = Verifier::load(settings, Some(&signer), &Limits::DEFAULT).expect("bench input");
    let request = MintRequest {
        sub: "123".into(),
        nickname: Some("하나".into()),
        rooms: Some(vec![]),
        ttl_ms: 3_600_000,
        ..MintRequest::default()
    };
    let token = signer.mint(&request, NOW);

    let (signed, signature) = token.rsplit_once('.').expect("bench input");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("bench input");
    let jwk = signer.public_jwk();
    let key = URL_SAFE_NO_PAD
        .decode(jwk["x"].as_str().expect("bench input"))
        .expect("bench input");
    let bare = ParsedPublicKey::new(&ED25519, &key).expect("bench input");
    c.bench_function("eddsa: bare signature", |b| {
        b.iter(|| {
            bare.verify_sig(black_box(signed.as_bytes()), black_box(&signature))
                .expect("bench input")
        });
    });
    c.bench_function("eddsa: token", |b| {
        b.iter(|| verifier.verify(black_box(&token), NOW).expect("bench input"))
    });

    let claims = json!({ "sub": "123", "exp": NOW.secs() + 3_600 });
    let token = encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET)).expect("bench input");
    c.bench_function("hs256: token", |b| {
        b.iter(|| verifier.verify(black_box(&token), NOW).expect("bench input"))
    });
}

criterion_group!(benches, verify);
criterion_main!(benches);
