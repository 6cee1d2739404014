//! The type protocol's requests: the envelope with all that can be wrong in it, how rooms and users are named, and that
//! nothing a client may send does harm. Every field with every wrong type is held to the registry in `asyncapi`.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod common;

use bongsu_model::refusal::Malformed;
use bongsu_model::{
    Asked, Code, Limits, MessageKind, PageFrom, Refusal, Request, RoomId, RoomRef, RoomToken, Seq, Tag,
    UserId, UserRef, Want, Why,
};
use bongsu_wire::action;
use bongsu_wire::typed::{TYPES, client, message};
use common::{only, rules, understood};
use proptest::prelude::*;
use serde_json::{Value, json};

fn heard_with(text: &str, limits: &Limits) -> Result<Asked, (Tag, Refusal)> {
    let mut out = Vec::new();
    message(text, &rules(limits), &mut out);
    only(out)
}

fn heard(text: &str) -> Result<Asked, (Tag, Refusal)> {
    heard_with(text, &Limits::DEFAULT)
}

fn asked(kind: &str, data: &str) -> Request {
    let asked = heard(&client::request(kind, data, Some("s"))).unwrap();
    let tag = Tag {
        reference: Some("s".into()),
        verb: Some(kind.into()),
    };
    assert_eq!(asked.tag, tag);
    assert_eq!(asked.claimed_user, None);
    asked.request
}

fn refused(kind: &str, data: &str) -> Refusal {
    let (tag, refusal) = heard(&client::request(kind, data, Some("s"))).unwrap_err();
    assert_eq!(
        (tag.reference.as_deref(), tag.verb.as_deref()),
        (Some("s"), Some(kind))
    );
    refusal
}

/// Every type and `data` that is right.
fn table() -> Vec<(&'static str, Value)> {
    let room = || json!({ "room": "general" });
    let call = || json!({ "video_room_id": 2 });
    let media =
        || json!({ "video_room_id": 2, "media_status": { "audio_enabled": true, "video_enabled": false } });
    let sdp =
        || json!({ "video_room_id": 2, "target_user_id": "hana", "sdp": { "type": "x", "sdp": "v=0" } });
    vec![
        ("auth", json!({ "token": "t" })),
        ("auth_update", json!({ "token": "t" })),
        ("ping", json!({})),
        ("pong", json!({})),
        ("room.join", room()),
        ("room.leave", room()),
        ("room.history", room()),
        ("chat.message", json!({ "room": "general", "text": "hello" })),
        ("chat.typing", room()),
        ("chat.read", json!({ "room": "general", "seq": 1 })),
        ("user.block", json!({ "user_id": "hana" })),
        ("user.unblock", json!({ "user_id": "hana" })),
        (
            "call.create",
            json!({ "room": "general", "video_room_name": "v", "max_participants": 2 }),
        ),
        ("call.join", media()),
        ("call.leave", call()),
        ("call.end", call()),
        ("call.offer", sdp()),
        ("call.answer", sdp()),
        (
            "call.candidate",
            json!({ "video_room_id": 2, "target_user_id": "hana", "candidate": {} }),
        ),
        ("call.media", media()),
    ]
}

#[test]
fn the_table_is_the_table() {
    let kinds: Vec<_> = table().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, TYPES);
}

#[test]
fn every_type_is_understood_whatever_else_its_data_holds() {
    for (kind, data) in table() {
        let plain = asked(kind, &data.to_string());
        let more = data
            .to_string()
            .replacen('{', r#"{"x":[{}],"x":"y","ts":1,"#, 1)
            .replace(",}", "}");
        assert_eq!(
            format!("{:?}", asked(kind, &more)),
            format!("{plain:?}"),
            "{kind}"
        );
    }
}

#[test]
fn what_holds_nothing_needs_no_data_and_what_holds_something_does() {
    for (kind, data) in table() {
        for text in [
            format!(r#"{{"type":"{kind}"}}"#),
            format!(r#"{{"type":"{kind}","data":null}}"#),
        ] {
            let heard = heard(&text);
            assert_eq!(heard.is_ok(), data == json!({}), "{text}: {heard:?}");
        }
        for wrong in ["[]", "\"x\"", "1", "true"] {
            assert_eq!(
                refused(kind, wrong),
                Refusal::field("data", Want::Object),
                "{kind}"
            );
        }
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let Request::Post(post) = asked("chat.message", r#"{"room":1,"text":"x","message_type":null}"#) else {
        panic!("a post")
    };
    assert_eq!(post.kind, MessageKind::Text);
    let typing = |data| {
        let Request::Typing { is_typing, .. } = asked("chat.typing", data) else {
            panic!("typing")
        };
        is_typing
    };
    assert!(typing(r#"{"room":1}"#) && typing(r#"{"room":1,"is_typing":true}"#));
    assert!(!typing(r#"{"room":1,"is_typing":false}"#));
    let Request::History { from, limit, .. } = asked("room.history", r#"{"room":1}"#) else {
        panic!("a page")
    };
    assert_eq!((from, limit), (PageFrom::Latest, None));
    let Request::Join { after, .. } = asked("room.join", r#"{"room":1,"after_seq":9}"#) else {
        panic!("a join")
    };
    assert_eq!(after, Some(Seq(9)));
}

#[test]
fn a_room_is_named_by_its_name_its_number_or_its_secret_address() {
    let room = |raw: &str| {
        let Request::Leave { room } = asked("room.leave", &format!(r#"{{"room":{raw}}}"#)) else {
            panic!("a leave")
        };
        room
    };
    for raw in ["12", "\"12\""] {
        assert_eq!(room(raw), RoomRef::Id(RoomId(12)));
    }
    assert_eq!(room("-9223372036854775808"), RoomRef::Id(RoomId(i64::MIN)));
    assert_eq!(room("\"g\\u0065neral\""), RoomRef::Name("general".into()));
    assert_eq!(
        room(&format!("\"{}\"", "5a".repeat(24))),
        RoomRef::Token(RoomToken([0x5a; 24]))
    );
    for bytes in [1, 63, 64] {
        room(&format!("\"{}\"", "n".repeat(bytes)));
    }
    let text = Refusal::field("room", Want::TextOf(1, 64));
    let long = format!("\"{}\"", "n".repeat(65));
    for raw in ["\"\"", &long, "true", "{}", "[\"general\"]", "\"\\ud800\""] {
        assert_eq!(
            refused("room.leave", &format!(r#"{{"room":{raw}}}"#)),
            text,
            "{raw}"
        );
    }
    for raw in ["1.0", "1e2", "9223372036854775808", "-0.5"] {
        let refusal = refused("room.leave", &format!(r#"{{"room":{raw}}}"#));
        assert_eq!(refusal, Refusal::field("room", Want::Integer), "{raw}");
    }
    for data in ["{}", r#"{"room":null}"#] {
        assert_eq!(refused("room.leave", data), Refusal::field("room", Want::Present));
    }
}

#[test]
fn a_user_is_named_by_its_handle_or_its_number() {
    let user = |raw: &str| {
        let Request::Block { user } = asked("user.block", &format!(r#"{{"user_id":{raw}}}"#)) else {
            panic!("a block")
        };
        user
    };
    assert_eq!(user("7"), UserRef::Id(UserId(7)));
    assert_eq!(user("\"7\""), UserRef::Id(UserId(7)));
    assert_eq!(user("\"abc123\""), UserRef::Handle("abc123".into()));
    for bytes in [1, 254, 255] {
        user(&format!("\"{}\"", "u".repeat(bytes)));
    }
    let long = format!("\"{}\"", "u".repeat(256));
    for raw in ["\"\"", &long, "false", "{}", "[7]"] {
        let refusal = refused("user.block", &format!(r#"{{"user_id":{raw}}}"#));
        assert_eq!(refusal, Refusal::field("user_id", Want::TextOf(1, 255)), "{raw}");
    }
    let refusal = refused("user.block", r#"{"user_id":1.5}"#);
    assert_eq!(refusal, Refusal::field("user_id", Want::Integer));
}

#[test]
fn a_call_is_made_in_a_room_that_either_field_names() {
    let create = |room: &str| format!(r#"{{{room}"video_room_name":"v","max_participants":2}}"#);
    for (fields, meant) in [
        (r#""room":"general","#, RoomRef::Name("general".into())),
        (r#""chatroom_id":1,"#, RoomRef::Id(RoomId(1))),
        (
            r#""chatroom_id":"general","room":null,"#,
            RoomRef::Name("general".into()),
        ),
    ] {
        let Request::CreateCall { room, .. } = asked("call.create", &create(fields)) else {
            panic!("a call")
        };
        assert_eq!(room, meant, "{fields}");
    }
    for (fields, refusal) in [
        ("", Refusal::field("room", Want::Present)),
        (
            r#""room":"a","chatroom_id":1,"#,
            Refusal::field("chatroom_id", Want::Alone),
        ),
        (
            r#""chatroom_id":true,"#,
            Refusal::field("chatroom_id", Want::TextOf(1, 64)),
        ),
    ] {
        assert_eq!(refused("call.create", &create(fields)), refusal, "{fields}");
    }
}

#[test]
fn a_new_token_stands_in_data_or_beside_it() {
    for text in [
        r#"{"type":"auth_update","token":"abc"}"#,
        r#"{"type":"auth_update","token":"abc","data":{}}"#,
        r#"{"type":"auth_update","data":{"token":"abc"}}"#,
        r#"{"type":"auth_update","token":null,"data":{"token":"abc"}}"#,
    ] {
        let Request::RefreshToken { token } = heard(text).unwrap().request else {
            panic!("{text}")
        };
        assert_eq!(&*token, "abc", "{text}");
    }
    for (text, want) in [
        (r#"{"type":"auth_update"}"#, Want::Present),
        (
            r#"{"type":"auth_update","token":"abc","data":{"token":"abc"}}"#,
            Want::Alone,
        ),
        (r#"{"type":"auth_update","token":1}"#, Want::Text),
        (r#"{"type":"auth_update","token":""}"#, Want::TextOf(1, 16_384)),
        // A sign-in has its token where all else is.
        (r#"{"type":"auth","token":"abc"}"#, Want::Present),
    ] {
        assert_eq!(
            heard(text).unwrap_err().1,
            Refusal::field("token", want),
            "{text}"
        );
    }
}

#[test]
fn a_sign_in_says_what_it_has() {
    let text = client::auth(
        "abc",
        Some("ko-KR"),
        &[("general", 41, "00000000000000ff"), ("7", 0, "gone")],
        None,
    );
    let Request::Connect(connect) = heard(&text).unwrap().request else {
        panic!("a sign-in")
    };
    assert_eq!(&*connect.token, "abc");
    assert_eq!(connect.locale, bongsu_model::Locale::parse("ko"));
    let points: Vec<_> = connect
        .resume
        .iter()
        .map(|it| (it.room.clone(), it.seq.0, it.epoch.map(|it| it.0)))
        .collect();
    assert_eq!(
        points,
        [
            (RoomRef::Name("general".into()), 41, Some(0xff)),
            // What is no tag of any history recovers nothing, and is no fault.
            (RoomRef::Id(RoomId(7)), 0, None),
        ]
    );
    let max = Limits::DEFAULT.resume_rooms_max;
    let point = r#"{"room":1,"seq":0,"epoch":"00000000000000ff"}"#;
    let resume = |points: usize| format!(r#"{{"token":"t","resume":[{}]}}"#, vec![point; points].join(","));
    for points in [0, max - 1, max] {
        asked("auth", &resume(points));
    }
    assert_eq!(
        refused("auth", &resume(max + 1)),
        Refusal::field("resume", Want::ArrayOf(max))
    );
    for (point, name, want) in [
        (r#"{"seq":0,"epoch":""}"#, "resume.room", Want::Present),
        (
            r#"{"room":1,"seq":-1,"epoch":""}"#,
            "resume.seq",
            Want::Between(0, i64::MAX),
        ),
        (r#"{"room":1,"seq":1,"epoch":1}"#, "resume.epoch", Want::Text),
        ("1", "resume", Want::Object),
    ] {
        let refusal = refused("auth", &format!(r#"{{"token":"t","resume":[{point}]}}"#));
        assert_eq!(refusal, Refusal::field(name, want), "{point}");
    }
}

/// An envelope, what of its `id` and `type` is kept, and what is wrong.
type Torn = (String, Option<&'static str>, Option<&'static str>, Refusal);

#[rustfmt::skip] // One row, one envelope.
fn torn() -> Vec<Torn> {
    let unknown = || Refusal::new(Code::InvalidAction);
    let long = Refusal::field("id", Want::TextOf(0, 128));
    vec![
        ("{}".into(), None, None, Refusal::field("type", Want::Present)),
        (r#"{"id":"s"}"#.into(), Some("s"), None, Refusal::field("type", Want::Present)),
        (r#"{"type":null,"id":"s"}"#.into(), Some("s"), None, Refusal::field("type", Want::Present)),
        (r#"{"type":1,"id":"s"}"#.into(), Some("s"), None, Refusal::field("type", Want::Text)),
        (r#"{"type":["ping"],"id":"s"}"#.into(), Some("s"), None, Refusal::field("type", Want::Text)),
        (r#"{"type":"\ud800","id":"s"}"#.into(), Some("s"), None, Refusal::field("type", Want::Text)),
        (r#"{"type":"fly","id":"s"}"#.into(), Some("s"), Some("fly"), unknown()),
        (r#"{"type":"","id":"s"}"#.into(), Some("s"), Some(""), unknown()),
        (r#"{"type":"PING"}"#.into(), None, Some("PING"), unknown()),
        // An unknown type is unknown whatever its data.
        (r#"{"type":"room.fly","data":[]}"#.into(), None, Some("room.fly"), unknown()),
        // Cut at 64 bytes, between characters.
        (format!(r#"{{"type":"{}한"}}"#, "x".repeat(63)), None, Some(X63), unknown()),
        (r#"{"type":"ping","id":1}"#.into(), None, Some("ping"), Refusal::field("id", Want::Text)),
        (r#"{"type":"ping","id":{}}"#.into(), None, Some("ping"), Refusal::field("id", Want::Text)),
        (format!(r#"{{"type":"ping","id":"{}"}}"#, "x".repeat(129)), None, Some("ping"), long),
        (r#"{"id":1}"#.into(), None, None, Refusal::field("id", Want::Text)),
    ]
}

const X63: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

#[test]
fn the_tag_is_read_as_far_as_it_can_be() {
    for (text, reference, verb, refusal) in torn() {
        let tag = Tag {
            reference: reference.map(Into::into),
            verb: verb.map(Into::into),
        };
        assert_eq!(heard(&text).unwrap_err(), (tag, refusal), "{text}");
    }
    for reference in [
        String::new(),
        "x".repeat(127),
        "x".repeat(128),
        "\\u0000".into(),
        "한글".into(),
    ] {
        heard(&format!(r#"{{"type":"ping","id":"{reference}"}}"#)).unwrap();
    }
}

#[test]
fn the_envelope_is_lenient_where_it_may_be() {
    for text in [
        r#"{"type":"ping"}"#,
        r#"{"type":"ping","data":null,"id":null,"token":null}"#,
        r#"{"x":1,"x":2,"type":"ping","version":[{}]}"#,
        r#"{"\u0074ype":"pi\u006eg"}"#,
        "\r\n\t {\n \"type\" :\t\"ping\" ,\r\n \"data\" : { } } \n",
    ] {
        let asked = heard(text).unwrap();
        assert!(matches!(asked.request, Request::Ping), "{text}");
        assert_eq!(asked.tag.reference, None);
    }
}

fn malformed(text: &str) -> (u64, Malformed) {
    let (tag, refusal) = heard(text).unwrap_err();
    assert_eq!((tag, refusal.code), (Tag::default(), Code::InvalidData), "{text}");
    let Why::Malformed { offset, what } = refusal.why else {
        panic!("{text}: {refusal:?}")
    };
    (offset, what)
}

#[test]
fn what_is_no_object_of_json_is_placed() {
    for (text, at) in [
        ("", 0),
        ("   ", 3),
        ("hello", 0),
        (" [1]", 1),
        ("\"{}\"", 0),
        ("\u{feff}{}", 0),
        ("null", 0),
        ("}", 0),
    ] {
        assert_eq!(malformed(text), (at, Malformed::NotAnObject), "{text}");
    }
    for (text, at) in [
        ("{", 0),
        (r#"{"type":"ping""#, 13),
        (r#"{"type":"ping",}"#, 15),
        ("{\n\"type\":}", 9),
        ("{'type':'ping'}", 1),
        (r#"{"type":"ping"}{}"#, 15),
        (r#"{"type":"ping"} x"#, 16),
        (r#"{"type":"ping"}]"#, 15),
        (r#"{"type":"ping","data":{"a":01}}"#, 28),
    ] {
        assert_eq!(malformed(text), (at, Malformed::NotJson), "{text}");
    }
}

#[test]
fn each_key_of_the_envelope_may_stand_once() {
    for (key, one, two) in [
        ("type", "\"ping\"", "\"ping\""),
        ("type", "\"ping\"", "null"),
        ("data", "{}", "{}"),
        ("id", "null", "\"b\""),
        ("token", "\"a\"", "\"b\""),
    ] {
        let rest = if key == "type" { "" } else { ",\"type\":\"ping\"" };
        let (_, what) = malformed(&format!("{{\"{key}\":{one},\"{key}\":{two}{rest}}}"));
        assert_eq!(what, Malformed::DuplicateKey, "{key}");
    }
    // Also spelled in another way.
    let (_, what) = malformed(r#"{"type":"ping","\u0074ype":"ping"}"#);
    assert_eq!(what, Malformed::DuplicateKey);
}

#[test]
fn a_message_may_nest_as_deep_as_the_limit_and_no_deeper() {
    let max = Limits::DEFAULT.json_depth_max;
    for (open, close) in [("[", "]"), ("{\"x\":", "}")] {
        let nested = |depth: usize| {
            let levels = depth - 2;
            format!(
                r#"{{"type":"ping","data":{{"x":{}1{}}}}}"#,
                open.repeat(levels),
                close.repeat(levels)
            )
        };
        for depth in [max - 1, max] {
            heard(&nested(depth)).unwrap();
        }
        let at = 27 + (max - 2) * open.len();
        assert_eq!(malformed(&nested(max + 1)), (at as u64, Malformed::TooDeep));
    }
    // Brackets in strings are none.
    heard(&format!(
        r#"{{"type":"ping","data":{{"x":"{}\"{}"}}}}"#,
        "[".repeat(99),
        "{".repeat(99)
    ))
    .unwrap();
}

#[test]
fn a_bomb_of_brackets_costs_nothing() {
    let closed = |open: &str, close: &str| {
        let bomb = format!("{}{}", open.repeat(100_000), close.repeat(100_000));
        [
            malformed(&bomb).1,
            malformed(&format!(r#"{{"type":"ping","data":{{"x":{bomb}}}}}"#)).1,
            malformed(&format!(r#"{{"x":{bomb},"type":"ping"}}"#)).1,
        ]
    };
    assert_eq!(
        closed("[", "]"),
        [Malformed::NotAnObject, Malformed::TooDeep, Malformed::TooDeep]
    );
    assert_eq!(closed("{\"x\":", "}"), [Malformed::TooDeep; 3]);
    assert_eq!(
        closed("[", ""),
        [Malformed::NotAnObject, Malformed::TooDeep, Malformed::TooDeep]
    );
    assert_eq!(malformed(&"{\"data\":".repeat(100_000)).1, Malformed::TooDeep);
}

/// One object as a text message of the action protocol is taken as it is from a stream, and refused for the same reason.
#[test]
fn the_action_protocol_says_the_same_over_both_transports() {
    let limits = Limits::DEFAULT;
    let deep = format!(
        r#"{{"action":"PING","data":{{"x":{}}}}}"#,
        "[".repeat(31) + &"]".repeat(31)
    );
    for text in [
        r#"{"action":"PING","seq_id":"s"}"#,
        " {\n\"action\" : \"JOIN_ROOM\",\n\"data\":{\"chatroom_id\":7}}\n",
        r#"{"action":"CONNECT","data":{"jwt_token":"t","accept_compression":true}}"#,
        r#"{"action":"FLY"}"#,
        r#"{"action":"PING",}"#,
        r#"{"action":"PING","action":"PING"}"#,
        r#"{"action":"BATCH_MESSAGES","data":{"messages":[{"action":"PING"},{"action":"PING","x":{"y":}}]}}"#,
        "[1]",
        "hello",
        &deep,
    ] {
        let (mut stream, mut single) = (Vec::new(), Vec::new());
        let mut codec = action::ActionCodec::new();
        let end = codec.handle_bytes(text.as_bytes(), &rules(&limits), &mut stream);
        let accepts = action::message(text, &rules(&limits), &mut single);
        let tell = |incoming: Vec<_>| -> Vec<_> {
            incoming
                .into_iter()
                .map(|it| format!("{:?}", understood(it)))
                .collect()
        };
        let mut stream = tell(stream);
        // What ends a stream is a refusal like any other where messages are kept apart.
        stream.extend(
            end.err()
                .map(|fatal| format!("{:?}", Err::<Asked, _>((Tag::default(), fatal.refusal)))),
        );
        assert_eq!(tell(single), stream, "{text}");
        assert_eq!(
            accepts.unwrap_or(false),
            codec.voice().accepts_compression(),
            "{text}"
        );
    }
    // A message is one object.
    let mut out = Vec::new();
    action::message(r#"{"action":"PING"}{"action":"PING"}"#, &rules(&limits), &mut out);
    let (_, refusal) = only(out).unwrap_err();
    assert!(matches!(
        refusal.why,
        Why::Malformed {
            offset: 17,
            what: Malformed::NotJson
        }
    ));
}

/// Any JSON value, of which much nearly is a request.
fn anything() -> impl Strategy<Value = Value> {
    let word = proptest::sample::select(
        &[
            "type",
            "data",
            "id",
            "token",
            "room",
            "text",
            "user_id",
            "key",
            "auth",
            "ping",
            "room.join",
            "chat.message",
            "game.move",
            "call.create",
            "call.offer",
            "sdp",
            "resume",
            "seq",
            "epoch",
            "video_room_id",
            "chatroom_id",
            "\u{0}",
            "한",
            "",
        ][..],
    );
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map(word.clone().prop_map(String::from), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn anything_is_answered_once(
        value in anything(),
        kind in proptest::sample::select(&TYPES[..]),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut request = json!({ "type": kind, "data": value });
        heard(&request.to_string()).ok();
        request["type"] = "game.move".into();
        heard(&request.to_string()).ok();
        let text = value.to_string();
        heard(&text).ok();
        let cut = text.floor_char_boundary(cut.index(text.len() + 1));
        heard(&text[..cut]).ok();
        heard(&text[cut..]).ok();
    }

    #[test]
    fn any_text_is_answered_once(text in any::<String>()) {
        prop_assert!(heard(&text).is_err());
    }

    #[test]
    fn what_our_client_says_is_what_is_heard(
        room in "[a-z_-]{1,64}", text in any::<String>(), client_id in proptest::option::of("[ -~]{1,64}"),
        id in proptest::option::of("\\PC{0,32}"), seq in 0..i64::MAX as u64, epoch in any::<u64>(),
    ) {
        let said = client::post(&room, &text, client_id.as_deref(), id.as_deref());
        let asked = heard(&said).unwrap();
        prop_assert_eq!(asked.tag.reference.as_deref(), id.as_deref());
        let Request::Post(post) = asked.request else { panic!("a post") };
        prop_assert_eq!(post.room, RoomRef::parse(&room));
        prop_assert_eq!(&*post.content, &*text);
        prop_assert_eq!(post.client_id.as_ref().map(|it| it.as_str()), client_id.as_deref());

        let spelled = format!("{epoch:016x}");
        let auth = client::auth("t", None, &[(&room, seq, &spelled)], id.as_deref());
        let Request::Connect(connect) = heard(&auth).unwrap().request else { panic!("a sign-in") };
        let point = &connect.resume[0];
        prop_assert_eq!((&point.room, point.seq.0), (&RoomRef::parse(&room), seq));
        prop_assert_eq!(point.epoch.map(|it| it.0), Some(epoch));

        let Request::Join { room: joined, .. } = heard(&client::join(&room, None)).unwrap().request else {
            panic!("a join")
        };
        prop_assert_eq!(joined, RoomRef::parse(&room));
    }
}
