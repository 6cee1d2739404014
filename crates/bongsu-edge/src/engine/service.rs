//! One path at which Engine.IO is served, and who answers a request there.
//!
//! Invariant: who is not let in is told why by a code that clients know, before anything is made for it.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bongsu_model::refusal::CloseCause;
use bongsu_model::{Closing, Notice};
use bongsu_wire::socketio::engine::{Opening, Version};
use bytes::Bytes;

use super::answer::Refused;
use super::asked::{Asked, Transport};
use super::forward::Forwarder;
use super::partner::Meet;
use super::session::Session;
use super::sessions::{NodeTag, Sessions, Sid};
use super::{handshake, poll, post};
use crate::admission::Admission;
use crate::dialect;
use crate::websocket::{Peer, WebSockets};

/// What Engine.IO is served with at one path.
pub(crate) struct EngineParts {
    /// `/socket.io`, without the slash at its end.
    pub(crate) path: Arc<str>,
    pub(crate) meet: Meet,
    pub(crate) websockets: Arc<WebSockets>,
    pub(crate) admission: Arc<Admission>,
    /// The cookie that tells which node a session is on.
    pub(crate) sticky_cookie: Option<Arc<str>>,
    /// Carries requests for sessions of other nodes to them.
    pub(crate) forwarder: Option<Arc<Forwarder>>,
}

/// Engine.IO at one path.
pub(crate) struct Engine {
    path: Arc<str>,
    pub(super) meet: Meet,
    pub(super) websockets: Arc<WebSockets>,
    pub(super) admission: Arc<Admission>,
    pub(super) sessions: Sessions,
    pub(super) tag: NodeTag,
    sticky_cookie: Option<HeaderValue>,
    pub(super) forwarder: Option<Arc<Forwarder>>,
}

impl Engine {
    pub(crate) fn new(parts: EngineParts) -> Arc<Self> {
        let tag = NodeTag::of(&parts.websockets.node.id);
        let cookie = |name: Arc<str>| {
            let value = format!("{name}={}; Path=/; HttpOnly; SameSite=Lax", tag.text());
            HeaderValue::try_from(value).ok()
        };
        Arc::new(Self {
            sticky_cookie: parts.sticky_cookie.and_then(cookie),
            path: parts.path,
            meet: parts.meet,
            websockets: parts.websockets,
            admission: parts.admission,
            sessions: Sessions::default(),
            tag,
            forwarder: parts.forwarder,
        })
    }

    /// Where, without the slash at its end.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// What the ids of sessions on this node begin with.
    pub(crate) fn node_tag(&self) -> String {
        self.tag.text()
    }

    /// Whether a request to this path is for this engine.
    pub(crate) fn serves(&self, path: &str) -> bool {
        path.strip_prefix(&*self.path)
            .is_some_and(|rest| matches!(rest, "" | "/"))
    }

    /// Answers a request.
    pub(crate) async fn answer(self: &Arc<Self>, request: Request) -> Response {
        match self.serve(request).await {
            Ok(response) => response,
            Err(refused) => refused.into_response(),
        }
    }

    async fn serve(self: &Arc<Self>, request: Request) -> Result<Response, Refused> {
        let peer = request.extensions().get::<Peer>().cloned();
        let peer = peer.ok_or(Refused::BadRequest)?;
        let headers = request.headers();
        let known = self
            .websockets
            .origins
            .check(headers.get(ORIGIN), headers.get(HOST), peer.local);
        if request.method() == Method::OPTIONS {
            // Pages of named origins were answered before.
            return known.map_or(Err(Refused::Forbidden), |()| {
                Ok(StatusCode::NO_CONTENT.into_response())
            });
        }
        let mut asked = Asked::read(request.uri())?;
        known.map_err(|_| Refused::Forbidden)?;
        asked.token = bearer(headers).or(asked.token);
        let known = match asked.sid.as_deref() {
            Some(sid) => match self.find(sid, asked.version) {
                Err(Refused::Elsewhere(tag)) => {
                    return Box::pin(self.forward(tag, asked.transport, request, peer)).await;
                }
                found => Some(found?),
            },
            None => None,
        };
        // Here clients try again, which they would not if they were refused a namespace.
        if known.is_none() && self.websockets.node.takes_nobody() {
            return Err(Refused::Stopping);
        }
        match (asked.transport, known) {
            (Transport::WebSocket, known) => handshake::websocket(self, request, asked, known, peer),
            (Transport::Polling, None) if request.method() == Method::GET => {
                Ok(Box::pin(handshake::polling(self, asked, peer)).await)
            }
            (Transport::Polling, None) => Err(Refused::Method),
            (Transport::Polling, Some((_, session))) => match *request.method() {
                Method::GET => {
                    // Perf: what was asked keeps the buffer alive into which it was read, and a poll waits for long
                    // (`bongsu bench idle --protocol socketio-polling`).
                    drop((request, peer));
                    Ok(poll::poll(self, &session, asked.form).await)
                }
                Method::POST => Ok(Box::pin(post::post(self, &session, &asked.form, request)).await),
                _ => Err(Refused::Method),
            },
        }
    }

    /// The session of an id.
    fn find(&self, sid: &str, version: Version) -> Result<(Sid, Arc<Session>), Refused> {
        let (tag, sid) = Sid::parse(sid).ok_or(Refused::UnknownSid)?;
        if tag != self.tag {
            return Err(Refused::Elsewhere(tag));
        }
        let session = self.sessions.get(sid).filter(|session| !session.is_gone(self));
        match session {
            Some(session) if session.version == version => Ok((sid, session)),
            Some(_) => Err(Refused::BadRequest),
            None => Err(Refused::UnknownSid),
        }
    }

    /// The first packet of a session.
    pub(super) fn opening(&self, sid: Sid, version: Version, upgrades: &[&str]) -> Bytes {
        let limits = &self.websockets.node.ports.limits;
        let opening = Opening {
            sid: &sid.text(self.tag),
            upgrades,
            ping_interval_ms: limits.engine_ping_interval_ms,
            ping_timeout_ms: limits.engine_ping_timeout_ms,
            payload_max: limits.frame_bytes_max,
        };
        opening.frame(version)
    }

    /// Names the node in the answer to a handshake.
    pub(super) fn sign(&self, headers: &mut HeaderMap) {
        if let Some(cookie) = &self.sticky_cookie {
            headers.append(SET_COOKIE, cookie.clone());
        }
    }

    /// Tells whoever polls that the server stops: its poll must not hold that up.
    pub(crate) fn stop(&self) {
        let node = &self.websockets.node;
        let with = dialect::setting(self.websockets.locale, node.now(), &node.ports.limits);
        let notice = Notice::Closed(Closing::new(CloseCause::ShuttingDown));
        for session in self.sessions.all() {
            if !session.mailbox.is_closed() {
                let speaks = dialect::of(session.pulse.slot(), &node.ports.limits);
                session.mailbox.close(Some(&speaks.notice(&notice, with)));
            }
        }
    }

    /// Ends the sessions that are polled for, when nobody can poll any more.
    pub(crate) fn abort(&self) {
        for session in self.sessions.all() {
            session.mailbox.abort();
        }
    }
}

/// The token of an `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Option<String> {
    headers
        .get(AUTHORIZATION)
        .and_then(crate::http::bearer)
        .map(str::to_owned)
}
