//! The contract's part about devices, method by method, as one hop to the writer or to a reader each.

use std::sync::Arc;

use async_trait::async_trait;
use bongsu_model::device::{
    Command, CommandId, ConnectionEpoch, Device, DeviceId, Enrolment, Fence, Lease, LeaseAsk, Leased,
    NewCommand, NewDevice, OpenSession, Recorded, SessionOpened, Shadow, ShadowPut, Step, Stepped,
};
use bongsu_model::{Timestamp, TokenHash};

use super::writer::Shape;
use super::{Sqlite, commands, devices, leases, reads, shadows};
use crate::{CreateRefused, DeviceStore, Existing, RenameRefused, StoreFault};

#[async_trait]
impl DeviceStore for Sqlite {
    async fn create_device(&self, device: NewDevice, at: Timestamp) -> Result<Device, CreateRefused> {
        self.write(Shape::Several, move |tables| tables.create_device(&device, at))
            .await
    }

    async fn create_devices(
        &self,
        devices: Vec<NewDevice>,
        at: Timestamp,
    ) -> Result<Vec<Result<Device, CreateRefused>>, StoreFault> {
        self.write(Shape::Several, move |tables| tables.create_devices(&devices, at))
            .await
    }

    async fn rename_devices(
        &self,
        renames: Vec<(DeviceId, DeviceId)>,
        at: Timestamp,
    ) -> Result<(), RenameRefused> {
        self.write(Shape::Several, move |tables| tables.rename_devices(&renames, at))
            .await
    }

    async fn device(&self, device: DeviceId) -> Result<Option<Device>, StoreFault> {
        self.read(move |conn| devices::device(conn, &device)).await
    }

    async fn devices(&self, after: Option<DeviceId>, limit: u32) -> Result<Vec<Device>, StoreFault> {
        self.read(move |conn| devices::devices(conn, after.as_ref(), limit))
            .await
    }

    async fn devices_of(
        &self,
        kind: Arc<str>,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Result<Vec<Device>, StoreFault> {
        self.read(move |conn| devices::devices_of(conn, &kind, after.as_ref(), limit))
            .await
    }

    async fn delete_device(
        &self,
        device: DeviceId,
        node: Arc<str>,
        at: Timestamp,
    ) -> Result<Existing, StoreFault> {
        self.write(Shape::Several, move |tables| {
            tables.delete_device(&device, &node, at)
        })
        .await
    }

    async fn add_enrolment(&self, enrolment: Enrolment, at: Timestamp) -> Result<Existing, StoreFault> {
        self.write(Shape::Several, move |tables| tables.add_enrolment(&enrolment, at))
            .await
    }

    async fn enrolment(&self, hash: TokenHash, at: Timestamp) -> Result<Option<DeviceId>, StoreFault> {
        self.read(move |conn| devices::enrolment(conn, &hash, at)).await
    }

    async fn revoke_enrolments(&self, device: DeviceId) -> Result<Existing, StoreFault> {
        self.write(Shape::Single, move |tables| tables.revoke_enrolments(&device))
            .await
    }

    async fn open_device_session(
        &self,
        open: OpenSession,
        at: Timestamp,
    ) -> Result<SessionOpened, StoreFault> {
        self.write(Shape::Several, move |tables| {
            tables.open_device_session(&open, at)
        })
        .await
    }

    async fn close_device_session(
        &self,
        device: DeviceId,
        epoch: ConnectionEpoch,
        at: Timestamp,
    ) -> Result<Existing, StoreFault> {
        self.write(Shape::Single, move |tables| {
            tables.close_device_session(&device, epoch, at)
        })
        .await
    }

    async fn forget_device_sessions(&self, node: Arc<str>, at: Timestamp) -> Result<u64, StoreFault> {
        let mut forgotten = 0;
        loop {
            let node = Arc::clone(&node);
            let some = move |tables: &mut super::Tables<'_>| tables.forget_device_sessions(&node, at);
            let (more, all) = self.write(Shape::Single, some).await?;
            forgotten += more;
            if all {
                return Ok(forgotten);
            }
        }
    }

    async fn record_command(&self, new: NewCommand) -> Result<Recorded, StoreFault> {
        self.write(Shape::Several, move |tables| tables.record_command(new))
            .await
    }

    async fn step_commands(&self, steps: Vec<Step>) -> Result<Vec<Stepped>, StoreFault> {
        self.write(Shape::Several, move |tables| tables.step_commands(steps))
            .await
    }

    async fn command(&self, command: CommandId) -> Result<Option<Command>, StoreFault> {
        self.read(move |conn| commands::command(conn, command)).await
    }

    async fn commands(
        &self,
        device: DeviceId,
        before: Option<CommandId>,
        limit: u32,
    ) -> Result<Vec<Command>, StoreFault> {
        self.read(move |conn| reads::snapshot(conn, |conn| commands::of_device(conn, &device, before, limit)))
            .await
    }

    async fn open_commands(&self, device: DeviceId) -> Result<Vec<Command>, StoreFault> {
        self.read(move |conn| commands::open_of(conn, &device)).await
    }

    async fn overdue_commands(&self, at: Timestamp, limit: u32) -> Result<Vec<Command>, StoreFault> {
        self.read(move |conn| commands::overdue(conn, at, limit)).await
    }

    async fn trim_commands(&self, before: Timestamp) -> Result<u64, StoreFault> {
        let (mut trimmed, mut after) = (0, Some(0));
        // In pieces, so that no other write waits for the whole of it.
        while let Some(number) = after {
            let piece = move |tables: &mut super::Tables<'_>| tables.trim_commands(number, before);
            let (more, next) = self.write(Shape::Several, piece).await?;
            trimmed += more;
            after = next;
        }
        Ok(trimmed)
    }

    async fn take_lease(&self, ask: LeaseAsk) -> Result<Leased, StoreFault> {
        self.write(Shape::Single, move |tables| tables.take_lease(ask))
            .await
    }

    async fn lease(&self, device: DeviceId, at: Timestamp) -> Result<Option<Lease>, StoreFault> {
        self.read(move |conn| leases::lease(conn, &device, at)).await
    }

    async fn release_lease(
        &self,
        device: DeviceId,
        holder: Arc<str>,
        at: Timestamp,
    ) -> Result<Existing, StoreFault> {
        self.write(Shape::Single, move |tables| {
            tables.release_lease(&device, &holder, at)
        })
        .await
    }

    async fn lapsed_leases(&self, at: Timestamp, limit: u32) -> Result<Vec<Lease>, StoreFault> {
        self.read(move |conn| leases::lapsed_leases(conn, at, limit))
            .await
    }

    async fn end_lease(&self, device: DeviceId, fence: Fence) -> Result<Existing, StoreFault> {
        self.write(Shape::Single, move |tables| tables.end_lease(&device, fence))
            .await
    }

    async fn shadow(&self, device: DeviceId) -> Result<Option<Shadow>, StoreFault> {
        self.read(move |conn| reads::snapshot(conn, |conn| shadows::shadow(conn, &device)))
            .await
    }

    async fn put_shadow(
        &self,
        device: DeviceId,
        from_version: u64,
        shadow: Shadow,
    ) -> Result<ShadowPut, StoreFault> {
        self.write(Shape::Several, move |tables| {
            tables.put_shadow(&device, from_version, &shadow)
        })
        .await
    }
}
