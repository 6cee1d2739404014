//! What requests of Engine.IO are answered with, in HTTP.
//!
//! Invariant: a refusal is one of those that clients know by their codes, and says nothing of what is here.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bongsu_wire::socketio::engine::{self, Payload, Version};

use super::sessions::NodeTag;

/// Which node a session is on.
pub(super) const NODE: HeaderName = HeaderName::from_static("bongsu-node");

/// Why a request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refused {
    Transport,
    UnknownSid,
    /// The session is on the node of that name.
    Elsewhere(NodeTag),
    Method,
    BadRequest,
    Forbidden,
    Version,
    /// A body over the limit.
    TooLarge,
    /// No place is left on this node, or for this address.
    Full,
    /// This node takes nobody any more.
    Stopping,
}

impl Refused {
    const fn parts(self) -> (StatusCode, &'static str) {
        match self {
            Self::Transport => (
                StatusCode::BAD_REQUEST,
                r#"{"code":0,"message":"Transport unknown"}"#,
            ),
            Self::UnknownSid | Self::Elsewhere(_) => (
                StatusCode::BAD_REQUEST,
                r#"{"code":1,"message":"Session ID unknown"}"#,
            ),
            Self::Method => (
                StatusCode::BAD_REQUEST,
                r#"{"code":2,"message":"Bad handshake method"}"#,
            ),
            Self::BadRequest => (StatusCode::BAD_REQUEST, r#"{"code":3,"message":"Bad request"}"#),
            Self::Forbidden => (StatusCode::FORBIDDEN, r#"{"code":4,"message":"Forbidden"}"#),
            Self::Version => (
                StatusCode::BAD_REQUEST,
                r#"{"code":5,"message":"Unsupported protocol version"}"#,
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                r#"{"code":3,"message":"Payload too large"}"#,
            ),
            Self::Full => (
                StatusCode::SERVICE_UNAVAILABLE,
                r#"{"code":3,"message":"Too many connections"}"#,
            ),
            Self::Stopping => (
                StatusCode::SERVICE_UNAVAILABLE,
                r#"{"code":3,"message":"Shutting down"}"#,
            ),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, body) = self.parts();
        let mut response = said(status, "application/json", Body::from(body));
        let headers = response.headers_mut();
        if matches!(self, Self::Full | Self::Stopping) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if matches!(self, Self::TooLarge) {
            // The rest of the body is not read, so nothing can come behind it.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Self::Elsewhere(tag) = self
            && let Ok(tag) = HeaderValue::try_from(tag.text())
        {
            // Whoever balances may learn where to.
            headers.insert(NODE, tag);
        }
        response
    }
}

/// A body is carried out.
pub(super) fn ok() -> Response {
    said(StatusCode::OK, "text/html", Body::from("ok"))
}

/// In which form a client reads what it polls for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Form {
    pub(super) version: Version,
    /// It reads bytes.
    pub(super) binary: bool,
    /// It polls by scripts; the number of the one that is called.
    pub(super) script: Option<String>,
}

impl Form {
    /// Frames as the answer to a poll.
    pub(super) fn answer(&self, frames: &[u8]) -> Response {
        let mut payload = self.payload(frames);
        if payload.packets == 0 {
            payload = self.payload(&engine::noop());
        }
        said(StatusCode::OK, payload.content_type, Body::from(payload.body))
    }

    fn payload(&self, frames: &[u8]) -> Payload {
        match &self.script {
            Some(index) => engine::script(self.version, index, frames),
            None => engine::payload(self.version, self.binary, frames),
        }
    }
}

fn said(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
