//! Lists page by page: nothing twice, nothing left out, also when entries come and go between pages.

use serde_json::{Value, json};

use crate::server::Server;

/// All pages of a list, and how long each was.
async fn pages(server: &Server, path: &str, entries: &str, key: &str) -> (Vec<Value>, Vec<usize>) {
    let (mut all, mut lengths) = (Vec::new(), Vec::new());
    let mut next = path.to_owned();
    loop {
        let page = server.service("GET", &next, None).await.is(200);
        let shown = page[entries].as_array().unwrap();
        lengths.push(shown.len());
        all.extend(shown.iter().map(|entry| entry[key].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else {
            return (all, lengths);
        };
        next = format!("{path}&cursor={cursor}");
    }
}

#[tokio::test]
async fn pages_hold_everything_once() {
    let server = Server::start().await;
    server.users(1..=5).await;
    let room = server
        .room(json!({ "room_id": 10, "members": [1, 2, 3, 4, 5] }))
        .await;
    server.room(json!({ "room_id": 11 })).await;
    server.room(json!({ "room_id": 12 })).await;
    let numbers: Vec<Value> = (1..=5).map(Value::from).collect();
    for (limit, lengths) in [
        (1, vec![1; 5]),
        (2, vec![2, 2, 1]),
        (4, vec![4, 1]),
        (5, vec![5]),
        (6, vec![5]),
    ] {
        let list = pages(
            &server,
            &format!("/api/v1/users?limit={limit}"),
            "users",
            "user_id",
        )
        .await;
        assert_eq!(list, (numbers.clone(), lengths.clone()), "users by {limit}");
        let list = pages(
            &server,
            &format!("/api/v1/rooms/{room}/members?limit={limit}"),
            "members",
            "user_id",
        )
        .await;
        assert_eq!(list, (numbers.clone(), lengths), "members by {limit}");
    }
    let (rooms, lengths) = pages(&server, "/api/v1/rooms?limit=2", "rooms", "room_id").await;
    assert_eq!(
        (rooms, lengths),
        (vec![json!(10), json!(11), json!(12)], vec![2, 1])
    );
    let (entries, _) = pages(&server, "/api/v1/audit?limit=3", "entries", "id").await;
    let ids: Vec<i64> = entries.iter().map(|id| id.as_i64().unwrap()).collect();
    assert_eq!(ids.len(), 8, "five users and three rooms were made");
    assert!(ids.windows(2).all(|two| two[0] > two[1]), "descending: {ids:?}");
}

#[tokio::test]
async fn a_page_is_not_moved_by_what_comes_before_it() {
    let server = Server::start().await;
    server.users([10, 20, 30]).await;
    let first = server.service("GET", "/api/v1/users?limit=2", None).await.is(200);
    server.users([5, 15, 25]).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = server
        .service("GET", &format!("/api/v1/users?limit=2&cursor={cursor}"), None)
        .await
        .is(200);
    let shown: Vec<_> = second["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["user_id"].clone())
        .collect();
    assert_eq!(shown, [json!(25), json!(30)]);
}

#[tokio::test]
async fn live_sessions_have_pages_too() {
    let server = Server::start().await;
    let mut opened = Vec::new();
    for user in 1..=3 {
        opened.push(crate::sessions::sign_in(&server, &format!("{user}/user")).await);
    }
    let (listed, lengths) = pages(&server, "/api/v1/sessions?limit=2", "sessions", "session_id").await;
    let mut expected: Vec<_> = opened.iter().map(|session| session.id).collect();
    expected.sort_unstable();
    assert_eq!(
        listed,
        expected
            .iter()
            .map(|id| json!(id.to_string()))
            .collect::<Vec<_>>()
    );
    assert_eq!(lengths, [2, 1]);
}

#[tokio::test]
async fn what_is_no_cursor_is_refused() {
    let server = Server::start().await;
    for cursor in [
        "x",
        "%20",
        "MS4",
        "MS5ub19udW1iZXI",
        "AAAA",
        "Mi43",
        &"A".repeat(4_000),
    ] {
        for list in ["users", "rooms", "sessions", "audit", "video-rooms"] {
            let answer = server
                .service("GET", &format!("/api/v1/{list}?cursor={cursor}"), None)
                .await;
            let problem = answer.refused(422, "INVALID_DATA");
            assert_eq!(problem["field"], "cursor", "{list} {cursor}");
        }
    }
    for limit in ["0", "201", "-1", "many", "", "1.5", "99999999999999999999"] {
        let answer = server
            .service("GET", &format!("/api/v1/users?limit={limit}"), None)
            .await;
        assert_eq!(answer.refused(422, "INVALID_DATA")["field"], "limit", "{limit}");
    }
    for limit in ["1", "200"] {
        server
            .service("GET", &format!("/api/v1/users?limit={limit}"), None)
            .await
            .is(200);
    }
}
