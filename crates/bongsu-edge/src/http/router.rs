//! The table of contents: every path and who serves it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, delete, get, post, put};
use bongsu_model::Code;

use super::problem::{Problem, Says};
use super::service::App;
use super::{
    announcements, asyncapi, audit, blocks, caller, catalogue, commands, device, devices, display_bulk,
    displays, docs, events, grpc, idempotency, leases, members, messages, metrics, nodes, outer, preset_runs,
    presets, probes, rooms, sessions, state, status, telemetry, tokens, users, vehicles, video_rooms,
    websocket,
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
        .merge(of_nodes())
        .merge(of_devices())
        .merge(of_displays())
        .route_layer(from_fn_with_state(Arc::clone(app), idempotency::carry_out))
        .merge(commands())
        .route_layer(from_fn_with_state(Arc::clone(app), caller::authenticate));
    grpc::routes(app, engines(app))
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .route("/version", get(probes::version))
        .route("/status", get(status::status))
        .route("/metrics", get(metrics::metrics))
        .route("/ws", get(websocket::open))
        .route("/device", get(device::open))
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

/// Nodes, and what happens on them.
fn of_nodes() -> Router<App> {
    Router::new()
        .route("/nodes", get(nodes::list))
        .route("/nodes/{node}", get(nodes::read_one))
        .route("/nodes/{node}/drain", post(nodes::drain))
        .route("/nodes/{node}/shed", post(nodes::shed))
        .route("/audit", get(audit::list))
        .route("/events", get(events::watch))
}

/// Devices, but for their commands.
fn of_devices() -> Router<App> {
    Router::new()
        .route("/devices", post(devices::create).get(devices::list))
        .route(
            "/devices/{device}",
            get(devices::read_one).delete(devices::remove),
        )
        .route(
            "/devices/{device}/enrolments",
            post(devices::enrol).delete(devices::revoke_enrolments),
        )
        .route("/devices/{device}/connection", get(device::connection))
        .route("/devices/{device}/disconnect", post(devices::disconnect))
        .route(
            "/devices/{device}/state",
            get(state::read_one).put(state::replace).patch(state::patch),
        )
        .route("/devices/{device}/state/watch", get(state::watch))
        .route("/devices/{device}/telemetry", get(telemetry::read_one))
        .route("/devices/{device}/telemetry/watch", get(telemetry::watch))
        .route(
            "/devices/{device}/lease",
            post(leases::take).get(leases::read_one).delete(leases::release),
        )
        .route("/catalogue", get(catalogue::read_one))
}

/// Displays and presets, but for what one display is told to do.
fn of_displays() -> Router<App> {
    Router::new()
        .route("/presets", post(presets::create).get(presets::list))
        .route(
            "/presets/{preset}",
            get(presets::read_one)
                .put(presets::replace)
                .delete(presets::remove),
        )
        .route("/presets/{preset}/execute", post(preset_runs::execute))
        .route("/presets/{preset}/stop", post(preset_runs::stop))
        .route("/displays", post(display_bulk::register).get(displays::list))
        .route("/displays/rename", post(display_bulk::rename_all))
        .route("/displays/{display}", get(displays::read_one))
}

/// Commands: the key of a call is the command's own, and kept with it.
fn commands() -> Router<App> {
    Router::new()
        .route(
            "/devices/{device}/commands",
            post(commands::create).get(commands::list),
        )
        .route(
            "/commands/{command}",
            get(commands::read_one).delete(commands::cancel),
        )
        .route("/commands/{command}/watch", get(commands::watch))
        .route("/displays/{display}/execute", post(displays::execute))
        .route("/displays/{display}/stop", post(displays::stop))
        .route("/vehicle/{device}/{part}/{action}", post(vehicles::act))
        .route("/vehicles/{device}/{part}/{action}", post(vehicles::act_too))
        .route_layer(from_fn(idempotency::see_through))
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

async fn no_route(State(app): State<App>, request: Request) -> Response {
    if grpc::is_call(request.headers()) {
        return grpc::no_service(&app);
    }
    Problem::no_route().into_response()
}

async fn no_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        Code::InvalidAction,
        "no_such_method",
        Says::Method,
    )
}
