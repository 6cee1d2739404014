//! The carrier that every network lets through: HTTP requests, and the change to a WebSocket when there is one.
//!
//! Invariant: one GET waits at a time and one POST; what is said arrives in its order, on whichever carrier. The carrier
//! is changed only while no request is on its way, so that nothing is lost or overtaken.

use std::pin::Pin;
use std::time::Duration;

use bongsu_device::link::{Came, Link as WebSocket, dial};
use bongsu_wire::websocket::Opcode;
use hyper::body::Bytes;
use tokio::time::timeout;

use super::http::{Http, NotAnswered, Peer};
use super::unsent::{SEPARATOR, Unsent};
use super::{Broken, OPEN_WITHIN, Turn};

/// A POST that is not answered so long will not be.
const POST_WITHIN: Duration = Duration::from_secs(30);

type Doing<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// What became of a request, and the connection for the next.
type Asked = Doing<(Http, Result<Bytes, NotAnswered>)>;

pub(super) struct Polling {
    peer: Peer,
    /// The connections that no request is on, for GETs and for POSTs.
    idle: [Option<Http>; 2],
    get: Option<Asked>,
    post: Option<Asked>,
    upgrade: Upgrade,
}

enum Upgrade {
    /// There is none, or it failed.
    No,
    Probing(Doing<Option<Box<WebSocket>>>),
    /// It works: as soon as no request is on its way, it is changed to.
    Ready(Box<WebSocket>),
}

impl Polling {
    /// Goes on with a session whose first answer came over `http`. `peer` names the session; so does `websocket`, if
    /// there is one to change to.
    pub(super) fn new(peer: Peer, http: Http, websocket: Option<Peer>) -> Self {
        let upgrade = websocket.map_or(Upgrade::No, |peer| {
            let probing = async move { timeout(OPEN_WITHIN, probe(&peer)).await.ok().flatten() };
            Upgrade::Probing(Box::pin(probing))
        });
        Self {
            peer,
            idle: [Some(http), Some(Http::default())],
            get: None,
            post: None,
            upgrade,
        }
    }

    /// Whether nothing that was said is still on its way.
    pub(super) const fn is_idle(&self) -> bool {
        self.post.is_none()
    }

    /// What comes next; may be given up while it waits.
    pub(super) async fn next(&mut self, unsent: &mut Unsent, payload_max: usize) -> Result<Turn, Broken> {
        self.ask(unsent, payload_max);
        if self.get.is_none()
            && self.post.is_none()
            && let Upgrade::Ready(mut websocket) = std::mem::replace(&mut self.upgrade, Upgrade::No)
        {
            websocket.say(Opcode::Text, b"5");
            return Ok(Turn::Upgraded(websocket));
        }
        let Self {
            get, post, upgrade, ..
        } = self;
        tokio::select! {
            (http, answer) = done(get) => {
                *get = None;
                self.idle[0] = Some(http);
                Ok(Turn::Payload(answer?))
            }
            (http, answer) = done(post) => {
                *post = None;
                self.idle[1] = Some(http);
                answer?;
                Ok(Turn::Written)
            }
            probed = upgrade.probed() => {
                *upgrade = probed.map_or(Upgrade::No, Upgrade::Ready);
                Ok(Turn::Nothing)
            }
        }
    }

    /// Says that nothing more is said.
    pub(super) async fn close(mut self) {
        self.get = None;
        if let Some(post) = self.post.take() {
            self.idle[1] = Some(post.await.0);
        }
        if let Some(mut http) = self.idle[1].take() {
            // Whoever is gone already needs no farewell.
            let _ = http.ask(&self.peer, Some("1".to_owned())).await;
        }
    }

    /// Begins what may be asked now.
    fn ask(&mut self, unsent: &mut Unsent, payload_max: usize) {
        if matches!(self.upgrade, Upgrade::Ready(_)) {
            return;
        }
        if self.get.is_none()
            && let Some(http) = self.idle[0].take()
        {
            self.get = Some(asking(http, self.peer.clone(), None));
        }
        if self.post.is_none()
            && !unsent.is_empty()
            && let Some(http) = self.idle[1].take()
        {
            let payload = unsent.payload(payload_max);
            self.post = Some(asking(http, self.peer.clone(), Some(payload)));
        }
    }
}

impl Upgrade {
    async fn probed(&mut self) -> Option<Box<WebSocket>> {
        match self {
            Self::Probing(probing) => probing.await,
            Self::No | Self::Ready(_) => std::future::pending().await,
        }
    }
}

fn asking(mut http: Http, peer: Peer, body: Option<String>) -> Asked {
    Box::pin(async move {
        let answer = if body.is_some() {
            let asked = timeout(POST_WITHIN, http.ask(&peer, body)).await;
            asked.unwrap_or(Err(NotAnswered::TooSlow))
        } else {
            // It is answered when there is something to say; a server that is gone is found by its pings.
            http.ask(&peer, None).await
        };
        (http, answer)
    })
}

async fn done<T>(doing: &mut Option<Doing<T>>) -> T {
    match doing {
        Some(doing) => doing.await,
        None => std::future::pending().await,
    }
}

/// Opens a WebSocket beside the polling and looks whether something comes through it.
async fn probe(peer: &Peer) -> Option<Box<WebSocket>> {
    let stream = dial(&peer.address, peer.tls.clone()).await.ok()?;
    let opened = WebSocket::over(stream, &peer.address, peer.token.as_deref(), None).await;
    let mut websocket = Box::new(opened.ok()?);
    websocket.say(Opcode::Text, b"2probe");
    loop {
        match websocket.next().await.ok()? {
            Came::Written => {}
            Came::Text(text) if text == "3probe" => return Some(websocket),
            Came::Text(_) | Came::Bytes(_) | Came::Farewell { .. } => return None,
        }
    }
}

/// The packets of a payload.
pub(super) fn packets(payload: &str) -> impl Iterator<Item = &str> {
    payload.split(SEPARATOR)
}
