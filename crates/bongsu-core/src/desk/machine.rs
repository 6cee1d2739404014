//! One desk: the devices whose commands it sees through, and when something is due for them.
//!
//! Invariant: a command that is open here is in the seat of its device, in the index and in the deadlines once each; a
//! seat without session and commands is gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use bongsu_model::device::{
    Command, CommandId, CommandState, ConnectionEpoch, DeviceId, Late, Note, Step, StepKind, Word,
};
use bongsu_model::{Limits, Timestamp};

use super::effect::DeskEffect;
use super::ended::Ended;
use super::input::DeskInput;
use super::life::verdict;
use super::seat::{Live, Seat};
use crate::deadlines::Deadlines;
use crate::machine::Machine;

/// How many commands that have ended a desk remembers …
const ENDED_MAX: usize = 1_024;
/// … and for how long.
const ENDED_MS: u64 = 10 * 60 * 1_000;
/// How long a writer may take to say what became of a command that was withdrawn when its time was over.
const WITHDRAW_MS: u64 = 1_000;

/// What a desk goes by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeskRules {
    /// As [`Limits::command_retry_ms`].
    pub retry_ms: u64,
    /// Twice [`Limits::commands_open_max`]: what ends others comes on top.
    pub open_max: usize,
    /// How many commands that have ended are remembered, so that only the first word after the end is kept as late …
    pub ended_max: usize,
    /// … and for how long.
    pub ended_ms: u64,
    /// How long a writer may take to say what became of a command that was withdrawn when its time was over; one that says
    /// nothing may have written it.
    pub withdraw_ms: u64,
}

impl From<&Limits> for DeskRules {
    fn from(limits: &Limits) -> Self {
        Self {
            retry_ms: limits.command_retry_ms,
            open_max: limits.commands_open_max.saturating_mul(2),
            ended_max: ENDED_MAX,
            ended_ms: ENDED_MS,
            withdraw_ms: WITHDRAW_MS,
        }
    }
}

/// The commands of some devices.
#[derive(Clone, Debug)]
pub struct Desk {
    seats: BTreeMap<DeviceId, Seat>,
    shared: Shared,
}

/// What is the same for all devices of a desk.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) rules: DeskRules,
    pub(super) node: Arc<str>,
    pub(super) index: BTreeMap<CommandId, DeviceId>,
    pub(super) deadlines: Deadlines<CommandId>,
    pub(super) ended: Ended,
}

/// What a seat works with while it handles one thing.
pub(super) struct Cx<'a> {
    pub(super) shared: &'a mut Shared,
    pub(super) now: Timestamp,
    pub(super) out: &'a mut Vec<DeskEffect>,
}

impl Cx<'_> {
    pub(super) fn keep(
        &mut self,
        command: CommandId,
        (device, epoch): (&DeviceId, ConnectionEpoch),
        (state, detail): (CommandState, Option<Arc<str>>),
        kind: StepKind,
    ) {
        let note = Note {
            state,
            at: self.now,
            node: Arc::clone(&self.shared.node),
            detail,
        };
        self.out.push(DeskEffect::Keep(Step {
            command,
            device: device.clone(),
            epoch,
            note,
            kind,
        }));
    }
}

impl Desk {
    /// A desk without devices, on that node.
    #[must_use]
    pub fn new(rules: DeskRules, node: Arc<str>) -> Self {
        Self {
            seats: BTreeMap::new(),
            shared: Shared {
                rules,
                node,
                index: BTreeMap::new(),
                deadlines: Deadlines::new(),
                ended: Ended::new(rules.ended_max, rules.ended_ms),
            },
        }
    }

    /// Takes new rules; what is under way goes on by the old ones.
    pub const fn set_rules(&mut self, rules: DeskRules) {
        self.shared.rules = rules;
        self.shared.ended.set_bounds(rules.ended_max, rules.ended_ms);
    }

    /// How many commands are open here.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.index.len()
    }

    /// How many devices are known here: with a session, or with commands that wait for one.
    #[must_use]
    pub fn devices(&self) -> usize {
        self.seats.len()
    }

    /// Lets the seat of a device do something, and removes it if nothing keeps it.
    fn at_seat(
        &mut self,
        device: &DeviceId,
        now: Timestamp,
        out: &mut Vec<DeskEffect>,
        work: impl FnOnce(&mut Seat, &mut Cx<'_>),
    ) {
        let Some(seat) = self.seats.get_mut(device) else {
            return;
        };
        let shared = &mut self.shared;
        work(seat, &mut Cx { shared, now, out });
        if seat.is_idle() {
            self.seats.remove(device);
        }
    }

    /// As [`Self::at_seat`], for the device of an open command.
    fn at_command(
        &mut self,
        command: CommandId,
        now: Timestamp,
        out: &mut Vec<DeskEffect>,
        work: impl FnOnce(&mut Seat, usize, &mut Cx<'_>),
    ) {
        let Some(device) = self.shared.index.get(&command).cloned() else {
            return;
        };
        self.at_seat(&device, now, out, |seat, cx| {
            if let Some(place) = seat.place_of(command) {
                work(seat, place, cx);
            }
        });
    }

    fn offered(&mut self, command: Command, now: Timestamp, out: &mut Vec<DeskEffect>) {
        let known = self.shared.index.contains_key(&command.id) || self.shared.ended.contains(command.id);
        if known || command.state.is_terminal() {
            return;
        }
        let device = command.device.clone();
        self.seats
            .entry(device.clone())
            .or_insert_with(|| Seat::new(device.clone()));
        self.at_seat(&device, now, out, |seat, cx| seat.offered(command, cx));
    }

    fn word(
        &mut self,
        (device, epoch): (&DeviceId, ConnectionEpoch),
        word: Word,
        now: Timestamp,
        out: &mut Vec<DeskEffect>,
    ) {
        self.at_seat(device, now, out, |seat, cx| {
            if seat.epoch != epoch {
                return;
            }
            match seat.place_of(word.reply_to) {
                Some(place) => seat.word(place, word, cx),
                // An open one of another device is none of this one's business.
                None if cx.shared.index.contains_key(&word.reply_to) => {}
                None => late(device, epoch, word, cx),
            }
        });
    }
}

/// A last word about a command that is not open here is kept beside its end, once.
fn late(device: &DeviceId, epoch: ConnectionEpoch, word: Word, cx: &mut Cx<'_>) {
    let state = verdict(&word);
    if state.is_open() || !cx.shared.ended.is_news(word.reply_to, device, cx.now) {
        return;
    }
    let late = Late {
        at: cx.now,
        state,
        result: word.result,
        error: word.error,
    };
    let detail = Some(format!("epoch={epoch}").into());
    cx.keep(
        word.reply_to,
        (device, epoch),
        (state, detail),
        StepKind::Late(late),
    );
}

impl Machine for Desk {
    type Input = DeskInput;
    type Effect = DeskEffect;

    fn handle(&mut self, input: DeskInput, now: Timestamp, out: &mut Vec<DeskEffect>) {
        match input {
            DeskInput::Attached {
                device,
                epoch,
                session,
                running,
                commands,
                pacing,
                repeats,
            } => {
                self.seats
                    .entry(device.clone())
                    .or_insert_with(|| Seat::new(device.clone()));
                self.at_seat(&device, now, out, |seat, cx| {
                    let live = Live {
                        session,
                        pacing,
                        repeats,
                        slot: None,
                    };
                    seat.attached(epoch, live, &running, commands, cx);
                });
            }
            DeskInput::Detached { device, epoch } => {
                self.at_seat(&device, now, out, |seat, cx| seat.detached(epoch, cx));
            }
            DeskInput::Released { device, by } => {
                self.at_seat(&device, now, out, |seat, cx| seat.released(by, cx));
            }
            DeskInput::Offered { command } => self.offered(*command, now, out),
            DeskInput::Kept { command, epoch } => {
                self.at_command(command, now, out, |seat, place, cx| seat.kept(place, epoch, cx));
            }
            DeskInput::Gone { command, epoch } => {
                self.at_command(command, now, out, |seat, place, cx| seat.gone(place, epoch, cx));
            }
            DeskInput::Wrote {
                device,
                epoch,
                command,
                attempt,
            } => self.at_seat(&device, now, out, |seat, cx| {
                seat.wrote(command, epoch, Some(attempt), cx)
            }),
            DeskInput::Unwritten {
                device,
                epoch,
                command,
            } => self.at_seat(&device, now, out, |seat, cx| seat.wrote(command, epoch, None, cx)),
            DeskInput::Late {
                device,
                epoch,
                command,
            } => self.at_seat(&device, now, out, |seat, cx| seat.not_written(command, epoch, cx)),
            DeskInput::Word { device, epoch, word } => self.word((&device, epoch), word, now, out),
            DeskInput::Cancel { command, by } => {
                self.at_command(command, now, out, |seat, place, cx| {
                    seat.cancelled(place, &by, cx)
                });
            }
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.shared.deadlines.next()
    }

    fn handle_deadline(&mut self, now: Timestamp, out: &mut Vec<DeskEffect>) {
        while let Some((at, command)) = self.shared.deadlines.pop_due(now) {
            self.at_command(command, now, out, |seat, place, cx| seat.due(place, at, cx));
        }
    }
}

#[cfg(test)]
impl Desk {
    /// Checks the invariants of the file heads.
    pub(super) fn assert_sound(&self) {
        let mut open = 0;
        for (device, seat) in &self.seats {
            assert_eq!(device, &seat.device);
            assert!(!seat.is_idle());
            seat.assert_sound(&self.shared);
            open += seat.len();
        }
        assert_eq!(open, self.shared.index.len());
        assert_eq!(open, self.shared.deadlines.len());
    }
}
