//! The node stops: nobody new comes in, everyone is told when to come back, then every session is ended.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bongsu_model::Notice;
use bongsu_model::event::Lane;
use bongsu_model::refusal::CloseCause;

use crate::node::Node;

/// How far apart the sessions are told to come back, at most; small nodes need less.
const SPREAD_MS_MAX: u64 = 30_000;
/// One session more spreads the return by this much.
const SPREAD_MS_EACH: u64 = 2;
/// How often it is looked whether all have gone.
const LOOK: Duration = Duration::from_millis(20);

impl Node {
    /// Refuses new sessions, tells the others when to come back, gives them `grace_ms` to finish what is under way, and
    /// ends them. Returns when all are gone, or after twice the grace.
    pub async fn stop(self: &Arc<Self>, grace_ms: u64) {
        if self.stopping.swap(true, Ordering::AcqRel) {
            return;
        }
        let sessions = self.registry.all(|_| true);
        let spread = (sessions.len() as u64 * SPREAD_MS_EACH).clamp(1, SPREAD_MS_MAX);
        for session in &sessions {
            let reconnect_after_ms = 1_000 + self.ports.number() % spread;
            session.notice(
                &self.ports,
                Lane::Control,
                &Notice::Shutdown { reconnect_after_ms },
            );
        }
        self.tell_displays_to_come_back();
        self.tell_beat().await;
        self.wait_until(grace_ms, |node| node.is_idle()).await;
        for session in self.registry.all(|_| true) {
            session.end(&self.ports, CloseCause::ShuttingDown);
        }
        self.stop_devices();
        self.wait_until(grace_ms.max(1_000), |node| {
            node.is_idle() && node.devices.len() == 0
        })
        .await;
        self.keep_the_rest().await;
        self.tell_presence().await;
        self.tell_end().await;
        self.ports.bus.flush().await;
        self.ports.store.stop().await;
    }

    /// Whoever has not taken the end of its session by now can take the session up again all the same.
    async fn keep_the_rest(self: &Arc<Self>) {
        let rest = self.registry.all(|session| session.kept().is_some());
        for some in rest.chunks(self.ports.limits.store_batch_max) {
            let ends = some.iter().map(|session| {
                session.displaced();
                self.sign_out(session)
            });
            futures_util::future::join_all(ends).await;
        }
    }

    /// Whether nobody is signed in and nobody waits for a command.
    fn is_idle(&self) -> bool {
        self.registry.len() == 0 && !self.recoverable.any_leaves() && self.devices.callers() == 0
    }

    async fn wait_until(&self, patience_ms: u64, done: impl Fn(&Self) -> bool) {
        let until = self.ports.clock.now().plus_ms(patience_ms);
        while !done(self) && self.ports.clock.now() < until {
            tokio::time::sleep(LOOK).await;
        }
    }
}
