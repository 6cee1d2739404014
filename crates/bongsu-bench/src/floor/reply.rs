//! What a floor understands and says: the right names, the right content, filled up to the length asked for.
//!
//! Invariant: what it says has exactly the length asked for on the wire, unless what it must hold is longer.

use bongsu_wire::websocket::{Opcode, frame};

use crate::dialect::{ACCEPT, number_after, string_after};
use crate::options::Protocol;

/// What a message asks of a floor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To sign in; over WebSocket that comes with the upgrade.
    Connect,
    /// To join this room.
    Join(i64),
    /// To post in this room.
    Send(i64),
    /// A ping.
    Ping,
    /// Anything else is passed over.
    Nothing,
}

/// What a floor says, built beforehand but for the messages of rooms.
pub(super) struct Speech {
    protocol: Protocol,
    frame_bytes: usize,
    /// The answer to a sign-in, over WebSocket with the consent to the upgrade in front of it.
    pub(super) connected: Vec<u8>,
    /// The answer to a join.
    pub(super) joined: Vec<u8>,
    /// The answer to a ping.
    pub(super) pong: Vec<u8>,
}

const CONNECTED: &str = "{\"action\":\"CONNECT_SUCCESS\",\"data\":{\"user_id\":1000000,\"session_id\":\"session_00000000000000000000000000000000\",\"server_time\":\"2026-01-01T12:00:00.000Z\",\"rooms\":[],\"ping_interval_ms\":30000},\"timestamp\":\"2026-01-01T12:00:00.000Z\",\"seq_id\":\"auth_001\"}";
const AUTH_OK: &str = "{\"type\":\"auth.ok\",\"data\":{\"user_id\":\"1000000\",\"username\":\"1000000\",\"session_id\":\"session_00000000000000000000000000000000\",\"server_time\":\"2026-01-01T12:00:00.000Z\",\"rooms\":[],\"ping_interval_ms\":30000,\"expires_at\":\"2026-01-01T12:00:00.000Z\"}}";
const JOINED: &str = "{\"action\":\"JOIN_ROOM_SUCCESS\",\"data\":{\"chatroom_id\":1000000,\"participants_count\":1,\"online_participants\":[],\"seq\":0,\"epoch\":\"0000000000000000\"},\"timestamp\":\"2026-01-01T12:00:00.000Z\",\"seq_id\":\"join_001\"}";
const ROOM_JOINED: &str = "{\"type\":\"room.joined\",\"data\":{\"room\":\"1000000\",\"room_id\":1000000,\"participants_count\":1,\"online\":[],\"seq\":0,\"epoch\":\"0000000000000000\"},\"ref_id\":\"join_001\"}";

impl Speech {
    /// Messages of rooms will have `frame_bytes` bytes on the wire, pongs `pong_bytes`.
    pub(super) fn new(protocol: Protocol, frame_bytes: usize, pong_bytes: usize) -> Self {
        let (connected, joined, pong) = match protocol {
            Protocol::Action | Protocol::WebSocketAction => {
                (CONNECTED, JOINED, "{\"action\":\"PONG\",\"data\":{")
            }
            Protocol::Type => (AUTH_OK, ROOM_JOINED, "{\"type\":\"pong\",\"data\":{"),
        };
        let mut signed_in = consent(protocol);
        signed_in.extend_from_slice(&framed(protocol, connected.as_bytes()));
        Self {
            protocol,
            frame_bytes,
            connected: signed_in,
            joined: framed(protocol, joined.as_bytes()),
            pong: filled(protocol, pong.as_bytes(), b"", pong_bytes),
        }
    }

    /// Reads one message.
    pub(super) fn wish(&self, text: &[u8]) -> Wish {
        let room = |wish: fn(i64) -> Wish| {
            let room = match self.protocol {
                Protocol::Action | Protocol::WebSocketAction => number_after(text, b"\"chatroom_id\":"),
                Protocol::Type => number_after(text, b"\"room\":\""),
            };
            room.map_or(Wish::Nothing, wish)
        };
        match self.protocol.name_of(text) {
            b"CONNECT" => Wish::Connect,
            b"JOIN_ROOM" | b"room.join" => room(Wish::Join),
            b"SEND_MESSAGE" | b"chat.message" => room(Wish::Send),
            b"PING" | b"ping" => Wish::Ping,
            _ => Wish::Nothing,
        }
    }

    /// The event that a posted message becomes.
    pub(super) fn new_message(&self, text: &[u8]) -> Vec<u8> {
        let (head, key): (&[u8], &[u8]) = match self.protocol {
            Protocol::Action | Protocol::WebSocketAction => (
                b"{\"action\":\"NEW_MESSAGE\",\"data\":{\"content\":\"",
                b"\"content\":\"",
            ),
            Protocol::Type => (
                b"{\"type\":\"chat.message\",\"data\":{\"text\":\"",
                b"\"text\":\"",
            ),
        };
        filled(self.protocol, head, string_after(text, key), self.frame_bytes)
    }
}

/// The consent to an upgrade: the one answer to the one key that the load generator has; nothing on TCP.
fn consent(protocol: Protocol) -> Vec<u8> {
    protocol.subprotocol().map_or_else(Vec::new, |name| {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {ACCEPT}\r\nsec-websocket-protocol: {name}\r\n\r\n"
        )
        .into_bytes()
    })
}

/// A text as a server sends it.
fn framed(protocol: Protocol, text: &[u8]) -> Vec<u8> {
    if protocol.on_websocket() {
        frame(Opcode::Text, text).to_vec()
    } else {
        [text, b"\n"].concat()
    }
}

/// `head` and `content`, with so much behind them that it has `bytes` bytes on the wire.
fn filled(protocol: Protocol, head: &[u8], content: &[u8], bytes: usize) -> Vec<u8> {
    let framing = match (protocol.on_websocket(), bytes) {
        (false, _) => 1,
        (true, ..128) => 2,
        (true, 128..65_540) => 4,
        (true, _) => 10,
    };
    let quote: &[u8] = if content.is_empty() { b"" } else { b"\"" };
    let (open, close): (&[u8], &[u8]) = (b"},\"fill\":\"", b"\"}");
    let least = head.len() + content.len() + quote.len() + open.len() + close.len();
    let wanted = bytes.saturating_sub(framing);
    let mut text = Vec::with_capacity(least.max(wanted));
    text.extend_from_slice(head);
    text.extend_from_slice(content);
    text.extend_from_slice(quote);
    text.extend_from_slice(open);
    text.resize(text.len() + wanted.saturating_sub(least), b'x');
    text.extend_from_slice(close);
    framed(protocol, &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Post;
    use crate::dialect::frames::unmasked;

    /// What the load generator sends, without its framing.
    fn text(protocol: Protocol, wire: &[u8]) -> Vec<u8> {
        let mut text = wire.to_vec();
        if protocol.on_websocket() {
            assert_eq!(unmasked(wire, &mut text), Some(wire.len()));
        }
        text
    }

    #[test]
    fn wishes_of_the_load_generator_are_understood() {
        for protocol in Protocol::ALL {
            let speech = Speech::new(protocol, 512, 100);
            let wish = |wire: &[u8]| speech.wish(&text(protocol, wire));
            assert_eq!(wish(&protocol.join(3, 77)), Wish::Join(77));
            assert_eq!(wish(Post::new(protocol, 3, 78, 300).stamped(1)), Wish::Send(78));
            assert_eq!(wish(&protocol.ping()), Wish::Ping);
            assert_eq!(
                speech.wish(b"{\"action\":\"JOIN_ROOM\",\"type\":\"room.join\"}"),
                Wish::Nothing
            );
            assert_eq!(speech.wish(b""), Wish::Nothing);
        }
        let speech = Speech::new(Protocol::Action, 512, 100);
        let hello = Protocol::Action.greeting(([127, 0, 0, 1], 1).into(), "t");
        assert_eq!(speech.wish(&hello), Wish::Connect);
    }

    #[test]
    fn what_is_said_has_the_length_asked_for() {
        for protocol in Protocol::ALL {
            let mut post = Post::new(protocol, 3, 78, 20);
            let posted = text(protocol, post.stamped(5));
            for bytes in [127, 130, 400, 512, 4_096, 65_535, 65_536, 65_539, 65_546, 70_000] {
                let speech = Speech::new(protocol, bytes, bytes);
                let said = speech.new_message(&posted);
                assert_eq!(said.len(), bytes, "{protocol:?}");
                let messages = protocol.messages(&said);
                let value: serde_json::Value = serde_json::from_slice(messages[0].text).unwrap();
                let data = &value["data"];
                let content = data["content"].as_str().or(data["text"].as_str()).unwrap();
                assert_eq!(content, "0000000000000000005^");
                assert_eq!(speech.pong.len(), bytes);
            }
        }
    }

    #[test]
    fn what_was_built_beforehand_is_json_in_its_frame() {
        for protocol in Protocol::ALL {
            let speech = Speech::new(protocol, 0, 0);
            let (consent, connected) = speech.connected.split_at(consent(protocol).len());
            assert_eq!(consent.is_empty(), protocol == Protocol::Action);
            let posted = text(protocol, Post::new(protocol, 3, 78, 20).stamped(5));
            for said in [
                connected,
                &speech.joined,
                &speech.pong,
                &speech.new_message(&posted),
            ] {
                let messages = protocol.messages(said);
                assert_eq!(messages.len(), 1);
                assert_eq!(messages[0].wire_bytes, said.len());
                serde_json::from_slice::<serde_json::Value>(messages[0].text).unwrap();
            }
        }
    }
}
