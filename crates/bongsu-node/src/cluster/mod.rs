//! The other nodes, from one of them: that this one lives, which others do, who is online where, and what to look up again
//! after words may have been lost.
//!
//! Invariant: who is online is asked of one place, and what this node says of its users leaves in the order of its numbers.

mod beats;
mod hear;
mod presence;
mod resync;

use std::sync::{Arc, OnceLock};

use bongsu_core::cluster::{ClusterRules, Lives};
use bongsu_model::Timestamp;
use bongsu_model::cluster::{NodeBeat, NodeRef};
use parking_lot::Mutex;

use crate::node::Node;
use crate::ports::Ports;

pub(crate) use beats::Beats;
pub use beats::{Introduced, NodeView, Outside};
pub use bongsu_core::cluster::Standing;
pub(crate) use presence::Presence;
use presence::Unsaid;
pub(crate) use resync::Resync;

/// What a node knows of the others, and says of itself.
pub(crate) struct Others {
    pub(crate) me: NodeRef,
    pub(crate) presence: Mutex<Presence>,
    /// Held while words about presence leave.
    turn: tokio::sync::Mutex<()>,
    unsaid: Mutex<Unsaid>,
    introduced: OnceLock<Introduced>,
    pub(crate) resync: Resync,
}

impl Others {
    pub(crate) fn new(id: &Arc<str>, boot: u64, ports: &Ports) -> Self {
        let me = NodeRef {
            id: Arc::clone(id),
            boot,
        };
        let rules = ClusterRules::from(&*ports.limits);
        let grace_ms = ports.limits.presence_grace_ms;
        Self {
            presence: Mutex::new(Presence::new(me.clone(), rules, grace_ms, ports.clock.now())),
            me,
            turn: tokio::sync::Mutex::default(),
            unsaid: Mutex::default(),
            introduced: OnceLock::new(),
            resync: Resync::default(),
        }
    }
}

impl Node {
    /// Whether a node lives, as far as this one has heard.
    #[must_use]
    pub fn node_lives(&self, id: &str) -> Lives {
        if *id == *self.id {
            return Lives::Yes;
        }
        self.others.presence.lock().others.lives(id, self.now())
    }

    /// Where another node is reached whose Socket.IO sessions begin with this, if it is heard.
    #[must_use]
    pub fn address_of(&self, tag: &str) -> Option<Arc<str>> {
        let presence = self.others.presence.lock();
        let mut heard = presence
            .others
            .nodes()
            .filter(|(_, standing, _)| *standing == Standing::Live);
        let (beat, ..) = heard.find(|(beat, ..)| beat.tag.as_deref() == Some(tag))?;
        beat.address.clone()
    }

    /// Every node that is known, this one first, then the others by name.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeView> {
        let now = self.now();
        let me = NodeView {
            beat: self.beat_now(),
            standing: Standing::Live,
            silent_ms: 0,
            is_here: true,
        };
        let presence = self.others.presence.lock();
        let view = |(beat, standing, heard_at): (&NodeBeat, Standing, Timestamp)| NodeView {
            beat: beat.clone(),
            standing,
            silent_ms: now.ms_since(heard_at),
            is_here: false,
        };
        std::iter::once(me)
            .chain(presence.others.nodes().map(view))
            .collect()
    }
}
