//! A body of packets: read, decoded, carried out, and only then answered.
//!
//! Invariants: bodies are carried out one at a time, in the order in which they came; whoever is not answered yet is held
//! back by what its requests wait for. Nobody who is about to change to a WebSocket is: it changes when all that it posted
//! is answered, and until then nothing leaves that a request may wait for.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use bongsu_model::{Incoming, Limits};
use bongsu_wire::socketio::engine::{self, Kind, Version};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, MaybeDone, maybe_done};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::OwnedMutexGuard;

use super::answer::{self, Form, Refused};
use super::codec;
use super::service::Engine;
use super::session::{Carried, Holds, Session};
use crate::pulse::EndedBy;

/// A client that closes may have sent a poll before, which is on its way on another connection: it is answered if it comes
/// so soon.
const LAST_POLL: Duration = Duration::from_millis(100);
/// Bodies of one session that are not carried out yet, at most, for the latest to be answered all the same: until it
/// hears that its WebSocket was probed, a client may post another one or two.
const BODIES_MAX: usize = 4;

/// Takes a body.
pub(super) async fn post(engine: &Engine, session: &Arc<Session>, form: &Form, request: Request) -> Response {
    if session.posting.swap(true, Ordering::AcqRel) {
        session.abort(EndedBy::Refusal);
        return Refused::BadRequest.into_response();
    }
    let holds = Holds::new(session, Some(&session.posting));
    let limits = &engine.websockets.node.ports.limits;
    let (head, body) = request.into_parts();
    let body = match read(&head.headers, body, form, limits).await {
        Ok(body) => body,
        Err(refused) => {
            session.abort(EndedBy::Refusal);
            return refused.into_response();
        }
    };
    // In a task of its own: it is carried out to its end even if the client does not wait for it.
    let mut carrying = tokio::spawn(carry_out(Turn::of(session), body));
    let carried = tokio::select! {
        biased;
        carried = &mut carrying => carried,
        () = session.line.until_probed() => {
            if session.bodies.load(Ordering::Acquire) <= BODIES_MAX {
                holds.done();
                return answer::ok();
            }
            carrying.await
        }
    };
    let answer = match carried {
        Ok(Ok(())) => answer::ok(),
        Ok(Err(refused)) => refused.into_response(),
        // It has panicked, which is told elsewhere.
        Err(_) => return Refused::BadRequest.into_response(),
    };
    holds.done();
    answer
}

/// The place of a body among those of its session, which counts it until it is carried out.
struct Turn {
    session: Arc<Session>,
    comes: MaybeDone<BoxFuture<'static, OwnedMutexGuard<Option<Carried>>>>,
}

impl Turn {
    /// The place behind all that have one.
    fn of(session: &Arc<Session>) -> Self {
        session.bodies.fetch_add(1, Ordering::AcqRel);
        let comes: BoxFuture<'static, _> = Box::pin(Arc::clone(&session.carried).lock_owned());
        let mut comes = maybe_done(comes);
        // A place is kept for whoever has asked once.
        let _ = Pin::new(&mut comes).now_or_never();
        Self {
            session: Arc::clone(session),
            comes,
        }
    }

    /// Waits until it is this one's turn.
    async fn come(&mut self) -> OwnedMutexGuard<Option<Carried>> {
        let mut comes = Pin::new(&mut self.comes);
        comes.as_mut().await;
        comes.take_output().expect("a turn comes once")
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.session.bodies.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A body that was read.
struct Posted {
    kind: Kind,
    bytes: Bytes,
}

async fn read(headers: &HeaderMap, body: Body, form: &Form, limits: &Limits) -> Result<Posted, Refused> {
    let kind = kind(headers, form).ok_or(Refused::BadRequest)?;
    let most = kind.body_bytes_max(limits);
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most as u64) {
        return Err(Refused::TooLarge);
    }
    let whole = Limited::new(body, most).collect();
    match tokio::time::timeout(Duration::from_millis(limits.frame_ms), whole).await {
        Ok(Ok(body)) => Ok(Posted {
            kind,
            bytes: body.to_bytes(),
        }),
        Ok(Err(fault)) if fault.is::<LengthLimitError>() => Err(Refused::TooLarge),
        Ok(Err(_)) | Err(_) => Err(Refused::BadRequest),
    }
}

/// In which form a body comes; `None` for what no client sends.
fn kind(headers: &HeaderMap, form: &Form) -> Option<Kind> {
    let media = match headers.get(CONTENT_TYPE) {
        Some(value) => Some(value.to_str().ok()?),
        None => None,
    };
    let kind = Kind::of(media, form.script.is_some());
    let essence = media.map(|media| media.split(';').next().unwrap_or(media).trim());
    let known = |name: &str| essence.is_none_or(|essence| essence.eq_ignore_ascii_case(name));
    let fits = match kind {
        Kind::Text => known("text/plain"),
        Kind::Octets => form.version == Version::V3,
        Kind::Form => known("application/x-www-form-urlencoded"),
    };
    fits.then_some(kind)
}

async fn carry_out(mut turn: Turn, posted: Posted) -> Result<(), Refused> {
    let mut held = turn.come().await;
    let session = &turn.session;
    let carried = held.as_mut().filter(|_| !session.mailbox.is_closed());
    let carried = carried.ok_or(Refused::UnknownSid)?;
    carried.meters.bytes_read.inc_by(posted.bytes.len() as u64);
    // Whoever closes and still polls is told nothing any more.
    let goodbye = engine::noop();
    let (incoming, fatal) = carried.decode(|carried, rules, out| {
        let (ear, payloads) = (&mut carried.ear, &mut carried.payloads);
        let mut broken = None;
        let decoded = payloads.decode(
            ear.version,
            posted.kind,
            &posted.bytes,
            rules.limits,
            &mut |heard| {
                if broken.is_none() {
                    broken = ear.hear(heard, &goodbye, rules, out).err();
                }
            },
        );
        match broken {
            Some(fatal) => Err(fatal),
            None => decoded.map_err(|violation| codec::fatal(violation, rules.limits)),
        }
    });
    let closes = matches!(incoming.last(), Some(Incoming::Goodbye(_)));
    let over = Box::pin(session.carry_out(carried, incoming, fatal)).await;
    if over && !closes {
        return Err(Refused::BadRequest);
    }
    if closes {
        let session = Arc::clone(session);
        tokio::spawn(async move {
            tokio::time::sleep(LAST_POLL).await;
            session.mailbox.abort();
        });
    }
    Ok(())
}
