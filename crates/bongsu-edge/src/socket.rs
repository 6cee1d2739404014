//! One accepted TCP connection, with TLS or without, as the node and the sweeper see it.
//!
//! Invariant: it keeps no bytes, but for one record of TLS; what the kernel does not take waits in the mailbox.

use std::io::ErrorKind;
use std::task::{Context, Poll};

use bongsu_node::{Line, Wrote};
use futures_util::future::BoxFuture;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::SendFlags;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::pulse::{EndedBy, Lives, Pulse};
use crate::tls::{Secured, Stream};

/// A connection's socket and what is known of its liveliness.
pub(crate) struct Socket {
    way: Way,
    pub(crate) pulse: Pulse,
}

/// How bytes go to the kernel.
enum Way {
    Plain(TcpStream),
    Secured(Box<Secured>),
}

impl Socket {
    pub(crate) fn new(stream: Stream, pulse: Pulse) -> Self {
        let way = match stream {
            Stream::Plain(stream) => Way::Plain(stream),
            Stream::Tls(tunnel) => Way::Secured(Box::new(Secured::new(*tunnel))),
        };
        Self { way, pulse }
    }

    /// The same socket with another pulse.
    pub(crate) fn with(self, pulse: Pulse) -> Self {
        Self { pulse, ..self }
    }

    /// The socket below.
    pub(crate) const fn tcp(&self) -> &TcpStream {
        match &self.way {
            Way::Plain(stream) => stream,
            Way::Secured(secured) => secured.tcp(),
        }
    }

    /// The socket, where there is no TLS on it.
    pub(crate) const fn plain(&self) -> Option<&TcpStream> {
        match &self.way {
            Way::Plain(stream) => Some(stream),
            Way::Secured(_) => None,
        }
    }

    /// Ready when there may be something to read, or the connection is gone.
    pub(crate) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        match &self.way {
            Way::Plain(stream) => stream.poll_read_ready(context).map_err(|_| ()),
            Way::Secured(secured) => {
                let readable = secured.poll_readable(context);
                readable.map_err(|_| self.note_cut(secured))
            }
        }
    }

    fn note_cut(&self, secured: &Secured) {
        if secured.is_cut() {
            self.pulse.ended_by(EndedBy::Node);
        }
    }

    /// Reads what is there: `None` if that is nothing.
    ///
    /// # Errors
    /// If the connection is gone.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<Option<usize>, ()> {
        let stream = match &self.way {
            Way::Plain(stream) => stream,
            Way::Secured(secured) => return secured.read(buffer).inspect_err(|()| self.note_cut(secured)),
        };
        let mut read = Ok(None);
        // Perf (bench echo): a read that did not fill the buffer has emptied the socket, so it is reported as one that
        // would block; else the next look would cost a call that only finds nothing. What comes in between raises a
        // new edge, which the runtime tells from the one that it forgets here.
        let _ = stream.try_io(Interest::READABLE, || {
            match rustix::io::read(stream, &mut *buffer) {
                Ok(0) => read = Err(()),
                Ok(count) => {
                    read = Ok(Some(count));
                    if count < buffer.len() {
                        return Err(ErrorKind::WouldBlock.into());
                    }
                }
                Err(Errno::AGAIN) => return Err(ErrorKind::WouldBlock.into()),
                Err(Errno::INTR) => {}
                Err(_) => read = Err(()),
            }
            Ok(())
        });
        read
    }

    /// Whether the socket takes bytes now: `WouldBlock` if not.
    pub(crate) fn takes_bytes(&self) -> std::io::Result<()> {
        let mut looked_at = [PollFd::new(self.tcp(), PollFlags::OUT)];
        match rustix::event::poll(&mut looked_at, Some(&Timespec::default())) {
            Ok(0) => Err(ErrorKind::WouldBlock.into()),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

impl Lives for Socket {
    fn pulse(&self) -> &Pulse {
        &self.pulse
    }
}

impl Line for Socket {
    fn try_write(&self, bytes: &[u8]) -> Wrote {
        let stream = match &self.way {
            Way::Plain(stream) => stream,
            Way::Secured(secured) => return secured.try_write(bytes),
        };
        // Perf (bench fanout): past the runtime, whose own record of readiness is one more cold line of memory for each
        // delivery. A record that is out of date costs the drainer one write that would block, which mends it.
        match rustix::net::send(stream, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(written) => Wrote::Bytes(written),
            Err(Errno::AGAIN | Errno::INTR) => Wrote::Full,
            Err(_) => Wrote::Gone,
        }
    }

    fn writable(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // The runtime may believe that the socket takes bytes when it does not; only a write through it finds out.
            // A broken socket counts as writable: the next write says that it is broken.
            let _ = self
                .tcp()
                .async_io(Interest::WRITABLE, || self.takes_bytes())
                .await;
        })
    }

    fn takes(&self) -> bool {
        self.takes_bytes().is_ok()
    }

    fn holds_few(&self, unsent_bytes: usize) {
        let unsent = u32::try_from(unsent_bytes).unwrap_or(u32::MAX);
        // Where the system cannot, what is written may grow old in the kernel; nothing else is lost.
        if let Err(fault) = SockRef::from(self.tcp()).set_tcp_notsent_lowat(unsent) {
            tracing::debug!(%fault, "the kernel does not bound what is unsent");
        }
    }

    fn finish(&self) {
        // The other side still sends until it hears of it; closing at once would cost it what it was sent last.
        match &self.way {
            Way::Plain(stream) => {
                let _ = SockRef::from(stream).shutdown(std::net::Shutdown::Write);
            }
            Way::Secured(secured) => secured.finish(),
        }
        self.pulse.finished();
    }

    fn abort(&self) {
        let _ = SockRef::from(self.tcp()).shutdown(std::net::Shutdown::Both);
    }
}
