//! The TCP listener of the action protocol: accepts, admits, and gives each connection its task.
//!
//! Invariant: a full or failing accept never spins; who is not admitted is told so and closed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bongsu_model::refusal::Code;
use bongsu_model::{Locale, Refusal, Tag, Timestamp};
use bongsu_node::{Mailbox, Node};
use bongsu_wire::action::Voice;
use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::admission::{Admission, Permit};
use crate::conn::Conn;
use crate::meters::{self, Meters, TurnedAway};
use crate::socket::Socket;
use crate::sweeper::{self, Sweeper};

/// Connections that wait to be accepted: a storm after a restart must not be refused by the kernel.
const BACKLOG: i32 = 4_096;
/// Rest after an accept that failed for want of descriptors or memory.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// What the kernel takes for one connection beyond what is on its way. By its own measure, some megabytes, a client that
/// never reads costs those too, and one that reads slowly seems to make no progress until a third of them is gone.
const UNSENT_BYTES: u32 = 128 * 1024;
/// Unacknowledged bytes for this long mean that the peer is gone.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long connections may take to end when the listener stops …
const STOP_MS: u64 = 2_500;
/// … and how long it waits in all.
const ABORT_MS: u64 = 3_000;
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
pub async fn serve(listener: TcpListener, service: TcpService, mut stop: watch::Receiver<bool>) {
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
                Ok((stream, address)) => accept(&service, &sweeper, stream, address),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted; the next try is in a moment");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
    }
    drop(listener);
    let told_at = service.node.now();
    while !sweeper.is_empty() {
        match service.node.now().ms_since(told_at) {
            0..STOP_MS => sweeper.close_all(),
            STOP_MS..ABORT_MS => sweeper.abort_all(),
            ABORT_MS.. => return,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn accept(service: &TcpService, sweeper: &Arc<Sweeper>, stream: TcpStream, address: SocketAddr) {
    let now = service.node.now();
    let Some(permit) = service.admission.admit(address.ip()) else {
        refuse(service, &stream, now);
        return;
    };
    let options = SockRef::from(&stream);
    // Without them the connection still works, only less well.
    let _ = options.set_tcp_nodelay(true);
    let _ = options.set_tcp_user_timeout(Some(USER_TIMEOUT));
    let _ = options.set_tcp_notsent_lowat(UNSENT_BYTES);
    let socket = Arc::new(Socket::new(stream, address.ip(), now));
    let ports = &service.node.ports;
    let line: Arc<Socket> = Arc::clone(&socket);
    let mailbox = Mailbox::new(
        line,
        Arc::clone(&ports.limits),
        Arc::clone(&ports.clock),
        Arc::clone(&service.node.counters),
    );
    service.meters.connection_opened(meters::Protocol::Action);
    let mut conn = Conn::new(service, Arc::clone(&socket), Arc::clone(&mailbox));
    let watched = Watch {
        index: sweeper.watch(&socket, &mailbox),
        sweeper: Arc::clone(sweeper),
        meters: Arc::clone(&service.meters),
        socket,
        _permit: permit,
    };
    tokio::spawn(async move {
        conn.run().await;
        drop(watched);
    });
}

/// Completes when it is time to stop, or when nobody is left to say so.
async fn said(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}

/// Keeps a connection watched and admitted as long as its task lives, however that ends.
struct Watch {
    sweeper: Arc<Sweeper>,
    index: usize,
    meters: Arc<Meters>,
    socket: Arc<Socket>,
    _permit: Permit,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.sweeper.forget(self.index);
        self.meters
            .connection_closed(meters::Protocol::Action, self.socket.cause().as_ref());
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
