//! What clients of Socket.IO say, and how packets are written down: one a line, as they stand in a text message.

use std::borrow::Cow;

use bongsu_model::{Limits, Tag};
use bongsu_wire::incoming::Incoming;
use bongsu_wire::socketio::chat::{Chat, Manner, Namespace, Style};
use bongsu_wire::socketio::client::{Heard, connect, event};
use bongsu_wire::socketio::connection::Connection;
use bongsu_wire::socketio::engine::{self, Version};
use serde_json::json;
use serde_json::value::RawValue;

use super::common::{CLOSE, TEXT, frames, rules};

/// A client of the chat that hears everything, and one that hears messages alone.
pub(crate) const TYPE: Manner = manner(Style::Type);
pub(crate) const CHAT: Manner = manner(Style::Chat);

const fn manner(style: Style) -> Manner {
    Manner {
        namespace: Namespace::Main,
        style,
        offset: false,
    }
}

/// The tag of an event; with `ack` its answer is awaited under the number 7.
pub(crate) fn tag(name: &str, reference: Option<&str>, ack: bool) -> Tag {
    Tag {
        reference: if ack {
            Some("#7".into())
        } else {
            reference.map(Into::into)
        },
        verb: Some(format!("/ {name}").into()),
    }
}

/// Hears one packet, in a connected namespace.
pub(crate) fn heard(packet: &str) -> Vec<Incoming> {
    let limits = Limits::DEFAULT;
    let mut connection = Connection::new(Version::V4, 0xabc, None, Chat::new());
    let mut out = Vec::new();
    if !packet.starts_with("40") {
        let connect = engine::Heard::Text("0");
        connection.hear(connect, &rules(&limits), &mut out).unwrap();
        out.clear();
    }
    let engine::Heard::Text(text) = engine::text(Version::V4, packet).unwrap() else {
        panic!("{packet} is no message")
    };
    connection
        .hear(engine::Heard::Text(text), &rules(&limits), &mut out)
        .unwrap();
    out
}

/// The packets of these frames, a line each; and the code and the reason of the close behind them.
pub(crate) fn packets(bytes: &[u8]) -> (String, Option<String>) {
    let (mut lines, mut close) = (Vec::new(), None);
    for (first, payload) in frames(bytes) {
        assert!(close.is_none(), "nothing follows a close");
        match first {
            TEXT => {
                let text = String::from_utf8(payload).unwrap();
                assert!(Heard::parse(&text).is_ok(), "{text}");
                lines.push(text);
            }
            CLOSE => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                close = Some(format!("{code} {}", std::str::from_utf8(&payload[2..]).unwrap()));
            }
            other => panic!("a frame {other:#x}"),
        }
    }
    (lines.join("\n"), close)
}

/// The request of the type protocol as an event; `None` for one that has no such form.
pub(crate) fn of_typed(text: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Message<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
        #[serde(borrow)]
        data: Option<&'a RawValue>,
        #[serde(borrow)]
        id: Option<Cow<'a, str>>,
        token: Option<&'a RawValue>,
    }
    let message: Message<'_> = serde_json::from_str(text).ok()?;
    let data = message.data.map_or("{}", RawValue::get);
    // What an application says has no place for a reference: all of the object is its own.
    let id = message
        .id
        .filter(|_| !message.kind.starts_with("game.") && !message.kind.starts_with("app."));
    if message.token.is_some() || !data.starts_with('{') {
        return None;
    }
    let data = match id {
        Some(id) if data == "{}" => json!({ "id": id }).to_string(),
        Some(id) => format!("{},\"id\":{}}}", data.strip_suffix('}')?, json!(id)),
        None => data.to_owned(),
    };
    Some(event("/", None, &message.kind, &data))
}

/// What means the same as the vector of this name, as the chat's own clients say it.
pub(crate) fn chat_same_as(name: &str) -> Option<String> {
    let (kind, data) = match name {
        "request_connect" => (
            "postinit_req",
            r#"{"token":"eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9...","id":"auth_001"}"#,
        ),
        "request_connect_resume" => (
            "postinit_req",
            r#"{"token":"abc","locale":"ko-KR","resume":[{"room":1,"seq":41,"epoch":"00000000000000ff"},{"room":"2","seq":0,"epoch":"0123456789abcdef"}],"id":"s1"}"#,
        ),
        "request_post" => (
            "message",
            r#"{"to":{"type":"ROOM","room":"1"},"content":"안녕하세요!","id":"msg_001"}"#,
        ),
        "request_post_plain" => (
            "message",
            r#"{"to":{"type":"ROOM","room":1},"type":"TEXT","content":"hi\n\"you\"","client_message_id":"c-1","id":"s1"}"#,
        ),
        _ => return None,
    };
    Some(event("/", None, kind, data))
}

type Spoken = (&'static str, &'static str, String);

/// What only this protocol can say.
pub(crate) fn alone() -> Vec<Spoken> {
    let own = |name, data| event("/", Some(7), name, data);
    vec![
        (
            "request_postinit",
            "A sign-in with a member token, which wants its place to be kept.",
            event(
                "/",
                None,
                "postinit_req",
                r#"{"token":"a6b365d853295c532f988916fb5413a2ab64a39c831c0292","recovery":true}"#,
            ),
        ),
        (
            "request_postinit_place",
            "A sign-in that wants an earlier place back.",
            own("postinit_req", r#"{"token":"abc","pid":"p-1","offset":"1-41"}"#),
        ),
        (
            "request_message",
            "A message to a room by its token, of which the number is awaited.",
            own(
                "message",
                r#"{"to":{"type":"ROOM","token":"262626262626262626262626262626262626262626262626"},"type":"IMAGE","content":"https://example.com/a.png"}"#,
            ),
        ),
        (
            "request_connect_packet",
            "A sign-in with the connection, by a client that will speak the type protocol.",
            connect("/", Some(&json!({ "token": "abc", "protocol": "type" }))),
        ),
        (
            "request_reference_like_a_number",
            "A reference that looks like the number of an acknowledgement is none.",
            event("/", None, "ping", r##"{"id":"#7"}"##),
        ),
    ]
}

/// What is not understood; the connection goes on.
pub(crate) fn wrong() -> Vec<Spoken> {
    let own = |name, data| event("/", Some(7), name, data);
    vec![
        ("refused_event_unknown", "No such event.", own("register", "{}")),
        (
            "refused_event_without_object",
            "An event that says nothing.",
            r#"42["message"]"#.into(),
        ),
        (
            "refused_event_no_object",
            "An event with something else than an object.",
            own("postinit_req", r#""abc""#),
        ),
        (
            "refused_message_to_user",
            "A message to what is no room.",
            own("message", r#"{"to":{"type":"USER","token":"x"},"content":"hi"}"#),
        ),
        (
            "refused_message_to_two",
            "A message to a room by two names.",
            own(
                "message",
                r#"{"to":{"type":"ROOM","token":"x","room":"y"},"content":"hi"}"#,
            ),
        ),
        (
            "refused_message_token",
            "A room's token that is none.",
            own("message", r#"{"to":{"type":"ROOM","token":"x"},"content":"hi"}"#),
        ),
        (
            "refused_message_kind",
            "A kind of message in small letters.",
            own(
                "message",
                r#"{"to":{"type":"ROOM","room":"y"},"type":"text","content":"hi"}"#,
            ),
        ),
        (
            "refused_event_id_not_a_string",
            "The reference is a number.",
            event("/", None, "ping", r#"{"id":1}"#),
        ),
        (
            "refused_connect_protocol",
            "A sign-in with the connection, for a protocol that there is not.",
            connect("/", Some(&json!({ "token": "abc", "protocol": "action" }))),
        ),
    ]
}
