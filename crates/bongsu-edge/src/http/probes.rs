//! What operators' machines ask: alive, ready, which version.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bongsu_model::Code;
use serde::Serialize;
use utoipa::ToSchema;

use super::service::App;

/// The process lives.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "status": "ok" }))]
pub(super) struct Health {
    #[schema(value_type = String)]
    status: &'static str,
}

/// Whether the node can serve, part by part.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "ready": true, "parts": { "node": { "ready": true }, "store": { "ready": true }, "bus": { "ready": true },
    "listeners": { "ready": true } }
}))]
pub(super) struct Readiness {
    ready: bool,
    parts: ReadinessParts,
}

/// Each part.
#[derive(Serialize, ToSchema)]
pub(super) struct ReadinessParts {
    /// It is not stopping.
    node: PartView,
    /// It takes writes.
    store: PartView,
    /// It takes announcements. The bus of one process is a call that cannot fail.
    bus: PartView,
    /// They accept.
    listeners: PartView,
}

/// One part.
#[derive(Serialize, ToSchema)]
pub(super) struct PartView {
    ready: bool,
    /// What is wrong: one of the codes that all protocols share.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    code: Option<&'static str>,
}

impl PartView {
    fn of(ready: bool, code: Code) -> Self {
        Self {
            ready,
            code: (!ready).then(|| code.name()),
        }
    }
}

/// What runs here.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "name": "bongsu", "version": "0.1.0" }))]
pub(super) struct VersionView {
    #[schema(value_type = String)]
    name: &'static str,
    #[schema(value_type = String)]
    version: &'static str,
}

/// The process lives.
#[utoipa::path(get, operation_id = "probes_healthz", path = "/healthz", tag = "probes", security(()), responses((status = 200, description = "It lives", body = Health)))]
pub(super) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The node can serve.
#[utoipa::path(get, operation_id = "probes_readyz", path = "/readyz", tag = "probes", security(()), responses((status = 200, description = "It can serve", body = Readiness),
    (status = 503, description = "It cannot", body = Readiness)))]
pub(super) async fn readyz(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let stopping = app.node.is_stopping();
    // A node that stops asks its store no more.
    let store = app.node.ready().await;
    let parts = ReadinessParts {
        node: PartView::of(!stopping, Code::ShuttingDown),
        store: PartView::of(
            store.is_ok() || stopping,
            store.map_or_else(|refusal| refusal.code, |()| Code::Overloaded),
        ),
        // A bus between processes gets a canary here: one announcement to oneself.
        bus: PartView::of(true, Code::Overloaded),
        listeners: PartView::of(!app.listening.lock().is_empty(), Code::Overloaded),
    };
    let ready = parts.node.ready && parts.store.ready && parts.bus.ready && parts.listeners.ready;
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Readiness { ready, parts }))
}

/// What runs here.
#[utoipa::path(get, operation_id = "probes_version", path = "/version", tag = "probes", security(()), responses((status = 200, description = "Name and version", body = VersionView)))]
pub(super) async fn version(State(app): State<App>) -> Json<VersionView> {
    Json(VersionView {
        name: "bongsu",
        version: app.version,
    })
}

/// This description.
#[utoipa::path(get, operation_id = "probes_openapi_json", path = "/openapi.json", tag = "descriptions", security(()),
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json")))]
pub(super) async fn openapi_json() -> Response {
    ([(CONTENT_TYPE, "application/json")], super::openapi::json()).into_response()
}

/// This description, as YAML.
#[utoipa::path(get, operation_id = "probes_openapi_yaml", path = "/openapi.yaml", tag = "descriptions", security(()),
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/yaml")))]
pub(super) async fn openapi_yaml() -> Response {
    ([(CONTENT_TYPE, super::yaml::MEDIA_TYPE)], super::openapi::yaml()).into_response()
}
