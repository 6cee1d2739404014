//! The slow way to what the store keeps about devices.

use std::sync::Arc;

use async_trait::async_trait;
use bongsu_model::device::{
    Command, CommandId, CommandState, ConnectionEpoch, Device, DeviceId, Ends, Enrolment, Fence, Lease,
    LeaseAsk, Leased, NewCommand, NewDevice, OpenSession, Pace, Recorded, SessionOpened, Shadow, ShadowPut,
    Step, StepKind, Stepped,
};
use bongsu_model::{Timestamp, TokenHash};
use bongsu_store::{CreateRefused, DeviceStore, Existing, RenameRefused, StoreFault};

use super::Slow;
use crate::defect::Defect;

impl Slow {
    /// The planted defect: an open command with these arguments, for whatever target.
    async fn like(&self, new: &NewCommand) -> Option<Command> {
        let asked = &new.command;
        let open = self.inner.open_commands(asked.device.clone()).await.ok()?;
        let recent = |it: &Command| asked.at.ms_since(it.at) < new.debounce_ms;
        open.into_iter().find(|it| recent(it) && it.args == asked.args)
    }

    /// The planted defect: a command that was written ends, if a newer one of its target is there.
    async fn supersede(&self, step: &mut Step) {
        let latest = |it: &Command| it.pace == Pace::LatestWins;
        let (written, open) = (
            step.note.state == CommandState::Written,
            self.inner.open_commands(step.device.clone()).await,
        );
        let open = open.unwrap_or_default();
        let mut from_it = open.iter().skip_while(|it| it.id != step.command);
        if let (true, Some(it)) = (written, from_it.next().filter(|it| latest(it)))
            && from_it.any(|newer| latest(newer) && newer.serial() == it.serial())
        {
            step.note.state = CommandState::Superseded;
            step.kind = StepKind::Ends(Ends::default());
        }
    }
}

impl Slow {
    /// The planted defect: what ends a command is said to be kept.
    async fn forget(&self, steps: Vec<Step>) -> Result<Vec<Stepped>, StoreFault> {
        let mut stepped = Vec::new();
        for step in steps {
            let kept = self.inner.command(step.command).await?;
            let succeeds = step.note.state == CommandState::Succeeded;
            match kept.filter(|kept| succeeds && kept.state.is_open()) {
                Some(mut kept) => {
                    kept.state = step.note.state;
                    stepped.push(Stepped::Kept(Box::new(kept)));
                }
                None => stepped.extend(self.inner.step_commands(vec![step]).await?),
            }
        }
        Ok(stepped)
    }
}

impl Slow {
    /// The planted defect: a command that is to be routed is said to be, whatever session its device has by now.
    async fn record_unfenced(&self, new: NewCommand) -> Result<Recorded, StoreFault> {
        let meant = new.command.clone();
        let recorded = self.inner.record_command(new).await?;
        let Recorded::New {
            superseded,
            routed: false,
        } = recorded
        else {
            return Ok(recorded);
        };
        let routed = meant.state == CommandState::Routed;
        if let (true, Some(note)) = (routed, meant.history.last().cloned()) {
            let step = Step {
                command: meant.id,
                device: meant.device.clone(),
                epoch: meant.epoch,
                note,
                kind: StepKind::Moves,
            };
            self.step_unfenced(step).await?;
        }
        Ok(Recorded::New { superseded, routed })
    }

    /// As [`Self::record_unfenced`], of a step: it is kept under its epoch, with a note that the store does not look at.
    async fn step_unfenced(&self, step: Step) -> Result<Option<Stepped>, StoreFault> {
        let routes = matches!(step.kind, StepKind::Moves) && step.note.state == CommandState::Routed;
        let stepped = self.inner.step_commands(vec![step.clone()]).await?.pop();
        let open = |kept: &Command| kept.state.is_open() && kept.epoch <= step.epoch;
        match stepped {
            Some(Stepped::Refused(kept)) if routes && open(&kept) => {
                let mut step = step;
                step.note.state = CommandState::Accepted;
                Ok(self.inner.step_commands(vec![step]).await?.pop())
            }
            stepped => Ok(stepped),
        }
    }
}

#[async_trait]
impl DeviceStore for Slow {
    async fn create_device(&self, device: NewDevice, at: Timestamp) -> Result<Device, CreateRefused> {
        self.late(self.inner.create_device(device, at).await).await
    }

    async fn create_devices(
        &self,
        devices: Vec<NewDevice>,
        at: Timestamp,
    ) -> Result<Vec<Result<Device, CreateRefused>>, StoreFault> {
        self.late(self.inner.create_devices(devices, at).await).await
    }

    async fn rename_devices(
        &self,
        renames: Vec<(DeviceId, DeviceId)>,
        at: Timestamp,
    ) -> Result<(), RenameRefused> {
        self.late(self.inner.rename_devices(renames, at).await).await
    }

    async fn device(&self, device: DeviceId) -> Result<Option<Device>, StoreFault> {
        self.late(self.inner.device(device).await).await
    }

    async fn devices(&self, after: Option<DeviceId>, limit: u32) -> Result<Vec<Device>, StoreFault> {
        self.late(self.inner.devices(after, limit).await).await
    }

    async fn devices_of(
        &self,
        kind: Arc<str>,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Result<Vec<Device>, StoreFault> {
        self.late(self.inner.devices_of(kind, after, limit).await).await
    }

    async fn delete_device(
        &self,
        device: DeviceId,
        node: Arc<str>,
        at: Timestamp,
    ) -> Result<Existing, StoreFault> {
        self.late(self.inner.delete_device(device, node, at).await).await
    }

    async fn add_enrolment(&self, enrolment: Enrolment, at: Timestamp) -> Result<Existing, StoreFault> {
        self.late(self.inner.add_enrolment(enrolment, at).await).await
    }

    async fn enrolment(&self, hash: TokenHash, at: Timestamp) -> Result<Option<DeviceId>, StoreFault> {
        self.late(self.inner.enrolment(hash, at).await).await
    }

    async fn revoke_enrolments(&self, device: DeviceId) -> Result<Existing, StoreFault> {
        self.late(self.inner.revoke_enrolments(device).await).await
    }

    async fn open_device_session(
        &self,
        open: OpenSession,
        at: Timestamp,
    ) -> Result<SessionOpened, StoreFault> {
        self.late(self.inner.open_device_session(open, at).await).await
    }

    async fn close_device_session(
        &self,
        device: DeviceId,
        epoch: ConnectionEpoch,
        at: Timestamp,
    ) -> Result<Existing, StoreFault> {
        self.late(self.inner.close_device_session(device, epoch, at).await)
            .await
    }

    async fn forget_device_sessions(&self, node: Arc<str>, at: Timestamp) -> Result<u64, StoreFault> {
        self.late(self.inner.forget_device_sessions(node, at).await).await
    }

    async fn record_command(&self, new: NewCommand) -> Result<Recorded, StoreFault> {
        if self.defect == Some(Defect::DebounceAcrossTargets)
            && let Some(open) = self.like(&new).await
        {
            return Ok(Recorded::Joined(Box::new(open)));
        }
        if self.defect == Some(Defect::Unfenced) {
            return self.record_unfenced(new).await;
        }
        self.late(self.inner.record_command(new).await).await
    }

    async fn step_commands(&self, mut steps: Vec<Step>) -> Result<Vec<Stepped>, StoreFault> {
        if self.defect == Some(Defect::SupersededAnyway) {
            for step in &mut steps {
                self.supersede(step).await;
            }
        }
        if self.defect == Some(Defect::EndsForgotten) {
            return self.forget(steps).await;
        }
        if self.defect == Some(Defect::Unfenced) {
            let mut stepped = Vec::new();
            for step in steps {
                stepped.extend(self.step_unfenced(step).await?);
            }
            return Ok(stepped);
        }
        self.late(self.inner.step_commands(steps).await).await
    }

    async fn command(&self, command: CommandId) -> Result<Option<Command>, StoreFault> {
        self.late(self.inner.command(command).await).await
    }

    async fn commands(
        &self,
        device: DeviceId,
        before: Option<CommandId>,
        limit: u32,
    ) -> Result<Vec<Command>, StoreFault> {
        self.late(self.inner.commands(device, before, limit).await).await
    }

    async fn open_commands(&self, device: DeviceId) -> Result<Vec<Command>, StoreFault> {
        self.late(self.inner.open_commands(device).await).await
    }

    async fn overdue_commands(&self, at: Timestamp, limit: u32) -> Result<Vec<Command>, StoreFault> {
        self.late(self.inner.overdue_commands(at, limit).await).await
    }

    async fn trim_commands(&self, before: Timestamp) -> Result<u64, StoreFault> {
        self.late(self.inner.trim_commands(before).await).await
    }

    async fn take_lease(&self, ask: LeaseAsk) -> Result<Leased, StoreFault> {
        self.late(self.inner.take_lease(ask).await).await
    }

    async fn lease(&self, device: DeviceId, at: Timestamp) -> Result<Option<Lease>, StoreFault> {
        self.late(self.inner.lease(device, at).await).await
    }

    async fn release_lease(
        &self,
        device: DeviceId,
        holder: Arc<str>,
        at: Timestamp,
    ) -> Result<Existing, StoreFault> {
        self.late(self.inner.release_lease(device, holder, at).await)
            .await
    }

    async fn lapsed_leases(&self, at: Timestamp, limit: u32) -> Result<Vec<Lease>, StoreFault> {
        self.inner.lapsed_leases(at, limit).await
    }

    async fn end_lease(&self, device: DeviceId, fence: Fence) -> Result<Existing, StoreFault> {
        self.late(self.inner.end_lease(device, fence).await).await
    }

    async fn shadow(&self, device: DeviceId) -> Result<Option<Shadow>, StoreFault> {
        self.late(self.inner.shadow(device).await).await
    }

    async fn put_shadow(
        &self,
        device: DeviceId,
        from_version: u64,
        shadow: Shadow,
    ) -> Result<ShadowPut, StoreFault> {
        self.late(self.inner.put_shadow(device, from_version, shadow).await)
            .await
    }
}
