//! The TCP listener of the action protocol: accepts, admits, and gives each connection its task.
//!
//! Invariant: a full or failing accept never spins; who is not admitted is told so and closed.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bongsu_model::refusal::Code;
use bongsu_model::{Locale, Refusal, Tag, Timestamp};
use bongsu_node::{Mailbox, Node};
use bongsu_wire::action::{ActionCodec, Voice};
use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::admission::{Admission, Permit};
use crate::codec::Codec;
use crate::conn::Conn;
use crate::dialect;
use crate::meters::{self, Meters, Transport, TurnedAway};
use crate::pulse::{Heartbeat, Lives, Pulse};
use crate::socket::Socket;
use crate::sweeper::{self, Sweeper};
use crate::tls::{Gate, Stream};

/// Connections that wait to be accepted: a storm after a restart must not be refused by the kernel.
const BACKLOG: i32 = 4_096;
/// Rest after an accept that failed for want of descriptors or memory.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// What the kernel takes for one connection beyond what is on its way. By its own measure, some megabytes, a client that
/// never reads costs those too, and one that reads slowly seems to make no progress until a third of them is gone.
const UNSENT_BYTES: u32 = 128 * 1024;
/// Unacknowledged bytes for this long mean that the peer is gone.
pub(crate) const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// When to come back who was not admitted.
const REFUSED_RETRY_MS: u64 = 5_000;

/// Binds a listener with our own backlog; port 0 takes a free one.
///
/// # Errors
/// As the operating system says.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// What a TCP listener serves.
pub struct TcpService {
    /// Who carries the requests out.
    pub node: Arc<Node>,
    /// Who may connect.
    pub admission: Arc<Admission>,
    /// Who counts.
    pub meters: Arc<Meters>,
    /// The language of texts until a client names its own.
    pub locale: Locale,
}

/// Accepts until `stop` says so, then ends what connections there still are and waits until they are gone.
pub async fn serve(listener: TcpListener, service: TcpService, stop: watch::Receiver<bool>) {
    serve_behind(None, listener, service, stop).await;
}

/// As [`serve`], where each connection begins with a handshake of TLS.
pub async fn serve_tls(listener: TcpListener, gate: Gate, service: TcpService, stop: watch::Receiver<bool>) {
    serve_behind(Some(gate), listener, service, stop).await;
}

async fn serve_behind(
    gate: Option<Gate>,
    listener: TcpListener,
    service: TcpService,
    mut stop: watch::Receiver<bool>,
) {
    let service = Arc::new(service);
    let mut handshakes = JoinSet::new();
    let sweeper = Arc::new(Sweeper::default());
    tokio::spawn(sweeper::run(
        Arc::downgrade(&sweeper),
        Arc::downgrade(&service.node),
        service.locale,
    ));
    loop {
        tokio::select! {
            biased;
            () = said(&mut stop) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    while handshakes.try_join_next().is_some() {}
                    match &gate {
                        None => accept(&service, &sweeper, stream, address),
                        Some(gate) => accept_tls(gate, &service, &sweeper, (stream, address), &mut handshakes),
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted; the next try is in a moment");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
    }
    drop(listener);
    handshakes.shutdown().await;
    sweeper::end_all(&sweeper, &service.node, service.locale).await;
}

fn accept(service: &TcpService, sweeper: &Arc<Sweeper>, stream: TcpStream, address: SocketAddr) {
    let now = service.node.now();
    let Some(permit) = service.admission.admit(address.ip()) else {
        refuse(service, &stream, now);
        return;
    };
    open(service, sweeper, Stream::Plain(stream), address, permit);
}

/// Who is not admitted is not told: it could not read it without a handshake.
fn accept_tls(
    gate: &Gate,
    service: &Arc<TcpService>,
    sweeper: &Arc<Sweeper>,
    (stream, address): (TcpStream, SocketAddr),
    handshakes: &mut JoinSet<()>,
) {
    let Some(permit) = service.admission.admit_counted(address.ip(), &service.meters) else {
        service.node.counters.refused(Code::Overloaded);
        return;
    };
    let (gate, service, sweeper) = (gate.clone(), Arc::clone(service), Arc::clone(sweeper));
    handshakes.spawn(async move {
        if let Some(passed) = gate.pass(stream).await {
            open(&service, &sweeper, passed.stream, address, permit);
        }
    });
}

/// Serves a connection in a task of its own.
fn open(service: &TcpService, sweeper: &Arc<Sweeper>, stream: Stream, address: SocketAddr, permit: Permit) {
    let opened = Opened {
        node: &service.node,
        meters: &service.meters,
        sweeper,
        locale: service.locale,
        protocol: meters::Protocol::Action,
        heartbeat: Heartbeat::Quiet,
    };
    let (mut conn, watched) = opened.conn(stream, address.ip(), permit, ActionCodec::new());
    tokio::spawn(async move {
        conn.run().await;
        drop(watched);
    });
}

/// What a connection is opened with, whatever it speaks.
pub(crate) struct Opened<'a> {
    pub(crate) node: &'a Arc<Node>,
    pub(crate) meters: &'a Arc<Meters>,
    pub(crate) sweeper: &'a Arc<Sweeper>,
    pub(crate) locale: Locale,
    pub(crate) protocol: meters::Protocol,
    pub(crate) heartbeat: Heartbeat,
}

impl Opened<'_> {
    /// A connection on a socket, and what keeps it watched as long as its task lives.
    pub(crate) fn conn<C: Codec, P: Send + 'static>(
        &self,
        stream: Stream,
        address: IpAddr,
        permit: P,
        codec: C,
    ) -> (Conn<C>, Watch<P>) {
        ready(stream.tcp());
        let ports = &self.node.ports;
        let pulse = Pulse::new(self.heartbeat, address, ports.clock.now(), &ports.limits);
        let socket = Arc::new(Socket::new(stream, pulse));
        let line: Arc<Socket> = Arc::clone(&socket);
        let mailbox = Mailbox::new(
            line,
            dialect::of(codec.slot(), &ports.limits),
            Arc::clone(&ports.limits),
            Arc::clone(&ports.clock),
            Arc::clone(&self.node.counters),
        );
        let socketio = self.protocol == meters::Protocol::Socketio;
        let watched = Watched {
            lives: Arc::<Socket>::clone(&socket),
            mailbox: Arc::clone(&mailbox),
            transport: socketio.then_some(Transport::WebSocket),
        };
        let watch = Watch::new(self, watched, permit);
        let conn = Conn::new(self.node, self.meters, self.locale, codec, socket, mailbox);
        (conn, watch)
    }
}

/// Sets a socket that was accepted up for small frames.
pub(crate) fn ready(stream: &TcpStream) {
    let options = SockRef::from(stream);
    // Without them the connection still works, only less well.
    let _ = options.set_tcp_nodelay(true);
    let _ = options.set_tcp_user_timeout(Some(USER_TIMEOUT));
    let _ = options.set_tcp_notsent_lowat(UNSENT_BYTES);
}

/// Completes when it is time to stop, or when nobody is left to say so.
async fn said(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}

/// A connection as it is watched.
pub(crate) struct Watched {
    pub(crate) lives: Arc<dyn Lives>,
    pub(crate) mailbox: Arc<Mailbox>,
    /// What carries it, where a protocol has several.
    pub(crate) transport: Option<Transport>,
}

/// Keeps a connection watched, counted and admitted as long as its task lives, however that ends.
pub(crate) struct Watch<P> {
    sweeper: Arc<Sweeper>,
    index: usize,
    meters: Arc<Meters>,
    protocol: meters::Protocol,
    transport: Option<Transport>,
    lives: Arc<dyn Lives>,
    permit: P,
}

impl<P> Watch<P> {
    /// Watches a connection from now on.
    pub(crate) fn new(opened: &Opened<'_>, watched: Watched, permit: P) -> Self {
        opened.meters.connection_opened(opened.protocol);
        opened.meters.carried(None, watched.transport);
        Self {
            index: opened.sweeper.watch(Arc::clone(&watched.lives), watched.mailbox),
            sweeper: Arc::clone(opened.sweeper),
            meters: Arc::clone(opened.meters),
            protocol: opened.protocol,
            transport: watched.transport,
            lives: watched.lives,
            permit,
        }
    }

    /// Watches the same connection on another transport, which has a place of its own.
    pub(crate) fn follows(&mut self, watched: Watched, permit: P) {
        self.meters.carried(self.transport, watched.transport);
        self.sweeper
            .follow(self.index, Arc::clone(&watched.lives), watched.mailbox);
        self.transport = watched.transport;
        self.lives = watched.lives;
        self.permit = permit;
    }
}

impl<P> Drop for Watch<P> {
    fn drop(&mut self) {
        self.sweeper.forget(self.index);
        self.meters.carried(self.transport, None);
        self.meters
            .connection_closed(self.protocol, self.lives.pulse().cause().as_ref());
    }
}

/// Tells who is not admitted when to come back. One try, no waiting: there may be very many.
fn refuse(service: &TcpService, stream: &TcpStream, now: Timestamp) {
    service.node.counters.refused(Code::Overloaded);
    service.meters.turned_away(TurnedAway::NodeFull);
    let refusal = Refusal::retry(Code::Overloaded, REFUSED_RETRY_MS);
    let bytes = Voice::new(false).refusal(&Tag::default(), &refusal, service.locale, now, 0);
    // Past the runtime: of so new a socket it may not know yet that it takes bytes.
    let _ = rustix::net::send(stream, &bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    let _ = SockRef::from(stream).shutdown(std::net::Shutdown::Write);
    // What it has said already would, left unread, make the kernel take back what it was just told.
    let _ = rustix::net::recv(stream, &mut [0; 2_048][..], RecvFlags::DONTWAIT);
}
