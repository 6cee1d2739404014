//! What other nodes say of themselves, heard.

use std::sync::Arc;

use bongsu_core::cluster::{Cluster, ClusterEffect, ClusterInput, Standing};
use bongsu_core::machine::Machine;
use bongsu_model::Timestamp;
use bongsu_model::cluster::{Heard, NodeSaid};

use crate::node::Node;

impl Node {
    /// Takes in what a node said of itself.
    pub(crate) async fn node_said(&self, said: &NodeSaid) {
        match said {
            NodeSaid::Beat(beat) => self.others_changed(ClusterInput::Beat((**beat).clone())).await,
            NodeSaid::Moved(moved) if moved.node != self.others.me => {
                self.others_changed(ClusterInput::Moved(moved.clone())).await;
            }
            NodeSaid::Moved(_) => {}
            NodeSaid::AskUsers { to, from } => {
                if *to == self.id {
                    self.tell_users(from).await;
                }
            }
            NodeSaid::Users(page) => {
                if page.to == self.id {
                    self.others_changed(ClusterInput::Users(page.clone())).await;
                }
            }
            NodeSaid::Drain {
                to, on, timeout_ms, ..
            } => {
                if *to == self.id {
                    self.drain_here(*on, *timeout_ms);
                }
            }
            NodeSaid::Shed {
                to, sessions, per_s, ..
            } => {
                if *to == self.id {
                    self.shed_here(*sessions, *per_s);
                }
            }
        }
    }

    /// Takes in what changes the others.
    pub(super) async fn others_changed(&self, input: ClusterInput) {
        let now = self.now();
        let mut out = Vec::new();
        {
            let others = &mut self.others.presence.lock().others;
            others.handle(input, now, &mut out);
            self.happenings.set_watched_elsewhere(is_watched(others));
        }
        self.others_did(out).await;
    }

    /// Does what has become due of the others.
    pub(crate) async fn others_due(&self, now: Timestamp) {
        let mut out = Vec::new();
        {
            let others = &mut self.others.presence.lock().others;
            if others.next_deadline().is_none_or(|at| at > now) {
                return;
            }
            others.handle_deadline(now, &mut out);
            self.happenings.set_watched_elsewhere(is_watched(others));
        }
        self.others_did(out).await;
    }

    async fn others_did(&self, effects: Vec<ClusterEffect>) {
        for effect in effects {
            match effect {
                ClusterEffect::AskUsers(to) => {
                    let from = Arc::clone(&self.id);
                    let said = NodeSaid::AskUsers { to, from };
                    self.publish(Heard::Node(Arc::new(said))).await;
                }
                ClusterEffect::Elsewhere { user, is_there, news } => {
                    // Who is here is told of by this node itself.
                    if !self.others.presence.lock().here.is_online(user) {
                        self.tell_related(user, is_there, news).await;
                    }
                }
                ClusterEffect::Up(node) => {
                    tracing::info!(node = %node.id, boot = node.boot, "a node is heard");
                }
                ClusterEffect::Down(node) => {
                    tracing::info!(node = %node.id, boot = node.boot, "a node is not heard any more");
                }
            }
        }
    }
}

/// Whether somebody watches the whole server on another node.
fn is_watched(others: &Cluster) -> bool {
    others
        .nodes()
        .any(|(beat, standing, _)| beat.watches && standing == Standing::Live)
}
