//! One connection of HTTP/1.1, kept for the next request, and what is asked over it.
//!
//! Invariant: one request at a time; an answer has at most [`BODY_BYTES_MAX`] bytes, and redirects are not followed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bongsu_device::link::{Address, Stream, dial};
use hyper::body::{Body as _, Bytes};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::{Method, Request, StatusCode};
use rustls::ClientConfig;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::task::AbortHandle;

/// The most bytes of an answer.
pub(super) const BODY_BYTES_MAX: usize = 1 << 20;
/// What a head and a part of a body may take while they are read.
const BUFFER_BYTES: usize = 16 * 1024;

/// An answer that is of no use.
#[derive(Debug, thiserror::Error)]
pub enum NotAnswered {
    /// There is no connection.
    #[error("no connection")]
    Io(#[from] io::Error),
    /// The address, or the token, is none that HTTP takes.
    #[error("the address or the token has a character that http does not take")]
    Unasked(#[from] hyper::http::Error),
    /// It is not HTTP, or it ended in the middle.
    #[error("the server does not answer in http")]
    Http(#[from] hyper::Error),
    /// Another status than 200.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// Nothing came in time.
    #[error("the server did not answer in time")]
    TooSlow,
    /// More than anybody should send.
    #[error("the server answered with more than {BODY_BYTES_MAX} bytes")]
    TooLarge,
}

/// To whom, and as whom.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) address: Address,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) token: Option<Arc<str>>,
}

/// A connection, open or yet to be opened.
#[derive(Default)]
pub(super) struct Http(Option<Open>);

struct Open {
    sender: http1::SendRequest<String>,
    driver: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Http {
    /// Asks for what the peer's address names. With a body it is a POST of text.
    pub(super) async fn ask(&mut self, peer: &Peer, body: Option<String>) -> Result<Bytes, NotAnswered> {
        let mut open = match self.0.take().filter(|open| !open.sender.is_closed()) {
            Some(open) => open,
            None => Open::new(peer).await?,
        };
        open.sender.ready().await?;
        let mut answer = open.sender.send_request(request(peer, body)?).await?;
        if answer.status() != StatusCode::OK {
            return Err(NotAnswered::Status(answer.status().as_u16()));
        }
        let bytes = whole(answer.body_mut()).await?;
        self.0 = Some(open);
        Ok(bytes)
    }
}

impl Open {
    async fn new(peer: &Peer) -> Result<Self, NotAnswered> {
        let stream = dial(&peer.address, peer.tls.clone()).await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(BUFFER_BYTES);
        let (sender, connection) = builder.handshake(Io(stream)).await?;
        // What becomes of the connection, whoever asks is told.
        let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Self { sender, driver })
    }
}

fn request(peer: &Peer, body: Option<String>) -> Result<Request<String>, hyper::http::Error> {
    let mut request = Request::builder()
        .method(if body.is_some() { Method::POST } else { Method::GET })
        .uri(peer.address.target())
        .header(HOST, peer.address.authority())
        .header(ACCEPT, "*/*");
    if let Some(token) = &peer.token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "text/plain;charset=UTF-8");
    }
    request.body(body.unwrap_or_default())
}

async fn whole(body: &mut hyper::body::Incoming) -> Result<Bytes, NotAnswered> {
    let mut whole = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        if let Ok(part) = frame?.into_data() {
            if whole.len() + part.len() > BODY_BYTES_MAX {
                return Err(NotAnswered::TooLarge);
            }
            whole.extend_from_slice(&part);
        }
    }
    Ok(whole.into())
}

/// A stream as hyper has it.
struct Io(Box<dyn Stream>);

impl Read for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; 4_096];
        let most = bytes.len().min(into.remaining());
        let mut buffer = ReadBuf::new(&mut bytes[..most]);
        let read = Pin::new(&mut self.0).poll_read(cx, &mut buffer);
        if matches!(read, Poll::Ready(Ok(()))) {
            into.put_slice(buffer.filled());
        }
        read
    }
}

impl Write for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
