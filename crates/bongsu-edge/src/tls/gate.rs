//! From an accepted socket to a connection with TLS, within a time and beside so many others.
//!
//! Invariant: a handshake begins with what is in force at its beginning, and its certificate is looked at once more
//! after its end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bongsu_model::Limits;
use parking_lot::RwLock;
use rustix::net::{RecvFlags, SendFlags};
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::identity::ClientIdentity;
use super::live::LiveCertificates;
use super::load::Loaded;
use super::secured::RECORD_BYTES;
use super::stream::{Stream, Tunnel};
use crate::meters::{Handshake, Meters};

/// The first byte of every handshake.
const HANDSHAKE: u8 = 22;
/// What a client of plain HTTP reads.
const SPEAKS_TLS: &str = "This port speaks TLS: use https.\n이 포트는 TLS를 씁니다: https로 접속하세요.\n";

/// What is spoken behind a handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speaks {
    /// HTTP, and what it is upgraded to.
    Http,
    /// The action protocol.
    Action,
}

/// TLS as it is in force, for all listeners.
pub struct Tls {
    https: RwLock<Arc<ServerConfig>>,
    tcps: RwLock<Arc<ServerConfig>>,
    live: Arc<LiveCertificates>,
    meters: Arc<Meters>,
    within: Duration,
    places: Semaphore,
}

/// Where one listener lets connections in.
#[derive(Clone)]
pub struct Gate {
    tls: Arc<Tls>,
    speaks: Speaks,
}

/// A connection that was let in.
pub(crate) struct Passed {
    pub(crate) stream: Stream,
    pub(crate) identity: Option<Arc<ClientIdentity>>,
}

impl Tls {
    /// Puts in force what was read.
    #[must_use]
    pub fn new(loaded: Loaded, limits: &Limits, meters: Arc<Meters>) -> Arc<Self> {
        let tls = Self {
            https: RwLock::new(Arc::clone(&loaded.https)),
            tcps: RwLock::new(Arc::clone(&loaded.tcps)),
            live: Arc::default(),
            meters,
            within: Duration::from_millis(limits.tls_handshake_ms),
            places: Semaphore::new(limits.tls_handshakes_max.min(Semaphore::MAX_PERMITS)),
        };
        tls.live.revoke(&loaded.lists);
        Arc::new(tls)
    }

    /// Puts something else in force for connections to come, and cuts those whose certificate is revoked now; how many
    /// that are. All others stay as they are.
    pub fn replace(&self, loaded: Loaded) -> usize {
        *self.https.write() = loaded.https;
        *self.tcps.write() = loaded.tcps;
        self.live.revoke(&loaded.lists)
    }

    /// The way in of one listener.
    #[must_use]
    pub fn gate(self: &Arc<Self>, speaks: Speaks) -> Gate {
        Gate {
            tls: Arc::clone(self),
            speaks,
        }
    }

    /// The client certificates by which connections are open.
    #[must_use]
    pub fn live(&self) -> &LiveCertificates {
        &self.live
    }

    fn in_force(&self, speaks: Speaks) -> Arc<ServerConfig> {
        let place = match speaks {
            Speaks::Http => &self.https,
            Speaks::Action => &self.tcps,
        };
        Arc::clone(&place.read())
    }
}

impl Gate {
    /// Makes the handshake; `None` if that fails, takes too long, or the other side speaks something else.
    pub(crate) async fn pass(&self, tcp: TcpStream) -> Option<Passed> {
        let meters = &self.tls.meters;
        let _under_way = meters.handshakes.begin();
        let made = tokio::time::timeout(self.tls.within, Box::pin(self.handshake(tcp)));
        let (outcome, passed) = match made.await {
            Ok(Ok(passed)) => (Handshake::Done, Some(passed)),
            Ok(Err(why)) => (why, None),
            Err(_) => (Handshake::TimedOut, None),
        };
        meters.handshakes.ended(outcome);
        passed
    }

    async fn handshake(&self, tcp: TcpStream) -> Result<Passed, Handshake> {
        let address = tcp.peer_addr().ok();
        // Who says nothing takes no place.
        let mut first = [0];
        match tcp.peek(&mut first).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Err(Handshake::Left),
        }
        if first[0] != HANDSHAKE {
            self.explain(&tcp, first[0]);
            return Err(Handshake::NotTls);
        }
        let _place = self.tls.places.acquire().await.map_err(|_| Handshake::Left)?;
        let acceptor = TlsAcceptor::from(self.tls.in_force(self.speaks));
        let accepting = acceptor.accept_with(tcp, |tls| tls.set_buffer_limit(Some(RECORD_BYTES)));
        let inner = accepting.into_fallible().await.map_err(|(fault, tcp)| {
            end(&tcp);
            judged(&fault, address)
        })?;
        let alive = match inner.get_ref().1.peer_certificates() {
            Some(chain) => Some(self.tls.live.open(chain).ok_or(Handshake::Certificate)?),
            None => None,
        };
        let identity = alive.as_ref().map(|alive| Arc::clone(alive.identity()));
        Ok(Passed {
            stream: Stream::Tls(Box::new(Tunnel { inner, alive })),
            identity,
        })
    }

    /// Tells who speaks plain HTTP; others could not read it.
    fn explain(&self, tcp: &TcpStream, first: u8) {
        if self.speaks == Speaks::Http && first.is_ascii_uppercase() {
            let answer = format!(
                "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n{SPEAKS_TLS}",
                SPEAKS_TLS.len()
            );
            let _ = rustix::net::send(tcp, answer.as_bytes(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        }
        end(tcp);
    }
}

/// Ends a connection so that what it was told last arrives.
fn end(tcp: &TcpStream) {
    let _ = SockRef::from(tcp).shutdown(std::net::Shutdown::Write);
    // What it has said already would, left unread, make the kernel take back what it was just told.
    let _ = rustix::net::recv(tcp, &mut [0; 4_096][..], RecvFlags::DONTWAIT);
}

/// Why a handshake failed. Certificates are told in the log: whoever runs the devices looks for them.
fn judged(fault: &io::Error, address: Option<SocketAddr>) -> Handshake {
    let tls = fault
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(why @ (rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)) => {
            tracing::info!(?address, %why, "a client certificate was refused");
            Handshake::Certificate
        }
        Some(why) => {
            tracing::debug!(?address, %why, "a handshake failed");
            Handshake::Failed
        }
        None => Handshake::Left,
    }
}
