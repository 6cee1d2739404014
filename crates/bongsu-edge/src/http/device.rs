//! `/device`, and what is known of a device's connection.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::response::Response;
use bongsu_model::{Code, DeviceId, Refusal};
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::At;
use super::caller::{Caller, bearer};
use super::problem::{Problem, ProblemDocument};
use super::service::App;
use super::websocket::refused;
use crate::device::{Live, Options, Way};

/// A device's connection to this node.
#[derive(Serialize, ToSchema)]
pub(super) struct DeviceConnection {
    device_id: String,
    /// The session.
    session_id: String,
    /// The connection epoch: rises with every session of the device.
    epoch: u64,
    /// Since when.
    since: String,
    /// What carries it.
    #[schema(value_type = String, example = "websocket_json")]
    transport: &'static str,
    /// Where the device is.
    address: String,
    /// Whether it is encrypted up to this node.
    tls: bool,
    /// The device that the client certificate names, if one was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    /// Frames received from the device.
    frames_received: u64,
    /// Frames sent to the device.
    frames_sent: u64,
    /// For how long nothing was heard, in milliseconds.
    silent_ms: u64,
    /// The device's clock less the node's, in milliseconds; absent until it has said its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_offset_ms: Option<i64>,
    /// For how long something has been waiting that the connection does not take, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    stuck_ms: Option<u64>,
    /// The socket, as far as the kernel tells of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    socket: Option<DeviceSocket>,
}

/// A device's socket, as the kernel tells of it at this moment. What it does not tell is absent.
#[derive(Serialize, ToSchema)]
pub(super) struct DeviceSocket {
    /// `TCP_NODELAY`
    #[serde(skip_serializing_if = "Option::is_none")]
    nodelay: Option<bool>,
    /// `TCP_NOTSENT_LOWAT`: bytes that may wait in the kernel beyond what is on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    notsent_lowat_bytes: Option<u32>,
    /// `TCP_USER_TIMEOUT`: unacknowledged bytes for this long mean that the device is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_timeout_ms: Option<u64>,
    /// `TCP_CONGESTION`
    #[serde(skip_serializing_if = "Option::is_none")]
    congestion: Option<String>,
    /// How long a byte and its acknowledgement take, smoothed, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_us: Option<u32>,
    /// How much that varies, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_variation_us: Option<u32>,
    /// Segments on their way that are not acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    unacknowledged_segments: Option<u32>,
    /// Segments that were sent again since the connection began.
    #[serde(skip_serializing_if = "Option::is_none")]
    retransmitted_segments: Option<u32>,
    /// Bytes that wait in the kernel and are not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    unsent_bytes: Option<u32>,
    /// Bytes in the kernel that are not sent or not acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    queued_bytes: Option<u32>,
}

/// A WebSocket of a device: JSON (`bongsu.device.json.v1`, the default) or Protobuf (`bongsu.device.proto.v1`).
#[utoipa::path(get, operation_id = "device_open", path = "/device", tag = "websocket", security(()),
    params(("token" = Option<String>, Query, description = "A token of the device, for those who can set no header"),
        ("locale" = Option<String>, Query, description = "The language of texts: en or ko")),
    responses((status = 101, description = "Upgraded; the first frame is the device's hello"),
    (status = 400, description = "Not a WebSocket handshake, or a subprotocol that is not spoken here", body = ProblemDocument),
    (status = 403, description = "The page's origin may not", body = ProblemDocument),
    (status = 426, description = "Another version of the protocol", body = ProblemDocument)))]
pub(super) async fn open(State(app): State<App>, request: Request) -> Response {
    let token = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(bearer)
        .map(str::to_owned);
    match app.devices.upgrade(request, token.as_deref()) {
        Ok(response) => response,
        Err(not) => refused(not),
    }
}

/// Show a device's connection to this node: its transport, its socket's options, what waits on the way.
#[utoipa::path(get, operation_id = "devices_connection", path = "/api/v1/devices/{device}/connection", tag = "devices",
    params(("device" = String, Path, description = "The device")),
    responses((status = 200, body = DeviceConnection),
        (status = 404, description = "The device is not connected to this node", body = ProblemDocument)))]
pub(super) async fn connection(
    State(app): State<App>,
    caller: Caller,
    At(device): At<String>,
) -> Result<Json<DeviceConnection>, Problem> {
    if !caller.is_operator() {
        return Err(Refusal::new(Code::PermissionDenied).into());
    }
    let device = DeviceId::parse(&device).ok_or_else(|| Refusal::new(Code::DeviceNotFound))?;
    let live = app.devices.lines.of(&device);
    let view = live.and_then(|live| DeviceConnection::of(&app, &live));
    view.map(Json)
        .ok_or_else(|| Refusal::new(Code::DeviceOffline).into())
}

impl DeviceConnection {
    /// `None` where there is no session yet.
    fn of(app: &App, live: &Live) -> Option<Self> {
        let session = live.session()?;
        let now = app.node.now();
        let (frames_received, frames_sent) = live.frames();
        let socket = live
            .carrier
            .socket()
            .map(|socket| DeviceSocket::of(Options::of(&socket), Way::of(&socket)));
        Some(Self {
            device_id: session.device.to_string(),
            session_id: session.id.to_string(),
            epoch: session.epoch.0,
            since: session.since.to_string(),
            transport: live.transport.name(),
            address: live.address.to_string(),
            tls: live.secure,
            certificate: live.certificate.as_deref().map(str::to_owned),
            frames_received,
            frames_sent,
            silent_ms: live.silent_ms(now),
            clock_offset_ms: session.clock_offset_ms(),
            stuck_ms: live.stuck_for_ms(now),
            socket,
        })
    }
}

impl DeviceSocket {
    fn of(options: Options, way: Option<Way>) -> Self {
        Self {
            nodelay: options.nodelay,
            notsent_lowat_bytes: options.notsent_lowat,
            user_timeout_ms: options.user_timeout_ms,
            congestion: options.congestion,
            rtt_us: way.map(|it| it.rtt_us),
            rtt_variation_us: way.map(|it| it.rtt_varies_us),
            unacknowledged_segments: way.map(|it| it.unacked),
            retransmitted_segments: way.map(|it| it.retransmitted),
            unsent_bytes: way.map(|it| it.unsent_bytes),
            queued_bytes: way.map(|it| it.queued_bytes),
        }
    }
}
