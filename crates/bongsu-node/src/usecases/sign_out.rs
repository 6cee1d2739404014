//! A session is over: its connection is gone, whoever ended it.

use std::sync::Arc;

use bongsu_bus::Subject;
use bongsu_core::call::CallInput;
use bongsu_core::machine::Machine;
use bongsu_core::roster::RosterInput;
use bongsu_core::shard::Input;

use crate::node::Node;
use crate::session::Session;
use crate::usecases::{calls, recover};

impl Node {
    /// Takes in that a session's connection is gone. A repeat changes nothing.
    pub async fn sign_out(self: &Arc<Self>, session: &Arc<Session>) {
        let leaving = session.kept().map(|_| self.recoverable.leaves());
        if !self.registry.remove(session.id) {
            return;
        }
        let now = self.ports.clock.now();
        self.to_shard(session.shard, Input::Close { slot: session.slot })
            .await;
        let mut none = Vec::new();
        let last = {
            let roster = &mut self.others.presence.lock().here;
            roster.handle(RosterInput::Ended { user: session.user }, now, &mut none);
            let last = roster.sessions_of(session.user) == 0;
            if last {
                self.want(Subject::User(session.user), false);
            }
            last
        };
        // Nobody asked, so nobody is refused.
        let _ = calls::happened(self, CallInput::SessionEnded { session: session.id }, now).await;
        if last {
            self.healthy(self.ports.store.seen(session.user, now).await);
        }
        if let Some(kept) = session.kept() {
            recover::keep(self, session, kept, now).await;
        }
        drop(leaving);
    }
}
