//! What Engine.IO's packets mean, whatever carries them, and the codec of a WebSocket of it.
//!
//! Invariant: only messages reach the partner; what is the engine's own is answered here.

use std::sync::Arc;

use bongsu_model::refusal::Malformed;
use bongsu_model::{Code, Fatal, Incoming, Limits, Refusal, Slot, Why};
use bongsu_wire::incoming::Rules;
use bongsu_wire::socketio::engine::{self, Heard, Version};
use bongsu_wire::websocket::{self, Decoder, MessageLimits, Opcode, Role};
use bytes::Bytes;

use super::asked::Asked;
use super::partner::{Arrived, Certified, Partner, Says};
use super::service::Engine;
use crate::codec::{self, Codec};

/// The code of a close in good order (RFC 6455).
const NORMAL: u16 = 1000;

/// One connection's ear.
pub(super) struct Ear {
    pub(super) version: Version,
    pub(super) partner: Box<dyn Partner>,
}

impl Ear {
    /// The ear of a new connection, and its partner's way out once there is one.
    ///
    /// `certificate` is the device that the client certificate names.
    pub(super) fn new(engine: &Engine, asked: &Asked, certificate: Option<Arc<str>>) -> (Self, Says) {
        let says = Says::default();
        let partner = (engine.meet)(Arrived {
            version: asked.version,
            public_id: engine.websockets.node.ports.chance.bits(),
            token: asked.token.as_deref().map(Into::into),
            says: says.clone(),
        });
        let partner = match certificate {
            Some(device) => Box::new(Certified::new(partner, device)),
            None => partner,
        };
        let version = asked.version;
        (Self { version, partner }, says)
    }

    /// Takes one packet. `goodbye` is what is said last to a client that closes.
    pub(super) fn hear(
        &mut self,
        heard: Heard<'_>,
        goodbye: &Bytes,
        rules: &Rules<'_>,
        out: &mut Vec<Incoming>,
    ) -> Result<(), Fatal> {
        match heard {
            Heard::Text(_) | Heard::Binary(_) => self.partner.hear(heard, rules, out),
            Heard::Ping(echo) if self.version == Version::V3 => {
                out.push(Incoming::Echo(engine::pong(echo)));
                Ok(())
            }
            Heard::Pong(_) if self.version == Version::V4 => Ok(()),
            Heard::Close => {
                out.push(Incoming::Goodbye(goodbye.clone()));
                Ok(())
            }
            // What is left over of a change of the transport.
            Heard::Upgrade | Heard::Noop => Ok(()),
            // Only the other side says these.
            Heard::Open | Heard::Ping(_) | Heard::Pong(_) => Err(violated(Malformed::Packet)),
        }
    }
}

/// What a violation of Engine.IO is to the node.
pub(super) fn fatal(violation: engine::Violation, limits: &Limits) -> Fatal {
    if violation.is_limit() {
        return Refusal {
            code: Code::MessageTooLarge,
            why: Why::Malformed {
                offset: 0,
                what: Malformed::FrameTooLarge(limits.frame_bytes_max as u64),
            },
            retry_after_ms: None,
        }
        .into();
    }
    violated(Malformed::Packet)
}

fn violated(what: Malformed) -> Fatal {
    Refusal {
        code: Code::InvalidData,
        why: Why::Malformed { offset: 0, what },
        retry_after_ms: None,
    }
    .into()
}

/// What messages of a WebSocket may cost.
pub(super) const fn message_limits(limits: &Limits) -> MessageLimits {
    MessageLimits {
        message_bytes_max: limits.frame_bytes_max,
        fragments_max: limits.websocket_fragments_max,
    }
}

/// The answer to a close frame.
pub(super) fn closing(closed: Option<websocket::Closed<'_>>) -> Bytes {
    match closed {
        Some(closed) => websocket::close_frame(closed.code, ""),
        None => websocket::frame(Opcode::Close, &[]),
    }
}

/// The codec of a WebSocket: frames, a packet in each, and the partner's messages in these.
pub(super) struct EngineCodec {
    decoder: Decoder,
    ear: Ear,
}

impl EngineCodec {
    pub(super) const fn new(ear: Ear) -> Self {
        Self::behind(Decoder::new(Role::Server, false), ear)
    }

    /// The codec of a WebSocket that has been read from already.
    pub(super) const fn behind(decoder: Decoder, ear: Ear) -> Self {
        Self { decoder, ear }
    }

    pub(super) const fn ear(&mut self) -> &mut Ear {
        &mut self.ear
    }
}

/// The last frame to a client that closes by a packet.
pub(super) fn goodbye() -> Bytes {
    websocket::close_frame(NORMAL, "")
}

impl Codec for EngineCodec {
    fn handle_bytes(
        &mut self,
        bytes: &mut [u8],
        rules: &Rules<'_>,
        out: &mut Vec<Incoming>,
    ) -> Result<(), Fatal> {
        let Self { decoder, ear } = self;
        let limits = message_limits(rules.limits);
        let mut broken = None;
        let pushed = decoder.push(bytes, &limits, &mut |heard| {
            if broken.is_some() || matches!(out.last(), Some(Incoming::Goodbye(_))) {
                return;
            }
            let packet = match heard {
                websocket::Heard::Text(text) => engine::text(ear.version, text),
                websocket::Heard::Binary(bytes) => engine::binary(ear.version, bytes),
                websocket::Heard::Ping(payload) => {
                    out.push(Incoming::Echo(websocket::frame(Opcode::Pong, payload)));
                    return;
                }
                websocket::Heard::Pong(_) => return,
                websocket::Heard::Close(closed) => {
                    out.push(Incoming::Goodbye(closing(closed)));
                    return;
                }
            };
            let heard = packet.map_err(|violation| fatal(violation, rules.limits));
            broken = heard
                .and_then(|heard| ear.hear(heard, &goodbye(), rules, out))
                .err();
        });
        if let Some(fatal) = broken {
            return Err(fatal);
        }
        pushed.map_err(|violation| codec::fatal(violation, &limits))
    }

    fn in_frame(&self) -> bool {
        self.decoder.in_frame() || self.ear.partner.in_frame()
    }

    fn settled(&mut self, signed_in: bool, declined: bool) {
        self.ear.partner.settled(signed_in, declined);
    }

    fn slot(&self) -> Slot {
        self.ear.partner.slot()
    }
}

#[cfg(test)]
mod tests {
    use bongsu_node::Mailbox;
    use bongsu_wire::socketio::chat::Chat;
    use bongsu_wire::socketio::connection::Connection;

    use super::super::line::EngineLine;
    use super::*;
    use crate::conn::Conn;

    /// The size of the future that a function returns.
    fn returned<A, F: Future>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    #[allow(
        clippy::manual_async_fn,
        reason = "an async function would hold its argument twice"
    )]
    fn task(mut conn: Conn<EngineCodec>) -> impl Future<Output = ()> {
        async move { conn.run().await }
    }

    /// There are very many of each: whoever makes one larger changes this table, and says what for.
    #[test]
    fn what_every_idle_connection_costs_stays_small() {
        for (what, bytes, most) in [
            // 8 more for the display that may be at the other end.
            ("a WebSocket", size_of::<Conn<EngineCodec>>(), 120),
            ("its task's future", returned(task), 320),
            ("its partner", size_of::<Connection<Chat>>(), 48),
            ("its mailbox", size_of::<Mailbox>(), 112),
            // What is left of the polls of one that began with them.
            ("its line", size_of::<EngineLine>(), 32),
        ] {
            assert!(bytes <= most, "{what} takes {bytes} bytes, not {most}");
        }
    }
}
