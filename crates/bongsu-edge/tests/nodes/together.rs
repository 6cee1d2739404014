//! Nodes that know each other, and what operators ask of them.

use std::sync::Arc;
use std::time::Duration;

use bongsu_edge::http::Advertised;
use bongsu_model::Limits;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::client::{Answer, Http};
use crate::server::{KEY, Server, Wanted};
use crate::shared_bus::{Hub, SharedBus};
use crate::world::{PATIENCE, World};

/// A node, and its end of the bus.
pub(crate) struct One {
    pub(crate) server: Server,
    pub(crate) bus: Arc<SharedBus>,
}

/// Beats come often, so that no test waits for them.
pub(crate) fn limits() -> Limits {
    Limits {
        node_beat_ms: 50,
        node_silent_ms: 1_000,
        ..Limits::DEFAULT
    }
}

/// Nodes `node-0`, `node-1`, …, each of which knows all others. Room 1 has users 1 to 3.
pub(crate) async fn nodes(count: usize, limits: Limits, wants: impl Fn(usize, Wanted) -> Wanted) -> Vec<One> {
    let hub = Hub::default();
    let mut nodes: Vec<One> = Vec::new();
    for number in 0..count {
        let name = format!("node-{number}");
        let bus = hub.end(&name);
        let store = nodes.first().map(|it| Arc::clone(&it.server.store));
        let world = Box::pin(World::of(&name, limits.clone(), store, Some(bus.clone()))).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let wanted = Wanted {
            advertise: Advertised::parse(&address).ok(),
            ..Wanted::default()
        };
        let server = Server::on(world, listener, wants(number, wanted));
        nodes.push(One { server, bus });
    }
    for one in &nodes {
        let tags = |node: &bongsu_node::Node| node.nodes().iter().filter(|it| it.beat.tag.is_some()).count();
        one.server
            .until("each knows all", |it| tags(&it.node) == count)
            .await;
    }
    nodes
}

/// Two nodes as most tests want them.
pub(crate) async fn two() -> [One; 2] {
    let nodes = nodes(2, limits(), |_, wanted| wanted).await;
    nodes.try_into().ok().unwrap()
}

impl One {
    /// A call of an operator.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        let mut http = Http::open(self.server.address).await;
        let key = format!("X-API-Key: {KEY}");
        http.ask(method, path, &[&key, "Content-Type: application/json"], body)
            .await;
        http.answer().await
    }

    /// What a call answers, which is done.
    pub(crate) async fn done(&self, status: u16, method: &str, path: &str, body: &str) -> Value {
        let answer = self.call(method, path, body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Waits until a node is in this state, as this one knows it.
    pub(crate) async fn knows(&self, node: &str, state: &str) {
        let path = format!("/api/v1/nodes/{node}");
        let look = async {
            while self.done(200, "GET", &path, "").await["state"] != state {
                tokio::task::yield_now().await;
            }
        };
        let known = tokio::time::timeout(PATIENCE, look).await;
        assert!(known.is_ok(), "never: {node} is {state}");
    }

    /// The status of a probe, and what it says.
    pub(crate) async fn probe(&self, path: &str) -> (u16, Value) {
        let answer = self.server.http().await.get(path).await;
        (answer.status, serde_json::from_str(&answer.body).unwrap())
    }

    /// Waits until a probe says so.
    pub(crate) async fn until(&self, path: &str, holds: impl Fn(u16, &Value) -> bool) -> Value {
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        let look = async {
            loop {
                looks.tick().await;
                let (status, said) = self.probe(path).await;
                if holds(status, &said) {
                    return said;
                }
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect(path)
    }
}
