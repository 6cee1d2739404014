//! Commands and states as messages of the contract.

use bongsu_model::device::{Command, CommandState, Note, Object};
use bongsu_node::devices::{Ran, StateView};
use bongsu_proto::v1;
use bongsu_wire::device::value::{object_to_proto, to_proto};

/// What became of a command, as far as its caller waited.
pub(super) fn ran(ran: &Ran) -> v1::ExecuteResponse {
    let command = &ran.command;
    v1::ExecuteResponse {
        command_id: command.id.to_string(),
        state: state(command.state).into(),
        result: command.result.as_ref().map(to_proto),
        error: command.error.as_ref().map(to_proto),
        coalesced: ran.coalesced,
    }
}

/// One step of a command's life; with the last goes what came of it.
pub(super) fn step(command: &Command, note: &Note, last: bool) -> v1::WatchResponse {
    let end = last && command.state.is_terminal();
    v1::WatchResponse {
        command_id: command.id.to_string(),
        state: state(if end { command.state } else { note.state }).into(),
        at: note.at.0,
        node: note.node.to_string(),
        detail: note.detail.as_deref().map(str::to_owned),
        result: command.result.as_ref().filter(|_| end).map(to_proto),
        error: command.error.as_ref().filter(|_| end).map(to_proto),
        late_result: command.late.as_ref().filter(|_| end).map(|late| v1::LateResult {
            state: state(late.state).into(),
            at: late.at.0,
            result: late.result.as_ref().map(to_proto),
            error: late.error.as_ref().map(to_proto),
        }),
    }
}

/// A device's state.
pub(super) fn shadow(view: &StateView) -> v1::WatchStateResponse {
    let shadow = &view.shadow;
    let desired: Object = shadow
        .desired
        .iter()
        .map(|(key, it)| (key.clone(), it.value.clone()))
        .collect();
    let reported: Object = shadow
        .reported
        .iter()
        .map(|(key, it)| (key.clone(), it.value.clone()))
        .collect();
    let desired_written = shadow.desired.iter().map(|(key, it)| {
        let written = v1::Written {
            at: it.at.0,
            writer: it.by.to_string(),
            expires_at: it.expires_at.map(|at| at.0),
        };
        (key.to_string(), written)
    });
    let reported_written = shadow.reported.iter().map(|(key, it)| {
        let written = v1::Written {
            at: it.at.0,
            // Nobody else says what a device is.
            writer: "device".to_owned(),
            expires_at: None,
        };
        (key.to_string(), written)
    });
    v1::WatchStateResponse {
        version: shadow.version,
        desired: object_to_proto(&desired),
        reported: object_to_proto(&reported),
        delta: object_to_proto(&view.delta),
        desired_written: desired_written.collect(),
        reported_written: reported_written.collect(),
    }
}

pub(super) const fn state(state: CommandState) -> v1::CommandState {
    match state {
        CommandState::Accepted => v1::CommandState::Accepted,
        CommandState::Routed => v1::CommandState::Routed,
        CommandState::Written => v1::CommandState::Written,
        CommandState::Received => v1::CommandState::Received,
        CommandState::InProgress => v1::CommandState::InProgress,
        CommandState::Succeeded => v1::CommandState::Succeeded,
        CommandState::Failed => v1::CommandState::Failed,
        CommandState::Rejected => v1::CommandState::Rejected,
        CommandState::TimedOut => v1::CommandState::TimedOut,
        CommandState::Expired => v1::CommandState::Expired,
        CommandState::Superseded => v1::CommandState::Superseded,
        CommandState::Cancelled => v1::CommandState::Cancelled,
        CommandState::Offline => v1::CommandState::Offline,
    }
}
