//! A connection's way out that ends in memory: takes everything, a part, or nothing, as its client reads.

use std::sync::Arc;

use bongsu_node::{Line, Wrote};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::random::Random;
use crate::truth::Truth;

/// What a line takes while its client does not read, in bytes.
const SOCKET_BYTES: usize = 700;

/// The bytes between a node and a client.
pub(crate) struct Pipe {
    state: Mutex<State>,
    moved: Notify,
    random: Random,
    truth: Arc<Mutex<Truth>>,
}

struct State {
    /// Each piece with the number of commits when it was written.
    pieces: Vec<(usize, Bytes)>,
    bytes: usize,
    reading: bool,
    /// Takes nothing until the next read.
    choked: bool,
    ending: Ending,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Open,
    /// No more comes; what was written can be read.
    Finished,
    Gone,
}

impl Pipe {
    pub(crate) fn new(random: Random, truth: Arc<Mutex<Truth>>) -> Arc<Self> {
        let state = State {
            pieces: Vec::new(),
            bytes: 0,
            reading: true,
            choked: false,
            ending: Ending::Open,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            moved: Notify::new(),
            random,
            truth,
        })
    }

    /// What was written since the last time, and whether that was the last.
    pub(crate) fn read(&self) -> (Vec<(usize, Bytes)>, bool) {
        let mut state = self.state.lock();
        if !state.reading {
            return (Vec::new(), state.ending == Ending::Gone);
        }
        state.bytes = 0;
        state.choked = false;
        let read = (std::mem::take(&mut state.pieces), state.ending != Ending::Open);
        drop(state);
        self.moved.notify_waiters();
        read
    }

    /// From now on the client reads, or does not.
    pub(crate) fn set_reading(&self, reading: bool) {
        self.state.lock().reading = reading;
        self.moved.notify_waiters();
    }

    pub(crate) fn is_reading(&self) -> bool {
        self.state.lock().reading
    }

    /// The client is gone, or the node is.
    pub(crate) fn cut(&self) {
        self.state.lock().ending = Ending::Gone;
        self.moved.notify_waiters();
    }
}

/// The node's end of a pipe.
pub(crate) struct SimLine(pub(crate) Arc<Pipe>);

impl Line for SimLine {
    fn try_write(&self, bytes: &[u8]) -> Wrote {
        let pipe = &*self.0;
        let commits = pipe.truth.lock().commits.len();
        let mut state = pipe.state.lock();
        if state.ending != Ending::Open {
            return Wrote::Gone;
        }
        if state.choked {
            return Wrote::Full;
        }
        let room = if state.reading {
            usize::MAX
        } else {
            SOCKET_BYTES.saturating_sub(state.bytes)
        };
        let mut taken = bytes.len().min(room);
        if pipe.random.often(60) {
            taken = taken.min(bytes.len() / 2);
            state.choked = true;
        }
        if taken == 0 {
            return Wrote::Full;
        }
        state.bytes += taken;
        state
            .pieces
            .push((commits, Bytes::copy_from_slice(&bytes[..taken])));
        Wrote::Bytes(taken)
    }

    fn writable(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let moved = self.0.moved.notified();
                {
                    let state = self.0.state.lock();
                    let room = state.reading || state.bytes < SOCKET_BYTES;
                    if state.ending != Ending::Open || (room && !state.choked) {
                        return;
                    }
                }
                moved.await;
            }
        })
    }

    fn finish(&self) {
        let mut state = self.0.state.lock();
        if state.ending == Ending::Open {
            state.ending = Ending::Finished;
        }
    }

    fn abort(&self) {
        self.0.cut();
    }
}
