//! The switchboard: displays on Socket.IO, as the events of their clients have it, in a namespace of their own or in `/`.
//!
//! Owns the words of both sides. Invariant: what a display says is bounded before it is kept, and is taken as its clients
//! may write it; what it is told has the guide's own names, and whatever else is there a client may pass over.

pub mod client;
mod decode;
mod encode;
mod enter;
mod lenient;
mod texts;

pub(super) use decode::said;
pub(super) use encode::{answers, answers_by_event, display, refused};
pub(super) use enter::token;

/// The namespace that displays have for themselves.
pub const NAMESPACE: &str = "/switchboard";

/// What a display says, by the name of its event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Register,
    Heartbeat,
    Alive,
    Execution,
    Processes,
    Back,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Register,
        Self::Heartbeat,
        Self::Alive,
        Self::Execution,
        Self::Processes,
        Self::Back,
    ];

    /// The name of its event.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Register => "register_client",
            Self::Heartbeat => "heartbeat",
            Self::Alive => "connection_check_response",
            Self::Execution => "execution_result",
            Self::Processes => "process_status",
            Self::Back => "reconnection_success",
        }
    }

    /// What an event of this name says; `None` if no display says it.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

/// Milliseconds as seconds with three places.
fn millis(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}
