//! A session that is polled for: its conversation, and what happens to it at its end.
//!
//! Invariant: what carries the conversation on holds it alone, and never stops halfway: a client that goes away while it
//! is served changes nothing of what is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use bongsu_model::{Fatal, Incoming, Limits, Timestamp};
use bongsu_node::{Conversation, Mailbox};
use bongsu_wire::incoming::Rules;
use bongsu_wire::socketio::engine::{Payloads, Version};
use tokio::sync::{Mutex, oneshot};

use super::codec::Ear;
use super::line::EngineLine;
use super::service::Engine;
use super::sessions::Sid;
use crate::admission::Permit;
use crate::conn;
use crate::meters::Meters;
use crate::pulse::{EndedBy, Lives, Pulse, RanOut, beat_ms};
use crate::tcp::Watch;

/// A session that is polled for.
pub(super) struct Session {
    pub(super) version: Version,
    /// The client reads bytes, as far as it said at its handshake.
    pub(super) binary: bool,
    pub(super) line: Arc<EngineLine>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) pulse: Pulse,
    /// When the last poll was answered; the beginning, if none was.
    pub(super) polled_ms: AtomicI64,
    /// A body is on its way, or is not answered yet.
    pub(super) posting: AtomicBool,
    /// Bodies that are not carried out yet.
    pub(super) bodies: AtomicUsize,
    /// A WebSocket wants to carry the session.
    pub(super) claimed: AtomicBool,
    /// None once the session has ended, or a socket carries it.
    pub(super) carried: Arc<Mutex<Option<Carried>>>,
}

/// What goes with a session from one transport to the other.
pub(super) struct Carried {
    pub(super) meters: Arc<Meters>,
    pub(super) conversation: Conversation,
    pub(super) ear: Ear,
    pub(super) payloads: Payloads,
    pub(super) watch: Watch<Arc<Permit>>,
}

impl Lives for Session {
    fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    fn ran_out(&self, now: Timestamp, limits: &Limits) -> Option<RanOut> {
        if self.is_away(now, limits) {
            return Some(RanOut::Idle);
        }
        self.pulse.ran_out(now, limits)
    }
}

impl Session {
    /// Ends the session at once.
    pub(super) fn abort(&self, who: EndedBy) {
        self.pulse.ended_by(who);
        self.mailbox.abort();
    }

    /// Whether the session is no more, as of now.
    pub(super) fn is_gone(&self, engine: &Engine) -> bool {
        if self.line.is_over() {
            return true;
        }
        let node = &engine.websockets.node;
        let (now, limits) = (node.now(), &node.ports.limits);
        if self.pulse.is_idle(now, limits) || self.is_away(now, limits) {
            // The sweeper has not looked yet.
            self.abort(EndedBy::Idle);
            return true;
        }
        false
    }

    /// Whether nobody has come back to poll in the time of a heartbeat: who only posts is heard, but hears nothing.
    fn is_away(&self, now: Timestamp, limits: &Limits) -> bool {
        let away_ms = now.ms_since(Timestamp(self.polled_ms.load(Ordering::Relaxed)));
        away_ms >= beat_ms(limits) && self.line.lacks_a_poll()
    }

    /// Carries out what came in; whether the session is over with it.
    pub(super) async fn carry_out(
        &self,
        carried: &mut Carried,
        incoming: Vec<Incoming>,
        fatal: Option<Fatal>,
    ) -> bool {
        let completed = incoming.iter().any(|one| !matches!(one, Incoming::Echo(_)));
        let goodbye = matches!(incoming.last(), Some(Incoming::Goodbye(_)));
        let ends = goodbye || fatal.is_some();
        let Carried {
            meters,
            conversation,
            ear,
            ..
        } = carried;
        self.pulse.busy();
        let speaking = conn::speaking(ear.partner.slot(), self.pulse.address, conversation, meters);
        conversation.carry_out(incoming, fatal, speaking).await;
        if !goodbye && self.mailbox.is_closed() {
            let cut = conversation.is_cut();
            self.pulse
                .ended_by(if cut { EndedBy::Node } else { EndedBy::Refusal });
        }
        let now = conversation.node().now();
        ear.partner
            .settled(conversation.session().is_some(), conversation.declined());
        self.pulse.signed_in(conversation.knows_who(), now);
        if conversation.tries_again() {
            self.pulse.awaits_again(now);
        }
        self.pulse.speaks(ear.partner.slot());
        self.pulse.reads_on(now, ear.partner.in_frame(), completed);
        if ends && !(goodbye && self.line.is_polled()) {
            // Whoever polls has been told; nobody else will.
            self.mailbox.abort();
        }
        ends
    }
}

impl Carried {
    /// What is heard in one go, decoded by `decode`.
    pub(super) fn decode(
        &mut self,
        decode: impl FnOnce(&mut Self, &Rules<'_>, &mut Vec<Incoming>) -> Result<(), Fatal>,
    ) -> (Vec<Incoming>, Option<Fatal>) {
        let node = Arc::clone(self.conversation.node());
        let rules = conn::rules(&node);
        let mut incoming = Vec::new();
        let fatal = decode(self, &rules, &mut incoming).err();
        (incoming, fatal)
    }
}

/// Signs out and forgets the session once nobody polls for it any more.
pub(super) async fn attend(engine: Arc<Engine>, sid: Sid, session: Arc<Session>, end: oneshot::Receiver<()>) {
    // An error is what is waited for: the other end is dropped.
    let _ = end.await;
    engine.sessions.remove(sid);
    if session.line.is_on_socket() {
        return;
    }
    let carried = session.carried.lock().await.take();
    if let Some(mut carried) = carried {
        if carried.conversation.is_cut() {
            session.pulse.ended_by(EndedBy::Node);
        }
        carried.conversation.end().await;
    }
}

/// Releases what a request has taken of a session; if the request goes away before its answer, the session ends.
pub(super) struct Holds<'a> {
    session: &'a Session,
    flag: Option<&'a AtomicBool>,
    done: bool,
}

impl<'a> Holds<'a> {
    pub(super) const fn new(session: &'a Session, flag: Option<&'a AtomicBool>) -> Self {
        Self {
            session,
            flag,
            done: false,
        }
    }

    /// The request is answered.
    pub(super) fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Holds<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.session.abort(EndedBy::Client);
        }
        if let Some(flag) = self.flag {
            flag.store(false, Ordering::Release);
        }
    }
}
