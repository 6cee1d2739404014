//! `/metrics`: all meters of this server, as OpenMetrics text.
//!
//! Invariant: reading changes nothing and waits for nobody.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bongsu_model::{Code, Refusal};
use bongsu_node::Node;
use bongsu_node::cluster::Standing;

use super::problem::Problem;
use super::service::App;
use crate::meters::{self, Meters, Reading};

/// Everything that is counted.
#[utoipa::path(get, operation_id = "metrics_metrics", path = "/metrics", tag = "probes", security(()),
    responses((status = 200, description = "OpenMetrics text", content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    // Some figures come from the kernel's files, which are quick, but files.
    let meters = Arc::clone(&app.meters);
    let text = tokio::task::spawn_blocking(move || meters.render()).await;
    let text = text.map_err(|_| Refusal::new(Code::InternalError))?;
    Ok(([(CONTENT_TYPE, meters::CONTENT_TYPE)], text).into_response())
}

/// A gauge's name, its help and where it is read.
type NodeGauge = (&'static str, &'static str, fn(&Node) -> usize);

/// Shows how full the node is.
pub(super) fn follow(meters: &Meters, node: &Arc<Node>) {
    let gauges: [NodeGauge; 8] = [
        ("bongsu_sessions", "Signed-in sessions", Node::sessions_count),
        ("bongsu_rooms", "Rooms with a live member here", Node::rooms_count),
        ("bongsu_users_online", "Users with a session here", |node| {
            node.present().0
        }),
        ("bongsu_video_rooms", "Video rooms that are alive", |node| {
            node.present().1
        }),
        (
            "bongsu_users_elsewhere",
            "Users with a session on another node",
            Node::users_elsewhere,
        ),
        (
            "bongsu_nodes_known",
            "Nodes that are known, this one included",
            |node| node.nodes().len(),
        ),
        (
            "bongsu_nodes_heard",
            "Nodes that are heard, this one included",
            |node| {
                let nodes = node.nodes();
                nodes.iter().filter(|it| it.standing == Standing::Live).count()
            },
        ),
        (
            "bongsu_bus_well",
            "Whether what the node says to itself over the bus comes back: 1 or 0",
            |node| usize::from(node.is_heard_by_others()),
        ),
    ];
    for (name, help, of) in gauges {
        // A node stops when it is dropped: meters must not hold it.
        let node = Arc::downgrade(node);
        let read = move || node.upgrade().map_or(0.0, |node| of(&node) as f64);
        meters.collect(name, help, None, Reading::gauge(read));
    }
}
