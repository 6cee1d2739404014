//! Users, their tokens and blocks, and the audit of it all.

use bongsu_model::{Timestamp, TokenHash};
use bongsu_store::Store as _;
use serde_json::json;

use crate::server::{NOW, Server};

#[tokio::test]
async fn a_user_is_made_read_changed() {
    let server = Server::start().await;
    let body = json!({
        "user_id": 181, "handle": "abc181", "nickname": "손님", "nick": { "en": "Guest", "ko": "손님", "ja": null },
        "avatar": { "profile_img": "https://cdn.example/1.png" }, "region": "KR", "language": "ko", "gender": "x",
        "unknown": [1, 2, 3]
    });
    let user = server
        .service("POST", "/api/v1/users", Some(body.clone()))
        .await
        .is(201);
    for field in ["user_id", "handle", "nickname", "region", "language", "gender"] {
        assert_eq!(user[field], body[field], "{field}");
    }
    assert_eq!(user["nick"], json!({ "en": "Guest", "ko": "손님" }));
    assert_eq!(user["avatar"], body["avatar"]);
    assert_eq!(user["public_token"].as_str().unwrap().len(), 48);
    assert_eq!(user["created_at"], Timestamp(NOW).to_string());
    for reference in ["181", "abc181"] {
        assert_eq!(
            server
                .service("GET", &format!("/api/v1/users/{reference}"), None)
                .await
                .is(200),
            user
        );
    }
    let changed = server
        .user(
            181,
            "PATCH",
            "/api/v1/users/181",
            Some(json!({ "nickname": "하나", "region": "JP" })),
        )
        .await;
    let changed = changed.is(200);
    assert_eq!(
        (&changed["nickname"], &changed["region"], &changed["language"]),
        (&json!("하나"), &json!("JP"), &json!("ko"))
    );
    assert_eq!(
        server.service("GET", "/api/v1/users/abc181", None).await.is(200),
        changed
    );
    server
        .service("PATCH", "/api/v1/users/999", Some(json!({})))
        .await
        .refused(404, "USER_NOT_FOUND");
    let plain = server
        .service("POST", "/api/v1/users", Some(json!({})))
        .await
        .is(201);
    assert_eq!(
        plain["handle"],
        plain["user_id"].to_string(),
        "all but nothing may be left out"
    );
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let server = Server::start().await;
    server.users([1]).await;
    server
        .service(
            "POST",
            "/api/v1/users",
            Some(json!({ "user_id": 2, "handle": "taken" })),
        )
        .await
        .is(201);
    for (body, status, field) in [
        (json!({ "user_id": 1 }), 409, "user_id"),
        (json!({ "handle": "taken" }), 409, "handle"),
        (json!({ "user_id": 0 }), 422, "user_id"),
        (json!({ "user_id": "7" }), 422, "user_id"),
        (json!({ "user_id": 7.5 }), 422, "user_id"),
        (json!({ "handle": "12" }), 422, "handle"),
        (json!({ "handle": "with space" }), 422, "handle"),
        (json!({ "handle": 7 }), 422, "handle"),
        (json!({ "nickname": "x".repeat(256) }), 422, "nickname"),
        (json!({ "nickname": ["x"] }), 422, "nickname"),
        (json!({ "nick": "x" }), 422, "nick"),
        (json!({ "nick": { "ja": 7 } }), 422, "nick.ja"),
        (
            json!({ "avatar": { "profile_img": "x".repeat(2_049) } }),
            422,
            "avatar.profile_img",
        ),
        (json!({ "region": "x".repeat(65) }), 422, "region"),
    ] {
        let answer = server.service("POST", "/api/v1/users", Some(body.clone())).await;
        let problem = answer.refused(status, "INVALID_DATA");
        assert_eq!(problem["field"], field, "{body}");
        assert!(problem["detail"].as_str().unwrap().contains(field), "{problem}");
        assert_eq!(problem["reason"] == "taken", status == 409, "{problem}");
    }
    for body in [json!({ "user_id": 5 }), json!({ "handle": "other" })] {
        server
            .service("PATCH", "/api/v1/users/1", Some(body))
            .await
            .refused(422, "INVALID_DATA");
    }
}

#[tokio::test]
async fn a_member_token_is_shown_once_and_kept_as_a_hash() {
    let server = Server::start().await;
    server.users([1]).await;
    let made = server
        .service("POST", "/api/v1/users/1/tokens", Some(json!({ "ttl": 60 })))
        .await
        .is(201);
    let token = made["token"].as_str().unwrap();
    assert!(
        token.len() == 48
            && token
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
        "{token}"
    );
    assert_eq!(made["expires_at"], Timestamp(NOW + 60_000).to_string());
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    let hash = TokenHash(hash.as_ref().try_into().unwrap());
    assert_eq!(made["token_id"], hash.id().to_string());
    let works = async |at: i64| {
        server
            .store
            .member_token(hash, Timestamp(at))
            .await
            .unwrap()
            .is_some()
    };
    assert!(works(NOW).await && !works(NOW + 60_001).await);
    let second = server
        .service("POST", "/api/v1/users/1/tokens", None)
        .await
        .is(201);
    assert_ne!(second["token"], made["token"]);
    assert!(second.get("expires_at").is_none(), "no ttl, no end");
    assert_eq!(
        server
            .service("DELETE", "/api/v1/users/1/tokens", None)
            .await
            .is(200)["revoked"],
        2
    );
    assert!(!works(NOW).await, "revoked");
    server
        .service("POST", "/api/v1/users/999/tokens", None)
        .await
        .refused(404, "USER_NOT_FOUND");
    for ttl in [json!(0), json!(-1), json!(315_360_001), json!("1h")] {
        let body = json!({ "ttl": ttl });
        server
            .service("POST", "/api/v1/users/1/tokens", Some(body))
            .await
            .refused(422, "INVALID_DATA");
    }
    server
        .service(
            "POST",
            "/api/v1/users/1/tokens",
            Some(json!({ "ttl": 315_360_000 })),
        )
        .await
        .is(201);
}

#[tokio::test]
async fn blocks_are_made_listed_ended() {
    let server = Server::start().await;
    server.users(1..=3).await;
    server
        .user(1, "POST", "/api/v1/users/1/blocks/3", Some(json!({})))
        .await
        .is(204);
    server
        .service("POST", "/api/v1/users/1/blocks/2", None)
        .await
        .is(204);
    server
        .service("POST", "/api/v1/users/1/blocks/2", None)
        .await
        .is(204);
    let listed = server
        .user(1, "GET", "/api/v1/users/1/blocks", None)
        .await
        .is(200);
    assert_eq!(listed, json!({ "blocks": [2, 3], "next_cursor": null }));
    server
        .user(1, "DELETE", "/api/v1/users/1/blocks/3", None)
        .await
        .is(204);
    assert_eq!(
        server
            .service("GET", "/api/v1/users/1/blocks", None)
            .await
            .is(200)["blocks"],
        json!([2])
    );
    let problem = server
        .service("POST", "/api/v1/users/1/blocks/1", None)
        .await
        .refused(422, "INVALID_DATA");
    assert_eq!(problem["field"], "other");
    server
        .service("POST", "/api/v1/users/1/blocks/999", None)
        .await
        .refused(404, "USER_NOT_FOUND");
}

#[tokio::test]
async fn what_operators_do_is_in_the_audit() {
    let server = Server::start().await;
    server.users([1]).await;
    server
        .service(
            "POST",
            "/api/v1/users/1/ban",
            Some(json!({ "reason": "for the audit" })),
        )
        .await
        .is(204);
    server
        .service("DELETE", "/api/v1/users/1/ban", None)
        .await
        .is(204);
    let audit = server.service("GET", "/api/v1/audit", None).await.is(200);
    let entries = audit["entries"].as_array().unwrap();
    let actions: Vec<_> = entries.iter().map(|it| it["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        ["user.unban", "user.ban", "user.create"],
        "the newest first"
    );
    assert_eq!(entries[1]["detail"], "for the audit");
    assert_eq!(
        (&entries[1]["actor"], &entries[1]["object"]),
        (&json!("back-end"), &json!("user:1"))
    );
    server
        .service("POST", "/api/v1/users/999/ban", None)
        .await
        .refused(404, "USER_NOT_FOUND");
    let long = json!({ "reason": "x".repeat(1_025) });
    server
        .service("POST", "/api/v1/users/1/ban", Some(long))
        .await
        .refused(422, "INVALID_DATA");
}
