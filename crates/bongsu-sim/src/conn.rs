//! The node's side of a simulated connection: the real codec on bytes that come through memory.
//!
//! Invariant: what is done with the bytes is what the product does with them; only the socket is not one.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bongsu_model::{Closing, Encode, Fatal, Locale, Notice, Refusal, Reply, Tag, Verb, refusal::CloseCause};
use bongsu_node::{Conversation, Dialect, Mailbox, Node, Setting, Speaking, Witness};
use bongsu_wire::action::{ActionCodec, ActionEvents, Voice};
use bongsu_wire::incoming::{Incoming, Rules};
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::line::{Pipe, SimLine};

struct SimDialect;

static DIALECT: SimDialect = SimDialect;
static EVENTS: ActionEvents = ActionEvents::plain();
const VOICE: Voice = Voice::new(false);

impl Dialect for SimDialect {
    fn protocol(&self) -> &'static str {
        "action"
    }

    fn events(&self) -> &dyn Encode {
        &EVENTS
    }

    fn reply(&self, tag: &Tag, reply: &Reply, with: Setting<'_>) -> Option<Bytes> {
        VOICE.reply(tag, reply, with.now, with.limits)
    }

    fn refusal(&self, tag: &Tag, refusal: &Refusal, with: Setting<'_>) -> Bytes {
        VOICE.refusal(tag, refusal, with.locale, with.now, with.id)
    }

    fn notice(&self, notice: &Notice, with: Setting<'_>) -> Bytes {
        VOICE.notice(notice, with.locale, with.now, with.id, with.limits)
    }

    fn broken_off(&self, fatal: &Fatal, _: bool, with: Setting<'_>) -> Bytes {
        let closing = Closing::new(CloseCause::Refused(fatal.refusal.clone()));
        self.notice(&Notice::Closed(closing), with)
    }

    fn ping(&self, _: Setting<'_>) -> Option<Bytes> {
        None
    }
}

/// Simulated clients speak the protocol; whether they are refused is checked at their end.
struct Sober;

impl Witness for Sober {
    fn served(&self, _: Verb, _: bool) {}
    fn refused(&self, _: &Refusal) {}
    fn malformed(&self) {
        panic!("simulated clients speak the protocol")
    }
}

/// Serves a connection until its client is gone.
pub(crate) async fn serve(node: Arc<Node>, pipe: Arc<Pipe>, mut bytes: mpsc::Receiver<Vec<u8>>) {
    let ports = &node.ports;
    let line = Arc::new(SimLine(pipe));
    let mailbox = Mailbox::new(
        line,
        Arc::clone(&ports.limits),
        Arc::clone(&ports.clock),
        Arc::clone(&node.counters),
    );
    let mut codec = ActionCodec::new();
    let mut conversation = Conversation::new(node, mailbox, Locale::En);
    let speaking = Speaking {
        dialect: &DIALECT,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        witness: &Sober,
    };
    while let Some(read) = bytes.recv().await {
        if conversation.mailbox().is_closed() {
            continue;
        }
        let mut incoming = Vec::new();
        let ports = &conversation.node().ports;
        let rules = Rules {
            limits: &ports.limits,
            application_domains: &ports.policy.application_domains,
        };
        let fatal = codec.handle_bytes(&read, &rules, &mut incoming).err();
        for one in &incoming {
            if let Incoming::Refused { refusal, .. } = one {
                panic!("simulated clients ask what can be understood: {refusal:?}")
            }
        }
        conversation.carry_out(incoming, fatal, speaking).await;
    }
    conversation.end().await;
}
