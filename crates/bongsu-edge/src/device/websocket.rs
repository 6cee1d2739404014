//! `/device`: from an HTTP request to a device on a WebSocket.
//!
//! Invariant: who is not let in is told why in HTTP, before anything is upgraded; a token in the address is in no log.

use std::sync::Arc;

use axum::extract::{Query, Request};
use axum::http::header::{HOST, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::Response;
use bongsu_model::{Limits, Locale};
use bongsu_node::Node;
use bongsu_node::devices::{DeviceClaim, Pacing};
use bongsu_wire::device::Format;
use bongsu_wire::websocket::choose_subprotocol;
use hyper::upgrade::OnUpgrade;
use serde::Deserialize;
use socket2::SockRef;

use super::carrier::{Carrier, Grip};
use super::conn::Conn;
use super::ear::Ear;
use super::lines::Lines;
use super::live::{Live, Opens};
use super::options::{self, Congestion};
use crate::meters::{DeviceTransport, Meters};
use crate::origin::Origins;
use crate::pulse::{Heartbeat, Pulse};
use crate::socket::Socket;
use crate::tls::Stream;
use crate::websocket::{NotUpgraded, Peer, accept, joined, switching, upgraded};

/// What devices' connections are opened with.
pub(crate) struct Devices {
    pub(crate) node: Arc<Node>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) lines: Arc<Lines>,
    pub(crate) locale: Locale,
    pub(crate) origins: Origins,
    pub(crate) congestion: Congestion,
}

/// What may stand in the address.
#[derive(Deserialize)]
struct Address {
    token: Option<String>,
    locale: Option<String>,
}

/// What came with the handshake.
struct First {
    format: Format,
    claim: DeviceClaim,
    locale: Locale,
    peer: Peer,
}

impl Devices {
    /// A grip on the socket of a connection that is about to be served.
    pub(crate) fn grip(&self) -> Arc<Grip> {
        let unsent_bytes = self.node.ports.limits.device_unsent_bytes;
        Arc::new(Grip::new(unsent_bytes, self.congestion))
    }

    /// Answers a request for an upgrade, and serves the device once it is upgraded.
    pub(crate) fn upgrade(
        self: &Arc<Self>,
        mut request: Request,
        bearer: Option<&str>,
    ) -> Result<Response, NotUpgraded> {
        // Where GET is served HEAD is, too.
        if request.method() != Method::GET {
            return Err(NotUpgraded::NoHandshake);
        }
        let accept = accept(request.headers())?;
        let (format, named) = format(request.headers())?;
        let peer = request
            .extensions()
            .get::<Peer>()
            .cloned()
            .ok_or(NotUpgraded::NoHandshake)?;
        let (host, origin) = (request.headers().get(HOST), request.headers().get(ORIGIN));
        self.origins
            .check(origin, host, peer.local)
            .map_err(NotUpgraded::Stranger)?;
        // A token that stands there twice must not be as good as none.
        let Query(address) =
            Query::<Address>::try_from_uri(request.uri()).map_err(|_| NotUpgraded::NoHandshake)?;
        let certificate = peer.device();
        let upgrading = request
            .extensions_mut()
            .remove::<OnUpgrade>()
            .ok_or(NotUpgraded::NoHandshake)?;
        let locale = address.locale.as_deref().and_then(Locale::parse);
        let first = First {
            format,
            claim: DeviceClaim {
                token: bearer.or(address.token.as_deref()).map(Into::into),
                certificate,
                address: Some(peer.address),
            },
            locale: locale.unwrap_or(self.locale),
            peer,
        };
        let these = Arc::clone(self);
        // The task that waits for the upgrade is not the one that serves: it is larger, and gone when it is done.
        tokio::spawn(async move {
            if let Some((stream, read)) = upgraded(upgrading).await {
                these.serve(stream, read, first).await;
            }
        });
        let mut response = switching(accept);
        if named {
            let name = HeaderValue::from_static(format.subprotocol());
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, name);
        }
        Ok(response)
    }

    async fn serve(&self, stream: Stream, read: Vec<u8>, first: First) {
        let limits: &Limits = &self.node.ports.limits;
        options::prepare(
            &SockRef::from(stream.tcp()),
            limits.device_unsent_bytes,
            self.congestion,
        );
        let now = self.node.now();
        let pulse = Pulse::new(Heartbeat::Theirs, first.peer.address, now, limits);
        let socket = Arc::new(Socket::new(stream, pulse));
        let opens = Opens {
            transport: match first.format {
                Format::Json => DeviceTransport::Json,
                Format::Proto => DeviceTransport::Proto,
            },
            address: first.peer.address,
            secure: first.peer.secure,
            certificate: first.claim.certificate.clone(),
            locale: first.locale,
            carrier: Carrier::Socket(Arc::clone(&socket)),
        };
        let live = Arc::new(Live::new(opens, now));
        let watch = self.lines.watch(&live, &self.meters);
        let ear = Ear::new(&self.node, &live, first.claim, Pacing::Kernel);
        let mut conn = Conn::new(live, socket, Arc::clone(&self.meters), first.format, ear);
        if !read.is_empty() {
            conn.begin(read).await;
        }
        let permit = first.peer.permit;
        tokio::spawn(async move {
            conn.run().await;
            drop((watch, permit));
        });
    }
}

/// The format that is spoken, and whether the client has named it.
fn format(headers: &HeaderMap) -> Result<(Format, bool), NotUpgraded> {
    let Some(offered) = joined(headers, &SEC_WEBSOCKET_PROTOCOL) else {
        return Ok((Format::ALL[0], false));
    };
    let known = Format::ALL.map(Format::subprotocol);
    let chosen = choose_subprotocol(&offered, &known).ok_or(NotUpgraded::DeviceSubprotocol)?;
    let format = Format::ALL.into_iter().find(|it| it.subprotocol() == chosen);
    format.map(|it| (it, true)).ok_or(NotUpgraded::DeviceSubprotocol)
}
