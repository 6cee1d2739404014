//! One device: its session, and its open commands in the order in which they are to be sent.
//!
//! Invariant: at most one command is with the writer, and it is the one in the session's slot; each has one deadline.

use std::sync::Arc;

use bongsu_model::device::{
    Command, CommandFrame, CommandId, CommandState, ConnectionEpoch, DeviceId, Ends, Note, StepKind,
};
use bongsu_model::{SessionId, Timestamp};

use super::effect::DeskEffect;
use super::input::Pacing;
use super::machine::Cx;
use super::turn;

/// Where a command is in this session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Nothing of it was written in this session.
    Waits,
    /// The writer has it.
    Writing,
    /// It was taken back from the writer, since a newer one is to take its place. What the writer says decides whether that
    /// is so; until then the writer has it.
    Recalled,
    /// It was taken back from the writer when its time was over. What the writer says decides how it ends; if it says
    /// nothing until then, it may have been written.
    Withdrawn(Timestamp),
    /// It was written, and is from then on to be written again.
    Written(Timestamp),
    /// Nothing more is to be written: the device has it, or may have it and would not know it again.
    Had,
}

/// A command that has not ended.
#[derive(Clone, Debug)]
pub(super) struct Open {
    /// As the store has it, or will have it; without its history.
    pub(super) command: Arc<Command>,
    /// Whether it may have been written, on whatever session.
    pub(super) sent: bool,
    /// The session whose writer had it when the next one began, and has not said yet what became of it.
    pub(super) doubt: Option<ConnectionEpoch>,
    /// Whether that may have been to somebody who would not know it again: then nobody is to have it again, since whoever has
    /// the device's place next knows nothing of it either.
    pub(super) once: bool,
    /// The epoch under which the store has last noted something of it.
    pub(super) noted: ConnectionEpoch,
    /// How many times it was written, on whatever session …
    pub(super) attempts: u32,
    /// … and in this one.
    pub(super) times: u32,
    pub(super) stage: Stage,
    /// When it is in the deadlines.
    due: Timestamp,
}

impl Open {
    /// A command from the store, of a device whose session has that epoch.
    pub(super) fn new(mut command: Command, epoch: ConnectionEpoch) -> Self {
        let written = command
            .history
            .iter()
            .filter(|note| note.state == CommandState::Written);
        let written = u32::try_from(written.count()).unwrap_or(u32::MAX);
        // What is stored behind may have been lost: only under this epoch is it known that routed is not written yet.
        let sent = command.state > CommandState::Routed
            || (command.state == CommandState::Routed && command.epoch != epoch);
        let attempts = written.max(u32::from(command.state > CommandState::Routed));
        // Whoever had it under another epoch may have been one that would not know it again, on whatever node.
        let once = sent && was_once(&command.history);
        command.history = Vec::new();
        Self {
            noted: command.epoch,
            due: command.ends_by(),
            command: Arc::new(command),
            sent,
            doubt: None,
            once,
            attempts,
            times: 0,
            stage: Stage::Waits,
        }
    }

    /// Whether it may have been written, or may be being written still, on whatever session.
    pub(super) const fn may_be_known(&self) -> bool {
        self.sent || self.doubt.is_some()
    }

    /// Whether the device has it, or may be getting it.
    pub(super) fn is_outstanding(&self) -> bool {
        self.stage != Stage::Waits || self.command.state.is_acknowledged()
    }

    /// Whether it is the writer's turn to say what becomes of it, and nothing else is written before.
    pub(super) fn is_with_writer(&self) -> bool {
        matches!(self.stage, Stage::Writing | Stage::Recalled)
    }

    /// Whether the store has noted it under this epoch: whoever had it before cannot end it any more as if nothing had been
    /// sent, and it had not ended by then.
    pub(super) fn is_fenced(&self, epoch: ConnectionEpoch) -> bool {
        self.noted == epoch
    }

    /// Whether it would be written now, on a session of that epoch, if it were its turn; again only if `repeats`. After its
    /// deadline never again, not even one that the device once had, since it may have lost it and would begin it anew.
    pub(super) fn is_wanted(&self, epoch: ConnectionEpoch, repeats: bool, now: Timestamp) -> bool {
        let again = match self.stage {
            Stage::Waits => true,
            Stage::Written(retry) => repeats && retry <= now,
            Stage::Writing | Stage::Recalled | Stage::Withdrawn(_) | Stage::Had => false,
        };
        again && self.is_fenced(epoch) && now < self.command.deadline
    }

    /// Moves on; nothing on a step back.
    pub(super) fn moves(&mut self, state: CommandState, now: Timestamp) -> bool {
        let further = state > self.command.state;
        if further {
            let command = Arc::make_mut(&mut self.command);
            (command.state, command.since) = (state, now);
        }
        further
    }
}

/// In a note of where a command is: nobody is to be told it again, since whoever was may not know it again.
const ONCE: &str = "once";

/// What the history says of the session that has a command; `repeats` if its device knows one again that it has had.
#[must_use]
pub fn session_note(session: SessionId, epoch: ConnectionEpoch, repeats: bool) -> String {
    let once = if repeats { "" } else { " once" };
    format!("session={session} epoch={epoch}{once}")
}

/// Whether a command may have been written on a session whose device would not know it again: it was, or it went to that one
/// first. To one that it goes to later it is not written, since another may have had it before.
fn was_once(history: &[Note]) -> bool {
    let mut is_first = true;
    history
        .iter()
        .filter_map(|note| note.detail.as_ref())
        .any(|detail| {
            let has = |begin: &str| detail.split(' ').any(|word| word.starts_with(begin));
            if !has("session=") {
                return false;
            }
            let first = std::mem::take(&mut is_first);
            has(ONCE) && (first || has("attempt="))
        })
}

/// How a command ends.
pub(super) struct End {
    pub(super) state: CommandState,
    pub(super) detail: Option<Arc<str>>,
    pub(super) ends: Ends,
    /// Whether the device said so: nothing that it says later is news.
    pub(super) said: bool,
}

impl End {
    /// An end that is not the device's doing.
    pub(super) fn of(state: CommandState) -> Self {
        Self {
            state,
            detail: None,
            ends: Ends::default(),
            said: false,
        }
    }

    pub(super) fn because(self, detail: String) -> Self {
        Self {
            detail: Some(detail.into()),
            ..self
        }
    }
}

/// A session that lasts.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) session: SessionId,
    pub(super) pacing: Pacing,
    /// Whether the device knows a command again that it has had.
    pub(super) repeats: bool,
    /// What is between us and the device: nothing else is written meanwhile.
    pub(super) slot: Option<CommandId>,
}

/// One device.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) device: DeviceId,
    /// The epoch of its last session here; 0 before.
    pub(super) epoch: ConnectionEpoch,
    pub(super) live: Option<Live>,
    /// As [`Live::repeats`] of its last session here.
    pub(super) repeats: bool,
    /// In the order in which they came; few, so that looking for one is looking at all.
    pub(super) open: Vec<Open>,
}

impl Seat {
    pub(super) const fn new(device: DeviceId) -> Self {
        Self {
            device,
            epoch: ConnectionEpoch(0),
            live: None,
            repeats: true,
            open: Vec::new(),
        }
    }

    pub(super) const fn is_idle(&self) -> bool {
        self.live.is_none() && self.open.is_empty()
    }

    pub(super) fn place_of(&self, command: CommandId) -> Option<usize> {
        self.open.iter().position(|open| open.command.id == command)
    }

    /// Where the session is, as the history says it.
    pub(super) fn where_now(&self) -> String {
        let epoch = self.epoch;
        self.live.as_ref().map_or_else(
            || format!("epoch={epoch}"),
            |live| session_note(live.session, epoch, live.repeats),
        )
    }

    /// A new command of this device.
    pub(super) fn offered(&mut self, command: Command, cx: &mut Cx<'_>) {
        if self.open.len() >= cx.shared.rules.open_max {
            return;
        }
        if self.live.is_none() {
            // Its session has gone, or is about to be heard of: what is said of it here must not be older than that.
            self.epoch = self.epoch.max(command.epoch);
        }
        let open = Open::new(command, self.epoch);
        self.add(open, cx);
        self.route(self.open.len() - 1, cx);
        self.go_on(cx);
    }

    /// Takes a command in, behind the others.
    pub(super) fn add(&mut self, open: Open, cx: &mut Cx<'_>) {
        cx.shared.index.insert(open.command.id, self.device.clone());
        cx.shared.deadlines.set(open.due, open.command.id);
        self.open.push(open);
    }

    /// Has the store know that this session has it, if it does not know.
    pub(super) fn route(&mut self, place: usize, cx: &mut Cx<'_>) {
        let open = &mut self.open[place];
        let is_over = cx.now >= open.command.ends_by();
        if self.live.is_none() || open.is_fenced(self.epoch) || is_over {
            return;
        }
        open.moves(CommandState::Routed, cx.now);
        let id = open.command.id;
        let detail = Some(self.where_now().into());
        cx.keep(
            id,
            (&self.device, self.epoch),
            (CommandState::Routed, detail),
            StepKind::Moves,
        );
    }

    /// Ends what newer ones have overtaken; then hands the next one to the writer, if it is free.
    pub(super) fn go_on(&mut self, cx: &mut Cx<'_>) {
        while let Some((older, newer)) = turn::overtaken(&self.open, self.epoch) {
            let by = self.open[newer].command.id;
            let open = &mut self.open[older];
            if open.stage == Stage::Writing {
                open.stage = Stage::Recalled;
                let command = open.command.id;
                self.take_back(command, cx);
                continue;
            }
            // What left on a session that is over and was never acknowledged may have been carried out for all that.
            let maybe = if open.may_be_known() { " written=maybe" } else { "" };
            let because = format!("superseded_by={by}{maybe}");
            self.end(older, End::of(CommandState::Superseded).because(because), cx);
        }
        let Some(live) = self.live.as_mut().filter(|live| live.slot.is_none()) else {
            return;
        };
        let Some(place) = turn::next(&self.open, (self.epoch, live.repeats), cx.now) else {
            return;
        };
        let open = &mut self.open[place];
        open.stage = Stage::Writing;
        live.slot = Some(open.command.id);
        let frame = CommandFrame {
            command: Arc::clone(&open.command),
            attempt: open.attempts,
        };
        let (device, epoch) = (self.device.clone(), self.epoch);
        cx.out.push(DeskEffect::Write { device, epoch, frame });
        self.arm(place, cx);
    }

    /// Ends a command: the last that the desk does with it.
    pub(super) fn end(&mut self, place: usize, end: End, cx: &mut Cx<'_>) {
        let id = self.remove(place, cx).command.id;
        cx.shared.ended.add(id, self.device.clone(), end.said, cx.now);
        cx.keep(
            id,
            (&self.device, self.epoch),
            (end.state, end.detail),
            StepKind::Ends(end.ends),
        );
    }

    /// Takes a command out, and back from the writer.
    pub(super) fn remove(&mut self, place: usize, cx: &mut Cx<'_>) -> Open {
        let open = self.open.remove(place);
        let command = open.command.id;
        cx.shared.index.remove(&command);
        cx.shared.deadlines.cancel(open.due, command);
        if open.stage == Stage::Writing {
            self.withdraw(command, cx);
        }
        self.free(command);
        open
    }

    pub(super) fn withdraw(&mut self, command: CommandId, cx: &mut Cx<'_>) {
        self.take_back(command, cx);
        self.free(command);
    }

    pub(super) fn take_back(&self, command: CommandId, cx: &mut Cx<'_>) {
        let (device, epoch) = (self.device.clone(), self.epoch);
        cx.out.push(DeskEffect::Withdraw {
            device,
            epoch,
            command,
        });
    }

    /// The session may write another, if it was this one that it waited for.
    pub(super) fn free(&mut self, command: CommandId) {
        if let Some(live) = &mut self.live
            && live.slot == Some(command)
        {
            live.slot = None;
        }
    }

    /// Sets when the command is looked at again: when it must end, or is to be written again.
    pub(super) fn arm(&mut self, place: usize, cx: &mut Cx<'_>) {
        let open = &mut self.open[place];
        let ends_by = open.command.ends_by();
        let at = match open.stage {
            Stage::Withdrawn(until) => until,
            Stage::Written(retry) if retry > cx.now => retry.min(ends_by),
            Stage::Written(_) | Stage::Waits | Stage::Writing | Stage::Recalled | Stage::Had => ends_by,
        };
        cx.shared.deadlines.cancel(open.due, open.command.id);
        cx.shared.deadlines.set(at, open.command.id);
        open.due = at;
    }
}

#[cfg(test)]
impl Seat {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn assert_sound(&self, shared: &super::machine::Shared) {
        let writing: Vec<_> = self
            .open
            .iter()
            .filter(|open| open.is_with_writer())
            .map(|open| Some(open.command.id))
            .collect();
        let slot = self.live.as_ref().and_then(|live| live.slot);
        assert!(writing.is_empty() || writing == [slot]);
        for open in &self.open {
            let id = open.command.id;
            assert_eq!(shared.index.get(&id), Some(&self.device));
            assert!(shared.deadlines.clone().cancel(open.due, id));
            assert!(open.due <= open.command.ends_by() || matches!(open.stage, Stage::Withdrawn(_)));
            assert!(open.command.state.is_open());
        }
        assert!(self.open.len() <= shared.rules.open_max);
    }
}
