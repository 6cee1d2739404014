//! Requests: every field of every action with every wrong type, and the envelope with all that can be wrong in it.

mod common;

use bongsu_model::media::Signal;
use bongsu_model::refusal::Malformed;
use bongsu_model::{Code, Limits, Refusal, Request, Tag, UserId, Want, Why};
use bongsu_wire::action::{ACTIONS, ActionCodec, Incoming};
use common::{asked, decode, one, refused};
use serde_json::{Value, json};

const TEXT: &[&str] = &["1", "1.5", "true", "{}", "[]", r#""\ud800""#, r#""\udc00\ud800""#];
const INTEGER: &[&str] =
    &["1.0", "1e2", "\"1\"", "true", "{}", "[]", "9223372036854775808", "-9223372036854775809", "1E0"];
const BOOL: &[&str] = &["0", "1", "\"true\"", "{}", "[]"];
const OBJECT: &[&str] = &["0", "\"{}\"", "true", "[]"];
const ARRAY: &[&str] = &["0", "\"[]\"", "true", "{}"];

/// A field: its name as in error texts, whether it must be there, and what it must not be.
type Row = (&'static str, bool, &'static [&'static str]);

/// Every action, `data` that is right, and its fields.
fn table() -> Vec<(&'static str, Value, Vec<Row>)> {
    let room: Row = ("chatroom_id", true, INTEGER);
    let call: Row = ("video_room_id", true, INTEGER);
    let target: Row = ("target_user_id", true, INTEGER);
    let user: Row = ("user_id", true, INTEGER);
    let id = json!({ "chatroom_id": 1 });
    let media = json!({ "video_room_id": 2, "media_status": { "audio_enabled": true, "video_enabled": false } });
    let media_fields: Vec<Row> = vec![
        call,
        ("media_status", true, OBJECT),
        ("media_status.audio_enabled", true, BOOL),
        ("media_status.video_enabled", true, BOOL),
        ("media_status.screen_sharing", false, BOOL),
    ];
    let sdp = json!({ "video_room_id": 2, "target_user_id": 3, "sdp": { "type": "offer", "sdp": "v=0" } });
    let sdp_fields =
        vec![call, target, ("sdp", true, OBJECT), ("sdp.type", true, TEXT), ("sdp.sdp", true, TEXT)];
    vec![
        (
            "CONNECT",
            json!({ "jwt_token": "t", "resume": [{ "chatroom_id": 1, "seq": 2, "epoch": "00000000000000ff" }] }),
            vec![
                ("jwt_token", true, TEXT),
                ("locale", false, TEXT),
                ("accept_compression", false, BOOL),
                ("resume", false, ARRAY),
                ("resume[].chatroom_id", true, INTEGER),
                ("resume[].seq", true, INTEGER),
                ("resume[].epoch", true, TEXT),
            ],
        ),
        ("REFRESH_TOKEN", json!({ "jwt_token": "t" }), vec![("jwt_token", true, TEXT)]),
        ("PING", json!({}), vec![]),
        ("JOIN_ROOM", id.clone(), vec![room, ("after_seq", false, INTEGER)]),
        ("LEAVE_ROOM", id.clone(), vec![room]),
        (
            "SEND_MESSAGE",
            json!({ "chatroom_id": 1, "content": "x", "message_type": "text" }),
            vec![
                room,
                ("content", true, TEXT),
                ("message_type", true, TEXT),
                ("client_message_id", false, TEXT),
                ("reply_to", false, TEXT),
                ("metadata", false, OBJECT),
            ],
        ),
        ("TYPING", json!({ "chatroom_id": 1, "is_typing": true }), vec![room, ("is_typing", true, BOOL)]),
        ("MARK_READ", json!({ "chatroom_id": 1, "seq": 1 }), vec![room, ("seq", true, INTEGER)]),
        (
            "GET_MESSAGES",
            id,
            vec![
                room,
                ("after_seq", false, INTEGER),
                ("before_seq", false, INTEGER),
                ("limit", false, INTEGER),
            ],
        ),
        (
            "CREATE_VIDEO_ROOM",
            json!({ "chatroom_id": 1, "video_room_name": "v", "max_participants": 10 }),
            vec![room, ("video_room_name", true, TEXT), ("max_participants", true, INTEGER)],
        ),
        ("JOIN_VIDEO_ROOM", media.clone(), media_fields.clone()),
        ("LEAVE_VIDEO_ROOM", json!({ "video_room_id": 2 }), vec![call]),
        ("END_VIDEO_ROOM", json!({ "video_room_id": 2 }), vec![call]),
        ("SDP_OFFER", sdp.clone(), sdp_fields.clone()),
        ("SDP_ANSWER", sdp, sdp_fields),
        (
            "ICE_CANDIDATE",
            json!({ "video_room_id": 2, "target_user_id": 3, "candidate": { "candidate": "c" } }),
            vec![call, target, ("candidate", true, OBJECT)],
        ),
        ("MEDIA_STATUS_CHANGE", media, media_fields),
        ("BLOCK_USER", json!({ "user_id": 3 }), vec![user]),
        ("UNBLOCK_USER", json!({ "user_id": 3 }), vec![user]),
        ("BATCH_MESSAGES", json!({ "messages": [] }), vec![("messages", true, ARRAY)]),
    ]
}

/// Puts the text of a value where a field of a name is; `None` takes the field away.
fn with(data: &Value, name: &str, raw: Option<&str>) -> String {
    // A marker stands for what `Value` cannot hold.
    const MARK: &str = "\"<here>\"";
    let mut data = data.clone();
    let mut object = &mut data;
    let mut key = name;
    while let Some((outer, inner)) = key.split_once('.') {
        object = match outer.strip_suffix("[]") {
            Some(array) => &mut object[array][0],
            None => &mut object[outer],
        };
        key = inner;
    }
    let object = object.as_object_mut().unwrap();
    match raw {
        Some(raw) => {
            object.insert(key.into(), "<here>".into());
            data.to_string().replace(MARK, raw)
        }
        None => {
            object.remove(key);
            data.to_string()
        }
    }
}

fn envelope(action: &str, data: &str) -> String {
    format!(r#"{{"action":"{action}","data":{data},"seq_id":"s"}}"#)
}

#[test]
fn the_table_is_the_table() {
    let names: Vec<_> = table().into_iter().map(|(action, _, _)| action).collect();
    assert_eq!(names, ACTIONS);
}

#[test]
fn every_action_is_understood() {
    for (action, data, _) in table() {
        if action == "BATCH_MESSAGES" {
            assert!(decode(&envelope(action, &data.to_string())).is_empty());
            continue;
        }
        let asked = asked(&envelope(action, &data.to_string()));
        assert_eq!(asked.tag, Tag { reference: Some("s".into()), verb: Some(action.into()) });
        // Fields that nobody knows are nobody's business, not even twice.
        let more = data.to_string().replacen('{', r#"{"x":[{}],"x":"y","#, 1).replace(",}", "}");
        assert_eq!(
            format!("{:?}", common::asked(&envelope(action, &more)).request),
            format!("{:?}", asked.request)
        );
    }
}

#[test]
fn every_wrong_type_in_every_field_is_named() {
    let mut checked = 0;
    for (action, data, fields) in table() {
        for (field, required, wrong) in fields {
            let shown = field.replace("[]", "");
            let mut wrong = wrong.to_vec();
            if action == "ICE_CANDIDATE" && field == "candidate" {
                // `null` is a value here.
            } else if required {
                wrong.push("null");
            } else {
                let text = with(&data, field, Some("null"));
                asked(&envelope(action, &text));
            }
            for raw in wrong {
                let (tag, refusal) = refused(&envelope(action, &with(&data, field, Some(raw))));
                assert_eq!(tag.reference.as_deref(), Some("s"));
                assert_eq!(refusal.code, Code::InvalidData, "{action} {field} {raw}");
                let Why::Field { name, want } = refusal.why else {
                    panic!("{action} {field} {raw}: {refusal:?}");
                };
                assert_eq!(name, shown, "{action} {raw}");
                assert_eq!(want == Want::Present, raw == "null", "{action} {field} {raw}");
                checked += 1;
            }
            let without = envelope(action, &with(&data, field, None));
            if required {
                let name = shown.as_str();
                let (_, refusal) = refused(&without);
                assert!(
                    matches!(refusal.why, Why::Field { name: n, want: Want::Present } if n == name),
                    "{action} {field}: {refusal:?}"
                );
            } else {
                asked(&without);
            }
            let key = field.rsplit('.').next().unwrap();
            let twice = with(&data, field, Some(&format!("1,\"{key}\":1")));
            let (_, refusal) = refused(&envelope(action, &twice));
            assert!(
                matches!(refusal.why, Why::Field { name, want: Want::Once } if name == shown),
                "{action} {field}: {refusal:?}"
            );
        }
        for raw in ["[]", "\"x\"", "1", "true"] {
            let (_, refusal) = refused(&envelope(action, raw));
            assert_eq!(refusal, Refusal::field("data", Want::Object), "{action} {raw}");
        }
    }
    assert!(checked > 300, "{checked}");
}

#[test]
fn numbers_hold_their_ranges() {
    let refusals = [
        ("JOIN_ROOM", r#"{"chatroom_id":1,"after_seq":-1}"#, "after_seq", Want::Between(0, i64::MAX)),
        ("MARK_READ", r#"{"chatroom_id":1,"seq":-1}"#, "seq", Want::Between(0, i64::MAX)),
        ("GET_MESSAGES", r#"{"chatroom_id":1,"limit":0}"#, "limit", Want::Between(1, 200)),
        ("GET_MESSAGES", r#"{"chatroom_id":1,"limit":201}"#, "limit", Want::Between(1, 200)),
        ("GET_MESSAGES", r#"{"chatroom_id":1,"after_seq":1,"before_seq":9}"#, "before_seq", Want::Alone),
        (
            "CREATE_VIDEO_ROOM",
            r#"{"chatroom_id":1,"video_room_name":"v","max_participants":1}"#,
            "max_participants",
            Want::Between(2, 50),
        ),
        (
            "CREATE_VIDEO_ROOM",
            r#"{"chatroom_id":1,"video_room_name":"v","max_participants":51}"#,
            "max_participants",
            Want::Between(2, 50),
        ),
    ];
    for (action, data, name, want) in refusals {
        assert_eq!(refused(&envelope(action, data)).1, Refusal::field(name, want), "{data}");
    }
    for data in [r#"{"chatroom_id":1,"limit":1}"#, r#"{"chatroom_id":1,"limit":200}"#] {
        asked(&envelope("GET_MESSAGES", data));
    }
    for id in [i64::MIN, -1, 0, i64::MAX] {
        asked(&envelope("LEAVE_ROOM", &format!(r#"{{"chatroom_id":{id}}}"#)));
    }
}

#[test]
fn texts_hold_their_lengths() {
    let limits = Limits::DEFAULT;
    let name = |bytes: usize| {
        let name = "n".repeat(bytes);
        envelope(
            "CREATE_VIDEO_ROOM",
            &format!(r#"{{"chatroom_id":1,"video_room_name":"{name}","max_participants":2}}"#),
        )
    };
    let post = |key: &str, value: &str| {
        envelope(
            "SEND_MESSAGE",
            &format!(r#"{{"chatroom_id":1,"content":"x","message_type":"text","{key}":{value}}}"#),
        )
    };
    let token = |bytes: usize| envelope("REFRESH_TOKEN", &format!(r#"{{"jwt_token":"{}"}}"#, "t".repeat(bytes)));
    let content = |bytes: usize| {
        let content = "x".repeat(bytes);
        envelope(
            "SEND_MESSAGE",
            &format!(r#"{{"chatroom_id":1,"content":"{content}","message_type":"text"}}"#),
        )
    };
    for (text, want) in [
        (name(0), Want::TextOf(1, limits.name_bytes_max)),
        (name(limits.name_bytes_max + 1), Want::TextOf(1, limits.name_bytes_max)),
        (token(0), Want::TextOf(1, limits.token_bytes_max)),
        (token(limits.token_bytes_max + 1), Want::TextOf(1, limits.token_bytes_max)),
        (post("client_message_id", "\"\""), Want::TextOf(1, 64)),
        (post("client_message_id", &format!("\"{}\"", "c".repeat(65))), Want::TextOf(1, 64)),
        (post("reply_to", "\"0123\""), Want::Hex(32)),
        (post("reply_to", &format!("\"{}\"", "A".repeat(32))), Want::Hex(32)),
    ] {
        assert!(matches!(refused(&text).1.why, Why::Field { want: w, .. } if w == want), "{want:?}");
    }
    for text in [
        name(1),
        name(limits.name_bytes_max - 1),
        name(limits.name_bytes_max),
        token(limits.token_bytes_max - 1),
        token(limits.token_bytes_max),
        post("client_message_id", &format!("\"{}\"", "c".repeat(63))),
        post("client_message_id", &format!("\"{}\"", "c".repeat(64))),
        post("reply_to", &format!("\"{}\"", "a".repeat(32))),
        // Three times the limit may still fit it after normalisation.
        content(3 * limits.content_bytes_max),
    ] {
        asked(&text);
    }
    let (_, refusal) = refused(&content(3 * limits.content_bytes_max + 1));
    assert_eq!(refusal, Refusal::too_large("content", limits.content_bytes_max as u64));
    // A length counts what the text means, not how it is spelled.
    let escaped = "\\u0061".repeat(64);
    asked(&post("client_message_id", &format!("\"{escaped}\"")));
}

#[test]
fn unread_json_is_made_fit_for_a_line_and_for_every_reader() {
    let post = |metadata: &str| {
        envelope(
            "SEND_MESSAGE",
            &format!(r#"{{"chatroom_id":1,"content":"x","message_type":"text","metadata":{metadata}}}"#),
        )
    };
    let Request::Post(it) = asked(&post("{ \"a b\" :\r\n\t[ 1 , \"c \\n \\\" d\", {} ]\n}")).request else {
        panic!("a post")
    };
    assert_eq!(it.metadata.unwrap().as_str(), r#"{"a b":[1,"c \n \" d",{}]}"#);

    for bad in [r#""\ud800""#, r#""\udc00""#, r#""\ud800\ud800""#, r#""\ud83dx""#, r#""\ud83d\n""#, "1e999", "-1E+400"] {
        for metadata in [format!(r#"{{"a":{bad}}}"#), format!(r#"{{"a":[0,{bad}]}}"#)] {
            assert_eq!(refused(&post(&metadata)).1, Refusal::field("metadata", Want::Other), "{bad}");
        }
    }
    assert_eq!(refused(&post(r#"{"\ud800":1}"#)).1, Refusal::field("metadata", Want::Other));
    asked(&post(r#"{"a":"\ud83d\udd25\\ud800","b":1e308,"c":0.1,"d":-12345678901234567890}"#));

    let max = Limits::DEFAULT.metadata_bytes_max;
    let metadata = |bytes: usize| format!(r#"{{ "a" : "{}" }}"#, "x".repeat(bytes - 8));
    asked(&post(&metadata(max - 1)));
    asked(&post(&metadata(max)));
    assert_eq!(refused(&post(&metadata(max + 1))).1, Refusal::too_large("metadata", max as u64));

    let offer = envelope(
        "SDP_OFFER",
        "{\"video_room_id\":1,\"target_user_id\":2,\"sdp\":{\n  \"type\": \"offer\",\n  \"sdp\": \"v=0\\r\\n\"\n}}",
    );
    let Request::Signal { signal: Signal::Offer(sdp), .. } = asked(&offer).request else { panic!("an offer") };
    assert_eq!(sdp.as_str(), r#"{"type":"offer","sdp":"v=0\r\n"}"#);
    let end = envelope("ICE_CANDIDATE", r#"{"video_room_id":1,"target_user_id":2,"candidate": null }"#);
    let Request::Signal { signal, .. } = asked(&end).request else { panic!("a signal") };
    assert_eq!(signal.payload().as_str(), "null");
}

#[test]
fn a_signal_holds_its_limit_also_when_it_came_compressed() {
    let limits = Limits { signal_bytes_max: 100, ..Limits::DEFAULT };
    let offer = |bytes: usize| {
        let sdp = "x".repeat(bytes - 25);
        format!(r#"{{"video_room_id":1,"target_user_id":2,"sdp":{{"type":"offer","sdp":"{sdp}"}}}}"#)
    };
    for (bytes, fits) in [(99, true), (100, true), (101, false)] {
        for line in [
            bongsu_wire::action::client::request("SDP_OFFER", &offer(bytes), "s"),
            bongsu_wire::action::client::request_compressed("SDP_OFFER", &offer(bytes), "s"),
        ] {
            match one(&line, &limits) {
                Incoming::Request(_) => assert!(fits, "{bytes}"),
                Incoming::Refused { refusal, .. } => {
                    assert_eq!((fits, refusal), (false, Refusal::too_large("sdp", 100)));
                }
            }
        }
    }
}

#[test]
fn the_tag_is_read_as_far_as_it_can_be() {
    let tag = |reference: Option<&str>, verb: Option<&str>| Tag {
        reference: reference.map(Into::into),
        verb: verb.map(Into::into),
    };
    let long = "X".repeat(63) + "한";
    let x128 = "x".repeat(128);
    let rows: Vec<(String, Tag, Refusal)> = vec![
        (r#"{}"#.into(), tag(None, None), Refusal::field("action", Want::Present)),
        (r#"{"seq_id":"s"}"#.into(), tag(Some("s"), None), Refusal::field("action", Want::Present)),
        (r#"{"action":null,"seq_id":"s"}"#.into(), tag(Some("s"), None), Refusal::field("action", Want::Present)),
        (r#"{"action":1,"seq_id":"s"}"#.into(), tag(Some("s"), None), Refusal::field("action", Want::Text)),
        (r#"{"action":"\ud800","seq_id":"s"}"#.into(), tag(Some("s"), None), Refusal::field("action", Want::Text)),
        (r#"{"action":"FLY","seq_id":"s"}"#.into(), tag(Some("s"), Some("FLY")), Refusal::new(Code::InvalidAction)),
        (r#"{"action":"ping"}"#.into(), tag(None, Some("ping")), Refusal::new(Code::InvalidAction)),
        // An unknown action is unknown whatever its data.
        (r#"{"action":"FLY","data":[]}"#.into(), tag(None, Some("FLY")), Refusal::new(Code::InvalidAction)),
        (format!(r#"{{"action":"{long}"}}"#), tag(None, Some(&long[..63])), Refusal::new(Code::InvalidAction)),
        (r#"{"action":"PING","seq_id":1}"#.into(), tag(None, Some("PING")), Refusal::field("seq_id", Want::Text)),
        (
            format!(r#"{{"action":"PING","seq_id":"{x128}x"}}"#),
            tag(None, Some("PING")),
            Refusal::field("seq_id", Want::TextOf(0, 128)),
        ),
        (
            r#"{"action":"PING","seq_id":"s","user_id":"1"}"#.into(),
            tag(Some("s"), Some("PING")),
            Refusal::field("user_id", Want::Integer),
        ),
        (
            r#"{"action":"PING","seq_id":"s","timestamp":1}"#.into(),
            tag(Some("s"), Some("PING")),
            Refusal::field("timestamp", Want::Text),
        ),
        (
            r#"{"action":"PING","seq_id":"s","compressed":1}"#.into(),
            tag(Some("s"), Some("PING")),
            Refusal::field("compressed", Want::Bool),
        ),
    ];
    for (text, tag, refusal) in rows {
        assert_eq!(refused(&text), (tag, refusal), "{text}");
    }
    for reference in ["".to_owned(), "x".repeat(127), x128, "\\u0000".into(), "한글".into()] {
        asked(&format!(r#"{{"action":"PING","seq_id":"{reference}"}}"#));
    }
}

#[test]
fn the_envelope_is_lenient_where_it_may_be() {
    for text in [
        r#"{"action":"PING"}"#,
        r#"{"action":"PING","data":null,"seq_id":null,"user_id":null,"timestamp":null,"compressed":null}"#,
        r#"{"x":1,"x":2,"action":"PING","timestamp":"not a time"}"#,
        r#"{"\u0061ction":"PI\u004eG"}"#,
        "{\n \"action\" :\t\"PING\" ,\r\n \"data\" : { } }",
    ] {
        let asked = asked(text);
        assert!(matches!(asked.request, Request::Ping), "{text}");
        assert_eq!((asked.tag.reference, asked.claimed_user), (None, None));
    }
    assert_eq!(asked(r#"{"action":"PING","user_id":-7}"#).claimed_user, Some(UserId(-7)));
}

#[test]
fn what_is_no_json_is_refused_with_its_place_and_the_stream_goes_on() {
    let mut codec = ActionCodec::new();
    let mut out = Vec::new();
    let stream = "{\"action\":\"PING\"}\n{\n\"action\":}{'a':1}{\"action\":\"PING\",\"\\u0061ction\":\"PING\"}{\"action\":\"PING\"}";
    codec.handle_bytes(stream.as_bytes(), &Limits::DEFAULT, &mut out).unwrap();
    let whys: Vec<_> = out
        .into_iter()
        .map(|incoming| match incoming {
            Incoming::Request(_) => None,
            Incoming::Refused { tag, refusal } => {
                assert_eq!((tag, refusal.code), (Tag::default(), Code::InvalidData));
                Some(refusal.why)
            }
        })
        .collect();
    let [None, Some(first), Some(second), Some(Why::Malformed { what: Malformed::DuplicateKey, .. }), None] =
        whys.as_slice()
    else {
        panic!("{whys:?}")
    };
    assert_eq!(*first, Why::Malformed { offset: 29, what: Malformed::NotJson });
    assert_eq!(*second, Why::Malformed { offset: 31, what: Malformed::NotJson });
}

#[test]
fn each_key_of_the_envelope_may_stand_once() {
    for (key, one, two) in [
        ("action", "\"PING\"", "\"PING\""),
        ("data", "{}", "{}"),
        ("timestamp", "\"\"", "null"),
        ("seq_id", "null", "\"b\""),
        ("user_id", "1", "1"),
        ("compressed", "false", "false"),
    ] {
        let rest = if key == "action" { "" } else { ",\"action\":\"PING\"" };
        let (tag, refusal) = refused(&format!("{{\"{key}\":{one},\"{key}\":{two}{rest}}}"));
        assert_eq!(tag, Tag::default());
        assert!(matches!(refusal.why, Why::Malformed { what: Malformed::DuplicateKey, .. }), "{key}: {refusal:?}");
    }
}

#[test]
fn compression_is_accepted_as_the_last_connect_says() {
    let mut codec = ActionCodec::new();
    let mut out = Vec::new();
    for (data, accepts) in [
        (r#"{"jwt_token":"t"}"#, false),
        (r#"{"jwt_token":"t","accept_compression":true}"#, true),
        (r#"{"jwt_token":"t"}"#, true),
        (r#"{"jwt_token":1,"accept_compression":false}"#, true),
        (r#"{"jwt_token":"t","accept_compression":false}"#, false),
    ] {
        codec.handle_bytes(envelope("CONNECT", data).as_bytes(), &Limits::DEFAULT, &mut out).unwrap();
        assert_eq!(codec.voice().accepts_compression(), accepts, "{data}");
    }
}
