//! One display as the node sees it: its device's session, its way out, and what it has said of itself.
//!
//! Invariant: what is remembered of a display has a bound, whatever it says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bongsu_core::rate::Bucket;
use bongsu_model::display::{Process, Registration, ToDisplay};
use bongsu_model::event::Lane;
use bongsu_model::{DeviceId, Limits, Locale, Tag, Timestamp};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::ran::Ran;
use crate::devices::DeviceSession;
use crate::dialect::{Dialect, Setting};
use crate::mailbox::{Mailbox, Pushed};
use crate::node::Node;
use crate::ports::Ports;

/// A display.
pub struct Display {
    /// Its session as a device.
    pub device: Arc<DeviceSession>,
    /// Its number.
    pub client: i64,
    /// What it is written in, by its own word.
    pub client_type: Option<Arc<str>>,
    /// Where it says it is.
    pub address: Option<Arc<str>>,
    /// All that it says it can do.
    capabilities: Vec<Arc<str>>,
    /// What it is spoken to as, unasked.
    pub(super) tag: Tag,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) locale: Locale,
    pub(super) state: Mutex<State>,
    /// Told when it has answered whether it is there.
    pub(super) answered: Notify,
    /// What it said is being carried out.
    pub(super) busy: AtomicBool,
    /// Its connection is gone, or another may be let in on it.
    pub(super) left: AtomicBool,
}

/// What a display has said of itself, and what it was asked.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) beat_at: Timestamp,
    /// It was asked then whether it is there …
    pub(super) asked_at: Timestamp,
    /// … and so often since it last answered.
    pub(super) unanswered: u32,
    /// Another node wants to know whether it is there.
    pub(super) wanted: BTreeSet<Arc<str>>,
    /// Somebody has wanted to know then.
    pub(super) probed_at: Option<Timestamp>,
    /// Its end was seen then.
    pub(super) cut_at: Option<Timestamp>,
    pub(super) status: Option<Arc<str>>,
    pub(super) uptime_ms: Option<u64>,
    pub(super) process_count: u64,
    pub(super) processes: Vec<Process>,
    pub(super) ran: Ran,
    /// What it has used up of its rate.
    pub(super) rate: Bucket,
}

/// Of what a display is made once it is let in.
pub(super) struct Made {
    pub(super) device: Arc<DeviceSession>,
    pub(super) client: i64,
    pub(super) tag: Tag,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) locale: Locale,
    pub(super) ran: Ran,
}

impl State {
    /// A display that was let in now.
    pub(super) fn new(ran: Ran, now: Timestamp) -> Self {
        Self {
            beat_at: now,
            asked_at: now,
            unanswered: 0,
            wanted: BTreeSet::new(),
            probed_at: None,
            cut_at: None,
            status: None,
            uptime_ms: None,
            process_count: 0,
            processes: Vec::new(),
            ran,
            rate: Bucket::default(),
        }
    }
}

impl Display {
    pub(super) fn new(made: Made, registration: &Registration, now: Timestamp) -> Arc<Self> {
        Arc::new(Self {
            device: made.device,
            client: made.client,
            client_type: registration.client.clone(),
            address: registration.address.clone(),
            capabilities: registration.capabilities.clone(),
            tag: made.tag,
            mailbox: made.mailbox,
            locale: made.locale,
            state: Mutex::new(State::new(made.ran, now)),
            answered: Notify::new(),
            busy: AtomicBool::new(false),
            left: AtomicBool::new(false),
        })
    }

    /// Its name, which is that of its device.
    #[must_use]
    pub fn name(&self) -> &DeviceId {
        &self.device.device
    }

    /// Whether it says that it can do something.
    pub(super) fn can(&self, what: &str) -> bool {
        can(&self.capabilities, what)
    }

    /// That it is let in.
    pub(super) fn registered(&self, limits: &Limits) -> ToDisplay {
        ToDisplay::Registered {
            client: self.client,
            name: self.name().clone(),
            epoch: self.device.epoch,
            heartbeat_ms: limits.display_heartbeat_ms,
        }
    }

    /// Whether its session has been ended from this side.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.device.ending().is_some()
    }

    /// Says something to it; false if its connection takes nothing any more. What there are no words for is as good as said.
    pub(super) fn say(&self, ports: &Ports, said: &ToDisplay) -> bool {
        let Some(bytes) = self.words(self.mailbox.dialect(), ports, &self.tag, said) else {
            return true;
        };
        self.mailbox.push(Lane::Control, &bytes) != Pushed::Closed
    }

    /// The frames for something that is said, as the answer to what came under a tag.
    pub(super) fn words(
        &self,
        dialect: &dyn Dialect,
        ports: &Ports,
        tag: &Tag,
        said: &ToDisplay,
    ) -> Option<Bytes> {
        let with = Setting {
            locale: self.locale,
            now: ports.clock.now(),
            id: 0,
            limits: &ports.limits,
        };
        dialect.display(tag, said, with)
    }

    /// The connection is gone, or another is to be let in on it.
    pub(crate) async fn gone(self: &Arc<Self>, node: &Arc<Node>) {
        node.displays.leave(self);
        // Whoever leaves is told nothing of it.
        self.left.store(true, Ordering::Release);
        self.device.gone().await;
    }
}

/// Whether something is among what a display says it can do.
pub(super) fn can(capabilities: &[Arc<str>], what: &str) -> bool {
    capabilities.iter().any(|one| **one == *what)
}
