//! What the HTTP API is given, and the service that its listeners share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use axum::Router;
use bongsu_model::{Limits, Locale, Timestamp};
use bongsu_node::Node;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, watch};

use super::advertise::Advertised;
use super::grpc::Health;
use super::idempotency::InFlight;
use super::metrics;
use super::router;
use crate::admission::Admission;
use crate::auth::ApiKeys;
use crate::device::{Congestion, Devices};
use crate::engine::{self, CHAT_PATH, Engine, EngineParts, Forwarder, Meet};
use crate::meters::{Meters, Reading};
use crate::origin::Origins;
use crate::websocket::WebSockets;

/// A listener of this node, for `/readyz` and `/status`.
#[derive(Clone, Debug)]
pub struct Listening {
    /// `http`, `tcp`, …
    pub name: &'static str,
    /// Where.
    pub address: SocketAddr,
}

/// All that the HTTP API is given.
pub struct HttpParts {
    /// Who serves the calls.
    pub node: Arc<Node>,
    /// The keys that `X-API-Key` is looked up in.
    pub api_keys: Arc<ApiKeys>,
    /// The caps on connections, shared with the other listeners.
    pub admission: Arc<Admission>,
    /// What `/metrics` shows. Whoever else counts has told it so.
    pub meters: Arc<Meters>,
    /// The product's version.
    pub version: &'static str,
    /// When the process started.
    pub started_at: Timestamp,
    /// The language of texts for people whose `Accept-Language` names none of ours.
    pub locale: Locale,
    /// Origins whose pages may call the API, as in their `Origin` header; `*` for all. Empty: none.
    pub cors_origins: Vec<Arc<str>>,
    /// Names by which this server is known to browsers. Empty: whatever they call it, or the loopback's if it listens there.
    pub hosts: Vec<Arc<str>>,
    /// Whether WebSocket clients that offer permessage-deflate get it.
    pub permessage_deflate: bool,
    /// Where clients are told to connect. `None`: where the HTTP listener is reached.
    pub advertise: Option<Advertised>,
    /// What Socket.IO is served with.
    pub socketio: SocketioOptions,
    /// How the kernel paces what is sent to devices.
    pub device_congestion: Congestion,
}

/// What Socket.IO is served with, beside the limits.
#[derive(Clone, Debug)]
pub struct SocketioOptions {
    /// Whether `/socket.io/` is there at all.
    pub enabled: bool,
    /// A cookie of this name tells a load balancer to which node a session belongs; none is set without it.
    pub sticky_cookie: Option<Arc<str>>,
    /// Whether a request for a session of another node is carried there. Without it the node's tag is told.
    pub forward: bool,
}

impl Default for SocketioOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            sticky_cookie: None,
            forward: true,
        }
    }
}

/// The HTTP API, cheap to clone.
#[derive(Clone)]
pub struct HttpService {
    pub(super) app: App,
    pub(super) router: Router,
}

/// What handlers share.
pub(super) type App = Arc<Shared>;

pub(super) struct Shared {
    pub(super) node: Arc<Node>,
    pub(super) api_keys: RwLock<Arc<ApiKeys>>,
    pub(super) admission: Arc<Admission>,
    pub(super) meters: Arc<Meters>,
    pub(super) version: &'static str,
    pub(super) started_at: Timestamp,
    pub(super) locale: Locale,
    pub(super) cors_origins: Vec<Arc<str>>,
    pub(super) advertise: Option<Advertised>,
    pub(super) websockets: Arc<WebSockets>,
    pub(super) engines: Vec<Arc<Engine>>,
    pub(super) devices: Arc<Devices>,
    pub(super) health: Health,
    pub(super) listening: Mutex<Vec<Listening>>,
    pub(super) connections: AtomicUsize,
    pub(super) in_flight: InFlight,
    pub(super) busy: Arc<Semaphore>,
    /// Whether the server stops: streams end then.
    pub(super) stopping: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn limits(&self) -> &Limits {
        &self.node.ports.limits
    }
}

impl HttpService {
    /// The API over a node.
    #[must_use]
    pub fn new(parts: HttpParts) -> Self {
        let chat = parts.socketio.enabled.then(|| (CHAT_PATH.into(), engine::chat()));
        Self::speaking(parts, chat.into_iter().collect())
    }

    /// As [`Self::new`], with other partners for Engine.IO than those of the product: each at its path, which begins and
    /// ends with a slash.
    #[must_use]
    pub fn speaking(parts: HttpParts, partners: Vec<(Arc<str>, Meet)>) -> Self {
        let requests_max = parts
            .node
            .ports
            .limits
            .http_requests_max
            .min(Semaphore::MAX_PERMITS);
        metrics::follow(&parts.meters, &parts.node);
        let forwarder = forwarder(&parts);
        let websockets = Arc::new(WebSockets {
            node: Arc::clone(&parts.node),
            meters: Arc::clone(&parts.meters),
            sweeper: Arc::default(),
            locale: parts.locale,
            origins: Origins {
                allowed: parts.cors_origins.clone(),
                hosts: parts.hosts,
            },
            deflates: parts.permessage_deflate,
        });
        let engines = partners.into_iter().map(|(path, meet)| {
            Engine::new(EngineParts {
                path: path.trim_end_matches('/').into(),
                meet,
                websockets: Arc::clone(&websockets),
                admission: Arc::clone(&parts.admission),
                sticky_cookie: parts.socketio.sticky_cookie.clone(),
                forwarder: forwarder.clone(),
            })
        });
        let engines = engines.collect();
        let devices = Arc::new(Devices {
            node: Arc::clone(&parts.node),
            meters: Arc::clone(&parts.meters),
            lines: Arc::default(),
            locale: parts.locale,
            origins: websockets.origins.clone(),
            congestion: parts.device_congestion,
        });
        let app = Arc::new(Shared {
            engines,
            devices,
            health: Health::default(),
            websockets,
            node: parts.node,
            api_keys: RwLock::new(parts.api_keys),
            admission: parts.admission,
            meters: parts.meters,
            version: parts.version,
            started_at: parts.started_at,
            locale: parts.locale,
            cors_origins: parts.cors_origins,
            advertise: parts.advertise,
            listening: Mutex::default(),
            connections: AtomicUsize::new(0),
            in_flight: InFlight::default(),
            busy: Arc::new(Semaphore::new(requests_max)),
            stopping: watch::Sender::new(false),
        });
        app.introduce();
        Self {
            router: router::router(&app),
            app,
        }
    }

    /// Notes a listener that accepts. `/readyz` says no until one is noted.
    pub fn listens(&self, name: &'static str, address: SocketAddr) {
        self.app.listening.lock().push(Listening { name, address });
    }

    /// Puts other API keys in force.
    pub fn set_api_keys(&self, keys: Arc<ApiKeys>) {
        *self.app.api_keys.write() = keys;
    }
}

/// Who carries requests to other nodes, if there may be any.
fn forwarder(parts: &HttpParts) -> Option<Arc<Forwarder>> {
    let ports = &parts.node.ports;
    if !parts.socketio.forward || !ports.bus.spans_nodes() {
        return None;
    }
    let forwarder = Forwarder::new(&ports.limits).inspect_err(|fault| {
        tracing::error!(%fault, "requests of Socket.IO are not carried to other nodes: the system's certificates cannot be read");
    });
    let forwarder = Arc::new(forwarder.ok()?);
    let counted = forwarder.counted();
    let read = move || {
        let (carried, failed) = counted.read();
        vec![("carried", carried), ("failed", failed)]
    };
    parts.meters.collect(
        "bongsu_socketio_forwarded",
        "Requests of Socket.IO for sessions of other nodes, by what became of them",
        None,
        Reading::Counters {
            label: "outcome",
            read: Box::new(read),
        },
    );
    Some(forwarder)
}
