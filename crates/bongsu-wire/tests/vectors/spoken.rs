//! What clients say: bytes to requests. The examples of the protocol's reference document stand here as printed.

use bongsu_model::{Asked, Limits, Request};
use bongsu_wire::action::ActionCodec;
use bongsu_wire::action::client::{self, Greeting};
use bongsu_wire::incoming::Incoming;
use bongsu_wire::typed::message;

use super::common::{rules, understood};
use super::{Sections, socketio, typed};

pub(crate) fn vectors() -> Vec<(String, Sections)> {
    let mut vectors = Vec::new();
    for (name, about, bytes) in printed().into_iter().chain(built()).chain(wrong()) {
        vectors.push((name.to_owned(), read(name, about, &bytes)));
    }
    for (name, about, text) in typed::alone().into_iter().chain(typed::wrong()) {
        vectors.push((name.to_owned(), read_typed(name, about, &text)));
    }
    for (name, about, packet) in socketio::alone().into_iter().chain(socketio::wrong()) {
        let value = print(name, &socketio::heard(&packet));
        let section = if name.contains("type") {
            "socketio"
        } else {
            "socketio_chat"
        };
        vectors.push((
            name.to_owned(),
            vec![("about", about.into()), ("value", value), (section, packet)],
        ));
    }
    vectors
}

/// The same request as an event, if it has such a form, and as the chat's own clients say it.
fn add_events(name: &str, typed: &str, sections: &mut Sections) {
    let own = |text: &str| understood(heard(text).remove(0));
    if let (Some(packet), Ok(meant)) = (socketio::of_typed(typed), own(typed)) {
        same_event(name, &meant, &packet);
        sections.push(("socketio", packet));
    }
    if let (Some(packet), Ok(meant)) = (socketio::chat_same_as(name), own(typed)) {
        same_event(name, &meant, &packet);
        sections.push(("socketio_chat", packet));
    }
}

fn same_event(name: &str, meant: &Asked, packet: &str) {
    let asked = understood(socketio::heard(packet).remove(0)).unwrap();
    assert_eq!(
        format!("{:#?} {:?}", meant.request, meant.claimed_user),
        format!("{:#?} {:?}", asked.request, asked.claimed_user),
        "{name}: {packet}"
    );
    assert_eq!(carried(&meant.request), carried(&asked.request), "{name}");
    if !matches!(meant.request, Request::Emit(_)) {
        assert_eq!(meant.tag.reference, asked.tag.reference, "{name}");
    }
    let verb = asked.tag.verb.unwrap();
    assert!(verb.starts_with("/ "), "{verb}");
}

/// Decodes the bytes whole and byte by byte, and prints what they mean.
fn read(name: &str, about: &str, bytes: &str) -> Sections {
    let meaning = |size: usize| {
        let mut codec = ActionCodec::new();
        let mut out = Vec::new();
        for piece in bytes.as_bytes().chunks(size) {
            codec
                .handle_bytes(piece, &rules(&Limits::DEFAULT), &mut out)
                .unwrap();
        }
        assert!(!codec.in_frame());
        out
    };
    let whole = meaning(bytes.len());
    let value = print(name, &whole);
    assert_eq!(value, print(name, &meaning(1)), "{name}");
    let mut sections = vec![
        ("about", about.into()),
        ("value", value),
        ("action", bytes.into()),
    ];
    if let Some(text) = typed::same_as(name) {
        let both = [whole, heard(&text)].map(|mut it| understood(it.remove(0)).unwrap());
        mean_the_same(name, &both);
        add_events(name, &text, &mut sections);
        let typed = sections
            .iter()
            .position(|it| it.0 == "socketio")
            .unwrap_or(sections.len());
        sections.insert(typed, ("type", text));
    }
    sections
}

/// Decodes one text message, and prints what it means.
fn read_typed(name: &str, about: &str, text: &str) -> Sections {
    let mut sections = vec![
        ("about", about.into()),
        ("value", print(name, &heard(text))),
        ("type", text.into()),
    ];
    add_events(name, text, &mut sections);
    sections
}

fn heard(text: &str) -> Vec<Incoming> {
    let mut out = Vec::new();
    message(text, &rules(&Limits::DEFAULT), &mut out);
    out
}

fn print(name: &str, out: &[Incoming]) -> String {
    let asks = out.iter().any(|it| matches!(it, Incoming::Request(_)));
    assert_eq!(asks, name.starts_with("request_"), "{name}: {out:?}");
    let prints: Vec<_> = out
        .iter()
        .map(|incoming| match understood(incoming.clone()) {
            Ok(asked) => format!("{asked:#?}"),
            Err((tag, refusal)) => format!("{tag:#?}\n{refusal:#?}"),
        })
        .collect();
    prints.join("\n")
}

/// The guarantee of all codecs: one request, whatever protocol says it.
fn mean_the_same(name: &str, [action, typed]: &[Asked; 2]) {
    assert_eq!(
        format!("{:#?}", action.request),
        format!("{:#?}", typed.request),
        "{name}"
    );
    assert_eq!(carried(&action.request), carried(&typed.request), "{name}");
    assert_eq!(action.tag.reference, typed.tag.reference, "{name}");
    assert_ne!(action.tag.verb, typed.tag.verb, "{name}");
}

/// The JSON that is carried unread, of which a request prints only the length.
fn carried(request: &Request) -> Option<&str> {
    match request {
        Request::Post(post) => post.metadata.as_ref().map(|it| it.as_str()),
        Request::Emit(emit) => Some(emit.data.as_str()),
        Request::Signal { signal, .. } => Some(signal.payload().as_str()),
        Request::Connect(_)
        | Request::RefreshToken { .. }
        | Request::Ping
        | Request::Pong
        | Request::Join { .. }
        | Request::Leave { .. }
        | Request::Typing { .. }
        | Request::MarkRead { .. }
        | Request::History { .. }
        | Request::CreateCall { .. }
        | Request::JoinCall { .. }
        | Request::LeaveCall { .. }
        | Request::EndCall { .. }
        | Request::SetMedia { .. }
        | Request::Block { .. }
        | Request::Unblock { .. } => None,
    }
}

type Spoken = (&'static str, &'static str, String);

/// An envelope as the reference document prints them.
fn reference(action: &str, data: &str, seq_id: &str, user: Option<i64>) -> String {
    let user = user.map_or(String::new(), |id| format!(",\n  \"user_id\": {id}"));
    format!(
        "{{\n  \"action\": \"{action}\",\n  \"data\": {data},\n  \"timestamp\": \"2024-01-01T12:00:00.000Z\",\n  \
         \"seq_id\": \"{seq_id}\"{user}\n}}\n"
    )
}

fn printed() -> Vec<Spoken> {
    let example = "An example of the reference document.";
    chat()
        .into_iter()
        .chain(calls())
        .map(|(name, bytes)| (name, example, bytes))
        .collect()
}

fn chat() -> [(&'static str, String); 5] {
    [
        (
            "request_connect",
            reference(
                "CONNECT",
                "{\n    \"jwt_token\": \"eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9...\"\n  }",
                "auth_001",
                None,
            ),
        ),
        ("request_ping", reference("PING", "{}", "ping_001", None)),
        (
            "request_join",
            reference(
                "JOIN_ROOM",
                "{\n    \"chatroom_id\": 1\n  }",
                "join_001",
                Some(123),
            ),
        ),
        (
            "request_post",
            reference(
                "SEND_MESSAGE",
                "{\n    \"chatroom_id\": 1,\n    \"content\": \"안녕하세요!\",\n    \"message_type\": \"text\"\n  }",
                "msg_001",
                Some(123),
            ),
        ),
        (
            "request_leave",
            reference(
                "LEAVE_ROOM",
                "{\n    \"chatroom_id\": 1\n  }",
                "leave_001",
                Some(123),
            ),
        ),
    ]
}

fn calls() -> [(&'static str, String); 6] {
    [
        (
            "request_create_call",
            reference(
                "CREATE_VIDEO_ROOM",
                "{\n    \"chatroom_id\": 1,\n    \"video_room_name\": \"영상회의\",\n    \"max_participants\": 10\n  }",
                "video_001",
                Some(123),
            ),
        ),
        (
            "request_join_call",
            reference(
                "JOIN_VIDEO_ROOM",
                "{\n    \"video_room_id\": 200,\n    \"media_status\": {\n      \"audio_enabled\": true,\n      \
                 \"video_enabled\": true\n    }\n  }",
                "video_join_001",
                Some(124),
            ),
        ),
        (
            "request_signal_offer",
            reference(
                "SDP_OFFER",
                "{\n    \"video_room_id\": 200,\n    \"target_user_id\": 124,\n    \"sdp\": {\n      \"type\": \
                 \"offer\",\n      \"sdp\": \"v=0\\r\\no=- 123456789 2 IN IP4 127.0.0.1\\r\\n...\"\n    }\n  }",
                "sdp_001",
                Some(123),
            ),
        ),
        (
            "request_signal_answer",
            reference(
                "SDP_ANSWER",
                "{\n    \"video_room_id\": 200,\n    \"target_user_id\": 123,\n    \"sdp\": {\n      \"type\": \
                 \"answer\",\n      \"sdp\": \"v=0\\r\\no=- 987654321 2 IN IP4 127.0.0.1\\r\\n...\"\n    }\n  }",
                "sdp_002",
                Some(124),
            ),
        ),
        (
            "request_signal_candidate",
            reference(
                "ICE_CANDIDATE",
                "{\n    \"video_room_id\": 200,\n    \"target_user_id\": 124,\n    \"candidate\": {\n      \
                 \"candidate\": \"candidate:1 1 UDP 2130706431 192.168.1.100 54400 typ host\",\n      \
                 \"sdpMid\": \"0\",\n      \"sdpMLineIndex\": 0\n    }\n  }",
                "ice_001",
                Some(123),
            ),
        ),
        (
            "request_set_media",
            reference(
                "MEDIA_STATUS_CHANGE",
                "{\n    \"video_room_id\": 200,\n    \"media_status\": {\n      \"audio_enabled\": false,\n      \
                 \"video_enabled\": true,\n      \"screen_sharing\": false\n    }\n  }",
                "media_001",
                Some(123),
            ),
        ),
    ]
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// What our own client builds.
#[rustfmt::skip] // One row, one request.
fn built() -> Vec<Spoken> {
    let greeting = Greeting {
        locale: Some("ko-KR"),
        accept_compression: true,
        resume: &[(1, 41, "00000000000000ff"), (2, 0, "0123456789abcdef")],
    };
    let line = |action, data| text(client::request(action, data, "s1"));
    let mut built = vec![
        ("request_connect_resume", "With all that a CONNECT may say.", text(client::connect_with("abc", &greeting, "s1"))),
        ("request_ping_untagged", "The least a request may be.", "{\"action\":\"PING\"}\n".into()),
        ("request_refresh_token", "A new token for a live session.", line("REFRESH_TOKEN", r#"{"jwt_token":"abc"}"#)),
        ("request_join_after", "A join that wants what came after a message.", line("JOIN_ROOM", r#"{"chatroom_id":1,"after_seq":41}"#)),
        ("request_post_plain", "The least a message may be.", text(client::post(1, "hi\n\"you\"", Some("c-1"), "s1"))),
        (
            "request_post_full",
            "A message with everything.",
            line(
                "SEND_MESSAGE",
                r#"{"chatroom_id":1,"content":"https://example.com/a.png","message_type":"image","client_message_id":"c-2","reply_to":"01900000000070008000000000000001","metadata":{ "width" : 640, "tags": ["a","\ud83d\udd25"] }}"#,
            ),
        ),
        ("request_emit", "What only an application understands.", line("SEND_EVENT", r#"{"chatroom_id":1,"type":"game.move","data":{ "x" : 10, "y" : 20 }}"#)),
        (
            "request_emit_key",
            "With a key; what the server says itself is taken out of `data`.",
            line(
                "SEND_EVENT",
                r#"{"chatroom_id":1,"type":"app.cursor.moved","key":"mouse","data":{"room":"x","key":1,"at":[1,2],"user_id":"bob","room":2}}"#,
            ),
        ),
        ("request_typing", "Someone types.", line("TYPING", r#"{"chatroom_id":1,"is_typing":true}"#)),
        ("request_mark_read", "Someone has read.", line("MARK_READ", r#"{"chatroom_id":1,"seq":41}"#)),
        ("request_history_latest", "The newest page.", line("GET_MESSAGES", r#"{"chatroom_id":1}"#)),
        ("request_history_after", "The page after a message.", line("GET_MESSAGES", r#"{"chatroom_id":1,"after_seq":41,"limit":200}"#)),
        ("request_history_before", "The page before a message.", line("GET_MESSAGES", r#"{"chatroom_id":1,"before_seq":41,"limit":1}"#)),
        ("request_leave_call", "Out of a call.", line("LEAVE_VIDEO_ROOM", r#"{"video_room_id":200}"#)),
        ("request_end_call", "The end of a call.", line("END_VIDEO_ROOM", r#"{"video_room_id":200}"#)),
        (
            "request_signal_candidates_end",
            "No more candidates.",
            line("ICE_CANDIDATE", r#"{"video_room_id":200,"target_user_id":124,"candidate":null}"#),
        ),
        ("request_block", "Hear nothing of a user.", line("BLOCK_USER", r#"{"user_id":124}"#)),
        ("request_unblock", "Hear a user again.", line("UNBLOCK_USER", r#"{"user_id":124}"#)),
    ];
    built.extend(several());
    built
}

/// Several requests at once, and one that is packed.
fn several() -> Vec<Spoken> {
    let batch = [
        client::ping("p1"),
        client::post(1, "하나", None, "m1"),
        client::join(2, "j1"),
    ]
    .map(text);
    let batch = format!(
        r#"{{"messages":[{}]}}"#,
        batch.map(|it| it.trim().to_owned()).join(",")
    );
    let batch = text(client::request("BATCH_MESSAGES", &batch, "s1"));
    vec![
        ("request_batch", "Three requests in one.", batch),
        (
            "request_compressed",
            "A message whose `data` is base64 of gzip.",
            // Packed once, by another packer, so that the bytes stay.
            concat!(
                r#"{"action":"SEND_MESSAGE","data":"H4sIAAAAAAACA6tWSs5ILCnKz8+Nz0xRsjLUUUrOzytJzStRslJ6M7XjdevU"#,
                r#"t1NnvGnZ8WbWFEUlHaXc1OLixPTU+JLKglSgipLUihKlWgApPp2WRAAAAA==","compressed":true,"seq_id":"s1"}"#,
                "\n"
            )
            .into(),
        ),
        (
            "request_stream",
            "Two objects without anything between them, and white space around.",
            " {\"action\":\"PING\",\"seq_id\":\"a\"}{\"action\":\"PING\",\"seq_id\":\"b\"}\r\n\t\n".into(),
        ),
    ]
}

/// What is not understood; the stream goes on.
fn wrong() -> Vec<Spoken> {
    let line = |action, data| text(client::request(action, data, "s1"));
    let nested = r#"{"messages":[{"action":"BATCH_MESSAGES","data":{"messages":[]},"seq_id":"b2"}]}"#;
    vec![
        (
            "refused_no_action",
            "Nothing is asked.",
            "{\"data\":{},\"seq_id\":\"s1\"}\n".into(),
        ),
        ("refused_unknown_action", "No such action.", line("FLY", "{}")),
        (
            "refused_field_missing",
            "A field is missing.",
            line("JOIN_ROOM", "{}"),
        ),
        (
            "refused_field_type",
            "A field is of the wrong type.",
            line("JOIN_ROOM", r#"{"chatroom_id":"1"}"#),
        ),
        (
            "refused_field_inside",
            "A field of an object is of the wrong type.",
            line(
                "JOIN_VIDEO_ROOM",
                r#"{"video_room_id":200,"media_status":{"audio_enabled":1,"video_enabled":true}}"#,
            ),
        ),
        (
            "refused_integer_beyond",
            "A number beyond 64 bits.",
            line("MARK_READ", r#"{"chatroom_id":9223372036854775808,"seq":1}"#),
        ),
        (
            "refused_half_surrogate",
            "A text that is no Unicode.",
            line(
                "SEND_MESSAGE",
                r#"{"chatroom_id":1,"content":"\ud800","message_type":"text"}"#,
            ),
        ),
        (
            "refused_duplicate_key",
            "A key stands twice.",
            "{\"action\":\"PING\",\"action\":\"PING\"}\n".into(),
        ),
        (
            "refused_not_json",
            "Balanced, and no JSON.",
            "{\"action\":\"PING\",}\n".into(),
        ),
        (
            "refused_not_gzip",
            "Said to be compressed.",
            "{\"action\":\"PING\",\"data\":\"aGVsbG8=\",\"compressed\":true}\n".into(),
        ),
        (
            "refused_nested_batch",
            "A batch in a batch.",
            line("BATCH_MESSAGES", nested),
        ),
    ]
}
