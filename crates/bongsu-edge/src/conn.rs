//! One connection: bytes in, requests carried out in order, answers out.
//!
//! Invariants: an idle connection owns no buffer. Once this side has closed, what still comes in is read and dropped.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;

use bongsu_model::event::Lane;
use bongsu_model::{Connect, Fatal, Incoming, Locale, Slot, Tag};
use bongsu_node::{Conversation, Mailbox, Node, Speaking};
use bongsu_wire::incoming::Rules;
use bytes::Bytes;

use crate::codec::Codec;
use crate::dialect;
use crate::meters::Meters;
use crate::pulse::EndedBy;
use crate::socket::Socket;

/// What one read takes at most.
const READ_BYTES: usize = 64 * 1024;

thread_local! {
    /// The read buffer of whatever connection is being read on this thread.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// Lends the read buffer, which keeps nothing of what was read.
pub(crate) fn with_read_buffer<T>(read: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| read(buffer))
}

/// A connection's own state.
pub(crate) struct Conn<C> {
    meters: Arc<Meters>,
    socket: Arc<Socket>,
    codec: C,
    conversation: Conversation,
}

/// What a read brought.
struct Read {
    incoming: Vec<Incoming>,
    fatal: Option<Fatal>,
}

impl Read {
    fn goodbye(&self) -> bool {
        matches!(self.incoming.last(), Some(Incoming::Goodbye(_)))
    }

    /// Whether what was begun before is complete: a ping may stand within a message, and buys it no time.
    fn completed(&self) -> bool {
        let within = |one: &Incoming| matches!(one, Incoming::Echo(_));
        !self.incoming.iter().all(within)
    }
}

impl<C: Codec> Conn<C> {
    pub(crate) fn new(
        node: &Arc<Node>,
        meters: &Arc<Meters>,
        locale: Locale,
        codec: C,
        socket: Arc<Socket>,
        mailbox: Arc<Mailbox>,
    ) -> Self {
        let conversation = Conversation::new(Arc::clone(node), mailbox, locale);
        Self::carried_on(Arc::clone(meters), codec, socket, conversation)
    }

    /// A connection whose conversation was begun elsewhere.
    pub(crate) fn carried_on(
        meters: Arc<Meters>,
        codec: C,
        socket: Arc<Socket>,
        conversation: Conversation,
    ) -> Self {
        socket.pulse.speaks(codec.slot());
        Self {
            meters,
            socket,
            codec,
            conversation,
        }
    }

    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        self.conversation.mailbox()
    }

    /// Says something that nobody has asked for.
    pub(crate) fn says(&self, lane: Lane, bytes: &Bytes) {
        self.conversation.mailbox().push(lane, bytes);
    }

    /// What the codec makes of something else than what is read.
    pub(crate) fn decode(
        &mut self,
        decode: impl FnOnce(&mut C, &Rules<'_>, &mut Vec<Incoming>) -> Result<(), Fatal>,
    ) -> (Vec<Incoming>, Option<Fatal>) {
        let mut incoming = Vec::new();
        let rules = rules(self.conversation.node());
        let fatal = decode(&mut self.codec, &rules, &mut incoming).err();
        (incoming, fatal)
    }

    /// Carries out what came in otherwise than by being read.
    pub(crate) async fn hears(&mut self, incoming: Vec<Incoming>, fatal: Option<Fatal>) {
        self.socket.pulse.busy();
        Box::pin(self.carry_out(Read { incoming, fatal })).await;
    }

    /// Takes what was read behind a handshake.
    pub(crate) async fn reads(&mut self, mut read: Vec<u8>) {
        if let Some(read) = self.take_in(&mut read) {
            self.socket.pulse.busy();
            Box::pin(self.carry_out(read)).await;
        }
    }

    /// What came with the connection itself: a token, and what was read behind the handshake.
    pub(crate) async fn begin(&mut self, connect: Option<(Tag, Connect)>, mut read: Vec<u8>) {
        self.socket.pulse.busy();
        if let Some((tag, connect)) = connect {
            let meters = Arc::clone(&self.meters);
            let speaking = speaking(
                self.codec.slot(),
                self.socket.pulse.address,
                &self.conversation,
                &meters,
            );
            self.conversation.begin(tag, connect, speaking).await;
        }
        match self.take_in(&mut read) {
            Some(read) => Box::pin(self.carry_out(read)).await,
            None => {
                self.note_end();
                self.reads_on(true);
            }
        }
    }

    /// Serves the connection until it is gone. By reference, so that its task holds it once and not once more as an
    /// argument.
    pub(crate) async fn run(&mut self) {
        loop {
            // Without a function of its own, whose future would be larger than what it waits for.
            let readable = match self.socket.plain() {
                Some(stream) => stream.readable().await.is_ok(),
                None => poll_fn(|context| self.socket.poll_readable(context))
                    .await
                    .is_ok(),
            };
            if !readable {
                break;
            }
            match self.read() {
                Err(()) => break,
                Ok(None) => {}
                // Boxed, so that an idle connection does not keep room for what a request needs.
                Ok(Some(read)) => {
                    self.socket.pulse.busy();
                    Box::pin(self.carry_out(read)).await;
                }
            }
        }
        if self.is_cut() {
            self.socket.pulse.ended_by(EndedBy::Node);
        }
        // Who has finished sending may still wait for answers.
        Box::pin(self.conversation.end()).await;
    }

    /// Reads what is there; `None` if that completed nothing, `Err` if the connection is gone.
    fn read(&mut self) -> Result<Option<Read>, ()> {
        with_read_buffer(|buffer| {
            let Some(count) = self.socket.read(buffer)? else {
                return Ok(None);
            };
            Ok(self.take_in(&mut buffer[..count]))
        })
    }

    /// Decodes what was read; `None` if that completed nothing.
    fn take_in(&mut self, bytes: &mut [u8]) -> Option<Read> {
        self.meters.bytes_read.inc_by(bytes.len() as u64);
        if self.conversation.mailbox().is_closed() {
            return None;
        }
        let rules = rules(self.conversation.node());
        let ports = &self.conversation.node().ports;
        let mut incoming = Vec::new();
        let fatal = self.codec.handle_bytes(bytes, &rules, &mut incoming).err();
        let read = Read { incoming, fatal };
        self.socket
            .pulse
            .heard(ports.clock.now(), self.codec.in_frame(), read.completed());
        (!read.incoming.is_empty() || read.fatal.is_some()).then_some(read)
    }

    async fn carry_out(&mut self, read: Read) {
        let meters = Arc::clone(&self.meters);
        let speaking = speaking(
            self.codec.slot(),
            self.socket.pulse.address,
            &self.conversation,
            &meters,
        );
        let (goodbye, completed) = (read.goodbye(), read.completed());
        self.conversation
            .carry_out(read.incoming, read.fatal, speaking)
            .await;
        if !goodbye {
            self.note_end();
        }
        self.reads_on(completed);
    }

    /// Notes who has ended the connection, if it was this side.
    fn note_end(&self) {
        if self.conversation.mailbox().is_closed() {
            self.socket.pulse.ended_by(if self.is_cut() {
                EndedBy::Node
            } else {
                EndedBy::Refusal
            });
        }
    }

    fn is_cut(&self) -> bool {
        self.conversation.is_cut()
    }

    fn reads_on(&mut self, completed: bool) {
        let (signed_in, declined) = (
            self.conversation.session().is_some(),
            self.conversation.declined(),
        );
        self.codec.settled(signed_in, declined);
        self.socket.pulse.speaks(self.codec.slot());
        let now = self.conversation.node().ports.clock.now();
        self.socket.pulse.signed_in(self.conversation.knows_who(), now);
        if self.conversation.tries_again() {
            self.socket.pulse.awaits_again(now);
        }
        self.socket.pulse.reads_on(now, self.codec.in_frame(), completed);
    }
}

/// What is decoded by on this node.
pub(crate) fn rules(node: &Node) -> Rules<'_> {
    Rules {
        limits: &node.ports.limits,
        application_domains: &node.ports.policy.application_domains,
    }
}

/// How a conversation is carried on with a client that is answered in this wire format.
pub(crate) fn speaking<'a>(
    slot: Slot,
    address: IpAddr,
    conversation: &Conversation,
    meters: &'a Meters,
) -> Speaking<'a> {
    Speaking {
        dialect: dialect::of(slot, &conversation.node().ports.limits),
        address,
        witness: meters,
    }
}

#[cfg(test)]
mod tests {
    use bongsu_node::Session;
    use bongsu_wire::action::ActionCodec;

    use super::*;
    use crate::codec::WebSocketCodec;

    /// The size of the future that a function returns.
    fn returned<A, F: Future>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    /// What a listener spawns for each connection, but for its watch.
    #[allow(
        clippy::manual_async_fn,
        reason = "an async function would hold its argument twice"
    )]
    fn task<C: Codec>(mut conn: Conn<C>) -> impl Future<Output = ()> {
        async move { conn.run().await }
    }

    /// There are very many of each: whoever makes one larger changes this table, and says what for.
    #[test]
    fn what_every_idle_connection_costs_stays_small() {
        for (what, bytes, most) in [
            ("a TCP connection", size_of::<Conn<ActionCodec>>(), 136),
            ("its task's future", returned(task::<ActionCodec>), 320),
            ("a WebSocket", size_of::<Conn<WebSocketCodec>>(), 104),
            ("its task's future", returned(task::<WebSocketCodec>), 320),
            // 8 more for the heartbeats of Engine.IO, which keep the time from a ping.
            ("its socket", size_of::<Socket>(), 104),
            ("its mailbox", size_of::<Mailbox>(), 112),
            // 16 more for what else its user is shown as, and for what is kept of one that can be taken up again.
            ("its session", size_of::<Session>(), 192),
        ] {
            assert!(bytes <= most, "{what} takes {bytes} bytes, not {most}");
        }
    }
}
