//! The part of the contract that is about devices: sessions and their epochs, enrolments, commands, leases, states.
//!
//! Invariant: what several nodes may do at once to one device (take it over, order the same thing twice, end a command,
//! take the lease) is decided here, each in one transaction; every number that a call gives rises and is never given twice.

use std::sync::Arc;

use async_trait::async_trait;
use bongsu_model::device::{
    Command, CommandId, ConnectionEpoch, Device, DeviceId, Enrolment, Fence, Lease, LeaseAsk, Leased,
    NewCommand, NewDevice, OpenSession, Recorded, SessionOpened, Shadow, ShadowPut, Step, Stepped,
};
use bongsu_model::{Timestamp, TokenHash};

use crate::{CreateRefused, Existing, RenameRefused, StoreFault};

/// What is kept about devices. A supertrait of [`crate::Store`]: whoever has one has the other.
///
/// Everything that [`crate::Store`] says of durability, order and time holds here too.
#[async_trait]
pub trait DeviceStore: Send + Sync {
    // Devices and their sessions

    /// Makes a device without a session, capabilities or version, with the next client number. Its epoch is 0, or, if there
    /// was a device of this id before, that one's. Refused: `IdTaken`, and nothing is changed then.
    async fn create_device(&self, device: NewDevice, at: Timestamp) -> Result<Device, CreateRefused>;
    /// Makes devices as [`Self::create_device`] does, in one transaction, each on its own: the answers are in the same order.
    /// After a fault none is made.
    async fn create_devices(
        &self,
        devices: Vec<NewDevice>,
        at: Timestamp,
    ) -> Result<Vec<Result<Device, CreateRefused>>, StoreFault>;
    /// Gives devices other ids, all in one transaction or none; (from, to) for each. What is free is so after all of them:
    /// devices may swap their ids. Refused: the first that may not be, for the first of the reasons in their order.
    ///
    /// With a device go its client number, enrolments, lease, state, when it was seen last, its ended commands, and what presets
    /// say of it: they are changed at `at`, and what they said of the new id before, while it was no device, is gone. Its epoch
    /// is the higher of those of both ids, and its lease's fence, should it not be above the last one of the new id, is the next
    /// after that. The old id keeps its numbers, as after [`Self::delete_device`]. A device that gets the id that it has stays
    /// as it is.
    async fn rename_devices(
        &self,
        renames: Vec<(DeviceId, DeviceId)>,
        at: Timestamp,
    ) -> Result<(), RenameRefused>;
    /// Reads a device.
    async fn device(&self, device: DeviceId) -> Result<Option<Device>, StoreFault>;
    /// Reads the devices after an id, ascending by the bytes of their ids, at most `limit`.
    async fn devices(&self, after: Option<DeviceId>, limit: u32) -> Result<Vec<Device>, StoreFault>;
    /// Reads the devices of a kind after an id, as [`Self::devices`] does.
    async fn devices_of(
        &self,
        kind: Arc<str>,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Result<Vec<Device>, StoreFault>;
    /// Forgets a device with its session, enrolments, lease and state, and in the same transaction ends its open commands
    /// as cancelled, with a note of `node` and `at`. Ended commands stay until they are trimmed. The last epoch and fence
    /// of the id stay for ever, so that a device made later under it goes on from there.
    async fn delete_device(
        &self,
        device: DeviceId,
        node: Arc<str>,
        at: Timestamp,
    ) -> Result<Existing, StoreFault>;
    /// Keeps an enrolment token by its hash, in place of what was kept under the same hash. In the same transaction those
    /// of the device that have ended at `at` are forgotten, and the oldest beyond
    /// [`crate::StoreLimits::enrolments_per_device_max`]. `Absent` if there is no such device, otherwise `Changed`.
    async fn add_enrolment(&self, enrolment: Enrolment, at: Timestamp) -> Result<Existing, StoreFault>;
    /// Whom an enrolment token lets in that has not ended at `at`.
    async fn enrolment(&self, hash: TokenHash, at: Timestamp) -> Result<Option<DeviceId>, StoreFault>;
    /// Forgets all enrolment tokens of a device, ended ones too.
    async fn revoke_enrolments(&self, device: DeviceId) -> Result<Existing, StoreFault>;
    /// Begins a session: makes the device if it is missing and may be made, raises its epoch by one, notes the session and
    /// what the device says it is, in one transaction. Sessions that begin at once get one epoch each, and each hears which
    /// it takes over from. [`SessionOpened::Taken`] if the session that is kept is not one that [`OpenSession::expects`]
    /// admits: of several that expect the same one begins. Nothing is changed then, nor if there is
    /// [`SessionOpened::NoDevice`].
    async fn open_device_session(
        &self,
        open: OpenSession,
        at: Timestamp,
    ) -> Result<SessionOpened, StoreFault>;
    /// Ends a session, and notes when: `last_seen` never goes back. An epoch that is not the device's last one, or whose
    /// session has ended, changes nothing. `Absent` if there is no such device.
    async fn close_device_session(
        &self,
        device: DeviceId,
        epoch: ConnectionEpoch,
        at: Timestamp,
    ) -> Result<Existing, StoreFault>;
    /// Ends all sessions of a node, of whatever start of it, as [`Self::close_device_session`] does; how many. Each session
    /// in one transaction, not all of them in the same.
    async fn forget_device_sessions(&self, node: Arc<str>, at: Timestamp) -> Result<u64, StoreFault>;

    // Commands

    /// Keeps a command, in one transaction with everything that decides whether it is kept and what it changes.
    ///
    /// In this order: [`Recorded::NoDevice`]; a command of this id, or the caller's key
    /// (for [`crate::StoreLimits::command_key_kept_ms`] after its first use, and as long as its command is kept), is
    /// [`Recorded::Repeat`] or [`Recorded::KeyReused`]; [`Recorded::Leased`] if another has the device or the fence is not
    /// that of the lease that runs (with a fence and no lease that runs it is the last one there was, or one of nobody with
    /// fence 0); [`Recorded::Joined`] if the newest command with the same [`Command::serial`] on the device is open, less
    /// than `debounce_ms` old, and has the same name, target and arguments: it gets a note `by=…`, and the caller's key is
    /// kept for it; [`Recorded::TooMany`] if as many others stay open as may be.
    ///
    /// Otherwise it is kept as it is given, with the caller's key and its wish; but one that is `Routed` under an epoch that
    /// is not the device's last one, or whose session has ended, is kept as [`Command::unroute`] makes it, and
    /// [`Recorded::New`] says so: no node has it. [`Recorded::New`] names those that it
    /// superseded, oldest first: under [`bongsu_model::device::Pace::LatestWins`] the commands of the same target that are
    /// `Accepted`, so that no node has them. They end with a note `superseded_by=…`, and their wishes are taken back. A wish
    /// raises the state's version by one. Notes are of the node of the new command's own last note.
    async fn record_command(&self, new: NewCommand) -> Result<Recorded, StoreFault>;
    /// Notes what happened to commands, one after the other, all in one transaction; the answers are in the same order.
    ///
    /// [`Stepped::Absent`] if there is no such command. [`Stepped::Refused`], and nothing is changed, if the command is another device's, has
    /// ended (for a [`bongsu_model::device::StepKind::Late`]: has not ended), or if it knows a later epoch than the step's;
    /// and a [`bongsu_model::device::StepKind::Moves`] with a note as `Routed` if its device has had a later one. So what a
    /// session reads as `Accepted` after it got its epoch was never routed to an older one, and never will be.
    /// Otherwise [`Stepped::Kept`]: its epoch is the step's; it is in the note's state if that is further than its own, with
    /// result and error if that one is terminal; the note is added, with the state that the command has then. After
    /// [`crate::StoreLimits::command_notes_max`] notes only those are added that moved it. Of late words the first is kept.
    /// In the same transaction the end of a command takes its wish back, if the wish is still its own; success leaves the
    /// wish and only takes the command's name off it. Either raises the state's version by one.
    async fn step_commands(&self, steps: Vec<Step>) -> Result<Vec<Stepped>, StoreFault>;
    /// Reads a command.
    async fn command(&self, command: CommandId) -> Result<Option<Command>, StoreFault>;
    /// Reads the commands of a device that were recorded before another one, newest first, at most `limit`. None if the
    /// other one is not there.
    async fn commands(
        &self,
        device: DeviceId,
        before: Option<CommandId>,
        limit: u32,
    ) -> Result<Vec<Command>, StoreFault>;
    /// Reads the open commands of a device in the order in which they were recorded.
    async fn open_commands(&self, device: DeviceId) -> Result<Vec<Command>, StoreFault>;
    /// Reads the open commands of all devices whose [`Command::ends_by`] is before `at`, those that should have ended first
    /// before others, at most `limit`.
    async fn overdue_commands(&self, at: Timestamp, limit: u32) -> Result<Vec<Command>, StoreFault>;
    /// Deletes the commands that ended before `before`; how many. Open ones stay, whatever their age. In pieces: after a
    /// fault some may be gone.
    async fn trim_commands(&self, before: Timestamp) -> Result<u64, StoreFault>;

    // Leases

    /// Gives a device to an operator, if no other has it at `ask.at`, in one transaction. The holder of the lease that runs
    /// has it renewed: same fence, same begin, the rest as asked. A lease that has lapsed or was released is followed by a
    /// new one with the next fence, whoever asks; one that had lapsed and was not
    /// ended by [`Self::end_lease`] is not among the lapsed any more: control has passed on.
    async fn take_lease(&self, ask: LeaseAsk) -> Result<Leased, StoreFault>;
    /// The lease that runs at `at`.
    async fn lease(&self, device: DeviceId, at: Timestamp) -> Result<Option<Lease>, StoreFault>;
    /// Ends the lease of this holder that runs at `at`; it does not count as lapsed. `Absent` if there is no such device,
    /// `Unchanged` if the holder has no lease that runs.
    async fn release_lease(
        &self,
        device: DeviceId,
        holder: Arc<str>,
        at: Timestamp,
    ) -> Result<Existing, StoreFault>;
    /// Reads the leases that have lapsed at `at` and were neither released nor ended, the earliest first, at most `limit`.
    async fn lapsed_leases(&self, at: Timestamp, limit: u32) -> Result<Vec<Lease>, StoreFault>;
    /// Ends the lease of that fence, whether it has lapsed or not: it is not among the lapsed any more. The fence stays.
    /// `Absent` if there is no such device, `Unchanged` if its lease is another by now, or has ended.
    async fn end_lease(&self, device: DeviceId, fence: Fence) -> Result<Existing, StoreFault>;

    // States

    /// The state of a device, read at one moment; empty, with version 0, if nobody has spoken of it. `None` if there is no
    /// such device.
    async fn shadow(&self, device: DeviceId) -> Result<Option<Shadow>, StoreFault>;
    /// Keeps the state of a device, if what is kept has the version `from_version` and the new one may follow it
    /// ([`bongsu_model::device::Shadow::follows`]):
    /// of several callers with the same `from_version` one wins. Commands that are recorded or end raise the version too.
    async fn put_shadow(
        &self,
        device: DeviceId,
        from_version: u64,
        shadow: Shadow,
    ) -> Result<ShadowPut, StoreFault>;
}
