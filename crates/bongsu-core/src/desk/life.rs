//! What moves a command on: the store, the writer, the device, a caller, and time.
//!
//! Invariant: a state never falls, and what may have been written never ends as if it had not been.

use std::sync::Arc;

use bongsu_model::Timestamp;
use bongsu_model::device::{CommandId, CommandState, ConnectionEpoch, Ends, Status, StepKind, Value, Word};

use super::input::Pacing;
use super::machine::Cx;
use super::seat::{End, Seat, Stage};

/// The error with which a device refuses what came to it too late.
const EXPIRED: &str = "expired";

/// What a device's word makes of a command: one that it refused because it came too late has expired.
pub(super) fn verdict(word: &Word) -> CommandState {
    let code = |error: &Value| match error.as_object() {
        Some(object) => object.get("code").and_then(Value::as_text) == Some(EXPIRED),
        None => error.as_text() == Some(EXPIRED),
    };
    if word.status == Status::Rejected && word.error.as_ref().is_some_and(code) {
        CommandState::Expired
    } else {
        CommandState::of(word.status)
    }
}

impl Seat {
    /// The store has kept a step.
    pub(super) fn kept(&mut self, place: usize, epoch: ConnectionEpoch, cx: &mut Cx<'_>) {
        let open = &mut self.open[place];
        open.noted = open.noted.max(epoch);
        self.go_on(cx);
    }

    /// The store has refused a step of this session.
    pub(super) fn gone(&mut self, place: usize, epoch: ConnectionEpoch, cx: &mut Cx<'_>) {
        if epoch >= self.epoch {
            self.remove(place, cx);
            self.go_on(cx);
        }
    }

    /// The writer has written a command, or (without an attempt) a part of it.
    pub(super) fn wrote(
        &mut self,
        command: CommandId,
        epoch: ConnectionEpoch,
        attempt: Option<u32>,
        cx: &mut Cx<'_>,
    ) {
        let Some(place) = self.place_of(command) else {
            return;
        };
        let open = &self.open[place];
        let here = epoch == self.epoch;
        let told = here && matches!(open.stage, Stage::Written(_) | Stage::Had);
        // What another session said meanwhile of an attempt of its own does not make this one's unsaid.
        let asked = here && (open.is_with_writer() || matches!(open.stage, Stage::Withdrawn(_)));
        if told || (!asked && attempt.is_some_and(|attempt| attempt < open.attempts)) {
            return; // The device's word about it was faster.
        }
        let overdue = matches!(open.stage, Stage::Withdrawn(_));
        self.mark_written(place, epoch, cx);
        if overdue {
            self.end(place, End::of(CommandState::TimedOut), cx);
        } else if attempt.is_some() && self.has_paced(place) {
            self.free(command);
        }
        self.go_on(cx);
    }

    /// Whether the next may be written now that this one is.
    fn has_paced(&self, place: usize) -> bool {
        let kernel = |live: &super::seat::Live| live.pacing == Pacing::Kernel;
        self.live.as_ref().is_some_and(kernel) && !self.open[place].is_with_writer()
    }

    /// It was written on the session of that epoch.
    fn mark_written(&mut self, place: usize, epoch: ConnectionEpoch, cx: &mut Cx<'_>) {
        let open = &mut self.open[place];
        (open.sent, open.doubt) = (true, None);
        // What was in doubt of an older session knows already.
        open.once |= epoch == self.epoch && !self.repeats;
        open.attempts = open.attempts.saturating_add(1);
        open.moves(CommandState::Written, cx.now);
        if epoch == self.epoch && (open.is_with_writer() || matches!(open.stage, Stage::Withdrawn(_))) {
            let wait = cx.shared.rules.retry_ms.saturating_mul(1 << open.times.min(16));
            open.times = open.times.saturating_add(1);
            open.stage = Stage::Written(cx.now.plus_ms(wait));
        }
        let (id, attempts) = (open.command.id, open.attempts);
        let session = if epoch == self.epoch {
            self.where_now()
        } else {
            format!("epoch={epoch}")
        };
        let detail = Some(format!("{session} attempt={attempts}").into());
        cx.keep(
            id,
            (&self.device, self.epoch),
            (CommandState::Written, detail),
            StepKind::Moves,
        );
        self.arm(place, cx);
    }

    /// The writer has not written a command: it was too late, or taken back.
    pub(super) fn not_written(&mut self, command: CommandId, epoch: ConnectionEpoch, cx: &mut Cx<'_>) {
        let Some(place) = self.place_of(command) else {
            return;
        };
        let open = &mut self.open[place];
        if epoch != self.epoch {
            if open.doubt == Some(epoch) {
                open.is_certain();
                self.go_on(cx);
            }
            return;
        }
        let recalled = open.stage == Stage::Recalled && cx.now < open.command.deadline;
        match open.stage {
            // Whoever was to take its place may have ended meanwhile: then it is its turn again.
            Stage::Recalled if recalled => open.stage = Stage::Waits,
            Stage::Recalled | Stage::Writing | Stage::Withdrawn(_) => open.stage = Stage::Had,
            Stage::Waits | Stage::Written(_) | Stage::Had => return,
        }
        let acknowledged = open.command.state.is_acknowledged();
        self.free(command);
        if acknowledged || recalled {
            self.arm(place, cx);
        } else {
            self.overdue(place, cx);
        }
        self.go_on(cx);
    }

    /// Ends a command that nobody has acknowledged in time.
    fn overdue(&mut self, place: usize, cx: &mut Cx<'_>) {
        let state = if self.open[place].may_be_known() {
            CommandState::TimedOut
        } else {
            CommandState::Expired
        };
        self.end(place, End::of(state), cx);
    }

    /// The device has said a word about one of its open commands.
    pub(super) fn word(&mut self, place: usize, word: Word, cx: &mut Cx<'_>) {
        let open = &self.open[place];
        let id = open.command.id;
        let with_writer = open.is_with_writer() || matches!(open.stage, Stage::Withdrawn(_));
        // Whoever speaks of it has it, whatever the writer is about to say: that of the former session, if that may have it.
        if let Some(former) = open.doubt {
            self.mark_written(place, former, cx);
        } else if with_writer && !open.sent {
            self.mark_written(place, self.epoch, cx);
        }
        let open = &mut self.open[place];
        if !open.sent {
            return; // Nobody can know of it.
        }
        let state = verdict(&word);
        let detail = Some(Arc::from(format!("epoch={}", self.epoch)));
        if state.is_terminal() {
            let ends = Ends {
                result: word.result,
                error: word.error,
            };
            let said = true;
            self.end(
                place,
                End {
                    state,
                    detail,
                    ends,
                    said,
                },
                cx,
            );
        } else {
            let again = open.stage == Stage::Writing;
            open.stage = Stage::Had;
            if open.moves(state, cx.now) {
                cx.keep(id, (&self.device, self.epoch), (state, detail), StepKind::Moves);
            }
            self.arm(place, cx);
            if again {
                // The device had the former attempt, and needs no other.
                self.withdraw(id, cx);
            }
            self.free(id);
        }
        self.go_on(cx);
    }

    /// A caller takes a command back. A device that has it already may go on; what it says is late then.
    pub(super) fn cancelled(&mut self, place: usize, by: &str, cx: &mut Cx<'_>) {
        let end = End::of(CommandState::Cancelled).because(format!("by={by}"));
        self.end(place, end, cx);
        self.go_on(cx);
    }

    /// The moment for which a command was armed has come.
    pub(super) fn due(&mut self, place: usize, at: Timestamp, cx: &mut Cx<'_>) {
        let open = &mut self.open[place];
        let id = open.command.id;
        let over = at >= open.command.ends_by();
        if over && open.is_with_writer() && !open.sent {
            let until = cx.now.plus_ms(cx.shared.rules.withdraw_ms);
            let before = std::mem::replace(&mut open.stage, Stage::Withdrawn(until));
            if before == Stage::Writing {
                self.take_back(id, cx);
            }
            self.free(id);
            self.arm(place, cx);
        } else if matches!(open.stage, Stage::Withdrawn(_)) {
            // Nobody knows what became of it.
            self.end(place, End::of(CommandState::TimedOut), cx);
        } else if over {
            self.overdue(place, cx);
        } else {
            // It is to be written again; where only the device's word frees the session, it has not come.
            self.free(id);
            self.arm(place, cx);
        }
        self.go_on(cx);
    }
}
