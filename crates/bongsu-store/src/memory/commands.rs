//! Commands of the memory store.
//!
//! Invariant: `open` names exactly the commands that have not ended; an index names nothing that is not there.

use std::sync::Arc;

use bongsu_model::Timestamp;
use bongsu_model::device::{
    Command, CommandId, Desired, DeviceId, NewCommand, Recorded, Step, Stepped, Wish,
};

use super::devices::Key;
use super::state::State;
use crate::command;

impl State {
    pub(super) fn record_command(&mut self, mut new: NewCommand) -> Recorded {
        let device = &new.command.device;
        let Some(known) = self.devices.all.get(device) else {
            return Recorded::NoDevice;
        };
        let last = (known.epoch, known.session.is_some());
        if let Some(known) = self.command(new.command.id) {
            return Recorded::Repeat(Box::new(known));
        }
        if let Some(answer) = self.known_key(&new) {
            return answer;
        }
        if let Some(lease) = command::refused_by_lease(&new, self.devices.leases.get(device).cloned()) {
            return Recorded::Leased(lease);
        }
        if let Some(joined) = self.join_command(&new) {
            self.keep_key(&new, joined.id);
            return Recorded::Joined(Box::new(joined));
        }
        let open = self.open_commands(device);
        let (superseded, stay): (Vec<_>, Vec<_>) = open
            .into_iter()
            .partition(|it| command::supersedes(&new.command, it.state, it.target.as_deref()));
        if stay.len() >= new.open_max {
            return Recorded::TooMany;
        }
        for old in &superseded {
            self.step_command(command::superseded(old, &new.command));
        }
        if let Some(wish) = new.wish.clone() {
            self.wish(&new.command, wish);
        }
        self.keep_key(&new, new.command.id);
        let routed = command::stays_routed(&mut new.command, last);
        self.insert(new.command);
        let superseded = superseded.iter().map(|it| it.id).collect();
        Recorded::New { superseded, routed }
    }

    fn known_key(&self, new: &NewCommand) -> Option<Recorded> {
        let (key, hash) = new.key.as_ref()?;
        let by = Arc::clone(&new.command.by);
        let known = self.devices.keys.get(&(by, Arc::clone(key)))?;
        if new.command.at.ms_since(known.at) > self.limits.command_key_kept_ms {
            return None;
        }
        let command = self.command(known.command)?;
        Some(if known.hash == *hash {
            Recorded::Repeat(Box::new(command))
        } else {
            Recorded::KeyReused
        })
    }

    fn keep_key(&mut self, new: &NewCommand, command: CommandId) {
        let (at, kept_ms) = (new.command.at, self.limits.command_key_kept_ms);
        self.devices.keys.retain(|_, key| at.ms_since(key.at) <= kept_ms);
        if let Some((key, hash)) = &new.key {
            let (by, hash) = (Arc::clone(&new.command.by), *hash);
            self.devices
                .keys
                .insert((by, Arc::clone(key)), Key { hash, command, at });
        }
    }

    fn join_command(&mut self, new: &NewCommand) -> Option<Command> {
        let newest = self
            .numbers_of(&new.command.device)
            .rev()
            .filter_map(|number| self.devices.commands.get(&number))
            .take_while(|it| command::is_recent(new, it.at))
            .find(|it| it.serial() == new.command.serial())?;
        let same = newest.name == new.command.name
            && newest.target == new.command.target
            && newest.args == new.command.args;
        if !same || newest.state.is_terminal() {
            return None;
        }
        let number = *self.devices.numbers.get(&newest.id)?;
        let joined = self.devices.commands.get_mut(&number)?;
        command::join(joined, new, self.limits.command_notes_max);
        Some(joined.clone())
    }

    fn wish(&mut self, command: &Command, wish: Wish) {
        let shadow = self.devices.shadows.entry(command.device.clone()).or_default();
        shadow.version += 1;
        let desired = Desired {
            value: wish.value,
            at: command.at,
            by: Arc::clone(&command.by),
            expires_at: Some(command.deadline),
            command: Some(command.id),
        };
        shadow.desired.insert(wish.key, desired);
    }

    fn insert(&mut self, command: Command) {
        let devices = &mut self.devices;
        devices.last_number += 1;
        let number = devices.last_number;
        devices.numbers.insert(command.id, number);
        devices.of_device.insert((command.device.clone(), number));
        if command.state.is_open() {
            devices.open.insert((command.device.clone(), number));
        }
        devices.commands.insert(number, command);
    }

    pub(super) fn step_commands(&mut self, steps: Vec<Step>) -> Vec<Stepped> {
        steps.into_iter().map(|step| self.step_command(step)).collect()
    }

    pub(super) fn step_command(&mut self, step: Step) -> Stepped {
        let devices = &mut self.devices;
        let Some((number, kept)) = devices
            .numbers
            .get(&step.command)
            .and_then(|number| devices.commands.get_mut(number).map(|kept| (*number, kept)))
        else {
            return Stepped::Absent;
        };
        let was_open = kept.state.is_open();
        let fenced = command::routes(&step)
            && devices
                .epochs
                .get(&step.device)
                .is_some_and(|last| *last > step.epoch);
        if fenced || !command::step(kept, step, self.limits.command_notes_max) {
            return Stepped::Refused(Box::new(kept.clone()));
        }
        let kept = kept.clone();
        if was_open && kept.state.is_terminal() {
            devices.open.remove(&(kept.device.clone(), number));
            if let Some(shadow) = devices.shadows.get_mut(&kept.device) {
                command::end_wish(shadow, kept.id);
            }
        }
        Stepped::Kept(Box::new(kept))
    }

    pub(super) fn command(&self, command: CommandId) -> Option<Command> {
        let number = self.devices.numbers.get(&command)?;
        self.devices.commands.get(number).cloned()
    }

    /// The numbers of a device's commands in the order in which they were recorded.
    fn numbers_of(&self, device: &DeviceId) -> impl DoubleEndedIterator<Item = u64> + '_ {
        let range = (device.clone(), 0)..=(device.clone(), u64::MAX);
        self.devices.of_device.range(range).map(|(_, number)| *number)
    }

    pub(super) fn commands(&self, device: &DeviceId, before: Option<CommandId>, limit: u32) -> Vec<Command> {
        let end = match before {
            None => u64::MAX,
            Some(before) => self.devices.numbers.get(&before).copied().unwrap_or(0),
        };
        let older = self.numbers_of(device).rev().filter(|number| *number < end);
        older
            .filter_map(|number| self.devices.commands.get(&number))
            .take(limit as usize)
            .cloned()
            .collect()
    }

    pub(super) fn open_commands(&self, device: &DeviceId) -> Vec<Command> {
        let range = (device.clone(), 0)..=(device.clone(), u64::MAX);
        let open = self.devices.open.range(range);
        open.filter_map(|(_, number)| self.devices.commands.get(number))
            .cloned()
            .collect()
    }

    pub(super) fn overdue_commands(&self, at: Timestamp, limit: u32) -> Vec<Command> {
        let open = self.devices.open.iter().map(|(_, number)| number);
        let mut overdue: Vec<_> = open
            .filter_map(|number| Some((number, self.devices.commands.get(number)?)))
            .filter(|(_, it)| it.ends_by() < at)
            .collect();
        overdue.sort_by_key(|(number, it)| (it.ends_by(), **number));
        overdue
            .into_iter()
            .take(limit as usize)
            .map(|(_, it)| it.clone())
            .collect()
    }

    pub(super) fn trim_commands(&mut self, before: Timestamp) -> u64 {
        let devices = &mut self.devices;
        let goes = |it: &Command| it.state.is_terminal() && it.since < before;
        let gone: Vec<_> = devices
            .commands
            .iter()
            .filter(|(_, it)| goes(it))
            .map(|(number, it)| (*number, it.id, it.device.clone()))
            .collect();
        for (number, id, device) in &gone {
            devices.commands.remove(number);
            devices.numbers.remove(id);
            devices.of_device.remove(&(device.clone(), *number));
        }
        gone.len() as u64
    }
}
