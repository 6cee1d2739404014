//! What an HTTP connection reads and writes: a socket, with or without TLS on it.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::live::Alive;

/// A connection that was let in.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<Tunnel>),
}

/// TLS on a socket.
pub(crate) struct Tunnel {
    pub(super) inner: TlsStream<TcpStream>,
    /// Of the certificate that has opened it, if there is one.
    pub(super) alive: Option<Arc<Alive>>,
}

impl Stream {
    /// The socket below.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tunnel) => tunnel.inner.get_ref().0,
        }
    }
}

impl Tunnel {
    fn cut(&self, context: &Context<'_>) -> Result<()> {
        let cut = |alive: &Arc<Alive>| alive.is_cut_or_wakes(context.waker());
        if self.alive.as_ref().is_some_and(cut) {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// For writers, who are not the one to be woken.
    fn open(&mut self) -> Result<Pin<&mut TlsStream<TcpStream>>> {
        if self.alive.as_ref().is_some_and(|alive| alive.is_cut()) {
            return Err(Error::from(ErrorKind::ConnectionAborted));
        }
        Ok(Pin::new(&mut self.inner))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Self::Tls(tunnel) => {
                tunnel.cut(cx)?;
                Pin::new(&mut tunnel.inner).poll_read(cx, buffer)
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Tls(tunnel) => tunnel.open()?.poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tunnel) => tunnel.open()?.poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tunnel) => tunnel.open()?.poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Self::Tls(tunnel) => tunnel.open()?.poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(tcp) => tcp.is_write_vectored(),
            Self::Tls(tunnel) => tunnel.inner.is_write_vectored(),
        }
    }
}
