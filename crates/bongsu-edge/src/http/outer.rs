//! What every request passes on its way in and out: its id, its bounds, its problem document, its headers.
//!
//! Invariant: no answer leaves that has not passed here; the log has ids and never bodies.

use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bongsu_model::{Code, Locale, Refusal};
use tokio::time::Instant;

use super::cors;
use super::problem::{Problem, Says};
use super::service::App;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_BYTES_MAX: usize = 128;
/// When whoever finds all places taken may try again.
const BUSY_RETRY_MS: u64 = 1_000;

/// Around everything.
pub(super) async fn outer(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let request_id = request_id(&app, request.headers());
    let locale = locale_of(&app, request.headers());
    let allowed = cors::allowed(&app.cors_origins, &request);
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let api = request.uri().path().starts_with("/api/");
    // A poll waits for as long as its own time lasts, which says nothing of how fast the server is.
    let path = request.uri().path();
    let waits = app.engines.iter().any(|engine| engine.serves(path));
    let preflight = allowed
        .is_some()
        .then(|| cors::preflight(&method, request.headers()))
        .flatten();

    let mut response = match preflight {
        Some(answer) => answer,
        None => bounded(&app, request, next, api, waits).await,
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        app.node.counters.refused(problem.refusal.code);
        app.meters.refused(&problem.refusal);
        let said = std::mem::take(response.headers_mut());
        response = problem.render(locale, &request_id);
        // What was said in headers beside the refusal holds: which methods or versions are spoken.
        response.headers_mut().extend(said);
    }
    let headers = response.headers_mut();
    if let Some(allowed) = allowed {
        cors::open(headers, allowed);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The one page has its own.
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
    if api {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert(REQUEST_ID, value);
    }
    let (status, took) = (response.status().as_u16(), began.elapsed());
    let measured = (!waits).then_some(took);
    app.meters
        .http(route.as_deref(), method.as_str(), status, measured);
    tracing::debug!(%request_id, %method, route, status, took_ms = took.as_millis(), "answered");
    response
}

/// Within the bounds of headers, number and time.
async fn bounded(app: &App, request: Request, next: Next, api: bool, waits: bool) -> Response {
    let limits = app.limits();
    if header_bytes(request.headers()) > limits.http_header_bytes_max {
        return Problem::headers_too_large(limits.http_header_bytes_max).into_response();
    }
    // HTTP/1.1 has it in a header, HTTP/2 in the address.
    let hosts = request.headers().get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        return Problem::new(StatusCode::BAD_REQUEST, Code::InvalidData, "host", Says::Host).into_response();
    }
    // Probes must answer also when all places are taken.
    let _place = if api {
        let Ok(place) = app.busy.try_acquire() else {
            return Problem::from(Refusal::retry(Code::Overloaded, BUSY_RETRY_MS)).into_response();
        };
        Some(place)
    } else {
        None
    };
    if waits {
        return next.run(request).await;
    }
    let answer = tokio::time::timeout(Duration::from_millis(limits.http_request_ms), next.run(request)).await;
    answer.unwrap_or_else(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Code::Overloaded,
            "timeout",
            Says::Timeout,
        )
        .into_response()
    })
}

fn header_bytes(headers: &HeaderMap) -> usize {
    // `: ` and the end of the line.
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum()
}

/// The caller's own id of the request if it is harmless, or a fresh one.
fn request_id(app: &App, headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let harmless = |id: &&str| {
        (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
    };
    given
        .filter(harmless)
        .map_or_else(|| format!("{:032x}", app.node.ports.chance.bits()), str::to_owned)
}

/// The language that a caller is answered in.
pub(super) fn locale_of(app: &App, headers: &HeaderMap) -> Locale {
    locale(headers).unwrap_or(app.locale)
}

/// The language of ours that the caller likes best.
fn locale(headers: &HeaderMap) -> Option<Locale> {
    let wanted = headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?;
    let mut best: Option<(u16, Locale)> = None;
    for range in wanted.split(',').take(32) {
        let mut parts = range.split(';').map(str::trim);
        let Some(locale) = parts
            .next()
            .and_then(|tag| Locale::parse(&tag.to_ascii_lowercase()))
        else {
            continue;
        };
        let quality = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(Some(1_000), quality)
            .unwrap_or(0);
        if quality > best.map_or(0, |(quality, _)| quality) {
            best = Some((quality, locale));
        }
    }
    best.map(|(_, locale)| locale)
}

/// `0.8` as 800.
fn quality(text: &str) -> Option<u16> {
    let value: f32 = text.parse().ok()?;
    (0.0..=1.0).contains(&value).then_some((value * 1_000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &'static str) -> Option<Locale> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(value));
        locale(&headers)
    }

    #[test]
    fn the_language_liked_best_is_taken() {
        assert_eq!(of("ko-KR,ko;q=0.9,en;q=0.8"), Some(Locale::Ko));
        assert_eq!(of("fr, en;q=0.5, ko;q=0.7"), Some(Locale::Ko));
        assert_eq!(of("en, ko"), Some(Locale::En));
        assert_eq!(of("ko;q=0, en;q=0.1"), Some(Locale::En));
        assert_eq!(of("fr"), None);
        assert_eq!(of("ko;q=NaN"), None);
    }
}
