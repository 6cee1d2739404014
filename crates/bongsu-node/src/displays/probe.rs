//! Whether the holder of a name is alive, when another claims it.
//!
//! Invariant: who answers in time keeps its name, on whatever node it is; who does not is not asked twice by the same.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bongsu_bus::Heard;
use bongsu_model::device::DeviceSaid;
use bongsu_model::display::ToDisplay;
use bongsu_model::{ConnectionEpoch, DeviceId, Refusal, Timestamp};

use super::display::Display;
use crate::devices::DeviceSession;
use crate::node::Node;

/// Who holds a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Holder {
    Nobody,
    /// A session of this epoch, and whether it is on this node.
    Session(ConnectionEpoch, bool),
}

impl Node {
    /// Who holds a name, as far as this node and the store know.
    pub(super) async fn holder(&self, name: &DeviceId) -> Result<Holder, Refusal> {
        if let Some(session) = self.devices.session(name) {
            return Ok(Holder::Session(session.epoch, true));
        }
        let known = self.ports.store.device(name.clone()).await;
        let known = known.map_err(|fault| self.fault(&fault))?;
        Ok(
            match known.and_then(|it| it.session.map(|held| (it.epoch, held))) {
                // One of an earlier start of this node is gone with it, and nobody answers for it.
                Some((epoch, held)) => Holder::Session(epoch, held.node == self.id),
                None => Holder::Nobody,
            },
        )
    }

    /// Whether the holder of a name is alive: asks it, and waits for its answer.
    pub(super) async fn is_alive(&self, name: &DeviceId, epoch: ConnectionEpoch, here: bool) -> bool {
        let wait = Duration::from_millis(self.ports.limits.display_probe_ms);
        if here {
            return self.answers(name, epoch, wait).await;
        }
        let Ok(mut alive) = self.displays.alive.watch((name.clone(), epoch)) else {
            // Nobody loses its name because this node has too much to do.
            return true;
        };
        let said = Heard::Device(Arc::new(DeviceSaid::Probe {
            device: name.clone(),
            epoch,
            from: Arc::clone(&self.id),
        }));
        self.publish(said.clone()).await;
        self.said_until(wait, said, alive.next()).await.is_some()
    }

    /// Whether a session that is here is that of somebody who answers in time.
    async fn answers(&self, name: &DeviceId, epoch: ConnectionEpoch, wait: Duration) -> bool {
        let Some(session) = self.comes_in(name, epoch, wait).await else {
            return false;
        };
        if session.ending().is_some() {
            return false;
        }
        match self.displays.get(name).filter(|it| it.device.epoch == epoch) {
            Some(display) => display.answers(self, wait).await,
            // It speaks another protocol, where whoever does not show that it is alive is closed soon enough.
            None => true,
        }
    }

    /// The session of an epoch that the store has as one of this node. One that is on its way in is waited for.
    async fn comes_in(
        &self,
        name: &DeviceId,
        epoch: ConnectionEpoch,
        wait: Duration,
    ) -> Option<Arc<DeviceSession>> {
        const LOOK: Duration = Duration::from_millis(20);
        let looks = wait.as_millis() / LOOK.as_millis();
        for _ in 0..looks.max(1) {
            let session = self.devices.session(name);
            match session.filter(|session| session.epoch >= epoch) {
                Some(session) => return Some(session).filter(|session| session.epoch == epoch),
                None => tokio::time::sleep(LOOK).await,
            }
        }
        None
    }

    /// Another node asks whether somebody who may be here is alive.
    pub(crate) async fn probed(&self, name: &DeviceId, epoch: ConnectionEpoch, from: &Arc<str>) {
        let held = self.devices.session(name).filter(|it| it.epoch == epoch);
        if held.is_none_or(|session| session.ending().is_some()) {
            return;
        }
        match self.displays.get(name).filter(|it| it.device.epoch == epoch) {
            Some(display) => {
                display.state.lock().wanted.insert(Arc::clone(from));
                let wait = Duration::from_millis(self.ports.limits.display_probe_ms);
                // What is said again asks the display once.
                if display.is_asked(self, wait) {
                    display.say(&self.ports, &ToDisplay::Check);
                }
            }
            None => self.tell_alive(name, epoch, Arc::clone(from)).await,
        }
    }

    /// A display has answered that it is there.
    pub(super) async fn is_there(&self, display: &Display) {
        let wanted = {
            let mut state = display.state.lock();
            state.unanswered = 0;
            state.probed_at = None;
            std::mem::take(&mut state.wanted)
        };
        display.answered.notify_waiters();
        for node in wanted {
            self.tell_alive(display.name(), display.device.epoch, node).await;
        }
    }

    async fn tell_alive(&self, name: &DeviceId, epoch: ConnectionEpoch, to: Arc<str>) {
        let said = DeviceSaid::Alive {
            device: name.clone(),
            epoch,
            to,
        };
        self.publish(Heard::Device(Arc::new(said))).await;
    }
}

impl Display {
    /// Whether it is to be asked, and was not just now: who wants to know at the same time shares the answer.
    fn is_asked(&self, node: &Node, wait: Duration) -> bool {
        let now = node.now();
        let mut state = self.state.lock();
        let lately = |at: Timestamp| Duration::from_millis(now.ms_since(at)) < wait;
        let asked = !state.probed_at.is_some_and(lately);
        if asked {
            state.probed_at = Some(now);
        }
        asked
    }

    /// Asks the display whether it is there, and waits for its answer.
    async fn answers(&self, node: &Node, wait: Duration) -> bool {
        // From here on no answer is missed.
        let answered = self.answered.notified();
        if self.is_asked(node, wait) && !self.say(&node.ports, &ToDisplay::Check) {
            return false;
        }
        let answered = tokio::time::timeout(wait, answered).await.is_ok();
        // What it says waits for what it said before.
        answered || self.busy.load(Ordering::Acquire)
    }
}
