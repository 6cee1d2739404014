//! Rooms, their members and messages.

use serde_json::{Value, json};

use crate::server::Server;

#[tokio::test]
async fn a_room_is_made_and_read_by_every_name() {
    let server = Server::start().await;
    server.users(1..=2).await;
    let body = json!({
        "room_id": 7, "name": "general", "kind": "broadcast", "visibility": "open", "membership": "session",
        "max_members": 10, "members": [1, { "user_id": 2, "role": "owner" }]
    });
    let room = server
        .service("POST", "/api/v1/rooms", Some(body.clone()))
        .await
        .is(201);
    for field in [
        "room_id",
        "name",
        "kind",
        "visibility",
        "membership",
        "max_members",
    ] {
        assert_eq!(room[field], body[field], "{field}");
    }
    assert_eq!((&room["members_count"], &room["seq"]), (&json!(2), &json!(0)));
    let token = room["token"].as_str().unwrap();
    for reference in ["7", "general", token] {
        assert_eq!(
            server
                .service("GET", &format!("/api/v1/rooms/{reference}"), None)
                .await
                .is(200),
            room
        );
    }
    let seen = server.user(1, "GET", "/api/v1/rooms/general", None).await.is(200);
    assert_eq!(
        (&seen["room_id"], seen.get("token")),
        (&json!(7), None),
        "the token is for operators"
    );
    let members = server
        .user(2, "GET", "/api/v1/rooms/7/members", None)
        .await
        .is(200);
    let roles: Vec<_> = members["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (&it["user_id"], &it["role"]))
        .collect();
    assert_eq!(
        roles,
        [(&json!(1), &json!("member")), (&json!(2), &json!("owner"))]
    );
    server
        .service("GET", "/api/v1/rooms/nowhere", None)
        .await
        .refused(404, "ROOM_NOT_FOUND");
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let server = Server::start().await;
    server.room(json!({ "room_id": 7 })).await;
    server.room(json!({ "name": "general" })).await;
    for (body, status, field) in [
        (json!({ "room_id": 7 }), 409, "room_id"),
        (json!({ "name": "general" }), 409, "name"),
        (json!({ "name": "12345" }), 422, "name"),
        (json!({ "name": "General Room" }), 422, "name"),
        (json!({ "name": "x".repeat(65) }), 422, "name"),
        (json!({ "kind": "nonsense" }), 422, "kind"),
        (json!({ "visibility": true }), 422, "visibility"),
        (json!({ "membership": "" }), 422, "membership"),
        (json!({ "max_members": 0 }), 422, "max_members"),
        (json!({ "max_members": 100_001 }), 422, "max_members"),
        (json!({ "max_members": "many" }), 422, "max_members"),
        (json!({ "members": 1 }), 422, "members"),
        (json!({ "members": ["1"] }), 422, "members"),
        (json!({ "members": [{}] }), 422, "members.user_id"),
        (
            json!({ "members": [{ "user_id": 1, "role": "king" }] }),
            422,
            "members.role",
        ),
    ] {
        let answer = server.service("POST", "/api/v1/rooms", Some(body.clone())).await;
        let problem = answer.refused(status, "INVALID_DATA");
        assert_eq!(problem["field"], field, "{body}");
    }
    let body = json!({ "members": [987_654_321] });
    server
        .service("POST", "/api/v1/rooms", Some(body))
        .await
        .refused(404, "USER_NOT_FOUND");
}

#[tokio::test]
async fn members_come_and_go() {
    let server = Server::start().await;
    server.users(1..=3).await;
    let room = server
        .room(json!({ "max_members": 2, "members": [{ "user_id": 1, "role": "owner" }] }))
        .await;
    let member = |user: i64| format!("/api/v1/rooms/{room}/members/{user}");
    server.user(1, "PUT", &member(2), None).await.is(204);
    server.service("PUT", &member(2), None).await.is(204);
    server
        .service("PUT", &member(3), None)
        .await
        .refused(409, "ROOM_FULL");
    server
        .user(2, "DELETE", &member(1), None)
        .await
        .refused(403, "PERMISSION_DENIED");
    server
        .user(3, "DELETE", &member(1), None)
        .await
        .refused(404, "ROOM_NOT_FOUND");
    server.user(1, "DELETE", &member(2), None).await.is(204);
    server
        .service("DELETE", &member(2), None)
        .await
        .refused(404, "USER_NOT_FOUND");
    server
        .service("PUT", &member(999), None)
        .await
        .refused(404, "USER_NOT_FOUND");
    server
        .service("PUT", "/api/v1/rooms/nowhere/members/1", None)
        .await
        .refused(404, "ROOM_NOT_FOUND");
    assert_eq!(
        server
            .service("GET", &format!("/api/v1/rooms/{room}"), None)
            .await
            .is(200)["members_count"],
        1
    );
}

#[tokio::test]
async fn messages_are_posted_and_read() {
    let server = Server::start().await;
    server.users(1..=2).await;
    let room = server.room(json!({ "members": [1, 2] })).await;
    let path = format!("/api/v1/rooms/{room}/messages");
    let first = server
        .user(1, "POST", &path, Some(json!({ "content": "안녕" })))
        .await
        .is(201);
    assert_eq!((&first["seq"], &first["room_id"]), (&json!(1), &json!(room)));
    let body = json!({
        "content": "second", "sender_id": 2, "message_type": "custom", "metadata": { "a": [1, { "b": 1.50 }] },
        "reply_to": first["message_id"], "client_message_id": "c-1"
    });
    let second = server.service("POST", &path, Some(body.clone())).await.is(201);
    assert_eq!((&second["seq"], second.get("repeat")), (&json!(2), None));
    let again = server.service("POST", &path, Some(body.clone())).await.is(201);
    assert_eq!(
        (&again["message_id"], &again["seq"], &again["repeat"]),
        (&second["message_id"], &json!(2), &json!(true))
    );

    let page = server.user(2, "GET", &path, None).await.is(200);
    assert_eq!(
        (&page["seq"], &page["has_more"], &page["room_id"]),
        (&json!(2), &json!(false), &json!(room))
    );
    assert_eq!(page["epoch"].as_str().unwrap().len(), 16);
    let shown = &page["messages"][1];
    assert_eq!(shown["sender"]["user_id"], 2);
    for field in ["content", "message_type", "metadata", "reply_to"] {
        assert_eq!(shown[field], body[field], "{field}");
    }
    assert_eq!(
        (&shown["message_id"], &shown["created_at"]),
        (&second["message_id"], &second["created_at"])
    );
}

#[tokio::test]
async fn history_has_pages_both_ways() {
    let server = Server::start().await;
    server.users([1]).await;
    let room = server.room(json!({ "members": [1] })).await;
    let path = format!("/api/v1/rooms/{room}/messages");
    for number in 1..=5 {
        let body = json!({ "content": format!("message {number}"), "sender_id": 1 });
        server.service("POST", &path, Some(body)).await.is(201);
    }
    for (query, seqs, has_more) in [
        ("", vec![1, 2, 3, 4, 5], false),
        ("?limit=2", vec![4, 5], true),
        ("?after_seq=0&limit=2", vec![1, 2], true),
        ("?after_seq=3", vec![4, 5], false),
        ("?before_seq=3", vec![1, 2], false),
        ("?before_seq=5&limit=2", vec![3, 4], true),
        ("?after_seq=5", vec![], false),
    ] {
        let page = server
            .user(1, "GET", &format!("{path}{query}"), None)
            .await
            .is(200);
        let got: Vec<i64> = page["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["seq"].as_i64().unwrap())
            .collect();
        assert_eq!(
            (got, page["has_more"].as_bool()),
            (seqs, Some(has_more)),
            "{query}"
        );
    }
    for (query, field) in [
        ("?limit=0", "limit"),
        ("?limit=201", "limit"),
        ("?limit=x", "limit"),
        ("?limit=1&limit=2", "limit"),
        ("?after_seq=-1", "after_seq"),
        ("?after_seq=1&before_seq=2", "before_seq"),
    ] {
        let problem = server
            .user(1, "GET", &format!("{path}{query}"), None)
            .await
            .refused(422, "INVALID_DATA");
        assert_eq!(problem["field"], field, "{query}");
    }
    server
        .user(1, "GET", &format!("{path}?limit=200&other=1"), None)
        .await
        .is(200);
}

#[tokio::test]
async fn posts_are_refused_as_those_of_sessions_are() {
    let server = Server::start().await;
    server.users(1..=3).await;
    let room = server.room(json!({ "members": [1, 2] })).await;
    let path = format!("/api/v1/rooms/{room}/messages");
    let post = async |user: i64, body: Value| server.user(user, "POST", &path, Some(body)).await;
    post(3, json!({ "content": "x" }))
        .await
        .refused(404, "ROOM_NOT_FOUND");
    post(1, json!({ "content": "x", "sender_id": 2 }))
        .await
        .refused(403, "PERMISSION_DENIED");
    post(1, json!({ "content": "x".repeat(4_096) })).await.is(201);
    post(1, json!({ "content": "x".repeat(4_097) }))
        .await
        .refused(413, "MESSAGE_TOO_LARGE");
    post(
        1,
        json!({ "content": "x", "metadata": { "k": "v".repeat(4_096) } }),
    )
    .await
    .refused(413, "MESSAGE_TOO_LARGE");
    for (body, field) in [
        (json!({}), "content"),
        (json!({ "content": 7 }), "content"),
        (json!({ "content": "x", "message_type": "smell" }), "message_type"),
        (
            json!({ "content": "x", "client_message_id": "" }),
            "client_message_id",
        ),
        (
            json!({ "content": "x", "client_message_id": "x".repeat(65) }),
            "client_message_id",
        ),
        (json!({ "content": "x", "reply_to": "1" }), "reply_to"),
        (json!({ "content": "x", "reply_to": "0".repeat(32) }), "reply_to"),
        (json!({ "content": "x", "metadata": [1] }), "metadata"),
    ] {
        let problem = post(1, body.clone()).await.refused(422, "INVALID_DATA");
        assert_eq!(problem["field"], field, "{body}");
    }
    let refused = post(1, json!({ "content": "refuse me" }))
        .await
        .refused(422, "MESSAGE_REJECTED");
    assert_eq!(refused["reason"], "review", "the reviewer has the last word");
    let nobody = server
        .service("POST", &path, Some(json!({ "content": "x" })))
        .await
        .refused(422, "INVALID_DATA");
    assert_eq!(
        nobody["field"], "sender_id",
        "a back end that is no user must say for whom"
    );
    let burst = i64::from(bongsu_model::Limits::DEFAULT.posts_burst);
    let mut last = post(2, json!({ "content": "message 0" })).await;
    for number in 1..=burst {
        last = post(2, json!({ "content": format!("message {number}") })).await;
    }
    let problem = last.refused(429, "RATE_LIMITED");
    let wait_ms = problem["retry_after_ms"].as_u64().unwrap();
    assert_eq!(
        last.header("retry-after"),
        Some(wait_ms.div_ceil(1_000).to_string().as_str())
    );
}

#[tokio::test]
async fn a_reader_is_spared_whom_it_has_blocked() {
    let server = Server::start().await;
    server.users(1..=2).await;
    let room = server.room(json!({ "room_id": 7, "members": [1, 2] })).await;
    let path = format!("/api/v1/rooms/{room}/messages");
    for user in [1, 2] {
        let body = json!({ "content": format!("from {user}") });
        server.user(user, "POST", &path, Some(body)).await.is(201);
    }
    server
        .user(1, "POST", "/api/v1/users/1/blocks/2", None)
        .await
        .is(204);
    let path = format!("{path}?after_seq=0");
    let senders = |page: Value| -> Vec<i64> {
        let messages = page["messages"].as_array().unwrap().iter();
        messages
            .map(|message| message["sender"]["user_id"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(senders(server.user(1, "GET", &path, None).await.is(200)), [1]);
    assert_eq!(
        senders(server.user(2, "GET", &path, None).await.is(200)),
        [1, 2],
        "a block has one side"
    );
    assert_eq!(
        senders(server.service("GET", &path, None).await.is(200)),
        [1, 2],
        "a back end sees all"
    );
}
