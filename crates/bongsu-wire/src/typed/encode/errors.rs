//! `error`: flat, with the code in lower case; and the last one before a close, with the close frame behind it.

use bongsu_model::{Code, Locale, Reconnect, Refusal, Tag, Why};
use bytes::{Bytes, BytesMut};

use super::frame::sealed;
use crate::close;
use crate::json::write::{Json, key};
use crate::websocket::HEADER_BYTES_MAX;

/// How a connection is closed.
#[derive(Clone, Copy, Debug)]
pub(in crate::typed) struct Parting {
    pub(in crate::typed) close_code: u16,
    pub(in crate::typed) reconnect: Reconnect,
}

/// A request refused.
pub(in crate::typed) fn refusal(tag: &Tag, refusal: &Refusal, locale: Locale) -> Bytes {
    sealed(refused(tag, refusal, locale), None)
}

/// A refusal, and the close that it brings.
pub(in crate::typed) fn last_words(tag: &Tag, refusal: &Refusal, parting: Parting, locale: Locale) -> Bytes {
    part(refused(tag, refusal, locale), parting)
}

/// A close that no refusal brings.
pub(super) fn parted(code: Code, text: &str, parting: Parting) -> Bytes {
    part(error(code, text), parting)
}

fn refused(tag: &Tag, refusal: &Refusal, locale: Locale) -> Json {
    let refusal = in_our_words(tag.verb.as_deref().unwrap_or_default(), refusal);
    let mut json = error(refusal.code, &close::refusal_text(&refusal, locale));
    if let Some(reference) = &tag.reference {
        json.text(key!("ref_id"), reference);
    }
    if let Some(ms) = refusal.retry_after_ms {
        json.unsigned(key!("retry_after_ms"), ms);
    }
    if let Why::Reason(reason) = refusal.why {
        json.text(key!("reason"), reason);
    }
    json
}

fn error(code: Code, text: &str) -> Json {
    let mut json = Json::behind(HEADER_BYTES_MAX, 256 + text.len());
    json.literal("{");
    json.plain(key!("type"), "error");
    json.plain(key!("code"), code.lower_name());
    json.text(key!("message"), text);
    json
}

fn part(mut json: Json, parting: Parting) -> Bytes {
    json.plain(key!("reconnect"), parting.reconnect.name());
    let error = sealed(json, None);
    let close = close::closing_frame(parting.close_code, parting.reconnect);
    let mut both = BytesMut::with_capacity(error.len() + close.len());
    both.extend_from_slice(&error);
    both.extend_from_slice(&close);
    both.freeze()
}

/// The names that fields have in the action protocol and in whatever serves all, and those that they have here. What
/// belongs to calls has the same names in both.
const NAMES: [(&str, &str); 4] = [
    ("chatroom_id", "room"),
    ("content", "text"),
    ("jwt_token", "token"),
    ("resume.chatroom_id", "resume.room"),
];

/// The refusal of what is called `kind`, with the names that its fields have in this protocol.
pub(crate) fn in_our_words(kind: &str, refusal: &Refusal) -> Refusal {
    let mut refusal = refusal.clone();
    if kind.starts_with("call.") {
        return refusal;
    }
    let ours = |name: &'static str| NAMES.iter().find(|it| it.0 == name).map_or(name, |it| it.1);
    match &mut refusal.why {
        Why::Field { name, .. } => *name = ours(name),
        Why::TooLarge { what, .. } => *what = ours(what),
        Why::Code
        | Why::Malformed { .. }
        | Why::Reason(_)
        | Why::Incident(_)
        | Why::Command(_)
        | Why::Holder(_)
        | Why::Argument { .. } => {}
    }
    refusal
}
