//! What a display says, carried out.
//!
//! Invariant: a display speaks for itself alone: what it says under another name changes nothing. Who says much is heard
//! more slowly, and loses nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bongsu_core::rate::{self, Rate};
use bongsu_model::device::{FromDevice, Object, Status, Value, Word};
use bongsu_model::display::{
    Beat, COMMAND_IDS, Doing, Execution, FromDisplay, PresetId, Process, Processes, Registration, ToDisplay,
};
use bongsu_model::{Code, CommandId, HappeningKind, Refusal, Tag};

use super::display::Display;
use super::ran::Shown;
use crate::devices::WaitFor;
use crate::node::Node;

/// A display that awaits an answer hears it when the store has what it said; it is not kept waiting for longer.
const KEPT_WITHIN_MS: u64 = 5_000;

impl Node {
    /// Carries out what a registered display says: what it is to be answered, unless that comes by itself.
    pub(crate) async fn display_says(
        self: &Arc<Self>,
        display: &Arc<Display>,
        tag: &Tag,
        said: FromDisplay,
    ) -> ToDisplay {
        // Whether it is there is asked in a hurry: the answer waits for nothing.
        let hurried = matches!(said, FromDisplay::Alive { .. });
        let _busy = (!hurried).then(|| Busy::of(display));
        if !hurried {
            self.slow_down(display).await;
        }
        let awaits = tag.reference.is_some();
        let heard = match said {
            FromDisplay::Register(again) => return self.registers_again(display, *again).await,
            FromDisplay::Heartbeat(beat) => {
                return match self.beat(display, beat).await {
                    Ok(()) => ToDisplay::Taken,
                    Err(refusal) => ToDisplay::NotBeat(refusal),
                };
            }
            FromDisplay::Alive { name } => self.alive(display, &name).await,
            FromDisplay::Execution(execution) => self.execution(display, *execution, awaits).await,
            FromDisplay::Processes(processes) => self.processes(display, processes).await,
            FromDisplay::Back { name } => display.is_called(&name).map(|()| {
                display.device.heard(self.now());
                let name = display.name();
                tracing::info!(%name, "a display has come back");
            }),
        };
        match heard {
            Ok(()) => ToDisplay::Taken,
            Err(refusal) => ToDisplay::Refused(refusal),
        }
    }

    /// Reads a display that says too much more slowly: its words wait in its own connection.
    pub(crate) async fn slow_down(&self, display: &Display) {
        let limits = &self.ports.limits;
        let rate = Rate::new(limits.display_events_per_s, limits.display_events_burst);
        loop {
            let passed = rate::check(&mut display.state.lock().rate, rate, self.now());
            let Err(wait_ms) = passed else { return };
            tokio::time::sleep(Duration::from_millis(wait_ms.max(1))).await;
        }
    }

    /// On the same connection again: with another token it is let in by that from now on.
    async fn registers_again(self: &Arc<Self>, display: &Arc<Display>, again: Registration) -> ToDisplay {
        if let Err(refusal) = display.is_called(&again.name) {
            return ToDisplay::NotRegistered(refusal);
        }
        if let Some(token) = again.token
            && let Err(refusal) = display.device.hear(FromDevice::AuthUpdate { token }).await
        {
            return ToDisplay::NotRegistered(refusal);
        }
        display.registered(&self.ports.limits)
    }

    async fn beat(self: &Arc<Self>, display: &Arc<Display>, beat: Beat) -> Result<(), Refusal> {
        display.is_called(&beat.name)?;
        if display.is_cut() {
            return Err(Refusal::new(Code::NotAuthenticated));
        }
        {
            let mut state = display.state.lock();
            state.beat_at = self.now();
            state.status = beat.status;
            state.uptime_ms = beat.uptime_ms;
            if let Some(count) = beat.processes {
                state.process_count = count;
            }
        }
        display.device.hear(FromDevice::Heartbeat { clock: None }).await
    }

    async fn alive(&self, display: &Display, name: &str) -> Result<(), Refusal> {
        display.is_called(name)?;
        display.device.heard(self.now());
        self.is_there(display).await;
        Ok(())
    }

    async fn execution(
        self: &Arc<Self>,
        display: &Arc<Display>,
        execution: Execution,
        awaits: bool,
    ) -> Result<(), Refusal> {
        display.is_called(&execution.name)?;
        let concerned = display.concerned(&execution);
        if execution.status == Doing::Running && !display.can(COMMAND_IDS) {
            self.replaced(display, execution.preset, &concerned).await?;
        }
        for command in concerned {
            let word = doing(command, execution.status, &execution.details);
            let ends = execution.status.is_end();
            display.notes(command, &execution);
            if !(awaits && ends) {
                display.device.hear(FromDevice::Word(word)).await?;
                continue;
            }
            // The display forgets what is answered: so the store must have it.
            let mut watch = self.watch_commands(command)?;
            display.device.hear(FromDevice::Word(word)).await?;
            if self.is_open(display, command).await? {
                let kept = self.followed(&mut watch, command, WaitFor::Done, KEPT_WITHIN_MS);
                kept.await?
                    .ok_or_else(|| Refusal::retry(Code::Overloaded, KEPT_WITHIN_MS))?;
            }
        }
        Ok(())
    }

    /// Of a preset a display that knows no ids speaks of its newest program alone: of those before it nothing is heard any
    /// more.
    async fn replaced(
        self: &Arc<Self>,
        display: &Arc<Display>,
        preset: Option<PresetId>,
        by: &[CommandId],
    ) -> Result<(), Refusal> {
        let Some(newest) = by.first() else {
            return Ok(());
        };
        let older = display.state.lock().ran.older(preset, *newest);
        for command in older {
            display.state.lock().ran.ended(command);
            self.ends_as(display, command, Status::Ok, "replaced").await?;
        }
        Ok(())
    }

    /// Says of a command of a display how it has ended, as far as it can be seen.
    async fn ends_as(
        self: &Arc<Self>,
        display: &Arc<Display>,
        command: CommandId,
        status: Status,
        how: &'static str,
    ) -> Result<(), Refusal> {
        let said: Object = [("status".into(), Value::text(how))].into();
        let word = word(command, status, said);
        display.device.hear(FromDevice::Word(word)).await
    }

    /// Whether a command of a display has not ended, as far as the store knows.
    async fn is_open(&self, display: &Display, command: CommandId) -> Result<bool, Refusal> {
        let kept = self.ports.store.command(command).await;
        let kept = kept.map_err(|fault| self.fault(&fault))?;
        Ok(kept.is_some_and(|kept| kept.device == *display.name() && kept.state.is_open()))
    }

    async fn processes(
        self: &Arc<Self>,
        display: &Arc<Display>,
        processes: Processes,
    ) -> Result<(), Refusal> {
        display.is_called(&processes.name)?;
        let now = self.now();
        display.device.heard(now);
        let shown = {
            let mut state = display.state.lock();
            state.status = processes.status;
            state.process_count = processes.running.len() as u64;
            let shown = if display.can(COMMAND_IDS) {
                state.ran.doubted(&processes.running, now)
            } else {
                state.ran.report(&processes.running, now)
            };
            let same = |one: &Process, other: &Process| {
                (one.preset, one.command, one.pid) == (other.preset, other.command, other.pid)
            };
            let changed = state.processes.len() != processes.running.len()
                || !state
                    .processes
                    .iter()
                    .zip(&processes.running)
                    .all(|(one, other)| same(one, other));
            state.processes = processes.running;
            let count = state.processes.len();
            drop(state);
            if changed {
                self.happened(HappeningKind::DisplayProcesses, |mut it| {
                    it.detail.insert("count".into(), (count as i64).into());
                    it.of_device(display.name())
                });
            }
            shown
        };
        for one in shown {
            let (command, status, how) = match one {
                Shown::Ended(command) => (command, Status::Ok, "ended"),
                Shown::Stopped(command) | Shown::Done(command) => (command, Status::Ok, "stopped"),
                Shown::Lost(command) => (command, Status::Failed, "lost"),
            };
            self.ends_as(display, command, status, how).await?;
        }
        Ok(())
    }
}

/// A display's words are being carried out, and what it says next is heard only then.
struct Busy<'a>(&'a Display);

impl<'a> Busy<'a> {
    fn of(display: &'a Display) -> Self {
        display.busy.store(true, Ordering::Release);
        Self(display)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
    }
}

impl Display {
    fn is_called(&self, name: &str) -> Result<(), Refusal> {
        if *name == *self.name().as_str() {
            Ok(())
        } else {
            Err(Refusal::because(Code::PermissionDenied, "name"))
        }
    }

    /// The commands that a display's word is about.
    fn concerned(&self, execution: &Execution) -> Vec<CommandId> {
        if let Some(command) = execution.command {
            return vec![command];
        }
        let state = self.state.lock();
        let program = state.ran.program(execution.preset);
        let stops = execution
            .status
            .is_end()
            .then(|| state.ran.stops(execution.preset));
        program.into_iter().chain(stops.into_iter().flatten()).collect()
    }

    /// Notes what a word says of the programs that run.
    fn notes(&self, command: CommandId, execution: &Execution) {
        let mut state = self.state.lock();
        if execution.status.is_end() {
            state.ran.ended(command);
            state.processes.retain(|one| one.command != Some(command));
            return;
        }
        if execution.status != Doing::Running {
            return;
        }
        state.ran.runs(command);
        let pid = execution.details.get("pid").and_then(Value::as_whole);
        if state.processes.iter().all(|one| one.command != Some(command)) {
            state.processes.push(Process {
                preset: execution.preset,
                command: Some(command),
                pid,
                uptime_ms: Some(0),
            });
            state.processes.truncate(PROCESSES_NOTED);
        }
    }
}

/// Programs that are noted by their words alone, before they are reported.
const PROCESSES_NOTED: usize = 256;

/// What is said of a command by what a display says that it is doing.
fn doing(command: CommandId, doing: Doing, details: &Object) -> Word {
    let mut said = details.clone();
    said.insert("status".into(), Value::text(doing.name()));
    let status = match doing {
        Doing::Starting => Status::Received,
        Doing::Running => Status::InProgress,
        Doing::Prepared | Doing::Completed | Doing::Stopped => Status::Ok,
        Doing::Failed => Status::Failed,
        Doing::Rejected => Status::Rejected,
    };
    word(command, status, said)
}

/// A word about a command of a display: what is said with an end is its result, or its error.
pub(super) fn word(command: CommandId, status: Status, said: Object) -> Word {
    let (result, error) = match status {
        Status::Received | Status::InProgress => (None, None),
        Status::Ok => (Some(said.into()), None),
        Status::Failed | Status::Rejected => (None, Some(said.into())),
    };
    Word {
        reply_to: command,
        status,
        result,
        error,
        epoch: None,
    }
}
