//! The way out of a session that is polled for: bytes leave when a poll waits, and on a socket once there is one.
//!
//! Invariants: what was taken is in exactly one answer, and of one answer's size. Once there is a socket, nothing is left
//! of what polling needed.

use std::pin::pin;
use std::sync::{Arc, OnceLock};

use bongsu_node::{Line, Wrote};
use bongsu_wire::socketio::engine;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::socket::Socket;

/// A poll takes no more once it has so much.
const ANSWER_BYTES: usize = 64 * 1024;

/// The line of a session that began by polling.
pub(super) struct EngineLine {
    socket: OnceLock<Arc<Socket>>,
    /// As long as the session is polled for.
    polled: Mutex<Option<Box<Polled>>>,
}

struct Polled {
    /// What every client reads in one answer.
    packets_max: usize,
    stage: Stage,
    /// The poll that waits.
    waits: Option<Arc<Waiting>>,
    /// Told when a WebSocket was probed.
    probed: Arc<Notify>,
    /// Told when the line may take bytes, or never will.
    writable: Arc<Notify>,
    /// Dropped when the session is over, or no longer polled for.
    ended: Option<oneshot::Sender<()>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// A WebSocket was probed: the client wants to poll no more, so polls are ended and nothing leaves.
    Probed,
    Over,
}

/// A poll that waits.
#[derive(Default)]
pub(super) struct Waiting {
    frames: Mutex<Frames>,
    /// Told when it need not wait any longer.
    told: Notify,
}

/// Whole frames.
#[derive(Default)]
struct Frames {
    bytes: Vec<u8>,
    count: usize,
}

impl Waiting {
    /// Completes when there is something to answer with, or no reason to wait for it.
    pub(super) async fn told(&self) {
        self.told.notified().await;
    }
}

/// What becomes of a poll.
pub(super) enum Poll {
    /// It waits.
    Waits(Arc<Waiting>),
    /// It must not wait now.
    NotNow,
    /// Another one waits already.
    Twice,
    /// The session is over, or is not polled for any more.
    Over,
}

impl EngineLine {
    /// A line for which nobody has polled yet, of which one answer takes so many packets, at least one; and what completes
    /// when nobody will poll any more.
    pub(super) fn new(packets_max: usize) -> (Arc<Self>, oneshot::Receiver<()>) {
        let (ended, end) = oneshot::channel();
        let line = Self {
            socket: OnceLock::new(),
            polled: Mutex::new(Some(Box::new(Polled {
                packets_max: packets_max.max(1),
                stage: Stage::Open,
                waits: None,
                probed: Arc::default(),
                writable: Arc::default(),
                ended: Some(ended),
            }))),
        };
        (Arc::new(line), end)
    }

    /// Somebody polls.
    pub(super) fn poll(&self) -> Poll {
        let mut polled = self.polled.lock();
        let Some(polled) = &mut *polled else {
            return Poll::Over;
        };
        match polled.stage {
            Stage::Over => Poll::Over,
            Stage::Probed => Poll::NotNow,
            Stage::Open if polled.waits.is_some() => Poll::Twice,
            Stage::Open => {
                let waiting = Arc::new(Waiting::default());
                polled.waits = Some(Arc::clone(&waiting));
                polled.writable.notify_waiters();
                Poll::Waits(waiting)
            }
        }
    }

    /// The whole frames that a poll has taken. It takes no more.
    pub(super) fn taken(&self, waiting: &Arc<Waiting>) -> Vec<u8> {
        if let Some(polled) = &mut *self.polled.lock() {
            polled.waits.take_if(|it| Arc::ptr_eq(it, waiting));
        }
        std::mem::take(&mut waiting.frames.lock().bytes)
    }

    /// A WebSocket was probed: false if the session is over.
    pub(super) fn probed(&self) -> bool {
        let mut polled = self.polled.lock();
        let Some(polled) = polled.as_mut().filter(|polled| polled.stage != Stage::Over) else {
            return false;
        };
        polled.stage = Stage::Probed;
        polled.release();
        polled.probed.notify_waiters();
        true
    }

    /// Completes once a WebSocket was probed that may carry the session soon.
    pub(super) async fn until_probed(&self) {
        let probed = self
            .polled
            .lock()
            .as_ref()
            .map(|polled| Arc::clone(&polled.probed));
        let Some(probed) = probed else {
            // Who is polled for no more is not probed any more.
            return std::future::pending().await;
        };
        let mut told = pin!(probed.notified());
        // From here on no probe is missed.
        told.as_mut().enable();
        if !self.is_probed() {
            told.await;
        }
    }

    /// The WebSocket is gone: polls may wait again.
    pub(super) fn goes_on_polling(&self) {
        if let Some(polled) = &mut *self.polled.lock()
            && polled.stage == Stage::Probed
        {
            polled.stage = Stage::Open;
        }
    }

    /// From now on bytes leave on this socket: false if the session is over.
    pub(super) fn changes_to(&self, socket: &Arc<Socket>) -> bool {
        let mut place = self.polled.lock();
        let Some(polled) = place.as_mut().filter(|polled| polled.stage != Stage::Over) else {
            return false;
        };
        polled.release();
        if self.socket.set(Arc::clone(socket)).is_err() {
            return false;
        }
        // Whoever waits to write looks again, and finds the socket.
        polled.writable.notify_waiters();
        *place = None;
        true
    }

    /// Whether a poll might still come, and wait.
    pub(super) fn is_polled(&self) -> bool {
        let polled = self.polled.lock();
        polled.as_ref().is_some_and(|polled| polled.stage == Stage::Open)
    }

    /// Whether no poll waits where one might.
    pub(super) fn lacks_a_poll(&self) -> bool {
        let polled = self.polled.lock();
        polled
            .as_ref()
            .is_some_and(|polled| polled.stage == Stage::Open && polled.waits.is_none())
    }

    /// Whether a WebSocket was probed that may carry the session soon.
    pub(super) fn is_probed(&self) -> bool {
        let polled = self.polled.lock();
        polled
            .as_ref()
            .is_some_and(|polled| polled.stage == Stage::Probed)
    }

    /// Whether a socket carries the session.
    pub(super) fn is_on_socket(&self) -> bool {
        self.socket.get().is_some()
    }

    /// Whether nobody is or will be polling.
    pub(super) fn is_over(&self) -> bool {
        let polled = self.polled.lock();
        polled.as_ref().is_none_or(|polled| polled.stage == Stage::Over)
    }

    /// Ends the session, if it is still polled for.
    fn end(&self) -> bool {
        let mut polled = self.polled.lock();
        let Some(polled) = &mut *polled else {
            return false;
        };
        if polled.stage != Stage::Over {
            polled.stage = Stage::Over;
            polled.release();
            polled.writable.notify_waiters();
            drop(polled.ended.take());
        }
        true
    }

    /// The socket, where the session is not polled for, or ends now.
    fn other_end(&self) -> Option<&Socket> {
        // It may change between the two looks.
        let socket = || self.socket.get().map(|socket| &**socket);
        socket().or_else(|| if self.end() { None } else { socket() })
    }
}

impl Polled {
    /// Lets the poll go that waits.
    fn release(&mut self) {
        if let Some(waiting) = self.waits.take() {
            waiting.told.notify_one();
        }
    }

    fn take(&self, bytes: &[u8]) -> Wrote {
        match self.stage {
            Stage::Over => return Wrote::Gone,
            Stage::Probed => return Wrote::Full,
            Stage::Open => {}
        }
        let Some(waiting) = &self.waits else {
            return Wrote::Full;
        };
        let mut frames = waiting.frames.lock();
        if !self.has_room(&frames) {
            return Wrote::Full;
        }
        let (bytes, count) = engine::first(self.packets_max - frames.count, bytes);
        frames.bytes.extend_from_slice(bytes);
        frames.count += count;
        waiting.told.notify_one();
        Wrote::Bytes(bytes.len())
    }

    const fn has_room(&self, frames: &Frames) -> bool {
        frames.bytes.len() < ANSWER_BYTES && frames.count < self.packets_max
    }

    /// Whether a poll waits that has room.
    fn takes(&self) -> bool {
        let room = |waiting: &Arc<Waiting>| self.has_room(&waiting.frames.lock());
        self.stage == Stage::Open && self.waits.as_ref().is_some_and(room)
    }
}

impl Line for EngineLine {
    fn try_write(&self, bytes: &[u8]) -> Wrote {
        if let Some(socket) = self.socket.get() {
            return socket.try_write(bytes);
        }
        if let Some(polled) = &*self.polled.lock() {
            return polled.take(bytes);
        }
        // It has changed between the two looks.
        self.socket
            .get()
            .map_or(Wrote::Gone, |socket| socket.try_write(bytes))
    }

    fn writable(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            loop {
                if let Some(socket) = self.socket.get() {
                    return socket.writable().await;
                }
                let changed = match &*self.polled.lock() {
                    // From here on no notice is missed.
                    Some(polled) if polled.stage == Stage::Over => return,
                    Some(polled) if polled.takes() => return,
                    Some(polled) => Arc::clone(&polled.writable).notified_owned(),
                    None => continue,
                };
                changed.await;
            }
        })
    }

    fn takes(&self) -> bool {
        if let Some(socket) = self.socket.get() {
            return socket.takes();
        }
        match &*self.polled.lock() {
            Some(polled) => polled.stage == Stage::Over || polled.takes(),
            None => self.socket.get().is_none_or(|socket| socket.takes()),
        }
    }

    /// An answer to a poll is one write, and the next poll comes when it was read: only a socket holds more.
    fn holds_few(&self, unsent_bytes: usize) {
        if let Some(socket) = self.socket.get() {
            socket.holds_few(unsent_bytes);
        }
    }

    fn finish(&self) {
        if let Some(socket) = self.other_end() {
            socket.finish();
        }
    }

    fn abort(&self) {
        if let Some(socket) = self.other_end() {
            socket.abort();
        }
    }
}
