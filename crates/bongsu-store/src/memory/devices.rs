//! Devices of the memory store: sessions, enrolments, leases, states.
//!
//! Invariant: `epochs`, `leases` and `last_client` outlive their devices, so that no epoch, fence or client number is given
//! twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bongsu_model::device::{
    Command, CommandId, ConnectionEpoch, Device, DeviceId, Enrolment, Fence, Held, Lease, LeaseAsk, Leased,
    NewDevice, OpenSession, Opened, SessionOpened, Shadow, ShadowPut,
};
use bongsu_model::{Timestamp, TokenHash};

use super::state::State;
use crate::{CreateRefused, Existing, command};

/// What is kept about devices.
#[derive(Default)]
pub(super) struct Devices {
    pub(super) all: BTreeMap<DeviceId, Device>,
    pub(super) epochs: BTreeMap<DeviceId, ConnectionEpoch>,
    last_client: i64,
    /// In the order in which they were kept.
    pub(super) enrolments: Vec<Enrolment>,
    /// The last one of each device, and whether it was neither released nor ended.
    pub(super) leases: BTreeMap<DeviceId, (Lease, bool)>,
    pub(super) shadows: BTreeMap<DeviceId, Shadow>,
    /// By number: in the order in which they were recorded.
    pub(super) commands: BTreeMap<u64, Command>,
    pub(super) numbers: BTreeMap<CommandId, u64>,
    pub(super) of_device: BTreeSet<(DeviceId, u64)>,
    pub(super) open: BTreeSet<(DeviceId, u64)>,
    pub(super) last_number: u64,
    pub(super) keys: BTreeMap<(Arc<str>, Arc<str>), Key>,
}

/// What a caller's own key stands for.
pub(super) struct Key {
    pub(super) hash: [u8; 32],
    pub(super) command: CommandId,
    pub(super) at: Timestamp,
}

fn existing(changed: bool) -> Existing {
    if changed {
        Existing::Changed
    } else {
        Existing::Unchanged
    }
}

impl State {
    pub(super) fn create_device(&mut self, new: NewDevice, at: Timestamp) -> Result<Device, CreateRefused> {
        if self.devices.all.contains_key(&new.id) {
            return Err(CreateRefused::IdTaken);
        }
        self.devices.last_client += 1;
        let device = Device {
            client: self.devices.last_client,
            kind: new.kind,
            version: None,
            capabilities: Arc::default(),
            epoch: self.devices.epochs.get(&new.id).copied().unwrap_or_default(),
            session: None,
            last_seen: None,
            created_at: at,
            id: new.id,
        };
        self.devices.all.insert(device.id.clone(), device.clone());
        Ok(device)
    }

    pub(super) fn devices_after(&self, after: Option<&DeviceId>, limit: u32) -> Vec<Device> {
        let later = |device: &&Device| after.is_none_or(|after| device.id > *after);
        let devices = self.devices.all.values().filter(later);
        devices.take(limit as usize).cloned().collect()
    }

    pub(super) fn devices_of(&self, kind: &str, after: Option<&DeviceId>, limit: u32) -> Vec<Device> {
        let later = |device: &&Device| after.is_none_or(|after| device.id > *after);
        let of_kind = self.devices.all.values().filter(|device| &*device.kind == kind);
        of_kind.filter(later).take(limit as usize).cloned().collect()
    }

    pub(super) fn delete_device(&mut self, device: &DeviceId, node: &Arc<str>, at: Timestamp) -> Existing {
        if self.devices.all.remove(device).is_none() {
            return Existing::Absent;
        }
        self.devices.enrolments.retain(|it| it.device != *device);
        self.devices.shadows.remove(device);
        if let Some((_, open)) = self.devices.leases.get_mut(device) {
            *open = false;
        }
        for open in self.open_commands(device) {
            self.step_command(command::orphaned(&open, Arc::clone(node), at));
        }
        Existing::Changed
    }

    pub(super) fn add_enrolment(&mut self, new: Enrolment, at: Timestamp) -> Existing {
        if !self.devices.all.contains_key(&new.device) {
            return Existing::Absent;
        }
        let device = new.device.clone();
        let ended = |it: &Enrolment| it.expires_at.is_some_and(|end| end <= at);
        let kept = &mut self.devices.enrolments;
        kept.retain(|it| it.hash != new.hash && !(it.device == device && ended(it)));
        kept.push(new);
        let of_device = kept.iter().filter(|it| it.device == device).count();
        let mut surplus = of_device.saturating_sub(self.limits.enrolments_per_device_max);
        kept.retain(|it| {
            let goes = it.device == device && surplus > 0;
            surplus -= usize::from(goes);
            !goes
        });
        Existing::Changed
    }

    pub(super) fn enrolment(&self, hash: TokenHash, at: Timestamp) -> Option<DeviceId> {
        let opens = |it: &&Enrolment| it.hash == hash && it.expires_at.is_none_or(|end| end > at);
        let found = self.devices.enrolments.iter().find(opens)?;
        Some(found.device.clone())
    }

    pub(super) fn revoke_enrolments(&mut self, device: &DeviceId) -> Existing {
        if !self.devices.all.contains_key(device) {
            return Existing::Absent;
        }
        let before = self.devices.enrolments.len();
        self.devices.enrolments.retain(|it| it.device != *device);
        existing(self.devices.enrolments.len() < before)
    }

    pub(super) fn open_device_session(&mut self, open: OpenSession, at: Timestamp) -> SessionOpened {
        if open.create {
            let kind = open.kind.clone().unwrap_or_else(|| "device".into());
            let id = open.device.clone();
            // One that is there stays as it is.
            let _ = self.create_device(NewDevice { id, kind }, at);
        }
        let Some(device) = self.devices.all.get_mut(&open.device) else {
            return SessionOpened::NoDevice;
        };
        let epoch = device.epoch;
        let before = device.session.clone().map(|session| Held { session, epoch });
        match before {
            Some(held) if !open.expects.admits(Some(&held)) => return SessionOpened::Taken(held),
            Some(_) | None => {}
        }
        device.epoch.0 += 1;
        device.session = Some(open.session);
        if let Some(kind) = open.kind {
            device.kind = kind;
        }
        device.version = open.version;
        device.capabilities = open.capabilities;
        let epoch = device.epoch;
        self.devices.epochs.insert(open.device, epoch);
        SessionOpened::Opened(Opened { epoch, before })
    }

    pub(super) fn close_device_session(
        &mut self,
        device: &DeviceId,
        epoch: ConnectionEpoch,
        at: Timestamp,
    ) -> Existing {
        let Some(device) = self.devices.all.get_mut(device) else {
            return Existing::Absent;
        };
        if device.epoch != epoch || device.session.take().is_none() {
            return Existing::Unchanged;
        }
        device.last_seen = device.last_seen.max(Some(at));
        Existing::Changed
    }

    pub(super) fn forget_device_sessions(&mut self, node: &str, at: Timestamp) -> u64 {
        let mut forgotten = 0;
        for device in self.devices.all.values_mut() {
            if device.session.as_ref().is_some_and(|it| &*it.node == node) {
                device.session = None;
                device.last_seen = device.last_seen.max(Some(at));
                forgotten += 1;
            }
        }
        forgotten
    }

    pub(super) fn take_lease(&mut self, ask: LeaseAsk) -> Leased {
        if !self.devices.all.contains_key(&ask.device) {
            return Leased::NoDevice;
        }
        let last = self.devices.leases.get(&ask.device);
        let (mut fence, mut since) = (Fence(1), ask.at);
        if let Some((last, open)) = last {
            let runs = *open && last.expires_at > ask.at;
            if runs && last.holder != ask.holder {
                return Leased::Held(last.clone());
            }
            (fence, since) = if runs {
                (last.fence, last.since)
            } else {
                (Fence(last.fence.0 + 1), ask.at)
            };
        }
        let lease = Lease {
            device: ask.device.clone(),
            holder: ask.holder,
            fence,
            since,
            expires_at: ask.expires_at,
            at_lapse: ask.at_lapse,
        };
        self.devices.leases.insert(ask.device, (lease.clone(), true));
        Leased::Granted(lease)
    }

    pub(super) fn lease(&self, device: &DeviceId, at: Timestamp) -> Option<Lease> {
        let (lease, open) = self.devices.leases.get(device)?;
        (*open && lease.expires_at > at).then(|| lease.clone())
    }

    pub(super) fn release_lease(&mut self, device: &DeviceId, holder: &str, at: Timestamp) -> Existing {
        if !self.devices.all.contains_key(device) {
            return Existing::Absent;
        }
        match self.devices.leases.get_mut(device) {
            Some((lease, open)) if *open && lease.expires_at > at && &*lease.holder == holder => {
                *open = false;
                Existing::Changed
            }
            Some(_) | None => Existing::Unchanged,
        }
    }

    pub(super) fn lapsed_leases(&self, at: Timestamp, limit: u32) -> Vec<Lease> {
        let leases = self.devices.leases.values();
        let lapsed = leases.filter(|(lease, open)| *open && lease.expires_at <= at);
        let mut lapsed: Vec<_> = lapsed.map(|(lease, _)| lease.clone()).collect();
        lapsed.sort_by_key(|lease| lease.expires_at);
        lapsed.truncate(limit as usize);
        lapsed
    }

    pub(super) fn end_lease(&mut self, device: &DeviceId, fence: Fence) -> Existing {
        if !self.devices.all.contains_key(device) {
            return Existing::Absent;
        }
        match self.devices.leases.get_mut(device) {
            Some((lease, open)) if *open && lease.fence == fence => {
                *open = false;
                Existing::Changed
            }
            Some(_) | None => Existing::Unchanged,
        }
    }

    pub(super) fn shadow(&self, device: &DeviceId) -> Option<Shadow> {
        self.devices.all.get(device)?;
        Some(self.devices.shadows.get(device).cloned().unwrap_or_default())
    }

    pub(super) fn put_shadow(&mut self, device: DeviceId, from_version: u64, shadow: Shadow) -> ShadowPut {
        let Some(before) = self.shadow(&device) else {
            return ShadowPut::NoDevice;
        };
        if before.version != from_version || !shadow.follows(&before) {
            return ShadowPut::Stale;
        }
        self.devices.shadows.insert(device, shadow);
        ShadowPut::Kept
    }
}
