//! What may happen to a command that is kept, the same in every store.
//!
//! Invariant: a state's rank never falls, a terminal one is the last, no epoch older than the command's has a say, and none
//! but the device's last one has a command routed.

use std::sync::Arc;

use bongsu_model::Timestamp;
use bongsu_model::device::{
    Command, CommandId, CommandState, ConnectionEpoch, Ends, Fence, Lease, NewCommand, Note, Pace, Shadow,
    Step, StepKind,
};

/// Carries a step out; false, and nothing is changed, if it is refused.
pub(crate) fn step(command: &mut Command, step: Step, notes_max: usize) -> bool {
    let ended = command.state.is_terminal();
    let is_late = matches!(step.kind, StepKind::Late(_));
    if ended != is_late || step.device != command.device || step.epoch < command.epoch {
        return false;
    }
    command.epoch = step.epoch;
    let to = step.note.state;
    match step.kind {
        StepKind::Moves => {}
        StepKind::Ends(Ends { result, error }) => {
            if to.is_terminal() {
                command.result = result;
                command.error = error;
            }
        }
        StepKind::Late(late) => {
            command.late.get_or_insert(late);
        }
    }
    let moves = !ended && to > command.state;
    if moves {
        command.state = to;
        command.since = step.note.at;
    }
    if moves || command.history.len() < notes_max {
        command.history.push(Note {
            state: command.state,
            ..step.note
        });
    }
    true
}

/// Whether a step has a command routed, so that it must be under the device's last epoch or a later one.
pub(crate) fn routes(step: &Step) -> bool {
    matches!(step.kind, StepKind::Moves) && step.note.state == CommandState::Routed
}

/// Makes a new command one that is only accepted if it is routed to a session that is not its device's; whether it is
/// routed. `last` is the device's last epoch, and whether its session lasts.
pub(crate) fn stays_routed(new: &mut Command, last: (ConnectionEpoch, bool)) -> bool {
    let routed = new.state == CommandState::Routed;
    let stays = routed && last == (new.epoch, true);
    if routed && !stays {
        new.unroute();
    }
    stays
}

/// Notes on an open command that another call of the same thing joined it.
pub(crate) fn join(command: &mut Command, new: &NewCommand, notes_max: usize) {
    if command.history.len() < notes_max {
        let detail = format!("by={}", new.command.by);
        command.history.push(note(&new.command, command.state, detail));
    }
}

/// Whether a command of that age may be joined, if it is the same thing.
pub(crate) fn is_recent(new: &NewCommand, at: Timestamp) -> bool {
    new.command.at.ms_since(at) < new.debounce_ms
}

/// Whether a new command takes the place of one that is kept.
pub(crate) fn supersedes(new: &Command, state: CommandState, target: Option<&str>) -> bool {
    new.pace == Pace::LatestWins
        && state == CommandState::Accepted
        && target.is_some()
        && new.target.as_deref() == target
}

/// The step by which a new command ends one that it supersedes.
pub(crate) fn superseded(old: &Command, new: &Command) -> Step {
    Step {
        command: old.id,
        device: old.device.clone(),
        epoch: old.epoch,
        note: note(new, CommandState::Superseded, format!("superseded_by={}", new.id)),
        kind: StepKind::Ends(Ends::default()),
    }
}

/// The step by which the end of its device ends a command.
pub(crate) fn orphaned(old: &Command, node: Arc<str>, at: Timestamp) -> Step {
    Step {
        command: old.id,
        device: old.device.clone(),
        epoch: old.epoch,
        note: Note {
            state: CommandState::Cancelled,
            at,
            node,
            detail: Some("device=deleted".into()),
        },
        kind: StepKind::Ends(Ends::default()),
    }
}

fn note(new: &Command, state: CommandState, detail: String) -> Note {
    Note {
        state,
        at: new.at,
        node: new
            .history
            .last()
            .map_or_else(|| "".into(), |last| Arc::clone(&last.node)),
        detail: Some(detail.into()),
    }
}

/// Whether a command must be refused because of a lease. `last` is the last one of the device, and whether it may still
/// run.
pub(crate) fn refused_by_lease(new: &NewCommand, last: Option<(Lease, bool)>) -> Option<Lease> {
    let command = &new.command;
    match last {
        Some((lease, open)) if open && lease.expires_at > command.at => {
            let passes = lease.holder == command.by && new.fence.is_none_or(|fence| fence == lease.fence);
            (!passes).then_some(lease)
        }
        // The fence is of a lease that is over.
        last => new.fence.map(|_| {
            last.map_or_else(
                || Lease {
                    device: command.device.clone(),
                    holder: "".into(),
                    fence: Fence(0),
                    since: command.at,
                    expires_at: command.at,
                    at_lapse: None,
                },
                |(lease, _)| lease,
            )
        }),
    }
}

/// Takes the wish of a command back that has ended, however it ended: the device would be told of it again when it comes
/// next, by then against what it was told by hand. Whether it still had one.
pub(crate) fn end_wish(shadow: &mut Shadow, command: CommandId) -> bool {
    let Some(key) = shadow
        .desired
        .iter()
        .find(|(_, desired)| desired.command == Some(command))
        .map(|(key, _)| Arc::clone(key))
    else {
        return false;
    };
    shadow.desired.remove(&key);
    shadow.version += 1;
    true
}
