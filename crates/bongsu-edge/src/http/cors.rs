//! Pages of other origins: nobody by default, or those in the configuration.
//!
//! Invariant: nothing here trusts a browser's credentials (cookies); tokens are sent by the page itself. Cookies of load
//! balancers may pass to Socket.IO, from origins that are named.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
const HEADERS: &str =
    "authorization, content-type, idempotency-key, x-api-key, x-request-id, accept-language";
const EXPOSED: &str = "retry-after, x-request-id, idempotent-replayed, bongsu-node";
/// Where polls of one session may have to find one node behind a load balancer.
const SOCKETIO: &str = "/socket.io/";

/// An origin whose pages may call.
#[derive(Clone)]
pub(super) struct Allowed {
    origin: HeaderValue,
    /// Whether its pages may send cookies along: a load balancer's, which only stick a session to its node.
    cookies: bool,
}

/// The request's origin, if its pages may call.
pub(super) fn allowed(origins: &[Arc<str>], request: &Request) -> Option<Allowed> {
    let origin = request.headers().get(ORIGIN)?;
    let named = origins.iter().any(|known| known.as_bytes() == origin.as_bytes());
    (named || origins.iter().any(|known| &**known == "*")).then(|| Allowed {
        origin: origin.clone(),
        cookies: named && request.uri().path().starts_with(SOCKETIO),
    })
}

/// The answer to a browser that asks before it calls.
pub(super) fn preflight(method: &Method, headers: &HeaderMap) -> Option<Response> {
    if *method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let answer = [
        (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    Some((StatusCode::NO_CONTENT, answer).into_response())
}

/// Lets the page of an allowed origin read an answer.
pub(super) fn open(headers: &mut HeaderMap, allowed: Allowed) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed.origin);
    if allowed.cookies {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    headers.append(VARY, HeaderValue::from_static("origin"));
}
