//! The contract's part about devices, method by method, on what is in memory.

use std::sync::Arc;

use async_trait::async_trait;
use bongsu_model::device::{
    Command, CommandId, ConnectionEpoch, Device, DeviceId, Enrolment, Fence, Lease, LeaseAsk, Leased,
    NewCommand, NewDevice, OpenSession, Recorded, SessionOpened, Shadow, ShadowPut, Step, Stepped,
};
use bongsu_model::{Timestamp, TokenHash};

use super::{Kind, Memory};
use crate::{CreateRefused, DeviceStore, Existing, RenameRefused, StoreFault};

#[async_trait]
impl DeviceStore for Memory {
    async fn create_device(&self, device: NewDevice, at: Timestamp) -> Result<Device, CreateRefused> {
        self.write(Kind::Other, move |state| state.create_device(device, at))
            .await
    }

    async fn create_devices(
        &self,
        devices: Vec<NewDevice>,
        at: Timestamp,
    ) -> Result<Vec<Result<Device, CreateRefused>>, StoreFault> {
        self.write(Kind::Other, move |state| {
            Ok(devices
                .into_iter()
                .map(|new| state.create_device(new, at))
                .collect())
        })
        .await
    }

    async fn rename_devices(
        &self,
        renames: Vec<(DeviceId, DeviceId)>,
        at: Timestamp,
    ) -> Result<(), RenameRefused> {
        self.write(Kind::Other, move |state| state.rename_devices(&renames, at))
            .await
    }

    async fn device(&self, device: DeviceId) -> Result<Option<Device>, StoreFault> {
        self.read(|state| state.devices.all.get(&device).cloned())
    }

    async fn devices(&self, after: Option<DeviceId>, limit: u32) -> Result<Vec<Device>, StoreFault> {
        self.read(|state| state.devices_after(after.as_ref(), limit))
    }

    async fn devices_of(
        &self,
        kind: Arc<str>,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Result<Vec<Device>, StoreFault> {
        self.read(|state| state.devices_of(&kind, after.as_ref(), limit))
    }

    async fn delete_device(
        &self,
        device: DeviceId,
        node: Arc<str>,
        at: Timestamp,
    ) -> Result<Existing, StoreFault> {
        self.write(Kind::Other, move |state| {
            Ok(state.delete_device(&device, &node, at))
        })
        .await
    }

    async fn add_enrolment(&self, enrolment: Enrolment, at: Timestamp) -> Result<Existing, StoreFault> {
        self.write(Kind::Other, move |state| Ok(state.add_enrolment(enrolment, at)))
            .await
    }

    async fn enrolment(&self, hash: TokenHash, at: Timestamp) -> Result<Option<DeviceId>, StoreFault> {
        self.read(|state| state.enrolment(hash, at))
    }

    async fn revoke_enrolments(&self, device: DeviceId) -> Result<Existing, StoreFault> {
        self.write(Kind::Other, move |state| Ok(state.revoke_enrolments(&device)))
            .await
    }

    async fn open_device_session(
        &self,
        open: OpenSession,
        at: Timestamp,
    ) -> Result<SessionOpened, StoreFault> {
        self.write(Kind::Other, move |state| Ok(state.open_device_session(open, at)))
            .await
    }

    async fn close_device_session(
        &self,
        device: DeviceId,
        epoch: ConnectionEpoch,
        at: Timestamp,
    ) -> Result<Existing, StoreFault> {
        self.write(Kind::Other, move |state| {
            Ok(state.close_device_session(&device, epoch, at))
        })
        .await
    }

    async fn forget_device_sessions(&self, node: Arc<str>, at: Timestamp) -> Result<u64, StoreFault> {
        self.write(Kind::Other, move |state| {
            Ok(state.forget_device_sessions(&node, at))
        })
        .await
    }

    async fn record_command(&self, new: NewCommand) -> Result<Recorded, StoreFault> {
        self.write(Kind::Other, move |state| Ok(state.record_command(new)))
            .await
    }

    async fn step_commands(&self, steps: Vec<Step>) -> Result<Vec<Stepped>, StoreFault> {
        self.write(Kind::Other, move |state| Ok(state.step_commands(steps)))
            .await
    }

    async fn command(&self, command: CommandId) -> Result<Option<Command>, StoreFault> {
        self.read(|state| state.command(command))
    }

    async fn commands(
        &self,
        device: DeviceId,
        before: Option<CommandId>,
        limit: u32,
    ) -> Result<Vec<Command>, StoreFault> {
        self.read(|state| state.commands(&device, before, limit))
    }

    async fn open_commands(&self, device: DeviceId) -> Result<Vec<Command>, StoreFault> {
        self.read(|state| state.open_commands(&device))
    }

    async fn overdue_commands(&self, at: Timestamp, limit: u32) -> Result<Vec<Command>, StoreFault> {
        self.read(|state| state.overdue_commands(at, limit))
    }

    async fn trim_commands(&self, before: Timestamp) -> Result<u64, StoreFault> {
        self.write(Kind::Other, move |state| Ok(state.trim_commands(before)))
            .await
    }

    async fn take_lease(&self, ask: LeaseAsk) -> Result<Leased, StoreFault> {
        self.write(Kind::Other, move |state| Ok(state.take_lease(ask)))
            .await
    }

    async fn lease(&self, device: DeviceId, at: Timestamp) -> Result<Option<Lease>, StoreFault> {
        self.read(|state| state.lease(&device, at))
    }

    async fn release_lease(
        &self,
        device: DeviceId,
        holder: Arc<str>,
        at: Timestamp,
    ) -> Result<Existing, StoreFault> {
        self.write(Kind::Other, move |state| {
            Ok(state.release_lease(&device, &holder, at))
        })
        .await
    }

    async fn lapsed_leases(&self, at: Timestamp, limit: u32) -> Result<Vec<Lease>, StoreFault> {
        self.read(|state| state.lapsed_leases(at, limit))
    }

    async fn end_lease(&self, device: DeviceId, fence: Fence) -> Result<Existing, StoreFault> {
        self.write(Kind::Other, move |state| Ok(state.end_lease(&device, fence)))
            .await
    }

    async fn shadow(&self, device: DeviceId) -> Result<Option<Shadow>, StoreFault> {
        self.read(|state| state.shadow(&device))
    }

    async fn put_shadow(
        &self,
        device: DeviceId,
        from_version: u64,
        shadow: Shadow,
    ) -> Result<ShadowPut, StoreFault> {
        self.write(Kind::Other, move |state| {
            Ok(state.put_shadow(device, from_version, shadow))
        })
        .await
    }
}
