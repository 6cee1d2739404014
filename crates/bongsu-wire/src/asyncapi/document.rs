//! The document: servers, channels, operations with what answers them, messages with schemas and examples.

use bongsu_model::Limits;
use serde_json::{Map, Value, json};

use super::{PROTOCOLS, codes, examples};
use crate::device::Format;
use crate::schema::{Direction, Message, Protocol, Spelling, Topic};

/// Examples of one message, at most.
const EXAMPLES_MAX: usize = 4;

/// The document, with the defaults of all limits.
#[must_use]
pub fn document() -> Value {
    let mut document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Bongsu",
            "version": env!("CARGO_PKG_VERSION"),
            "description": INTRODUCTION,
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": servers(),
        "x-error-codes": codes::errors(),
        "x-close-codes": codes::closings(),
        "x-order": PROTOCOLS.iter().map(|it| it.name).collect::<Vec<_>>(),
    });
    let (mut channels, mut operations) = (Map::new(), Map::new());
    let (mut messages, mut schemas, mut correlations) = (Map::new(), Map::new(), Map::new());
    for protocol in PROTOCOLS {
        let writer = Writer::new(protocol);
        channels.insert(protocol.name.to_owned(), writer.whole());
        for topic in protocol.topics {
            for message in topic.messages {
                messages.insert(writer.name(message), writer.message(topic, message));
                if let Some((key, operation)) = writer.operation(topic, message) {
                    operations.insert(key, operation);
                }
                if let Some((key, at)) = writer.correlation(message) {
                    let location = json!({ "location": format!("$message.payload#{at}") });
                    correlations.insert(key, location);
                }
            }
        }
        for shape in protocol.shapes() {
            let key = format!("{}.{}", protocol.name, shape.name);
            schemas.insert(key, writer.spelling().written(shape));
        }
    }
    document["channels"] = channels.into();
    document["operations"] = operations.into();
    document["components"] =
        json!({ "messages": messages, "schemas": schemas, "correlationIds": correlations });
    document
}

const INTRODUCTION: &str = "The message protocols of a real-time gateway. All of them meet in one model: what a client of one \
    protocol says is heard by the clients of all. Codes are the contract, texts are for people. Bounds that carry `x-limit` are \
    settings and stand with their defaults; lengths are bytes (`x-bytes-max`). `x-error-codes` lists why a request may be \
    refused, `x-close-codes` why a WebSocket is closed. Receivers ignore fields that they do not know.";

fn servers() -> Value {
    json!({
        "tcp": {
            "host": "127.0.0.1:12345",
            "protocol": "tcp",
            "title": "TCP",
            "description": "The action protocol. JSON objects on a stream that stays open; the server ends each with a \
                newline.",
        },
        "websocket": {
            "host": "127.0.0.1:8000",
            "pathname": "/ws",
            "protocol": "ws",
            "title": "WebSocket",
            "description": "One JSON object per text frame. The subprotocol says which protocol is spoken: `bongsu.type.v1`, \
                which is also what a client gets that offers none, or `bongsu.action.v1`. The close frame's reason says whether \
                to come back: `reconnect=now`, `later` or `never`.",
        },
        "socketio": {
            "host": "127.0.0.1:8000",
            "pathname": "/socket.io/",
            "protocol": "ws",
            "title": "Socket.IO",
            "description": "Engine.IO 4 and 3, by WebSocket and by polling, with Socket.IO in it: any client of it connects as \
                it is. The namespaces `/` and `/chat` are the same chat; displays are in `/switchboard` or in `/`.",
        },
        "device": {
            "host": "127.0.0.1:8000",
            "pathname": "/device",
            "protocol": "ws",
            "title": "Devices",
            "description": "One JSON object per text frame, with the subprotocol `bongsu.device.json.v1` or none. With \
                `bongsu.device.proto.v1` the same in Protobuf, one packet per binary frame.",
        },
    })
}

/// Writes one protocol.
struct Writer {
    protocol: &'static Protocol,
    limits: Limits,
    refer: String,
}

impl Writer {
    fn new(protocol: &'static Protocol) -> Self {
        Self {
            protocol,
            limits: Limits::DEFAULT,
            refer: format!("#/components/schemas/{}.", protocol.name),
        }
    }

    fn spelling(&self) -> Spelling<'_> {
        Spelling {
            limits: &self.limits,
            closed: false,
            refer: Some(&self.refer),
        }
    }

    /// The protocol as one channel: where it is spoken, and all that is said.
    fn whole(&self) -> Value {
        let protocol = self.protocol;
        let refer = |message| json!({ "$ref": format!("#/components/messages/{}", self.name(message)) });
        let messages: Map<_, _> = protocol.messages().map(|it| (local(it), refer(it))).collect();
        let servers: Vec<_> = protocol
            .servers
            .iter()
            .map(|it| json!({ "$ref": format!("#/servers/{it}") }))
            .collect();
        json!({
            "address": null, "title": protocol.title, "description": protocol.doc, "servers": servers,
            "messages": messages, "bindings": { "ws": self.handshake() },
            "tags": protocol.topics.iter().map(tag).collect::<Vec<_>>(),
            // Keys have no order of their own.
            "x-order": protocol.messages().map(local).collect::<Vec<_>>(),
        })
    }

    /// What a WebSocket's upgrade may say.
    fn handshake(&self) -> Value {
        if self.protocol.servers == ["device"] {
            return device_handshake();
        }
        if self.protocol.names_in.is_none() {
            return engine_handshake();
        }
        let subprotocol = format!("bongsu.{}.v1", self.protocol.name);
        json!({
            "method": "GET",
            "headers": { "type": "object", "properties": {
                "Sec-WebSocket-Protocol": { "type": "string", "const": subprotocol },
                "Authorization": { "type": "string", "description": "`Bearer` and an access token: signs in at once." },
            } },
            "query": { "type": "object", "properties": {
                "token": { "type": "string", "description": "An access token: signs in at once." },
            } },
        })
    }

    /// The key of a message among all of the document.
    fn name(&self, message: &Message) -> String {
        format!("{}.{}", self.protocol.name, local(message))
    }

    fn message(&self, topic: &Topic, message: &Message) -> Value {
        let mut written = json!({
            "name": message.name,
            "title": message.name,
            "summary": message.summary,
            "tags": [{ "name": topic.name }],
            "payload": self.spelling().payload(self.protocol, message),
            "x-direction": message.direction.name(),
        });
        if let Some((key, _)) = self.correlation(message) {
            written["correlationId"] = json!({ "$ref": format!("#/components/correlationIds/{key}") });
        }
        let examples: Vec<_> = examples::of(self.protocol, message)
            .into_iter()
            .take(EXAMPLES_MAX)
            .map(|it| json!({ "name": it.name, "summary": it.about, "payload": it.payload }))
            .collect();
        if let (None, Some(pattern)) = (self.protocol.names_in, message.pattern) {
            written["x-name-pattern"] = pattern.into();
        }
        if !examples.is_empty() {
            written["examples"] = examples.into();
        }
        let heard: Vec<_> = message
            .causes
            .iter()
            .filter_map(|name| self.protocol.message(Direction::Event, name))
            .map(|it| self.name(it))
            .collect();
        if !heard.is_empty() {
            written["x-heard-by-others"] = heard.into();
        }
        written
    }

    /// Where the client's own reference stands, and what the document calls this place.
    fn correlation(&self, message: &Message) -> Option<(String, &'static str)> {
        let at = (self.protocol.envelope)(message.direction).reference?;
        Some((format!("{}{}", self.protocol.name, at.replace('/', ".")), at))
    }

    /// What the server does with a message: it receives requests, and sends what it says unasked. An answer has no operation
    /// but its request's.
    fn operation(&self, topic: &Topic, message: &Message) -> Option<(String, Value)> {
        let action = match message.direction {
            Direction::Request => "receive",
            Direction::Event | Direction::Notice | Direction::Error => "send",
            Direction::Reply => return None,
        };
        let here = json!({ "$ref": format!("#/channels/{}", self.protocol.name) });
        let mut operation = json!({
            "action": action,
            "channel": here,
            "title": message.name,
            "summary": message.summary,
            "tags": [{ "name": topic.name }],
            "messages": [self.spoken_as(message)],
        });
        if message.direction == Direction::Request {
            let answers: Vec<_> = self
                .protocol
                .answers(message)
                .into_iter()
                .map(|it| self.spoken_as(it))
                .collect();
            operation["reply"] = json!({ "channel": here, "messages": answers });
        }
        Some((
            format!("{}.{action}.{}", self.protocol.name, local(message)),
            operation,
        ))
    }

    fn spoken_as(&self, message: &Message) -> Value {
        json!({ "$ref": format!("#/channels/{}/messages/{}", self.protocol.name, local(message)) })
    }
}

/// What the upgrade of a device may say.
fn device_handshake() -> Value {
    json!({
        "method": "GET",
        "headers": { "type": "object", "properties": {
            "Sec-WebSocket-Protocol": { "type": "string", "const": Format::Json.subprotocol() },
            "Authorization": { "type": "string", "description": "`Bearer` and the device's token." },
        } },
    })
}

/// What a handshake of Engine.IO may say.
fn engine_handshake() -> Value {
    json!({
        "method": "GET",
        "headers": { "type": "object", "properties": {
            "Authorization": { "type": "string", "description": "`Bearer` and an access token: signs in with the first namespace." },
        } },
        "query": { "type": "object", "required": ["EIO", "transport"], "properties": {
            "EIO": { "type": "string", "enum": ["4", "3"], "description": "The protocol of Engine.IO." },
            "transport": { "type": "string", "enum": ["websocket", "polling"] },
            "token": { "type": "string", "description": "An access token: signs in with the first namespace." },
        } },
    })
}

/// The key of a message in its channel, of the characters that a key may have.
fn local(message: &Message) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '_'
        }
    };
    format!("{}.{}", message.direction.name(), message.name)
        .chars()
        .map(plain)
        .collect()
}

fn tag(topic: &Topic) -> Value {
    json!({ "name": topic.name, "description": topic.doc })
}
