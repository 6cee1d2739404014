//! Server-sent events: what a watcher is told, as long as it stays.
//!
//! Invariant: at most one event waits for a watcher, which hears the latest when it is slow; a stream ends when its watcher
//! leaves, when it has lasted its time, and when the server stops.

use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use utoipa::IntoParams;

use super::problem::Problem;
use super::serve::Hold;
use super::service::App;

/// A watcher that nothing is told for so long is told that: proxies cut what is silent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A stream lasts so long; whoever goes on watching comes back, and is looked at again.
const LASTS: Duration = Duration::from_secs(15 * 60);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const MEDIA: HeaderValue = HeaderValue::from_static("text/event-stream");
/// What proxies of the kind of nginx understand.
const UNBUFFERED: (HeaderName, HeaderValue) = (
    HeaderName::from_static("x-accel-buffering"),
    HeaderValue::from_static("no"),
);

/// Where a watcher stopped.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents a header")]
pub(super) struct LastEventId {
    /// The `id` of the last event that was seen: what it told is not told again.
    #[param(rename = "Last-Event-ID")]
    last_event_id: Option<String>,
}

/// A stream of events that a request may be answered with.
pub(super) struct Events {
    last: Option<String>,
    stopping: watch::Receiver<bool>,
    hold: Option<Hold>,
}

impl FromRequestParts<App> for Events {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let last = parts.headers.get(LAST_EVENT_ID);
        Ok(Self {
            last: last.and_then(|value| value.to_str().ok()).map(str::to_owned),
            stopping: app.stopping.subscribe(),
            hold: parts.extensions.get().cloned(),
        })
    }
}

impl Events {
    /// The last event that the watcher has seen.
    pub(super) fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// The answer: whatever `tell` puts into it, until it ends.
    pub(super) fn tell<F>(self, tell: impl FnOnce(Watcher) -> F) -> Response
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (to, events) = mpsc::channel(1);
        let gone = to.clone();
        let told = tell(Watcher(to));
        let (mut stopping, hold) = (self.stopping, self.hold);
        tokio::spawn(async move {
            tokio::select! {
                () = told => {}
                () = gone.closed() => {}
                () = tokio::time::sleep(LASTS) => {}
                // The sender is gone only when the server is.
                _ = stopping.wait_for(|stopping| *stopping) => {}
            }
            drop(hold);
        });
        let events = stream::unfold(events, |mut events| async move {
            let next = match tokio::time::timeout(KEEP_ALIVE, events.recv()).await {
                Ok(event) => event?,
                Err(_) => Bytes::from_static(b":\n\n"),
            };
            Some((Ok::<_, std::convert::Infallible>(next), events))
        });
        let mut response = Response::new(Body::from_stream(events));
        response.headers_mut().insert(CONTENT_TYPE, MEDIA);
        response.headers_mut().insert(UNBUFFERED.0, UNBUFFERED.1);
        response
    }
}

/// Whoever watches.
pub(super) struct Watcher(mpsc::Sender<Bytes>);

impl Watcher {
    /// Tells it something, once it has taken what was told before.
    pub(super) async fn put(&self, name: &str, id: Option<&str>, what: &impl Serialize) {
        let json = serde_json::to_string(what).expect("a document of texts and numbers");
        let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        // JSON on one line: an event's data ends with it.
        let event = format!("{id}event: {name}\ndata: {json}\n\n");
        // Who has left hears nothing.
        let _ = self.0.send(event.into()).await;
    }
}
