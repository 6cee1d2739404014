//! Calls that change something: carried out to their end, and with an `Idempotency-Key` once.
//!
//! Invariant: a call that was begun ends even if its client leaves. Of two calls with one key of one caller, the second
//! waits for the first and is answered alike. Refusals are not kept: they changed nothing.
//! An answer that shows a secret is kept without its body, and its repeat is refused.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bongsu_model::{Code, Refusal};
use bongsu_node::usecases::operate::StoredAnswer;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use parking_lot::Mutex;

use super::body::collect;
use super::caller::Caller;
use super::problem::{Problem, Says};
use super::service::App;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const KEY_BYTES_MAX: usize = 255;

/// Marks an answer whose body holds a secret that is shown once.
#[derive(Clone, Copy)]
pub(super) struct ShownOnce;

/// The keys of calls that are being done.
#[derive(Default)]
pub(super) struct InFlight(Mutex<HashMap<Arc<str>, Turn>>);

type Turn = Arc<tokio::sync::Mutex<()>>;

/// A place among the calls of one key; the key is forgotten with the last of them.
struct Slot {
    app: App,
    name: Arc<str>,
    turn: Option<Turn>,
    held: Option<tokio::sync::OwnedMutexGuard<()>>,
}

impl Slot {
    /// Waits until no other call with this name is being done.
    async fn enter(app: &App, name: Arc<str>) -> Self {
        let turn = Arc::clone(app.in_flight.0.lock().entry(Arc::clone(&name)).or_default());
        let mut slot = Self {
            app: Arc::clone(app),
            name,
            turn: Some(Arc::clone(&turn)),
            held: None,
        };
        slot.held = Some(turn.lock_owned().await);
        slot
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.held = None;
        let mut calls = self.app.in_flight.0.lock();
        self.turn = None;
        // Others take their part of it only under this lock, so one part left is the map's own.
        if calls
            .get(&self.name)
            .is_some_and(|turn| Arc::strong_count(turn) == 1)
        {
            calls.remove(&self.name);
        }
    }
}

/// Carries a call out: to its end once it was begun, and only once if it is a POST with a key.
pub(super) async fn carry_out(
    State(app): State<App>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let key = key(request.headers())?.filter(|_| request.method() == Method::POST);
    if request.method().is_safe() {
        return Ok(next.run(request).await);
    }
    let (parts, body) = request.into_parts();
    let body = collect(&parts.headers, body, app.limits().http_body_bytes_max).await?;
    let Some(key) = key else {
        return to_the_end(next.run(Request::from_parts(parts, Body::from(body)))).await;
    };
    let call = Call::new(caller, &key, &parts, &body);
    let slot = Slot::enter(&app, Arc::clone(&call.name)).await;
    let kept = app
        .node
        .kept_answer(&call.caller.by, Arc::clone(&call.name))
        .await?;
    if let Some(kept) = kept {
        return replay(&kept, &call.hash);
    }
    let request = Request::from_parts(parts, Body::from(body));
    to_the_end(async move {
        let response = next.run(request).await;
        keep(&slot.app, &call, response).await
    })
    .await
}

/// Carries a call out to its end, for calls that know keys of their own.
pub(super) async fn see_through(request: Request, next: Next) -> Result<Response, Problem> {
    if request.method().is_safe() {
        return Ok(next.run(request).await);
    }
    to_the_end(next.run(request)).await
}

/// Runs a call in a task of its own: it must not stop between what it did and what it has to tell the rooms because
/// its client hung up or its time was over.
async fn to_the_end(call: impl Future<Output = Response> + Send + 'static) -> Result<Response, Problem> {
    let done = tokio::spawn(call).await;
    done.map_err(|_| Refusal::new(Code::InternalError).into())
}

struct Call {
    name: Arc<str>,
    hash: [u8; 32],
    caller: Caller,
}

impl Call {
    fn new(caller: Caller, key: &str, parts: &Parts, body: &Bytes) -> Self {
        // A token's subject and an API key may have the same name; their calls are apart.
        let by = if caller.by_key { "key" } else { "token" };
        let role = caller.by.principal.role.name();
        Self {
            name: format!("{by}:{role}:{}:{key}", caller.by.name).into(),
            hash: hash(parts, body),
            caller,
        }
    }
}

async fn keep(app: &App, call: &Call, response: Response) -> Response {
    if !response.status().is_success() {
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = body.collect().await else {
        return Problem::from(Refusal::new(Code::InternalError)).into_response();
    };
    let body = body.to_bytes();
    let shown_once = parts.extensions.get::<ShownOnce>().is_some();
    let kept = if shown_once { Bytes::new() } else { body.clone() };
    let answer = StoredAnswer {
        request_hash: call.hash,
        status: parts.status.as_u16(),
        body: Arc::from(&kept[..]),
    };
    // The deed is done: that a repeat of it would be done again is for the log, which the node has written.
    let _ = app
        .node
        .keep_answer(&call.caller.by, Arc::clone(&call.name), answer)
        .await;
    Response::from_parts(parts, Body::from(body))
}

fn replay(kept: &StoredAnswer, hash: &[u8; 32]) -> Result<Response, Problem> {
    if kept.request_hash != *hash {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            Code::InvalidData,
            "idempotency_key_reused",
            Says::KeyReused,
        ));
    }
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    if kept.body.is_empty() && status != StatusCode::NO_CONTENT {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            Code::InvalidData,
            "shown_once",
            Says::ShownOnce,
        ));
    }
    let mut response = (status, Bytes::copy_from_slice(&kept.body)).into_response();
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    if !kept.body.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// The key of a call, if it has one.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    const WRONG: Problem = Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        Code::InvalidData,
        "idempotency_key",
        Says::KeyMalformed,
    );
    let mut keys = headers.get_all(KEY).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let bytes = key.as_bytes();
    let fits = (1..=KEY_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    if !fits || keys.next().is_some() {
        return Err(WRONG);
    }
    Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
}

/// What makes a request the same: its method, its address and its body.
fn hash(parts: &Parts, body: &Bytes) -> [u8; 32] {
    let address = parts.uri.path_and_query().map_or("", |address| address.as_str());
    let mut all = format!("{} {address}\n", parts.method).into_bytes();
    all.extend_from_slice(body);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, &all).as_ref());
    hash
}
