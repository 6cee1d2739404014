//! `/nodes`: every node that is known, and having one send its clients elsewhere.
//!
//! Invariant: a node that is not heard is told nothing, and whoever asks hears so.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bongsu_model::Code;
use bongsu_model::cluster::NodeState;
use bongsu_node::cluster::{NodeView as Known, Standing};
use bongsu_node::usecases::operate::NodeRefused;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, At};
use super::body::JsonBody;
use super::caller::Caller;
use super::fields::required;
use super::page::Page;
use super::problem::{Problem, ProblemDocument, Says};
use super::service::App;

/// The most that may be asked of a node in one call.
const MOST: i64 = 1_000_000_000;
/// How long calls and commands may be given to end: a day.
const TIMEOUT_MS_MAX: i64 = 24 * 60 * 60 * 1_000;
/// How many each second are asked to go, unless it is said.
const PER_S: i64 = 100;
/// What a node is that has ended or was started again, and one that is not heard.
const GONE: &str = "gone";
const SILENT: &str = "silent";

/// Why a node is not told anything, in English and in Korean.
const NO_NODE: (&str, &str) = (
    "No node of this name is known. GET /api/v1/nodes lists those that are.",
    "이 이름의 노드는 알려져 있지 않습니다. 알려진 노드는 GET /api/v1/nodes에서 볼 수 있습니다.",
);
const SILENT_NODE: (&str, &str) = (
    "The node is not heard, so that it was told nothing. It has ended, or the nodes do not reach each other.",
    "노드의 응답이 없어 아무것도 전하지 못했습니다. 노드가 종료되었거나 노드끼리 연결되지 않습니다.",
);

/// A node in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "documents a part of a path")]
pub(super) struct NodePath {
    /// The node's name.
    node: String,
}

/// A node, as the one that answers knows it.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "node_id": "node-1", "boot_id": "00c5a1f2e3d4b697", "state": "serving", "is_here": true,
    "address": "https://ws-1.example:8443", "tag": "1a2b3c4d", "version": "0.1.0", "started_at": "2026-01-01T12:00:00.000Z",
    "silent_ms": 0, "users": 2,
    "figures": { "connections": 4, "sessions": 3, "devices": 1, "rooms": 1, "calls": 0, "cpu_milli": 12, "memory_bytes": 20971520 }
}))]
pub(super) struct NodeView {
    node_id: String,
    /// Another one after each start: 16 hex digits.
    boot_id: String,
    /// `serving`; `full`: it takes nobody before others have gone; `draining`: it takes nobody and sends its clients elsewhere;
    /// `silent`: it is not heard; `gone`: it has ended.
    #[schema(value_type = String, pattern = "^(serving|full|draining|gone|silent)$")]
    state: &'static str,
    /// Whether it is the one that answers.
    is_here: bool,
    /// Where clients reach it; absent if it was told no address of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// What the ids of its Socket.IO sessions begin with; absent where Socket.IO is switched off.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    version: String,
    started_at: String,
    /// How long ago it was heard.
    silent_ms: u64,
    /// Users with a session there.
    users: u64,
    figures: FiguresView,
}

/// How a node is, as it said last: every five seconds.
#[derive(Serialize, ToSchema)]
pub(super) struct FiguresView {
    /// Open connections of clients, signed in or not.
    connections: u64,
    /// Signed-in sessions of users.
    sessions: u64,
    /// Sessions of devices, displays among them.
    devices: u64,
    /// Rooms with a live member there.
    rooms: u64,
    /// Video rooms that live there.
    calls: u64,
    /// What its process uses of one core, in thousandths.
    cpu_milli: u64,
    /// Resident memory; 0 where it cannot be read.
    memory_bytes: u64,
}

/// A page of nodes.
#[derive(Serialize, ToSchema)]
pub(super) struct NodeList {
    nodes: Vec<NodeView>,
    /// For the next page; `null` on the last.
    next_cursor: Option<String>,
}

/// Whether a node is to drain.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "on": true, "timeout_ms": 30000 }))]
pub(super) struct DrainBody {
    /// `false`: it takes clients again; `true` if absent.
    on: Option<bool>,
    /// How long calls and commands may take to end, in milliseconds; its setting `limits.drain_ms` if absent.
    #[schema(minimum = 0, maximum = 86_400_000)]
    timeout_ms: Option<u64>,
}

/// How many clients are to go, and how fast.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "sessions": 500, "per_s": 50 }))]
pub(super) struct ShedBody {
    /// How many sessions of users and devices.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    sessions: u64,
    /// How many each second; 100 if absent.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    per_s: Option<u64>,
}

impl NodeView {
    fn of(known: &Known) -> Self {
        let (beat, figures) = (&known.beat, &known.beat.figures);
        Self {
            node_id: beat.node.id.to_string(),
            boot_id: format!("{:016x}", beat.node.boot),
            state: state(known.standing, beat.state),
            is_here: known.is_here,
            address: beat.address.as_deref().map(str::to_owned),
            tag: beat.tag.as_deref().map(str::to_owned),
            version: beat.version.to_string(),
            started_at: beat.started_at.to_string(),
            silent_ms: known.silent_ms,
            users: beat.users,
            figures: FiguresView {
                connections: figures.connections,
                sessions: figures.sessions,
                devices: figures.devices,
                rooms: figures.rooms,
                calls: figures.calls,
                cpu_milli: figures.cpu_milli,
                memory_bytes: figures.memory_bytes,
            },
        }
    }
}

/// Where a node stands in the list: by its name, and of one name by its start.
fn place(known: &Known) -> (u64, String) {
    (known.beat.node.boot, known.beat.node.id.to_string())
}

fn read_place(text: &str) -> Option<(u64, String)> {
    let (boot, id) = text.split_once(' ')?;
    Some((boot.parse().ok()?, id.to_owned()))
}

const fn state(standing: Standing, said: NodeState) -> &'static str {
    match standing {
        Standing::Live => said.name(),
        Standing::Silent => SILENT,
        Standing::Going(_) => GONE,
    }
}

/// List the nodes that are known, ascending by name.
#[utoipa::path(get, operation_id = "nodes_list", path = "/api/v1/nodes", tag = "nodes", params(super::openapi::Paging),
    responses((status = 200, body = NodeList)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<NodeList>, Problem> {
    let page = Page::of(&asked, app.limits().history_page_max)?;
    let after = page.after(read_place)?;
    let by_name = |place: &(u64, String)| (place.1.clone(), place.0);
    let mut nodes = app.node.list_nodes(&caller.by)?;
    nodes.sort_by_key(|known| by_name(&place(known)));
    nodes.retain(|known| {
        after
            .as_ref()
            .is_none_or(|after| by_name(&place(known)) > by_name(after))
    });
    nodes.truncate(page.limit_and_one() as usize);
    let next_cursor = page.cut(&mut nodes, |known| {
        let (boot, id) = place(known);
        format!("{boot} {id}")
    });
    Ok(Json(NodeList {
        nodes: nodes.iter().map(NodeView::of).collect(),
        next_cursor,
    }))
}

/// Read a node.
#[utoipa::path(get, operation_id = "nodes_read_one", path = "/api/v1/nodes/{node}", tag = "nodes", params(NodePath),
    responses((status = 200, body = NodeView), (status = 404, body = ProblemDocument)))]
pub(super) async fn read_one(
    State(app): State<App>,
    caller: Caller,
    At(node): At<String>,
) -> Result<Json<NodeView>, Problem> {
    let known = app.node.one_node(&caller.by, &node).map_err(not_told)?;
    Ok(Json(NodeView::of(&known)))
}

/// Have a node let nobody in any more and send its clients elsewhere, each at its own moment; or take clients again. It goes
/// on to live and to serve this API, and is not ready meanwhile.
#[utoipa::path(post, operation_id = "nodes_drain", path = "/api/v1/nodes/{node}/drain", tag = "nodes", request_body = DrainBody,
    params(NodePath, super::openapi::IdempotencyKey),
    responses((status = 202, description = "It is told; how it was when it was told", body = NodeView),
        (status = 404, body = ProblemDocument), (status = 503, description = "It is not heard", body = ProblemDocument)))]
pub(super) async fn drain(
    State(app): State<App>,
    caller: Caller,
    At(node): At<String>,
    body: JsonBody,
) -> Result<(StatusCode, Json<NodeView>), Problem> {
    let fields = body.fields_if_any()?;
    let on = fields.flag("on")?.unwrap_or(true);
    let timeout_ms = fields.between("timeout_ms", 0, TIMEOUT_MS_MAX)?;
    let timeout_ms = timeout_ms.map(i64::unsigned_abs);
    let told = app.node.drain_node(&caller.by, &node, on, timeout_ms).await;
    Ok((StatusCode::ACCEPTED, Json(NodeView::of(&told.map_err(not_told)?))))
}

/// Have a node send some of its clients elsewhere at a stated rate, for when there is another that has room. Those who are
/// in a call go last. A later call takes the place of an earlier one.
#[utoipa::path(post, operation_id = "nodes_shed", path = "/api/v1/nodes/{node}/shed", tag = "nodes", request_body = ShedBody,
    params(NodePath, super::openapi::IdempotencyKey),
    responses((status = 202, description = "It is told; how it was when it was told", body = NodeView),
        (status = 404, body = ProblemDocument), (status = 503, description = "It is not heard", body = ProblemDocument)))]
pub(super) async fn shed(
    State(app): State<App>,
    caller: Caller,
    At(node): At<String>,
    body: JsonBody,
) -> Result<(StatusCode, Json<NodeView>), Problem> {
    let fields = body.fields()?;
    let sessions = required("sessions", fields.between("sessions", 1, MOST)?)?;
    let per_s = fields.between("per_s", 1, MOST)?.unwrap_or(PER_S);
    let (sessions, per_s) = (sessions.unsigned_abs(), per_s.unsigned_abs());
    let told = app.node.shed_node(&caller.by, &node, sessions, per_s).await;
    Ok((StatusCode::ACCEPTED, Json(NodeView::of(&told.map_err(not_told)?))))
}

/// Why a node is not told.
fn not_told(refused: NodeRefused) -> Problem {
    match refused {
        NodeRefused::Unknown => Problem::new(
            StatusCode::NOT_FOUND,
            Code::InvalidData,
            "unknown_node",
            Says::These(&NO_NODE),
        ),
        NodeRefused::Silent => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Code::Overloaded,
            "silent_node",
            Says::These(&SILENT_NODE),
        ),
        NodeRefused::Refused(refusal) => refusal.into(),
    }
}
