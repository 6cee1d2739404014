//! The node stops: nobody new comes in, everyone is told when to come back, then every session is ended.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::node::Node;

/// How often it is looked whether all have gone.
const LOOK: Duration = Duration::from_millis(20);
/// How long those who were ended may take to go, at least and at most.
const GOING_MS: (u64, u64) = (1_000, 5_000);

impl Node {
    /// Refuses new sessions, tells the others when to come back, gives what is under way `grace_ms` to end, and ends them.
    /// Returns when all are gone, or a few seconds after the grace.
    pub async fn stop(self: &Arc<Self>, grace_ms: u64) {
        if self.stopping.swap(true, Ordering::AcqRel) {
            return;
        }
        self.tell_beat().await;
        self.send_all_away(grace_ms, |_| true).await;
        // With a grace of nothing it was over before anybody was told.
        self.wait_until(grace_ms.clamp(GOING_MS.0, GOING_MS.1), |node| {
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

    async fn wait_until(&self, patience_ms: u64, done: impl Fn(&Self) -> bool) {
        let until = self.ports.clock.now().plus_ms(patience_ms);
        while !done(self) && self.ports.clock.now() < until {
            tokio::time::sleep(LOOK).await;
        }
    }
}
