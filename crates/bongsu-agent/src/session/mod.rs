//! A display's session, from one link to the next: what is said and when, what of what is heard counts, when to come back.
//!
//! Invariant: pure; time and chance are arguments, and whoever runs it has the link and the programs. A command is begun
//! at most once, for this display only, and never when its deadline may have come.

mod backoff;
mod effects;
mod orders;
mod schedule;
mod words;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bongsu_device::clock::Clock;
use bongsu_model::display::{BARRIER, Beat, COMMAND_IDS, FromDisplay, PresetId, Processes, Registration};
use bongsu_model::{CommandId, Reconnect, Timestamp};
use bongsu_wire::socketio::switchboard::client::{Problem, Registered, Said};

use crate::report::{Process, Which};
use backoff::Backoff;
pub use effects::{Effect, Event, Hung, Identity, Saying};
use schedule::{Answers, Schedule};
use words::{Word, Words};

/// A namespace is entered within this time, or not at all, in milliseconds.
const JOIN_MS: u64 = 10_000;
/// So is a registration answered: longer than the server asks another holder of the name.
const REGISTER_MS: u64 = 15_000;
/// After a registration that failed the next is tried after this time, in milliseconds.
const REGISTER_AGAIN_MS: u64 = 5_000;
/// A heartbeat is sent so often if the server does not say, in milliseconds …
const HEARTBEAT_MS: u64 = 30_000;
/// … and so often at the least and the most, whatever it says.
const HEARTBEAT_MS_RANGE: std::ops::RangeInclusive<u64> = 1_000..=300_000;
/// What runs is told so often, in milliseconds …
const STATUS_MS: u64 = 20_000;
/// … and at most so often when it changes.
const STATUS_MS_MIN: u64 = 250;
/// Where no result is acknowledged for so long, none will be over this link: a server may take them one after the other.
const ACKNOWLEDGE_MS: u64 = 30_000;
/// A server that stops and does not say when it is back is tried again after this time, in milliseconds, as the guide has it.
const RECONNECT_AFTER_MS: u64 = 5_000;
/// No server is waited for longer than this before the next try.
const RECONNECT_AFTER_MS_MAX: u64 = 600_000;
/// So many programs run, or wait for their moment: a server is told of no more.
const RUNNING_MAX: usize = 64;
/// What is long past is looked for so often, in milliseconds.
const FORGET_MS: u64 = 3_600_000;

#[derive(Debug)]
enum Phase {
    Resting { until: Timestamp },
    Dialing,
    Joining { since: Timestamp, said: bool },
    Registering { since: Timestamp, said: bool },
    Refused { until: Timestamp },
    Open(Open),
}

#[derive(Debug)]
struct Open {
    since: Timestamp,
    /// Whether the server knows more than the guide.
    extended: bool,
    heartbeat_ms: u64,
    heartbeat_due: Timestamp,
    /// When the last heartbeat was said, and how many have no answer yet.
    asked: (Timestamp, u32),
    status_due: Timestamp,
    status_said: Timestamp,
    back: bool,
}

/// A display's session.
#[derive(Debug)]
pub struct Session {
    who: Identity,
    began: Timestamp,
    phase: Phase,
    backoff: Backoff,
    clock: Clock,
    words: Words,
    /// What was said of a command to a server that acknowledges nothing, while it is written.
    writing: Option<Word>,
    answers: Answers,
    schedule: Schedule,
    /// Commands that the runner was told of, the last of them.
    known: (BTreeSet<CommandId>, VecDeque<CommandId>),
    /// How many programs a stop has stopped before they were started.
    cancelled: VecDeque<(CommandId, u64)>,
    processes: Vec<Runs>,
    /// A question of the server, and what its answer gives back.
    check: Option<Option<Box<str>>>,
    come_back_at: Option<Timestamp>,
    was_registered: bool,
    not_mine: u64,
    forget_due: Option<Timestamp>,
    stopping: bool,
    /// How many orders the runner has not heard yet, and whether it hears any.
    waiting: usize,
    rests: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Runs {
    command: CommandId,
    preset: Option<PresetId>,
    pid: u32,
    since: Timestamp,
}

impl Session {
    /// A session that has not connected yet, and will at once.
    #[must_use]
    pub fn new(who: Identity, now: Timestamp) -> Self {
        Self {
            who,
            began: now,
            phase: Phase::Resting { until: now },
            backoff: Backoff::default(),
            clock: Clock::default(),
            words: Words::default(),
            writing: None,
            answers: Answers::default(),
            schedule: Schedule::default(),
            known: (BTreeSet::new(), VecDeque::new()),
            cancelled: VecDeque::new(),
            processes: Vec::new(),
            check: None,
            come_back_at: None,
            was_registered: false,
            not_mine: 0,
            forget_due: None,
            stopping: false,
            waiting: 0,
            rests: false,
        }
    }

    /// The display's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.who.name
    }

    /// Where the display is, as seen from the server.
    pub fn is_at(&mut self, address: Option<Arc<str>>) {
        self.who.address = address;
    }

    /// A link is up.
    pub fn opened(&mut self, now: Timestamp) {
        self.cut();
        self.clock.forget();
        self.come_back_at = None;
        self.phase = Phase::Joining {
            since: now,
            said: false,
        };
    }

    /// There is no link, or none any more.
    pub fn closed(&mut self, now: Timestamp, chance: u64, out: &mut Vec<Effect>) {
        if !matches!(self.phase, Phase::Resting { .. }) {
            self.rest(false, now, chance, out);
        }
    }

    /// Whether the server has let the display in over this link.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// Whether the server has been told of everything that it can be told of.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !self.is_open() || (self.words.is_empty() && self.writing.is_none())
    }

    /// The server's clock, as it is known.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Takes no commands any more but to stop programs, and starts none that waits for its moment.
    pub fn stop(&mut self) {
        self.stopping = true;
        for (command, order) in self.schedule.cancel(Which::All) {
            self.refuse(command, order.preset, STOPPING);
        }
    }

    /// So much of what was ordered is not done yet.
    pub const fn has_waiting(&mut self, orders: usize) {
        self.waiting = orders;
    }

    /// Nothing is done any more: what is ordered from now on is refused.
    pub const fn rest_hands(&mut self) {
        self.rests = true;
    }

    /// What runs has perhaps changed.
    pub fn runs(&mut self, processes: Vec<Process>, now: Timestamp) {
        let known = std::mem::take(&mut self.processes);
        let runs = processes.into_iter().map(|it| {
            let of = |known: &&Runs| known.command == it.command && known.pid == it.pid;
            known.iter().find(of).cloned().unwrap_or_else(|| Runs {
                command: it.command,
                preset: it.preset,
                pid: it.pid,
                since: Timestamp(now.0.saturating_sub_unsigned(it.uptime_ms)),
            })
        });
        self.processes = runs.collect();
        if self.processes != known
            && let Phase::Open(open) = &mut self.phase
        {
            open.status_due = now
                .max(open.status_said.plus_ms(STATUS_MS_MIN))
                .min(open.status_due);
        }
    }

    /// Something came over the link. `chance` is any number.
    pub fn heard(&mut self, said: Said, now: Timestamp, chance: u64, out: &mut Vec<Effect>) {
        match said {
            Said::Connected => {
                if matches!(self.phase, Phase::Joining { .. }) {
                    self.phase = Phase::Registering {
                        since: now,
                        said: false,
                    };
                }
            }
            Said::NotConnected { problem } => {
                self.hang(Hung::NotJoined(problem.message), false, now, chance, out);
            }
            Said::Disconnected => self.hang(Hung::Left, false, now, chance, out),
            Said::Registered(registered) => self.registered(&registered, now, out),
            Said::NotRegistered {
                code,
                reason,
                message: _,
                retry_after_ms,
            } => {
                if matches!(self.phase, Phase::Registering { said: true, .. }) {
                    let again_ms = retry_after_ms.unwrap_or(0).min(RECONNECT_AFTER_MS_MAX);
                    let until = now.plus_ms(again_ms.max(REGISTER_AGAIN_MS));
                    self.phase = Phase::Refused { until };
                    out.push(Effect::Tell(Event::NotRegistered { code, reason }));
                }
            }
            Said::Beat { server_time, next_ms } => self.beat(server_time, next_ms, now, out),
            Said::NotBeat {
                should_reconnect: true,
                message,
                ..
            } => self.hang(Hung::Asked(message), true, now, chance, out),
            Said::NotBeat { message, code, .. } => {
                self.beat(None, None, now, out);
                let code = code.unwrap_or_default();
                out.push(Effect::Tell(Event::Refused { code, message }));
            }
            Said::Check { timestamp } => self.check = Some(timestamp),
            Said::Execute(order) => self.ordered(*order, now, chance, out),
            Said::Prepare(order) => self.asked_to_prepare(*order, now, chance, out),
            Said::Stop(order) => self.asked_to_stop(order, now, chance, out),
            Said::Shutdown {
                reconnect_after_ms, ..
            } => {
                let ms = reconnect_after_ms.unwrap_or(RECONNECT_AFTER_MS);
                let ms = ms.min(RECONNECT_AFTER_MS_MAX);
                self.come_back_at = Some(now.plus_ms(ms));
                out.push(Effect::Tell(Event::ServerStops(ms)));
            }
            Said::Ack { id, taken } => self.acknowledged(id, taken, now, out),
            Said::Error(problem) => {
                if problem.reconnect == Some(Reconnect::Never) {
                    self.backoff.give_time();
                }
                out.push(refused(problem));
            }
            Said::Other => {}
        }
    }

    /// The next that is to be written; `None` while there is nothing to say. To be asked while everything else is written.
    pub fn next_said(&mut self, now: Timestamp, out: &mut Vec<Effect>) -> Option<Saying> {
        if let Some(report) = self.writing.take().and_then(|word| word.report) {
            out.push(Effect::Acknowledged(report));
        }
        if let Some(check) = self.check.take() {
            let name = Arc::clone(&self.who.name);
            return Some(Saying::Event {
                said: FromDisplay::Alive { name },
                number: None,
                check,
            });
        }
        match &mut self.phase {
            Phase::Joining { since, said } if !*said => {
                (*since, *said) = (now, true);
                Some(Saying::Join)
            }
            Phase::Registering { since, said } if !*said => {
                (*since, *said) = (now, true);
                Some(event(FromDisplay::Register(Box::new(self.registration()))))
            }
            Phase::Open(_) => self.next_of_open(now),
            Phase::Resting { .. }
            | Phase::Dialing
            | Phase::Joining { .. }
            | Phase::Registering { .. }
            | Phase::Refused { .. } => None,
        }
    }

    /// When [`Self::tick`] wants to be called or, while the link is `writable`, [`Self::next_said`] has something to say by
    /// itself.
    #[must_use]
    pub fn next_deadline(&self, writable: bool) -> Option<Timestamp> {
        let phase = match &self.phase {
            Phase::Resting { until } | Phase::Refused { until } => Some(*until),
            Phase::Dialing => None,
            Phase::Joining { since, .. } => Some(since.plus_ms(JOIN_MS)),
            Phase::Registering { since, .. } => Some(since.plus_ms(REGISTER_MS)),
            Phase::Open(open) => {
                let say = [Some(open.heartbeat_due), Some(open.status_due), self.words.due()];
                let say = say.into_iter().flatten().min().filter(|_| writable);
                let unanswered = self.words.asked().map(|at| at.plus_ms(ACKNOWLEDGE_MS));
                [say, unanswered].into_iter().flatten().min()
            }
        };
        let come_back = self.come_back_at.filter(|_| self.is_joined());
        [phase, come_back, self.schedule.next_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due by `now`. `chance` is any number.
    pub fn tick(&mut self, now: Timestamp, chance: u64, out: &mut Vec<Effect>) {
        while let Some((command, order)) = self.schedule.take_due(now) {
            self.start(command, order, now, out);
        }
        if self.is_joined() && self.come_back_at.is_some_and(|at| at <= now) {
            self.hang(Hung::ServerStops, false, now, chance, out);
            return;
        }
        match &self.phase {
            Phase::Resting { until } if *until <= now => {
                self.phase = Phase::Dialing;
                out.push(Effect::Dial);
            }
            Phase::Refused { until } if *until <= now => {
                self.phase = Phase::Registering {
                    since: now,
                    said: false,
                };
            }
            Phase::Joining { since, .. } if since.plus_ms(JOIN_MS) <= now => {
                self.hang(Hung::TooSlow, false, now, chance, out);
            }
            Phase::Registering { since, .. } if since.plus_ms(REGISTER_MS) <= now => {
                self.hang(Hung::NotRegistered, false, now, chance, out);
            }
            Phase::Open(_)
                if self
                    .words
                    .asked()
                    .is_some_and(|at| at.plus_ms(ACKNOWLEDGE_MS) <= now) =>
            {
                self.hang(Hung::NotAcknowledged, false, now, chance, out);
            }
            Phase::Resting { .. }
            | Phase::Dialing
            | Phase::Joining { .. }
            | Phase::Registering { .. }
            | Phase::Refused { .. }
            | Phase::Open(_) => {}
        }
    }

    const fn is_joined(&self) -> bool {
        match &self.phase {
            Phase::Registering { .. } | Phase::Refused { .. } | Phase::Open(_) => true,
            Phase::Resting { .. } | Phase::Dialing | Phase::Joining { .. } => false,
        }
    }

    /// What is known of the link that is gone is nothing of the next one.
    fn cut(&mut self) {
        if let Some(word) = self.writing.take() {
            self.words.unsay(word);
        }
        self.words.cut();
        self.check = None;
    }

    fn hang(&mut self, why: Hung, asked: bool, now: Timestamp, chance: u64, out: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Resting { .. } | Phase::Dialing) {
            return;
        }
        out.push(Effect::Hang(why));
        self.rest(asked, now, chance, out);
    }

    /// Waits for the next connection: not at all if the server `asked` for one and the last was a good one.
    fn rest(&mut self, asked: bool, now: Timestamp, chance: u64, out: &mut Vec<Effect>) {
        self.cut();
        if let Phase::Open(open) = &self.phase {
            self.backoff.held(now.ms_since(open.since));
        }
        let until = match self.come_back_at.take() {
            Some(at) => {
                // A server that says when it is back has gone wrong in nothing.
                self.backoff = Backoff::default();
                at.max(now)
            }
            None => {
                let at_once = asked && self.backoff.is_fresh();
                let rest_ms = self.backoff.rest_ms(chance);
                now.plus_ms(if at_once { 0 } else { rest_ms })
            }
        };
        self.phase = Phase::Resting { until };
        out.push(Effect::Tell(Event::Rests(until.ms_since(now))));
    }

    fn registration(&self) -> Registration {
        let running = self.processes.iter().map(|it| it.command);
        let running = running.chain(self.schedule.commands());
        Registration {
            name: Arc::clone(&self.who.name),
            client: Some("bongsu-agent".into()),
            address: self.who.address.clone(),
            version: Some(Arc::clone(&self.who.version)),
            capabilities: vec![COMMAND_IDS.into(), BARRIER.into()],
            token: self.who.token.clone(),
            certificate: None,
            running: running
                .filter(|it| !orders::is_own(*it))
                .take(RUNNING_MAX)
                .collect(),
        }
    }

    fn registered(&mut self, registered: &Registered, now: Timestamp, out: &mut Vec<Effect>) {
        let Phase::Registering { since, said: true } = self.phase else {
            return;
        };
        if let Some(at) = registered.server_time {
            self.measured(since, at, now);
        }
        let epoch = registered.epoch;
        let heartbeat_ms = registered.heartbeat_ms.unwrap_or(HEARTBEAT_MS);
        self.phase = Phase::Open(Open {
            since: now,
            extended: epoch.is_some(),
            heartbeat_ms: heartbeat_ms.clamp(*HEARTBEAT_MS_RANGE.start(), *HEARTBEAT_MS_RANGE.end()),
            heartbeat_due: now,
            asked: (now, 0),
            status_due: now,
            status_said: now,
            back: self.was_registered,
        });
        self.was_registered = true;
        out.push(Effect::Tell(Event::Registered { epoch }));
        out.push(Effect::CatchUp);
    }

    fn acknowledged(
        &mut self,
        number: u64,
        taken: Result<(), Problem>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        if let Err(problem) = taken {
            if problem.retry_after_ms.is_some() || ["RATE_LIMITED", "OVERLOADED"].contains(&&*problem.code) {
                self.words.again(number, now);
                return;
            }
            // What is refused for good is refused again whenever it is said.
            out.push(refused(problem));
        }
        if let Some(report) = self.words.taken(number, now).and_then(|word| word.report) {
            out.push(Effect::Acknowledged(report));
        }
    }

    /// The answer to a heartbeat.
    fn beat(&mut self, at: Option<Timestamp>, next_ms: Option<u64>, now: Timestamp, out: &mut Vec<Effect>) {
        let Phase::Open(open) = &mut self.phase else {
            return;
        };
        if let Some(ms) = next_ms {
            open.heartbeat_ms = ms.clamp(*HEARTBEAT_MS_RANGE.start(), *HEARTBEAT_MS_RANGE.end());
        }
        let (asked, unanswered) = open.asked;
        open.asked.1 = unanswered.saturating_sub(1);
        // With two on their way nobody knows which of them this answers.
        if let (Some(at), 1) = (at, unanswered) {
            self.measured(asked, at, now);
            if self.forget_due.is_none_or(|due| due <= now) {
                self.forget_due = Some(now.plus_ms(FORGET_MS));
                out.push(Effect::Forget(at));
            }
        }
    }

    fn measured(&mut self, asked: Timestamp, at: Timestamp, now: Timestamp) {
        self.clock.measured(asked, at, now);
        self.schedule.measured(&self.clock, now);
    }

    fn next_of_open(&mut self, now: Timestamp) -> Option<Saying> {
        let name = Arc::clone(&self.who.name);
        let Phase::Open(open) = &mut self.phase else {
            return None;
        };
        if std::mem::take(&mut open.back) {
            return Some(event(FromDisplay::Back { name }));
        }
        let count = self.processes.len() as u64;
        let status = Some(if count == 0 {
            "online".into()
        } else {
            "running".into()
        });
        if open.heartbeat_due <= now {
            open.heartbeat_due = now.plus_ms(open.heartbeat_ms);
            open.asked = (now, open.asked.1.saturating_add(1));
            return Some(event(FromDisplay::Heartbeat(Beat {
                name,
                status: Some("online".into()),
                uptime_ms: Some(now.ms_since(self.began)),
                processes: Some(count),
            })));
        }
        if let Some((word, number)) = self.words.next(open.extended, now) {
            let said = FromDisplay::Execution(Box::new(word.execution(&name)));
            if number.is_none() {
                self.writing = Some(word);
            }
            return Some(Saying::Event {
                said,
                number,
                check: None,
            });
        }
        if open.status_due > now {
            return None;
        }
        open.status_due = now.plus_ms(STATUS_MS);
        open.status_said = now;
        let running = self.processes.iter().map(|it| it.process(now)).collect();
        Some(event(FromDisplay::Processes(Processes {
            name,
            status,
            running,
        })))
    }
}

/// The word for what is not started because the agent ends.
const STOPPING: &str = "stopping";

impl Runs {
    fn process(&self, now: Timestamp) -> bongsu_model::display::Process {
        bongsu_model::display::Process {
            preset: self.preset,
            command: (!orders::is_own(self.command)).then_some(self.command),
            pid: Some(u64::from(self.pid)),
            uptime_ms: Some(now.ms_since(self.since)),
        }
    }
}

fn refused(problem: Problem) -> Effect {
    Effect::Tell(Event::Refused {
        code: problem.code,
        message: problem.message,
    })
}

const fn event(said: FromDisplay) -> Saying {
    Saying::Event {
        said,
        number: None,
        check: None,
    }
}
