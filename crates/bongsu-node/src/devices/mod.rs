//! Devices on this node: their sessions, the desks that see their commands through, and whoever waits for news of them.
//!
//! Invariants: of a device at most one session is current here, the one with the highest epoch; a command is carried on by
//! the desk of the node that holds its device, and by nobody else; what a caller hears is in the store.

mod commands;
mod desks;
mod elsewhere;
mod hear;
mod hello;
mod interest;
mod leases;
mod look;
mod operate;
mod outbox;
mod said;
mod session;
mod state;
mod sweep;
mod telemetry;
mod verdict;
mod watched;

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bongsu_bus::Subject;
use bongsu_core::catalogue::Catalogue;
use bongsu_core::desk::{Desk, DeskInput, DeskRules};
use bongsu_core::policy;
use bongsu_core::rate::Buckets;
use bongsu_model::device::Command;
use bongsu_model::{CommandId, DeviceId, Refusal};
use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::node::Node;
use crate::ports::Ports;
use crate::usecases::operate::Operator;
use interest::Interest;
use look::Looked;
use telemetry::Known;

pub use bongsu_core::catalogue;
pub use bongsu_core::desk::Pacing;
pub use commands::{Ran, RunCommand, Wait, WaitFor};
pub use elsewhere::Presence;
pub use hear::ends_device_session;
pub use hello::DeviceClaim;
pub(crate) use hello::{LetIn, NotLetIn};
pub use operate::{DeviceView, EnrolmentToken};
pub(crate) use session::Standing;
pub use session::{DeviceSession, Outgoing, Ticket};
pub use state::{DesiredChange, StateRefused, StateView};
pub use telemetry::Latest;
pub use verdict::Verdict;
pub use watched::Watch;
pub(crate) use watched::Watched;

pub(crate) use sweep::Rounds;

/// Parts of the registry of sessions, each with its own lock.
const PARTS: usize = 16;
/// Desks of a node: few, so that steps of many devices share a transaction.
const DESKS: usize = 2;
/// Callers and devices whose rates are remembered, each.
const KEYS_MAX: usize = 200_000;

/// The devices of a node.
pub(crate) struct Devices {
    sessions: [Mutex<HashMap<DeviceId, Arc<DeviceSession>>>; PARTS],
    count: AtomicUsize,
    desks: Vec<mpsc::Sender<DeskInput>>,
    commands: Watched<CommandId, Arc<Command>>,
    taken: Watched<CommandId, ()>,
    states: Watched<DeviceId, u64>,
    telemetry: Mutex<BTreeMap<DeviceId, Known>>,
    measured: Watched<DeviceId, Arc<Latest>>,
    /// What other nodes answer who were asked what their devices have measured.
    answers: Watched<DeviceId, Arc<Latest>>,
    interest: Arc<Interest>,
    looked: Mutex<Looked>,
    catalogue: RwLock<Arc<Catalogue>>,
    rates: Mutex<Rates>,
    /// Which start of this node it is.
    boot: u64,
}

/// What callers and devices have used up of their rates, by what is asked: (its name, the caller's or the device's).
struct Rates {
    callers: Buckets<(Arc<str>, Arc<str>)>,
    devices: Buckets<(Arc<str>, Arc<str>)>,
}

/// What the desks of a node take in.
pub(crate) struct Inboxes(Vec<mpsc::Receiver<DeskInput>>);

impl Devices {
    pub(crate) fn new(ports: &Ports, boot: u64) -> (Self, Inboxes) {
        let limits = &*ports.limits;
        let interest = Interest::new(&ports.bus);
        let notes = || {
            let interest = Arc::clone(&interest);
            move |device: &DeviceId, watched| interest.note(device, watched)
        };
        let (desks, inboxes) = (0..DESKS).map(|_| mpsc::channel(limits.shard_inbox_max)).unzip();
        let devices = Self {
            sessions: Default::default(),
            count: AtomicUsize::new(0),
            desks,
            commands: Watched::new(limits.watchers_max),
            taken: Watched::new(limits.watchers_max),
            states: Watched::noted(limits.watchers_max, notes()),
            telemetry: Mutex::default(),
            measured: Watched::noted(limits.watchers_max, notes()),
            answers: Watched::new(limits.watchers_max),
            interest,
            looked: Mutex::default(),
            catalogue: RwLock::default(),
            rates: Mutex::new(Rates {
                callers: Buckets::new(KEYS_MAX),
                devices: Buckets::new(KEYS_MAX),
            }),
            boot,
        };
        (devices, Inboxes(inboxes))
    }

    /// The current session of a device, if it is here.
    pub(crate) fn session(&self, device: &DeviceId) -> Option<Arc<DeviceSession>> {
        self.part(device).lock().get(device).cloned()
    }

    /// Makes a session the current one of its device, unless there is a later one. What it takes the place of. `came` is
    /// called if the device was not here before, and before it can go again.
    fn enter(
        &self,
        session: &Arc<DeviceSession>,
        came: impl FnOnce(),
    ) -> Result<Option<Arc<DeviceSession>>, Superseded> {
        let mut part = self.part(&session.device).lock();
        if part
            .get(&session.device)
            .is_some_and(|current| current.epoch > session.epoch)
        {
            return Err(Superseded);
        }
        let before = part.insert(session.device.clone(), Arc::clone(session));
        if before.is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
            came();
        }
        Ok(before)
    }

    /// Forgets a session; false if it is not the current one of its device. `went` is called if it is, before its device can
    /// come again.
    fn leave(&self, session: &DeviceSession, went: impl FnOnce()) -> bool {
        let mut part = self.part(&session.device).lock();
        let current = part
            .get(&session.device)
            .is_some_and(|current| current.epoch == session.epoch);
        if current {
            part.remove(&session.device);
            self.count.fetch_sub(1, Ordering::Relaxed);
            went();
        }
        current
    }

    /// Every session, ascending by device.
    pub(crate) fn all(&self) -> Vec<Arc<DeviceSession>> {
        let mut all = Vec::with_capacity(self.len());
        for part in &self.sessions {
            all.extend(part.lock().values().cloned());
        }
        all.sort_unstable_by(|one, other| one.device.cmp(&other.device));
        all
    }

    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// How many wait for a command here.
    pub(crate) fn callers(&self) -> usize {
        self.commands.len()
    }

    /// Tells the desk of a device; waits while that has its full load.
    pub(crate) async fn desk(&self, device: &DeviceId, input: DeskInput) {
        // A desk that is gone hears nothing; its node is going too.
        let _ = self.desks[self.place(device) % self.desks.len()]
            .send(input)
            .await;
    }

    /// Has the desk of a device take a command back, if it has it.
    pub(crate) async fn cancel(&self, device: &DeviceId, command: CommandId, by: Arc<str>) {
        self.desk(device, DeskInput::Cancel { command, by }).await;
    }

    /// Tells the desk of a device without waiting; if it has its full load, a task of its own waits.
    pub(crate) fn tell_desk(
        &self,
        device: &DeviceId,
        input: DeskInput,
        before: Option<JoinHandle<()>>,
    ) -> Option<JoinHandle<()>> {
        let desk = &self.desks[self.place(device) % self.desks.len()];
        let input = match before {
            Some(_) => input,
            None => match desk.try_send(input) {
                Err(mpsc::error::TrySendError::Full(input)) => input,
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => return None,
            },
        };
        let desk = desk.clone();
        Some(tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            let _ = desk.send(input).await;
        }))
    }

    fn part(&self, device: &DeviceId) -> &Mutex<HashMap<DeviceId, Arc<DeviceSession>>> {
        &self.sessions[self.place(device) % PARTS]
    }

    fn place(&self, device: &DeviceId) -> usize {
        let mut hasher = DefaultHasher::new();
        device.hash(&mut hasher);
        usize::try_from(hasher.finish() >> 32).unwrap_or(0)
    }
}

/// A later session of the device is here already.
#[derive(Debug)]
struct Superseded;

impl Inboxes {
    /// Starts the desks.
    pub(crate) fn run(self, node: &Arc<Node>) {
        for inbox in self.0 {
            let desk = Desk::new(DeskRules::from(&*node.ports.limits), Arc::clone(&node.id));
            tokio::spawn(desks::run(Arc::downgrade(node), desk, inbox));
        }
    }
}

impl Node {
    /// How many devices have a session here.
    #[must_use]
    pub fn devices_count(&self) -> usize {
        self.devices.len()
    }

    /// The commands there are.
    #[must_use]
    pub fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.devices.catalogue.read())
    }

    /// The commands there are, for whoever asks from outside.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn listed_commands(&self, by: &Operator) -> Result<Arc<Catalogue>, Refusal> {
        policy::may_operate(&by.principal)?;
        Ok(self.catalogue())
    }

    /// From now on these are the commands there are. Commands under way are not touched.
    pub fn set_catalogue(&self, catalogue: Catalogue) {
        *self.devices.catalogue.write() = Arc::new(catalogue);
    }

    /// Forgets a session; false if it is not the current one of its device.
    fn forget_device(&self, session: &DeviceSession) -> bool {
        let went = || self.want(Subject::Device(session.device.clone()), false);
        self.devices.leave(session, went)
    }

    /// The session that a device has here.
    #[must_use]
    pub fn device_session(&self, device: &DeviceId) -> Option<Arc<DeviceSession>> {
        self.devices.session(device)
    }
}
