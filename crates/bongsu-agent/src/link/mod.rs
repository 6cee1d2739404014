//! A link to a server of Socket.IO, revision 5 over Engine.IO 4: over a WebSocket, or by polling where there is none.
//!
//! Invariant: a wait for what comes next may be given up at any time; nothing is lost or overtaken by it, nor by a change
//! of carriers. What waits has a bound, and a server that does not ping in time is gone.

mod http;
mod polling;
mod terms;
mod unsent;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bongsu_device::link::{self, Address, Link as WebSocket, NotOpened, dial};
use bongsu_wire::websocket::Opcode;
use hyper::body::Bytes;
use rustls::ClientConfig;
use tokio::time::{Instant, Sleep, timeout};

pub use http::NotAnswered;
use http::{Http, Peer};
use polling::{Polling, packets};
pub use terms::{NoTerms, Terms};
pub use unsent::NotSaid;
use unsent::Unsent;

/// The path of Socket.IO where none is named.
pub const PATH: &str = "/socket.io/";
/// A server that is there answers sooner.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// A farewell is not worth more.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Where a link leads, and how.
#[derive(Clone)]
pub struct LinkConfig {
    /// Where: [`Address::of_http`] with [`PATH`].
    pub address: Address,
    /// For an address that is spoken to over TLS.
    pub tls: Option<Arc<ClientConfig>>,
    /// Said in the head of each request: `Authorization: Bearer …`. It must have no blanks or line breaks.
    pub token: Option<Arc<str>>,
    /// Over what.
    pub carriers: Carriers,
}

/// What a link may go over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Carriers {
    /// A WebSocket; where there is none polling, until there is one.
    #[default]
    Any,
    /// Only a WebSocket.
    WebSocket,
    /// Only polling.
    Polling,
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum NotConnected {
    /// There is nobody, or not who it should be: other carriers are of no use.
    #[error("no connection")]
    Nobody(#[source] io::Error),
    /// No session came about over the only carrier that was to be tried.
    #[error("no session over {over}")]
    One {
        /// Over what.
        over: &'static str,
        /// Why.
        #[source]
        fault: NoSession,
    },
    /// No session came about over either.
    #[error("no session over a websocket ({}), and none by polling", said(websocket))]
    Neither {
        /// Why not over a WebSocket.
        websocket: Box<NoSession>,
        /// Why not by polling.
        #[source]
        polling: NoSession,
    },
}

/// Why no session came about over a carrier.
#[derive(Debug, thiserror::Error)]
pub enum NoSession {
    /// The WebSocket was not opened.
    #[error(transparent)]
    NotOpened(#[from] NotOpened),
    /// The request was not answered as it should.
    #[error(transparent)]
    NotAnswered(#[from] NotAnswered),
    /// It ended before its first packet.
    #[error("it ended before its first packet")]
    Broken(#[from] link::Broken),
    /// Something else came first.
    #[error("the server does not speak engine.io 4 there")]
    NotSpoken,
    /// The first packet is of no use.
    #[error(transparent)]
    Terms(#[from] NoTerms),
    /// It took too long.
    #[error("the server did not answer in time")]
    TooSlow,
}

/// Why a link gives nothing more.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// Its WebSocket broke.
    #[error(transparent)]
    WebSocket(#[from] link::Broken),
    /// A poll was not answered as it should.
    #[error(transparent)]
    NotAnswered(#[from] NotAnswered),
    /// The server has not pinged for so long that it must be gone.
    #[error("the server was silent for too long")]
    Silent,
    /// Something came that is no packet.
    #[error("the server does not keep to engine.io")]
    Unheard,
    /// The server had closed it.
    #[error("the session is closed")]
    End,
}

/// What comes over a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Came {
    /// A packet of Socket.IO as the text of an Engine.IO message, for `bongsu_wire::socketio::client::Heard::parse`.
    Packet(String),
    /// All that was said is written; a server that polls has taken it.
    Written,
    /// The link goes over a WebSocket now.
    Upgraded,
    /// The server closes the session, and nothing follows.
    Closed {
        /// That of the WebSocket, if there was one.
        code: Option<u16>,
        /// May be empty.
        reason: String,
    },
}

/// An open link.
pub struct Link {
    terms: Terms,
    carrier: Carrier,
    unsent: Unsent,
    came: VecDeque<Came>,
    /// Goes off when the server must be gone.
    silence: Pin<Box<Sleep>>,
    over: bool,
}

enum Carrier {
    WebSocket(Box<WebSocket>),
    Polling(Box<Polling>),
}

/// What a carrier gives.
enum Turn {
    Packet(String),
    Payload(Bytes),
    Written,
    Upgraded(Box<WebSocket>),
    Closed { code: u16, reason: String },
    Nothing,
}

/// Opens a link: what the server says first is heard, and no namespace is entered yet.
///
/// # Errors
///
/// Why there is none; nothing of it is left then.
pub async fn connect(config: &LinkConfig) -> Result<Link, NotConnected> {
    let one = |over| move |fault| NotConnected::One { over, fault };
    let websocket = match config.carriers {
        Carriers::Polling => return by_polling(config).await.map_err(one("polling")),
        Carriers::Any | Carriers::WebSocket => over_websocket(config).await?,
    };
    let fault = match (websocket, config.carriers) {
        (Ok(link), _) => return Ok(link),
        (Err(fault), Carriers::WebSocket) => return Err(one("a websocket")(fault)),
        (Err(fault), Carriers::Any | Carriers::Polling) => fault,
    };
    by_polling(config).await.map_err(|polling| NotConnected::Neither {
        websocket: Box::new(fault),
        polling,
    })
}

impl Link {
    /// What the server goes by.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Whether it goes over a WebSocket.
    #[must_use]
    pub const fn is_websocket(&self) -> bool {
        matches!(self.carrier, Carrier::WebSocket(_))
    }

    /// Whether all that was said is written.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.unsent.is_empty()
            && match &self.carrier {
                Carrier::WebSocket(websocket) => websocket.is_idle(),
                Carrier::Polling(polling) => polling.is_idle(),
            }
    }

    /// Has a packet of Socket.IO (of `bongsu_wire::socketio::client`) written while the next thing is waited for.
    ///
    /// # Errors
    ///
    /// It is too large for this server, or too much waits; it was not taken.
    pub fn say(&mut self, packet: String) -> Result<(), NotSaid> {
        self.unsent.push(packet, self.terms.payload_bytes_max)
    }

    /// What comes next. Pings are answered; may be given up while it waits.
    ///
    /// # Errors
    ///
    /// The link is of no use any more.
    pub async fn next(&mut self) -> Result<Came, Broken> {
        loop {
            if let Some(came) = self.came.pop_front() {
                return Ok(came);
            }
            if self.over {
                return Err(Broken::End);
            }
            let Self {
                carrier,
                unsent,
                silence,
                terms,
                ..
            } = self;
            let turn = tokio::select! {
                turn = carrier.next(unsent, terms.payload_bytes_max) => turn?,
                () = silence.as_mut() => return Err(Broken::Silent),
            };
            match turn {
                Turn::Packet(packet) => self.heard(&packet)?,
                Turn::Payload(payload) => {
                    let payload = std::str::from_utf8(&payload).map_err(|_| Broken::Unheard)?;
                    packets(payload).try_for_each(|packet| self.heard(packet))?;
                }
                Turn::Written if self.is_idle() => return Ok(Came::Written),
                Turn::Written | Turn::Nothing => {}
                Turn::Upgraded(websocket) => {
                    self.carrier = Carrier::WebSocket(websocket);
                    return Ok(Came::Upgraded);
                }
                Turn::Closed { code, reason } => self.closed(Some(code), reason),
            }
        }
    }

    /// Closes as one should: what was said is written, and then a farewell. Nobody waits long for it.
    pub async fn close(mut self) {
        let farewell = async move {
            while !self.is_idle() {
                if self.next().await.is_err() {
                    return;
                }
            }
            match self.carrier {
                Carrier::WebSocket(websocket) => websocket.close().await,
                Carrier::Polling(polling) => polling.close().await,
            }
        };
        // Whoever is gone already needs none.
        let _ = timeout(CLOSE_WITHIN, Box::pin(farewell)).await;
    }

    fn new(terms: Terms, carrier: Carrier) -> Self {
        let silence = Box::pin(tokio::time::sleep(terms.silence));
        Self {
            terms,
            carrier,
            unsent: Unsent::default(),
            came: VecDeque::new(),
            silence,
            over: false,
        }
    }

    /// Takes in one packet of Engine.IO.
    #[allow(
        clippy::disallowed_methods,
        reason = "a link is a connection: the silence of the server is measured here"
    )]
    fn heard(&mut self, packet: &str) -> Result<(), Broken> {
        if self.over {
            return Ok(());
        }
        match packet.as_bytes().first() {
            Some(b'4') => self.came.push_back(Came::Packet(packet.to_owned())),
            Some(b'2') => {
                self.unsent.pong(&packet[1..]);
                self.silence.as_mut().reset(Instant::now() + self.terms.silence);
            }
            Some(b'1') => self.closed(None, String::new()),
            // Nothing to hear, and bytes, which no event of ours has.
            Some(b'3' | b'6' | b'b') => {}
            Some(_) | None => return Err(Broken::Unheard),
        }
        Ok(())
    }

    fn closed(&mut self, code: Option<u16>, reason: String) {
        self.over = true;
        self.came.push_back(Came::Closed { code, reason });
    }
}

impl Carrier {
    async fn next(&mut self, unsent: &mut Unsent, payload_max: usize) -> Result<Turn, Broken> {
        let websocket = match self {
            Self::WebSocket(websocket) => websocket,
            Self::Polling(polling) => return polling.next(unsent, payload_max).await,
        };
        if websocket.is_idle()
            && let Some(packet) = unsent.pop()
        {
            websocket.say(Opcode::Text, packet.as_bytes());
        }
        Ok(match websocket.next().await? {
            link::Came::Text(packet) => Turn::Packet(packet),
            link::Came::Bytes(_) => Turn::Nothing,
            link::Came::Written => Turn::Written,
            link::Came::Farewell { code, reason } => Turn::Closed { code, reason },
        })
    }
}

/// Opens a session over a WebSocket; the outer error is one that no other carrier would mend.
async fn over_websocket(config: &LinkConfig) -> Result<Result<Link, NoSession>, NotConnected> {
    let peer = config.peer("websocket", None);
    let dialing = dial(&peer.address, peer.tls.clone());
    let dialed = match timeout(OPEN_WITHIN, dialing).await {
        Ok(dialed) => dialed,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    let stream = dialed.map_err(NotConnected::Nobody)?;
    let opening = async {
        let opened = WebSocket::over(stream, &peer.address, peer.token.as_deref(), None).await;
        let mut websocket = Box::new(opened?);
        match websocket.next().await? {
            link::Came::Text(packet) => Ok(Link::new(terms(&packet)?, Carrier::WebSocket(websocket))),
            link::Came::Bytes(_) | link::Came::Written | link::Came::Farewell { .. } => {
                Err(NoSession::NotSpoken)
            }
        }
    };
    Ok(timeout(OPEN_WITHIN, Box::pin(opening))
        .await
        .unwrap_or(Err(NoSession::TooSlow)))
}

/// Opens a session by polling.
async fn by_polling(config: &LinkConfig) -> Result<Link, NoSession> {
    let peer = config.peer("polling", None);
    let mut http = Http::default();
    let asking = timeout(OPEN_WITHIN, http.ask(&peer, None));
    let payload = Box::pin(asking).await.map_err(|_| NoSession::TooSlow)??;
    let payload = std::str::from_utf8(&payload).map_err(|_| NoSession::NotSpoken)?;
    let mut packets = packets(payload);
    let terms = terms(packets.next().unwrap_or_default())?;
    let sid = Some(&*terms.sid);
    let may_change = terms.upgrades && config.carriers == Carriers::Any;
    let websocket = may_change.then(|| config.peer("websocket", sid));
    let polling = Polling::new(config.peer("polling", sid), http, websocket);
    let mut link = Link::new(terms, Carrier::Polling(Box::new(polling)));
    for packet in packets {
        link.heard(packet).map_err(|_| NoSession::NotSpoken)?;
    }
    Ok(link)
}

fn terms(packet: &str) -> Result<Terms, NoSession> {
    let text = packet.strip_prefix('0').ok_or(NoSession::NotSpoken)?;
    Ok(Terms::parse(text)?)
}

impl LinkConfig {
    fn peer(&self, transport: &str, sid: Option<&str>) -> Peer {
        let target = self.address.target();
        let joint = if target.contains('?') { '&' } else { '?' };
        let mut target = format!("{target}{joint}EIO=4&transport={transport}");
        if let Some(sid) = sid {
            target.push_str("&sid=");
            target.push_str(sid);
        }
        Peer {
            address: self.address.at(target),
            tls: self.tls.clone(),
            token: self.token.clone(),
        }
    }
}

/// An error with its causes, on one line.
pub(crate) fn said(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(deeper) = cause {
        text.push_str(": ");
        text.push_str(&deeper.to_string());
        cause = deeper.source();
    }
    text
}
