//! What a token says: every claim at its bounds, of its type, and of no other.

use bongsu_edge::auth::{Claims, Role, TokenRefused, TokenSettings, Verifier};
use bongsu_model::{Limits, RoomId, Timestamp, UserId, UserRef};
use serde_json::{Value, json};

use crate::support::{NOW, NOW_S, settings, token, verifier};

fn verdict(changes: Value) -> Result<Claims, TokenRefused> {
    verifier().verify(&token(changes), NOW)
}

fn with(settings: TokenSettings, changes: Value) -> Option<TokenRefused> {
    Verifier::load(settings, None, &Limits::DEFAULT)
        .unwrap()
        .verify(&token(changes), NOW)
        .err()
}

#[test]
fn all_claims_arrive() {
    let claims = verdict(json!({
        "sub": "7", "role": "service", "nickname": "하나", "rooms": [3, 1, 3], "jti": "j", "iss": "i", "iat": NOW_S,
    }));
    let expected = Claims {
        subject: "7".into(),
        role: Role::Service,
        nickname: Some("하나".into()),
        rooms: Some([RoomId(1), RoomId(3)].into()),
        jti: Some("j".into()),
        issuer: Some("i".into()),
        issued_at: Some(NOW),
        expires_at: Timestamp((NOW_S + 3_600) * 1_000),
        refused_from: Timestamp((NOW_S + 3_630) * 1_000),
    };
    assert_eq!(claims, Ok(expected.clone()));
    assert!(expected.may_join(RoomId(3)) && !expected.may_join(RoomId(2)));
    assert_eq!(expected.user(), UserRef::Id(UserId(7)));
}

#[test]
fn what_is_absent_has_its_default() {
    let claims = verdict(json!({ "nickname": "" })).unwrap();
    assert_eq!(
        (claims.role, claims.nickname.as_deref(), &claims.rooms),
        (Role::User, None, &None)
    );
    assert!(claims.may_join(RoomId(2)));
}

#[test]
fn the_leeway_ends_at_the_second_that_it_says() {
    for (name, good, bad, refused) in [
        ("exp", -29, -30, TokenRefused::Expired),
        ("exp", -29, -31, TokenRefused::Expired),
        ("nbf", 29, 31, TokenRefused::NotYetValid),
        ("nbf", 30, 31, TokenRefused::NotYetValid),
        ("iat", 30, 31, TokenRefused::NotYetValid),
    ] {
        assert!(verdict(json!({ name: NOW_S + good })).is_ok(), "{name} {good}");
        assert_eq!(
            verdict(json!({ name: NOW_S + bad })),
            Err(refused),
            "{name} {bad}"
        );
    }
    let no_leeway = Limits {
        token_leeway_s: 0,
        ..Limits::DEFAULT
    };
    let verifier = Verifier::load(settings(), None, &no_leeway).unwrap();
    assert_eq!(
        verifier.verify(&token(json!({ "exp": NOW_S })), NOW),
        Err(TokenRefused::Expired)
    );
    assert!(verifier.verify(&token(json!({ "exp": NOW_S + 1 })), NOW).is_ok());
    assert!(
        verifier
            .verify(&token(json!({ "exp": NOW_S })), Timestamp(NOW.0 - 1))
            .is_ok()
    );
}

#[test]
fn a_time_is_a_number_of_seconds_and_nothing_else() {
    for name in ["exp", "nbf", "iat"] {
        for wrong in [
            json!((NOW_S - 10).to_string()),
            json!("9000000000"),
            json!(""),
            json!(-1),
            json!(-0.5),
            json!(i64::MIN),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(253_402_300_800_u64),
            json!(NOW_S * 1_000),
            json!(1e300),
            json!(-1e300),
            json!(true),
            json!([NOW_S]),
            json!({ "s": NOW_S }),
        ] {
            assert_eq!(
                verdict(json!({ name: wrong })),
                Err(TokenRefused::Claims(name)),
                "{name}: {wrong}"
            );
        }
        let null = format!("{{\"sub\":\"1\",\"exp\":{},\"{name}\":null}}", NOW_S + 60);
        let null = if name == "exp" {
            "{\"sub\":\"1\",\"exp\":null}".into()
        } else {
            null
        };
        let token = crate::support::hs256(&json!({ "alg": "HS256" }), null);
        assert_eq!(
            verifier().verify(&token, NOW),
            Err(TokenRefused::Claims(name)),
            "{name}: null"
        );
    }
    assert_eq!(
        verdict(json!({ "exp": null })),
        Err(TokenRefused::Claims("exp")),
        "absent"
    );
    assert!(verdict(json!({ "exp": 253_402_300_799_u64 })).is_ok());
    let half = verdict(json!({ "exp": NOW_S as f64 + 0.5 })).unwrap();
    assert_eq!(
        half.expires_at,
        Timestamp(NOW.0 + 500),
        "many back ends send fractions"
    );
    assert_eq!(verdict(json!({ "exp": 0 })), Err(TokenRefused::Expired));
    assert_eq!(verdict(json!({ "exp": 0.0 })), Err(TokenRefused::Expired));
}

#[test]
fn the_issuer_is_one_of_ours() {
    let ours = || TokenSettings {
        issuers: vec!["a".into(), "b".into()],
        ..settings()
    };
    assert_eq!(with(ours(), json!({ "iss": "b" })), None);
    for wrong in [
        json!(null),
        json!("c"),
        json!("A"),
        json!("a "),
        json!(""),
        json!(["a"]),
        json!({ "a": 1 }),
        json!(1),
    ] {
        assert_eq!(
            with(ours(), json!({ "iss": wrong })),
            Some(TokenRefused::Issuer),
            "{wrong}"
        );
    }
    assert_eq!(
        with(settings(), json!({ "iss": "whoever" })),
        None,
        "not asked for"
    );
    assert_eq!(
        with(settings(), json!({ "iss": 1 })),
        Some(TokenRefused::Issuer),
        "of a wrong type"
    );
}

#[test]
fn the_audience_names_us() {
    let ours = || TokenSettings {
        audiences: vec!["a".into(), "b".into()],
        ..settings()
    };
    for right in [json!("a"), json!(["a"]), json!(["x", "b"]), json!(["a", "a"])] {
        assert_eq!(with(ours(), json!({ "aud": right })), None, "{right}");
    }
    for wrong in [
        json!(null),
        json!("c"),
        json!(""),
        json!([]),
        json!(["c", "d"]),
        json!(["a", 1]),
        json!([["a"]]),
        json!("a b"),
        json!({ "a": 1 }),
        json!(1),
        json!(true),
    ] {
        assert_eq!(
            with(ours(), json!({ "aud": wrong })),
            Some(TokenRefused::Audience),
            "{wrong}"
        );
    }
    assert_eq!(
        with(settings(), json!({ "aud": "whoever" })),
        None,
        "not asked for"
    );
    assert_eq!(
        with(settings(), json!({ "aud": 1 })),
        Some(TokenRefused::Audience),
        "of a wrong type"
    );
}

#[test]
fn a_subject_is_a_plain_name_or_a_whole_number() {
    assert_eq!(&*verdict(json!({ "sub": 123 })).unwrap().subject, "123");
    assert_eq!(
        verdict(json!({ "sub": -5 })).unwrap().user(),
        UserRef::Id(UserId(-5))
    );
    assert_eq!(
        verdict(json!({ "sub": "abc123" })).unwrap().user(),
        UserRef::Handle("abc123".into())
    );
    assert!(verdict(json!({ "sub": "s".repeat(255) })).is_ok());
    for wrong in [
        json!(null),
        json!(""),
        json!("s".repeat(256)),
        json!("a\nb"),
        json!("a\u{0}"),
        json!("a\u{202e}b"),
        json!(1.5),
        json!(1e3),
        json!(u64::MAX),
        json!(true),
        json!(["1"]),
        json!({ "id": 1 }),
    ] {
        assert_eq!(
            verdict(json!({ "sub": wrong })),
            Err(TokenRefused::Claims("sub")),
            "{wrong}"
        );
    }
}

#[test]
fn a_device_has_a_device_id() {
    let device = |id: &str| verdict(json!({ "sub": id, "role": "device" }));
    for good in ["car-1234", "Display_01", "a.b:c", &"d".repeat(128)] {
        assert_eq!(device(good).unwrap().role, Role::Device, "{good}");
    }
    for bad in ["car 1", "한", "a/b", &"d".repeat(129)] {
        assert_eq!(device(bad), Err(TokenRefused::Claims("sub")), "{bad}");
    }
}

#[test]
fn a_role_is_one_of_four() {
    for (word, role) in [
        ("user", Role::User),
        ("device", Role::Device),
        ("service", Role::Service),
        ("admin", Role::Admin),
    ] {
        assert_eq!(verdict(json!({ "role": word })).unwrap().role, role);
    }
    for wrong in [
        json!("root"),
        json!("Admin"),
        json!(" admin"),
        json!(""),
        json!(1),
        json!(["admin"]),
        json!(true),
    ] {
        assert_eq!(
            verdict(json!({ "role": wrong })),
            Err(TokenRefused::Claims("role")),
            "{wrong}"
        );
    }
}

#[test]
fn a_nickname_fits_a_line() {
    assert!(verdict(json!({ "nickname": "n".repeat(255) })).is_ok());
    for wrong in [
        json!("n".repeat(256)),
        json!("가".repeat(86)),
        json!("a\u{1b}[2J"),
        json!("a\u{2028}b"),
        json!(5),
        json!([]),
    ] {
        assert_eq!(
            verdict(json!({ "nickname": wrong })),
            Err(TokenRefused::Claims("nickname")),
            "{wrong}"
        );
    }
}

#[test]
fn rooms_are_whole_numbers() {
    assert_eq!(
        verdict(json!({ "rooms": [] })).unwrap().rooms.as_deref(),
        Some(&[][..]),
        "may join none"
    );
    for wrong in [
        json!("1"),
        json!(1),
        json!([1, "2"]),
        json!([1.5]),
        json!([null]),
        json!([[1]]),
        json!({ "1": 1 }),
    ] {
        assert_eq!(
            verdict(json!({ "rooms": wrong })),
            Err(TokenRefused::Claims("rooms")),
            "{wrong}"
        );
    }
    let null = format!("{{\"sub\":\"1\",\"exp\":{},\"rooms\":null}}", NOW_S + 60);
    let token = crate::support::hs256(&json!({ "alg": "HS256" }), null);
    assert_eq!(
        verifier().verify(&token, NOW),
        Err(TokenRefused::Claims("rooms")),
        "null is not: all rooms"
    );
    for (count, is_fine) in [(999, true), (1_000, true), (1_001, false)] {
        let rooms: Vec<_> = (0..count).collect();
        assert_eq!(verdict(json!({ "rooms": rooms })).is_ok(), is_fine, "{count}");
    }
}

#[test]
fn a_token_id_is_short_text() {
    assert!(verdict(json!({ "jti": "j".repeat(256) })).is_ok());
    for wrong in [json!("j".repeat(257)), json!(""), json!(1), json!([])] {
        assert_eq!(
            verdict(json!({ "jti": wrong })),
            Err(TokenRefused::Claims("jti")),
            "{wrong}"
        );
    }
}
