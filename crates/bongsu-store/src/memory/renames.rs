//! Devices of the memory store that get other ids.
//!
//! Invariant: all of a renaming is looked at before any of it is done.

use std::collections::BTreeMap;

use bongsu_model::Timestamp;
use bongsu_model::device::DeviceId;

use super::state::State;
use crate::rename::{self, Standing};
use crate::{RenameRefused, StoreFault};

/// From which id to which.
type Ids = BTreeMap<DeviceId, DeviceId>;

impl State {
    pub(super) fn rename_devices(
        &mut self,
        renames: &[(DeviceId, DeviceId)],
        at: Timestamp,
    ) -> Result<(), RenameRefused> {
        rename::check(renames, |id| Ok::<_, StoreFault>(self.standing(id)))?;
        let ids: Ids = renames.iter().filter(|(from, to)| from != to).cloned().collect();
        self.rename_leases(&ids);
        self.rename_commands(&ids);
        for it in &mut self.devices.enrolments {
            if let Some(to) = ids.get(&it.device) {
                it.device = to.clone();
            }
        }
        let shadows = ids
            .iter()
            .filter_map(|(from, to)| Some((to.clone(), self.devices.shadows.remove(from)?)));
        let shadows: Vec<_> = shadows.collect();
        self.devices.shadows.extend(shadows);
        self.rename_themselves(&ids);
        self.presets.rename(&ids, at);
        Ok(())
    }

    fn standing(&self, device: &DeviceId) -> Option<Standing> {
        let known = self.devices.all.get(device)?;
        Some(Standing {
            connected: known.session.is_some(),
            ordered: !self.open_commands(device).is_empty(),
        })
    }

    fn rename_themselves(&mut self, ids: &Ids) {
        let before = self.devices.epochs.clone();
        let epoch = |id: &DeviceId| before.get(id).copied().unwrap_or_default();
        let mut renamed = Vec::new();
        for (from, to) in ids {
            if let Some(mut device) = self.devices.all.remove(from) {
                device.id = to.clone();
                device.epoch = epoch(from).max(epoch(to));
                renamed.push(device);
            }
        }
        for device in renamed {
            self.devices.epochs.insert(device.id.clone(), device.epoch);
            self.devices.all.insert(device.id.clone(), device);
        }
    }

    fn rename_leases(&mut self, ids: &Ids) {
        let before = self.devices.leases.clone();
        let last = |id: &DeviceId| before.get(id).cloned();
        for from in ids.keys() {
            if let Some((_, open)) = self.devices.leases.get_mut(from) {
                *open = false;
            }
        }
        for (from, to) in ids {
            if let Some(lease) = rename::lease(to, last(from), last(to)) {
                self.devices.leases.insert(to.clone(), lease);
            }
        }
    }

    fn rename_commands(&mut self, ids: &Ids) {
        let devices = &mut self.devices;
        for (number, command) in &mut devices.commands {
            if let Some(to) = ids.get(&command.device) {
                devices.of_device.remove(&(command.device.clone(), *number));
                devices.of_device.insert((to.clone(), *number));
                command.device = to.clone();
            }
        }
    }
}
