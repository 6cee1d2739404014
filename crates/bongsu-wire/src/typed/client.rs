//! The other end of the wire, for our own command line, load generator and simulation: requests to texts, messages to
//! what they say. Nothing in it is needed to serve.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

pub use serde_json::Value;

use crate::json::write::{Json, key};

/// One request as the text of one message. `data` is the text of an object, `id` the client's own reference if it wants
/// an answer that says which request it answers.
#[must_use]
pub fn request(kind: &str, data: &str, id: Option<&str>) -> String {
    message(kind, id, |json| {
        json.literal(data);
        json.literal(",");
    })
}

fn message(kind: &str, id: Option<&str>, fill: impl FnOnce(&mut Json)) -> String {
    let mut json = Json::with_capacity(128);
    json.literal("{");
    json.text(key!("type"), kind);
    json.literal(key!("data"));
    fill(&mut json);
    if let Some(id) = id {
        json.text(key!("id"), id);
    }
    json.drop_comma();
    json.literal("}");
    String::from_utf8(json.into_bytes()).expect("texts were written into it, and nothing else")
}

/// `auth` with an access token, the language of texts for people, and what the client has of its rooms: by name or
/// number, the last `seq` and its `epoch`.
#[must_use]
pub fn auth(token: &str, locale: Option<&str>, resume: &[(&str, u64, &str)], id: Option<&str>) -> String {
    let mut object = json!({ "token": token });
    if let Some(locale) = locale {
        object["locale"] = locale.into();
    }
    if !resume.is_empty() {
        let point =
            |(room, seq, epoch): &(&str, u64, &str)| json!({ "room": room, "seq": seq, "epoch": epoch });
        object["resume"] = resume.iter().map(point).collect();
    }
    request("auth", &object.to_string(), id)
}

/// `ping`.
#[must_use]
pub fn ping(id: Option<&str>) -> String {
    request("ping", "{}", id)
}

/// `pong`, the answer to the server's own `ping`.
#[must_use]
pub fn pong() -> String {
    request("pong", "{}", None)
}

/// `room.join`.
#[must_use]
pub fn join(room: &str, id: Option<&str>) -> String {
    request("room.join", &json!({ "room": room }).to_string(), id)
}

/// `room.leave`.
#[must_use]
pub fn leave(room: &str, id: Option<&str>) -> String {
    request("room.leave", &json!({ "room": room }).to_string(), id)
}

/// `chat.message` of a text.
#[must_use]
pub fn post(room: &str, text: &str, client_message_id: Option<&str>, id: Option<&str>) -> String {
    message("chat.message", id, |json| {
        json.literal("{");
        json.text(key!("room"), room);
        json.text(key!("text"), text);
        if let Some(client_id) = client_message_id {
            json.text(key!("client_message_id"), client_id);
        }
        json.end_object();
    })
}

/// One message from the server.
#[derive(Clone, Debug, Deserialize)]
pub struct Heard<'a> {
    /// What it is.
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    /// The request's reference, if it answers one that had a reference.
    #[serde(borrow, default)]
    pub ref_id: Option<Cow<'a, str>>,
    /// Of an `error`: the code.
    #[serde(borrow, default)]
    pub code: Option<Cow<'a, str>>,
    /// Of an `error`: the text for people.
    #[serde(borrow, default)]
    pub message: Option<Cow<'a, str>>,
    /// Of an `error`: one word that is part of the contract.
    #[serde(borrow, default)]
    pub reason: Option<Cow<'a, str>>,
    /// Of an `error`: when trying again makes sense, in milliseconds from now.
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
    /// Of the last `error` before a close: `now`, `later` or `never`.
    #[serde(borrow, default)]
    pub reconnect: Option<Cow<'a, str>>,
    /// The text of the object, unread; an `error` has none.
    #[serde(borrow, default)]
    pub data: Option<&'a RawValue>,
}

impl<'a> Heard<'a> {
    /// Reads one text message.
    ///
    /// # Errors
    ///
    /// Whatever is no message of the type protocol.
    pub fn parse(text: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// `data`, parsed; `null` for an `error`.
    ///
    /// # Errors
    ///
    /// Never for what [`Self::parse`] has read.
    pub fn object(&self) -> Result<Value, serde_json::Error> {
        self.data
            .map_or(Ok(Value::Null), |data| serde_json::from_str(data.get()))
    }
}
