//! The way out of a session that is polled for: bytes leave when a poll waits, and on a socket once there is one.
//!
//! Invariants: one poll takes one chunk; a chunk that was taken is in exactly one answer. Once there is a socket, nothing
//! is left of what polling needed.

use std::sync::{Arc, OnceLock};

use bongsu_node::{Line, Wrote};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::socket::Socket;

/// The line of a session that began by polling.
pub(super) struct EngineLine {
    socket: OnceLock<Arc<Socket>>,
    /// As long as the session is polled for.
    polled: Mutex<Option<Box<Polled>>>,
}

struct Polled {
    stage: Stage,
    /// The poll that waits.
    waits: Option<oneshot::Sender<Taken>>,
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

/// What a poll is answered with.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// Whole frames.
    Frames(Bytes),
    /// Nothing: it must not wait any longer.
    Nothing,
    /// That the session is over.
    Closed,
}

/// What becomes of a poll.
pub(super) enum Poll {
    /// It waits.
    Waits(oneshot::Receiver<Taken>),
    /// It must not wait now.
    NotNow,
    /// Another one waits already.
    Twice,
    /// The session is over, or is not polled for any more.
    Over,
}

impl EngineLine {
    /// A line for which nobody has polled yet, and what completes when nobody will any more.
    pub(super) fn new() -> (Arc<Self>, oneshot::Receiver<()>) {
        let (ended, end) = oneshot::channel();
        let line = Self {
            socket: OnceLock::new(),
            polled: Mutex::new(Some(Box::new(Polled {
                stage: Stage::Open,
                waits: None,
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
                let (waits, taken) = oneshot::channel();
                polled.waits = Some(waits);
                polled.writable.notify_one();
                Poll::Waits(taken)
            }
        }
    }

    /// Ends the poll that waits, if one does; what it took meanwhile it keeps.
    pub(super) fn release(&self) {
        if let Some(polled) = &mut *self.polled.lock() {
            polled.answer(Taken::Nothing);
        }
    }

    /// A WebSocket was probed: false if the session is over.
    pub(super) fn probed(&self) -> bool {
        let mut polled = self.polled.lock();
        let Some(polled) = polled.as_mut().filter(|polled| polled.stage != Stage::Over) else {
            return false;
        };
        polled.stage = Stage::Probed;
        polled.answer(Taken::Nothing);
        true
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
        polled.answer(Taken::Nothing);
        if self.socket.set(Arc::clone(socket)).is_err() {
            return false;
        }
        // Whoever waits to write looks again, and finds the socket.
        polled.writable.notify_one();
        *place = None;
        true
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
    fn end(&self, last: Taken) -> bool {
        let mut polled = self.polled.lock();
        let Some(polled) = &mut *polled else {
            return false;
        };
        if polled.stage != Stage::Over {
            polled.stage = Stage::Over;
            polled.answer(last);
            polled.writable.notify_one();
            drop(polled.ended.take());
        }
        true
    }

    /// The socket, where the session is not polled for, or ends now.
    fn other_end(&self) -> Option<&Socket> {
        // It may change between the two looks.
        let socket = || self.socket.get().map(|socket| &**socket);
        socket().or_else(|| if self.end(Taken::Closed) { None } else { socket() })
    }
}

impl Polled {
    fn answer(&mut self, with: Taken) {
        if let Some(waits) = self.waits.take() {
            // Whoever has gone meanwhile is noticed where it waited.
            let _ = waits.send(with);
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Wrote {
        match self.stage {
            Stage::Over => return Wrote::Gone,
            Stage::Probed => return Wrote::Full,
            Stage::Open => {}
        }
        let Some(waits) = self.waits.take() else {
            return Wrote::Full;
        };
        match waits.send(Taken::Frames(Bytes::copy_from_slice(bytes))) {
            Ok(()) => Wrote::Bytes(bytes.len()),
            // Whoever waited has gone, which is noticed there.
            Err(_) => Wrote::Full,
        }
    }
}

impl Line for EngineLine {
    fn try_write(&self, bytes: &[u8]) -> Wrote {
        if let Some(socket) = self.socket.get() {
            return socket.try_write(bytes);
        }
        if let Some(polled) = &mut *self.polled.lock() {
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
                    Some(polled) if polled.stage == Stage::Over => return,
                    Some(polled) if polled.stage == Stage::Open && polled.waits.is_some() => return,
                    Some(polled) => Arc::clone(&polled.writable),
                    None => continue,
                };
                // There is one who waits at most, and a notice before this wait is kept for it.
                changed.notified().await;
            }
        })
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
