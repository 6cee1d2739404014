//! The node's side of a simulated connection: the real codec on bytes that come through memory.
//!
//! Invariant: requests are carried out in order, each after the one before it is answered, as at the edge.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bongsu_model::event::Lane;
use bongsu_model::refusal::CloseCause;
use bongsu_model::{
    Asked, Closing, Code, Encode, Limits, Locale, Notice, Refusal, Reply, Request, Tag, Timestamp,
};
use bongsu_node::{Arrival, Dialect, Mailbox, Node, Session, Unheard};
use bongsu_wire::action::{ActionCodec, ActionEvents, Voice};
use bongsu_wire::incoming::{Incoming, Rules};
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::line::{Pipe, SimLine};

struct SimDialect;

static DIALECT: SimDialect = SimDialect;
static EVENTS: ActionEvents = ActionEvents::plain();

impl Dialect for SimDialect {
    fn protocol(&self) -> &'static str {
        "action"
    }

    fn events(&self) -> &dyn Encode {
        &EVENTS
    }

    fn notice(&self, notice: &Notice, locale: Locale, now: Timestamp, id: u64, limits: &Limits) -> Bytes {
        Voice::new(false).notice(notice, locale, now, id, limits)
    }
}

struct Conn {
    node: Arc<Node>,
    mailbox: Arc<Mailbox>,
    codec: ActionCodec,
    session: Option<Arc<Session>>,
    unheard: Option<Unheard>,
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
    let mut conn = Conn {
        node,
        mailbox,
        codec: ActionCodec::new(),
        session: None,
        unheard: None,
    };
    while let Some(read) = bytes.recv().await {
        if conn.mailbox.is_closed() {
            continue;
        }
        let mut incoming = Vec::new();
        let rules = Rules {
            limits: &conn.node.ports.limits,
            application_domains: &conn.node.ports.policy.application_domains,
        };
        let fatal = conn.codec.handle_bytes(&read, &rules, &mut incoming);
        assert!(fatal.is_ok(), "simulated clients speak the protocol");
        conn.carry_out(incoming).await;
    }
    if let Some(session) = conn.session.take() {
        conn.node.sign_out(&session).await;
    }
    conn.mailbox.abort();
}

impl Conn {
    async fn carry_out(&mut self, incoming: Vec<Incoming>) {
        let mut posts = Vec::new();
        for incoming in incoming {
            if self.mailbox.is_closed() {
                return;
            }
            match incoming {
                Incoming::Request(asked)
                    if self.session.is_some() && matches!(asked.request, Request::Post(_)) =>
                {
                    posts.push(asked);
                }
                Incoming::Request(asked) => {
                    self.post(&mut posts).await;
                    self.request(asked).await;
                }
                Incoming::Echo(_) | Incoming::Goodbye(_) => unreachable!("a byte stream has neither"),
                Incoming::Refused { refusal, .. } => {
                    panic!("simulated clients ask what can be understood: {refusal:?}")
                }
            }
        }
        self.post(&mut posts).await;
    }

    async fn post(&mut self, posts: &mut Vec<Asked>) {
        let posts = std::mem::take(posts);
        let Some(session) = self.session.clone().filter(|_| !posts.is_empty()) else {
            return;
        };
        self.mailbox
            .relief(self.node.ports.limits.mailbox_bytes_max / 2)
            .await;
        let this = &*self;
        let mut outcome = |tag: &Tag, outcome: Result<Reply, Refusal>| match outcome {
            Ok(reply) => this.reply(tag, &reply),
            Err(refusal) => this.refuse(tag, &refusal),
        };
        let unheard = this.node.post_all(&session, posts, &mut outcome).await;
        self.unheard = unheard.or(self.unheard);
    }

    async fn request(&mut self, asked: Asked) {
        if let (Some(session), Some(unheard)) = (&self.session, self.unheard.take()) {
            self.node.settle(session, unheard).await;
        }
        self.mailbox
            .relief(self.node.ports.limits.mailbox_bytes_max / 2)
            .await;
        let tag = asked.tag.clone();
        let this = &*self;
        match self.session.clone() {
            Some(session) => {
                let served = this
                    .node
                    .handle(&session, asked, &mut |reply| this.reply(&tag, &reply))
                    .await;
                if let Err(refusal) = served {
                    self.refuse(&tag, &refusal);
                }
            }
            None => self.sign_in(asked).await,
        }
    }

    async fn sign_in(&mut self, asked: Asked) {
        let Request::Connect(connect) = asked.request else {
            panic!("simulated clients sign in first")
        };
        let arrival = Arrival {
            mailbox: Arc::clone(&self.mailbox),
            dialect: &DIALECT,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            locale: Locale::En,
            claimed_user: asked.claimed_user,
        };
        let (this, tag) = (&*self, &asked.tag);
        match this
            .node
            .sign_in(arrival, connect, &mut |reply| this.reply(tag, &reply))
            .await
        {
            Ok(session) => self.session = Some(session),
            Err(refusal) => {
                self.refuse(tag, &refusal);
                self.mailbox.close(None);
            }
        }
    }

    fn reply(&self, tag: &Tag, reply: &Reply) {
        let limits = &self.node.ports.limits;
        if let Some(bytes) = self.codec.reply(tag, reply, self.now(), limits) {
            self.mailbox.answer(Lane::Message, &bytes);
        }
    }

    fn refuse(&self, tag: &Tag, refusal: &Refusal) {
        let bytes = self.codec.refusal(tag, refusal, Locale::En, self.now(), 0);
        self.mailbox.answer(Lane::Message, &bytes);
        if self.session.is_some() && refusal.code == Code::InvalidToken {
            let notice = Notice::Closed(Closing::new(CloseCause::Refused(refusal.clone())));
            let last = self
                .codec
                .notice(&notice, Locale::En, self.now(), 0, &self.node.ports.limits);
            self.mailbox.close(Some(&last));
        }
    }

    fn now(&self) -> Timestamp {
        self.node.ports.clock.now()
    }
}
