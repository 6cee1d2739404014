//! Who calls: a bearer's token or an API key, checked once for each call.
//!
//! Invariant: a handler under `/api/v1` runs only with a [`Caller`]; no credential is logged or kept.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use bongsu_model::{Code, Refusal};
use bongsu_node::usecases::operate::Operator;

use super::problem::{Problem, Says};
use super::service::App;
use crate::websocket::Peer;

const API_KEY: &str = "x-api-key";

/// Who calls.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) by: Arc<Operator>,
    /// By a key or by a token: the names of both are apart.
    pub(super) by_key: bool,
    /// Where the call comes from, if known.
    pub(super) from: Option<IpAddr>,
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(missing)
    }
}

/// Lets a call through that says who calls.
pub(super) async fn authenticate(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let mut caller = identify(&app, request.headers()).await?;
    caller.from = request.extensions().get::<Peer>().map(|peer| peer.address);
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

fn missing() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        Code::InvalidToken,
        "missing",
        Says::Credentials,
    )
}

/// Who signs a call with these headers.
pub(super) async fn identify(app: &App, headers: &HeaderMap) -> Result<Caller, Problem> {
    let mut tokens = headers.get_all(AUTHORIZATION).iter();
    let mut keys = headers.get_all(API_KEY).iter();
    match (
        tokens.next(),
        keys.next(),
        tokens.next().is_some() || keys.next().is_some(),
    ) {
        (Some(token), None, false) => {
            let token = bearer(token).ok_or_else(missing)?;
            let by = app.node.operator(token).await?;
            Ok(Caller {
                by: Arc::new(by),
                by_key: false,
                from: None,
            })
        }
        (None, Some(key), false) => by_key(app, key),
        (None, None, _) => Err(missing()),
        (Some(_), _, _) | (None, Some(_), true) => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            Code::InvalidToken,
            "two_credentials",
            Says::TwoCredentials,
        )),
    }
}

fn by_key(app: &App, key: &HeaderValue) -> Result<Caller, Problem> {
    let keys = Arc::clone(&app.api_keys.read());
    let holder = keys
        .find(key.as_bytes())
        .ok_or(Refusal::because(Code::InvalidToken, "unknown_key"))?;
    let by = Operator::api_key(Arc::clone(&holder.name), holder.role);
    Ok(Caller {
        by: Arc::new(by),
        by_key: true,
        from: None,
    })
}

/// The token of `Bearer <token>`.
pub(crate) fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

impl Caller {
    /// Whether it acts for the application or runs it.
    pub(super) fn is_operator(&self) -> bool {
        self.by.principal.is_operator()
    }
}
