//! What operators' machines ask: alive, ready, which version.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bongsu_model::Code;
use bongsu_model::cluster::NodeState;
use bongsu_node::cluster::{NodeView as Known, Standing};
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
    "ready": true, "state": "ready", "parts": { "node": { "ready": true }, "store": { "ready": true }, "bus": { "ready": true },
    "listeners": { "ready": true } }, "nodes": { "known": 3, "heard": 3, "serving": 3 }
}))]
pub(super) struct Readiness {
    ready: bool,
    /// `ready`; `degraded`: what was asked of this node alone is still done, the other nodes hear nothing of it and it of them;
    /// `down`.
    #[schema(value_type = String, pattern = "^(ready|degraded|down)$")]
    state: &'static str,
    parts: ReadinessParts,
    nodes: NodesView,
}

/// How many nodes there are, this one included.
#[derive(Serialize, ToSchema)]
pub(super) struct NodesView {
    /// Heard a while ago, at least.
    known: usize,
    /// Heard a moment ago.
    heard: usize,
    /// Of them, those that let clients in.
    serving: usize,
}

impl NodesView {
    fn of(nodes: &[Known]) -> Self {
        let heard = nodes.iter().filter(|it| it.standing == Standing::Live);
        let serving = heard.clone().filter(|it| it.beat.state == NodeState::Serving);
        Self {
            known: nodes.len(),
            heard: heard.count(),
            serving: serving.count(),
        }
    }
}

/// Each part.
#[derive(Serialize, ToSchema)]
pub(super) struct ReadinessParts {
    /// It lets clients in: it neither stops nor drains.
    node: PartView,
    /// It takes writes.
    store: PartView,
    /// What this node says to itself over it comes back. The bus of one process is a call that cannot fail.
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
        node: PartView::of(!app.node.takes_nobody(), Code::ShuttingDown),
        store: PartView::of(
            store.is_ok() || stopping,
            store.map_or_else(|refusal| refusal.code, |()| Code::Overloaded),
        ),
        bus: PartView::of(app.node.is_heard_by_others(), Code::Overloaded),
        listeners: PartView::of(!app.listening.lock().is_empty(), Code::Overloaded),
    };
    let alone = parts.node.ready && parts.store.ready && parts.listeners.ready;
    let ready = alone && parts.bus.ready;
    let state = match (ready, alone) {
        (true, _) => "ready",
        (false, true) => "degraded",
        (false, false) => "down",
    };
    let nodes = NodesView::of(&app.node.nodes());
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let readiness = Readiness {
        ready,
        state,
        parts,
        nodes,
    };
    (status, Json(readiness))
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
