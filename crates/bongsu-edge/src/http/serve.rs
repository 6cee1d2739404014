//! The accept loop of HTTP: bounded connections that say something, soon and all of it, or are gone.
//!
//! Invariant: a connection ends if its first request does not come in time, if it is idle for too long, or when the
//! node has drained.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use bongsu_model::Limits;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::lent::Lent;
use super::service::{App, HttpService};
use crate::admission::Permit;
use crate::device;
use crate::meters::{Protocol, TurnedAway};
use crate::sweeper;
use crate::tls::{Gate, Stream};
use crate::websocket::Peer;

/// What the library's buffer holds beside header fields: the request line. Fields are counted to the byte elsewhere.
const REQUEST_LINE_BYTES_MAX: usize = 8_192;
/// Header fields of one request.
const HEADERS_MAX: usize = 100;
/// Requests side by side on one HTTP/2 connection.
const STREAMS_MAX: u32 = 100;
/// What the library holds of one stream that the kernel has not taken: what waits there for a device grows old where nobody
/// can take it back.
const SEND_BYTES: usize = 16 * 1024;
/// HTTP/2 peers are asked at this interval whether they are there …
const PING_EVERY: Duration = Duration::from_secs(30);
/// … and have this long to say so.
const PONG_WITHIN: Duration = Duration::from_secs(10);
/// When the machine has no descriptors left, those in use must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What one who is not let in reads, if it reads.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n";

/// Serves HTTP/1.1 and HTTP/2 (prior knowledge) until `stop`, then lets requests in flight end within `drain_ms`.
///
/// Connections count against the same caps as those of the other listeners.
pub async fn serve(listener: TcpListener, service: HttpService, stop: impl Future<Output = ()> + Send) {
    serve_doors(vec![Door::plain(listener)], service, stop).await;
}

/// A listener, and what must be passed behind it.
pub struct Door {
    listener: TcpListener,
    gate: Option<Gate>,
}

impl Door {
    /// A listener without TLS.
    #[must_use]
    pub const fn plain(listener: TcpListener) -> Self {
        Self { listener, gate: None }
    }

    /// A listener with TLS.
    #[must_use]
    pub const fn tls(listener: TcpListener, gate: Gate) -> Self {
        Self {
            listener,
            gate: Some(gate),
        }
    }
}

/// As [`serve`], on several listeners.
pub async fn serve_doors(doors: Vec<Door>, service: HttpService, stop: impl Future<Output = ()> + Send) {
    let mut stop = pin!(stop);
    let (stopping, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let websockets = Arc::clone(&service.app.websockets);
    tokio::spawn(sweeper::run(
        Arc::downgrade(&websockets.sweeper),
        Arc::downgrade(&websockets.node),
        websockets.locale,
    ));
    let devices = Arc::clone(&service.app.devices);
    tokio::spawn(device::run(
        Arc::downgrade(&devices.lines),
        Arc::downgrade(&devices.node),
    ));
    let mut first = 0;
    loop {
        let (door, accepted) = tokio::select! {
            accepted = next(&doors, first) => accepted,
            () = &mut stop => break,
        };
        // The others are looked at first next time, so that a storm at one door keeps nobody from another.
        first = door + 1;
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let gate = doors[door].gate.clone();
                if let Some(permit) = admit(&service, gate.is_none().then_some(&stream), peer) {
                    let peer = Peer {
                        address: peer.ip(),
                        local: stream.local_addr().unwrap_or(peer),
                        permit: Arc::new(permit),
                        secure: gate.is_some(),
                        identity: None,
                        grip: service.app.devices.grip(),
                    };
                    let (service, stopped) = (service.clone(), stopped.clone());
                    match gate {
                        None => {
                            connections.spawn(connection(Stream::Plain(stream), peer, service, stopped));
                        }
                        Some(gate) => {
                            connections.spawn(behind(gate, stream, peer, service, stopped));
                        }
                    }
                }
            }
            Err(fault) => refused_by_machine(&service.app, &fault).await,
        }
    }
    drop(doors);
    drop(stopping);
    service.app.engines.iter().for_each(|engine| engine.stop());
    service.app.stopping.send_replace(true);
    service.app.health.stop().await;
    let drain = Duration::from_millis(service.app.limits().drain_ms);
    let all = async { while connections.join_next().await.is_some() {} };
    let (ended, ()) = tokio::join!(
        tokio::time::timeout(drain, all),
        device::end_all(&devices.lines, service.app.limits())
    );
    if ended.is_err() {
        tracing::warn!("HTTP requests were cut that did not end in the time for draining");
    }
    service.app.engines.iter().for_each(|engine| engine.abort());
    sweeper::end_all(&websockets.sweeper, &websockets.node, websockets.locale).await;
}

/// The next connection at any door, looked for from `first` on.
async fn next(doors: &[Door], first: usize) -> (usize, io::Result<(TcpStream, SocketAddr)>) {
    poll_fn(|context| {
        for at in first..first + doors.len() {
            let at = at % doors.len();
            if let Poll::Ready(accepted) = doors[at].listener.poll_accept(context) {
                return Poll::Ready((at, accepted));
            }
        }
        Poll::Pending
    })
    .await
}

/// `told` is the stream of one who is told that he is not let in.
fn admit(service: &HttpService, told: Option<&TcpStream>, peer: SocketAddr) -> Option<Permit> {
    let app = &service.app;
    let permit = app.admission.admit_counted(peer.ip(), &app.meters);
    if let (None, Some(stream)) = (&permit, told) {
        // A courtesy: who is not let in is not waited for.
        let _ = stream.try_write(FULL);
    }
    permit
}

async fn refused_by_machine(app: &App, fault: &io::Error) {
    // Who has gone before it was accepted is nobody's trouble.
    if matches!(
        fault.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    ) {
        return;
    }
    app.meters.turned_away(TurnedAway::Descriptors);
    tracing::warn!(%fault, "an HTTP connection could not be accepted; the next try is in a moment");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// Counts a connection while it is open.
struct Open(App);

impl Open {
    fn count(app: &App) -> Self {
        app.connections.fetch_add(1, Ordering::Relaxed);
        app.meters.connection_opened(Protocol::Http);
        Self(Arc::clone(app))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
        self.0.meters.connection_closed(Protocol::Http, None);
    }
}

/// What a connection has done.
#[derive(Default)]
struct Activity {
    requests: AtomicU64,
    in_flight: AtomicUsize,
}

struct InFlight(Arc<Activity>);

impl InFlight {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.requests.fetch_add(1, Ordering::Relaxed);
        activity.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(activity))
    }
}

/// Keeps a request in flight: a stream that goes on after its answer began holds one.
#[derive(Clone)]
pub(crate) struct Hold(#[expect(dead_code, reason = "what counts is that it is there")] Arc<InFlight>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that begins with a handshake of TLS.
async fn behind(
    gate: Gate,
    stream: TcpStream,
    mut peer: Peer,
    service: HttpService,
    mut stopped: watch::Receiver<()>,
) {
    let passed = tokio::select! {
        passed = gate.pass(stream) => passed,
        _ = stopped.changed() => return,
    };
    if let Some(passed) = passed {
        peer.identity = passed.identity;
        Box::pin(connection(passed.stream, peer, service, stopped)).await;
    }
}

async fn connection(stream: Stream, peer: Peer, service: HttpService, mut stopped: watch::Receiver<()>) {
    let _open = Open::count(&service.app);
    let limits = service.app.limits();
    let (header_ms, idle_ms, drain_ms) = (limits.http_header_ms, limits.idle_ms, limits.drain_ms);
    // Answers are small and whole: nothing is won by waiting for more.
    let _ = stream.tcp().set_nodelay(true);
    let stream = Lent::new(stream, Arc::clone(&peer.grip));
    let activity = Arc::new(Activity::default());
    let builder = builder(limits, header_ms);
    let serving = {
        let (activity, router) = (Arc::clone(&activity), service.router.clone());
        service_fn(move |mut request: Request<Incoming>| {
            if let Some(identity) = &peer.identity {
                request.extensions_mut().insert(Arc::clone(identity));
            }
            request.extensions_mut().insert(peer.clone());
            let in_flight = Hold(Arc::new(InFlight::begin(&activity)));
            request.extensions_mut().insert(in_flight.clone());
            let router = router.clone();
            async move {
                let answer = router.oneshot(request.map(Body::new)).await;
                drop(in_flight);
                answer
            }
        })
    };
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), serving));
    let mut wait = pin!(tokio::time::sleep(Duration::from_millis(header_ms)));
    let mut heard = 0;
    let mut ending = false;
    loop {
        tokio::select! {
            // Errors are the peer's: it broke off, or spoke no HTTP and was told so.
            _ = connection.as_mut() => return,
            () = wait.as_mut() => {
                let requests = activity.requests.load(Ordering::Relaxed);
                let idle = requests == heard && activity.in_flight.load(Ordering::Relaxed) == 0;
                // The first request did not come in time, or the goodbye was not read.
                if idle && (requests == 0 || ending) {
                    return;
                }
                if idle {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                }
                heard = requests;
                let next_ms = if ending { drain_ms } else { idle_ms };
                wait.as_mut().reset(tokio::time::Instant::now() + Duration::from_millis(next_ms));
            }
            _ = stopped.changed(), if !ending => {
                ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn builder(limits: &Limits, header_ms: u64) -> auto::Builder<TokioExecutor> {
    let header_bytes_max = limits.http_header_bytes_max;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // Without a timer the library would not keep the time.
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(header_ms))
        .max_buf_size(header_bytes_max.saturating_add(REQUEST_LINE_BYTES_MAX))
        .max_headers(HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(header_bytes_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS_MAX)
        .max_send_buf_size(SEND_BYTES)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN);
    builder
}
