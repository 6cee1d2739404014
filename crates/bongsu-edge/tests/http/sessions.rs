//! Live sessions seen from the API: lists, ends, bans, presence, video rooms, announcements.

use std::net::IpAddr;
use std::sync::Arc;

use bongsu_model::{
    Asked, Connect, Encode, Fatal, Locale, Notice, Recover, Refusal, Reply, Request, RoomId, RoomRef, Tag,
};
use bongsu_node::{Arrival, Dialect, Line, Mailbox, Session, Setting, Wrote};
use bongsu_wire::action::ActionEvents;

static EVENTS: ActionEvents = ActionEvents::plain();

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;
use serde_json::json;

use crate::server::Server;

/// Takes all that is written.
#[derive(Default)]
struct Sink(Mutex<String>);

impl Line for Sink {
    fn try_write(&self, bytes: &[u8]) -> Wrote {
        self.0.lock().push_str(&String::from_utf8_lossy(bytes));
        Wrote::Bytes(bytes.len())
    }
    fn writable(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
    fn finish(&self) {}
    fn abort(&self) {}
}

struct TestDialect;

impl Dialect for TestDialect {
    fn protocol(&self) -> &'static str {
        "test"
    }
    fn events(&self) -> &dyn Encode {
        &EVENTS
    }
    fn reply(&self, _: &Tag, _: &Reply, _: Setting<'_>) -> Option<Bytes> {
        None
    }
    fn refusal(&self, _: &Tag, refusal: &Refusal, _: Setting<'_>) -> Bytes {
        Bytes::from(format!("{refusal:?}\n"))
    }
    fn notice(&self, notice: &Notice, _: Setting<'_>) -> Bytes {
        Bytes::from(format!("{notice:?}\n"))
    }
    fn broken_off(&self, fatal: &Fatal, _: bool, _: Setting<'_>) -> Bytes {
        Bytes::from(format!("{fatal:?}\n"))
    }
    fn ping(&self, _: Setting<'_>) -> Option<Bytes> {
        None
    }
}

/// Signs a user in.
pub(crate) async fn sign_in(server: &Server, token: &str) -> Arc<Session> {
    sign_in_heard(server, token).await.0
}

async fn sign_in_heard(server: &Server, token: &str) -> (Arc<Session>, Arc<Sink>) {
    let ports = &server.node.ports;
    let sink = Arc::new(Sink::default());
    let line = Arc::clone(&sink) as Arc<dyn Line>;
    let counters = Arc::clone(&server.node.counters);
    let arrival = Arrival {
        mailbox: Mailbox::new(
            line,
            &TestDialect,
            Arc::clone(&ports.limits),
            Arc::clone(&ports.clock),
            counters,
        ),
        address: IpAddr::from([192, 0, 2, 7]),
        locale: Locale::En,
        claimed_user: None,
    };
    let connect = Connect {
        token: token.into(),
        locale: None,
        resume: Vec::new(),
        recovery: Recover::No,
    };
    (
        server.node.sign_in(arrival, connect, &mut |_| {}).await.unwrap(),
        sink,
    )
}

async fn ask(server: &Server, session: &Arc<Session>, request: Request) {
    let asked = Asked {
        tag: Tag::default(),
        claimed_user: None,
        request,
    };
    server.node.handle(session, asked, &mut |_| {}).await.unwrap();
}

#[tokio::test]
async fn live_sessions_are_listed_and_ended() {
    let server = Server::start().await;
    let (first, second) = (sign_in(&server, "1/user").await, sign_in(&server, "2/user").await);
    let listed = server.service("GET", "/api/v1/sessions", None).await.is(200);
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 2);
    let of_one = server
        .service("GET", "/api/v1/sessions?user_id=1", None)
        .await
        .is(200);
    let shown = &of_one["sessions"][0];
    assert_eq!(shown["session_id"], first.id.to_string());
    assert_eq!(
        (shown["user_id"].as_i64(), shown["protocol"].as_str()),
        (Some(1), Some("test"))
    );
    assert_eq!(
        (shown["role"].as_str(), shown["address"].as_str()),
        (Some("user"), Some("192.0.2.7"))
    );
    assert_eq!(of_one["sessions"].as_array().unwrap().len(), 1);

    let own = server.user(2, "GET", "/api/v1/sessions", None).await.is(200);
    assert_eq!(own["sessions"][0]["session_id"], second.id.to_string());
    assert_eq!(
        own["sessions"].as_array().unwrap().len(),
        1,
        "users see their own"
    );
    assert_eq!(
        server
            .user(2, "GET", "/api/v1/users/2/sessions", None)
            .await
            .is(200),
        own
    );

    let path = format!("/api/v1/sessions/{}", first.id);
    server
        .user(2, "DELETE", &path, None)
        .await
        .refused(403, "PERMISSION_DENIED");
    assert!(!first.is_cut());
    server.user(1, "DELETE", &path, None).await.is(204);
    assert!(first.is_cut() && !second.is_cut());
    server
        .service("DELETE", "/api/v1/sessions/session_1", None)
        .await
        .refused(404, "INVALID_ACTION");
}

#[tokio::test]
async fn a_ban_a_disconnect_and_a_revocation_cut_sessions() {
    let server = Server::start().await;
    let session = sign_in(&server, "1/user").await;
    server
        .service("POST", "/api/v1/users/1/disconnect", None)
        .await
        .is(204);
    assert!(session.is_cut());

    let session = sign_in(&server, "1/user").await;
    server
        .service("POST", "/api/v1/users/1/ban", Some(json!({ "reason": "spam" })))
        .await
        .is(204);
    assert!(session.is_cut());
    let refused = server
        .user(1, "GET", "/api/v1/users/1", None)
        .await
        .refused(401, "INVALID_TOKEN");
    assert_eq!(refused["reason"], "banned");
    let user = server.service("GET", "/api/v1/users/1", None).await.is(200);
    assert_eq!(user["ban"]["reason"], "spam");
    server
        .service("DELETE", "/api/v1/users/1/ban", None)
        .await
        .is(204);
    server.user(1, "GET", "/api/v1/users/1", None).await.is(200);

    let session = sign_in(&server, "1/user/abc").await;
    let other = sign_in(&server, "1/user/other").await;
    server
        .service("POST", "/api/v1/tokens/revoke", Some(json!({ "jti": "abc" })))
        .await
        .is(204);
    assert!(session.is_cut() && !other.is_cut());
    let refused = server
        .call("1/user/abc", "GET", "/api/v1/users/1", None)
        .await
        .refused(401, "INVALID_TOKEN");
    assert_eq!(refused["reason"], "revoked");
    for (wrong, field) in [
        (json!({}), "jti"),
        (json!({ "jti": "" }), "jti"),
        (json!({ "jti": "x", "expires_at": -1 }), "expires_at"),
    ] {
        let problem = server
            .service("POST", "/api/v1/tokens/revoke", Some(wrong))
            .await
            .refused(422, "INVALID_DATA");
        assert_eq!(problem["field"], field);
    }
}

#[tokio::test]
async fn presence_lists_who_is_there_page_by_page() {
    let server = Server::start().await;
    server.users(1..=5).await;
    let room = server.room(json!({ "members": [1, 2, 3, 4, 5] })).await;
    let mut sessions = Vec::new();
    for user in [1, 3, 5] {
        sessions.push(sign_in(&server, &format!("{user}/user")).await);
    }
    let path = format!("/api/v1/rooms/{room}/presence");
    let all = server.user(2, "GET", &path, None).await.is(200);
    assert_eq!(all["participants_count"], 5);
    let listed = |view: &serde_json::Value| -> Vec<i64> {
        let online = view["online_participants"].as_array().unwrap();
        online.iter().map(|it| it["user_id"].as_i64().unwrap()).collect()
    };
    assert_eq!(listed(&all), [1, 3, 5]);
    assert_eq!(all["next_cursor"], serde_json::Value::Null);
    let first = server
        .service("GET", &format!("{path}?limit=2"), None)
        .await
        .is(200);
    assert_eq!(listed(&first), [1, 3]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = server
        .service("GET", &format!("{path}?limit=2&cursor={cursor}"), None)
        .await
        .is(200);
    assert_eq!(listed(&second), [5]);
    assert_eq!(second["next_cursor"], serde_json::Value::Null);
    server
        .user(9, "GET", &path, None)
        .await
        .refused(404, "ROOM_NOT_FOUND");
}

#[tokio::test]
async fn an_announcement_reaches_every_session() {
    let server = Server::start().await;
    let (_first, heard) = sign_in_heard(&server, "1/user").await;
    let _second = sign_in(&server, "2/user").await;
    let text = json!({ "title": "점검", "message": "오전 2시", "type": "maintenance", "priority": "high" });
    let answer = server
        .service("POST", "/api/v1/announcements", Some(text))
        .await
        .is(202);
    assert_eq!(answer["delivered_to"], 2);
    // The bus of one process has given it to the shards; they write when it is their turn.
    while !heard.0.lock().contains("SERVER_ANNOUNCEMENT") {
        tokio::task::yield_now().await;
    }
    assert!(heard.0.lock().contains("점검"));
    for (wrong, field) in [
        (json!({ "message": "x" }), "title"),
        (json!({ "title": "x" }), "message"),
        (json!({ "title": "x", "message": "y", "type": "party" }), "type"),
        (json!({ "title": "x", "message": "y", "priority": 1 }), "priority"),
        (json!({ "title": "x".repeat(256), "message": "y" }), "title"),
    ] {
        let problem = server
            .service("POST", "/api/v1/announcements", Some(wrong))
            .await
            .refused(422, "INVALID_DATA");
        assert_eq!(problem["field"], field);
    }
}

#[tokio::test]
async fn video_rooms_are_listed_read_and_ended() {
    let server = Server::start().await;
    server.users(1..=1).await;
    let room = server.room(json!({ "members": [1] })).await;
    let session = sign_in(&server, "1/user").await;
    let create = Request::CreateCall {
        room: RoomRef::Id(RoomId(room)),
        name: "stand-up".into(),
        max_participants: 5,
    };
    ask(&server, &session, create).await;
    let listed = server.service("GET", "/api/v1/video-rooms", None).await.is(200);
    let shown = &listed["video_rooms"][0];
    assert_eq!(
        (shown["room_id"].as_i64(), shown["host_id"].as_i64()),
        (Some(room), Some(1))
    );
    assert_eq!(
        (shown["name"].as_str(), shown["max_participants"].as_i64()),
        (Some("stand-up"), Some(5))
    );
    let path = format!("/api/v1/video-rooms/{}", shown["video_room_id"]);
    assert_eq!(&server.service("GET", &path, None).await.is(200), shown);
    server.service("DELETE", &path, None).await.is(204);
    server
        .service("GET", &path, None)
        .await
        .refused(404, "VIDEO_ROOM_NOT_FOUND");
    server
        .service("DELETE", &path, None)
        .await
        .refused(404, "VIDEO_ROOM_NOT_FOUND");
    server
        .service("GET", "/api/v1/video-rooms/first", None)
        .await
        .refused(404, "INVALID_ACTION");
}
