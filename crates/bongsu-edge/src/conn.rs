//! One connection of the action protocol: bytes in, requests carried out in order, answers out.
//!
//! Invariants: a request is carried out after the one before it is answered; posts that came in together share a commit;
//! an idle connection owns no buffer. Once this side has closed, what still comes in is read and dropped.

use std::cell::RefCell;
use std::sync::Arc;

use bongsu_model::event::Lane;
use bongsu_model::refusal::CloseCause;
use bongsu_model::{Asked, Closing, Code, Locale, Notice, Refusal, Reply, Request, Tag};
use bongsu_node::{Arrival, Mailbox, Node, Pushed, Session, Unheard};
use bongsu_wire::action::ActionCodec;
use bongsu_wire::incoming::{Fatal, Incoming, Rules};
use bytes::Bytes;

use crate::action::dialect;
use crate::meters::{Meters, Outcome, Verb};
use crate::socket::{EndedBy, Socket};
use crate::tcp::TcpService;

/// What one read takes at most.
const READ_BYTES: usize = 64 * 1024;
/// Posts that are put to the store together, at most.
const POSTS_AT_ONCE: usize = 256;

thread_local! {
    /// The read buffer of whatever connection is being read on this thread.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// A connection's own state.
pub(crate) struct Conn {
    node: Arc<Node>,
    meters: Arc<Meters>,
    socket: Arc<Socket>,
    mailbox: Arc<Mailbox>,
    codec: ActionCodec,
    locale: Locale,
    session: Option<Arc<Session>>,
    /// What it caused and may not have been given yet.
    unheard: Option<Unheard>,
}

/// What a read brought.
struct Read {
    incoming: Vec<Incoming>,
    fatal: Option<Fatal>,
}

impl Conn {
    pub(crate) fn new(service: &TcpService, socket: Arc<Socket>, mailbox: Arc<Mailbox>) -> Self {
        Self {
            node: Arc::clone(&service.node),
            meters: Arc::clone(&service.meters),
            socket,
            mailbox,
            codec: ActionCodec::new(),
            locale: service.locale,
            session: None,
            unheard: None,
        }
    }

    /// Serves the connection until it is gone. By reference, so that its task holds it once and not once more as an
    /// argument.
    pub(crate) async fn run(&mut self) {
        loop {
            if self.socket.stream.readable().await.is_err() {
                break;
            }
            match self.read() {
                Err(()) => break,
                Ok(None) => {}
                // Boxed, so that an idle connection does not keep room for what a request needs.
                Ok(Some(read)) => {
                    self.socket.busy();
                    Box::pin(self.carry_out(read)).await;
                    let now = self.node.ports.clock.now();
                    self.socket.reads_on(now, self.codec.in_frame());
                }
            }
        }
        // Who has finished sending may still wait for answers.
        Box::pin(self.say_all()).await;
        if let Some(session) = self.session.take() {
            if session.is_cut() {
                self.socket.ended_by(EndedBy::Node);
            }
            Box::pin(self.node.sign_out(&session)).await;
        }
        self.mailbox.abort();
    }

    /// Lets what is owed be written, if anyone still reads it.
    async fn say_all(&mut self) {
        if !self.mailbox.is_closed() {
            self.settle().await;
            self.mailbox.relief(0).await;
        }
    }

    /// Reads what is there; `None` if that completed nothing, `Err` if the connection is gone.
    fn read(&mut self) -> Result<Option<Read>, ()> {
        BUFFER.with_borrow_mut(|buffer| {
            let Some(count) = self.socket.read(buffer)? else {
                return Ok(None);
            };
            self.meters.bytes_read.inc_by(count as u64);
            if self.mailbox.is_closed() {
                return Ok(None);
            }
            let mut incoming = Vec::new();
            let rules = Rules {
                limits: &self.node.ports.limits,
                application_domains: &self.node.ports.policy.application_domains,
            };
            let fatal = self
                .codec
                .handle_bytes(&buffer[..count], &rules, &mut incoming)
                .err();
            let completed = !incoming.is_empty();
            self.socket
                .heard(self.node.ports.clock.now(), self.codec.in_frame(), completed);
            Ok((completed || fatal.is_some()).then_some(Read { incoming, fatal }))
        })
    }

    async fn carry_out(&mut self, read: Read) {
        let mut posts = Vec::new();
        for incoming in read.incoming {
            if self.mailbox.is_closed() {
                return;
            }
            match incoming {
                Incoming::Request(asked)
                    if self.session.is_some() && matches!(asked.request, Request::Post(_)) =>
                {
                    posts.push(asked);
                    if posts.len() >= POSTS_AT_ONCE {
                        self.post(&mut posts).await;
                    }
                }
                Incoming::Request(asked) => {
                    self.post(&mut posts).await;
                    self.request(asked).await;
                }
                Incoming::Echo(_) | Incoming::Goodbye(_) => {}
                Incoming::Refused { tag, refusal } => {
                    self.post(&mut posts).await;
                    self.settle().await;
                    self.mailbox
                        .relief(self.node.ports.limits.mailbox_bytes_max / 2)
                        .await;
                    let refusal = self.tolerate().err().unwrap_or(refusal);
                    self.refuse(&tag, &refusal);
                }
            }
        }
        self.post(&mut posts).await;
        if let Some(fatal) = read.fatal {
            self.settle().await;
            self.malformed(&fatal.refusal);
        }
    }

    /// Posts what has gathered. The room's event is the answer to each that is accepted.
    async fn post(&mut self, posts: &mut Vec<Asked>) {
        if posts.is_empty() {
            return;
        }
        let posts = std::mem::take(posts);
        let Some(session) = self.session.clone() else {
            return;
        };
        self.mailbox
            .relief(self.node.ports.limits.mailbox_bytes_max / 2)
            .await;
        let node = Arc::clone(&self.node);
        let this = &*self;
        let unheard = node
            .post_all(&session, posts, &mut |tag, outcome| {
                this.count(Verb::POST, outcome.is_ok());
                match outcome {
                    Ok(reply) => this.reply(tag, &reply),
                    Err(refusal) => this.refuse(tag, &refusal),
                }
            })
            .await;
        self.unheard = unheard.or(self.unheard);
    }

    /// Lets what was caused before be heard before what comes next is answered.
    async fn settle(&mut self) {
        if let (Some(session), Some(unheard)) = (&self.session, self.unheard.take()) {
            self.node.settle(session, unheard).await;
        }
    }

    async fn request(&mut self, asked: Asked) {
        self.settle().await;
        let limits = &self.node.ports.limits;
        // A page is the largest answer there is, so it goes out alone.
        let page = matches!(asked.request, Request::History { .. });
        self.mailbox
            .relief(if page { 0 } else { limits.mailbox_bytes_max / 2 })
            .await;
        match self.session.clone() {
            Some(session) => self.serve(&session, asked).await,
            None => self.sign_in(asked).await,
        }
    }

    async fn serve(&mut self, session: &Arc<Session>, asked: Asked) {
        let tag = asked.tag.clone();
        let verb = Verb::of(&asked.request);
        if answered_by_event(&asked.request) {
            self.unheard = Some(Unheard::Events);
        }
        let node = Arc::clone(&self.node);
        let this = &*self;
        let served = node
            .handle(session, asked, &mut |reply| this.reply(&tag, &reply))
            .await;
        self.count(verb, served.is_ok());
        if let Err(refusal) = served {
            self.refuse(&tag, &refusal);
        }
    }

    async fn sign_in(&mut self, asked: Asked) {
        let Asked {
            tag,
            claimed_user,
            request,
        } = asked;
        let verb = Verb::of(&request);
        let Request::Connect(connect) = request else {
            self.count(verb, false);
            self.refuse(&tag, &Refusal::new(Code::NotAuthenticated));
            return;
        };
        self.locale = connect.locale.unwrap_or(self.locale);
        let arrival = Arrival {
            mailbox: Arc::clone(&self.mailbox),
            dialect: dialect(self.codec.voice(), &self.node.ports.limits),
            address: self.socket.address,
            locale: self.locale,
            claimed_user,
        };
        let node = Arc::clone(&self.node);
        let this = &*self;
        match node
            .sign_in(arrival, connect, &mut |reply| this.reply(&tag, &reply))
            .await
        {
            Ok(session) => {
                self.socket.signed_in(self.codec.voice().accepts_compression());
                self.session = Some(session);
            }
            Err(refusal) => self.refuse(&tag, &refusal),
        }
        self.count(verb, self.session.is_some());
    }

    /// Whether a session may send nonsense yet again.
    fn tolerate(&self) -> Result<(), Refusal> {
        self.session
            .as_ref()
            .map_or(Ok(()), |session| self.node.tolerate(session))
    }

    fn count(&self, verb: Verb, done: bool) {
        self.meters
            .request(verb, if done { Outcome::Done } else { Outcome::Refused });
    }

    fn reply(&self, tag: &Tag, reply: &Reply) {
        let now = self.node.ports.clock.now();
        let Some(bytes) = self.codec.reply(tag, reply, now, &self.node.ports.limits) else {
            return;
        };
        let lane = if matches!(reply, Reply::Pong { .. }) {
            Lane::Control
        } else {
            Lane::Message
        };
        self.push(lane, &bytes);
    }

    /// Answers with a refusal; closes where that is due: before sign-in, and when the token is no good any more.
    fn refuse(&self, tag: &Tag, refusal: &Refusal) {
        self.node.counters.refused(refusal.code);
        self.meters.refused(refusal);
        let now = self.node.ports.clock.now();
        self.push(
            Lane::Message,
            &self.codec.refusal(tag, refusal, self.locale, now, self.number()),
        );
        if self.session.is_none() {
            self.close(None);
        } else if refusal.code == Code::InvalidToken {
            self.close(Some(refusal));
        }
    }

    /// The stream makes no sense any more: says where, and closes.
    fn malformed(&self, refusal: &Refusal) {
        self.node.counters.refused(refusal.code);
        self.meters.malformed.inc();
        let now = self.node.ports.clock.now();
        let bytes = self
            .codec
            .refusal(&Tag::default(), refusal, self.locale, now, self.number());
        self.push(Lane::Message, &bytes);
        self.close(self.session.is_some().then_some(refusal));
    }

    /// Ends the connection from this side; a session is told why in its own frame.
    fn close(&self, why: Option<&Refusal>) {
        let now = self.node.ports.clock.now();
        let last = why.map(|refusal| {
            let notice = Notice::Closed(Closing::new(CloseCause::Refused(refusal.clone())));
            self.codec
                .notice(&notice, self.locale, now, self.number(), &self.node.ports.limits)
        });
        self.socket.ended_by(EndedBy::Refusal);
        self.mailbox.close(last.as_ref());
    }

    fn push(&self, lane: Lane, bytes: &Bytes) {
        if self.mailbox.answer(lane, bytes) == Pushed::Full {
            // It was held back before and still there is no room: it does not read.
            self.node.counters.slow_closes.bump();
            self.mailbox.abort();
        }
    }

    fn number(&self) -> u64 {
        u64::try_from(self.node.ports.chance.bits() >> 64).unwrap_or(0)
    }
}

/// Whether the answer to a request, if it is granted, is the event that all concerned are told.
fn answered_by_event(request: &Request) -> bool {
    matches!(
        request,
        Request::CreateCall { .. } | Request::SetMedia { .. } | Request::EndCall { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of the future that a function returns.
    fn returned<A, F: Future>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    /// What the listener spawns for each connection, but for its watch.
    #[allow(
        clippy::manual_async_fn,
        reason = "an async function would hold its argument twice"
    )]
    fn task(mut conn: Conn) -> impl Future<Output = ()> {
        async move { conn.run().await }
    }

    /// There are very many of each: whoever makes one larger changes this table, and says what for.
    #[test]
    fn what_every_idle_connection_costs_stays_small() {
        for (what, bytes, most) in [
            ("a connection", size_of::<Conn>(), 128),
            ("its task's future", returned(task), 320),
            ("its socket", size_of::<Socket>(), 96),
            ("its mailbox", size_of::<Mailbox>(), 96),
            ("its session", size_of::<Session>(), 192),
        ] {
            assert!(bytes <= most, "{what} takes {bytes} bytes, not {most}");
        }
    }
}
