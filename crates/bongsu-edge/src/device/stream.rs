//! `bongsu.v1.DeviceGateway`: a device on a stream of gRPC, among others on an HTTP/2 connection.
//!
//! Invariants: what is said is taken when the transport asks for it, and not before; the stream ends when its session does,
//! and the session when its stream does. That a command was written is known by the device's word alone.

use std::sync::Arc;

use axum::http::header::AUTHORIZATION;
use bongsu_model::refusal::{CloseCause, Malformed};
use bongsu_model::{Code, Locale, Refusal, Why};
use bongsu_node::devices::{DeviceClaim, Pacing, Ticket};
use bongsu_proto::v1::WebSocketPacket;
use bongsu_proto::v1::device_gateway_server::DeviceGateway;
use bongsu_wire::device::{Heard, proto};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::oneshot;
use tonic::{Request, Response, Status, Streaming};

use super::carrier::Carrier;
use super::ear::Ear;
use super::lines::Watch;
use super::live::{Live, Next, Opens};
use super::websocket::Devices;
use crate::admission::Permit;
use crate::http::{Hold, bearer, ended, refused};
use crate::meters::DeviceTransport;
use crate::websocket::Peer;

/// Where devices connect over gRPC.
pub(crate) struct Gateway(pub(crate) Arc<Devices>);

/// Says what waits for one device, whenever the transport has room.
struct Says {
    live: Arc<Live>,
    /// The last that was taken, of which nobody has said yet that it went.
    taken: Option<Ticket>,
    over: bool,
    _watch: Watch,
    _permit: Arc<Permit>,
    _hold: Option<Hold>,
    /// Dropped with the stream, which the listening side hears.
    _stops: oneshot::Sender<()>,
}

#[tonic::async_trait]
impl DeviceGateway for Gateway {
    type ConnectStream = BoxStream<'static, Result<WebSocketPacket, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<WebSocketPacket>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let devices = Arc::clone(&self.0);
        let (opens, claim, permit) = begin(&devices, &request)?;
        let hold = request.extensions().get::<Hold>().cloned();
        let live = Arc::new(Live::new(opens, devices.node.now()));
        let ear = Ear::new(&devices.node, &live, claim, Pacing::Acknowledged);
        let (stops, stopped) = oneshot::channel();
        let says = Says {
            _watch: devices.lines.watch(&live, &devices.meters),
            live: Arc::clone(&live),
            taken: None,
            over: false,
            _permit: permit,
            _hold: hold,
            _stops: stops,
        };
        // The answer's head goes out before the hello has come: there are clients that wait for it.
        tokio::spawn(listen(live, ear, request.into_inner(), stopped));
        Ok(Response::new(stream::unfold(says, Says::next).boxed()))
    }
}

type Begun = (Opens, DeviceClaim, Arc<Permit>);

fn begin<T>(devices: &Devices, request: &Request<T>) -> Result<Begun, Status> {
    let peer = request
        .extensions()
        .get::<Peer>()
        .ok_or_else(|| refused(&Refusal::new(Code::InternalError), devices.locale))?;
    peer.grip.want();
    let headers = request.metadata().clone().into_headers();
    let unreadable = || refused(&Refusal::because(Code::InvalidToken, "malformed"), devices.locale);
    // A token that stands there twice must not be as good as none, nor one that cannot be read.
    let mut tokens = headers.get_all(AUTHORIZATION).iter();
    let token = match (tokens.next(), tokens.next()) {
        (None, _) => None,
        (Some(token), None) => Some(bearer(token).ok_or_else(unreadable)?),
        (Some(_), Some(_)) => return Err(unreadable()),
    };
    let locale = headers.get("bongsu-locale").and_then(|it| it.to_str().ok());
    let claim = DeviceClaim {
        token: token.map(Into::into),
        certificate: peer.device(),
        address: Some(peer.address),
    };
    let opens = Opens {
        transport: DeviceTransport::Grpc,
        address: peer.address,
        secure: peer.secure,
        certificate: claim.certificate.clone(),
        locale: locale.and_then(Locale::parse).unwrap_or(devices.locale),
        carrier: Carrier::Stream(Arc::clone(&peer.grip)),
    };
    Ok((opens, claim, Arc::clone(&peer.permit)))
}

/// Hears the device until its stream ends, whichever side ends it.
async fn listen(
    live: Arc<Live>,
    mut ear: Ear,
    mut stream: Streaming<WebSocketPacket>,
    mut stopped: oneshot::Receiver<()>,
) {
    while live.closing().is_none() {
        let heard = tokio::select! {
            heard = stream.message() => heard,
            _ = &mut stopped => break,
        };
        match heard {
            Ok(Some(packet)) => {
                live.heard(ear.node().now(), false);
                live.busy();
                hear(&mut ear, packet).await;
                live.reads_on(ear.node().now());
            }
            // It says no more: that is its farewell.
            Ok(None) => {
                live.farewell(Bytes::new());
                break;
            }
            Err(status) => {
                broken(&live, &ear, &status);
                break;
            }
        }
    }
    if let Some(session) = live.session() {
        session.gone().await;
    }
}

async fn hear(ear: &mut Ear, packet: WebSocketPacket) {
    match proto::hear_packet(packet, &ear.node().ports.limits) {
        Ok(Heard::Said(said)) => ear.hear(said).await,
        Ok(Heard::Refused(refusal)) => ear.wrong(refusal).await,
        Err(fatal) => ear.broken(fatal),
    }
}

/// What the device sent is no message of the contract, or one that is too large, or it is gone.
fn broken(live: &Live, ear: &Ear, status: &Status) {
    let most = ear.node().ports.limits.frame_bytes_max as u64;
    let (code, what) = match status.code() {
        tonic::Code::Internal | tonic::Code::InvalidArgument => (Code::InvalidData, Malformed::NotProtobuf),
        tonic::Code::OutOfRange | tonic::Code::ResourceExhausted => {
            (Code::MessageTooLarge, Malformed::FrameTooLarge(most))
        }
        tonic::Code::Ok
        | tonic::Code::Cancelled
        | tonic::Code::Unknown
        | tonic::Code::DeadlineExceeded
        | tonic::Code::NotFound
        | tonic::Code::AlreadyExists
        | tonic::Code::PermissionDenied
        | tonic::Code::FailedPrecondition
        | tonic::Code::Aborted
        | tonic::Code::Unimplemented
        | tonic::Code::Unavailable
        | tonic::Code::DataLoss
        | tonic::Code::Unauthenticated => return live.farewell(Bytes::new()),
    };
    live.close(CloseCause::Refused(Refusal {
        why: Why::Malformed { offset: 0, what },
        ..Refusal::new(code)
    }));
}

impl Says {
    /// The next packet, or the status that the stream ends with.
    async fn next(mut self) -> Option<(Result<WebSocketPacket, Status>, Self)> {
        // The transport has taken the last one, or it would not ask for another.
        if let (Some(session), Some(ticket)) = (self.live.session(), self.taken.take()) {
            session.wrote(ticket);
        }
        if self.over {
            return None;
        }
        loop {
            self.live.moves();
            match self.live.next() {
                Next::Nothing => self.live.wakes().await,
                Next::Raw(_) => {}
                Next::Say(said, ticket) => {
                    self.taken = ticket;
                    self.live.counts_said();
                    let packet = proto::packet(&said, self.live.epoch(), self.live.locale);
                    return Some((Ok(packet), self));
                }
                Next::End => {
                    self.over = true;
                    let closing = self.live.parting()?;
                    return Some((Err(ended(&closing, self.live.locale)), self));
                }
            }
        }
    }
}
