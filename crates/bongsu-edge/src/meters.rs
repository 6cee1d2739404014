//! What is counted and how it is told to Prometheus: one registry per server, no global one.
//!
//! Invariant: no label value comes from a client; every one is a word of ours or a route's pattern, so that the
//! number of series is bounded. Counting on a connection's path is one atomic addition.

mod collect;
mod handshakes;
mod node;
mod process;
mod usage;

use std::time::Duration;

use bongsu_model::refusal::CloseCause;
use bongsu_model::{Code, Refusal, Verb, Why};
use bongsu_node::Witness;
use parking_lot::Mutex;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub use collect::{HistogramReading, Reading};
pub use handshakes::{Handshake, Handshakes};
pub use prometheus_client::registry::Unit as MeterUnit;
pub(crate) use usage::Usage;

/// The media type of what [`Meters::render`] makes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds for what people wait for, in seconds.
const SECONDS: [f64; 14] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
];

/// What a connection speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// The action protocol on TCP.
    Action,
    /// HTTP.
    Http,
    /// The action or the type protocol on WebSocket.
    WebSocket,
    /// Socket.IO, whatever carries it.
    Socketio,
    /// A device's, whatever carries it.
    Device,
}

/// What carries a device's session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeviceTransport {
    /// JSON on a WebSocket.
    Json,
    /// Protobuf on a WebSocket.
    Proto,
    /// A stream of gRPC.
    Grpc,
}

impl DeviceTransport {
    const NAMES: [&'static str; 3] = ["websocket_json", "websocket_proto", "grpc"];

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// What carries a connection of Socket.IO.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// HTTP requests.
    Polling,
    /// A WebSocket.
    WebSocket,
}

impl Transport {
    const NAMES: [&'static str; 2] = ["polling", "websocket"];
}

impl Protocol {
    const NAMES: [&'static str; 5] = ["action", "http", "websocket", "socketio", "device"];
}

/// Why a connection was not let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TurnedAway {
    /// The node has its full number.
    NodeFull,
    /// The address has its full number.
    AddressFull,
    /// The process has no descriptors left.
    Descriptors,
    /// Too much memory is in use.
    Overloaded,
    /// The server stops.
    Stopping,
}

impl TurnedAway {
    const NAMES: [&'static str; 5] = [
        "node_full",
        "address_full",
        "descriptors",
        "overloaded",
        "stopping",
    ];
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused.
    Refused,
}

impl Outcome {
    const NAMES: [&'static str; 2] = ["done", "refused"];
}

type OneLabel = [(&'static str, &'static str); 1];
type HttpLabels = [(&'static str, String); 3];

/// What the edge counts, and what it is told by others when somebody asks.
pub struct Meters {
    /// Bytes received on all connections.
    pub bytes_read: Counter,
    /// Bytes handed to all sockets.
    pub bytes_written: Counter,
    /// Byte streams that stopped making sense.
    pub malformed: Counter,
    /// Handshakes of TLS.
    pub handshakes: Handshakes,
    opened: [Counter; 5],
    open: [Gauge; 5],
    devices: [Gauge; 3],
    carried: [Gauge; 2],
    turned_away: [Counter; 5],
    closed: Family<OneLabel, Counter>,
    requests: [[Counter; 2]; Verb::NAMES.len()],
    tokens_refused: Family<OneLabel, Counter>,
    moderated: Family<OneLabel, Counter>,
    rate_limited: Counter,
    http: Family<HttpLabels, Counter>,
    http_seconds: Histogram,
    registry: Mutex<Registry>,
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}

impl Meters {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let it = &mut registry;
        let http_seconds = Histogram::new(SECONDS);
        let help = "From the head of an HTTP request to the head of its answer";
        it.register_with_unit("bongsu_http_request", help, Unit::Seconds, http_seconds.clone());
        let meters = Self {
            bytes_read: counter(it, "bongsu_read_bytes", "Bytes received on all connections"),
            bytes_written: counter(it, "bongsu_written_bytes", "Bytes handed to all sockets"),
            malformed: counter(
                it,
                "bongsu_malformed_streams",
                "Byte streams that stopped making sense",
            ),
            handshakes: Handshakes::new(it),
            opened: by(
                it,
                "bongsu_connections_opened",
                "Connections let in",
                "protocol",
                Protocol::NAMES,
            ),
            open: by(
                it,
                "bongsu_connections",
                "Connections that are open",
                "protocol",
                Protocol::NAMES,
            ),
            carried: carried(it),
            devices: devices(it),
            turned_away: by(
                it,
                "bongsu_connections_refused",
                "Connections not let in",
                "reason",
                TurnedAway::NAMES,
            ),
            closed: family(
                it,
                "bongsu_connections_closed",
                "Connections that ended, by cause",
            ),
            requests: requests(it),
            tokens_refused: family(it, "bongsu_tokens_refused", "Tokens refused, by reason"),
            moderated: family(
                it,
                "bongsu_messages_rejected",
                "Messages that moderation refused, by reason",
            ),
            rate_limited: counter(
                it,
                "bongsu_rate_limited",
                "Requests refused as too many in too short a time",
            ),
            http: family(
                it,
                "bongsu_http_requests",
                "HTTP requests by route, method and status",
            ),
            http_seconds,
            registry: Mutex::default(),
        };
        *meters.registry.lock() = registry;
        process::collect(&meters);
        meters
    }

    /// A connection was let in. To be matched by one [`Self::connection_closed`].
    pub fn connection_opened(&self, protocol: Protocol) {
        self.opened[protocol as usize].inc();
        self.open[protocol as usize].inc();
    }

    /// A connection ended; by itself if there is no cause.
    pub fn connection_closed(&self, protocol: Protocol, cause: Option<&CloseCause>) {
        self.open[protocol as usize].dec();
        self.closed.get_or_create(&[("cause", cause_word(cause))]).inc();
    }

    /// A device has connected. To be matched by one [`Self::device_closed`].
    pub fn device_opened(&self, transport: DeviceTransport) {
        self.connection_opened(Protocol::Device);
        self.devices[transport as usize].inc();
    }

    /// A device's connection ended; by itself if there is no cause.
    pub fn device_closed(&self, transport: DeviceTransport, cause: Option<&CloseCause>) {
        self.connection_closed(Protocol::Device, cause);
        self.devices[transport as usize].dec();
    }

    /// A connection is carried otherwise than before; `None` before it is opened and after its end.
    pub fn carried(&self, before: Option<Transport>, now: Option<Transport>) {
        if let Some(before) = before {
            self.carried[before as usize].dec();
        }
        if let Some(now) = now {
            self.carried[now as usize].inc();
        }
    }

    /// A connection was not let in.
    pub fn turned_away(&self, why: TurnedAway) {
        self.turned_away[why as usize].inc();
    }

    /// A request was answered.
    pub fn request(&self, verb: Verb, outcome: Outcome) {
        self.requests[verb.index()][outcome as usize].inc();
    }

    /// Something was refused: counts what the code alone does not tell.
    pub fn refused(&self, refusal: &Refusal) {
        let reasons = match refusal.code {
            Code::InvalidToken => &self.tokens_refused,
            Code::MessageRejected => &self.moderated,
            Code::RateLimited => {
                self.rate_limited.inc();
                return;
            }
            Code::NotAuthenticated
            | Code::InvalidAction
            | Code::InvalidData
            | Code::MessageTooLarge
            | Code::RoomNotFound
            | Code::VideoRoomNotFound
            | Code::UserNotFound
            | Code::PermissionDenied
            | Code::UserBlocked
            | Code::RoomFull
            | Code::VideoRoomFull
            | Code::DeviceOffline
            | Code::DeviceUnknownState
            | Code::DeviceLeased
            | Code::DeviceNotFound
            | Code::NameTaken
            | Code::PresetNotFound
            | Code::CommandNotFound
            | Code::CommandTimeout
            | Code::CommandExpired
            | Code::CommandRefused
            | Code::Overloaded
            | Code::ShuttingDown
            | Code::InternalError => return,
        };
        let Why::Reason(reason) = refusal.why else { return };
        reasons.get_or_create(&[("reason", reason)]).inc();
    }

    /// An HTTP request was answered. `route` is the pattern that matched, never the path; `None` if none did. `took` is
    /// `None` where it waited on purpose.
    pub fn http(&self, route: Option<&str>, method: &str, status: u16, took: Option<Duration>) {
        let method = METHODS
            .iter()
            .find(|known| **known == method)
            .map_or("other", |known| known);
        let labels = [
            ("route", route.unwrap_or("none").to_owned()),
            ("method", method.to_owned()),
            ("status", status.to_string()),
        ];
        self.http.get_or_create(&labels).inc();
        if let Some(took) = took {
            self.http_seconds.observe(took.as_secs_f64());
        }
    }

    /// Adds something that others count: it is read whenever somebody asks.
    ///
    /// The name has neither its unit nor `_total`: both are added.
    pub fn collect(&self, name: &'static str, help: &'static str, unit: Option<Unit>, reading: Reading) {
        let collected = collect::Collected {
            name,
            help,
            unit,
            reading,
        };
        self.registry.lock().register_collector(Box::new(collected));
    }

    /// Everything, as OpenMetrics text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        text::encode(&mut text, &self.registry.lock()).expect("writing to a string does not fail");
        text
    }
}

/// The methods that a label may hold: others are a client's invention.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

const fn cause_word(cause: Option<&CloseCause>) -> &'static str {
    match cause {
        None => "client",
        Some(CloseCause::Refused(_)) => "refused",
        Some(CloseCause::Idle) => "idle",
        Some(CloseCause::SignInTimeout) => "sign_in_timeout",
        Some(CloseCause::FrameTimeout) => "frame_timeout",
        Some(CloseCause::Slow) => "slow",
        Some(CloseCause::Flooding) => "flooding",
        Some(CloseCause::TokenExpired) => "token_expired",
        Some(CloseCause::TokenRevoked) => "token_revoked",
        Some(CloseCause::Banned) => "banned",
        Some(CloseCause::Disconnected) => "disconnected",
        Some(CloseCause::Replaced) => "replaced",
        Some(CloseCause::CertificateRevoked) => "certificate_revoked",
        Some(CloseCause::ShuttingDown) => "shutting_down",
    }
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

fn family<S>(registry: &mut Registry, name: &str, help: &str) -> Family<S, Counter>
where
    Family<S, Counter>: prometheus_client::registry::Metric + Clone + Default,
{
    let family = Family::default();
    registry.register(name, help, family.clone());
    family
}

/// One handle for each transport of Socket.IO.
fn carried(registry: &mut Registry) -> [Gauge; 2] {
    let help = "Connections of Socket.IO, by what carries them";
    by(
        registry,
        "bongsu_socketio_connections",
        help,
        "transport",
        Transport::NAMES,
    )
}

/// One handle for each transport of devices.
fn devices(registry: &mut Registry) -> [Gauge; 3] {
    let help = "Connections of devices, by what carries them";
    by(
        registry,
        "bongsu_device_connections",
        help,
        "transport",
        DeviceTransport::NAMES,
    )
}

/// One handle for each verb and outcome.
fn requests(registry: &mut Registry) -> [[Counter; 2]; Verb::NAMES.len()] {
    let family = Family::<[(&'static str, &'static str); 2], Counter>::default();
    registry.register("bongsu_requests", "Requests by verb and outcome", family.clone());
    Verb::NAMES.map(|verb| {
        Outcome::NAMES.map(|outcome| family.get_or_create_owned(&[("verb", verb), ("outcome", outcome)]))
    })
}

/// One handle for each word of a label.
fn by<M, const N: usize>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    label: &'static str,
    words: [&'static str; N],
) -> [M; N]
where
    M: Default + Clone,
    Family<OneLabel, M>: prometheus_client::registry::Metric,
{
    let family = Family::<OneLabel, M>::default();
    registry.register(name, help, family.clone());
    words.map(|word| family.get_or_create_owned(&[(label, word)]))
}

impl Witness for Meters {
    fn served(&self, verb: Verb, done: bool) {
        self.request(verb, if done { Outcome::Done } else { Outcome::Refused });
    }

    fn refused(&self, refusal: &Refusal) {
        Self::refused(self, refusal);
    }

    fn malformed(&self) {
        self.malformed.inc();
    }
}

#[cfg(test)]
mod tests;
