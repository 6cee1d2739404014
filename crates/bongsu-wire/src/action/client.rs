//! The other end of the wire, for our own command line, load generator and simulation: requests to bytes, lines
//! to what they say. Nothing in it is needed to serve.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

pub use serde_json::Value;

use super::gzip;
use crate::json::write::{Json, key};

/// What a client takes of compressed `data` once unpacked, in bytes: more than the largest page of history.
const UNPACKED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One request as one line. `data` is the text of an object.
#[must_use]
pub fn request(action: &str, data: &str, seq_id: &str) -> Vec<u8> {
    line(action, seq_id, |json| {
        json.literal(data);
        json.literal(",");
    })
}

/// One request with its `data` compressed.
#[must_use]
pub fn request_compressed(action: &str, data: &str, seq_id: &str) -> Vec<u8> {
    line(action, seq_id, |json| {
        json.ascii("", |out| gzip::pack(data.as_bytes(), out));
        json.bool(key!("compressed"), true);
    })
}

fn line(action: &str, seq_id: &str, fill: impl FnOnce(&mut Json)) -> Vec<u8> {
    let mut json = Json::with_capacity(128);
    json.literal("{");
    json.text(key!("action"), action);
    json.literal(key!("data"));
    fill(&mut json);
    json.text(key!("seq_id"), seq_id);
    json.drop_comma();
    json.literal("}\n");
    json.into_bytes()
}

/// CONNECT with an access token.
#[must_use]
pub fn connect(token: &str, seq_id: &str) -> Vec<u8> {
    connect_with(token, &Greeting::default(), seq_id)
}

/// What a CONNECT may say beside the token.
#[derive(Clone, Debug, Default)]
pub struct Greeting<'a> {
    /// The language of texts for people.
    pub locale: Option<&'a str>,
    /// Whether `data` may come compressed.
    pub accept_compression: bool,
    /// The last `seq` and the `epoch` that the client has, by room.
    pub resume: &'a [(i64, u64, &'a str)],
}

/// CONNECT with all that it may say.
#[must_use]
pub fn connect_with(token: &str, greeting: &Greeting<'_>, seq_id: &str) -> Vec<u8> {
    let mut object = json!({ "jwt_token": token });
    if let Some(locale) = greeting.locale {
        object["locale"] = locale.into();
    }
    if greeting.accept_compression {
        object["accept_compression"] = true.into();
    }
    if !greeting.resume.is_empty() {
        let point = |(room, seq, epoch): &(i64, u64, &str)| json!({ "chatroom_id": room, "seq": seq, "epoch": epoch });
        object["resume"] = greeting.resume.iter().map(point).collect();
    }
    request("CONNECT", &object.to_string(), seq_id)
}

/// PING.
#[must_use]
pub fn ping(seq_id: &str) -> Vec<u8> {
    request("PING", "{}", seq_id)
}

/// JOIN_ROOM.
#[must_use]
pub fn join(room: i64, seq_id: &str) -> Vec<u8> {
    request("JOIN_ROOM", &format!(r#"{{"chatroom_id":{room}}}"#), seq_id)
}

/// LEAVE_ROOM.
#[must_use]
pub fn leave(room: i64, seq_id: &str) -> Vec<u8> {
    request("LEAVE_ROOM", &format!(r#"{{"chatroom_id":{room}}}"#), seq_id)
}

/// SEND_MESSAGE of type `text`.
#[must_use]
pub fn post(room: i64, content: &str, client_message_id: Option<&str>, seq_id: &str) -> Vec<u8> {
    line("SEND_MESSAGE", seq_id, |json| {
        json.literal("{");
        json.integer(key!("chatroom_id"), room);
        json.text(key!("content"), content);
        json.plain(key!("message_type"), "text");
        if let Some(id) = client_message_id {
            json.text(key!("client_message_id"), id);
        }
        json.end_object();
    })
}

/// One line from the server.
#[derive(Clone, Debug, Deserialize)]
pub struct Heard<'a> {
    /// What it is.
    #[serde(borrow)]
    pub action: Cow<'a, str>,
    /// The request's reference, or the server's own.
    #[serde(borrow, default)]
    pub seq_id: Option<Cow<'a, str>>,
    /// When it was said.
    #[serde(borrow)]
    pub timestamp: Cow<'a, str>,
    /// Whether `data` is compressed.
    #[serde(default)]
    pub compressed: bool,
    #[serde(borrow, rename = "data")]
    object: &'a RawValue,
}

/// Why a line of a server could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    /// It is not an envelope.
    #[error("not an envelope of the action protocol")]
    Envelope(#[from] serde_json::Error),
    /// Its compressed `data` cannot be unpacked.
    #[error("compressed data cannot be unpacked")]
    Packed,
}

impl<'a> Heard<'a> {
    /// Reads one line, with or without its newline. `data` is looked at only by [`Self::object`].
    ///
    /// # Errors
    ///
    /// Whatever is no envelope.
    pub fn parse(line: &'a [u8]) -> Result<Self, Unheard> {
        Ok(serde_json::from_slice(line)?)
    }

    /// `data`, unpacked if it came compressed.
    ///
    /// # Errors
    ///
    /// Compressed `data` that cannot be unpacked or is not JSON.
    pub fn object(&self) -> Result<Value, Unheard> {
        if !self.compressed {
            return Ok(serde_json::from_str(self.object.get())?);
        }
        let packed: Cow<'_, str> = serde_json::from_str(self.object.get())?;
        let unpacked = gzip::unpack(&packed, UNPACKED_BYTES_MAX).map_err(|_| Unheard::Packed)?;
        Ok(serde_json::from_str(&unpacked)?)
    }
}
