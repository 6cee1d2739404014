//! Who may call what: every route of the API, called by nobody, a user, another user, a device, a service, a key and an
//! admin.

use serde_json::{Value, json};

use crate::client::request;
use crate::server::{KEY, Server};

/// Whose business a call is.
#[derive(Clone, Copy, PartialEq, Debug)]
enum For {
    /// Operators alone.
    Operators,
    /// Operators, and the user that it concerns (user 1 here).
    Oneself,
    /// As `Oneself`; others are told that there is no such room.
    Members,
    /// Every user: it lists one's own.
    Users,
    /// Operators, and who asked for the command; others are told that there is none.
    Askers,
}

/// All routes that can be called without harm to the calls after them, and what an operator is answered.
type Route = (&'static str, String, Option<Value>, For, u16);

fn routes(room: i64) -> Vec<Route> {
    [of_users(), of_the_rest(room), of_devices(), of_displays()].concat()
}

fn of_users() -> Vec<Route> {
    let user = |rest: &str| format!("/api/v1/users/1{rest}");
    vec![
        (
            "POST",
            "/api/v1/users".into(),
            Some(json!({})),
            For::Operators,
            201,
        ),
        ("GET", "/api/v1/users".into(), None, For::Operators, 200),
        ("GET", user(""), None, For::Oneself, 200),
        (
            "PATCH",
            user(""),
            Some(json!({ "nickname": "x" })),
            For::Oneself,
            200,
        ),
        ("POST", user("/tokens"), None, For::Operators, 201),
        ("DELETE", user("/tokens"), None, For::Operators, 200),
        ("GET", user("/blocks"), None, For::Oneself, 200),
        ("POST", user("/blocks/2"), None, For::Oneself, 204),
        ("DELETE", user("/blocks/2"), None, For::Oneself, 204),
        ("GET", user("/sessions"), None, For::Oneself, 200),
        ("POST", user("/disconnect"), None, For::Operators, 204),
        (
            "POST",
            "/api/v1/users/4/ban".into(),
            Some(json!({ "reason": "x" })),
            For::Operators,
            204,
        ),
        ("DELETE", "/api/v1/users/4/ban".into(), None, For::Operators, 204),
        (
            "POST",
            "/api/v1/tokens/revoke".into(),
            Some(json!({ "jti": "x" })),
            For::Operators,
            204,
        ),
    ]
}

fn of_the_rest(room: i64) -> Vec<Route> {
    let room = |rest: &str| format!("/api/v1/rooms/{room}{rest}");
    vec![
        (
            "POST",
            "/api/v1/rooms".into(),
            Some(json!({})),
            For::Operators,
            201,
        ),
        ("GET", "/api/v1/rooms".into(), None, For::Users, 200),
        ("GET", room(""), None, For::Members, 200),
        ("GET", room("/members"), None, For::Members, 200),
        ("PUT", room("/members/3"), None, For::Members, 204),
        ("DELETE", room("/members/3"), None, For::Members, 204),
        ("GET", room("/messages"), None, For::Members, 200),
        ("GET", room("/presence"), None, For::Members, 200),
        (
            "POST",
            "/api/v1/announcements".into(),
            Some(json!({ "title": "x", "message": "y" })),
            For::Operators,
            202,
        ),
        ("GET", "/api/v1/video-rooms".into(), None, For::Operators, 200),
        ("GET", "/api/v1/video-rooms/7".into(), None, For::Operators, 404),
        (
            "DELETE",
            "/api/v1/video-rooms/7".into(),
            None,
            For::Operators,
            404,
        ),
        ("GET", "/api/v1/sessions".into(), None, For::Users, 200),
        ("GET", "/api/v1/audit".into(), None, For::Operators, 200),
    ]
}

fn of_devices() -> Vec<Route> {
    let car = |rest: &str| format!("/api/v1/devices/car-9{rest}");
    let command = |rest: &str| format!("/api/v1/commands/{}{rest}", "0".repeat(32));
    let window = json!({ "name": "window.set", "args": { "position": "open" } });
    let desired = json!({ "desired": { "window": "open" } });
    let all = |method, path, body, status| (method, path, body, For::Operators, status);
    vec![
        all("GET", "/api/v1/devices".into(), None, 200),
        all("GET", car(""), None, 200),
        all("DELETE", "/api/v1/devices/no-such".into(), None, 404),
        all("POST", car("/enrolments"), None, 201),
        all("DELETE", car("/enrolments"), None, 204),
        all("POST", car("/disconnect"), None, 204),
        all("GET", car("/state"), None, 200),
        all("PUT", car("/state"), Some(desired.clone()), 200),
        all("PATCH", car("/state"), Some(desired), 200),
        all("GET", car("/telemetry"), None, 200),
        all("GET", car("/lease"), None, 204),
        all("DELETE", car("/lease"), None, 404),
        all("GET", car("/commands"), None, 200),
        all("POST", car("/commands"), Some(window), 404),
        all("POST", "/api/v1/vehicle/car-9/window/open".into(), None, 404),
        all("POST", "/api/v1/vehicles/car-9/window/open".into(), None, 404),
        ("GET", command(""), None, For::Askers, 404),
        ("GET", command("/watch"), None, For::Askers, 404),
        ("DELETE", command(""), None, For::Askers, 404),
        all("GET", "/api/v1/catalogue".into(), None, 200),
    ]
}

fn of_displays() -> Vec<Route> {
    let display = |rest: &str| format!("/api/v1/displays/Display_09{rest}");
    let all = |method, path: &str, body, status| (method, path.to_owned(), body, For::Operators, status);
    let preset = json!({ "name": "other", "displays": {} });
    let renames = json!({ "renames": [{ "from": "nobody", "to": "somebody" }] });
    vec![
        all("GET", "/api/v1/presets", None, 200),
        all(
            "POST",
            "/api/v1/presets",
            Some(json!({ "name": "opening", "displays": {} })),
            409,
        ),
        all("GET", "/api/v1/presets/opening", None, 200),
        all("PUT", "/api/v1/presets/no-such", Some(preset), 404),
        all("DELETE", "/api/v1/presets/no-such", None, 404),
        all("POST", "/api/v1/presets/opening/execute", None, 200),
        all("POST", "/api/v1/presets/opening/stop", None, 200),
        all("GET", "/api/v1/displays", None, 200),
        all(
            "POST",
            "/api/v1/displays",
            Some(json!({ "displays": ["Display_09"] })),
            201,
        ),
        all("POST", "/api/v1/displays/rename", Some(renames), 404),
        all("GET", &display(""), None, 200),
        all("POST", &display("/execute"), Some(json!({ "command": "x" })), 404),
        all("POST", &display("/stop"), Some(json!({ "preset_id": 7 })), 404),
    ]
}

/// Makes what the routes speak of; the room.
async fn furnish(server: &Server) -> i64 {
    server.users(1..=4).await;
    let car = json!({ "device_id": "car-9" });
    server.service("POST", "/api/v1/devices", Some(car)).await.is(201);
    let preset = json!({ "name": "opening", "displays": { "Display_09": "x" } });
    server
        .service("POST", "/api/v1/presets", Some(preset))
        .await
        .is(201);
    let members = json!({ "members": [{ "user_id": 1, "role": "owner" }] });
    server.room(members).await
}

#[tokio::test]
async fn each_role_may_call_what_is_its_own() {
    let server = Server::start().await;
    let room = furnish(&server).await;
    for (method, path, body, whose, status) in routes(room) {
        // Whom a call before took out must be in again, for there to be something to do.
        let put_back = method == "DELETE" && path.contains("/members/");
        let call = async |token: &str| {
            if put_back {
                server.service("PUT", &path, None).await.is(204);
            }
            server.call(token, method, &path, body.clone()).await
        };
        let what = format!("{method} {path}");
        for token in ["ops/admin", "back-end/service"] {
            assert_eq!(call(token).await.status, status, "{token}: {what}");
        }
        if put_back {
            server.service("PUT", &path, None).await.is(204);
        }
        let by_key = request(
            method,
            &path,
            &[("x-api-key", KEY), ("content-type", "application/json")],
            body.as_ref()
                .map(|body| body.to_string())
                .as_deref()
                .map(str::as_bytes),
        );
        assert_eq!(server.raw(by_key).await.unwrap().status, status, "key: {what}");

        let own = call("1/user").await;
        let other = call("2/user").await;
        match whose {
            For::Operators => {
                own.refused(403, "PERMISSION_DENIED");
                other.refused(403, "PERMISSION_DENIED");
            }
            For::Oneself => {
                assert_eq!(own.status, status, "{what}: {}", own.text());
                other.refused(403, "PERMISSION_DENIED");
            }
            For::Members => {
                assert_eq!(own.status, status, "{what}: {}", own.text());
                other.refused(404, "ROOM_NOT_FOUND");
            }
            For::Askers => {
                own.refused(404, "COMMAND_NOT_FOUND");
                other.refused(404, "COMMAND_NOT_FOUND");
            }
            For::Users => {
                assert_eq!((own.status, other.status), (status, status), "{what}");
            }
        }
        let device = call("car-1/device").await;
        assert!(
            matches!(device.status, 401 | 403),
            "device: {what}: {}",
            device.text()
        );
        let nobody = request(method, &path, &[("content-type", "application/json")], Some(b"{"));
        server.raw(nobody).await.unwrap().refused(401, "INVALID_TOKEN");
    }
}

#[tokio::test]
async fn lists_of_users_hold_their_own_alone() {
    let server = Server::start().await;
    server.users(1..=2).await;
    let of_one = server.room(json!({ "members": [1] })).await;
    let of_both = server.room(json!({ "members": [1, 2] })).await;
    let rooms = |list: Value| -> Vec<i64> {
        list["rooms"]
            .as_array()
            .unwrap()
            .iter()
            .map(|room| room["room_id"].as_i64().unwrap())
            .collect()
    };
    let path = "/api/v1/rooms";
    assert_eq!(rooms(server.user(2, "GET", path, None).await.is(200)), [of_both]);
    assert_eq!(
        rooms(server.user(1, "GET", path, None).await.is(200)),
        [of_one, of_both]
    );
    assert_eq!(
        rooms(
            server
                .service("GET", "/api/v1/rooms?user_id=2", None)
                .await
                .is(200)
        ),
        [of_both]
    );
    assert_eq!(
        rooms(server.service("GET", path, None).await.is(200)),
        [of_one, of_both]
    );
    server
        .user(2, "GET", "/api/v1/rooms?user_id=1", None)
        .await
        .refused(403, "PERMISSION_DENIED");
    server
        .user(2, "GET", "/api/v1/sessions?user_id=1", None)
        .await
        .refused(403, "PERMISSION_DENIED");
}
