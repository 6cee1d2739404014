//! What a floor understands and says: the right names, the right content, filled up to the length asked for.
//!
//! Invariant: what it says has exactly the length asked for on the wire, unless what it must hold is longer.

use bongsu_wire::websocket::{Opcode, frame};

use crate::dialect::{ACCEPT, Tongue, number_after, string_after};
use crate::options::Protocol;

/// What a message asks of a floor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To sign in; where the upgrade does that, nobody asks.
    Connect,
    /// To join this room.
    Join(i64),
    /// To post in this room.
    Send(i64),
    /// A ping.
    Ping,
    /// To have this device do something: a call over HTTP.
    Call(i64),
    /// To have every device do something: a call over HTTP.
    CallAll,
    /// The word of a device on what it was told to do.
    Word,
    /// Anything else is passed over.
    Nothing,
}

/// What a floor says, built beforehand but for the messages of rooms.
pub(super) struct Speech {
    protocol: Protocol,
    frame_bytes: usize,
    /// The answer to an upgrade: the consent, and what a server says first.
    pub(super) upgraded: Vec<u8>,
    /// The answer to a sign-in.
    pub(super) connected: Vec<u8>,
    /// The answer to a join.
    pub(super) joined: Vec<u8>,
    /// The answer to a ping.
    pub(super) pong: Vec<u8>,
    /// What a device is told to do.
    pub(super) order: Vec<u8>,
    /// The answer to a call, once the device has done it.
    pub(super) done: &'static [u8],
}

const CONNECTED: &str = "{\"action\":\"CONNECT_SUCCESS\",\"data\":{\"user_id\":1000000,\"session_id\":\"session_00000000000000000000000000000000\",\"server_time\":\"2026-01-01T12:00:00.000Z\",\"rooms\":[],\"ping_interval_ms\":30000},\"timestamp\":\"2026-01-01T12:00:00.000Z\",\"seq_id\":\"auth_001\"}";
const AUTH_OK: &str = "{\"type\":\"auth.ok\",\"data\":{\"user_id\":\"1000000\",\"username\":\"1000000\",\"session_id\":\"session_00000000000000000000000000000000\",\"server_time\":\"2026-01-01T12:00:00.000Z\",\"rooms\":[],\"ping_interval_ms\":30000,\"expires_at\":\"2026-01-01T12:00:00.000Z\"}}";
const JOINED: &str = "{\"action\":\"JOIN_ROOM_SUCCESS\",\"data\":{\"chatroom_id\":1000000,\"participants_count\":1,\"online_participants\":[],\"seq\":0,\"epoch\":\"0000000000000000\"},\"timestamp\":\"2026-01-01T12:00:00.000Z\",\"seq_id\":\"join_001\"}";
const ROOM_JOINED: &str = "{\"type\":\"room.joined\",\"data\":{\"room\":\"1000000\",\"room_id\":1000000,\"participants_count\":1,\"online\":[],\"seq\":0,\"epoch\":\"0000000000000000\"},\"ref_id\":\"join_001\"}";

const WELCOME: &str = "{\"type\":\"welcome\",\"session_id\":\"session_00000000000000000000000000000000\",\"heartbeat_ms\":1200000,\"server_time\":1767268800000,\"epoch\":1}";
/// What a device is told to do by a call over HTTP …
const ORDER: &str = "{\"msg_id\":\"00000000000000000000000000000001\",\"cmd\":\"window.set\",\"args\":{\"position\":\"open\"},\"ttl_ms\":20000,\"issued_at\":1767268800000,\"epoch\":1}";
/// … and what the caller is answered when it was done.
const DONE: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 79\r\n\r\n{\"command_id\":\"00000000000000000000000000000001\",\"state\":\"succeeded\",\"ok\":true}";

/// What a display is told when it has said who it is …
const REGISTERED: &str = "42/switchboard,[\"registration_success\",{\"clientId\":1,\"clientName\":\"1000000\",\"message\":\"Registered.\",\"epoch\":1,\"heartbeatMs\":1200000,\"serverTime\":1767268800000}]";
const AT_SWITCHBOARD: &str = "40/switchboard,{\"sid\":\"00000000000000000000000000000000\"}";
/// … and by a call over HTTP. Its name, its preset and its command are nobody's.
const EXECUTE: &str = "42/switchboard,[\"execute_command\",{\"clientName\":\"1000000\",\"command\":\"true\",\"presetId\":null,\"commandId\":\"00000000000000000000000000000001\",\"ttlMs\":10000,\"issuedAt\":1767268800000,\"shell\":false}]";

const OPEN: &str = "0{\"sid\":\"00000000-00000000000000000000000000000000\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":65536}";
const NAMESPACE: &str = "40{\"sid\":\"00000000000000000000000000000000\"}";
const AUTH_OK_EVENT: &str = "42[\"auth.ok\",{\"user_id\":\"1000000\",\"username\":\"1000000\",\"session_id\":\"session_00000000000000000000000000000000\",\"server_time\":\"2026-01-01T12:00:00.000Z\",\"rooms\":[],\"ping_interval_ms\":30000,\"expires_at\":\"2026-01-01T12:00:00.000Z\"}]";
const JOINED_ACK: &str = "437[{\"room\":\"1000000\",\"room_id\":1000000,\"participants_count\":1,\"online\":[],\"seq\":0,\"epoch\":\"0000000000000000\"}]";

impl Speech {
    /// Messages of rooms will have `frame_bytes` bytes on the wire, pongs `pong_bytes`.
    pub(super) fn new(protocol: Protocol, frame_bytes: usize, pong_bytes: usize) -> Self {
        let (first, connected, joined, pong): (_, &[&str], _, _) = match protocol.tongue() {
            Tongue::Action => (CONNECTED, &[CONNECTED], JOINED, "{\"action\":\"PONG\",\"data\":{"),
            Tongue::Type => (AUTH_OK, &[AUTH_OK], ROOM_JOINED, "{\"type\":\"pong\",\"data\":{"),
            Tongue::Socketio => (OPEN, &[NAMESPACE, AUTH_OK_EVENT], JOINED_ACK, "437[{\"data\":{"),
            Tongue::Device(_) => ("", &[WELCOME], "", "{\"type\":\"heartbeat\",\"data\":{"),
            Tongue::Display => (OPEN, &[AT_SWITCHBOARD, REGISTERED], "", "437[{\"data\":{"),
        };
        let said = |texts: &[&str]| {
            texts
                .iter()
                .flat_map(|text| framed(protocol, text.as_bytes()))
                .collect()
        };
        Self {
            protocol,
            frame_bytes,
            upgraded: match first {
                "" => consent(protocol),
                first => [consent(protocol), framed(protocol, first.as_bytes())].concat(),
            },
            connected: said(connected),
            joined: framed(protocol, joined.as_bytes()),
            pong: filled(protocol, pong.as_bytes(), b"", pong_bytes),
            order: match protocol.tongue() {
                Tongue::Display => framed(protocol, EXECUTE.as_bytes()),
                Tongue::Action | Tongue::Type | Tongue::Socketio | Tongue::Device(_) => {
                    framed(protocol, ORDER.as_bytes())
                }
            },
            done: DONE.as_bytes(),
        }
    }

    /// Reads one message.
    pub(super) fn wish(&self, text: &[u8]) -> Wish {
        let room = |wish: fn(i64) -> Wish| {
            let room = match self.protocol.tongue() {
                Tongue::Action => number_after(text, b"\"chatroom_id\":"),
                Tongue::Type | Tongue::Socketio => number_after(text, b"\"room\":\""),
                Tongue::Device(_) | Tongue::Display => None,
            };
            room.map_or(Wish::Nothing, wish)
        };
        if text.starts_with(b"POST /api/v1/devices/") {
            return number_after(text, b"/devices/").map_or(Wish::Nothing, Wish::Call);
        }
        if text.starts_with(b"POST /api/v1/displays/") {
            return number_after(text, b"/displays/").map_or(Wish::Nothing, Wish::Call);
        }
        if text.starts_with(b"POST /api/v1/presets/") {
            return Wish::CallAll;
        }
        if text.starts_with(b"{\"reply_to\":") {
            return Wish::Word;
        }
        if self.protocol.tongue() == Tongue::Socketio && text.starts_with(b"40") {
            return Wish::Connect;
        }
        match self.protocol.name_of(text) {
            b"CONNECT" | b"hello" | b"register_client" => Wish::Connect,
            // Of the words on a program one is waited for.
            b"execution_result" if memchr::memmem::find(text, b"\"status\":\"running\"").is_some() => {
                Wish::Word
            }
            b"JOIN_ROOM" | b"room.join" => room(Wish::Join),
            b"SEND_MESSAGE" | b"chat.message" => room(Wish::Send),
            b"PING" | b"ping" => Wish::Ping,
            _ => Wish::Nothing,
        }
    }

    /// The event that a posted message becomes.
    pub(super) fn new_message(&self, text: &[u8]) -> Vec<u8> {
        let (head, key): (&[u8], &[u8]) = match self.protocol.tongue() {
            Tongue::Action => (
                b"{\"action\":\"NEW_MESSAGE\",\"data\":{\"content\":\"",
                b"\"content\":\"",
            ),
            Tongue::Type => (
                b"{\"type\":\"chat.message\",\"data\":{\"text\":\"",
                b"\"text\":\"",
            ),
            Tongue::Socketio => (b"42[\"chat.message\",{\"data\":{\"text\":\"", b"\"text\":\""),
            Tongue::Device(_) | Tongue::Display => (b"{\"type\":\"", b""),
        };
        filled(self.protocol, head, string_after(text, key), self.frame_bytes)
    }
}

/// The consent to an upgrade: the one answer to the one key that the load generator has; nothing on TCP.
fn consent(protocol: Protocol) -> Vec<u8> {
    if !protocol.on_websocket() {
        return Vec::new();
    }
    let chosen = protocol.subprotocol().map_or(String::new(), |name| {
        format!("sec-websocket-protocol: {name}\r\n")
    });
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {ACCEPT}\r\n{chosen}\r\n"
    )
    .into_bytes()
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
    let open: &[u8] = b"},\"fill\":\"";
    let close: &[u8] = match protocol.tongue() {
        Tongue::Action | Tongue::Type | Tongue::Device(_) => b"\"}",
        Tongue::Socketio | Tongue::Display => b"\"}]",
    };
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
    use bongsu_model::Role;

    use super::*;
    use crate::dialect::frames::unmasked;
    use crate::dialect::{Heard, Post};

    /// What the load generator sends, without its framing.
    fn text(protocol: Protocol, wire: &[u8]) -> Vec<u8> {
        let mut text = wire.to_vec();
        if protocol.on_websocket() {
            assert_eq!(unmasked(wire, &mut text), Some(wire.len()));
        }
        text
    }

    /// The protocols that a floor speaks.
    fn spoken() -> impl Iterator<Item = Protocol> {
        let all = Protocol::ALL.into_iter();
        all.filter(|protocol| protocol.floor() == *protocol && protocol.role() == Role::User)
    }

    /// The object of a message, or of a Socket.IO packet the last argument.
    fn object(text: &[u8]) -> serde_json::Value {
        let begins = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let value: serde_json::Value = serde_json::from_slice(&text[begins..]).unwrap();
        match value.as_array().and_then(|all| all.last()) {
            Some(last) => last.clone(),
            None => value,
        }
    }

    #[test]
    fn wishes_of_the_load_generator_are_understood() {
        for protocol in spoken() {
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
        let speech = Speech::new(Protocol::Socketio, 512, 100);
        let sign_in = Protocol::Socketio.sign_in("t").unwrap();
        assert_eq!(speech.wish(&text(Protocol::Socketio, &sign_in)), Wish::Connect);
    }

    #[test]
    fn devices_and_their_callers_are_understood() {
        let speech = Speech::new(Protocol::DeviceJson, 0, 100);
        let hello = Protocol::DeviceJson.hello(7).unwrap();
        assert_eq!(speech.wish(&text(Protocol::DeviceJson, &hello)), Wish::Connect);
        let call = b"POST /api/v1/devices/1000007/commands HTTP/1.1\r\n";
        assert_eq!(speech.wish(call), Wish::Call(1_000_007));
        assert_eq!(speech.upgraded, consent(Protocol::DeviceJson));
        let welcome = &Protocol::DeviceJson.messages(&speech.connected)[0];
        assert_eq!(Protocol::DeviceJson.hear(welcome.text), Heard::Connected);
        let order = &Protocol::DeviceJson.messages(&speech.order)[0];
        let word = Protocol::DeviceJson.asks_for_pong(order.text).unwrap();
        assert_eq!(speech.wish(&text(Protocol::DeviceJson, &word)), Wish::Word);
        let (_, body) = DONE.split_once("\r\n\r\n").unwrap();
        assert!(DONE.contains(&format!("content-length: {}\r\n", body.len())));
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }

    #[test]
    fn displays_and_their_callers_are_understood() {
        for speaks in [Protocol::Switchboard, Protocol::SwitchboardGuide] {
            let speech = Speech::new(Protocol::Switchboard, 0, 100);
            let register = speaks.registers(7, "t").unwrap();
            let mut rest = &register[..];
            let mut wishes = Vec::new();
            let mut text = Vec::new();
            while let Some(taken) = unmasked(rest, &mut text) {
                wishes.push(speech.wish(&text));
                rest = &rest[taken..];
            }
            assert_eq!(wishes, [Wish::Nothing, Wish::Connect]);
            let call = b"POST /api/v1/displays/1000007/execute HTTP/1.1\r\n";
            assert_eq!(speech.wish(call), Wish::Call(1_000_007));
            assert_eq!(
                speech.wish(b"POST /api/v1/presets/1/execute HTTP/1.1\r\n"),
                Wish::CallAll
            );
            let told = speaks.messages(&speech.connected);
            let heard: Vec<_> = told.iter().map(|it| speaks.hear(it.text)).collect();
            assert_eq!(heard, [Heard::Other, Heard::Connected]);
            let order = &speaks.messages(&speech.order)[0];
            let answer = speaks.display_answers(7, order.text).unwrap();
            let mut rest = &answer[..];
            let mut words = 0;
            while let Some(taken) = unmasked(rest, &mut text) {
                words += usize::from(speech.wish(&text) == Wish::Word);
                rest = &rest[taken..];
            }
            assert_eq!((words, rest.len()), (1, 0));
        }
    }

    #[test]
    fn what_is_said_has_the_length_asked_for() {
        for protocol in spoken() {
            let mut post = Post::new(protocol, 3, 78, 20);
            let posted = text(protocol, post.stamped(5));
            for bytes in [127, 130, 400, 512, 4_096, 65_535, 65_536, 65_539, 65_546, 70_000] {
                let speech = Speech::new(protocol, bytes, bytes);
                let said = speech.new_message(&posted);
                assert_eq!(said.len(), bytes, "{protocol:?}");
                let messages = protocol.messages(&said);
                let value = object(messages[0].text);
                let data = &value["data"];
                let content = data["content"].as_str().or(data["text"].as_str()).unwrap();
                assert_eq!(content, "0000000000000000005^");
                assert_eq!(speech.pong.len(), bytes);
            }
        }
    }

    #[test]
    fn what_was_built_beforehand_is_json_in_its_frame() {
        for protocol in spoken() {
            let speech = Speech::new(protocol, 0, 0);
            let (consent, first) = speech.upgraded.split_at(consent(protocol).len());
            assert_eq!(consent.is_empty(), protocol == Protocol::Action);
            let connected = protocol.messages(&speech.connected);
            let last = connected.last().unwrap();
            assert_eq!(protocol.hear(last.text), Heard::Connected);
            object(last.text);
            let posted = text(protocol, Post::new(protocol, 3, 78, 20).stamped(5));
            for said in [first, &speech.joined, &speech.pong, &speech.new_message(&posted)] {
                let messages = protocol.messages(said);
                assert_eq!(messages.len(), 1);
                assert_eq!(messages[0].wire_bytes, said.len());
                object(messages[0].text);
            }
        }
    }
}
