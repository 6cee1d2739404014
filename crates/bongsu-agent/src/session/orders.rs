//! Commands: from what the server orders to what the runner is asked, and back to what is said of it.
//!
//! Invariant: a command that the runner knows is the runner's to answer, whatever the time; a refusal of one that it does
//! not know is remembered, so that the same command has the same answer.

use bongsu_model::display::{Doing, PresetId};
use bongsu_model::{CommandId, Timestamp};
use bongsu_wire::socketio::switchboard::client::{Order, StopOrder};

use super::schedule::LATE_MS;
use super::words::Word;
use super::{Effect, Event, RUNNING_MAX, STOPPING, Session};
use crate::report::{Code, Job, Outcome, Report, Which};

/// So many commands that the runner was told of are remembered, and so many stops.
const KNOWN_MAX: usize = 1_024;
/// So many orders wait for the runner, and no more programs are taken; to stop some there is as much room again.
const WAITING_MAX: usize = 128;
/// A stop may come again so long, in milliseconds.
const STOP_MS: u64 = 600_000;
/// What a name of our own making begins with: no server's does for the next eight thousand years.
const OWN: u128 = 0xffff << 112;
/// The word for what came too late.
const EXPIRED: &str = "expired";

/// Whether a command has a name of our own making.
pub(super) const fn is_own(command: CommandId) -> bool {
    command.0 >> 112 == OWN >> 112
}

fn own(now: Timestamp, chance: u64) -> CommandId {
    let ms = u128::from(now.0.unsigned_abs()) & 0xffff_ffff_ffff;
    CommandId(OWN | ms << 64 | u128::from(chance))
}

/// Until when a program may be started; a server that does not say may order it whenever it likes.
fn deadline(order: &Order) -> Option<Timestamp> {
    Some(order.issued_at?.plus_ms(order.ttl_ms?))
}

impl Session {
    /// The runner has this to say.
    pub fn reported(&mut self, report: Report, out: &mut Vec<Effect>) {
        self.know(report.command);
        // Whoever comes back is asked for everything that was not acknowledged.
        if !self.is_open() {
            return;
        }
        if is_own(report.command) && matches!(report.outcome, Outcome::Stopped { .. }) {
            // Nobody asked under this name: the programs' own ends say it.
            out.push(Effect::Acknowledged(report));
            return;
        }
        let cancelled = self.cancelled.iter().find(|(stop, _)| *stop == report.command);
        let cancelled = cancelled.map_or(0, |(_, count)| *count);
        self.words.push(Word::of(report, cancelled));
    }

    /// A program could be started, or why not.
    pub fn prepared(
        &mut self,
        command: CommandId,
        preset: Option<PresetId>,
        prepared: Result<(), (Code, std::sync::Arc<str>)>,
    ) {
        self.words.push(match prepared {
            Ok(()) => Word::new(command, preset, Doing::Prepared),
            Err((code, error)) => Word::rejected(command, preset, code.name(), &error),
        });
    }

    pub(super) fn ordered(&mut self, order: Order, now: Timestamp, chance: u64, out: &mut Vec<Effect>) {
        let Some(command) = self.is_mine(&order, now, chance, out) else {
            return;
        };
        let preset = order.preset;
        if self.known.0.contains(&command) {
            self.start(command, order, now, out);
        } else if let Some(word) = self.answers.of(command) {
            self.words.push(word.clone());
        } else if self.schedule.knows(command) {
            self.words.push(Word::new(command, preset, Doing::Starting));
        } else if let Some(why) = self.refusal(&order, now) {
            out.push(Effect::Tell(Event::NotBegun { command, why }));
            self.refuse(command, preset, why);
        } else {
            match (order.when, self.clock.now(now)) {
                (Some(at), Some(server)) if server < at => {
                    self.schedule
                        .put(command, order, at, now.plus_ms(at.ms_since(server)));
                    self.words.push(Word::new(command, preset, Doing::Starting));
                }
                (Some(_) | None, _) => self.start(command, order, now, out),
            }
        }
    }

    pub(super) fn asked_to_prepare(
        &mut self,
        order: Order,
        now: Timestamp,
        chance: u64,
        out: &mut Vec<Effect>,
    ) {
        let Some(command) = self.is_mine(&order, now, chance, out) else {
            return;
        };
        match self.refusal(&order, now) {
            Some(why) => {
                out.push(Effect::Tell(Event::NotBegun { command, why }));
                self.refuse(command, order.preset, why);
            }
            None => out.push(Effect::Prepare {
                command,
                preset: order.preset,
                program: order.program,
            }),
        }
    }

    pub(super) fn asked_to_stop(
        &mut self,
        order: StopOrder,
        now: Timestamp,
        chance: u64,
        out: &mut Vec<Effect>,
    ) {
        if !self.is_for_me(&order.name, out) {
            return;
        }
        let command = order.command.unwrap_or_else(|| own(now, chance));
        if self.waiting >= 2 * WAITING_MAX {
            out.push(Effect::Tell(Event::Overloaded(command)));
            return;
        }
        if self.rests {
            self.refuse_stop(command, order.preset);
            return;
        }
        let which = match (order.run, order.preset) {
            (Some(run), _) => Which::Run(run),
            (None, Some(preset)) => Which::Preset(preset),
            (None, None) => Which::All,
        };
        if order.command.is_some() {
            self.words.push(Word::new(command, order.preset, Doing::Starting));
        }
        let cancelled = self.schedule.cancel(which);
        if !cancelled.is_empty() {
            if self.cancelled.len() == KNOWN_MAX {
                self.cancelled.pop_front();
            }
            self.cancelled.push_back((command, cancelled.len() as u64));
        }
        for (command, order) in cancelled {
            let word = Word::new(command, order.preset, Doing::Stopped);
            self.answers.remember(word.clone());
            self.words.push(word);
        }
        out.push(Effect::Stop {
            command,
            which,
            grace_ms: order.grace_ms,
            deadline: self.clock.now(now).unwrap_or(now).plus_ms(STOP_MS),
        });
    }

    /// Has the runner start it: at once, or because its moment has come.
    pub(super) fn start(&mut self, command: CommandId, order: Order, now: Timestamp, out: &mut Vec<Effect>) {
        self.know(command);
        let here = self.clock.now(now).unwrap_or(now);
        let deadline = deadline(&order).max(order.when).unwrap_or(here);
        out.push(Effect::Start(Job {
            command,
            preset: order.preset,
            program: order.program,
            deadline,
        }));
    }

    /// Answers a command that the runner is not told of, for good.
    pub(super) fn refuse(&mut self, command: CommandId, preset: Option<PresetId>, why: &'static str) {
        let error = match why {
            EXPIRED => "it came too late",
            STOPPING => "the agent ends",
            _ => "too many programs wait for their moment",
        };
        let word = Word::rejected(command, preset, why, error);
        self.answers.remember(word.clone());
        self.words.push(word);
    }

    /// The agent ends before it could do this. Whatever waits for an answer has one.
    pub fn undone(&mut self, effect: &Effect) {
        match effect {
            Effect::Stop { command, which, .. } => {
                let preset = match which {
                    Which::Preset(preset) => Some(*preset),
                    Which::Run(_) | Which::All => None,
                };
                self.refuse_stop(*command, preset);
            }
            Effect::Prepare { command, preset, .. } => self.refuse(*command, *preset, STOPPING),
            // Of programs only repeats come so late: the next agent says how they are.
            Effect::Start(_)
            | Effect::Dial
            | Effect::Hang(_)
            | Effect::CatchUp
            | Effect::Acknowledged(_)
            | Effect::Forget(_)
            | Effect::Tell(_) => {}
        }
    }

    /// Who has no name for a stop waits for no answer to it.
    fn refuse_stop(&mut self, command: CommandId, preset: Option<PresetId>) {
        if !is_own(command) {
            self.refuse(command, preset, STOPPING);
        }
    }

    /// Why a command that nobody knows yet is not carried out.
    fn refusal(&self, order: &Order, now: Timestamp) -> Option<&'static str> {
        if self.stopping {
            return Some(STOPPING);
        }
        if deadline(order).is_some_and(|it| self.clock.is_late(it, now)) {
            return Some(EXPIRED);
        }
        let at = order.when?;
        match self.clock.now(now) {
            // Whoever cannot know the time is late.
            None => Some(EXPIRED),
            Some(server) if server.ms_since(at) > LATE_MS => Some(EXPIRED),
            Some(server) if server < at && self.is_full() => Some(Code::Busy.name()),
            Some(_) => None,
        }
    }

    fn is_full(&self) -> bool {
        self.schedule.commands().count() + self.processes.len() >= RUNNING_MAX
    }

    /// The name of a command for this display that can be answered.
    fn is_mine(
        &mut self,
        order: &Order,
        now: Timestamp,
        chance: u64,
        out: &mut Vec<Effect>,
    ) -> Option<CommandId> {
        if !self.is_for_me(&order.name, out) {
            return None;
        }
        let command = order.command.unwrap_or_else(|| own(now, chance));
        if !self.words.has_room() || self.waiting >= WAITING_MAX {
            out.push(Effect::Tell(Event::Overloaded(command)));
            return None;
        }
        Some(command)
    }

    fn is_for_me(&mut self, name: &std::sync::Arc<str>, out: &mut Vec<Effect>) -> bool {
        if *name != self.who.name {
            self.not_mine += 1;
            out.push(Effect::Tell(Event::NotMine {
                name: std::sync::Arc::clone(name),
                total: self.not_mine,
            }));
            return false;
        }
        // Before the display is let in, nobody may order anything of it.
        self.is_open()
    }

    fn know(&mut self, command: CommandId) {
        let (known, order) = &mut self.known;
        if known.insert(command) {
            order.push_back(command);
            if order.len() > KNOWN_MAX
                && let Some(oldest) = order.pop_front()
            {
                known.remove(&oldest);
            }
        }
    }
}
