//! `/ws`: from an HTTP request to a connection that speaks in WebSocket frames.
//!
//! Invariant: who is not let in is told why in HTTP, before anything is upgraded; a token in the address is in no log.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Query, Request};
use axum::http::header::{
    CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bongsu_model::{Connect, Locale, Recover};
use bongsu_node::Node;
use bongsu_wire::websocket::{accept_key, choose_subprotocol, negotiate_deflate};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade;
use serde::Deserialize;

use crate::admission::Permit;
use crate::codec::{Subprotocol, WebSocketCodec, sign_in_tag};
use crate::device::Grip;
use crate::http::Lent;
use crate::meters::{Meters, Protocol};
use crate::origin::{Origins, Stranger};
use crate::pulse::Heartbeat;
use crate::sweeper::Sweeper;
use crate::tcp::Opened;
use crate::tls::{ClientIdentity, Stream};

/// Where an HTTP connection comes from, and its place among the connections that are let in.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    pub(crate) local: SocketAddr,
    pub(crate) permit: Arc<Permit>,
    /// It came with TLS.
    pub(crate) secure: bool,
    /// Who it is by its certificate, if it has shown one.
    pub(crate) identity: Option<Arc<ClientIdentity>>,
    /// On its socket.
    pub(crate) grip: Arc<Grip>,
}

impl Peer {
    /// The device that its certificate names.
    pub(crate) fn device(&self) -> Option<Arc<str>> {
        self.identity.as_ref()?.device.as_deref().map(Into::into)
    }
}

/// What WebSockets are opened with.
pub(crate) struct WebSockets {
    pub(crate) node: Arc<Node>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) sweeper: Arc<Sweeper>,
    pub(crate) locale: Locale,
    pub(crate) origins: Origins,
    /// Whether clients that offer permessage-deflate get it.
    pub(crate) deflates: bool,
}

/// Why a request is not upgraded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotUpgraded {
    /// It does not ask for it, or not as RFC 6455 says.
    NoHandshake,
    /// It wants another version of the protocol.
    Version,
    /// It offers subprotocols and we speak none of them.
    Subprotocol,
    /// It offers subprotocols, and none of a device.
    DeviceSubprotocol,
    /// It comes from a page that may not.
    Stranger(Stranger),
}

/// What may stand in the address.
#[derive(Deserialize)]
struct Address {
    token: Option<String>,
    locale: Option<String>,
}

/// What the handshake settled.
struct Settled {
    accept: String,
    /// As the client offered it; `None` if it offered none.
    subprotocol: Option<&'static str>,
    deflate: Option<&'static str>,
}

impl WebSockets {
    /// Answers a request for an upgrade, and serves the connection once it is upgraded.
    pub(crate) fn upgrade(
        self: &Arc<Self>,
        mut request: Request,
        bearer: Option<&str>,
    ) -> Result<Response, NotUpgraded> {
        // Where GET is served HEAD is, too.
        if request.method() != Method::GET {
            return Err(NotUpgraded::NoHandshake);
        }
        let settled = self.settle(request.headers())?;
        let peer = request
            .extensions()
            .get::<Peer>()
            .cloned()
            .ok_or(NotUpgraded::NoHandshake)?;
        let host = request.headers().get(HOST);
        let origin = request.headers().get(axum::http::header::ORIGIN);
        self.origins
            .check(origin, host, peer.local)
            .map_err(NotUpgraded::Stranger)?;
        // A token that stands there twice must not be as good as none.
        let Query(address) =
            Query::<Address>::try_from_uri(request.uri()).map_err(|_| NotUpgraded::NoHandshake)?;
        let upgrading = request
            .extensions_mut()
            .remove::<OnUpgrade>()
            .ok_or(NotUpgraded::NoHandshake)?;
        let speaks = settled
            .subprotocol
            .and_then(Subprotocol::parse)
            .unwrap_or(Subprotocol::Type);
        let locale = address.locale.as_deref().and_then(Locale::parse);
        let token = bearer.map(str::to_owned).or(address.token);
        let first = First {
            speaks,
            deflates: settled.deflate.is_some(),
            connect: token.map(|token| Connect {
                token: token.into(),
                locale,
                resume: Vec::new(),
                recovery: Recover::No,
            }),
            locale: locale.unwrap_or(self.locale),
            peer,
        };
        let these = Arc::clone(self);
        // The task that waits for the upgrade is not the one that serves: it is larger, and gone when it is done.
        tokio::spawn(async move {
            if let Some((stream, read)) = upgraded(upgrading).await {
                these.serve(stream, read, first);
            }
        });
        Ok(settled.answer())
    }

    fn settle(&self, headers: &HeaderMap) -> Result<Settled, NotUpgraded> {
        let accept = accept(headers)?;
        let subprotocol = match joined(headers, &SEC_WEBSOCKET_PROTOCOL) {
            Some(offered) => {
                Some(choose_subprotocol(&offered, &Subprotocol::NAMES).ok_or(NotUpgraded::Subprotocol)?)
            }
            None => None,
        };
        let offers = joined(headers, &SEC_WEBSOCKET_EXTENSIONS).filter(|_| self.deflates);
        Ok(Settled {
            accept,
            subprotocol,
            deflate: offers.and_then(|offers| negotiate_deflate(&offers)),
        })
    }

    fn serve(&self, stream: Stream, read: Vec<u8>, first: First) {
        let opened = Opened {
            node: &self.node,
            meters: &self.meters,
            sweeper: &self.sweeper,
            locale: first.locale,
            protocol: Protocol::WebSocket,
            heartbeat: Heartbeat::Quiet,
        };
        let codec = WebSocketCodec::new(first.speaks, first.deflates);
        let address = first.peer.address;
        let (mut conn, watched) = opened.conn(stream, address, first.peer.permit, codec);
        let connect = first.connect.map(|connect| (sign_in_tag(first.speaks), connect));
        if connect.is_none() && read.is_empty() {
            tokio::spawn(async move {
                conn.run().await;
                drop(watched);
            });
        } else {
            tokio::spawn(async move {
                let (mut conn, watched) = begun(conn, watched, connect, read).await;
                tokio::spawn(async move {
                    conn.run().await;
                    drop(watched);
                });
            });
        }
    }
}

type Conn = crate::conn::Conn<WebSocketCodec>;
type Watch = crate::tcp::Watch<Arc<Permit>>;

/// Serves what came with the handshake. In a task of its own, so that the one that idles has no room for it.
async fn begun(
    mut conn: Conn,
    watched: Watch,
    connect: Option<(bongsu_model::Tag, Connect)>,
    read: Vec<u8>,
) -> (Conn, Watch) {
    conn.begin(connect, read).await;
    (conn, watched)
}

/// What came with the handshake.
struct First {
    speaks: Subprotocol,
    deflates: bool,
    connect: Option<Connect>,
    locale: Locale,
    peer: Peer,
}

impl Settled {
    fn answer(self) -> Response {
        let mut response = switching(self.accept);
        let headers = response.headers_mut();
        if let Some(subprotocol) = self.subprotocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
        }
        if let Some(deflate) = self.deflate {
            headers.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(deflate));
        }
        response
    }
}

/// What answers the key of a request that asks for a WebSocket as RFC 6455 says.
pub(crate) fn accept(headers: &HeaderMap) -> Result<String, NotUpgraded> {
    if !names(headers, &CONNECTION, "upgrade") || !names(headers, &UPGRADE, "websocket") {
        return Err(NotUpgraded::NoHandshake);
    }
    if only(headers, &SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(NotUpgraded::Version);
    }
    only(headers, &SEC_WEBSOCKET_KEY)
        .and_then(accept_key)
        .ok_or(NotUpgraded::NoHandshake)
}

/// The answer that the protocol changes.
pub(crate) fn switching(accept: String) -> Response {
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// The socket of an upgraded connection, and what was read of it already.
pub(crate) async fn upgraded(upgrading: OnUpgrade) -> Option<(Stream, Vec<u8>)> {
    let upgraded = upgrading.await.ok()?;
    match upgrade::downcast::<TokioIo<Lent>>(upgraded) {
        Ok(parts) => Some((parts.io.into_inner().into_inner(), parts.read_buf.to_vec())),
        Err(_) => {
            tracing::error!("an upgraded connection was not on a socket of ours; it is dropped");
            None
        }
    }
}

/// The value of a header that must stand once (RFC 6455, 11.3): two readers of two could each take another.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        (None | Some(_), _) => None,
    }
}

/// Whether a header that holds a list names something, whatever its case.
fn names(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|one| one.trim().eq_ignore_ascii_case(wanted))
}

/// All values of a header that holds a list, as one list.
pub(crate) fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}
