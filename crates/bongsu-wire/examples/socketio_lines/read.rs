//! How we read, as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bongsu_model::Limits;
use bongsu_wire::socketio::engine::{Heard, Kind, Payloads, Version};
use bongsu_wire::socketio::packet::{self, Packet};
use serde_json::{Value, json};

/// The answer to one line: `{"packet": text}`, or `{"version": 3 | 4, "form": "text" | "octets" | "form", "body":
/// base64}`. `None` if it is neither.
pub(crate) fn line(asked: &Value) -> Option<Value> {
    if let Some(text) = asked["packet"].as_str() {
        return Some(read_packet(text));
    }
    let version = match asked["version"].as_u64()? {
        3 => Version::V3,
        4 => Version::V4,
        _ => return None,
    };
    let kind = match asked["form"].as_str()? {
        "text" => Kind::Text,
        "octets" => Kind::Octets,
        "form" => Kind::Form,
        _ => return None,
    };
    let body = STANDARD.decode(asked["body"].as_str()?).ok()?;
    Some(read_payload(version, kind, &body))
}

/// `{"type", "attachments", "nsp", "id", "data"}` with the data as text, or `{"refused"}`.
pub(crate) fn read_packet(text: &str) -> Value {
    match packet::decode(text, &Limits::DEFAULT) {
        Ok(read) => said(&read),
        Err(violation) => json!({ "refused": violation.to_string() }),
    }
}

fn said(read: &Packet<'_>) -> Value {
    let kind = match read.kind {
        packet::Kind::Connect => 0,
        packet::Kind::Disconnect => 1,
        packet::Kind::Event => 2,
        packet::Kind::Ack => 3,
        packet::Kind::ConnectError => 4,
    };
    let namespace = match read.query {
        Some(query) => format!("{}?{query}", read.namespace),
        None => read.namespace.to_owned(),
    };
    json!({
        "type": kind,
        "attachments": read.attachments,
        "nsp": namespace,
        "id": read.id,
        "data": read.data,
        "name": read.event.as_ref().map(|it| &it.name),
        "arguments": read.event.as_ref().map(|it| it.arguments),
    })
}

/// `{"said": [..]}` with each packet's type and data, bytes as base64 in `binary`, and `refused` if it ends badly.
pub(crate) fn read_payload(version: Version, kind: Kind, body: &[u8]) -> Value {
    let mut said = Vec::new();
    let end = Payloads::new().decode(version, kind, body, &Limits::DEFAULT, &mut |heard| {
        said.push(match heard {
            Heard::Open => json!({ "type": "open" }),
            Heard::Close => json!({ "type": "close" }),
            Heard::Ping(data) => json!({ "type": "ping", "data": data }),
            Heard::Pong(data) => json!({ "type": "pong", "data": data }),
            Heard::Text(data) => json!({ "type": "message", "data": data }),
            Heard::Binary(bytes) => json!({ "type": "message", "binary": STANDARD.encode(bytes) }),
            Heard::Upgrade => json!({ "type": "upgrade" }),
            Heard::Noop => json!({ "type": "noop" }),
        });
    });
    match end {
        Ok(()) => json!({ "said": said }),
        Err(violation) => json!({ "said": said, "refused": violation.to_string() }),
    }
}
