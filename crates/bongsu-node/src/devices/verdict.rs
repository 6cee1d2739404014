//! What the caller of a command is answered, by how far the command was when it stopped waiting.
//!
//! Invariant: offline and timed out are never told as the same: what was not sent was not done, the rest may have been.

use bongsu_model::device::{Command, CommandState};
use bongsu_model::{Code, Refusal, Why};

use super::commands::WaitFor;
use super::elsewhere::UNKNOWN;

/// Whether nobody could say where the device was when the command ended.
fn is_unknown(command: &Command) -> bool {
    let ended = command.history.iter().find(|note| note.state == command.state);
    let detail = ended.and_then(|note| note.detail.as_ref());
    detail.is_some_and(|detail| detail.starts_with(UNKNOWN))
}

/// What the caller of a command is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// What it waited for has come: the command's state says how.
    Done,
    /// It is under way; its id is the answer.
    UnderWay,
    /// It did not come to its end in time, or not at all.
    Refused(Refusal),
}

impl Verdict {
    pub(super) fn of(command: &Command, until: WaitFor) -> Self {
        let refused = |code| {
            Self::Refused(Refusal {
                why: Why::Command(Box::new(command.id)),
                ..Refusal::new(code)
            })
        };
        match (command.state, until) {
            (CommandState::Offline, _) if is_unknown(command) => refused(Code::DeviceUnknownState),
            (CommandState::Offline, _) => refused(Code::DeviceOffline),
            (CommandState::Expired, _) => refused(Code::CommandExpired),
            (CommandState::TimedOut, _) => refused(Code::CommandTimeout),
            (
                CommandState::Succeeded
                | CommandState::Failed
                | CommandState::Rejected
                | CommandState::Superseded
                | CommandState::Cancelled,
                _,
            ) => Self::Done,
            (CommandState::Received | CommandState::InProgress, WaitFor::Received)
            | (CommandState::InProgress, WaitFor::Running) => Self::Done,
            (_, WaitFor::Accepted)
            | (CommandState::Received, WaitFor::Running | WaitFor::Done)
            | (CommandState::InProgress, WaitFor::Done)
            // It waits for its device.
            | (CommandState::Accepted, WaitFor::Received | WaitFor::Running | WaitFor::Done) => Self::UnderWay,
            (
                CommandState::Routed | CommandState::Written,
                WaitFor::Received | WaitFor::Running | WaitFor::Done,
            ) => refused(Code::CommandTimeout),
        }
    }
}
