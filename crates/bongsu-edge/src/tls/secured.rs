//! TLS on a connection's socket, without waiting: bytes are enciphered when the kernel takes them.
//!
//! Invariants: nothing is enciphered while an earlier record waits for the kernel, so that at most one record stands
//! between us and it; the last byte of what was written counts as taken only when the kernel has all of it. Whoever was
//! told that not all was taken writes the rest next, beginning with the byte after the last that was taken.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bongsu_node::Wrote;
use parking_lot::Mutex;
use rustix::net::SendFlags;
use rustls::ServerConnection;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::live::Alive;
use super::stream::Tunnel;

/// What one record carries at most.
pub(super) const RECORD_BYTES: usize = 16 * 1024;

/// Reads of the socket in one go: what fills the buffer takes fewer.
const ROUNDS: usize = 64;

/// A connection with TLS.
pub(crate) struct Secured {
    tcp: TcpStream,
    alive: Option<Arc<Alive>>,
    state: Mutex<State>,
}

struct State {
    tls: ServerConnection,
    /// There may be deciphered bytes that nobody has read.
    unread: bool,
    /// The first byte of what is written next was enciphered already.
    owed: bool,
    /// This side says no more.
    finished: bool,
    /// What was said last, and the end itself, still have to reach the kernel; the reader sees to it.
    lags: bool,
    /// The reader, while it waits.
    reader: Option<Waker>,
}

/// What became of enciphered bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flushed {
    All,
    Blocked,
    Gone,
}

impl Secured {
    /// Takes a connection over, whatever it has read already.
    pub(crate) fn new(tunnel: Tunnel) -> Self {
        let (tcp, mut tls) = tunnel.inner.into_inner();
        tls.set_buffer_limit(Some(RECORD_BYTES));
        Self {
            tcp,
            alive: tunnel.alive,
            state: Mutex::new(State {
                tls,
                unread: true,
                owed: false,
                finished: false,
                lags: false,
                reader: None,
            }),
        }
    }

    /// The socket below.
    pub(crate) const fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Whether the certificate that has opened it was revoked.
    pub(crate) fn is_cut(&self) -> bool {
        self.alive.as_ref().is_some_and(|alive| alive.is_cut())
    }

    /// As [`bongsu_node::Line::try_write`].
    pub(crate) fn try_write(&self, bytes: &[u8]) -> Wrote {
        let mut state = self.state.lock();
        if state.finished || self.is_cut() {
            return Wrote::Gone;
        }
        match state.flush(&self.tcp) {
            Flushed::All => {}
            Flushed::Blocked => return Wrote::Full,
            Flushed::Gone => return Wrote::Gone,
        }
        let mut taken = usize::from(std::mem::take(&mut state.owed)).min(bytes.len());
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            let record = rest.get(..RECORD_BYTES).unwrap_or(rest);
            match state.tls.writer().write(record) {
                Ok(count) if count > 0 => taken += count,
                Ok(_) | Err(_) => return Wrote::Gone,
            }
            match state.flush(&self.tcp) {
                Flushed::All => {}
                Flushed::Blocked => {
                    state.owed = true;
                    taken -= 1;
                    break;
                }
                Flushed::Gone => return Wrote::Gone,
            }
        }
        if taken == 0 && !bytes.is_empty() {
            return Wrote::Full;
        }
        Wrote::Bytes(taken)
    }

    /// As [`bongsu_node::Line::finish`].
    pub(crate) fn finish(&self) {
        let mut state = self.state.lock();
        if state.finished {
            return;
        }
        state.finished = true;
        state.tls.send_close_notify();
        state.lags = true;
        state.catch_up(&self.tcp);
        if state.lags
            && let Some(reader) = state.reader.take()
        {
            reader.wake();
        }
    }

    /// Ready when there may be something to read, or the connection is gone. One task at a time.
    pub(crate) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        if let Some(alive) = &self.alive
            && alive.is_cut_or_wakes(context.waker())
        {
            return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
        }
        let mut state = self.state.lock();
        if state.unread {
            return Poll::Ready(Ok(()));
        }
        while state.lags && self.tcp.poll_write_ready(context).is_ready() {
            // Through the runtime, which else would believe that the socket takes bytes.
            let caught_up = self.tcp.try_io(Interest::WRITABLE, || {
                state.catch_up(&self.tcp);
                if state.lags {
                    Err(ErrorKind::WouldBlock.into())
                } else {
                    Ok(())
                }
            });
            if caught_up.is_ok() {
                break;
            }
        }
        if !state.finished {
            state.reader = Some(context.waker().clone());
        }
        drop(state);
        ready!(self.tcp.poll_read_ready(context))?;
        Poll::Ready(Ok(()))
    }

    /// Reads what is there: `None` if that is nothing, and an error if the connection is gone.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<Option<usize>, ()> {
        if self.is_cut() {
            return Err(());
        }
        let mut state = self.state.lock();
        let mut filled = 0;
        for _ in 0..ROUNDS {
            match state.tls.reader().read(&mut buffer[filled..]) {
                // The other side has finished.
                Ok(0) if filled < buffer.len() => return state.some(filled),
                Ok(count) => {
                    filled += count;
                    if filled == buffer.len() {
                        state.unread = true;
                        return Ok(Some(filled));
                    }
                    continue;
                }
                Err(fault) if fault.kind() == ErrorKind::WouldBlock => {}
                // It has broken off.
                Err(_) => return state.some(filled),
            }
            state.unread = false;
            let state = &mut *state;
            let read = self
                .tcp
                .try_io(Interest::READABLE, || state.tls.read_tls(&mut Kernel(&self.tcp)));
            match read {
                Ok(_) => {}
                Err(fault) if fault.kind() == ErrorKind::WouldBlock => {
                    return Ok((filled > 0).then_some(filled));
                }
                Err(fault) if fault.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return state.some(filled),
            }
            let processed = state.tls.process_new_packets();
            // What the protocol has to say to that, be it an alert. What does not fit now goes with the next write.
            let _ = state.flush(&self.tcp);
            if processed.is_err() {
                return state.some(filled);
            }
        }
        // Others have their turn, whatever one sends that says nothing.
        state.unread = true;
        Ok((filled > 0).then_some(filled))
    }
}

impl State {
    /// What was read before the end, which is met again at the next read.
    fn some(&mut self, filled: usize) -> Result<Option<usize>, ()> {
        self.unread = true;
        if filled > 0 { Ok(Some(filled)) } else { Err(()) }
    }

    /// Gives the kernel what is enciphered, as far as it takes it.
    fn flush(&mut self, tcp: &TcpStream) -> Flushed {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Kernel(tcp)) {
                Ok(count) if count > 0 => {}
                Err(fault) if fault.kind() == ErrorKind::Interrupted => {}
                Err(fault) if fault.kind() == ErrorKind::WouldBlock => return Flushed::Blocked,
                Ok(_) | Err(_) => return Flushed::Gone,
            }
        }
        Flushed::All
    }

    /// Says what was still to be said, and then that it was all.
    fn catch_up(&mut self, tcp: &TcpStream) {
        if self.flush(tcp) != Flushed::Blocked {
            self.lags = false;
            let _ = SockRef::from(tcp).shutdown(Shutdown::Write);
        }
    }
}

/// The socket, past the runtime and without waiting.
struct Kernel<'a>(&'a TcpStream);

impl Read for Kernel<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        rustix::io::read(self.0, buffer).map_err(Error::from)
    }
}

impl Write for Kernel<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        rustix::net::send(self.0, bytes, flags).map_err(Error::from)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
