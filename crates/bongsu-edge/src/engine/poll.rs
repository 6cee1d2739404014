//! A poll: waits until there is something to take, and takes what there is.
//!
//! Invariant: what a poll took is in its answer; a poll whose client has gone ends the session, since nobody knows what
//! it was given, unless that was nothing and the client is on its way to a WebSocket.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use bongsu_wire::socketio::engine;

use super::answer::{Form, Refused};
use super::line::{Poll, Waiting};
use super::service::Engine;
use super::session::Session;
use crate::pulse::{EndedBy, beat_ms};

/// A client that has probed a WebSocket is about to change to it: a poll that must not wait waits for so long, so that it
/// need not come again and again, and may find that the client has changed.
const CHANGE: Duration = Duration::from_millis(100);

/// Answers a poll.
pub(super) async fn poll(engine: &Engine, session: &Session, mut form: Form) -> Response {
    // What the client cannot read it says at its handshake, or with each request.
    form.binary &= session.binary;
    let waiting = match session.line.poll() {
        Poll::Waits(waiting) => waiting,
        Poll::NotNow => return nothing(session, &form).await,
        Poll::Twice => {
            // The one that waits is told that it is over.
            session.abort(EndedBy::Client);
            return Refused::BadRequest.into_response();
        }
        Poll::Over => return Refused::UnknownSid.into_response(),
    };
    let held = Held::by(session, &waiting);
    let limits = &engine.websockets.node.ports.limits;
    // Told or not, it is answered with what there is.
    let _ = tokio::time::timeout(Duration::from_millis(beat_ms(limits)), waiting.told()).await;
    let frames = take(session, &waiting);
    let answer = if !frames.is_empty() {
        form.answer(&frames)
    } else if session.line.is_over() && !session.line.is_on_socket() {
        // As its next poll would be: told by a packet that it is closed, clients in Python do not come back.
        Refused::UnknownSid.into_response()
    } else {
        nothing(session, &form).await
    };
    session
        .polled_ms
        .store(engine.websockets.node.now().0, Ordering::Relaxed);
    held.done();
    answer
}

/// A poll that is not answered yet. If its client hangs up before, the session ends.
struct Held<'a> {
    session: &'a Session,
    waiting: &'a Arc<Waiting>,
    done: bool,
}

impl<'a> Held<'a> {
    const fn by(session: &'a Session, waiting: &'a Arc<Waiting>) -> Self {
        Self {
            session,
            waiting,
            done: false,
        }
    }

    /// The poll is answered.
    fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // What is taken here is given to nobody. It is looked at first: what waits leaves for polls until there is a socket.
        let lost = !take(self.session, self.waiting).is_empty();
        let changes = self.session.line.is_probed() || self.session.line.is_on_socket();
        if lost || !changes {
            self.session.abort(EndedBy::Client);
        }
    }
}

/// What a poll has taken, and all that is being written to it meanwhile.
pub(super) fn take(session: &Session, waiting: &Arc<Waiting>) -> Vec<u8> {
    // Whoever writes holds the mailbox for as long as it has more.
    let _ = session.mailbox.waiting_bytes();
    session.line.taken(waiting)
}

/// Ends a poll for which there is nothing.
async fn nothing(session: &Session, form: &Form) -> Response {
    if session.line.is_probed() {
        tokio::time::sleep(CHANGE).await;
    }
    if session.line.is_on_socket() {
        return Refused::UnknownSid.into_response();
    }
    form.answer(&engine::noop())
}
