//! What is shown of users: nicknames in any language, pictures and the rest, and their public tokens.

use serde_json::{Value, json};

use crate::server::Server;

/// A user with everything.
fn whole() -> Value {
    json!({
        "user_id": 1, "nickname": "하나", "nick": { "zh-TW": "哈娜", "en": "Hana", "ko": "하나" },
        "avatar": { "profile_img": "https://cdn.example/1.png", "profile_thumb": "https://cdn.example/t1.jpg" },
        "region": "KR", "language": "ko", "gender": "F"
    })
}

const SHOWN: [&str; 6] = ["nickname", "nick", "avatar", "region", "language", "gender"];

#[tokio::test]
async fn a_profile_is_shown_as_it_was_given() {
    let server = Server::start().await;
    let made = server
        .service("POST", "/api/v1/users", Some(whole()))
        .await
        .is(201);
    for field in SHOWN {
        assert_eq!(made[field], whole()[field], "{field}");
    }
    // In normal form, and without what surrounds it.
    let body = json!({ "user_id": 2, "nick": { "ko": " \u{1112}\u{1161}\u{11ab} " }, "region": " KR " });
    let made = server.service("POST", "/api/v1/users", Some(body)).await.is(201);
    assert_eq!(
        (&made["nick"], &made["region"]),
        (&json!({ "ko": "한" }), &json!("KR"))
    );
    assert_eq!(made["avatar"], json!({}));
    assert!(made.get("gender").is_none());
}

#[tokio::test]
async fn null_takes_away_and_what_is_absent_stays() {
    let server = Server::start().await;
    let made = server
        .service("POST", "/api/v1/users", Some(whole()))
        .await
        .is(201);
    let change = async |body: Value| {
        let changed = server
            .user(1, "PATCH", "/api/v1/users/1", Some(body))
            .await
            .is(200);
        assert_eq!(changed["public_token"], made["public_token"]);
        changed
    };
    assert_eq!(change(json!({})).await, made);
    let changed = change(json!({
        "nick": { "en": null, "ja": "ハナ", "fr": null }, "avatar": { "profile_thumb": null }, "gender": null
    }))
    .await;
    assert_eq!(
        changed["nick"],
        json!({ "ja": "ハナ", "ko": "하나", "zh-TW": "哈娜" })
    );
    assert_eq!(
        changed["avatar"],
        json!({ "profile_img": "https://cdn.example/1.png" })
    );
    assert!(changed.get("gender").is_none());
    assert_eq!(
        (&changed["region"], &changed["nickname"]),
        (&json!("KR"), &json!("하나"))
    );
    let bare = change(json!({
        "nickname": null, "nick": null, "avatar": null, "region": null, "language": null
    }))
    .await;
    assert_eq!(
        (&bare["nickname"], &bare["nick"], &bare["avatar"]),
        (&json!("1"), &json!({}), &json!({}))
    );
    assert!(bare.get("region").is_none() && bare.get("language").is_none());
    assert_eq!(server.service("GET", "/api/v1/users/1", None).await.is(200), bare);
}

/// Bodies with one field at a length, and its name in refusals.
fn at_length(bytes: usize) -> [(&'static str, Value, usize); 9] {
    let text = "x".repeat(bytes);
    [
        ("nickname", json!({ "nickname": text }), 255),
        ("nick.ko", json!({ "nick": { "ko": text } }), 255),
        ("nick.{language}", json!({ "nick": { "zh-TW": text } }), 255),
        (
            "avatar.profile_img",
            json!({ "avatar": { "profile_img": text } }),
            2_048,
        ),
        (
            "avatar.profile_thumb",
            json!({ "avatar": { "profile_thumb": text } }),
            2_048,
        ),
        ("region", json!({ "region": text }), 64),
        ("language", json!({ "language": text }), 64),
        ("gender", json!({ "gender": text }), 64),
        ("nick.ja", json!({ "nick": { "ja": text } }), 255),
    ]
}

#[tokio::test]
async fn each_field_has_its_length() {
    let server = Server::start().await;
    server.users([1]).await;
    for index in 0..at_length(0).len() {
        let (field, _, max) = at_length(0)[index];
        for (bytes, fits) in [
            (0, false),
            (1, true),
            (max - 1, true),
            (max, true),
            (max + 1, false),
        ] {
            let (_, body, _) = &at_length(bytes)[index];
            for (method, path, done) in [("POST", "/api/v1/users", 201), ("PATCH", "/api/v1/users/1", 200)] {
                let answer = server.service(method, path, Some(body.clone())).await;
                if fits {
                    answer.is(done);
                } else {
                    let problem = answer.refused(422, "INVALID_DATA");
                    assert_eq!(problem["field"], field, "{method} {bytes}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_nick_has_only_so_many_languages() {
    let server = Server::start().await;
    server.users([1]).await;
    let nick = |count: u8| -> Value {
        let names = (0..count).map(|at| (format!("x{}", char::from(b'a' + at)), json!("name")));
        json!({ "nick": names.collect::<serde_json::Map<_, _>>() })
    };
    for (method, path, done) in [("POST", "/api/v1/users", 201), ("PATCH", "/api/v1/users/1", 200)] {
        for (count, fits) in [(15, true), (16, true), (17, false)] {
            let answer = server.service(method, path, Some(nick(count))).await;
            if fits {
                assert_eq!(answer.is(done)["nick"], nick(count)["nick"]);
            } else {
                let problem = answer.refused(422, "INVALID_DATA");
                assert_eq!(problem["field"], "nick");
                assert!(problem["detail"].as_str().unwrap().contains("16"), "{problem}");
            }
        }
        let tag = "abc-defgh-ijklmn";
        for (language, fits) in [
            (&tag[..15], true),
            (tag, true),
            ("abc-defgh-ijklmno", false),
            ("", false),
            ("한국어", false),
            ("ko_KR", false),
        ] {
            let body = json!({ "nick": { "ko": null, language: "name" } });
            server
                .service("PATCH", "/api/v1/users/1", Some(json!({ "nick": null })))
                .await
                .is(200);
            let answer = server.service(method, path, Some(body)).await;
            if fits {
                assert_eq!(answer.is(done)["nick"], json!({ language: "name" }));
            } else {
                assert_eq!(answer.refused(422, "INVALID_DATA")["field"], "nick", "{language}");
            }
        }
        let twice = json!({ "nick": { "ko": "one", "KO": "other" } });
        let answer = server.service(method, path, Some(twice)).await;
        assert_eq!(answer.refused(422, "INVALID_DATA")["field"], "nick");
    }
}

#[tokio::test]
async fn what_is_wrong_in_a_change_is_named() {
    let server = Server::start().await;
    server.users([1]).await;
    for (body, field) in [
        (json!({ "nick": "x" }), "nick"),
        (json!({ "nick": { "ko": 7 } }), "nick.ko"),
        (json!({ "nick": { "fr": ["x"] } }), "nick.{language}"),
        (json!({ "nick": { "en": "a\nb" } }), "nick.en"),
        (json!({ "avatar": [] }), "avatar"),
        (json!({ "avatar": { "profile_img": 1 } }), "avatar.profile_img"),
        (
            json!({ "avatar": { "profile_thumb": "a\u{0}b" } }),
            "avatar.profile_thumb",
        ),
        (json!({ "region": 82 }), "region"),
        (json!({ "gender": true }), "gender"),
    ] {
        for (method, path) in [("POST", "/api/v1/users"), ("PATCH", "/api/v1/users/1")] {
            let problem = server.service(method, path, Some(body.clone())).await;
            assert_eq!(
                problem.refused(422, "INVALID_DATA")["field"],
                field,
                "{method} {body}"
            );
        }
    }
}

#[tokio::test]
async fn services_find_a_user_by_its_public_token() {
    let server = Server::start().await;
    let made = server
        .service("POST", "/api/v1/users", Some(whole()))
        .await
        .is(201);
    let token = made["public_token"].as_str().unwrap();
    let path = format!("/api/v1/users/by-public-token/{token}");
    assert_eq!(server.service("GET", &path, None).await.is(200), made);
    server
        .user(1, "GET", &path, None)
        .await
        .refused(403, "PERMISSION_DENIED");
    for other in [&token[1..], &token.to_uppercase(), "1", &"0".repeat(48)] {
        let path = format!("/api/v1/users/by-public-token/{other}");
        server
            .service("GET", &path, None)
            .await
            .refused(404, "USER_NOT_FOUND");
    }
}
