//! Where a link puts what it is brought, and says how it is.
//!
//! Invariant: nothing here waits. What this node said itself is dropped unread, and what finds the inbox full is dropped,
//! counted, and told to the ears as missed once there is room again.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bongsu_wire::backplane::{self, Word};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::meter::{BusMeter, add, set};
use super::pulse::{Back, Pulse};
use super::rarely::Rarely;
use super::scale::{Load, Scale};
use super::wants::Wants;

/// A word of this node's own that is not longer may be a canary, and is looked at.
const CANARY_BYTES_MAX: usize = 64;

/// What the link, the backplane and its tasks share.
pub(super) struct Shared {
    pub(super) origin: u64,
    pub(super) pulse: Mutex<Pulse>,
    pub(super) wants: Mutex<Wants>,
    pub(super) meter: Arc<BusMeter>,
    /// Whether the ears are to be told that they may have missed something.
    pub(super) missed: AtomicBool,
    /// The mouth has something to tell the link, or may try again.
    pub(super) for_mouth: Notify,
    pub(super) for_ear: Notify,
    /// The link came up.
    pub(super) for_heart: Notify,
    skipped: Rarely,
    complaints: Rarely,
    began: Instant,
}

impl Shared {
    pub(super) fn new(origin: u64, every_ms: u64, lost_ms: u64) -> Self {
        Self {
            origin,
            pulse: Mutex::new(Pulse::new(every_ms, lost_ms, 0)),
            wants: Mutex::default(),
            meter: Arc::default(),
            missed: AtomicBool::new(false),
            for_mouth: Notify::new(),
            for_ear: Notify::new(),
            for_heart: Notify::new(),
            skipped: Rarely::default(),
            complaints: Rarely::default(),
            began: Instant::now(),
        }
    }

    /// Milliseconds since the backplane was made.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The moment so many milliseconds after the backplane was made.
    pub(super) fn at(&self, ms: u64) -> Instant {
        self.began + std::time::Duration::from_millis(ms)
    }

    pub(super) fn is_up(&self) -> bool {
        self.pulse.lock().is_up()
    }

    /// Something was brought that is skipped.
    pub(super) fn skip(&self, why: impl Display) {
        if let Some(times) = self.skipped.due(self.now()) {
            tracing::warn!(%why, times, "the backplane brings what is skipped; who else uses it, or is of a later version?");
        }
    }

    /// The ears are to be told that they may have missed something, once there is room for what comes.
    pub(super) fn tell_missed(&self) {
        self.missed.store(true, Ordering::Release);
        self.for_ear.notify_one();
    }
}

/// A link's way into its node. Cheap to clone; to be used from any task or thread.
#[derive(Clone)]
pub struct Inlet {
    pub(super) shared: Arc<Shared>,
    pub(super) inbox: mpsc::Sender<(Bytes, Load)>,
    pub(super) scale: Arc<Scale>,
}

impl Inlet {
    /// Something was brought.
    pub fn bring(&self, bytes: Bytes) {
        let shared = &self.shared;
        add(&shared.meter.bytes_in, bytes.len());
        match backplane::origin(&bytes) {
            None => {
                add(&shared.meter.malformed, 1);
                shared.skip("what is no word at all");
            }
            Some(origin) if origin == shared.origin => self.own(&bytes),
            Some(_) => {
                let load = self.scale.put(bytes.len());
                if load.is_none_or(|load| self.inbox.try_send((bytes, load)).is_err()) {
                    add(&shared.meter.inbox_full, 1);
                    shared.tell_missed();
                }
            }
        }
    }

    /// The link is up. `is_new` if it has forgotten what it was told to bring, and wants to be told again; otherwise it has
    /// begun to bring all of it again.
    pub fn up(&self, is_new: bool) {
        let shared = &self.shared;
        if is_new {
            shared.wants.lock().link_is_new();
        }
        let (now, mut pulse) = (shared.now(), shared.pulse.lock());
        if pulse.is_up() && !is_new {
            return;
        }
        let is_back = pulse.up(now);
        drop(pulse);
        if is_back {
            add(&shared.meter.reconnects, 1);
        }
        set(&shared.meter.is_up, 1);
        shared.for_mouth.notify_one();
        shared.for_heart.notify_one();
    }

    /// The link is away. Nothing is given to it before it is up.
    pub fn down(&self) {
        self.shared.pulse.lock().down();
        set(&self.shared.meter.is_up, 0);
    }

    /// The broker, or the link's own connection, has dropped something that was for this node.
    pub fn lost(&self) {
        add(&self.shared.meter.overruns, 1);
        self.shared.tell_missed();
    }

    /// The broker or the way to it makes trouble, which is logged at most once a minute.
    pub fn complain(&self, why: impl Display) {
        if let Some(times) = self.shared.complaints.due(self.shared.now()) {
            tracing::warn!(%why, times, "trouble with the backplane");
        }
    }

    /// Whether the link has said that it is up, and not that it is down since.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.shared.is_up()
    }

    fn own(&self, bytes: &Bytes) {
        let shared = &self.shared;
        let word = (bytes.len() <= CANARY_BYTES_MAX).then(|| backplane::decode(bytes));
        let Some(Ok(Word::Canary(number))) = word else {
            add(&shared.meter.echoes, 1);
            return;
        };
        let now = shared.now();
        let Some(Back { trip_ms, missed }) = shared.pulse.lock().back(number, now) else {
            return;
        };
        add(&shared.meter.canaries, 1);
        set(&shared.meter.canary_trip_ms, trip_ms);
        if missed {
            shared.tell_missed();
        }
    }
}
