//! What was said of devices and not heard: found in the store, a few at a time, or all at once after words were missed.
//!
//! Invariant: a session that the store does not have any more ends here, whoever has failed to say so.

use std::ops::Bound;
use std::sync::Arc;

use bongsu_model::refusal::CloseCause;
use bongsu_model::{DeviceId, device::Device};
use futures_util::future::join_all;

use super::session::DeviceSession;
use crate::node::Node;

/// Sessions that are looked at, at once.
const AT_ONCE: usize = 64;

/// How far the rounds are: the last device of a session here, and the last that is watched here.
#[derive(Clone, Default)]
pub(super) struct Looked {
    held: Option<DeviceId>,
    watched: Option<DeviceId>,
}

/// What the store says of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stands {
    /// It is the device's.
    Yes,
    /// The device has a later one.
    Overtaken,
    /// It is over, or there is no such device any more.
    Over,
}

impl Stands {
    fn of(session: &DeviceSession, kept: Option<&Device>) -> Self {
        match kept {
            Some(kept) if kept.epoch > session.epoch => Self::Overtaken,
            Some(kept) if kept.epoch == session.epoch && kept.session.is_some() => Self::Yes,
            // Of an epoch that the store never gave nothing can be said: it was read before it was given.
            Some(kept) if kept.epoch < session.epoch => Self::Yes,
            Some(_) | None => Self::Over,
        }
    }
}

impl Node {
    /// Looks at every session of a device here, and at every device that is watched here: for after words were missed.
    pub async fn look_at_devices(self: &Arc<Self>) {
        for sessions in self.devices.all().chunks(AT_ONCE) {
            self.look_at_held(sessions).await;
        }
        let mut last = None;
        loop {
            last = self.look_at_watched(last).await;
            if last.is_none() {
                return;
            }
        }
    }

    /// Looks at the next few.
    pub(super) async fn look_at_next_devices(self: &Arc<Self>) {
        let looked = self.devices.looked.lock().clone();
        let all = self.devices.all();
        let later = |session: &&Arc<DeviceSession>| {
            let after = looked.held.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
            std::ops::RangeBounds::contains(&(after, Bound::Unbounded), &session.device)
        };
        let next: Vec<_> = all.iter().filter(later).take(AT_ONCE).cloned().collect();
        self.look_at_held(&next).await;
        let held = next.last().filter(|_| next.len() == AT_ONCE);
        let held = held.map(|session| session.device.clone());
        let watched = self.look_at_watched(looked.watched).await;
        *self.devices.looked.lock() = Looked { held, watched };
    }

    async fn look_at_held(self: &Arc<Self>, sessions: &[Arc<DeviceSession>]) {
        let looks = sessions.iter().map(|session| async move {
            let kept = self.ports.store.device(session.device.clone()).await;
            let Some(kept) = self.healthy(kept) else { return };
            match Stands::of(session, kept.as_ref()) {
                Stands::Yes => {}
                Stands::Overtaken => {
                    tracing::info!(device = %session.device, epoch = session.epoch.0, "a session was taken over, and nobody has said so");
                    self.overtaken(session).await;
                }
                Stands::Over => session.end(CloseCause::Disconnected),
            }
        });
        join_all(looks).await;
    }
}
