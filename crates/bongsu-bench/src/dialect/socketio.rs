//! Socket.IO over Engine.IO 4 as the load generator speaks it: the few packets that it sends and tells apart.
//!
//! Invariant: every request wants an acknowledgement and all have the same ack id, so that one prefix is an answer.

use super::Heard;

/// What every acknowledgement of a request begins with …
const ANSWER: &[u8] = b"437[";
/// … and that of a refused one.
pub(super) const REFUSAL: &[u8] = b"437[{\"code\"";
/// The answer to the server's heartbeat.
pub(super) const PONG: &str = "3";

/// The end of the session.
pub(crate) const CLOSE: &[u8] = b"1";

/// The CONNECT packet of the namespace `/`, which signs in; `style` is how events are to be named.
pub(super) fn sign_in(token: &str, style: &str) -> String {
    format!("40{{\"token\":\"{token}\",\"protocol\":\"{style}\"}}")
}

/// One event with an acknowledgement; `data` is an object.
pub(super) fn request(event: &str, data: &str) -> String {
    format!("427[\"{event}\",{data}]")
}

/// The name of an event, `ack` for an acknowledgement, or nothing.
pub(super) fn name_of(text: &[u8]) -> &[u8] {
    if text.starts_with(REFUSAL) {
        b"error"
    } else if text.starts_with(ANSWER) {
        b"ack"
    } else if text.starts_with(b"42") {
        super::string_after(text, b"[\"")
    } else {
        b""
    }
}

/// Reads what an Engine.IO packet is.
pub(super) fn hear(text: &[u8]) -> Heard {
    match (text, name_of(text)) {
        ([b'0', ..], _) => Heard::Opened,
        // The end of the session, of the namespace, or a namespace that is refused.
        ([b'1', ..] | [b'4', b'1' | b'4', ..], _) | (_, b"error" | b"server_error" | b"system.shutdown") => {
            Heard::Refused
        }
        (_, b"auth.ok" | b"postinit_res") => Heard::Connected,
        (_, b"ack") => Heard::Joined,
        (_, _) => Heard::Other,
    }
}

/// Whether these are the first bytes of a heartbeat.
pub(super) fn is_ping(text: &[u8]) -> bool {
    text.starts_with(b"2")
}

/// The session's id in the packet that opens an Engine.IO session.
pub(crate) fn sid(open: &[u8]) -> Option<&str> {
    let sid = super::string_after(open.strip_prefix(b"0")?, b"\"sid\":\"");
    std::str::from_utf8(sid).ok().filter(|sid| !sid.is_empty())
}

#[cfg(test)]
mod tests {
    use bongsu_model::Limits;
    use bongsu_wire::socketio::engine::{self, Opening, Payloads, Version};
    use bongsu_wire::socketio::packet::{self, Kind, Packet};

    use super::*;
    use crate::dialect::frames::unmasked;
    use crate::dialect::{Carrier, Post, polling};
    use crate::options::Protocol;

    const ALL: [Protocol; 3] = [
        Protocol::Socketio,
        Protocol::SocketioChat,
        Protocol::SocketioPolling,
    ];

    /// What the load generator says, without what frames it.
    fn text(protocol: Protocol, wire: &[u8]) -> String {
        let mut text = wire.to_vec();
        if protocol.carrier() == Carrier::Frames {
            assert_eq!(unmasked(wire, &mut text), Some(wire.len()));
        }
        String::from_utf8(text).unwrap()
    }

    /// Checks that the product takes it as one packet of `kind`, and gives what it says: the argument of an event.
    fn understood(protocol: Protocol, wire: &[u8], kind: Kind, name: Option<&str>) -> serde_json::Value {
        let text = text(protocol, wire);
        let engine::Heard::Text(said) = engine::text(Version::V4, &text).unwrap() else {
            panic!("{text}")
        };
        let packet: Packet<'_> = packet::decode(said, &Limits::DEFAULT).unwrap();
        assert_eq!((packet.kind, packet.namespace), (kind, "/"));
        assert_eq!(packet.id, name.map(|_| 7), "every request wants its answer");
        let Some(event) = packet.event else {
            return serde_json::from_str(packet.data.unwrap()).unwrap();
        };
        assert_eq!((Some(&*event.name), event.arguments), (name, 1));
        serde_json::from_str(event.argument.unwrap()).unwrap()
    }

    /// The text of the one frame that the product says.
    fn said(protocol: Protocol, frame: &[u8]) -> Vec<u8> {
        let said = match protocol.carrier() {
            Carrier::Lines | Carrier::Frames | Carrier::Stream => frame.to_vec(),
            Carrier::Polls => engine::payload(Version::V4, true, frame).body.to_vec(),
        };
        let [message] = &protocol.messages(&said)[..] else {
            panic!("{said:?}")
        };
        assert_eq!(message.wire_bytes, said.len());
        message.text.to_vec()
    }

    #[test]
    fn the_product_understands_every_packet() {
        for (protocol, style) in ALL.into_iter().zip(["type", "chat", "type"]) {
            let sign_in = understood(protocol, &protocol.sign_in("a.b.c").unwrap(), Kind::Connect, None);
            assert_eq!(sign_in, serde_json::json!({"token": "a.b.c", "protocol": style}));
            let asked = |wire: &[u8], name| understood(protocol, wire, Kind::Event, Some(name));
            assert_eq!(asked(&protocol.ping(), "ping"), serde_json::json!({}));
            let joined = asked(&protocol.join(7, 9), "room.join");
            assert_eq!(joined, serde_json::json!({"room": "9"}));
            // Rooms of one digit to four, so that the stamp is at every place of the mask.
            for room in [1, 10, 100, 1_000] {
                let mut post = Post::new(protocol, 7, room, 300);
                let (content, told) = if protocol == Protocol::SocketioChat {
                    let posted = asked(post.stamped(42), "message");
                    (posted["content"].clone(), posted["to"]["room"].as_i64())
                } else {
                    let posted = asked(post.stamped(42), "chat.message");
                    let told = posted["room"].as_str().and_then(|room| room.parse().ok());
                    (posted["text"].clone(), told)
                };
                let content = content.as_str().unwrap();
                assert!(content.starts_with("0000000000000000042^"), "{content}");
                assert_eq!((content.len(), told), (300, Some(room)));
            }
            let pong = protocol.asks_for_pong(&said(protocol, &engine::ping())).unwrap();
            let pong = text(protocol, &pong);
            assert_eq!(engine::text(Version::V4, &pong), Ok(engine::Heard::Pong("")));
        }
    }

    #[test]
    fn a_body_of_several_packets_is_understood() {
        let speaks = Protocol::SocketioPolling;
        let (sign_in, join) = (speaks.sign_in("a.b.c").unwrap(), speaks.join(7, 9));
        let body = [&sign_in[..], &[polling::SEPARATOR], &join].concat();
        let mut packets = Vec::new();
        let kind = engine::Kind::of(Some("text/plain;charset=UTF-8"), false);
        let heard = Payloads::default().decode(Version::V4, kind, &body, &Limits::DEFAULT, &mut |heard| {
            let engine::Heard::Text(text) = heard else {
                panic!("{heard:?}")
            };
            packets.push(text.to_owned());
        });
        heard.unwrap();
        let expected = [&sign_in, &join].map(|packet| String::from_utf8(packet[1..].to_vec()).unwrap());
        assert_eq!(packets, expected);
    }

    #[test]
    fn the_product_is_understood() {
        let opening = Opening {
            sid: "a-b",
            upgrades: &["websocket"],
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            payload_max: 65_536,
        };
        let opening = opening.frame(Version::V4);
        let ack = |data| packet::ack("/", 7, 0, &[data]);
        let event = |name, data| packet::event("/", None, 0, name, &[data]);
        for protocol in ALL {
            let hear = |frame: &[u8]| protocol.hear(&said(protocol, frame));
            assert_eq!(sid(&said(protocol, &opening)), Some("a-b"));
            assert_eq!(hear(&opening), Heard::Opened);
            assert_eq!(hear(&packet::connect("/", Some("{\"sid\":\"a\"}"))), Heard::Other);
            assert_eq!(
                hear(&event("auth.ok", "{\"name\":\"server_error\"}")),
                Heard::Connected
            );
            assert_eq!(hear(&event("postinit_res", "{}")), Heard::Connected);
            assert_eq!(hear(&event("user.joined", "{}")), Heard::Other);
            assert_eq!(hear(&ack("{\"room\":\"9\"}")), Heard::Joined);
            let refusals = [
                ack("{\"code\":\"NOT_FOUND\"}"),
                event("server_error", "{}"),
                event("error", "{}"),
                event("system.shutdown", "{}"),
                packet::connect_error("/", "{\"message\":\"no\"}"),
                packet::disconnect("/"),
                engine::close(),
            ];
            for refusal in refusals {
                assert_eq!(hear(&refusal), Heard::Refused, "{refusal:?}");
            }
            let pong = said(protocol, &ack("{\"server_time\":1}"));
            assert_eq!(protocol.name_of(&pong), protocol.pong_name());
            let refused = said(protocol, &ack("{\"code\":\"X\"}"));
            assert_ne!(protocol.name_of(&refused), protocol.pong_name());
            assert!(refused.starts_with(protocol.refusal_begins()));
            assert_eq!(said(protocol, &engine::close()), CLOSE);
            assert_eq!(protocol.asks_for_pong(&pong), None);
        }
        assert_eq!(sid(b"0{}"), None);
        assert_eq!(sid(b"40{\"sid\":\"a\"}"), None);
    }
}
