//! Programs are run and stopped on one display.
//!
//! Invariant: a program is a command of its device, kept before anybody is told of it; what it is made of is handed on as
//! it was given.

use std::net::IpAddr;
use std::sync::Arc;

use bongsu_core::catalogue::{AnyArgs, Entry, Safety};
use bongsu_core::policy;
use bongsu_model::device::{IfOffline, Object, Pace, Value};
use bongsu_model::display::{
    BARRIER, COMMAND_IDS, Execute, PREPARE, PresetId, Program, RUN, STOP, Stop, preset_of,
};
use bongsu_model::{Code, CommandId, DeviceId, Refusal, Role, Timestamp, Want};

use super::display::can;
use super::held::Held;
use crate::devices::{Ran, RunCommand, Wait};
use crate::node::Node;
use crate::usecases::operate::Operator;

/// Programs that one display is told to run at once: as many as it may have commands.
const AT_ONCE: u32 = 64;

/// A program that is to be run.
#[derive(Clone, Debug)]
pub struct RunProgram {
    /// Where.
    pub display: DeviceId,
    /// What.
    pub program: Program,
    /// Of which preset it is.
    pub preset: Option<PresetId>,
    /// For how long it may be sent and started, in milliseconds; `None` for the limit's default.
    pub ttl_ms: Option<u64>,
    /// When it is to be started; `None` for at once.
    pub start_at: Option<Timestamp>,
    /// The caller's own key: the same again within a day is the same command.
    pub key: Option<Arc<str>>,
    /// Where the caller is, if known.
    pub from: Option<IpAddr>,
}

/// Programs that are to be stopped.
#[derive(Clone, Debug)]
pub struct StopPrograms {
    /// Where.
    pub display: DeviceId,
    /// Those of this preset …
    pub preset: Option<PresetId>,
    /// … or the one of this command. One of the two must be given.
    pub run: Option<CommandId>,
    /// How long they have before they are killed, in milliseconds; `None`: as their programs say.
    pub grace_ms: Option<u64>,
    /// The caller's own key.
    pub key: Option<Arc<str>>,
    /// Where the caller is, if known.
    pub from: Option<IpAddr>,
}

impl Node {
    /// Has a display run a program. With a start that is set for later the display is told at once if it knows how to wait,
    /// else when the moment has come, for which the caller waits.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`; a field of the program that cannot be; `DEVICE_OFFLINE`, `DEVICE_UNKNOWN_STATE`,
    /// `DEVICE_LEASED`, `RATE_LIMITED`. How a command ends that was accepted is in [`Ran`].
    pub async fn run_program(
        self: &Arc<Self>,
        by: &Operator,
        mut run: RunProgram,
        wait: Wait,
    ) -> Result<Ran, Refusal> {
        policy::may_operate(&by.principal)?;
        self.check_program(&run.program)?;
        self.check_start(run.start_at)?;
        run.start_at = self.ahead(run.start_at);
        self.check_caller_rate(by, RUN, self.usual_rate())?;
        let held = self.displays.held.hold(&run.display, run.preset);
        let noted = self.note_asked(by, "display.execute", run.display.clone(), run.preset);
        // What is asked for is noted beside, whatever comes of it, and whether or not its caller waits for that.
        let (ran, ()) = tokio::join!(self.run_on(by, run, wait, self.now(), &held), noted);
        ran
    }

    /// Has a display stop programs.
    ///
    /// # Errors
    /// As [`Self::run_program`]; the field `preset_id` if nothing is named.
    pub async fn stop_programs(
        self: &Arc<Self>,
        by: &Operator,
        stop: StopPrograms,
        wait: Wait,
    ) -> Result<Ran, Refusal> {
        policy::may_operate(&by.principal)?;
        if stop.preset.is_none() && stop.run.is_none() {
            return Err(Refusal::field("preset_id", Want::Present));
        }
        check_grace(stop.grace_ms)?;
        self.check_caller_rate(by, STOP, self.usual_rate())?;
        let noted = self.note_asked(by, "display.stop", stop.display.clone(), stop.preset);
        let (ran, ()) = tokio::join!(self.stop_on(by, stop, wait), noted);
        ran
    }

    /// Notes what an operator asks of a display. The programs themselves are kept as commands.
    async fn note_asked(&self, by: &Operator, action: &str, display: DeviceId, preset: Option<PresetId>) {
        let detail = preset.map(|preset| format!("preset={preset}"));
        self.note(by, action, format!("display:{display}"), detail).await;
    }

    /// As [`Self::run_program`], after who asks and what is asked for have been looked at: for a caller who has waited since
    /// a moment.
    pub(super) async fn run_on(
        self: &Arc<Self>,
        by: &Operator,
        mut run: RunProgram,
        wait: Wait,
        since: Timestamp,
        held: &Held,
    ) -> Result<Ran, Refusal> {
        self.check_device_rate(&run.display, RUN, self.usual_rate())?;
        if let Some(start) = run.start_at
            && !self.can(&run.display, BARRIER).await?
        {
            self.check_wait(start)?;
            self.until(start, held).await?;
            run.start_at = None;
        }
        held.stands()?;
        let limits = &self.ports.limits;
        let mut ttl_ms = run.ttl_ms.unwrap_or(limits.display_run_ttl_ms);
        let mut entry = self.entry(RUN);
        if self.was_stopped(&run.display, run.preset) {
            // Whoever starts what was just stopped wants it again.
            entry.debounce_ms = 0;
        }
        if let Some(start) = run.start_at {
            // The time for a program begins when it is to be started. How far ahead that is changes with each repeat of a
            // call, so that it is nothing that the caller has asked for.
            ttl_ms = ttl_ms.saturating_add(start.ms_since(self.now()));
            entry.ttl_ms = Some(ttl_ms);
        }
        let wait = self.left(wait, since, ttl_ms.saturating_add(limits.command_wait_ms));
        let args = Execute::args(&run.program, run.preset, run.start_at);
        self.check_line(&run).await?;
        let command = RunCommand {
            device: run.display,
            name: RUN.into(),
            args,
            ttl_ms: entry.ttl_ms.is_none().then_some(ttl_ms),
            key: run.key,
            if_offline: Some(IfOffline::Fail),
            fence: None,
            from: run.from,
        };
        self.keep_and_wait(by, command, &Arc::new(entry), wait).await
    }

    /// Asks a display whether it could run a program.
    pub(super) async fn prepare_on(
        self: &Arc<Self>,
        by: &Operator,
        run: &RunProgram,
        wait: Wait,
    ) -> Result<Ran, Refusal> {
        let ttl_ms = run.ttl_ms.unwrap_or(self.ports.limits.display_run_ttl_ms);
        let command = RunCommand {
            device: run.display.clone(),
            name: PREPARE.into(),
            args: Execute::args(&run.program, run.preset, None),
            ttl_ms: Some(ttl_ms),
            key: None,
            if_offline: Some(IfOffline::Fail),
            fence: None,
            from: run.from,
        };
        self.keep_and_wait(by, command, &Arc::new(self.entry(PREPARE)), wait)
            .await
    }

    pub(super) async fn stop_on(
        self: &Arc<Self>,
        by: &Operator,
        stop: StopPrograms,
        wait: Wait,
    ) -> Result<Ran, Refusal> {
        self.check_device_rate(&stop.display, STOP, self.usual_rate())?;
        let preset = self.preset_meant(&stop).await?;
        self.displays.held.stop(&stop.display, preset);
        let mut entry = self.entry(STOP);
        entry.execution_ms = entry.execution_ms.saturating_add(stop.grace_ms.unwrap_or(0));
        let command = RunCommand {
            device: stop.display,
            name: STOP.into(),
            args: Stop::args(preset, stop.run, stop.grace_ms),
            ttl_ms: Some(self.ports.limits.display_stop_ttl_ms),
            key: stop.key,
            if_offline: Some(IfOffline::Fail),
            fence: None,
            from: stop.from,
        };
        self.keep_and_wait(by, command, &Arc::new(entry), wait).await
    }

    /// The preset of what is to be stopped: a display that knows no ids stops by it alone.
    async fn preset_meant(&self, stop: &StopPrograms) -> Result<Option<PresetId>, Refusal> {
        let Some(run) = stop.run.filter(|_| stop.preset.is_none()) else {
            return Ok(stop.preset);
        };
        let kept = self.ports.store.command(run).await;
        let kept = kept.map_err(|fault| self.fault(&fault))?;
        let kept = kept.filter(|kept| kept.device == stop.display && *kept.name == *RUN);
        let kept = kept.ok_or_else(|| Refusal::new(Code::CommandNotFound))?;
        if self.can(&stop.display, COMMAND_IDS).await? {
            return Ok(None);
        }
        preset_of(&kept.args).map_err(|wrong| Refusal::field(wrong.0, Want::Other))
    }

    /// Whether the newest program of a preset on a display was told to stop.
    fn was_stopped(&self, display: &DeviceId, preset: Option<PresetId>) -> bool {
        let display = self.displays.get(display);
        display.is_some_and(|display| display.state.lock().ran.was_stopped(preset))
    }

    /// Whether a display has said that it can do something, on whatever node.
    pub(super) async fn can(&self, display: &DeviceId, what: &str) -> Result<bool, Refusal> {
        if let Some(display) = self.displays.get(display) {
            return Ok(display.can(what));
        }
        let known = self.ports.store.device(display.clone()).await;
        let known = known.map_err(|fault| self.fault(&fault))?;
        Ok(known.is_some_and(|known| can(&known.capabilities, what)))
    }

    /// Looks whether a caller can wait for a start, and for the program afterwards.
    ///
    /// # Errors
    /// `COMMAND_REFUSED` with reason `start_at`.
    pub(super) fn check_wait(&self, start: Timestamp) -> Result<(), Refusal> {
        if start.ms_since(self.now()) > self.ports.limits.command_wait_max_ms / 2 {
            return Err(Refusal::because(Code::CommandRefused, "start_at"));
        }
        Ok(())
    }

    /// What a caller still waits who has waited since a moment: no longer than callers wait altogether.
    pub(super) fn left(&self, wait: Wait, since: Timestamp, usual_ms: u64) -> Wait {
        let spent_ms = self.now().ms_since(since);
        let most_ms = self.ports.limits.command_wait_max_ms.saturating_sub(spent_ms);
        Wait {
            timeout_ms: Some(wait.timeout_ms.unwrap_or(usual_ms).min(most_ms.max(1))),
            ..wait
        }
    }

    /// Waits for a moment, unless the node stops before, or the start is stopped.
    async fn until(&self, at: Timestamp, held: &Held) -> Result<(), Refusal> {
        const LOOK_MS: u64 = 100;
        // Counted down, so that a clock that is set back holds nobody for as long.
        let mut left_ms = at.ms_since(self.now());
        loop {
            held.stands()?;
            if left_ms == 0 {
                return Ok(());
            }
            if self.is_stopping() {
                return Err(Refusal::retry(Code::ShuttingDown, self.ports.limits.drain_ms));
            }
            let look_ms = left_ms.min(LOOK_MS);
            tokio::time::sleep(std::time::Duration::from_millis(look_ms)).await;
            left_ms -= look_ms;
        }
    }

    /// How commands of displays are handled: no catalogue says so.
    fn entry(&self, name: &str) -> Entry {
        let limits = &self.ports.limits;
        Entry {
            name: name.into(),
            target: None,
            short: Vec::new(),
            ttl_ms: None,
            execution_ms: if *name == *RUN {
                limits.display_program_ms_max
            } else {
                limits.command_execution_ms
            },
            debounce_ms: limits.command_debounce_ms,
            pace: Pace::Parallel(AT_ONCE),
            if_offline: IfOffline::Fail,
            rate: None,
            roles: vec![Role::Service, Role::Admin],
            safety: Safety::Normal,
            args: Arc::new(AnyArgs),
            schema: Value::Object(Object::new()),
        }
    }

    /// Looks at a program that is about to be run or kept.
    ///
    /// # Errors
    /// The field that cannot be.
    pub(crate) fn check_program(&self, program: &Program) -> Result<(), Refusal> {
        let limits = &self.ports.limits;
        let holds_nul = |text: &str| text.contains('\0');
        let line_bytes_max = limits.display_line_bytes_max;
        if program.line.trim().is_empty() || program.line.len() > line_bytes_max || holds_nul(&program.line) {
            return Err(Refusal::field("command", Want::TextOf(1, line_bytes_max)));
        }
        if let Some(cwd) = &program.cwd
            && (!(1..=CWD_BYTES_MAX).contains(&cwd.len()) || holds_nul(cwd))
        {
            return Err(Refusal::field("cwd", Want::TextOf(1, CWD_BYTES_MAX)));
        }
        let bytes: usize = program
            .env
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let bad = |(name, value): (&Arc<str>, &Arc<str>)| {
            name.is_empty() || name.contains('=') || holds_nul(name) || holds_nul(value)
        };
        if program.env.len() > limits.display_env_max || program.env.iter().any(bad) {
            return Err(Refusal::field("env", Want::Other));
        }
        if bytes > limits.display_env_bytes_max {
            return Err(Refusal::too_large("env", limits.display_env_bytes_max as u64));
        }
        check_grace(program.grace_ms)
    }

    /// A start that is past is one at once, on every display.
    pub(super) fn ahead(&self, start_at: Option<Timestamp>) -> Option<Timestamp> {
        start_at.filter(|start| *start > self.now())
    }

    pub(super) fn check_start(&self, start_at: Option<Timestamp>) -> Result<(), Refusal> {
        let ahead_ms = start_at.map_or(0, |start| start.ms_since(self.now()));
        if ahead_ms > self.ports.limits.display_start_ahead_ms_max {
            return Err(Refusal::field("start_at", Want::Other));
        }
        Ok(())
    }

    /// A display that knows only the guide repeats the line in its answer, which must fit into a frame.
    async fn check_line(&self, run: &RunProgram) -> Result<(), Refusal> {
        let most = self.ports.limits.frame_bytes_max / 2;
        if run.program.line.len() > most && !self.can(&run.display, COMMAND_IDS).await? {
            return Err(Refusal::too_large("command", most as u64));
        }
        Ok(())
    }
}

/// A working directory, in bytes: no system has longer ones.
const CWD_BYTES_MAX: usize = 4_096;
/// Programs that have more time to end than this are not stopped.
const GRACE_MS_MAX: u64 = 10 * 60 * 1_000;

/// Looks at how long programs are given to end.
///
/// # Errors
/// The field `grace_ms`.
pub(crate) fn check_grace(grace_ms: Option<u64>) -> Result<(), Refusal> {
    match grace_ms {
        Some(ms) if ms > GRACE_MS_MAX => Err(Refusal::field(
            "grace_ms",
            Want::Between(0, GRACE_MS_MAX.cast_signed()),
        )),
        Some(_) | None => Ok(()),
    }
}
