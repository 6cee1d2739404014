//! What the server says: replies, events, refusals and notices to bytes, and back through the clients' parsers.

use std::fmt::Debug;

use bongsu_model::event::Audience;
use bongsu_model::{Encode, Event, EventBody, Limits, Locale, Refusal, Reply, Tag};
use bongsu_wire::action::client::Heard;
use bongsu_wire::action::{ActionCodec, ActionEvents, ActionFrames};
use bongsu_wire::socketio::chat::{ChatEvents, ChatVoice};
use bongsu_wire::typed::{self, TypeEvents, TypeVoice};
use serde_json::Value;

use super::Sections;
use super::common::{CLOSE, TEXT, frames, text_frame};
use super::socketio::{self, packets};
use super::values::{NOW, events, notices, refusals, replies};

const ID: u64 = 0x00ab_cdef_0123_4567;
const LOCALES: [(Locale, &str); 2] = [(Locale::En, "en"), (Locale::Ko, "ko")];

pub(crate) fn vectors() -> Vec<(String, Sections)> {
    let ping = vec![("notice_ping".into(), said_ping())];
    [
        said_replies(),
        said_events(),
        said_refusals(),
        said_notices(),
        ping,
    ]
    .concat()
}

fn tag(reference: Option<&str>, verb: Option<&str>) -> Tag {
    Tag {
        reference: reference.map(Into::into),
        verb: verb.map(Into::into),
    }
}

fn said_replies() -> Vec<(String, Sections)> {
    let mut vectors = Vec::new();
    for (name, about, seq_id, reply) in replies() {
        let tag = tag(seq_id, None);
        let action = ActionCodec::new().reply(&tag, &reply, NOW, &Limits::DEFAULT);
        let typed = TypeVoice::default().reply(&tag, &reply);
        let context = format!("seq_id {}\nnow {NOW}", seq_id.unwrap_or("none"));
        let said = Said::new(action.as_deref(), Some(&typed));
        assert_eq!(said.typed_reference(), seq_id.map(Into::into), "{name}");
        let mut sections = said.of(about, context, &reply);
        sections.extend(said_in_events(seq_id, &reply));
        vectors.push((format!("reply_{name}"), sections));
    }
    vectors
}

/// An answer as an event and as an acknowledgement, to a request of the type protocol and to one of the chat's own.
fn said_in_events(reference: Option<&str>, reply: &Reply) -> Sections {
    let voice = ChatVoice::new(socketio::TYPE);
    let both = |name: &str| {
        let said = [false, true].map(|ack| voice.reply(&socketio::tag(name, reference, ack), reply));
        let said: Vec<_> = said.iter().flatten().map(|it| packets(it).0).collect();
        said.join("\n")
    };
    let own = match reply {
        Reply::Connected(_) | Reply::TokenRefreshed(_) => Some("postinit_req"),
        Reply::Posted { .. } | Reply::Repeated { .. } => Some("message"),
        Reply::Pong { .. }
        | Reply::Joined { .. }
        | Reply::Left { .. }
        | Reply::Marked { .. }
        | Reply::Page(_)
        | Reply::CallCreated { .. }
        | Reply::CallEnded { .. }
        | Reply::MediaSet { .. }
        | Reply::CallJoined { .. }
        | Reply::CallLeft { .. }
        | Reply::Blocked { .. }
        | Reply::Unblocked { .. } => None,
    };
    let mut sections = vec![("socketio", both("any"))];
    sections.extend(own.map(|name| ("socketio_chat", both(name))));
    sections
}

fn said_events() -> Vec<(String, Sections)> {
    let mut vectors = Vec::new();
    for (name, about, cause, body) in events() {
        let event = Event {
            id: ID,
            at: NOW,
            cause: cause.map(Into::into),
            audience: Audience::All,
            actor: None,
            body,
        };
        let context = format!("seq_id {}\nid {ID:016x}\nnow {NOW}", cause.unwrap_or("none"));
        let action = ActionEvents::plain().encode(&event);
        assert_eq!(
            text_frame(&ActionFrames::plain().encode(&event)),
            action[..action.len() - 1]
        );
        let said = Said::new(Some(&action), Some(&TypeEvents::plain().encode(&event)));
        assert_eq!(
            said.typed_reference(),
            None,
            "{name}: an event is the same for all"
        );
        let mut sections = said.of(about, context, &event.body);
        for (section, manner) in [("socketio", socketio::TYPE), ("socketio_chat", socketio::CHAT)] {
            let said = ChatEvents::new(manner).encode(&event);
            let posted = matches!(event.body, EventBody::Posted(_));
            assert_eq!(said.is_empty(), manner == socketio::CHAT && !posted, "{name}");
            if !said.is_empty() {
                sections.push((section, packets(&said).0));
            }
        }
        vectors.push((format!("event_{name}"), sections));
    }
    vectors
}

fn said_refusals() -> Vec<(String, Sections)> {
    let mut vectors = Vec::new();
    for (name, about, verbs, refusal) in refusals() {
        for (locale, spelled) in LOCALES {
            let reference = verbs.filter(|_| !name.ends_with("_untagged")).map(|_| "s1");
            let [action, kind] = [0, 1].map(|protocol| verbs.map(|verbs| verbs[protocol]));
            let line = ActionCodec::new().refusal(&tag(reference, action), &refusal, locale, NOW, ID);
            let frame = TypeVoice::default().refusal(&tag(reference, kind), &refusal, locale);
            let context = format!(
                "seq_id {}\naction {}\nlocale {spelled}\nid {ID:016x}\nnow {NOW}",
                reference.unwrap_or("none"),
                action.unwrap_or("none")
            );
            let said = Said::new(Some(&line), Some(&frame));
            assert_eq!(said.typed_reference(), reference.map(Into::into), "{name}");
            let mut sections = said.of(about, context, &refusal);
            sections.extend(refused_in_events(kind, reference, &refusal, locale));
            vectors.push((format!("refusal_{name}_{spelled}"), sections));
        }
    }
    vectors
}

/// A refusal of a request of the type protocol and of one of the chat's own.
fn refused_in_events(
    kind: Option<&str>,
    reference: Option<&str>,
    refusal: &Refusal,
    locale: Locale,
) -> Sections {
    let voice = ChatVoice::new(socketio::TYPE);
    let refused = |name: &str| {
        let tag = socketio::tag(name, reference, false);
        packets(&voice.refusal(&tag, refusal, locale, NOW)).0
    };
    let mut sections = vec![("socketio", refused(kind.unwrap_or_default()))];
    let own = match kind {
        Some("auth") => Some("postinit_req"),
        Some("chat.message") => Some("message"),
        Some(_) | None => None,
    };
    sections.extend(own.map(|name| ("socketio_chat", refused(name))));
    sections
}

fn said_notices() -> Vec<(String, Sections)> {
    let mut vectors = Vec::new();
    for (name, about, notice) in notices() {
        for (locale, spelled) in LOCALES {
            let line = ActionCodec::new().notice(&notice, locale, NOW, ID, &Limits::DEFAULT);
            let frames = TypeVoice::default().notice(&notice, locale);
            let context = format!("locale {spelled}\nid {ID:016x}\nnow {NOW}");
            let said = Said::new(Some(&line), Some(&frames));
            assert_eq!(said.close.is_some(), name.starts_with("closed_"), "{name}");
            let closes = said.close.clone();
            let mut sections = said.of(about, context, &notice);
            for (section, manner) in [("socketio", socketio::TYPE), ("socketio_chat", socketio::CHAT)] {
                let (said, close) = packets(&ChatVoice::new(manner).notice(&notice, locale));
                // Who is to come back is cut off without a close: clients of Socket.IO take one for the end.
                let ends = closes.clone().filter(|it| it.ends_with("reconnect=never"));
                assert_eq!(close, ends, "{name}");
                let before = sections.last().map(|it| it.1.as_str());
                if !said.is_empty() && before != Some(&said) {
                    sections.push((section, said));
                }
            }
            vectors.push((format!("notice_{name}_{spelled}"), sections));
        }
    }
    vectors
}

/// The server's own question, as a message behind a WebSocket ping.
fn said_ping() -> Sections {
    let mut frames = frames(&TypeVoice::default().ping());
    assert_eq!(frames.remove(0), (0x89, vec![]));
    let [(TEXT, text)] = frames.as_slice() else {
        panic!("a text frame: {frames:?}")
    };
    vec![
        ("about", "Is anybody there.".into()),
        ("context", format!("now {NOW}")),
        ("value", "the server's own question".into()),
        ("type", String::from_utf8(text.clone()).unwrap()),
    ]
}

/// What one value is in every protocol that has words for it.
struct Said {
    action: Option<String>,
    typed: Option<String>,
    /// The close frame behind the last error.
    close: Option<String>,
}

impl Said {
    /// Checks that a line is one and a frame whole, that they can be heard, and that any JSON encoder would say the same.
    fn new(action: Option<&[u8]>, typed: Option<&[u8]>) -> Self {
        let action = action.map(|line| {
            let (b'\n', text) = line.split_last().unwrap() else {
                panic!("a line ends with a newline")
            };
            let heard = Heard::parse(line).unwrap();
            assert!(heard.object().unwrap().is_object());
            assert_eq!(heard.timestamp, NOW.to_string());
            json(text);
            String::from_utf8(line.to_vec()).unwrap()
        });
        let mut frames = typed.map_or(vec![], frames).into_iter();
        let typed = frames.next().map(|(first, text)| {
            assert_eq!(first, TEXT);
            json(&text);
            String::from_utf8(text).unwrap()
        });
        let close = frames.next().map(|(first, payload)| {
            assert_eq!(first, CLOSE);
            let code = u16::from_be_bytes([payload[0], payload[1]]);
            format!("{code} {}", std::str::from_utf8(&payload[2..]).unwrap())
        });
        assert!(frames.next().is_none(), "nothing follows a close");
        Self { action, typed, close }
    }

    fn typed_reference(&self) -> Option<String> {
        let heard = typed::client::Heard::parse(self.typed.as_ref()?.as_bytes()).unwrap();
        assert_eq!(heard.code.is_some(), heard.kind == "error");
        assert_eq!(heard.object().unwrap().is_object(), heard.kind != "error");
        heard.ref_id.map(Into::into)
    }

    fn of(self, about: &str, context: String, value: &impl Debug) -> Sections {
        let mut sections = vec![
            ("about", about.into()),
            ("context", context),
            ("value", format!("{value:#?}")),
        ];
        let texts = [
            ("action", self.action),
            ("type", self.typed),
            ("close", self.close),
        ];
        sections.extend(texts.into_iter().filter_map(|(name, text)| Some((name, text?))));
        sections
    }
}

/// One line of JSON in which no key stands twice.
fn json(text: &[u8]) {
    assert!(!text.contains(&b'\n'), "one line");
    let parsed: Value = serde_json::from_slice(text).unwrap();
    let colons = text.windows(2).filter(|it| *it == b"\":").count();
    assert_eq!(
        count(&parsed),
        colons,
        "a key stands twice: {}",
        String::from_utf8_lossy(text)
    );
}

/// Keys in all objects.
fn count(value: &Value) -> usize {
    match value {
        Value::Object(map) => map.values().map(|it| 1 + count(it)).sum(),
        Value::Array(array) => array.iter().map(count).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}
