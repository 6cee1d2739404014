//! The contract's part about devices, method by method, as one piece of work each; steps wait for their group.

use std::sync::Arc;

use async_trait::async_trait;
use bongsu_model::device::{
    Command, CommandId, ConnectionEpoch, Device, DeviceId, Enrolment, Fence, Lease, LeaseAsk, Leased,
    NewCommand, NewDevice, OpenSession, Recorded, SessionOpened, Shadow, ShadowPut, Step, Stepped,
};
use bongsu_model::{Timestamp, TokenHash};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::tx::{Mode, PostgresFault, run};
use super::{Postgres, commands, devices, leases, record, renames, sessions, shadows, steps};
use crate::{CreateRefused, DeviceStore, Existing, RenameRefused, StoreFault};

#[async_trait]
impl DeviceStore for Postgres {
    async fn create_device(&self, device: NewDevice, at: Timestamp) -> Result<Device, CreateRefused> {
        let new = std::slice::from_ref(&device);
        let made = run!(self.begin(Mode::Write)?, |conn| devices::create(&conn, new, at)
            .await)?;
        let (table, what) = ("devices", "a device is missing");
        made.into_iter()
            .next()
            .unwrap_or_else(|| Err(StoreFault::Damaged { table, what }.into()))
    }

    async fn create_devices(
        &self,
        devices: Vec<NewDevice>,
        at: Timestamp,
    ) -> Result<Vec<Result<Device, CreateRefused>>, StoreFault> {
        run!(self.begin(Mode::Write)?, |conn| devices::create(
            &conn, &devices, at
        )
        .await)
    }

    async fn rename_devices(
        &self,
        renames: Vec<(DeviceId, DeviceId)>,
        at: Timestamp,
    ) -> Result<(), RenameRefused> {
        run!(self.begin(Mode::Write)?, |conn| renames::rename(
            &conn, &renames, at
        )
        .await)
    }

    async fn device(&self, device: DeviceId) -> Result<Option<Device>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| devices::device(&conn, &device)
            .await)
    }

    async fn devices(&self, after: Option<DeviceId>, limit: u32) -> Result<Vec<Device>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| devices::devices(
            &conn,
            after.as_ref(),
            limit
        )
        .await)
    }

    async fn devices_of(
        &self,
        kind: Arc<str>,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Result<Vec<Device>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| devices::devices_of(
            &conn,
            &kind,
            after.as_ref(),
            limit
        )
        .await)
    }

    async fn delete_device(
        &self,
        device: DeviceId,
        node: Arc<str>,
        at: Timestamp,
    ) -> Result<Existing, StoreFault> {
        run!(self.begin(Mode::Write)?, |conn| devices::delete(
            &conn,
            &self.limits,
            &device,
            (&node, at)
        )
        .await)
    }

    async fn add_enrolment(&self, enrolment: Enrolment, at: Timestamp) -> Result<Existing, StoreFault> {
        run!(self.begin(Mode::Write)?, |conn| devices::add_enrolment(
            &conn,
            &self.limits,
            &enrolment,
            at
        )
        .await)
    }

    async fn enrolment(&self, hash: TokenHash, at: Timestamp) -> Result<Option<DeviceId>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| devices::enrolment(
            &conn, &hash, at
        )
        .await)
    }

    async fn revoke_enrolments(&self, device: DeviceId) -> Result<Existing, StoreFault> {
        run!(self.begin(Mode::Write)?, |conn| devices::revoke_enrolments(
            &conn, &device
        )
        .await)
    }

    async fn open_device_session(
        &self,
        open: OpenSession,
        at: Timestamp,
    ) -> Result<SessionOpened, StoreFault> {
        run!(self.begin(Mode::Write)?, |conn| sessions::open(&conn, &open, at)
            .await)
    }

    async fn close_device_session(
        &self,
        device: DeviceId,
        epoch: ConnectionEpoch,
        at: Timestamp,
    ) -> Result<Existing, StoreFault> {
        run!(self.begin(Mode::Write)?, |conn| sessions::close(
            &conn, &device, epoch, at
        )
        .await)
    }

    async fn forget_device_sessions(&self, node: Arc<str>, at: Timestamp) -> Result<u64, StoreFault> {
        let mut forgotten = 0;
        loop {
            let (more, all) = run!(self.begin(Mode::Once)?, |conn| sessions::forget(&conn, &node, at)
                .await)?;
            forgotten += more;
            if all {
                return Ok(forgotten);
            }
        }
    }

    async fn record_command(&self, new: NewCommand) -> Result<Recorded, StoreFault> {
        run!(self.begin(Mode::Write)?, |conn| Box::pin(record::record(
            &conn,
            &self.limits,
            &new
        ))
        .await)
    }

    async fn step_commands(&self, steps: Vec<Step>) -> Result<Vec<Stepped>, StoreFault> {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let (answer, answered) = oneshot::channel();
        let deadline = Instant::now() + self.gate.call();
        let job = steps::Job {
            steps,
            deadline,
            answer,
            _pass: self.gate.enter()?,
        };
        self.steps.try_send(job).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => StoreFault::Overloaded,
            mpsc::error::TrySendError::Closed(_) => PostgresFault::TaskEnded.into(),
        })?;
        answered.await.map_err(|_| PostgresFault::TaskEnded)?
    }

    async fn command(&self, command: CommandId) -> Result<Option<Command>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| commands::command(&conn, command)
            .await)
    }

    async fn commands(
        &self,
        device: DeviceId,
        before: Option<CommandId>,
        limit: u32,
    ) -> Result<Vec<Command>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| commands::of_device(
            &conn, &device, before, limit
        )
        .await)
    }

    async fn open_commands(&self, device: DeviceId) -> Result<Vec<Command>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| commands::open_of(&conn, &device)
            .await)
    }

    async fn overdue_commands(&self, at: Timestamp, limit: u32) -> Result<Vec<Command>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| commands::overdue(
            &conn, at, limit
        )
        .await)
    }

    async fn trim_commands(&self, before: Timestamp) -> Result<u64, StoreFault> {
        let (mut trimmed, mut after) = (0, Some(0));
        // In pieces, so that nobody waits for the whole of it.
        while let Some(number) = after {
            let (more, next) = run!(self.begin(Mode::Write)?, |conn| commands::trim(
                &conn, number, before
            )
            .await)?;
            trimmed += more;
            after = next;
        }
        Ok(trimmed)
    }

    async fn take_lease(&self, ask: LeaseAsk) -> Result<Leased, StoreFault> {
        run!(self.begin(Mode::Write)?, |conn| leases::take(&conn, &ask).await)
    }

    async fn lease(&self, device: DeviceId, at: Timestamp) -> Result<Option<Lease>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| leases::lease(&conn, &device, at)
            .await)
    }

    async fn release_lease(
        &self,
        device: DeviceId,
        holder: Arc<str>,
        at: Timestamp,
    ) -> Result<Existing, StoreFault> {
        run!(self.begin(Mode::Write)?, |conn| leases::release(
            &conn, &device, &holder, at
        )
        .await)
    }

    async fn lapsed_leases(&self, at: Timestamp, limit: u32) -> Result<Vec<Lease>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| leases::lapsed(&conn, at, limit)
            .await)
    }

    async fn end_lease(&self, device: DeviceId, fence: Fence) -> Result<Existing, StoreFault> {
        run!(self.begin(Mode::Write)?, |conn| leases::end(
            &conn, &device, fence
        )
        .await)
    }

    async fn shadow(&self, device: DeviceId) -> Result<Option<Shadow>, StoreFault> {
        run!(self.begin(Mode::Snapshot)?, |conn| shadows::shadow(
            &conn, &device
        )
        .await)
    }

    async fn put_shadow(
        &self,
        device: DeviceId,
        from_version: u64,
        shadow: Shadow,
    ) -> Result<ShadowPut, StoreFault> {
        run!(self.begin(Mode::Write)?, |conn| shadows::put(
            &conn,
            &device,
            from_version,
            &shadow
        )
        .await)
    }
}
