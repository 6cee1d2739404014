//! The machine: what is heard of the others in, who came and went out.

use std::collections::BTreeMap;
use std::sync::Arc;

use bongsu_model::cluster::{NodeBeat, NodeRef, NodeState, PresenceMoved, PresencePage};
use bongsu_model::{Limits, Timestamp, UserId};

use super::peer::{Change, News, Peer, Standing, Taken};
use crate::machine::Machine;

/// How long what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClusterRules {
    /// [`Limits::node_beat_ms`]
    pub beat_ms: u64,
    /// [`Limits::node_silent_ms`]
    pub silent_ms: u64,
    /// [`Limits::node_forgotten_ms`]
    pub forgotten_ms: u64,
    /// [`Limits::presence_grace_ms`]
    pub grace_ms: u64,
    /// [`Limits::node_answer_ms`]
    pub answer_ms: u64,
    /// [`Limits::nodes_max`]
    pub nodes_max: usize,
}

impl From<&Limits> for ClusterRules {
    fn from(limits: &Limits) -> Self {
        Self {
            beat_ms: limits.node_beat_ms,
            silent_ms: limits.node_silent_ms,
            forgotten_ms: limits.node_forgotten_ms,
            grace_ms: limits.presence_grace_ms,
            answer_ms: limits.node_answer_ms,
            nodes_max: limits.nodes_max,
        }
    }
}

/// What may happen.
#[derive(Clone, Debug)]
pub enum ClusterInput {
    /// A node says that it lives.
    Beat(NodeBeat),
    /// A node says who came or went.
    Moved(PresenceMoved),
    /// A node says who is there.
    Users(PresencePage),
    /// Words may have been missed, of anybody.
    Missed,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum ClusterEffect {
    /// A node is to be asked who is there.
    AskUsers(Arc<str>),
    /// A user has a session on another node from now on and had none on any, or has none on any other any more.
    Elsewhere {
        /// Who.
        user: UserId,
        /// Whether it has one.
        is_there: bool,
        /// What is known besides.
        news: News,
    },
    /// A node is heard that was not.
    Up(NodeRef),
    /// A node is not heard any more, or has ended: what lived on it alone is gone.
    Down(NodeRef),
}

/// Whether a node lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lives {
    /// It was heard a moment ago.
    Yes,
    /// It should have been heard by now; or this node has not listened for long enough to tell.
    Unknown,
    /// It was not heard for a while, or said that it ends.
    No,
}

/// The other nodes.
#[derive(Debug)]
pub struct Cluster {
    rules: ClusterRules,
    me: NodeRef,
    began: Timestamp,
    peers: BTreeMap<NodeRef, Peer>,
    /// For each user on how many nodes that count.
    // Perf: with the sets of the peers about 40 bytes for a user who is online elsewhere.
    elsewhere: BTreeMap<UserId, u32>,
}

impl Cluster {
    /// Nobody was heard yet. `me` is this node: what it says itself is not taken in.
    #[must_use]
    pub const fn new(rules: ClusterRules, me: NodeRef, now: Timestamp) -> Self {
        Self {
            rules,
            me,
            began: now,
            peers: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
        }
    }

    /// Whether a user has a session on another node.
    #[must_use]
    pub fn has(&self, user: UserId) -> bool {
        self.elsewhere.contains_key(&user)
    }

    /// Whether a user has a session on another node, or had one on a node that is silent: it may still be there.
    #[must_use]
    pub fn may_have(&self, user: UserId) -> bool {
        let silent = self.peers.values().filter(|peer| !peer.counts());
        self.has(user) || silent.into_iter().any(|peer| peer.users.contains(&user))
    }

    /// How many users have a session on other nodes.
    #[must_use]
    pub fn users(&self) -> usize {
        self.elsewhere.len()
    }

    /// The users who have a session on other nodes, ascending.
    pub fn all_users(&self) -> impl Iterator<Item = UserId> {
        self.elsewhere.keys().copied()
    }

    /// The other nodes, ascending by name, each with how it stands.
    pub fn nodes(&self) -> impl Iterator<Item = (&NodeBeat, Standing, Timestamp)> {
        self.peers
            .values()
            .map(|peer| (&peer.beat, peer.standing, peer.heard_at))
    }

    /// Whether another node lives.
    #[must_use]
    pub fn lives(&self, node: &str, now: Timestamp) -> Lives {
        let known = self.peers.values().filter(|peer| &*peer.beat.node.id == node);
        let best = known.map(|peer| match peer.standing {
            // A beat may be late by as much as half of what is between two.
            Standing::Live if now.ms_since(peer.heard_at) * 2 <= self.rules.beat_ms * 3 => Lives::Yes,
            Standing::Live => Lives::Unknown,
            Standing::Silent | Standing::Going(_) => Lives::No,
        });
        best.min_by_key(|lives| *lives as u8).unwrap_or_else(|| {
            if now.ms_since(self.began) < self.rules.silent_ms {
                Lives::Unknown
            } else {
                Lives::No
            }
        })
    }

    fn beat(&mut self, beat: NodeBeat, now: Timestamp, out: &mut Vec<ClusterEffect>) {
        let node = beat.node.clone();
        if node.id == self.me.id {
            return;
        }
        let overtaken = |peer: &Peer| {
            peer.beat.node.id == node.id
                && peer.beat.node.boot != node.boot
                && peer.beat.started_at > beat.started_at
        };
        if self.peers.values().any(overtaken) {
            return;
        }
        if !self.peers.contains_key(&node) {
            if self.peers.len() >= self.rules.nodes_max || beat.state == NodeState::Gone {
                return;
            }
            self.goes_before(&node, now, out);
            self.peers.insert(node.clone(), Peer::new(beat.clone(), now));
            out.push(ClusterEffect::Up(node.clone()));
        }
        let Some(peer) = self.peers.get_mut(&node) else {
            return;
        };
        if matches!(peer.standing, Standing::Going(_)) {
            return;
        }
        let back = peer.standing == Standing::Silent;
        let gone = beat.state == NodeState::Gone;
        (peer.beat, peer.heard_at, peer.standing) = (beat, now, Standing::Live);
        let current = peer.is_current();
        if back {
            if !current {
                // Who is there by now is asked for; those who were may be elsewhere, and nobody is told twice.
                peer.users.clear();
            }
            out.push(ClusterEffect::Up(node.clone()));
            self.count(&node, true, out);
        }
        if gone {
            self.goes(&node, now, out);
        } else if !current {
            self.ask(&node, now, out);
        }
    }

    /// Earlier starts of a node that is heard anew have ended.
    fn goes_before(&mut self, node: &NodeRef, now: Timestamp, out: &mut Vec<ClusterEffect>) {
        let earlier = self.peers.values().map(|peer| peer.beat.node.clone());
        let earlier: Vec<_> = earlier.filter(|it| it.id == node.id).collect();
        for it in earlier {
            self.goes(&it, now, out);
        }
    }

    /// A node has ended: whoever was on it has the grace time to come back elsewhere.
    fn goes(&mut self, node: &NodeRef, now: Timestamp, out: &mut Vec<ClusterEffect>) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        match peer.standing {
            Standing::Going(_) => {}
            Standing::Silent => {
                self.peers.remove(node);
            }
            Standing::Live => {
                peer.standing = Standing::Going(now.plus_ms(self.rules.grace_ms));
                out.push(ClusterEffect::Down(node.clone()));
            }
        }
    }

    fn moved(&mut self, moved: PresenceMoved, now: Timestamp, out: &mut Vec<ClusterEffect>) {
        let node = moved.node.clone();
        // One that was not heard to live is asked for all its users once it is.
        let Some(peer) = self.peers.get_mut(&node) else {
            return;
        };
        let counts = peer.counts();
        match peer.moved(moved) {
            Taken::Known => {}
            Taken::Missed => self.ask(&node, now, out),
            Taken::Changed(change) => {
                if counts {
                    self.change(change, out);
                }
            }
        }
    }

    fn page(&mut self, page: PresencePage, now: Timestamp, out: &mut Vec<ClusterEffect>) {
        let node = page.node.clone();
        let Some(peer) = self.peers.get_mut(&node) else {
            return;
        };
        let counts = peer.counts();
        let Some(moves) = peer.page(page) else { return };
        let hole = peer.has_hole();
        if counts {
            for change in moves {
                self.change(change, out);
            }
        }
        if hole {
            self.ask(&node, now, out);
        }
    }

    /// Asks a node who is there, unless it was asked a moment ago.
    fn ask(&mut self, node: &NodeRef, now: Timestamp, out: &mut Vec<ClusterEffect>) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        let lately = |at: Timestamp| now.ms_since(at) < self.rules.answer_ms;
        if peer.standing == Standing::Live && !peer.asked_at.is_some_and(lately) {
            peer.asked_at = Some(now);
            out.push(ClusterEffect::AskUsers(Arc::clone(&node.id)));
        }
    }

    /// Has everyone on a node count from now on, or not any more.
    fn count(&mut self, node: &NodeRef, counts: bool, out: &mut Vec<ClusterEffect>) {
        let users: Vec<UserId> = self
            .peers
            .get(node)
            .map(|peer| peer.users.iter().copied().collect())
            .unwrap_or_default();
        for user in users {
            self.change((user, counts, News::Unknown), out);
        }
    }

    /// A user is on one node more or less.
    fn change(&mut self, (user, more, news): Change, out: &mut Vec<ClusterEffect>) {
        let nodes = self.elsewhere.entry(user).or_default();
        let before = *nodes;
        *nodes = if more {
            before + 1
        } else {
            before.saturating_sub(1)
        };
        let now = *nodes;
        if now == 0 {
            self.elsewhere.remove(&user);
        }
        if (before == 0) != (now == 0) {
            out.push(ClusterEffect::Elsewhere {
                user,
                is_there: now > 0,
                news,
            });
        }
    }

    /// When something is due of a node.
    fn due(&self, peer: &Peer) -> Timestamp {
        match peer.standing {
            Standing::Live => peer.heard_at.plus_ms(self.rules.silent_ms),
            Standing::Silent => peer.heard_at.plus_ms(self.rules.forgotten_ms),
            Standing::Going(until) => until,
        }
    }
}

impl Machine for Cluster {
    type Input = ClusterInput;
    type Effect = ClusterEffect;

    fn handle(&mut self, input: ClusterInput, now: Timestamp, out: &mut Vec<ClusterEffect>) {
        match input {
            ClusterInput::Beat(beat) => self.beat(beat, now, out),
            ClusterInput::Moved(moved) => self.moved(moved, now, out),
            ClusterInput::Users(page) => self.page(page, now, out),
            ClusterInput::Missed => {
                let live = self.peers.values().filter(|it| it.standing == Standing::Live);
                let live: Vec<_> = live.map(|it| it.beat.node.clone()).collect();
                for node in live {
                    self.ask(&node, now, out);
                }
            }
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.peers.values().map(|peer| self.due(peer)).min()
    }

    fn handle_deadline(&mut self, now: Timestamp, out: &mut Vec<ClusterEffect>) {
        let due = self.peers.values().filter(|peer| self.due(peer) <= now);
        let due: Vec<_> = due.map(|peer| (peer.beat.node.clone(), peer.standing)).collect();
        for (node, standing) in due {
            match standing {
                Standing::Live => {
                    self.count(&node, false, out);
                    if let Some(peer) = self.peers.get_mut(&node) {
                        peer.standing = Standing::Silent;
                    }
                    out.push(ClusterEffect::Down(node));
                }
                Standing::Silent => {
                    self.peers.remove(&node);
                }
                Standing::Going(_) => {
                    self.count(&node, false, out);
                    self.peers.remove(&node);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
