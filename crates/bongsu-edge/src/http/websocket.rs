//! `/ws`: what HTTP has to do with it.

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, SEC_WEBSOCKET_VERSION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bongsu_model::Code;

use super::caller::bearer;
use super::problem::{Problem, Says};
use super::service::App;
use crate::origin::Stranger;
use crate::websocket::NotUpgraded;

/// A WebSocket of the type protocol (`bongsu.type.v1`, the default) or of the action protocol (`bongsu.action.v1`).
#[utoipa::path(get, operation_id = "websocket_open", path = "/ws", tag = "websocket", security(()),
    params(("token" = Option<String>, Query, description = "An access token, for those who can set no header; signs in at once"),
        ("locale" = Option<String>, Query, description = "The language of texts: en or ko")),
    responses((status = 101, description = "Upgraded; /asyncapi.yaml says what is spoken"),
    (status = 400, description = "Not a WebSocket handshake, or a subprotocol that is not spoken here", body = super::problem::ProblemDocument),
    (status = 403, description = "The page's origin may not", body = super::problem::ProblemDocument),
    (status = 426, description = "Another version of the protocol", body = super::problem::ProblemDocument)))]
pub(super) async fn open(State(app): State<App>, request: Request) -> Response {
    let token = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(bearer)
        .map(str::to_owned);
    match app.websockets.upgrade(request, token.as_deref()) {
        Ok(response) => response,
        Err(not) => refused(not),
    }
}

pub(super) fn refused(not: NotUpgraded) -> Response {
    let (status, code, reason) = match not {
        NotUpgraded::NoHandshake => (StatusCode::BAD_REQUEST, Code::InvalidData, "no_handshake"),
        NotUpgraded::Version => (StatusCode::UPGRADE_REQUIRED, Code::InvalidData, "version"),
        NotUpgraded::Subprotocol | NotUpgraded::DeviceSubprotocol => {
            (StatusCode::BAD_REQUEST, Code::InvalidData, "subprotocol")
        }
        NotUpgraded::Stranger(Stranger::Origin) => (StatusCode::FORBIDDEN, Code::PermissionDenied, "origin"),
        NotUpgraded::Stranger(Stranger::Host) => (StatusCode::FORBIDDEN, Code::PermissionDenied, "host"),
    };
    let says = Says::NotUpgraded(not);
    let mut response = Problem::new(status, code, reason, says).into_response();
    if not == NotUpgraded::Version {
        response
            .headers_mut()
            .insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    response
}
