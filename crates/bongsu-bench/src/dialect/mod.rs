//! What the load generator says and hears, in each protocol: the one place that tells them apart.
//!
//! Requests are built once and reused; of the answers only the name is ever looked at.

pub(crate) mod device;
pub(crate) mod display;
pub(crate) mod frames;
pub(crate) mod grpc;
pub(crate) mod polling;
pub(crate) mod socketio;

use std::net::SocketAddr;

use bongsu_model::Role;
use bongsu_wire::device::Format;
use bongsu_wire::typed::client as typed;
use bongsu_wire::websocket::{Opcode, Upgrade, client_frame};

use crate::options::Protocol;
use crate::tally::{MARK, STAMP_DIGITS, write_stamp};
use frames::{Frames, MASK, Piece};

const TIMESTAMP: &str = "2026-01-01T12:00:00.000Z";

/// The key of every handshake (the example of RFC 6455), so that its answer can be built beforehand …
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// … which is this.
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What a message from the server means to the load generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// There is an Engine.IO session, in which one may sign in.
    Opened,
    /// The session stands.
    Connected,
    /// The room is joined.
    Joined,
    /// A request was refused or the session is being closed.
    Refused,
    /// Anything else: an event that the load generator does not wait for.
    Other,
}

/// One whole message of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Whole<'a> {
    /// Without what frames it.
    pub(crate) text: &'a [u8],
    /// With it.
    pub(crate) wire_bytes: usize,
}

/// What carries messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// Lines over TCP.
    Lines,
    /// WebSocket frames.
    Frames,
    /// Bodies of HTTP answers, one poll after the other.
    Polls,
    /// A stream of gRPC.
    Stream,
}

/// What messages are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tongue {
    /// Objects with an `action`.
    Action,
    /// Objects with a `type`.
    Type,
    /// Packets of Engine.IO and Socket.IO.
    Socketio,
    /// Frames of devices.
    Device(Format),
    /// Events of displays.
    Display,
}

impl Protocol {
    pub(crate) fn tongue(self) -> Tongue {
        match self {
            Self::Action | Self::WebSocketAction => Tongue::Action,
            Self::Type => Tongue::Type,
            Self::Socketio | Self::SocketioChat | Self::SocketioPolling => Tongue::Socketio,
            Self::DeviceJson => Tongue::Device(Format::Json),
            Self::DeviceProto | Self::DeviceGrpc => Tongue::Device(Format::Proto),
            Self::Switchboard | Self::SwitchboardGuide => Tongue::Display,
        }
    }

    pub(crate) fn carrier(self) -> Carrier {
        match self {
            Self::Action => Carrier::Lines,
            Self::Type
            | Self::WebSocketAction
            | Self::Socketio
            | Self::SocketioChat
            | Self::DeviceJson
            | Self::DeviceProto
            | Self::Switchboard
            | Self::SwitchboardGuide => Carrier::Frames,
            Self::SocketioPolling => Carrier::Polls,
            Self::DeviceGrpc => Carrier::Stream,
        }
    }

    /// Whether messages come in WebSocket frames.
    pub(crate) fn on_websocket(self) -> bool {
        self.carrier() == Carrier::Frames
    }

    /// Whether users ask to join their room; where they cannot, they are made members through the HTTP API.
    pub(crate) fn joins(self) -> bool {
        self != Self::SocketioChat
    }

    /// As what the simulated users sign in.
    pub(crate) fn role(self) -> Role {
        match self.tongue() {
            Tongue::Action | Tongue::Type | Tongue::Socketio => Role::User,
            Tongue::Device(_) | Tongue::Display => Role::Device,
        }
    }

    /// The subprotocol of the WebSocket, where there is one.
    pub(crate) fn subprotocol(self) -> Option<&'static str> {
        match self {
            Self::Action
            | Self::Socketio
            | Self::SocketioChat
            | Self::SocketioPolling
            | Self::DeviceGrpc
            | Self::Switchboard
            | Self::SwitchboardGuide => None,
            Self::Type => Some("bongsu.type.v1"),
            Self::WebSocketAction => Some("bongsu.action.v1"),
            Self::DeviceJson => Some(Format::Json.subprotocol()),
            Self::DeviceProto => Some(Format::Proto.subprotocol()),
        }
    }

    /// The first bytes on a connection. They sign in, as a CONNECT line or by the token in a request to upgrade, unless
    /// there is a [`Self::sign_in`].
    pub(crate) fn greeting(self, host: SocketAddr, token: &str) -> Vec<u8> {
        match self {
            Self::Action => format!(
                "{{\"action\":\"CONNECT\",\"data\":{{\"jwt_token\":\"{token}\"}},\"timestamp\":\"{TIMESTAMP}\",\"seq_id\":\"auth_001\"}}\n"
            )
            .into_bytes(),
            Self::Type | Self::WebSocketAction => {
                self.upgrade(host, "/ws", Some(&format!("Bearer {token}")))
            }
            Self::DeviceJson | Self::DeviceProto => {
                self.upgrade(host, "/device", Some(&format!("Bearer {token}")))
            }
            Self::DeviceGrpc => grpc::opening(host, token),
            Self::Socketio | Self::SocketioChat | Self::Switchboard | Self::SwitchboardGuide => {
                self.upgrade(host, "/socket.io/?EIO=4&transport=websocket", None)
            }
            Self::SocketioPolling => polling::poll(host, None),
        }
    }

    fn upgrade(self, host: SocketAddr, target: &str, authorization: Option<&str>) -> Vec<u8> {
        let upgrade = Upgrade {
            host: &host.to_string(),
            target,
            key: KEY,
            subprotocols: self.subprotocol(),
            authorization,
            deflate: false,
        };
        upgrade.request().into_bytes()
    }

    /// What signs in once the session is opened, for a protocol that opens sessions first.
    pub(crate) fn sign_in(self, token: &str) -> Option<Vec<u8>> {
        let style = match self {
            Self::Action
            | Self::Type
            | Self::WebSocketAction
            | Self::DeviceJson
            | Self::DeviceProto
            | Self::DeviceGrpc
            | Self::Switchboard
            | Self::SwitchboardGuide => return None,
            Self::Socketio | Self::SocketioPolling => "type",
            Self::SocketioChat => "chat",
        };
        Some(self.framed(socketio::sign_in(token, style)))
    }

    /// The request of `user` to join `room`.
    pub(crate) fn join(self, user: i64, room: i64) -> Vec<u8> {
        self.framed(match self.tongue() {
            Tongue::Action => format!(
                "{{\"action\":\"JOIN_ROOM\",\"data\":{{\"chatroom_id\":{room}}},\"timestamp\":\"{TIMESTAMP}\",\"seq_id\":\"join_001\",\"user_id\":{user}}}"
            ),
            Tongue::Type => typed::join(&room.to_string(), Some("join_001")),
            Tongue::Socketio => {
                socketio::request("room.join", &format!("{{\"room\":\"{room}\"}}"))
            }
            Tongue::Device(_) | Tongue::Display => device::HEARTBEAT.to_owned(),
        })
    }

    /// The ping of a client.
    pub(crate) fn ping(self) -> Vec<u8> {
        self.framed(match self.tongue() {
            Tongue::Action => {
                format!("{{\"action\":\"PING\",\"data\":{{}},\"timestamp\":\"{TIMESTAMP}\",\"seq_id\":\"ping_001\"}}")
            }
            Tongue::Type => typed::ping(Some("ping_001")),
            Tongue::Socketio => socketio::request("ping", "{}"),
            Tongue::Device(_) | Tongue::Display => device::HEARTBEAT.to_owned(),
        })
    }

    fn post(self, user: i64, room: i64, content: &str) -> String {
        match self {
            Self::Action | Self::WebSocketAction => format!(
                "{{\"action\":\"SEND_MESSAGE\",\"data\":{{\"chatroom_id\":{room},\"content\":\"{content}\",\"message_type\":\"text\"}},\"timestamp\":\"{TIMESTAMP}\",\"seq_id\":\"msg_001\",\"user_id\":{user}}}"
            ),
            Self::Type => typed::post(&room.to_string(), content, None, Some("msg_001")),
            Self::Socketio | Self::SocketioPolling => socketio::request(
                "chat.message",
                &format!("{{\"room\":\"{room}\",\"text\":\"{content}\"}}"),
            ),
            Self::SocketioChat => socketio::request(
                "message",
                &format!(
                    "{{\"to\":{{\"type\":\"ROOM\",\"room\":{room}}},\"type\":\"TEXT\",\"content\":\"{content}\"}}"
                ),
            ),
            // Devices and displays post nothing: `Options::check` says so.
            Self::DeviceJson
            | Self::DeviceProto
            | Self::DeviceGrpc
            | Self::Switchboard
            | Self::SwitchboardGuide => content.to_owned(),
        }
    }

    /// A text as it goes over the wire: one line, or one masked frame; for polls as it is, since what goes into one
    /// body is known only later.
    fn framed(self, text: String) -> Vec<u8> {
        match self.carrier() {
            Carrier::Frames => client_frame(Opcode::Text, text.as_bytes(), MASK),
            Carrier::Polls | Carrier::Stream => text.into_bytes(),
            Carrier::Lines => {
                let mut line = text.into_bytes();
                line.push(b'\n');
                line
            }
        }
    }

    /// The name of a message, or nothing.
    pub(crate) fn name_of(self, text: &[u8]) -> &[u8] {
        match self.tongue() {
            Tongue::Action => string_after(text, b"\"action\":\""),
            Tongue::Type | Tongue::Device(_) => string_after(text, b"\"type\":\""),
            Tongue::Socketio => socketio::name_of(text),
            Tongue::Display => display::name_of(text),
        }
    }

    /// The name of the answer to a ping.
    pub(crate) fn pong_name(self) -> &'static [u8] {
        match self.tongue() {
            Tongue::Action => b"PONG",
            Tongue::Type => b"pong",
            Tongue::Socketio | Tongue::Display => b"ack",
            Tongue::Device(_) => b"heartbeat",
        }
    }

    /// Reads what a message is.
    pub(crate) fn hear(self, text: &[u8]) -> Heard {
        match (self.tongue(), self.name_of(text)) {
            (Tongue::Socketio, _) => socketio::hear(text),
            (Tongue::Device(format), _) => device::hear(format, text),
            (Tongue::Display, _) => display::hear(text),
            (Tongue::Action, b"CONNECT_SUCCESS") | (Tongue::Type, b"auth.ok") => Heard::Connected,
            (Tongue::Action, b"JOIN_ROOM_SUCCESS") | (Tongue::Type, b"room.joined") => Heard::Joined,
            (Tongue::Action, b"ERROR" | b"CONNECT_ERROR" | b"SESSION_CLOSED" | b"SERVER_SHUTDOWN")
            | (Tongue::Type, b"error" | b"system.shutdown") => Heard::Refused,
            _ => Heard::Other,
        }
    }

    /// How a message begins that refuses a request.
    pub(crate) fn refusal_begins(self) -> &'static [u8] {
        match self.tongue() {
            Tongue::Action => b"{\"action\":\"ERROR\"",
            Tongue::Type => b"{\"type\":\"error\"",
            Tongue::Socketio | Tongue::Display => socketio::REFUSAL,
            Tongue::Device(_) => device::REFUSAL,
        }
    }

    /// What answers the message that begins with `text`, if that is the server's own ping, or a command.
    pub(crate) fn asks_for_pong(self, text: &[u8]) -> Option<Vec<u8>> {
        let (asks, pong): (_, fn() -> String) = match self.tongue() {
            Tongue::Action => return None,
            Tongue::Device(format) => return device::answer(format, text),
            Tongue::Type => (text.starts_with(b"{\"type\":\"ping\""), typed::pong),
            Tongue::Socketio | Tongue::Display => (socketio::is_ping(text), || socketio::PONG.to_owned()),
        };
        asks.then(|| self.framed(pong()))
    }

    /// All whole messages of a stream that begins with the first byte of one.
    pub(crate) fn messages(self, stream: &[u8]) -> Vec<Whole<'_>> {
        match self.carrier() {
            Carrier::Lines => pieces(stream, b'\n'),
            Carrier::Polls => pieces(stream, polling::SEPARATOR),
            Carrier::Frames => whole_frames(stream),
            Carrier::Stream => Vec::new(),
        }
    }
}

/// What each `end` ends.
fn pieces(stream: &[u8], end: u8) -> Vec<Whole<'_>> {
    let pieces = stream.split_inclusive(|byte| *byte == end);
    let whole = pieces.map(|piece| Whole {
        text: piece.strip_suffix(&[end]).unwrap_or(piece),
        wire_bytes: piece.len(),
    });
    whole.collect()
}

fn whole_frames(stream: &[u8]) -> Vec<Whole<'_>> {
    let (mut frames, mut rest, mut from) = (Frames::default(), stream, 0);
    let mut whole = Vec::new();
    while let Some(piece) = frames.next(&mut rest) {
        let here = stream.len() - rest.len();
        if let Piece::Text {
            bytes, ends: true, ..
        } = piece
        {
            whole.push(Whole {
                text: bytes,
                wire_bytes: here - from,
            });
        }
        from = here;
    }
    whole
}

/// One message to a room that is stamped anew each time it is sent.
pub(crate) struct Post {
    wire: Vec<u8>,
    stamp_at: usize,
    /// What the stamp's first digits are masked with; zeros where nothing is.
    mask: [u8; 4],
}

impl Post {
    /// A message of `user` to `room` whose content has `payload_bytes` bytes, but never fewer than the stamp needs.
    pub(crate) fn new(protocol: Protocol, user: i64, room: i64, payload_bytes: usize) -> Self {
        let mut content = "0".repeat(STAMP_DIGITS);
        content.push(char::from(MARK));
        // Letters and blanks alone: nothing that a moderation pipeline would take for a link or a script.
        let filler = "the beacon on the hill is lit and the next one sees it ";
        content.extend(
            filler
                .chars()
                .cycle()
                .take(payload_bytes.saturating_sub(content.len())),
        );
        let text = protocol.post(user, room, &content);
        let in_text = text.find(&content).expect("letters and digits need no escapes");
        let text_bytes = text.len();
        let wire = protocol.framed(text);
        let (head, mask) = if protocol.on_websocket() {
            let mut mask = MASK;
            mask.rotate_left(in_text % MASK.len());
            (wire.len() - text_bytes, mask)
        } else {
            (0, [0; 4])
        };
        Self {
            wire,
            stamp_at: head + in_text,
            mask,
        }
    }

    /// What goes over the wire, stamped with `ns`.
    pub(crate) fn stamped(&mut self, ns: u64) -> &[u8] {
        write_stamp(&mut self.wire, self.stamp_at, ns);
        let stamp = &mut self.wire[self.stamp_at..self.stamp_at + STAMP_DIGITS];
        for (digit, mask) in stamp.iter_mut().zip(self.mask.iter().cycle()) {
            *digit ^= mask;
        }
        &self.wire
    }
}

/// The string that follows `key` up to the next quotation mark, or nothing.
pub(crate) fn string_after<'a>(line: &'a [u8], key: &[u8]) -> &'a [u8] {
    let Some(found) = memchr::memmem::find(line, key) else {
        return b"";
    };
    let rest = &line[found + key.len()..];
    memchr::memchr(b'"', rest).map_or(&rest[..0], |end| &rest[..end])
}

/// The number that follows `key`, or none.
pub(crate) fn number_after(line: &[u8], key: &[u8]) -> Option<i64> {
    let rest = &line[memchr::memmem::find(line, key)? + key.len()..];
    let end = rest
        .iter()
        .position(|byte| !byte.is_ascii_digit() && *byte != b'-')
        .unwrap_or(rest.len());
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
