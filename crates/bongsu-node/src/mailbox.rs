//! What waits to be written to one connection.
//!
//! Invariants: while nothing waits, a push writes at once and nothing is allocated; bytes leave in the order of their
//! lane; what waits never exceeds the budgets by more than one push. A mailbox never waits for its line.

use std::sync::{Arc, Weak};

use bongsu_model::event::{ConflationKey, Lane};
use bongsu_model::{Limits, Run, Timestamp};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::backlog::Backlog;
use crate::counters::Counters;
use crate::dialect::Dialect;
use crate::ports::Clock;

/// One write takes at most this much together: more saves no calls worth saving.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// A connection's way out: a socket, or what stands for one in a test.
pub trait Line: Send + Sync {
    /// Writes what it takes now of `bytes`, without waiting.
    fn try_write(&self, bytes: &[u8]) -> Wrote;
    /// Completes when the line may take bytes again, or is broken. Several may wait.
    fn writable(&self) -> BoxFuture<'_, ()>;
    /// Whether the line would take bytes now, as far as it can be seen; one that is broken says so, too, since only a write
    /// finds out.
    fn takes(&self) -> bool {
        true
    }
    /// From now on the line takes bytes only when so few at most of those before them are still on their way, where it
    /// can: what waits for room can be taken back.
    fn holds_few(&self, _unsent_bytes: usize) {}
    /// Nothing more will be written: what was taken is sent, then the peer is told that it is the end.
    fn finish(&self);
    /// Ends the connection at once, whatever is under way.
    fn abort(&self);
}

/// What became of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrote {
    /// So many bytes were taken; at least one if there was one.
    Bytes(usize),
    /// The line takes nothing now.
    Full,
    /// The line is broken.
    Gone,
}

/// What became of a push.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pushed {
    /// It was written.
    Written,
    /// It waits for the line.
    Queued,
    /// It did not fit and was not taken.
    Full,
    /// The connection is closed or closing; nothing is taken any more.
    Closed,
}

/// What became of bytes that were to be made at the last moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pulled<T> {
    /// They were written.
    Written(T),
    /// They were begun, and the rest waits for the line.
    Begun(T),
    /// There was nothing to be written.
    Nothing,
    /// Other bytes wait, or the line takes nothing now: nothing was made.
    NoRoom,
    /// The connection is closed or closing.
    Closed,
}

/// What must hear when a mailbox that was full is empty again.
pub trait Drained: Send + Sync {
    /// The mailbox is empty.
    fn drained(&self) -> BoxFuture<'_, ()>;
}

/// What waits to be written to one connection.
pub struct Mailbox {
    line: Arc<dyn Line>,
    limits: Arc<Limits>,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    state: Mutex<State>,
}

struct State {
    dialect: &'static dyn Dialect,
    backlog: Option<Box<Backlog>>,
    owner: Option<Weak<dyn Drained>>,
    ending: Ending,
    /// Told when nothing is taken any more.
    ended: Option<Arc<Notify>>,
}

impl State {
    fn end(&mut self, ending: Ending) {
        self.ending = ending;
        if let Some(ended) = self.ended.take() {
            ended.notify_one();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Ending {
    #[default]
    Open,
    /// Nothing is taken any more; what waits is still written.
    Closing,
    Closed,
}

impl Mailbox {
    /// An empty mailbox for a line on which a dialect is spoken.
    #[must_use]
    pub fn new(
        line: Arc<dyn Line>,
        dialect: &'static dyn Dialect,
        limits: Arc<Limits>,
        clock: Arc<dyn Clock>,
        counters: Arc<Counters>,
    ) -> Arc<Self> {
        Arc::new(Self {
            line,
            limits,
            clock,
            counters,
            state: Mutex::new(State {
                dialect,
                backlog: None,
                owner: None,
                ending: Ending::Open,
                ended: None,
            }),
        })
    }

    /// How the client is spoken to.
    #[must_use]
    pub fn dialect(&self) -> &'static dyn Dialect {
        self.state.lock().dialect
    }

    /// From now on the client is spoken to in this dialect; what waits already stays as it is.
    pub(crate) fn speaks(&self, dialect: &'static dyn Dialect) {
        self.state.lock().dialect = dialect;
    }

    /// From now on `owner` hears when the mailbox was full and is empty again.
    pub(crate) fn set_owner(&self, owner: Weak<dyn Drained>) {
        self.state.lock().owner = Some(owner);
    }

    /// Takes bytes of a lane: writes them now if nothing waits, else lets them wait.
    pub fn push(self: &Arc<Self>, lane: Lane, bytes: &Bytes) -> Pushed {
        self.push_within(self.state.lock(), lane, None, bytes, self.budget(lane))
    }

    /// Takes what happened in a room, as the client is told of it; of ephemeral events with the same key only the latest
    /// waits. What the dialect has no words for is as good as written.
    pub fn deliver(self: &Arc<Self>, lane: Lane, key: Option<ConflationKey>, run: &Run) -> Pushed {
        let state = self.state.lock();
        let bytes = run.encoded(state.dialect.events());
        self.push_within(state, lane, key, bytes, self.budget(lane))
    }

    fn budget(&self, lane: Lane) -> usize {
        match lane {
            Lane::Control => self.limits.mailbox_control_bytes_max,
            Lane::Message | Lane::Ephemeral => self.limits.mailbox_bytes_max,
        }
    }

    /// As [`Self::push`], with twice the budget: for what must not be dropped and cannot be had again, and for the page
    /// that a session is caught up with.
    pub(crate) fn push_beyond(self: &Arc<Self>, lane: Lane, bytes: &Bytes) -> Pushed {
        let budget = self.limits.mailbox_bytes_max.saturating_mul(2);
        self.push_within(self.state.lock(), lane, None, bytes, budget)
    }

    /// Has ephemeral bytes that wait go before whatever is pushed to the message lane next: for the word that one has
    /// left a room, after which nothing of that room is to be heard.
    pub(crate) fn promote_ephemeral(&self) {
        if let Some(backlog) = &mut self.state.lock().backlog {
            backlog.promote_ephemeral();
        }
    }

    fn push_within(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        lane: Lane,
        key: Option<ConflationKey>,
        bytes: &Bytes,
        budget: usize,
    ) -> Pushed {
        if state.ending != Ending::Open {
            return Pushed::Closed;
        }
        if bytes.is_empty() {
            return Pushed::Written;
        }
        if let Some(backlog) = &mut state.backlog {
            // What is replaced or gives way counts no more.
            let before = backlog.bytes();
            let taken = backlog.push(lane, key, bytes.clone(), budget, &self.limits);
            self.counters.mailbox_bytes.moved(before, backlog.bytes());
            return if taken { Pushed::Queued } else { Pushed::Full };
        }
        let written = match self.line.try_write(bytes) {
            Wrote::Bytes(written) if written >= bytes.len() => return Pushed::Written,
            Wrote::Bytes(written) => written,
            Wrote::Full => 0,
            Wrote::Gone => {
                state.end(Ending::Closed);
                return Pushed::Closed;
            }
        };
        let rest = bytes.slice(written..);
        self.wait(state, rest);
        Pushed::Queued
    }

    /// Has bytes made and written at once, if nothing waits and the line takes bytes: for what must be looked at again at
    /// the last moment.
    pub(crate) fn pull<T>(
        self: &Arc<Self>,
        make: impl FnOnce(&'static dyn Dialect) -> Option<(Bytes, T)>,
    ) -> Pulled<T> {
        let mut state = self.state.lock();
        if state.ending != Ending::Open {
            return Pulled::Closed;
        }
        if state.backlog.is_some() || !self.line.takes() {
            return Pulled::NoRoom;
        }
        let Some((bytes, ticket)) = make(state.dialect) else {
            return Pulled::Nothing;
        };
        let written = match self.line.try_write(&bytes) {
            Wrote::Bytes(written) if written >= bytes.len() => return Pulled::Written(ticket),
            Wrote::Bytes(written) => written,
            Wrote::Full => 0,
            Wrote::Gone => {
                state.end(Ending::Closed);
                return Pulled::Closed;
            }
        };
        let rest = bytes.slice(written..);
        self.wait(state, rest);
        Pulled::Begun(ticket)
    }

    /// Completes when nothing waits and the line takes bytes, or when the connection is closed or broken.
    pub(crate) async fn room(&self) {
        self.emptied().await;
        if !self.is_closed() && !self.line.takes() {
            self.line.writable().await;
        }
    }

    /// As [`Line::holds_few`].
    pub(crate) fn holds_few(&self, unsent_bytes: usize) {
        self.line.holds_few(unsent_bytes);
    }

    /// Lets bytes wait for the line where nothing did before.
    fn wait(self: &Arc<Self>, mut state: MutexGuard<'_, State>, rest: Bytes) {
        self.counters.mailbox_bytes.add(rest.len());
        state.backlog = Some(Box::new(Backlog::new(rest, self.clock.now())));
        drop(state);
        tokio::spawn(drain(Arc::clone(self)));
    }

    /// Lets what waits be written, then the last bytes, then ends the connection. Later pushes are refused.
    pub fn close(self: &Arc<Self>, last: Option<&Bytes>) {
        self.end(last, false);
    }

    /// Drops what waits, but for a frame that was begun; writes the last bytes and ends the connection.
    pub fn cut(self: &Arc<Self>, last: Option<&Bytes>) {
        self.end(last, true);
    }

    fn end(self: &Arc<Self>, last: Option<&Bytes>, drop_waiting: bool) {
        let mut state = self.state.lock();
        if state.ending != Ending::Open {
            return;
        }
        state.end(Ending::Closing);
        let last = last.filter(|last| !last.is_empty());
        if let Some(backlog) = &mut state.backlog {
            let before = backlog.bytes();
            if drop_waiting {
                backlog.clear_waiting();
            }
            backlog.set_last(last.cloned());
            self.counters.mailbox_bytes.moved(before, backlog.bytes());
            return;
        }
        let written = match last.map(|last| self.line.try_write(last)) {
            Some(Wrote::Bytes(written)) => written,
            Some(Wrote::Full) => 0,
            Some(Wrote::Gone) | None => usize::MAX,
        };
        match last.filter(|last| written < last.len()) {
            Some(last) => self.wait(state, last.slice(written..)),
            None => {
                state.ending = Ending::Closed;
                self.line.finish();
            }
        }
    }

    /// Waits until nothing waits, or the connection is closed, and holds nobody back meanwhile: a line that is slow is none
    /// that is stuck.
    pub(crate) async fn emptied(&self) {
        loop {
            let relief = {
                let mut state = self.state.lock();
                let Some(backlog) = &mut state.backlog else { return };
                Arc::clone(backlog.relief.get_or_insert_default()).notified_owned()
            };
            relief.await;
        }
    }

    /// Waits until at most `bytes_max` wait and the control lane is at most half full, or the connection is closed.
    /// Whoever makes this mailbox fuller by what it asks for waits here first, and so is held back by its own reading.
    pub async fn relief(&self, bytes_max: usize) {
        loop {
            let relief = {
                let mut state = self.state.lock();
                let Some(backlog) = &mut state.backlog else { return };
                if backlog.bytes() <= bytes_max
                    && backlog.control_bytes() <= self.limits.mailbox_control_bytes_max / 2
                {
                    return;
                }
                backlog.held = true;
                // From here on no notice is missed.
                Arc::clone(backlog.relief.get_or_insert_default()).notified_owned()
            };
            relief.await;
        }
    }

    /// Takes bytes that answer a request: they fit, since the one who asked has waited for [`Self::relief`].
    pub fn answer(self: &Arc<Self>, lane: Lane, bytes: &Bytes) -> Pushed {
        match lane {
            Lane::Control | Lane::Ephemeral => self.push(lane, bytes),
            Lane::Message => self.push_beyond(lane, bytes),
        }
    }

    /// Completes when the connection is closed or closing. One waiter at most.
    pub(crate) async fn ended(&self) {
        let ended = {
            let mut state = self.state.lock();
            if state.ending != Ending::Open {
                return;
            }
            Arc::clone(state.ended.get_or_insert_default())
        };
        ended.notified().await;
    }

    /// Whether the connection is closed or closing from this side.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.lock().ending != Ending::Open
    }

    /// How many bytes wait.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.state
            .lock()
            .backlog
            .as_ref()
            .map_or(0, |backlog| backlog.bytes())
    }

    /// Ends the connection at once; what waits is dropped.
    pub fn abort(&self) {
        let mut state = self.state.lock();
        state.end(Ending::Closed);
        self.drop_backlog(&mut state);
        self.line.abort();
    }

    /// Notes that the owner must hear when nothing waits any more; false if nothing waits already.
    pub(crate) fn want_drained(&self) -> bool {
        let mut state = self.state.lock();
        let Some(backlog) = &mut state.backlog else {
            return false;
        };
        backlog.wanted = true;
        true
    }

    fn drop_backlog(&self, state: &mut State) {
        if let Some(backlog) = state.backlog.take() {
            backlog.relieve();
            self.counters.mailbox_bytes.sub(backlog.bytes());
        }
    }

    /// Writes what the line takes now.
    fn flush(&self) -> Flushed {
        let mut state = self.state.lock();
        let state = &mut *state;
        let Some(backlog) = &mut state.backlog else {
            return Flushed::Gone;
        };
        loop {
            let Some(chunk) = backlog.next_chunk(WRITE_BYTES_MAX) else {
                break;
            };
            match self.line.try_write(&chunk) {
                Wrote::Bytes(written) => {
                    self.counters.mailbox_bytes.sub(written);
                    backlog.written(chunk, written, self.clock.now());
                    backlog.relieve();
                }
                Wrote::Full => {
                    backlog.written(chunk, 0, Timestamp(i64::MIN));
                    return Flushed::Full;
                }
                Wrote::Gone => {
                    backlog.written(chunk, 0, Timestamp(i64::MIN));
                    state.end(Ending::Closed);
                    self.drop_backlog(state);
                    return Flushed::Gone;
                }
            }
        }
        let wanted = backlog.wanted;
        backlog.relieve();
        state.backlog = None;
        if state.ending == Ending::Closing {
            state.ending = Ending::Closed;
            self.line.finish();
            return Flushed::Gone;
        }
        Flushed::Empty(
            wanted
                .then(|| state.owner.as_ref().and_then(Weak::upgrade))
                .flatten(),
        )
    }

    /// Looks at a line that took nothing for a while: a full mailbox without progress ends its session, one that is
    /// closing its connection.
    fn give_up(&self) -> bool {
        let now = self.clock.now();
        let state = self.state.lock();
        let Some(backlog) = &state.backlog else {
            return true;
        };
        if now.ms_since(backlog.moved_at) < self.limits.slow_ms {
            return false;
        }
        if state.ending == Ending::Closing {
            drop(state);
            self.abort();
            return true;
        }
        if !backlog.wanted && !backlog.held && backlog.bytes() < self.limits.mailbox_bytes_max / 2 {
            return false;
        }
        drop(state);
        self.counters.slow_closes.bump();
        self.abort();
        true
    }
}

enum Flushed {
    /// Nothing waits any more; somebody wanted to know.
    Empty(Option<Arc<dyn Drained>>),
    /// The line takes nothing now.
    Full,
    /// The connection is over.
    Gone,
}

/// Writes a backlog as the line takes it. Exists only while there is one.
async fn drain(mailbox: Arc<Mailbox>) {
    let patience = std::time::Duration::from_millis(mailbox.limits.slow_ms.max(1));
    loop {
        if tokio::time::timeout(patience, mailbox.line.writable())
            .await
            .is_err()
        {
            if mailbox.give_up() {
                return;
            }
            continue;
        }
        match mailbox.flush() {
            Flushed::Full => {}
            Flushed::Empty(owner) => {
                if let Some(owner) = owner {
                    owner.drained().await;
                }
                return;
            }
            Flushed::Gone => return,
        }
    }
}
