//! Requests for sessions of other nodes are carried to them, and their answers back: a load balancer need not know who is
//! where.
//!
//! Invariant: a request is carried once, to a node that is heard, and no longer waited for than a poll waits there; what it
//! carries of its headers is what that node needs.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE, USER_AGENT,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use bongsu_model::Limits;
use http_body_util::BodyExt as _;
use hyper::upgrade::OnUpgrade;
use hyper_rustls::builderstates::WantsProtocols1;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::{NODE, Refused};
use super::asked::Transport;
use super::service::Engine;
use super::sessions::NodeTag;
use crate::admission::Permit;
use crate::pulse::beat_ms;
use crate::websocket::Peer;

/// By which node a request was carried here: it is not carried on.
const FORWARDED: HeaderName = HeaderName::from_static("bongsu-forwarded");
/// Where the client is.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// What a node needs of a request for a session that it knows.
const ASKED: [HeaderName; 7] = [
    ACCEPT,
    CONTENT_TYPE,
    CONTENT_LENGTH,
    USER_AGENT,
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION,
    SEC_WEBSOCKET_EXTENSIONS,
];
/// What a client is told.
const ANSWERED: [HeaderName; 7] = [
    CONTENT_TYPE,
    CONTENT_LENGTH,
    CACHE_CONTROL,
    RETRY_AFTER,
    NODE,
    SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS,
];
/// Connections to each other node: each carries as many requests at once as that lets a connection have.
const LANES: usize = 32;
/// How often the other end of such a connection shows that it is there, and within which time.
const BEAT: Duration = Duration::from_secs(10);
/// Connections that are kept for the next request, and for how long.
const KEPT_FOR: Duration = Duration::from_secs(60);

type Lane = Client<HttpsConnector<HttpConnector>, Body>;

/// Carries requests to other nodes.
pub(crate) struct Forwarder {
    lanes: Vec<Lane>,
    /// For what becomes a WebSocket, which takes a connection of its own.
    upgrades: Lane,
    places: Arc<Semaphore>,
    /// How long an answer may take.
    patience: Duration,
    counted: Arc<Counted>,
}

/// What is counted of it.
#[derive(Default)]
pub(crate) struct Counted {
    carried: AtomicU64,
    failed: AtomicU64,
}

impl Counted {
    /// How many requests were carried, and how many could not be.
    pub(crate) fn read(&self) -> (u64, u64) {
        (self.carried.load(Relaxed), self.failed.load(Relaxed))
    }
}

/// The node could not be reached, or did not answer in time.
#[derive(Debug)]
struct Unanswered;

impl Forwarder {
    /// Nothing is carried yet. To be called inside of a runtime.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub(crate) fn new(limits: &Limits) -> std::io::Result<Self> {
        let connect = Duration::from_millis(limits.node_answer_ms);
        let mut lanes = Vec::with_capacity(LANES);
        for _ in 0..LANES {
            let lane = Client::builder(TokioExecutor::new())
                .timer(TokioTimer::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(KEPT_FOR)
                .http2_only(true)
                .http2_keep_alive_interval(BEAT)
                .http2_keep_alive_timeout(connect)
                .build(connector()?.enable_http2().wrap_connector(tcp(connect)));
            lanes.push(lane);
        }
        let upgrades = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector()?.enable_http1().wrap_connector(tcp(connect)));
        Ok(Self {
            lanes,
            upgrades,
            places: Arc::new(Semaphore::new(limits.forwards_max.min(Semaphore::MAX_PERMITS))),
            patience: Duration::from_millis(beat_ms(limits).saturating_add(limits.node_answer_ms)),
            counted: Arc::default(),
        })
    }

    /// What it counts.
    pub(crate) fn counted(&self) -> Arc<Counted> {
        Arc::clone(&self.counted)
    }

    async fn ask(
        &self,
        lane: &Lane,
        request: Request,
    ) -> Result<hyper::Response<hyper::body::Incoming>, Unanswered> {
        let answer = tokio::time::timeout(self.patience, lane.request(request)).await;
        match answer {
            Ok(Ok(answer)) => {
                self.counted.carried.fetch_add(1, Relaxed);
                Ok(answer)
            }
            Ok(Err(fault)) => {
                tracing::debug!(%fault, "a request could not be carried to another node");
                self.counted.failed.fetch_add(1, Relaxed);
                Err(Unanswered)
            }
            Err(_) => {
                self.counted.failed.fetch_add(1, Relaxed);
                Err(Unanswered)
            }
        }
    }

    async fn carry(&self, request: Request, place: OwnedSemaphorePermit) -> Result<Response, Unanswered> {
        // Requests of one session take one lane, so that a stuck connection is felt by few.
        let lane = request
            .uri()
            .query()
            .map_or(0, |query| query.bytes().fold(7, fold));
        let answer = self.ask(&self.lanes[lane % self.lanes.len()], request).await?;
        let (parts, body) = answer.into_parts();
        let mut response = Response::new(held(body, place));
        *response.status_mut() = parts.status;
        copy(&ANSWERED, &parts.headers, response.headers_mut());
        Ok(response)
    }

    /// Carries a request for a WebSocket, and from then on what either side says.
    async fn upgrade(
        &self,
        mut request: Request,
        ours: OnUpgrade,
        permit: Arc<Permit>,
        place: OwnedSemaphorePermit,
    ) -> Result<Response, Unanswered> {
        let headers = request.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let mut answer = self.ask(&self.upgrades, request).await?;
        let status = answer.status();
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        copy(&ANSWERED, answer.headers(), response.headers_mut());
        if status == StatusCode::SWITCHING_PROTOCOLS {
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            let theirs = hyper::upgrade::on(&mut answer);
            tokio::spawn(async move {
                if let (Ok(ours), Ok(theirs)) = tokio::join!(ours, theirs) {
                    let (mut ours, mut theirs) = (TokioIo::new(ours), TokioIo::new(theirs));
                    // Whoever ends it ends it for both; silence is the other node's to end.
                    let _ = tokio::io::copy_bidirectional(&mut ours, &mut theirs).await;
                }
                drop((permit, place));
            });
        } else {
            *response.body_mut() = held(answer.into_body(), place);
        }
        Ok(response)
    }
}

const fn fold(sum: usize, byte: u8) -> usize {
    sum.wrapping_mul(31).wrapping_add(byte as usize)
}

fn connector() -> std::io::Result<HttpsConnectorBuilder<WantsProtocols1>> {
    Ok(HttpsConnectorBuilder::new().with_native_roots()?.https_or_http())
}

fn tcp(connect: Duration) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect));
    tcp
}

fn copy(names: &[HeaderName], from: &HeaderMap, to: &mut HeaderMap) {
    for name in names {
        for value in from.get_all(name) {
            to.append(name, value.clone());
        }
    }
}

/// A body on its way; it takes a place until it is whole.
fn held(body: hyper::body::Incoming, place: OwnedSemaphorePermit) -> Body {
    Body::new(body.map_frame(move |frame| {
        let _ = &place;
        frame
    }))
}

impl Engine {
    /// Has the node answer whose session is asked for. If it is not heard, or does not answer, or nothing is carried here,
    /// its name is told, for whoever balances.
    pub(super) async fn forward(
        &self,
        tag: NodeTag,
        transport: Transport,
        mut request: Request,
        peer: Peer,
    ) -> Result<Response, Refused> {
        let elsewhere = Refused::Elsewhere(tag);
        let forwarder = self.forwarder.as_ref().ok_or(elsewhere)?;
        let is_carried = request.headers().contains_key(&FORWARDED);
        let address = self.websockets.node.address_of(&tag.text());
        let address = address.filter(|_| !is_carried).ok_or(elsewhere)?;
        let place = Arc::clone(&forwarder.places);
        let place = place.try_acquire_owned().map_err(|_| Refused::Full)?;
        let ours = request.extensions_mut().remove::<OnUpgrade>();
        let carried = carried(&address, self.tag, peer.address, request).ok_or(elsewhere)?;
        let answer = match transport {
            Transport::Polling => forwarder.carry(carried, place).await,
            Transport::WebSocket => {
                let ours = ours.ok_or(Refused::BadRequest)?;
                forwarder.upgrade(carried, ours, peer.permit, place).await
            }
        };
        answer.map_err(|Unanswered| elsewhere)
    }
}

/// A request as another node is asked it.
fn carried(address: &str, by: NodeTag, client: IpAddr, request: Request) -> Option<Request> {
    let (parts, body) = request.into_parts();
    let uri: Uri = format!("{address}{}", parts.uri.path_and_query()?).parse().ok()?;
    let mut carried = Request::new(body);
    *carried.method_mut() = parts.method;
    *carried.uri_mut() = uri;
    let headers = carried.headers_mut();
    copy(&ASKED, &parts.headers, headers);
    headers.insert(FORWARDED, HeaderValue::try_from(by.text()).ok()?);
    // What a client says of its own address is nobody's to believe.
    headers.insert(FORWARDED_FOR, HeaderValue::try_from(client.to_string()).ok()?);
    Some(carried)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_client_goes_on_that_the_other_node_does_not_need() {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = "/socket.io/?EIO=4&transport=polling&sid=x".parse().unwrap();
        for (name, value) in [
            ("cookie", "secret"),
            ("authorization", "Bearer secret"),
            ("origin", "https://app.example"),
            ("x-forwarded-for", "10.0.0.1"),
            ("bongsu-forwarded", "00000000"),
            ("transfer-encoding", "chunked"),
            ("content-type", "text/plain"),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let client = IpAddr::from([192, 0, 2, 7]);
        let carried = carried(
            "https://ws-2.example:8443",
            NodeTag::of("node-1"),
            client,
            request,
        )
        .unwrap();
        assert_eq!(
            carried.uri(),
            "https://ws-2.example:8443/socket.io/?EIO=4&transport=polling&sid=x"
        );
        let mut names: Vec<_> = carried.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["bongsu-forwarded", "content-type", "x-forwarded-for"]);
        assert_eq!(carried.headers()[FORWARDED], NodeTag::of("node-1").text());
        assert_eq!(carried.headers()[FORWARDED_FOR], "192.0.2.7");
    }
}
