//! A body of packets: read, decoded, carried out, and only then answered.
//!
//! Invariant: one body at a time; whoever is not answered yet is held back by what its requests wait for.

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
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::answer::{self, Form, Refused};
use super::codec;
use super::service::Engine;
use super::session::{Holds, Session};
use crate::pulse::EndedBy;

/// A client that closes may have sent a poll before, which is on its way on another connection: it is answered if it comes
/// so soon.
const LAST_POLL: Duration = Duration::from_millis(100);

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
    let carrying = tokio::spawn(carry_out(Arc::clone(session), body));
    let answer = match carrying.await {
        Ok(Ok(())) => answer::ok(),
        Ok(Err(refused)) => refused.into_response(),
        // It has panicked, which is told elsewhere.
        Err(_) => return Refused::BadRequest.into_response(),
    };
    holds.done();
    answer
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

async fn carry_out(session: Arc<Session>, posted: Posted) -> Result<(), Refused> {
    let mut held = session.carried.lock().await;
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
        let session = Arc::clone(&session);
        tokio::spawn(async move {
            tokio::time::sleep(LAST_POLL).await;
            session.mailbox.abort();
        });
    }
    Ok(())
}
