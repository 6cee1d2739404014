//! What the server says: replies, events, refusals and notices to bytes, and back through the client's parser.

use std::fmt::Debug;

use bongsu_model::event::Audience;
use bongsu_model::{Encode, Event, Limits, Locale, Tag};
use bongsu_wire::action::client::Heard;
use bongsu_wire::action::{ActionCodec, ActionEvents};

use super::Sections;
use super::values::{NOW, events, notices, refusals, replies};

const ID: u64 = 0x00ab_cdef_0123_4567;
const LOCALES: [(Locale, &str); 2] = [(Locale::En, "en"), (Locale::Ko, "ko")];

pub(crate) fn vectors() -> Vec<(String, Sections)> {
    [said_replies(), said_events(), said_refusals(), said_notices()].concat()
}

fn said_replies() -> Vec<(String, Sections)> {
    let codec = ActionCodec::new();
    let mut vectors = Vec::new();
    for (name, about, seq_id, reply) in replies() {
        let tag = Tag {
            reference: seq_id.map(Into::into),
            verb: None,
        };
        let Some(bytes) = codec.reply(&tag, &reply, NOW, &Limits::DEFAULT) else {
            continue;
        };
        let context = format!("seq_id {}\nnow {NOW}", seq_id.unwrap_or("none"));
        vectors.push((format!("reply_{name}"), said(about, context, &reply, &bytes)));
    }
    vectors
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
        vectors.push((
            format!("event_{name}"),
            said(about, context, &event.body, &ActionEvents::plain().encode(&event)),
        ));
    }
    vectors
}

fn said_refusals() -> Vec<(String, Sections)> {
    let codec = ActionCodec::new();
    let mut vectors = Vec::new();
    for (name, about, verbs, refusal) in refusals() {
        for (locale, spelled) in LOCALES {
            let tag = Tag {
                reference: verbs.map(|_| "s1".into()),
                verb: verbs.map(|[action, _]| action.into()),
            };
            let bytes = codec.refusal(&tag, &refusal, locale, NOW, ID);
            let seq_id = tag.reference.as_deref().unwrap_or("none");
            let action = tag.verb.as_deref().unwrap_or("none");
            let context =
                format!("seq_id {seq_id}\naction {action}\nlocale {spelled}\nid {ID:016x}\nnow {NOW}");
            vectors.push((
                format!("refusal_{name}_{spelled}"),
                said(about, context, &refusal, &bytes),
            ));
        }
    }
    vectors
}

fn said_notices() -> Vec<(String, Sections)> {
    let codec = ActionCodec::new();
    let mut vectors = Vec::new();
    for (name, about, notice) in notices() {
        for (locale, spelled) in LOCALES {
            let bytes = codec.notice(&notice, locale, NOW, ID, &Limits::DEFAULT);
            let context = format!("locale {spelled}\nid {ID:016x}\nnow {NOW}");
            vectors.push((
                format!("notice_{name}_{spelled}"),
                said(about, context, &notice, &bytes),
            ));
        }
    }
    vectors
}

/// Checks that a line is one, that it can be heard, and that any JSON encoder would say the same.
fn said(about: &str, context: String, value: &impl Debug, bytes: &[u8]) -> Sections {
    let (b'\n', text) = bytes.split_last().unwrap() else {
        panic!("a line ends with a newline")
    };
    assert!(!text.contains(&b'\n'), "one line");
    let heard = Heard::parse(bytes).unwrap();
    assert!(heard.object().unwrap().is_object());
    assert_eq!(heard.timestamp, NOW.to_string());
    let parsed: serde_json::Value = serde_json::from_slice(text).unwrap();
    let fields: usize = count(&parsed);
    assert_eq!(
        fields,
        text.windows(2).filter(|it| *it == b"\":").count(),
        "no key stands twice"
    );
    let action = String::from_utf8(bytes.to_vec()).unwrap();
    vec![
        ("about", about.into()),
        ("context", context),
        ("value", format!("{value:#?}")),
        ("action", action),
    ]
}

/// Keys in all objects.
fn count(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Object(map) => map.values().map(|it| 1 + count(it)).sum(),
        serde_json::Value::Array(array) => array.iter().map(count).sum(),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => 0,
    }
}
