//! What clients of the type protocol say: the same requests as those of the action protocol under the same names, and
//! what only this protocol can say.

use bongsu_wire::typed::client::{self, request};

/// The request that means the same as the action protocol's vector of this name.
pub(crate) fn same_as(name: &str) -> Option<String> {
    calls(name).or_else(|| chat(name)).or_else(|| session(name))
}

fn session(name: &str) -> Option<String> {
    Some(match name {
        "request_connect" => client::auth(
            "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9...",
            None,
            &[],
            Some("auth_001"),
        ),
        "request_connect_resume" => request(
            "auth",
            r#"{"token":"abc","locale":"ko-KR","resume":[{"room":1,"seq":41,"epoch":"00000000000000ff"},{"room":"2","seq":0,"epoch":"0123456789abcdef"}]}"#,
            Some("s1"),
        ),
        "request_refresh_token" => request("auth_update", r#"{"token":"abc"}"#, Some("s1")),
        "request_ping" => client::ping(Some("ping_001")),
        "request_ping_untagged" => r#"{"type":"ping"}"#.into(),
        "request_block" => request("user.block", r#"{"user_id":"124"}"#, Some("s1")),
        "request_unblock" => request("user.unblock", r#"{"user_id":124}"#, Some("s1")),
        _ => return None,
    })
}

fn chat(name: &str) -> Option<String> {
    let own = |kind, data| request(kind, data, Some("s1"));
    Some(match name {
        "request_join" => client::join("1", Some("join_001")),
        "request_join_after" => own("room.join", r#"{"room":1,"after_seq":41}"#),
        "request_leave" => client::leave("1", Some("leave_001")),
        "request_history_latest" => own("room.history", r#"{"room":1}"#),
        "request_history_after" => own("room.history", r#"{"room":1,"after_seq":41,"limit":200}"#),
        "request_history_before" => own("room.history", r#"{"room":1,"before_seq":41,"limit":1}"#),
        "request_post" => client::post("1", "안녕하세요!", None, Some("msg_001")),
        "request_post_plain" => client::post("1", "hi\n\"you\"", Some("c-1"), Some("s1")),
        "request_post_full" => own(
            "chat.message",
            r#"{"room":1,"text":"https://example.com/a.png","message_type":"image","client_message_id":"c-2","reply_to":"01900000000070008000000000000001","metadata":{ "width" : 640, "tags": ["a","\ud83d\udd25"] }}"#,
        ),
        "request_typing" => own("chat.typing", r#"{"room":1,"is_typing":true}"#),
        "request_mark_read" => own("chat.read", r#"{"room":1,"seq":41}"#),
        "request_emit" => own("game.move", r#"{"room":1,"x":10,"y":20}"#),
        "request_emit_key" => own("app.cursor.moved", r#"{"room":"1","key":"mouse","at":[1,2]}"#),
        _ => return None,
    })
}

fn calls(name: &str) -> Option<String> {
    let (kind, data, id) = match name {
        "request_create_call" => (
            "call.create",
            r#"{"chatroom_id":1,"video_room_name":"영상회의","max_participants":10}"#,
            "video_001",
        ),
        "request_join_call" => (
            "call.join",
            r#"{"video_room_id":200,"media_status":{"audio_enabled":true,"video_enabled":true}}"#,
            "video_join_001",
        ),
        "request_leave_call" => ("call.leave", r#"{"video_room_id":200}"#, "s1"),
        "request_end_call" => ("call.end", r#"{"video_room_id":200}"#, "s1"),
        "request_signal_offer" => (
            "call.offer",
            r#"{"video_room_id":200,"target_user_id":"124","sdp":{"type":"offer","sdp":"v=0\r\no=- 123456789 2 IN IP4 127.0.0.1\r\n..."}}"#,
            "sdp_001",
        ),
        "request_signal_answer" => (
            "call.answer",
            r#"{"video_room_id":200,"target_user_id":123,"sdp":{"type":"answer","sdp":"v=0\r\no=- 987654321 2 IN IP4 127.0.0.1\r\n..."}}"#,
            "sdp_002",
        ),
        "request_signal_candidate" => (
            "call.candidate",
            r#"{"video_room_id":200,"target_user_id":"124","candidate":{"candidate":"candidate:1 1 UDP 2130706431 192.168.1.100 54400 typ host","sdpMid":"0","sdpMLineIndex":0}}"#,
            "ice_001",
        ),
        "request_signal_candidates_end" => (
            "call.candidate",
            r#"{"video_room_id":200,"target_user_id":"124","candidate":null}"#,
            "s1",
        ),
        "request_set_media" => (
            "call.media",
            r#"{"video_room_id":200,"media_status":{"audio_enabled":false,"video_enabled":true,"screen_sharing":false}}"#,
            "media_001",
        ),
        _ => return None,
    };
    Some(request(kind, data, Some(id)))
}

type Spoken = (&'static str, &'static str, String);

/// What only this protocol can say.
pub(crate) fn alone() -> Vec<Spoken> {
    let own = |kind, data| request(kind, data, Some("s1"));
    vec![
        (
            "request_untagged",
            "The reference document's own message: without `id`, and with a field that nobody asks for.",
            r#"{"type": "chat.message", "data": {"room": "general", "text": "hello", "ts": "2026-05-03T10:30:00Z"}}"#.into(),
        ),
        (
            "request_connect_resume_named",
            "A sign-in that goes on where it was, with rooms by name.",
            client::auth("abc", Some("en"), &[("general", 41, "00000000000000ff")], Some("s1")),
        ),
        (
            "request_refresh_token_beside",
            "A new token beside `data`.",
            r#"{"type":"auth_update","token":"abc","id":"s1"}"#.into(),
        ),
        ("request_pong", "The answer to the server's own question.", client::pong()),
        ("request_join_named", "A room by its name.", client::join("general", Some("s1"))),
        (
            "request_join_secret",
            "A room by its secret address.",
            client::join(&"5a".repeat(24), Some("s1")),
        ),
        ("request_typing_plain", "Someone types, without saying so twice.", own("chat.typing", r#"{"room":"general"}"#)),
        ("request_block_named", "A user by its handle.", own("user.block", r#"{"user_id":"hana"}"#)),
        (
            "request_create_call_named",
            "A call in a room that is named as everywhere.",
            own("call.create", r#"{"room":"general","video_room_name":"Standup","max_participants":2}"#),
        ),
        (
            "request_emit_claimed",
            "What says from whom it comes must come from there.",
            own("game.move", r#"{"room":"general","x":10,"user_id":"hana"}"#),
        ),
    ]
}

/// What is not understood; the connection goes on.
pub(crate) fn wrong() -> Vec<Spoken> {
    let own = |kind, data| request(kind, data, Some("s1"));
    let mut wrong = vec![
        (
            "refused_message_not_json",
            "Balanced, and no JSON.",
            r#"{"type":"ping",}"#.into(),
        ),
        (
            "refused_message_not_an_object",
            "JSON, and no object.",
            r#"["ping"]"#.into(),
        ),
        ("refused_message_empty", "Nothing at all.", String::new()),
        (
            "refused_message_two",
            "One message is one object.",
            r#"{"type":"ping"} {"type":"ping"}"#.into(),
        ),
        (
            "refused_message_too_deep",
            "Nested deeper than the limit.",
            format!(
                r#"{{"type":"ping","data":{{"x":{}{}}}}}"#,
                "[".repeat(31),
                "]".repeat(31)
            ),
        ),
        (
            "refused_message_duplicate_key",
            "A key stands twice.",
            r#"{"type":"ping","id":"s1","type":"ping"}"#.into(),
        ),
        (
            "refused_type_missing",
            "Nothing is asked.",
            r#"{"data":{},"id":"s1"}"#.into(),
        ),
        (
            "refused_type_not_a_string",
            "The type is a number.",
            r#"{"type":1,"id":"s1"}"#.into(),
        ),
        ("refused_type_unknown", "No such type.", own("room.fly", "{}")),
        (
            "refused_type_not_open",
            "A domain that is not open to applications.",
            own("games.move", r#"{"room":"general"}"#),
        ),
        (
            "refused_id_not_a_string",
            "The reference is a number.",
            r#"{"type":"ping","id":1}"#.into(),
        ),
        (
            "refused_data_not_an_object",
            "What belongs into `data` is no object.",
            r#"{"type":"room.join","data":"general","id":"s1"}"#.into(),
        ),
    ];
    wrong.extend(wrong_fields());
    wrong
}

/// What is a request, but for one field.
fn wrong_fields() -> Vec<Spoken> {
    let own = |kind, data| request(kind, data, Some("s1"));
    vec![
        (
            "refused_room_missing",
            "A field is missing.",
            own("room.join", "{}"),
        ),
        (
            "refused_room_type",
            "A field is of the wrong type.",
            own("room.join", r#"{"room":true}"#),
        ),
        (
            "refused_room_twice",
            "A field stands twice.",
            own("room.join", r#"{"room":"a","room":"b"}"#),
        ),
        (
            "refused_rooms_two",
            "A room by two names.",
            own(
                "call.create",
                r#"{"room":"a","chatroom_id":1,"video_room_name":"v","max_participants":2}"#,
            ),
        ),
        (
            "refused_text_half_surrogate",
            "A text that is no Unicode.",
            own("chat.message", r#"{"room":"general","text":"\ud800"}"#),
        ),
        (
            "refused_tokens_two",
            "Two tokens.",
            r#"{"type":"auth_update","token":"abc","data":{"token":"abc"},"id":"s1"}"#.into(),
        ),
    ]
}
