//! The open connections of devices, and one look at all of them now and then, instead of a timer in each.
//!
//! Invariant: a connection is here as long as its task lives, however that ends.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bongsu_model::refusal::CloseCause;
use bongsu_model::{DeviceId, Limits, Timestamp};
use bongsu_node::Node;
use parking_lot::Mutex;

use super::live::{Live, RanOut};
use crate::meters::Meters;

/// The open connections of devices on one node.
#[derive(Default)]
pub(crate) struct Lines {
    open: Mutex<Slab>,
}

#[derive(Default)]
struct Slab {
    watched: Vec<Option<Arc<Live>>>,
    free: Vec<usize>,
}

/// Keeps a connection watched and counted.
pub(super) struct Watch {
    lines: Arc<Lines>,
    index: usize,
    live: Arc<Live>,
    meters: Arc<Meters>,
}

impl Lines {
    /// Watches a connection from now on.
    pub(super) fn watch(self: &Arc<Self>, live: &Arc<Live>, meters: &Arc<Meters>) -> Watch {
        let mut open = self.open.lock();
        let index = open.free.pop().unwrap_or_else(|| {
            open.watched.push(None);
            open.watched.len() - 1
        });
        open.watched[index] = Some(Arc::clone(live));
        drop(open);
        meters.device_opened(live.transport);
        Watch {
            lines: Arc::clone(self),
            index,
            live: Arc::clone(live),
            meters: Arc::clone(meters),
        }
    }

    /// The connection of a device: of several the one with the latest session.
    pub(crate) fn of(&self, device: &DeviceId) -> Option<Arc<Live>> {
        let open = self.open.lock();
        let theirs = open.watched.iter().flatten().filter_map(|live| {
            let session = live.session()?;
            (session.device == *device).then_some((session.epoch, live))
        });
        theirs
            .max_by_key(|(epoch, _)| *epoch)
            .map(|(_, live)| Arc::clone(live))
    }

    fn all(&self) -> Vec<Arc<Live>> {
        self.open.lock().watched.iter().flatten().cloned().collect()
    }

    fn is_empty(&self) -> bool {
        let open = self.open.lock();
        open.watched.len() == open.free.len()
    }

    /// Looks at all connections once.
    fn look(&self, now: Timestamp, limits: &Limits, every: Duration) {
        let look_ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
        for live in self.all() {
            match live.ran_out(now, limits, look_ms) {
                None => {}
                Some(RanOut::Hello) => live.close(CloseCause::SignInTimeout),
                Some(RanOut::Frame) => live.close(CloseCause::FrameTimeout),
                Some(RanOut::Heartbeats) => live.close(CloseCause::Idle),
                Some(RanOut::Stuck) => {
                    live.close(CloseCause::Slow);
                    live.abort();
                }
                Some(RanOut::Lingers) => live.abort(),
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut open = self.lines.open.lock();
        open.watched[self.index] = None;
        open.free.push(self.index);
        drop(open);
        let cause = self.live.parting().map(|it| it.cause);
        self.meters.device_closed(self.live.transport, cause.as_ref());
    }
}

/// Looks at all connections until they and the node are gone.
pub(crate) async fn run(lines: Weak<Lines>, node: Weak<Node>) {
    loop {
        let Some(every) = node.upgrade().map(|node| interval(&node.ports.limits)) else {
            return;
        };
        tokio::time::sleep(every).await;
        let (Some(lines), Some(node)) = (lines.upgrade(), node.upgrade()) else {
            return;
        };
        lines.look(node.now(), &node.ports.limits, every);
    }
}

/// Often enough that no deadline is late by more than a quarter of itself, or half a second.
fn interval(limits: &Limits) -> Duration {
    let silent_ms = limits
        .device_heartbeat_ms
        .saturating_mul(limits.device_heartbeats_missed);
    let shortest = limits
        .sign_in_ms
        .min(limits.frame_ms)
        .min(limits.slow_ms)
        .min(limits.device_takeover_ms)
        .min(silent_ms);
    Duration::from_millis((shortest / 8).clamp(5, 500))
}

/// How often the ends of a drain are spread.
const STEP: Duration = Duration::from_millis(20);

/// Ends every connection within the time for draining: spread over three quarters of it, so that the devices do not all
/// come back at the same moment, and those that have not gone by its end are cut.
pub(crate) async fn end_all(lines: &Lines, limits: &Limits) {
    let drain = Duration::from_millis(limits.drain_ms);
    let began = tokio::time::Instant::now();
    let told_by = drain.mul_f64(0.75);
    let mut left = lines.all();
    let count = left.len();
    while !lines.is_empty() {
        let passed = began.elapsed();
        if passed >= drain {
            lines.all().iter().for_each(|live| live.abort());
            if passed >= drain + STEP * 25 {
                return;
            }
        } else if passed >= told_by {
            // Who came in between is told with the last.
            lines
                .all()
                .iter()
                .for_each(|live| live.close(CloseCause::ShuttingDown));
        } else {
            let due = 1.0 - passed.as_secs_f64() / told_by.as_secs_f64();
            // Rounded down: the first is told at once.
            let keep = ((count as f64 * due) as usize).min(count.saturating_sub(1));
            while left.len() > keep {
                if let Some(live) = left.pop() {
                    live.close(CloseCause::ShuttingDown);
                }
            }
        }
        tokio::time::sleep(STEP).await;
    }
}
