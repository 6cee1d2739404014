//! What the runner is asked and what it says: jobs, reports, processes.
//!
//! Invariant: a command has one end, and what is said of it goes from starting over running to its end, never back.

use std::sync::Arc;

use bongsu_model::display::{PresetId, Program};
use bongsu_model::{CommandId, Timestamp};

/// A program to be run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Job {
    /// The command that asks for it.
    pub command: CommandId,
    /// The preset that it is of.
    pub preset: Option<PresetId>,
    /// What.
    pub program: Program,
    /// Until when the command may come again, by the server's clock: the journal knows it for a day longer.
    pub deadline: Timestamp,
}

/// What there is to say of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Which.
    pub command: CommandId,
    /// The preset that its program is of, or whose programs it stops.
    pub preset: Option<PresetId>,
    /// What.
    pub outcome: Outcome,
}

/// How a command is doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is in the journal, and its program about to be started.
    Starting,
    /// Its program runs.
    Running {
        /// The program's number.
        pid: u32,
        /// Since when, by this machine's clock.
        started_at: Timestamp,
        /// Its command line.
        line: Arc<str>,
    },
    /// Its program has ended. What it has left is brought to its end.
    Ended {
        /// How the program ended.
        how: How,
        /// Whether it was asked to.
        stopped: bool,
        /// How long it ran, in milliseconds.
        lasted_ms: u64,
    },
    /// It was begun, and its program could not be started.
    NotStarted {
        /// Why.
        code: Code,
        /// More of why.
        error: Arc<str>,
    },
    /// It was not begun, and will not be.
    Rejected {
        /// Why.
        code: Code,
        /// More of why.
        error: Arc<str>,
    },
    /// Of a stop: everything that it had to stop is gone.
    Stopped {
        /// How many programs that were.
        programs: u64,
    },
}

impl Outcome {
    /// Whether nothing more will be said of the command.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        match self {
            Self::Starting | Self::Running { .. } => false,
            Self::Ended { .. } | Self::NotStarted { .. } | Self::Rejected { .. } | Self::Stopped { .. } => {
                true
            }
        }
    }
}

/// How a program ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// With this exit code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// Nobody saw it.
    Lost(Lost),
}

/// Why nobody saw how a program ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lost {
    /// The machine was started anew.
    Reboot,
    /// Its supervisor was killed; what was left of the program is killed, too.
    Supervisor,
}

impl Lost {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reboot => "reboot",
            Self::Supervisor => "supervisor",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// Why a program is not started. [`Self::name`] is for programs, the text beside it for people.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word for it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The code of that word.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

codes! {
    /// The line is empty, too long, has a NUL byte or an open quote.
    BadLine = "bad_line",
    /// Something else that was asked for cannot be had: the working folder, the environment.
    BadProgram = "bad_program",
    /// There is no such program here.
    NotFound = "not_found",
    /// It is there, and not to be executed.
    NotExecutable = "not_executable",
    /// This machine may not run it, or not so.
    NotAllowed = "not_allowed",
    /// The user that it is to run as cannot be had.
    User = "user",
    /// The limits that it is to run under cannot be had, and are required.
    Limits = "limits",
    /// So many programs run that it has no place.
    Busy = "busy",
    /// The journal cannot be written, so nothing may begin.
    Journal = "journal",
    /// It could not be started for a reason of the system's.
    System = "system",
}

/// Which programs are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// Those of a preset.
    Preset(PresetId),
    /// The one of this command.
    Run(CommandId),
    /// All.
    All,
}

/// What came of asking programs to stop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StopTicket {
    /// The stop's own command.
    pub command: CommandId,
    /// How many programs are asked. Their ends come through `Runner::next`, and then the stop's own.
    pub programs: u64,
    /// What there is to say of the stop already: that there was nothing to stop, the first answer of a repeat, or a
    /// refusal. With it nothing more comes.
    pub answer: Option<Report>,
}

/// A program that runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The preset that it is of.
    pub preset: Option<PresetId>,
    /// The command that it comes from.
    pub command: CommandId,
    /// For how long it has been running, in milliseconds.
    pub uptime_ms: u64,
}

/// What becomes of the programs when the agent ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnExit {
    /// They are stopped.
    Stop,
    /// They go on, and the next agent takes them over.
    #[default]
    Leave,
}
