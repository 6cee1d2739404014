//! A device's session: what is said and in which order, what of what is heard counts, which command is begun.
//!
//! Invariant: pure; time is an argument, and whoever runs it writes the journal and carries commands out. A command is
//! begun at most once, only after [`Session::kept`], and never when its deadline may have come. What belongs to an older
//! epoch changes nothing.

mod orders;
mod state;
mod words;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bongsu_model::Timestamp;
use bongsu_model::device::{ConnectionEpoch, DeviceId, FromDevice, Hello, Object, Welcome};
use bongsu_wire::device::client::{Parting, Problem, Told, What};

use crate::clock::Clock;
use crate::journal::{Ledger, Record};
pub use orders::Begin;
use orders::Refusals;
pub use state::TooMuch;
use state::{Reporting, Telemetry};
use words::Words;

/// The welcome must come within this time, in milliseconds.
const WELCOME_MS: u64 = 10_000;
/// So soon after the welcome the first heartbeat is sent, for a second look at the gateway's clock.
const FIRST_HEARTBEAT_MS: u64 = 1_000;
/// Nothing was heard for so many heartbeats: the link is dead, whatever the system thinks.
const MISSED_MAX: u64 = 3;
/// Reports and telemetry are told at most so often, in milliseconds: what is newer takes the place of what waits.
const TELL_EVERY_MS: u64 = 50;

/// Who the device is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Its id.
    pub device: DeviceId,
    /// What it is: `vehicle`, `display`, …
    pub kind: Option<Arc<str>>,
    /// Its software's version.
    pub version: Option<Arc<str>>,
    /// What it can do.
    pub capabilities: Vec<Arc<str>>,
}

/// What the session wants done, in its order.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Write this to the journal so that it is on the disk, and say [`Session::kept`] or [`Session::unkept`].
    Keep(Record),
    /// Write this to the journal; it need not be on the disk yet, and nothing follows from it.
    Note(Record),
    /// Begin this command.
    Begin(Begin),
    /// This should be, and is not.
    Wish {
        /// Its version, for [`Session::taken_in`].
        version: u64,
        /// By key; null for what should not be.
        state: Object,
    },
    /// Something to know.
    Tell(Event),
    /// End the link: nothing good will come over it.
    Hang(Hung),
}

/// Something to know.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// The gateway has welcomed the device.
    Welcomed {
        /// The session's epoch.
        epoch: ConnectionEpoch,
        /// How far the gateway's clock is ahead of ours, in milliseconds.
        offset_ms: i64,
    },
    /// The same command came again, and has the same answer.
    Repeated(bongsu_model::device::CommandId),
    /// A command was refused before it was begun.
    NotBegun {
        /// Which.
        id: bongsu_model::device::CommandId,
        /// Why, in one word.
        why: &'static str,
    },
    /// A frame of another epoch came and was dropped.
    Stale(ConnectionEpoch),
    /// The gateway refused something that was said.
    Refused(Problem),
    /// The gateway ends the session.
    Parted(Parting),
    /// The new token is in force until then.
    TokenUpdated(Timestamp),
    /// The token ends then: a new one is wanted.
    TokenExpiring(Timestamp),
}

/// Why a link is of no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Hung {
    /// No welcome came.
    #[error("no welcome came")]
    NoWelcome,
    /// Nothing was heard for too long.
    #[error("nothing was heard for too long")]
    Silent,
    /// The welcome has an epoch that is not newer than the last one: it is the echo of something past.
    #[error("the welcome is of an older epoch")]
    Stale,
}

#[derive(Debug)]
enum Phase {
    Away,
    Greeting { since: Timestamp, said: bool },
    Open(Open),
}

#[derive(Debug)]
struct Open {
    heartbeat_ms: u64,
    heard: Timestamp,
    heartbeat_due: Timestamp,
    /// When the heartbeat was written that has no answer yet.
    asked: Option<Timestamp>,
    /// Reports and telemetry may be told from then on.
    quiet_until: Timestamp,
    /// The version of the last delta.
    version: Option<u64>,
}

/// One device's session, from one link to the next.
#[derive(Debug)]
pub struct Session {
    identity: Identity,
    commands: BTreeSet<Arc<str>>,
    phase: Phase,
    epoch: ConnectionEpoch,
    clock: Clock,
    ledger: Ledger,
    /// The commands in the ledger that the application has been told to begin.
    begun: BTreeSet<bongsu_model::device::CommandId>,
    refusals: Refusals,
    words: Words,
    state: Reporting,
    telemetry: Telemetry,
    tokens: VecDeque<Arc<str>>,
}

impl Session {
    /// A session of a device that knows these commands, and of earlier ones what its journal told.
    #[must_use]
    pub fn new(identity: Identity, commands: BTreeSet<Arc<str>>, ledger: Ledger) -> Self {
        Self {
            identity,
            commands,
            phase: Phase::Away,
            epoch: ConnectionEpoch(0),
            clock: Clock::default(),
            begun: ledger.running().map(|it| it.id).collect(),
            ledger,
            refusals: Refusals::default(),
            words: Words::default(),
            state: Reporting::default(),
            telemetry: Telemetry::default(),
            tokens: VecDeque::new(),
        }
    }

    /// A link is up.
    pub fn opened(&mut self, now: Timestamp) {
        self.cut();
        self.clock.forget();
        self.phase = Phase::Greeting {
            since: now,
            said: false,
        };
    }

    /// The link is gone.
    pub fn closed(&mut self) {
        self.cut();
        self.phase = Phase::Away;
    }

    /// Whether the gateway has welcomed the device on this link.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// The gateway's clock, as it is known.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What is known of commands.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Forgets what need not be remembered any more.
    pub fn forget(&mut self, now: Timestamp) {
        // Without the gateway's time nobody knows what is long past.
        if let Some(now) = self.clock.now(now) {
            self.ledger.forget(now);
        }
    }

    /// Something came over the link.
    pub fn heard(&mut self, told: Told, now: Timestamp, out: &mut Vec<Effect>) {
        if let Phase::Open(open) = &mut self.phase {
            open.heard = now;
            // What is said before a session is told without one.
            if told.epoch != self.epoch && told.epoch != ConnectionEpoch(0) {
                out.push(Effect::Tell(Event::Stale(told.epoch)));
                return;
            }
        }
        match (told.what, self.is_open()) {
            (What::Welcome(welcome), false) => self.welcomed(*welcome, now, out),
            // A second welcome is no more than a sign of life; what comes before the first is of no session.
            (What::Welcome(_), true)
            | (What::Command(_) | What::Delta { .. } | What::Heartbeat { .. }, false) => {}
            (What::Command(order), true) => self.ordered(order, now, out),
            (What::Delta { version, state }, true) => self.wished(version, state, out),
            (What::Heartbeat { server_time, clock }, true) => self.answered(server_time, clock, now, out),
            (What::AuthUpdated { expires_at }, _) => out.push(Effect::Tell(Event::TokenUpdated(expires_at))),
            (What::TokenExpiring { expires_at }, _) => {
                out.push(Effect::Tell(Event::TokenExpiring(expires_at)));
            }
            (What::Refused(problem), _) => {
                self.refused(problem.retry_after_ms, now);
                out.push(Effect::Tell(Event::Refused(problem)));
            }
            (What::Closing(parting), _) => out.push(Effect::Tell(Event::Parted(parting))),
        }
    }

    /// The next frame to be written; `None` while there is nothing to say. Ask again when it is written.
    pub fn next_frame(&mut self, now: Timestamp) -> Option<FromDevice> {
        match &mut self.phase {
            Phase::Away | Phase::Greeting { said: true, .. } => None,
            Phase::Greeting { since, said } => {
                (*since, *said) = (now, true);
                Some(FromDevice::Hello(Box::new(self.hello(now))))
            }
            Phase::Open(_) => self.next_of_session(now),
        }
    }

    /// When [`Session::tick`] wants to be called, or, while the link is `writable`, [`Session::next_frame`] has something
    /// to say by itself.
    #[must_use]
    pub fn next_deadline(&self, writable: bool) -> Option<Timestamp> {
        match &self.phase {
            Phase::Away => None,
            Phase::Greeting { since, .. } => Some(since.plus_ms(WELCOME_MS)),
            Phase::Open(open) => {
                let dead = open.heard.plus_ms(open.heartbeat_ms.saturating_mul(MISSED_MAX));
                if !writable {
                    return Some(dead);
                }
                let tells = self.state.is_due() || self.telemetry.is_due();
                let tell = tells.then_some(open.quiet_until);
                let due = dead.min(open.heartbeat_due);
                Some(tell.map_or(due, |tell| tell.min(due)))
            }
        }
    }

    /// Does what is due by `now`.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        let hung = match &self.phase {
            Phase::Greeting { since, .. } if since.plus_ms(WELCOME_MS) <= now => Hung::NoWelcome,
            Phase::Open(open) if open.heard.plus_ms(open.heartbeat_ms.saturating_mul(MISSED_MAX)) <= now => {
                Hung::Silent
            }
            Phase::Away | Phase::Greeting { .. } | Phase::Open(_) => return,
        };
        out.push(Effect::Hang(hung));
    }

    /// The device's state has changed: null takes a key away.
    ///
    /// # Errors
    ///
    /// The state would be more than a gateway takes; it is as before.
    pub fn report(&mut self, patch: Object) -> Result<(), TooMuch> {
        self.state.change(patch)
    }

    /// The device has done what it could about the wish of this version.
    pub fn taken_in(&mut self, version: u64) {
        self.state.take_in(version);
    }

    /// The device has measured something: the latest of each key is told.
    ///
    /// # Errors
    ///
    /// More waits than a gateway takes at once; nothing of it was taken.
    pub fn measure(&mut self, values: Object) -> Result<(), TooMuch> {
        self.telemetry.measure(values)
    }

    /// A new token, for this session too.
    pub fn renew(&mut self, token: Arc<str>) {
        // Only the newest is of use; the link opens with it if it is not up.
        self.tokens.clear();
        if self.is_open() {
            self.tokens.push_back(token);
        }
    }

    fn cut(&mut self) {
        self.words.cut();
        self.state.cut();
        self.tokens.clear();
    }

    fn hello(&mut self, now: Timestamp) -> Hello {
        let (reported, reported_version) = self.state.whole();
        Hello {
            device: self.identity.device.clone(),
            kind: self.identity.kind.clone(),
            version: self.identity.version.clone(),
            capabilities: self.identity.capabilities.clone(),
            reported,
            reported_version,
            running: self.ledger.running().map(|it| it.id).collect(),
            clock: Some(now),
            token: None,
        }
    }

    fn welcomed(&mut self, welcome: Welcome, now: Timestamp, out: &mut Vec<Effect>) {
        let Phase::Greeting { since, said: true } = self.phase else {
            return;
        };
        if welcome.epoch <= self.epoch {
            out.push(Effect::Hang(Hung::Stale));
            return;
        }
        self.clock.measured(since, welcome.server_time, now);
        self.epoch = welcome.epoch;
        let heartbeat_ms = welcome.heartbeat_ms.max(1);
        self.phase = Phase::Open(Open {
            heartbeat_ms,
            heard: now,
            heartbeat_due: now.plus_ms(heartbeat_ms.min(FIRST_HEARTBEAT_MS)),
            asked: None,
            quiet_until: now,
            version: None,
        });
        out.push(Effect::Tell(Event::Welcomed {
            epoch: welcome.epoch,
            offset_ms: self.clock.offset_ms(now).unwrap_or_default(),
        }));
        self.say_what_was_not_heard();
        if let Some((version, state)) = welcome.delta {
            self.wished(version, state, out);
        }
    }

    /// Nobody says which frame was refused. If time heals it, it may have been a report: the state is told again then.
    fn refused(&mut self, retry_after_ms: Option<u64>, now: Timestamp) {
        if let (Phase::Open(open), Some(ms)) = (&mut self.phase, retry_after_ms) {
            open.quiet_until = now.plus_ms(ms.max(TELL_EVERY_MS));
            self.state.again();
        }
    }

    fn wished(&mut self, version: u64, state: Object, out: &mut Vec<Effect>) {
        let Phase::Open(open) = &mut self.phase else {
            return;
        };
        if open.version.is_none_or(|last| last <= version) {
            open.version = Some(version);
            out.push(Effect::Wish { version, state });
        }
    }

    fn answered(
        &mut self,
        server_time: Timestamp,
        clock: Option<Timestamp>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let Phase::Open(open) = &mut self.phase else {
            return;
        };
        // An answer to another heartbeat than the last one would measure the wrong way.
        let Some(asked) = open.asked.filter(|asked| clock == Some(*asked)) else {
            return;
        };
        open.asked = None;
        self.clock.measured(asked, server_time, now);
        for id in self.words.heard() {
            let told = Record::Told { id };
            self.ledger.note(&told);
            out.push(Effect::Note(told));
        }
    }

    fn next_of_session(&mut self, now: Timestamp) -> Option<FromDevice> {
        let Phase::Open(open) = &mut self.phase else {
            return None;
        };
        if let Some(token) = self.tokens.pop_front() {
            return Some(FromDevice::AuthUpdate { token });
        }
        if open.heartbeat_due <= now {
            open.heartbeat_due = now.plus_ms(open.heartbeat_ms);
            open.asked = Some(now);
            self.words.heartbeat();
            return Some(FromDevice::Heartbeat { clock: Some(now) });
        }
        if !self.words.is_empty() {
            return self.next_word().map(FromDevice::Word);
        }
        if open.quiet_until > now {
            return None;
        }
        let reported = self.state.take();
        let told = match reported {
            Some((version, state)) => FromDevice::Reported { version, state },
            None => FromDevice::Telemetry(self.telemetry.take()?),
        };
        open.quiet_until = now.plus_ms(TELL_EVERY_MS);
        Some(told)
    }
}
