//! Commands from the callers' side: allowed, kept, given to whoever holds the device, waited for.
//!
//! Invariant: a command is in the store before anybody is offered it; a caller hears nothing of it that is not there.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bongsu_bus::Heard;
use bongsu_core::catalogue::Entry;
use bongsu_core::desk::session_note;
use bongsu_core::policy;
use bongsu_core::rate::Rate;
use bongsu_model::device::{
    Command, CommandState, DeviceSaid, Ends, Fence, IfOffline, NewCommand, Note, Object, Recorded, Step,
    StepKind, Stepped, Value, Wish, print,
};
use bongsu_model::display::{PREPARE, STOP};
use bongsu_model::{
    Code, CommandId, ConnectionEpoch, DeviceId, Happening, HappeningKind, Limits, Refusal, Timestamp, Want,
    Why,
};
use futures_util::future::join_all;
use sha2::{Digest as _, Sha256};

use super::DeviceSession;
use super::elsewhere::Whereabouts;
use super::verdict::Verdict;
use super::watched::Watch;
use crate::node::Node;
use crate::usecases::operate::Operator;

/// News of a command may be lost between nodes: a caller looks for itself this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a caller asks for.
#[derive(Clone, Debug)]
pub struct RunCommand {
    /// Of whom.
    pub device: DeviceId,
    /// What.
    pub name: Arc<str>,
    /// With what.
    pub args: Object,
    /// How long it may be sent for, in milliseconds; `None`: as the catalogue says.
    pub ttl_ms: Option<u64>,
    /// The caller's own key: the same again within a day is the same command.
    pub key: Option<Arc<str>>,
    /// What if the device is connected nowhere; `None`: as the catalogue says.
    pub if_offline: Option<IfOffline>,
    /// The lease that the caller has.
    pub fence: Option<Fence>,
    /// Where the caller is, if known.
    pub from: Option<IpAddr>,
}

/// Up to where a caller waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitFor {
    /// It is stored.
    Accepted,
    /// The device has it.
    Received,
    /// The device carries it out.
    Running,
    /// It has ended.
    Done,
}

/// Up to where, and how long, a caller waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wait {
    /// Up to where.
    pub until: WaitFor,
    /// How long at most, in milliseconds; `None`: a little longer than the command's deadline. Never longer than
    /// `limits.command_wait_max_ms`.
    pub timeout_ms: Option<u64>,
}

/// What became of a command, as far as its caller waited.
#[derive(Clone, PartialEq, Debug)]
pub struct Ran {
    /// The command as it is kept.
    pub command: Arc<Command>,
    /// It joined one that was asked for a moment ago.
    pub coalesced: bool,
    /// The caller has asked for it before, under the same key.
    pub repeat: bool,
    /// What the caller waited for.
    pub until: WaitFor,
}

/// A command that is kept, and how it came to be so.
struct Asked {
    command: Arc<Command>,
    /// As [`Recorded::New`] says.
    routed: bool,
    coalesced: bool,
    repeat: bool,
}

impl Node {
    /// Has a device do something.
    ///
    /// # Errors
    /// What the catalogue, the caller's rights, the lease or the rate refuse; `DEVICE_OFFLINE`,
    /// `DEVICE_UNKNOWN_STATE`. How a command ends that was accepted is in [`Ran`]; [`Ran::verdict`] tells what to answer.
    pub async fn run_command(
        self: &Arc<Self>,
        by: &Operator,
        run: RunCommand,
        wait: Wait,
    ) -> Result<Ran, Refusal> {
        policy::may_command(&by.principal)?;
        let entry = self.catalogue().call(&run.name, &run.args, by.principal.role)?;
        self.check_rates(by, &run, &entry)?;
        self.keep_and_wait(by, run, &entry, wait).await
    }

    /// As [`Self::run_command`], by a part of the device and what to do with it, as the catalogue's short forms have it.
    /// The arguments are those of the short form, with the caller's own beside them.
    ///
    /// # Errors
    /// As [`Self::run_command`]; `COMMAND_REFUSED` with reason `unlisted` for what is no short form.
    pub async fn run_short(
        self: &Arc<Self>,
        by: &Operator,
        (part, action): (&str, &str),
        mut run: RunCommand,
        wait: Wait,
    ) -> Result<Ran, Refusal> {
        policy::may_command(&by.principal)?;
        let unlisted = || Refusal::because(Code::CommandRefused, "unlisted");
        let (entry, args) = self.catalogue().short(part, action).ok_or_else(unlisted)?;
        run.args.extend(args);
        run.name = Arc::clone(&entry.name);
        self.run_command(by, run, wait).await
    }

    /// A command, with its whole history: for operators, and for who asked for it.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` for devices; `COMMAND_NOT_FOUND`, also for what others asked for; or the store failed.
    pub async fn command(self: &Arc<Self>, by: &Operator, id: CommandId) -> Result<Arc<Command>, Refusal> {
        policy::may_command(&by.principal)?;
        let command = self.kept_command(id).await?;
        if by.principal.is_operator() || command.by == by.caller() {
            Ok(command)
        } else {
            Err(Refusal::new(Code::CommandNotFound))
        }
    }

    /// A command, whoever asked for it.
    pub(super) async fn kept_command(&self, id: CommandId) -> Result<Arc<Command>, Refusal> {
        let command = self.ports.store.command(id).await;
        command
            .map_err(|fault| self.fault(&fault))?
            .map(Arc::new)
            .ok_or_else(|| Refusal::new(Code::CommandNotFound))
    }

    /// The commands of a device, the newest first, before one if it is given.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `DEVICE_NOT_FOUND`, or the store failed.
    pub async fn commands(
        self: &Arc<Self>,
        by: &Operator,
        device: DeviceId,
        before: Option<CommandId>,
        limit: u32,
    ) -> Result<Vec<Command>, Refusal> {
        policy::may_operate(&by.principal)?;
        self.known_device(&device).await?;
        let commands = self.ports.store.commands(device, before, limit).await;
        commands.map_err(|fault| self.fault(&fault))
    }

    /// Takes a command back. One that has ended stays as it is; one that the device has may be carried out all the same.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `COMMAND_NOT_FOUND`, or the store failed.
    pub async fn cancel_command(
        self: &Arc<Self>,
        by: &Operator,
        id: CommandId,
    ) -> Result<Arc<Command>, Refusal> {
        policy::may_command(&by.principal)?;
        let mut watch = self.watch_commands(id)?;
        let command = self.command(by, id).await?;
        if command.state.is_terminal() {
            return Ok(command);
        }
        if self.devices.session(&command.device).is_some() {
            self.devices.cancel(&command.device, id, by.caller()).await;
            let wait_ms = self.ports.limits.command_offer_ms;
            if let Some(ended) = self.followed(&mut watch, id, WaitFor::Done, wait_ms).await? {
                return Ok(ended);
            }
        }
        self.cancel_elsewhere(&command, by.caller()).await
    }

    /// Takes back commands that nobody has begun to write, because what is asked for now does not go with them.
    pub(super) async fn take_back(
        self: &Arc<Self>,
        device: &DeviceId,
        by: &Arc<str>,
        concerns: impl Fn(&Command) -> bool,
    ) -> Result<(), Refusal> {
        let open = self.ports.store.open_commands(device.clone()).await;
        let open = open.map_err(|fault| self.fault(&fault))?;
        let unwritten = |command: &&Command| command.state <= CommandState::Routed && concerns(command);
        let backs = open.iter().filter(unwritten).map(|command| async move {
            if self.devices.session(device).is_some() {
                self.devices.cancel(device, command.id, Arc::clone(by)).await;
                return Ok(());
            }
            self.cancel_elsewhere(command, Arc::clone(by)).await.map(drop)
        });
        join_all(backs).await.into_iter().collect()
    }

    /// Begins to watch a command: news of it from now on.
    ///
    /// # Errors
    /// `OVERLOADED`: there are too many watchers.
    pub fn watch_commands(&self, id: CommandId) -> Result<Watch<CommandId, Arc<Command>>, Refusal> {
        self.devices
            .commands
            .watch(id)
            .map_err(|_| Refusal::retry(Code::Overloaded, 1_000))
    }

    /// Waits for the next news of a command: what it is then. It is looked up now and then, since news may be lost.
    ///
    /// # Errors
    /// `COMMAND_NOT_FOUND`, or the store failed.
    pub async fn next_of_command(
        self: &Arc<Self>,
        watch: &mut Watch<CommandId, Arc<Command>>,
        id: CommandId,
    ) -> Result<Arc<Command>, Refusal> {
        if let Ok(news) = tokio::time::timeout(LOOK_EVERY, watch.next()).await {
            return Ok(news);
        }
        self.kept_command(id).await
    }

    /// As [`Self::run_command`], for what the node itself has to send: nobody's rights are asked.
    pub(crate) async fn keep_and_wait(
        self: &Arc<Self>,
        by: &Operator,
        run: RunCommand,
        entry: &Arc<Entry>,
        wait: Wait,
    ) -> Result<Ran, Refusal> {
        let now = self.now();
        if self.is_stopping() {
            return Err(Refusal::retry(Code::ShuttingDown, self.ports.limits.drain_ms));
        }
        let ttl_ms = self.ttl_ms(&run, entry)?;
        let here = self.devices.session(&run.device);
        let new = self.new_command(by, &run, entry, ttl_ms, here.as_deref(), now);
        let id = new.command.id;
        // From before it is kept, so that no news of it is missed.
        let watch = self.watch_commands(id)?;
        let node = Arc::clone(self);
        // A caller may go away at any moment: what is kept is given to its device all the same.
        let keeping = tokio::spawn(async move { node.keep_and_give(new, here).await });
        let asked = keeping.await.map_err(|_| Refusal::new(Code::InternalError))??;
        let mut watch = if asked.command.id == id {
            watch
        } else {
            self.watch_commands(asked.command.id)?
        };
        let latest = self.wait_for(&mut watch, &asked, wait, ttl_ms).await?;
        Ok(Ran {
            command: latest,
            coalesced: asked.coalesced,
            repeat: asked.repeat,
            until: wait.until,
        })
    }

    /// Keeps a command, and gives it to whoever holds its device.
    async fn keep_and_give(
        self: &Arc<Self>,
        new: NewCommand,
        here: Option<Arc<DeviceSession>>,
    ) -> Result<Asked, Refusal> {
        let id = new.command.id;
        let asked = self.record(new).await?;
        // Only now: what was asked for before is answered wherever the device is by now.
        if asked.command.id == id {
            let after = here.as_ref().map(|session| session.epoch);
            let whereabouts = match asked.routed {
                true => Whereabouts::Here,
                false => self.whereabouts(&asked.command.device, after).await?,
            };
            if let Some(session) = here.filter(|_| whereabouts != Whereabouts::Here) {
                // The store knows better than whoever looked for it here.
                self.overtaken(&session).await;
            }
            self.give(&asked.command, whereabouts).await?;
        }
        Ok(asked)
    }

    fn ttl_ms(&self, run: &RunCommand, entry: &Entry) -> Result<u64, Refusal> {
        let limits = &self.ports.limits;
        let most = limits.command_ttl_max_ms;
        match run.ttl_ms {
            Some(ms) if !(1..=most).contains(&ms) => {
                Err(Refusal::field("ttl_ms", Want::Between(1, most.cast_signed())))
            }
            Some(ms) => Ok(ms),
            None => Ok(entry.ttl_ms.unwrap_or(limits.command_ttl_ms)),
        }
    }

    /// Takes the command out of its caller's and its device's rates.
    fn check_rates(&self, by: &Operator, run: &RunCommand, entry: &Entry) -> Result<(), Refusal> {
        let rate = entry.rate.unwrap_or_else(|| self.usual_rate());
        self.check_caller_rate(by, &entry.name, rate)?;
        self.check_device_rate(&run.device, &entry.name, rate)
    }

    /// How often what the catalogue says nothing of may be asked for.
    pub(crate) fn usual_rate(&self) -> Rate {
        let limits = &self.ports.limits;
        Rate::new(limits.commands_per_s, limits.commands_burst)
    }

    /// Takes something out of its caller's rate.
    pub(crate) fn check_caller_rate(&self, by: &Operator, name: &str, rate: Rate) -> Result<(), Refusal> {
        let mut rates = self.devices.rates.lock();
        let checked = rates.callers.check((name.into(), by.caller()), rate, self.now());
        checked.map_err(|retry_after_ms| Refusal::retry(Code::RateLimited, retry_after_ms))
    }

    /// Takes something out of its device's rate.
    pub(crate) fn check_device_rate(&self, device: &DeviceId, name: &str, rate: Rate) -> Result<(), Refusal> {
        let mut rates = self.devices.rates.lock();
        let key = (name.into(), Arc::clone(device.shared()));
        let checked = rates.devices.check(key, rate, self.now());
        checked.map_err(|retry_after_ms| Refusal::retry(Code::RateLimited, retry_after_ms))
    }

    fn new_command(
        self: &Arc<Self>,
        by: &Operator,
        run: &RunCommand,
        entry: &Entry,
        ttl_ms: u64,
        here: Option<&DeviceSession>,
        now: Timestamp,
    ) -> NewCommand {
        let limits = &self.ports.limits;
        let id = CommandId(self.ports.uuid(now));
        let note = |state, detail: String| Note {
            state,
            at: now,
            node: Arc::clone(&self.id),
            detail: Some(detail.into()),
        };
        let mut history = vec![note(CommandState::Accepted, format!("by={}", by.caller()))];
        if let Some(session) = here {
            let detail = session_note(session.id, session.epoch, session.repeats());
            history.push(note(CommandState::Routed, detail));
        }
        let state = here.map_or(CommandState::Accepted, |_| CommandState::Routed);
        NewCommand {
            key: run.key.clone().map(|key| (key, fingerprint(run))),
            debounce_ms: entry.debounce_ms,
            fence: run.fence,
            wish: entry.target.as_ref().map(|target| Wish {
                key: Arc::clone(target),
                value: Value::Object(run.args.clone()),
            }),
            open_max: open_max(entry, limits),
            command: Command {
                id,
                device: run.device.clone(),
                name: Arc::clone(&entry.name),
                args: run.args.clone(),
                target: entry.target.clone(),
                pace: entry.pace,
                if_offline: run.if_offline.unwrap_or(entry.if_offline),
                by: by.caller(),
                from: run.from.map(|from| from.to_string().into()),
                at: now,
                deadline: now.plus_ms(ttl_ms),
                execution_ms: entry.execution_ms,
                state,
                since: now,
                epoch: here.map_or(ConnectionEpoch(0), |session| session.epoch),
                result: None,
                error: None,
                late: None,
                history,
            },
        }
    }

    async fn record(self: &Arc<Self>, new: NewCommand) -> Result<Asked, Refusal> {
        let mut command = new.command.clone();
        let recorded = self.ports.store.record_command(new).await;
        let asked = |command, coalesced, repeat| Asked {
            command: Arc::new(command),
            routed: false,
            coalesced,
            repeat,
        };
        match recorded.map_err(|fault| self.fault(&fault))? {
            Recorded::New { superseded, routed } => {
                self.counters.commands_accepted.bump();
                if !routed {
                    command.unroute();
                }
                for id in superseded {
                    let kind = HappeningKind::Command(CommandState::Superseded);
                    self.happened(kind, |it| it.of_device(&command.device).of_command(id));
                    self.look_and_tell(id).await;
                }
                for note in &command.history {
                    self.happened(HappeningKind::Command(note.state), |it| of_command(it, &command));
                }
                self.wish_changed(&command).await;
                Ok(Asked {
                    routed,
                    ..asked(command, false, false)
                })
            }
            Recorded::Joined(command) => {
                self.counters.commands_coalesced.bump();
                Ok(asked(*command, true, false))
            }
            Recorded::Repeat(command) => Ok(asked(*command, false, true)),
            Recorded::KeyReused => Err(Refusal::because(Code::InvalidData, "idempotency_key")),
            Recorded::Leased(lease) => Err(Refusal {
                why: Why::Holder(lease.holder),
                ..Refusal::new(Code::DeviceLeased)
            }),
            Recorded::TooMany => Err(Refusal::retry(
                Code::RateLimited,
                self.ports.limits.command_ttl_ms,
            )),
            Recorded::NoDevice => Err(Refusal::because(Code::DeviceOffline, "unknown_device")),
        }
    }

    /// Waits on for a command that was accepted.
    pub(crate) async fn wait_on(self: &Arc<Self>, ran: Ran, wait: Wait) -> Result<Ran, Refusal> {
        let id = ran.command.id;
        // From here on no news is missed.
        let mut watch = self.watch_commands(id)?;
        let asked = Asked {
            command: self.kept_command(id).await?,
            routed: false,
            coalesced: ran.coalesced,
            repeat: ran.repeat,
        };
        let ttl_ms = asked.command.deadline.ms_since(self.now());
        let command = self.wait_for(&mut watch, &asked, wait, ttl_ms).await?;
        Ok(Ran {
            command,
            until: wait.until,
            ..ran
        })
    }

    async fn wait_for(
        self: &Arc<Self>,
        watch: &mut Watch<CommandId, Arc<Command>>,
        asked: &Asked,
        wait: Wait,
        ttl_ms: u64,
    ) -> Result<Arc<Command>, Refusal> {
        let limits = &self.ports.limits;
        if wait.until == WaitFor::Accepted || reached(&asked.command, wait.until) {
            return Ok(Arc::clone(&asked.command));
        }
        let usual_ms = ttl_ms.saturating_add(limits.command_wait_ms);
        let wait_ms = wait
            .timeout_ms
            .unwrap_or(usual_ms)
            .min(limits.command_wait_max_ms);
        let id = asked.command.id;
        match self.followed(watch, id, wait.until, wait_ms).await? {
            Some(reached) => Ok(reached),
            None => {
                let latest = self.ports.store.command(id).await;
                let latest = latest.map_err(|fault| self.fault(&fault))?;
                Ok(latest.map_or_else(|| Arc::clone(&asked.command), Arc::new))
            }
        }
    }

    /// Follows a command until it is far enough; `None` if it is not in time.
    pub(crate) async fn followed(
        self: &Arc<Self>,
        watch: &mut Watch<CommandId, Arc<Command>>,
        id: CommandId,
        until: WaitFor,
        wait_ms: u64,
    ) -> Result<Option<Arc<Command>>, Refusal> {
        let follow = async {
            loop {
                let news = self.next_of_command(watch, id).await?;
                if reached(&news, until) {
                    return Ok(news);
                }
            }
        };
        match tokio::time::timeout(Duration::from_millis(wait_ms), follow).await {
            Ok(news) => news.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Ends a command that no desk has, unless it has moved on: what it is then.
    pub(super) async fn end_command(
        self: &Arc<Self>,
        command: &Command,
        state: CommandState,
        detail: Option<Arc<str>>,
    ) -> Result<Arc<Command>, Refusal> {
        let step = Step {
            command: command.id,
            device: command.device.clone(),
            // Whoever has taken it on since has written a later epoch, and then it is not ours to end.
            epoch: command.epoch,
            note: Note {
                state,
                at: self.now(),
                node: Arc::clone(&self.id),
                detail,
            },
            kind: StepKind::Ends(Ends::default()),
        };
        let stepped = self.ports.store.step_commands(vec![step]).await;
        match stepped.map_err(|fault| self.fault(&fault))?.pop() {
            Some(Stepped::Kept(kept)) => Ok(self.command_moved(kept, true).await),
            Some(Stepped::Refused(kept)) => Ok(Arc::from(kept)),
            Some(Stepped::Absent) | None => Err(Refusal::new(Code::CommandNotFound)),
        }
    }

    /// A command is in the store as it is here: whoever waits for it hears so.
    pub(super) async fn command_moved(&self, command: Box<Command>, news: bool) -> Arc<Command> {
        let command: Arc<Command> = Arc::from(command);
        if news {
            self.happened(HappeningKind::Command(command.state), |it| {
                of_command(it, &command)
            });
        }
        self.devices.commands.tell(&command.id, || Arc::clone(&command));
        if news && command.state.is_terminal() {
            self.counters.commands_ended[command.state as usize].bump();
            self.wish_changed(&command).await;
        }
        // Whoever asked on another node waits there.
        let asked_at = command.history.first().map(|note| &note.node);
        if let Some(to) = asked_at.filter(|node| news && **node != self.id) {
            let said = DeviceSaid::Moved {
                device: command.device.clone(),
                command: command.id,
                state: command.state,
                to: Arc::clone(to),
            };
            self.publish(Heard::Device(Arc::new(said))).await;
        }
        command
    }

    /// Tells whoever waits for a command here what the store has of it.
    pub(super) async fn look_and_tell(&self, id: CommandId) {
        if !self.devices.commands.has(&id) {
            return;
        }
        if let Some(Some(command)) = self.healthy(self.ports.store.command(id).await) {
            let command = Arc::new(command);
            self.devices.commands.tell(&id, || command);
        }
    }
}

/// How many commands of a device may be open for another one to be kept: what ends others gets through when nothing else
/// does, and so does what starts nothing.
fn open_max(entry: &Entry, limits: &Limits) -> usize {
    match &*entry.name {
        STOP | PREPARE => limits.commands_open_max.saturating_mul(2),
        _ => limits.commands_open_max,
    }
}

fn reached(command: &Command, until: WaitFor) -> bool {
    match until {
        WaitFor::Accepted => true,
        WaitFor::Received => command.state >= CommandState::Received,
        WaitFor::Running => command.state >= CommandState::InProgress,
        WaitFor::Done => command.state.is_terminal(),
    }
}

/// What those who watch are told of a command: what is in it they may ask for.
fn of_command(it: Happening, command: &Command) -> Happening {
    it.of_device(&command.device)
        .of_command(command.id)
        .with("name", &*command.name)
        .with("by", &*command.by)
}

/// What a caller's key stands for: all that was asked for, but the key itself.
fn fingerprint(run: &RunCommand) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [run.device.as_str(), &run.name, &print(&run.args)] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.update(run.ttl_ms.unwrap_or(0).to_le_bytes());
    hash.update([run.if_offline.map_or(2, |if_offline| if_offline as u8)]);
    hash.finalize().into()
}

impl Ran {
    /// What the caller is to be answered.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::of(&self.command, self.until)
    }
}
