//! The first request of a session, and that of a WebSocket which is to carry one.
//!
//! Invariant: the opening packet leaves before anything else; an id is known to its client alone.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::Method;
use axum::response::{IntoResponse as _, Response};
use bongsu_model::Locale;
use bongsu_model::event::Lane;
use bongsu_node::{Conversation, Mailbox};
use bongsu_wire::socketio::engine::{Payloads, Version};
use bytes::BytesMut;
use hyper::upgrade::OnUpgrade;
use tokio::sync::Mutex;

use super::answer::Refused;
use super::asked::Asked;
use super::codec::{Ear, EngineCodec};
use super::line::{EngineLine, Poll};
use super::poll;
use super::probe::{self, Claim};
use super::service::Engine;
use super::session::{Carried, Holds, Session, attend};
use super::sessions::Sid;
use crate::admission::Permit;
use crate::dialect;
use crate::meters::{Protocol, Transport};
use crate::pulse::{Heartbeat, Pulse};
use crate::tcp::{Opened, Watch, Watched};
use crate::tls::Stream;
use crate::websocket::{self, Peer};

/// Who asks whether the other one is there, in each version.
const fn heartbeat(version: Version) -> Heartbeat {
    match version {
        Version::V3 => Heartbeat::Theirs,
        Version::V4 => Heartbeat::Periodic,
    }
}

/// Opens a session that is polled for.
pub(super) async fn polling(engine: &Arc<Engine>, asked: Asked, peer: Peer) -> Response {
    let meters = &engine.websockets.meters;
    let Some(permit) = engine.admission.admit_counted(peer.address, meters) else {
        return Refused::Full.into_response();
    };
    let (version, form) = (asked.version, asked.form.clone());
    let (sid, session) = open(engine, asked, &peer, permit);
    let holds = Holds::new(&session, None);
    let mut frames = BytesMut::from(&engine.opening(sid, version, &["websocket"])[..]);
    // In a task of its own: whoever signs in by it is signed in, also if the client does not wait for it.
    let opened = tokio::spawn(opened(Arc::clone(&session)));
    if opened.await.is_ok()
        && session.mailbox.waiting_bytes() > 0
        && let Poll::Waits(waiting) = session.line.poll()
    {
        waiting.told().await;
        frames.extend_from_slice(&poll::take(&session, &waiting));
    }
    holds.done();
    let mut response = form.answer(&frames);
    engine.sign(response.headers_mut());
    response
}

/// A session for which nobody has polled yet.
fn open(engine: &Arc<Engine>, asked: Asked, peer: &Peer, permit: Permit) -> (Sid, Arc<Session>) {
    let (node, meters) = (&engine.websockets.node, &engine.websockets.meters);
    let ports = &node.ports;
    let sid = Sid::new(ports.chance.bits());
    let (line, end) = EngineLine::new(ports.limits.poll_packets_max);
    let locale = locale(engine, &asked);
    let (ear, says) = Ear::new(engine, &asked, peer.device());
    let way_out: Arc<EngineLine> = Arc::clone(&line);
    let mailbox = Mailbox::new(
        way_out,
        dialect::of(ear.partner.slot(), &ports.limits),
        Arc::clone(&ports.limits),
        Arc::clone(&ports.clock),
        Arc::clone(&node.counters),
    );
    says.through(&mailbox);
    let pulse = Pulse::new(
        heartbeat(asked.version),
        peer.address,
        ports.clock.now(),
        &ports.limits,
    );
    pulse.speaks(ear.partner.slot());
    let carried = Arc::new(Mutex::new(None));
    let session = Arc::new(Session {
        version: asked.version,
        binary: asked.form.binary,
        line,
        mailbox: Arc::clone(&mailbox),
        pulse,
        polled_ms: ports.clock.now().0.into(),
        posting: false.into(),
        bodies: 0.into(),
        claimed: false.into(),
        carried: Arc::clone(&carried),
    });
    let watch = Watch::new(
        &opened_with(engine, asked.version, locale),
        Watched {
            lives: Arc::<Session>::clone(&session),
            mailbox: Arc::clone(&mailbox),
            transport: Some(Transport::Polling),
        },
        Arc::new(permit),
    );
    let mut place = carried.try_lock().expect("nobody else knows of the session yet");
    *place = Some(Carried {
        meters: Arc::clone(meters),
        conversation: Conversation::new(Arc::clone(node), mailbox, locale),
        ear,
        payloads: Payloads::new(),
        watch,
    });
    drop(place);
    engine.sessions.add(sid, &session);
    tokio::spawn(attend(Arc::clone(engine), sid, Arc::clone(&session), end));
    (sid, session)
}

/// What a session does without being asked, at its beginning.
async fn opened(session: Arc<Session>) {
    let mut held = session.carried.lock().await;
    let Some(carried) = held.as_mut() else { return };
    let (incoming, _) = carried.decode(|carried, rules, out| {
        carried.ear.partner.opened(rules, out);
        Ok(())
    });
    if !incoming.is_empty() {
        Box::pin(session.carry_out(carried, incoming, None)).await;
    }
}

/// Opens a session on a WebSocket, or has one that is known be carried by it.
pub(super) fn websocket(
    engine: &Arc<Engine>,
    mut request: Request,
    asked: Asked,
    known: Option<(Sid, Arc<Session>)>,
    peer: Peer,
) -> Result<Response, Refused> {
    if request.method() != Method::GET {
        return Err(Refused::Method);
    }
    let accept = websocket::accept(request.headers()).map_err(|_| Refused::BadRequest)?;
    let upgrading = request.extensions_mut().remove::<OnUpgrade>();
    let upgrading = upgrading.ok_or(Refused::BadRequest)?;
    let these = Arc::clone(engine);
    match known {
        Some((sid, session)) => {
            let claim = Claim::of(&session).ok_or(Refused::BadRequest)?;
            tokio::spawn(async move {
                if let Some((stream, read)) = websocket::upgraded(upgrading).await {
                    probe::serve(these, sid, claim, stream, read, peer).await;
                }
            });
        }
        None => {
            tokio::spawn(async move {
                if let Some((stream, read)) = websocket::upgraded(upgrading).await {
                    serve(&these, asked, stream, read, peer);
                }
            });
        }
    }
    let mut response = websocket::switching(accept);
    engine.sign(response.headers_mut());
    Ok(response)
}

/// Serves a session that begins on a WebSocket.
fn serve(engine: &Arc<Engine>, asked: Asked, stream: Stream, read: Vec<u8>, peer: Peer) {
    let sid = Sid::new(engine.websockets.node.ports.chance.bits());
    let version = asked.version;
    let opened = opened_with(engine, version, locale(engine, &asked));
    let (ear, says) = Ear::new(engine, &asked, peer.device());
    let codec = EngineCodec::new(ear);
    let (mut conn, watch) = opened.conn(stream, peer.address, peer.permit, codec);
    says.through(conn.mailbox());
    conn.says(Lane::Control, &engine.opening(sid, version, &[]));
    let (incoming, fatal) = conn.decode(|codec, rules, out| {
        codec.ear().partner.opened(rules, out);
        Ok(())
    });
    if incoming.is_empty() && read.is_empty() {
        tokio::spawn(async move {
            conn.run().await;
            drop(watch);
        });
        return;
    }
    tokio::spawn(async move {
        conn.hears(incoming, fatal).await;
        conn.reads(read).await;
        // In a task of its own, so that the one that idles has no room for this.
        tokio::spawn(async move {
            conn.run().await;
            drop(watch);
        });
    });
}

fn opened_with(engine: &Engine, version: Version, locale: Locale) -> Opened<'_> {
    Opened {
        node: &engine.websockets.node,
        meters: &engine.websockets.meters,
        sweeper: &engine.websockets.sweeper,
        locale,
        protocol: Protocol::Socketio,
        heartbeat: heartbeat(version),
    }
}

fn locale(engine: &Engine, asked: &Asked) -> Locale {
    let wanted = asked.locale.as_deref().and_then(Locale::parse);
    wanted.unwrap_or(engine.websockets.locale)
}
