//! What is looked up again once words may have been lost: who is where, how far every room is, and what every session
//! should hear; for a new session once, for all when the backplane was away.
//!
//! Invariant: one look at a time; whatever is missed during one begins another.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use bongsu_bus::{Ear, Heard};
use bongsu_core::cluster::ClusterInput;
use bongsu_model::Timestamp;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::node::Node;
use crate::session::Session;
use crate::{registry, routes, tick};

/// Rooms whose heads are read at once.
const ROOMS_AT_ONCE: usize = 1_000;
/// Sessions that are looked at, at once.
const SESSIONS_AT_ONCE: usize = 32;

/// Sessions that are new a short while before they are looked at.
const NEW_MS: u64 = 1_000;
/// New sessions that are looked at, at once.
const NEW_AT_ONCE: usize = 64;

/// Whether words may have been lost: any, or those about who has just come.
#[derive(Default)]
pub(crate) struct Resync {
    all: AtomicBool,
    new: Mutex<VecDeque<(Timestamp, Weak<Session>)>>,
}

impl Resync {
    /// Any may have.
    pub(crate) fn ask(&self) {
        self.all.store(true, Ordering::Release);
    }

    /// What was said of a session's user before the backplane knew that somebody wants to hear it was lost. It is looked up
    /// once that must be over.
    pub(crate) fn came(&self, session: &Arc<Session>, now: Timestamp) {
        self.new.lock().push_back((now, Arc::downgrade(session)));
    }

    fn next_new(&self, now: Timestamp) -> Vec<Arc<Session>> {
        let mut new = self.new.lock();
        let mut some = Vec::new();
        while some.len() < NEW_AT_ONCE
            && let Some((_, session)) = new.pop_front_if(|(at, _)| now.ms_since(*at) >= NEW_MS)
        {
            some.extend(session.upgrade());
        }
        some
    }
}

impl Node {
    /// Looks everything up again, if words may have been lost; `None` if none were.
    pub(crate) fn resync_due(self: &Arc<Self>, now: Timestamp) -> Option<JoinHandle<()>> {
        let node = Arc::clone(self);
        if self.others.resync.all.swap(false, Ordering::AcqRel) {
            return Some(tokio::spawn(async move { resync(&node).await }));
        }
        let new = self.others.resync.next_new(now);
        (!new.is_empty()).then(|| tokio::spawn(async move { look_at(&node, &new).await }))
    }
}

async fn look_at(node: &Arc<Node>, sessions: &[Arc<Session>]) {
    let looks = sessions
        .iter()
        .map(|session| tick::look_at_session(node, session));
    futures_util::future::join_all(looks).await;
}

async fn resync(node: &Arc<Node>) {
    tracing::info!("words of other nodes may have been lost: everything is looked up again");
    node.counters.resyncs.bump();
    node.tell_beat().await;
    node.others_changed(ClusterInput::Missed).await;
    // What went wrong is in the log; the next round of the tick goes on with it.
    let _ = node.load_revocations().await;
    node.look_at_devices().await;
    let mut round = routes::Round::default();
    let all = node.rooms_count();
    for _ in 0..=all / ROOMS_AT_ONCE {
        let rooms = node.routes.next(&mut round, ROOMS_AT_ONCE);
        if let Some(heads) = node.healthy(node.ports.store.heads(rooms).await) {
            node.hear(Heard::Heads(heads.into())).await;
        }
    }
    let mut round = registry::Round::default();
    let all = node.sessions_count();
    for _ in 0..=all / SESSIONS_AT_ONCE {
        let sessions = node.registry.next(&mut round, SESSIONS_AT_ONCE);
        look_at(node, &sessions).await;
    }
}
