//! A poll: waits until there is something to take, and takes what there is.
//!
//! Invariant: what a poll took is in its answer; a poll whose client has gone ends the session, since nobody knows what
//! it was given.

use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use bongsu_wire::socketio::engine;

use super::answer::{Form, Refused};
use super::line::{Poll, Taken};
use super::service::Engine;
use super::session::{Holds, Session};
use crate::pulse::EndedBy;

/// Answers a poll.
pub(super) async fn poll(engine: &Engine, session: &Session, form: &Form) -> Response {
    let mut taken = match session.line.poll() {
        Poll::Waits(taken) => taken,
        Poll::NotNow => return form.answer(&engine::noop()),
        Poll::Twice => {
            // The one that waits is told that it is over.
            session.abort(EndedBy::Client);
            return Refused::BadRequest.into_response();
        }
        Poll::Over => return Refused::UnknownSid.into_response(),
    };
    let holds = Holds::new(session, None);
    let limits = &engine.websockets.node.ports.limits;
    let most = limits
        .engine_ping_interval_ms
        .saturating_add(limits.engine_ping_timeout_ms);
    let answered = tokio::time::timeout(Duration::from_millis(most), &mut taken).await;
    let answered = match answered {
        Ok(answered) => answered,
        Err(_) => {
            session.line.release();
            taken.await
        }
    };
    holds.done();
    match answered {
        Ok(Taken::Frames(frames)) => form.answer(&frames),
        Ok(Taken::Nothing) => form.answer(&engine::noop()),
        Ok(Taken::Closed) | Err(_) => form.answer(&engine::close()),
    }
}
