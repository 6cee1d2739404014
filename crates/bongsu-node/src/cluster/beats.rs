//! That this node lives, said at intervals, and how it is seen.

use std::sync::Arc;

use bongsu_core::cluster::Standing;
use bongsu_model::Timestamp;
use bongsu_model::cluster::{Heard, NodeBeat, NodeFigures, NodeSaid, NodeState};

use crate::node::Node;

/// What only those around a node know of it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Outside {
    /// Open connections of clients, signed in or not.
    pub connections: u64,
    /// Whether it takes no more of them.
    pub is_full: bool,
    /// What the process used of one core lately, in thousandths.
    pub cpu_milli: u64,
    /// Resident memory, in bytes; 0 where it cannot be read.
    pub memory_bytes: u64,
}

/// How a node is introduced to the others.
pub struct Introduced {
    /// Where clients reach it: scheme, host and port; `None` if it was told no address of its own.
    pub address: Option<Arc<str>>,
    /// What the ids of its Socket.IO sessions begin with; `None` where Socket.IO is switched off.
    pub tag: Option<Arc<str>>,
    /// Its version.
    pub version: Arc<str>,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// Looks at what is around it.
    pub outside: Box<dyn Fn() -> Outside + Send + Sync>,
}

/// A node as this one sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeView {
    /// What it said last.
    pub beat: NodeBeat,
    /// How it stands.
    pub standing: Standing,
    /// How long ago it was heard, in milliseconds.
    pub silent_ms: u64,
    /// Whether it is this one.
    pub is_here: bool,
}

/// When the next beat is due.
pub(crate) struct Beats {
    next: Timestamp,
}

impl Beats {
    pub(crate) const fn new(now: Timestamp) -> Self {
        Self { next: now }
    }

    /// Says that the node lives, if it is time to.
    pub(crate) async fn due(&mut self, node: &Node, now: Timestamp) {
        if now >= self.next {
            self.next = now.plus_ms(node.ports.limits.node_beat_ms);
            node.tell_beat().await;
        }
    }
}

impl Node {
    /// Introduces the node to the others. Before that it says only its name.
    pub fn introduce(&self, introduced: Introduced) {
        // Whoever was introduced already stays so.
        let _ = self.others.introduced.set(introduced);
    }

    /// Tells the others that this node lives, and how it is.
    pub(crate) async fn tell_beat(&self) {
        let beat = self.beat_now();
        self.publish(Heard::Node(Arc::new(NodeSaid::Beat(Box::new(beat)))))
            .await;
    }

    /// Tells the others that this node is about to end: whoever was on it is on their way.
    pub(crate) async fn tell_end(&self) {
        let beat = NodeBeat {
            state: NodeState::Gone,
            ..self.beat_now()
        };
        self.publish(Heard::Node(Arc::new(NodeSaid::Beat(Box::new(beat)))))
            .await;
    }

    pub(super) fn beat_now(&self) -> NodeBeat {
        let known = self.others.introduced.get();
        let outside = known.map(|it| (it.outside)()).unwrap_or_default();
        let (presence, users) = self.others.presence.lock().said();
        let state = if self.takes_nobody() {
            NodeState::Draining
        } else if outside.is_full {
            NodeState::Full
        } else {
            NodeState::Serving
        };
        NodeBeat {
            node: self.others.me.clone(),
            state,
            address: known.and_then(|it| it.address.clone()),
            tag: known.and_then(|it| it.tag.clone()),
            version: known.map_or_else(|| "".into(), |it| Arc::clone(&it.version)),
            started_at: known.map_or(Timestamp(0), |it| it.started_at),
            figures: NodeFigures {
                connections: outside.connections,
                sessions: self.sessions_count() as u64,
                devices: self.devices_count() as u64,
                rooms: self.rooms_count() as u64,
                calls: self.calls.lock().len() as u64,
                cpu_milli: outside.cpu_milli,
                memory_bytes: outside.memory_bytes,
            },
            presence,
            users,
            watches: self.happenings.is_watched(),
        }
    }
}
