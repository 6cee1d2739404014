//! The socket of an HTTP connection as the library serves it, and a grip on it for those who ask for one.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::device::Grip;
use crate::tls::Stream;

/// A connection that is lent to the library.
pub(crate) struct Lent {
    stream: Stream,
    grip: Arc<Grip>,
}

impl Lent {
    pub(super) const fn new(stream: Stream, grip: Arc<Grip>) -> Self {
        Self { stream, grip }
    }

    /// The connection, once the library has given it back.
    pub(crate) fn into_inner(self) -> Stream {
        self.stream
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut Stream> {
        Pin::new(&mut self.get_mut().stream)
    }

    /// To be written to. What asks for a grip is answered over the connection, so that this is where it is given.
    fn gripped(self: Pin<&mut Self>) -> Pin<&mut Stream> {
        let it = self.get_mut();
        it.grip.give(&SockRef::from(it.stream.tcp()));
        Pin::new(&mut it.stream)
    }
}

impl AsyncRead for Lent {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        self.stream().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Lent {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.gripped().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.stream().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        self.gripped().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
