//! Operators and the nodes themselves: who there is, who is to have its clients go elsewhere.

use std::sync::Arc;

use bongsu_bus::{Health, Heard, Reach};
use bongsu_core::policy;
use bongsu_model::Refusal;
use bongsu_model::cluster::NodeSaid;

use super::Operator;
use crate::cluster::{NodeView, Standing};
use crate::node::Node;

/// Why a node is not told something.
#[derive(Clone, PartialEq, Debug)]
pub enum NodeRefused {
    /// No such node is known.
    Unknown,
    /// It is known and not heard, so that nobody knows whether it would hear.
    Silent,
    /// For any other reason.
    Refused(Refusal),
}

impl From<Refusal> for NodeRefused {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Node {
    /// Lists the nodes that are known, this one first, then the others by name.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn list_nodes(&self, by: &Operator) -> Result<Vec<NodeView>, Refusal> {
        policy::may_operate(&by.principal)?;
        Ok(self.nodes())
    }

    /// A node, as its latest start is known.
    ///
    /// # Errors
    /// Who may not ask, or that it is not known.
    pub fn one_node(&self, by: &Operator, id: &str) -> Result<NodeView, NodeRefused> {
        let of_name = self
            .list_nodes(by)?
            .into_iter()
            .filter(|it| *it.beat.node.id == *id);
        // A node that was started anew is known twice for a moment; the one that is heard is meant.
        let latest = |view: &NodeView| (view.standing == Standing::Live, view.beat.started_at);
        of_name.max_by_key(latest).ok_or(NodeRefused::Unknown)
    }

    /// Has a node let nobody in any more and send everyone elsewhere, or take clients again. What is under way may take
    /// `timeout_ms`, or as long as its own settings say.
    ///
    /// # Errors
    /// Why it is not told.
    pub async fn drain_node(
        self: &Arc<Self>,
        by: &Operator,
        id: &str,
        on: bool,
        timeout_ms: Option<u64>,
    ) -> Result<NodeView, NodeRefused> {
        let said = |to| NodeSaid::Drain {
            to,
            on,
            timeout_ms,
            by: Arc::clone(&by.name),
        };
        let view = self.tell_node(by, id, said).await?;
        let action = if on { "node.drain" } else { "node.drain_ended" };
        self.note(
            by,
            action,
            format!("node:{id}"),
            timeout_ms.map(|ms| ms.to_string()),
        )
        .await;
        Ok(view)
    }

    /// Has a node send some of its clients elsewhere, so many each second, while it goes on.
    ///
    /// # Errors
    /// Why it is not told.
    pub async fn shed_node(
        self: &Arc<Self>,
        by: &Operator,
        id: &str,
        sessions: u64,
        per_s: u64,
    ) -> Result<NodeView, NodeRefused> {
        let said = |to| NodeSaid::Shed {
            to,
            sessions,
            per_s,
            by: Arc::clone(&by.name),
        };
        let view = self.tell_node(by, id, said).await?;
        let detail = format!("{sessions} at {per_s}/s");
        self.note(by, "node.shed", format!("node:{id}"), Some(detail))
            .await;
        Ok(view)
    }

    /// Tells a node something; this one at once, another if it is heard and hears.
    async fn tell_node(
        &self,
        by: &Operator,
        id: &str,
        said: impl FnOnce(Arc<str>) -> NodeSaid,
    ) -> Result<NodeView, NodeRefused> {
        let view = self.one_node(by, id)?;
        let said = said(Arc::clone(&view.beat.node.id));
        if view.is_here {
            self.node_said(&said).await;
            return Ok(self.one_node(by, id).unwrap_or(view));
        }
        if view.standing != Standing::Live {
            return Err(NodeRefused::Silent);
        }
        match self.ports.bus.reach(Heard::Node(Arc::new(said))).await {
            Ok(Reach::Somebody) => Ok(view),
            Ok(Reach::Unknown) if self.is_heard_by_others() => Ok(view),
            // Nobody listens under its name; or the backplane is away, and with it every word.
            Ok(Reach::Nobody | Reach::Unknown) | Err(_) => Err(NodeRefused::Silent),
        }
    }

    /// Whether what this node says to itself over the bus comes back, and so others hear it.
    #[must_use]
    pub fn is_heard_by_others(&self) -> bool {
        self.ports.bus.health() == Health::Well
    }

    /// How many users have a session on other nodes.
    #[must_use]
    pub fn users_elsewhere(&self) -> usize {
        self.others.presence.lock().others.users()
    }
}
