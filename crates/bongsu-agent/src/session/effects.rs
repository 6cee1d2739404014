//! What a session is told and tells: who the display is, what is to be done, what there is to know.
//!
//! Invariant: no token is in what there is to know.

use std::fmt;
use std::sync::Arc;

use bongsu_model::device::ConnectionEpoch;
use bongsu_model::display::{FromDisplay, PresetId, Program};
use bongsu_model::{CommandId, Timestamp};

use crate::report::{Job, Report, Which};

/// Who the display is.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub name: Arc<str>,
    /// Where it says it is.
    pub address: Option<Arc<str>>,
    /// Its software's version.
    pub version: Arc<str>,
    /// What lets it in.
    pub token: Option<Arc<str>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What the session wants done, in its order.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Connect, and say [`super::Session::opened`] or [`super::Session::closed`].
    Dial,
    /// End the link: the next is asked for when it is time.
    Hang(Hung),
    /// Start this program, and say [`super::Session::reported`] of it.
    Start(Job),
    /// Look whether this program could be started, and say [`super::Session::prepared`].
    Prepare {
        /// The command that asks.
        command: CommandId,
        /// The preset.
        preset: Option<PresetId>,
        /// What.
        program: Program,
    },
    /// Stop these programs, and say [`super::Session::reported`] of it.
    Stop {
        /// The command that asks.
        command: CommandId,
        /// Which.
        which: Which,
        /// How long they have, in milliseconds.
        grace_ms: Option<u64>,
        /// Until when the command may come again, by the server's clock.
        deadline: Timestamp,
    },
    /// Say [`super::Session::reported`] of everything that was not acknowledged yet.
    CatchUp,
    /// The server has this report.
    Acknowledged(Report),
    /// The server's clock shows this: what is long past may be forgotten.
    Forget(Timestamp),
    /// Something to know.
    Tell(Event),
}

/// Something to know.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// The server has let the display in.
    Registered {
        /// The epoch of its session, if the server knows the extensions.
        epoch: Option<ConnectionEpoch>,
    },
    /// The server has not let it in: it is tried again.
    NotRegistered {
        /// The code, such as `NAME_TAKEN`, if the server has one.
        code: Option<Arc<str>>,
        /// Why, for people.
        reason: Arc<str>,
    },
    /// The next connection is tried after this time, in milliseconds.
    Rests(u64),
    /// A command for another display came; with it so many have.
    NotMine {
        /// For which.
        name: Arc<str>,
        /// So many.
        total: u64,
    },
    /// A command came too late, or may not be started any more.
    NotBegun {
        /// Which.
        command: CommandId,
        /// Why, in one word.
        why: &'static str,
    },
    /// A command came while so much was unsaid that it could not have been answered.
    Overloaded(CommandId),
    /// The server stops, and wants this display back after this time, in milliseconds.
    ServerStops(u64),
    /// Something that was said was refused.
    Refused {
        /// The code, such as `INVALID_PARAM`; empty if the server has none.
        code: Arc<str>,
        /// Why, for people.
        message: Arc<str>,
    },
}

/// Why a link is of no use.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Hung {
    /// The namespace could not be entered in time.
    #[error("the server did not answer in time whether its namespace may be entered")]
    TooSlow,
    /// The namespace may not be entered.
    #[error("the server does not let anybody of ours into its namespace: {0}")]
    NotJoined(Arc<str>),
    /// The server had the display leave the namespace.
    #[error("the server ended the session")]
    Left,
    /// The registration was not answered.
    #[error("the registration was not answered")]
    NotRegistered,
    /// Results were not acknowledged.
    #[error("results were not acknowledged")]
    NotAcknowledged,
    /// The server asked for it.
    #[error("the server wants the display to come back: {0}")]
    Asked(Arc<str>),
    /// The server had said that it stops.
    #[error("the server stops")]
    ServerStops,
}

/// What is to be written next.
#[derive(Clone, PartialEq, Debug)]
pub enum Saying {
    /// The namespace is to be entered.
    Join,
    /// An event.
    Event {
        /// What.
        said: FromDisplay,
        /// Under which number its taking is acknowledged, if it is to be.
        number: Option<u64>,
        /// What an answer to the server's question gives back.
        check: Option<Box<str>>,
    },
}
