//! Requests: every field of every action with every wrong type, and the envelope with all that can be wrong in it.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod common;

use bongsu_model::media::Signal;
use bongsu_model::refusal::Malformed;
use bongsu_model::{Code, Limits, Refusal, Request, Tag, UserId, UserRef, Want, Why};
use bongsu_wire::action::{ACTIONS, ActionCodec};
use common::{asked, decode, one, refused};
use serde_json::{Value, json};

const TEXT: &[&str] = &["1", "1.5", "true", "{}", "[]", r#""\ud800""#, r#""\udc00\ud800""#];
const INTEGER: &[&str] = &[
    "1.0",
    "1e2",
    "\"1\"",
    "true",
    "{}",
    "[]",
    "9223372036854775808",
    "-9223372036854775809",
    "1E0",
];
const BOOL: &[&str] = &["0", "1", "\"true\"", "{}", "[]"];
const OBJECT: &[&str] = &["0", "\"{}\"", "true", "[]"];
const ARRAY: &[&str] = &["0", "\"[]\"", "true", "{}"];

/// A field: its name as in error texts, whether it must be there, and what it must not be.
type Row = (&'static str, bool, &'static [&'static str]);

const ROOM: Row = ("chatroom_id", true, INTEGER);
const CALL: Row = ("video_room_id", true, INTEGER);
const TARGET: Row = ("target_user_id", true, INTEGER);
const USER: Row = ("user_id", true, INTEGER);
const TOKEN: Row = ("jwt_token", true, TEXT);

const CONNECT: &[Row] = &[
    TOKEN,
    ("locale", false, TEXT),
    ("accept_compression", false, BOOL),
    ("resume", false, ARRAY),
    ("resume[].chatroom_id", true, INTEGER),
    ("resume[].seq", true, INTEGER),
    ("resume[].epoch", true, TEXT),
];
const POST: &[Row] = &[
    ROOM,
    ("content", true, TEXT),
    ("message_type", true, TEXT),
    ("client_message_id", false, TEXT),
    ("reply_to", false, TEXT),
    ("metadata", false, OBJECT),
];
const EVENT: &[Row] = &[
    ROOM,
    ("type", true, TEXT),
    ("key", false, TEXT),
    ("data", true, OBJECT),
];
const HISTORY: &[Row] = &[
    ROOM,
    ("after_seq", false, INTEGER),
    ("before_seq", false, INTEGER),
    ("limit", false, INTEGER),
];
const CREATE: &[Row] = &[
    ROOM,
    ("video_room_name", true, TEXT),
    ("max_participants", true, INTEGER),
];
const MEDIA: &[Row] = &[
    CALL,
    ("media_status", true, OBJECT),
    ("media_status.audio_enabled", true, BOOL),
    ("media_status.video_enabled", true, BOOL),
    ("media_status.screen_sharing", false, BOOL),
];
const SDP: &[Row] = &[
    CALL,
    TARGET,
    ("sdp", true, OBJECT),
    ("sdp.type", true, TEXT),
    ("sdp.sdp", true, TEXT),
];

/// Every action, `data` that is right, and its fields.
fn table() -> Vec<(&'static str, Value, &'static [Row])> {
    let epoch = "00000000000000ff";
    let connect = json!({ "jwt_token": "t", "resume": [{ "chatroom_id": 1, "seq": 2, "epoch": epoch }] });
    let id = json!({ "chatroom_id": 1 });
    let post = json!({ "chatroom_id": 1, "content": "x", "message_type": "text" });
    let event = json!({ "chatroom_id": 1, "type": "game.move", "data": { "x": 10 } });
    let create = json!({ "chatroom_id": 1, "video_room_name": "v", "max_participants": 10 });
    let call = json!({ "video_room_id": 2 });
    let media =
        json!({ "video_room_id": 2, "media_status": { "audio_enabled": true, "video_enabled": false } });
    let sdp = json!({ "video_room_id": 2, "target_user_id": 3, "sdp": { "type": "offer", "sdp": "v=0" } });
    let ice = json!({ "video_room_id": 2, "target_user_id": 3, "candidate": { "candidate": "c" } });
    vec![
        ("CONNECT", connect, CONNECT),
        ("REFRESH_TOKEN", json!({ "jwt_token": "t" }), &[TOKEN]),
        ("PING", json!({}), &[]),
        ("JOIN_ROOM", id.clone(), &[ROOM, ("after_seq", false, INTEGER)]),
        ("LEAVE_ROOM", id.clone(), &[ROOM]),
        ("SEND_MESSAGE", post, POST),
        ("SEND_EVENT", event, EVENT),
        (
            "TYPING",
            json!({ "chatroom_id": 1, "is_typing": true }),
            &[ROOM, ("is_typing", true, BOOL)],
        ),
        (
            "MARK_READ",
            json!({ "chatroom_id": 1, "seq": 1 }),
            &[ROOM, ("seq", true, INTEGER)],
        ),
        ("GET_MESSAGES", id, HISTORY),
        ("CREATE_VIDEO_ROOM", create, CREATE),
        ("JOIN_VIDEO_ROOM", media.clone(), MEDIA),
        ("LEAVE_VIDEO_ROOM", call.clone(), &[CALL]),
        ("END_VIDEO_ROOM", call, &[CALL]),
        ("SDP_OFFER", sdp.clone(), SDP),
        ("SDP_ANSWER", sdp, SDP),
        ("ICE_CANDIDATE", ice, &[CALL, TARGET, ("candidate", true, OBJECT)]),
        ("MEDIA_STATUS_CHANGE", media, MEDIA),
        ("BLOCK_USER", json!({ "user_id": 3 }), &[USER]),
        ("UNBLOCK_USER", json!({ "user_id": 3 }), &[USER]),
        (
            "BATCH_MESSAGES",
            json!({ "messages": [] }),
            &[("messages", true, ARRAY)],
        ),
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
        assert_eq!(
            asked.tag,
            Tag {
                reference: Some("s".into()),
                verb: Some(action.into())
            }
        );
        // Fields that nobody knows are nobody's business, not even twice.
        let more = data
            .to_string()
            .replacen('{', r#"{"x":[{}],"x":"y","#, 1)
            .replace(",}", "}");
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
        for &(field, required, wrong) in fields {
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
        (
            "JOIN_ROOM",
            r#"{"chatroom_id":1,"after_seq":-1}"#,
            "after_seq",
            Want::Between(0, i64::MAX),
        ),
        (
            "MARK_READ",
            r#"{"chatroom_id":1,"seq":-1}"#,
            "seq",
            Want::Between(0, i64::MAX),
        ),
        (
            "GET_MESSAGES",
            r#"{"chatroom_id":1,"limit":0}"#,
            "limit",
            Want::Between(1, 200),
        ),
        (
            "GET_MESSAGES",
            r#"{"chatroom_id":1,"limit":201}"#,
            "limit",
            Want::Between(1, 200),
        ),
        (
            "GET_MESSAGES",
            r#"{"chatroom_id":1,"after_seq":1,"before_seq":9}"#,
            "before_seq",
            Want::Alone,
        ),
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
        assert_eq!(
            refused(&envelope(action, data)).1,
            Refusal::field(name, want),
            "{data}"
        );
    }
    for data in [
        r#"{"chatroom_id":1,"limit":1}"#,
        r#"{"chatroom_id":1,"limit":200}"#,
    ] {
        asked(&envelope("GET_MESSAGES", data));
    }
    for id in [i64::MIN, -1, 0, i64::MAX] {
        asked(&envelope("LEAVE_ROOM", &format!(r#"{{"chatroom_id":{id}}}"#)));
    }
}

/// A request whose one text has so many bytes.
fn sized(field: &str, bytes: usize) -> String {
    let text = "a".repeat(bytes);
    let least = r#""chatroom_id":1,"message_type":"text""#;
    match field {
        "jwt_token" => envelope("REFRESH_TOKEN", &format!(r#"{{"jwt_token":"{text}"}}"#)),
        "video_room_name" => {
            let data = format!(r#"{{"chatroom_id":1,"video_room_name":"{text}","max_participants":2}}"#);
            envelope("CREATE_VIDEO_ROOM", &data)
        }
        "content" => envelope("SEND_MESSAGE", &format!(r#"{{{least},"content":"{text}"}}"#)),
        _ => envelope(
            "SEND_MESSAGE",
            &format!(r#"{{{least},"content":"x","{field}":"{text}"}}"#),
        ),
    }
}

#[test]
fn texts_hold_their_lengths() {
    let limits = Limits::DEFAULT;
    for (field, max) in [
        ("jwt_token", limits.token_bytes_max),
        ("video_room_name", limits.name_bytes_max),
        ("client_message_id", 64),
    ] {
        for bytes in [0, max + 1] {
            let (_, refusal) = refused(&sized(field, bytes));
            assert!(
                matches!(refusal.why, Why::Field { name, want } if name == field && want == Want::TextOf(1, max))
            );
        }
        for bytes in [1, max - 1, max] {
            asked(&sized(field, bytes));
        }
    }
    for bytes in [0, 31, 33] {
        assert_eq!(
            refused(&sized("reply_to", bytes)).1,
            Refusal::field("reply_to", Want::Hex(32))
        );
    }
    asked(&sized("reply_to", 32));
    assert_eq!(
        refused(&sized("reply_to", 32).replace("aaaa", "AAAA")).1,
        Refusal::field("reply_to", Want::Hex(32))
    );
    // Three times the limit may still fit it after normalisation; what is empty is for moderation to refuse.
    for bytes in [0, 3 * limits.content_bytes_max - 1, 3 * limits.content_bytes_max] {
        asked(&sized("content", bytes));
    }
    assert_eq!(
        refused(&sized("content", 3 * limits.content_bytes_max + 1)).1,
        Refusal::too_large("content", limits.content_bytes_max as u64)
    );
    // A length counts what the text means, not how it is spelled.
    let spelled = sized("client_message_id", 64).replace("aaaa", "\\u0061\\u0061\\u0061\\u0061");
    assert!(spelled.len() > 6 * 64);
    asked(&spelled);
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

    for bad in [
        r#""\ud800""#,
        r#""\udc00""#,
        r#""\ud800\ud800""#,
        r#""\ud83dx""#,
        r#""\ud83d\n""#,
        "1e999",
        "-1E+400",
    ] {
        for metadata in [format!(r#"{{"a":{bad}}}"#), format!(r#"{{"a":[0,{bad}]}}"#)] {
            assert_eq!(
                refused(&post(&metadata)).1,
                Refusal::field("metadata", Want::Other),
                "{bad}"
            );
        }
    }
    assert_eq!(
        refused(&post(r#"{"\ud800":1}"#)).1,
        Refusal::field("metadata", Want::Other)
    );
    asked(&post(
        r#"{"a":"\ud83d\udd25\\ud800","b":1e308,"c":0.1,"d":-12345678901234567890}"#,
    ));

    let max = Limits::DEFAULT.metadata_bytes_max;
    let metadata = |bytes: usize| format!(r#"{{ "a" : "{}" }}"#, "x".repeat(bytes - 8));
    asked(&post(&metadata(max - 1)));
    asked(&post(&metadata(max)));
    assert_eq!(
        refused(&post(&metadata(max + 1))).1,
        Refusal::too_large("metadata", max as u64)
    );

    let offer = envelope(
        "SDP_OFFER",
        "{\"video_room_id\":1,\"target_user_id\":2,\"sdp\":{\n  \"type\": \"offer\",\n  \"sdp\": \"v=0\\r\\n\"\n}}",
    );
    let Request::Signal {
        signal: Signal::Offer(sdp),
        ..
    } = asked(&offer).request
    else {
        panic!("an offer")
    };
    assert_eq!(sdp.as_str(), r#"{"type":"offer","sdp":"v=0\r\n"}"#);
    let end = envelope(
        "ICE_CANDIDATE",
        r#"{"video_room_id":1,"target_user_id":2,"candidate": null }"#,
    );
    let Request::Signal { signal, .. } = asked(&end).request else {
        panic!("a signal")
    };
    assert_eq!(signal.payload().as_str(), "null");
}

#[test]
fn a_signal_holds_its_limit_also_when_it_came_compressed() {
    let limits = Limits {
        signal_bytes_max: 100,
        ..Limits::DEFAULT
    };
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
                Ok(_) => assert!(fits, "{bytes}"),
                Err((_, refusal)) => {
                    assert_eq!((fits, refusal), (false, Refusal::too_large("sdp", 100)));
                }
            }
        }
    }
}

/// An envelope, what of its `seq_id` and `action` is said back, and what is wrong.
type Torn = (String, Option<&'static str>, Option<&'static str>, Refusal);

#[rustfmt::skip] // One row, one envelope.
fn torn() -> Vec<Torn> {
    let unknown = || Refusal::new(Code::InvalidAction);
    let long = Refusal::field("seq_id", Want::TextOf(0, 128));
    vec![
        ("{}".into(), None, None, Refusal::field("action", Want::Present)),
        (r#"{"seq_id":"s"}"#.into(), Some("s"), None, Refusal::field("action", Want::Present)),
        (r#"{"action":null,"seq_id":"s"}"#.into(), Some("s"), None, Refusal::field("action", Want::Present)),
        (r#"{"action":1,"seq_id":"s"}"#.into(), Some("s"), None, Refusal::field("action", Want::Text)),
        (r#"{"action":"\ud800","seq_id":"s"}"#.into(), Some("s"), None, Refusal::field("action", Want::Text)),
        (r#"{"action":"FLY","seq_id":"s"}"#.into(), Some("s"), Some("FLY"), unknown()),
        (r#"{"action":"ping"}"#.into(), None, Some("ping"), unknown()),
        // An unknown action is unknown whatever its data.
        (r#"{"action":"FLY","data":[]}"#.into(), None, Some("FLY"), unknown()),
        // Cut at 64 bytes, between characters.
        (format!(r#"{{"action":"{}한"}}"#, "X".repeat(63)), None, Some(X63), unknown()),
        (r#"{"action":"PING","seq_id":1}"#.into(), None, Some("PING"), Refusal::field("seq_id", Want::Text)),
        (format!(r#"{{"action":"PING","seq_id":"{}"}}"#, "x".repeat(129)), None, Some("PING"), long),
        (r#"{"action":"PING","seq_id":"s","user_id":"1"}"#.into(), Some("s"), Some("PING"), Refusal::field("user_id", Want::Integer)),
        (r#"{"action":"PING","seq_id":"s","timestamp":1}"#.into(), Some("s"), Some("PING"), Refusal::field("timestamp", Want::Text)),
        (r#"{"action":"PING","seq_id":"s","compressed":1}"#.into(), Some("s"), Some("PING"), Refusal::field("compressed", Want::Bool)),
    ]
}

const X63: &str = "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX";

#[test]
fn the_tag_is_read_as_far_as_it_can_be() {
    for (text, reference, verb, refusal) in torn() {
        let tag = Tag {
            reference: reference.map(Into::into),
            verb: verb.map(Into::into),
        };
        assert_eq!(refused(&text), (tag, refusal), "{text}");
    }
    for reference in [
        String::new(),
        "x".repeat(127),
        "x".repeat(128),
        "\\u0000".into(),
        "한글".into(),
    ] {
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
    assert_eq!(
        asked(r#"{"action":"PING","user_id":-7}"#).claimed_user,
        Some(UserRef::Id(UserId(-7)))
    );
}

#[test]
fn what_is_no_json_is_refused_with_its_place_and_the_stream_goes_on() {
    let mut codec = ActionCodec::new();
    let mut out = Vec::new();
    let stream = "{\"action\":\"PING\"}\n{\n\"action\":}{'a':1}{\"action\":\"PING\",\"\\u0061ction\":\"PING\"}{\"action\":\"PING\"}";
    codec
        .handle_bytes(stream.as_bytes(), &common::rules(&Limits::DEFAULT), &mut out)
        .unwrap();
    let whys: Vec<_> = out
        .into_iter()
        .map(|incoming| match common::understood(incoming) {
            Ok(_) => None,
            Err((tag, refusal)) => {
                assert_eq!((tag, refusal.code), (Tag::default(), Code::InvalidData));
                Some(refusal.why)
            }
        })
        .collect();
    let [
        None,
        Some(first),
        Some(second),
        Some(Why::Malformed {
            what: Malformed::DuplicateKey,
            ..
        }),
        None,
    ] = whys.as_slice()
    else {
        panic!("{whys:?}")
    };
    assert_eq!(
        *first,
        Why::Malformed {
            offset: 29,
            what: Malformed::NotJson
        }
    );
    assert_eq!(
        *second,
        Why::Malformed {
            offset: 31,
            what: Malformed::NotJson
        }
    );
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
        let rest = if key == "action" {
            ""
        } else {
            ",\"action\":\"PING\""
        };
        let (tag, refusal) = refused(&format!("{{\"{key}\":{one},\"{key}\":{two}{rest}}}"));
        assert_eq!(tag, Tag::default());
        assert!(
            matches!(
                refusal.why,
                Why::Malformed {
                    what: Malformed::DuplicateKey,
                    ..
                }
            ),
            "{key}: {refusal:?}"
        );
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
        codec
            .handle_bytes(
                envelope("CONNECT", data).as_bytes(),
                &common::rules(&Limits::DEFAULT),
                &mut out,
            )
            .unwrap();
        assert_eq!(codec.voice().accepts_compression(), accepts, "{data}");
    }
}
