//! The table of contents: every path and who serves it.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, delete, get, post, put};
use bongsu_model::Code;

use super::problem::{Problem, Says};
use super::service::App;
use super::{
    announcements, asyncapi, audit, blocks, caller, docs, idempotency, members, messages, metrics, outer,
    probes, rooms, sessions, status, tokens, users, video_rooms, websocket,
};
use crate::engine::Engine;

/// All of it.
pub(super) fn router(app: &App) -> Router {
    let api = Router::new()
        .route("/users", post(users::create).get(users::list))
        .route(
            "/users/by-public-token/{public_token}",
            get(users::read_by_public_token),
        )
        .route("/users/{user}", get(users::read_one).patch(users::update))
        .route(
            "/users/{user}/tokens",
            post(tokens::create).delete(tokens::revoke_all),
        )
        .route("/users/{user}/tokens/{token_id}", delete(tokens::revoke_one))
        .route("/users/{user}/blocks", get(blocks::list))
        .route(
            "/users/{user}/blocks/{other}",
            post(blocks::add).delete(blocks::remove),
        )
        .route("/users/{user}/ban", post(users::ban).delete(users::unban))
        .route("/users/{user}/disconnect", post(users::disconnect))
        .route("/users/{user}/sessions", get(users::sessions))
        .route("/tokens/revoke", post(tokens::revoke))
        .route("/rooms", post(rooms::create).get(rooms::list))
        .route("/rooms/{room}", get(rooms::read_one))
        .route("/rooms/{room}/members", get(members::list))
        .route(
            "/rooms/{room}/members/{user}",
            put(members::add).delete(members::remove),
        )
        .route(
            "/rooms/{room}/messages",
            post(messages::create).get(messages::list),
        )
        .route("/rooms/{room}/presence", get(members::presence))
        .route("/announcements", post(announcements::create))
        .route("/video-rooms", get(video_rooms::list))
        .route(
            "/video-rooms/{video_room_id}",
            get(video_rooms::read_one).delete(video_rooms::end),
        )
        .route("/sessions", get(sessions::list))
        .route("/sessions/{session_id}", delete(sessions::end))
        .route("/audit", get(audit::list))
        .route_layer(from_fn_with_state(Arc::clone(app), idempotency::carry_out))
        .route_layer(from_fn_with_state(Arc::clone(app), caller::authenticate));
    engines(app)
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .route("/version", get(probes::version))
        .route("/status", get(status::status))
        .route("/metrics", get(metrics::metrics))
        .route("/ws", get(websocket::open))
        .route("/openapi.json", get(probes::openapi_json))
        .route("/openapi.yaml", get(probes::openapi_yaml))
        .route("/asyncapi.json", get(asyncapi::json))
        .route("/asyncapi.yaml", get(asyncapi::yaml))
        .route("/docs", get(docs::page))
        .route("/docs/", get(docs::with_slash))
        .route("/docs/{file}", get(docs::asset))
        .nest("/api/v1", api)
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(Arc::clone(app), outer::outer))
        .with_state(Arc::clone(app))
}

/// Engine.IO, with and without the slash at the end of its path. By every method: clients know its own refusals.
fn engines(app: &App) -> Router<App> {
    app.engines.iter().fold(Router::new(), |router, engine| {
        let answer = |engine: Arc<Engine>| any(move |request| async move { engine.answer(request).await });
        let path = engine.path();
        router
            .route(path, answer(Arc::clone(engine)))
            .route(&format!("{path}/"), answer(Arc::clone(engine)))
    })
}

async fn no_route() -> Problem {
    Problem::no_route()
}

async fn no_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        Code::InvalidAction,
        "no_such_method",
        Says::Method,
    )
}
