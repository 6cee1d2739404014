//! The node's side of a simulated connection: the real codecs on bytes that come through memory.
//!
//! Invariant: what is done with the bytes is what the product does with them; only the socket is not one.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bongsu_model::{Fatal, Incoming, Locale, Recover, Refusal, Verb};
use bongsu_node::{Conversation, Dialect, Mailbox, Node, Speaking, Witness};
use bongsu_wire::action::{self, ActionCodec};
use bongsu_wire::incoming::Rules;
use bongsu_wire::typed;
use bongsu_wire::websocket::{Decoder, Heard, MessageLimits, Opcode, Role, close_frame, frame};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::again;
use crate::line::{Pipe, SimLine};
use crate::ports::SimClock;
use crate::tongue::Tongue;
use crate::truth::Truth;

/// Simulated clients speak the protocol; whether they are refused is checked at their end.
struct Sober;

impl Witness for Sober {
    fn served(&self, _: Verb, _: bool) {}
    fn refused(&self, _: &Refusal) {}
    fn malformed(&self) {
        panic!("simulated clients speak the protocol")
    }
}

/// From bytes to requests.
enum Codec {
    Stream(ActionCodec),
    Frames(Decoder, Tongue),
}

impl Codec {
    fn of(tongue: Tongue) -> Self {
        match tongue {
            Tongue::Lines => Self::Stream(ActionCodec::new()),
            Tongue::ActionFrames | Tongue::TypeFrames => {
                Self::Frames(Decoder::new(Role::Server, false), tongue)
            }
        }
    }

    fn handle_bytes(&mut self, mut read: Vec<u8>, rules: &Rules<'_>) -> (Vec<Incoming>, Option<Fatal>) {
        let mut incoming = Vec::new();
        let (decoder, tongue) = match self {
            Self::Stream(codec) => {
                let fatal = codec.handle_bytes(&read, rules, &mut incoming).err();
                return (incoming, fatal);
            }
            Self::Frames(decoder, tongue) => (decoder, *tongue),
        };
        let limits = MessageLimits {
            message_bytes_max: rules.limits.frame_bytes_max,
            fragments_max: rules.limits.websocket_fragments_max,
        };
        let pushed = decoder.push(&mut read, &limits, &mut |heard| match heard {
            Heard::Text(text) if tongue == Tongue::TypeFrames => typed::message(text, rules, &mut incoming),
            Heard::Text(text) => {
                action::message(text, rules, &mut incoming);
            }
            Heard::Ping(payload) => incoming.push(Incoming::Echo(frame(Opcode::Pong, payload))),
            Heard::Close(closed) => {
                let code = closed.map_or(1000, |closed| closed.code);
                incoming.push(Incoming::Goodbye(close_frame(code, "")));
            }
            Heard::Binary(_) | Heard::Pong(_) => panic!("simulated clients do not say this"),
        });
        pushed.expect("simulated clients keep the rules of frames");
        (incoming, None)
    }
}

/// Who is served, and who must know when it comes and goes.
pub(crate) struct Guest {
    pub(crate) node: usize,
    pub(crate) user: i64,
    pub(crate) tongue: Tongue,
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) recover: Recover,
    pub(crate) truth: Arc<Mutex<Truth>>,
    pub(crate) clock: SimClock,
}

/// Serves a connection until its client is gone.
pub(crate) async fn serve(
    node: Arc<Node>,
    pipe: Arc<Pipe>,
    mut bytes: mpsc::Receiver<Vec<u8>>,
    guest: Guest,
) {
    let ports = &node.ports;
    let line = Arc::new(SimLine(pipe));
    let mailbox = Mailbox::new(
        line,
        guest.dialect,
        Arc::clone(&ports.limits),
        Arc::clone(&ports.clock),
        Arc::clone(&node.counters),
    );
    let mut codec = Codec::of(guest.tongue);
    let mut conversation = Conversation::new(node, mailbox, Locale::En);
    let speaking = Speaking {
        dialect: guest.dialect,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        witness: &Sober,
    };
    let mut visit = None;
    while let Some(read) = bytes.recv().await {
        if conversation.mailbox().is_closed() {
            continue;
        }
        let ports = &conversation.node().ports;
        let rules = Rules {
            limits: &ports.limits,
            application_domains: &ports.policy.application_domains,
        };
        let (mut incoming, fatal) = codec.handle_bytes(read, &rules);
        again::ask(&mut incoming, &guest.recover);
        for one in &incoming {
            if let Incoming::Refused { refusal, .. } = one {
                panic!("simulated clients ask what can be understood: {refusal:?}")
            }
        }
        Box::pin(conversation.carry_out(incoming, fatal, speaking)).await;
        if visit.is_none() && conversation.session().is_some() {
            visit = Some(guest.truth.lock().came(guest.node, guest.user, guest.clock.ms()));
        }
    }
    if let Some(visit) = visit {
        guest.truth.lock().went(visit, guest.clock.ms());
    }
    conversation.end().await;
}
