//! What a display says and what is said to it, and the forms of its commands as arguments.
//!
//! Invariant: nothing here knows an encoding. What a display says of another name than its own changes nothing.

use std::sync::Arc;

use super::program::{uint, whole};
use super::{NotAProgram, PREPARE, PresetId, Program, RUN, STOP};
use crate::device::{Command, Number, Object, Value};
use crate::refusal::Closing;
use crate::{CommandId, ConnectionEpoch, DeviceId, Refusal, Timestamp};

/// What a display says.
#[derive(Clone, PartialEq, Debug)]
pub enum FromDisplay {
    /// Who it is: the first that it says.
    Register(Box<Registration>),
    /// It is there.
    Heartbeat(Beat),
    /// The answer to [`ToDisplay::Check`].
    Alive {
        /// Its name.
        name: Arc<str>,
    },
    /// How a program is doing.
    Execution(Box<Execution>),
    /// Which programs run.
    Processes(Processes),
    /// It has come back after its connection was gone.
    Back {
        /// Its name.
        name: Arc<str>,
    },
}

/// Who a display is.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Registration {
    /// Its name as it was said: whether it is one of a device is for whoever lets it in.
    pub name: Arc<str>,
    /// What it is written in, such as `python`.
    pub client: Option<Arc<str>>,
    /// Where it says it is.
    pub address: Option<Arc<str>>,
    /// Its software's version.
    pub version: Option<Arc<str>>,
    /// What it can do.
    pub capabilities: Vec<Arc<str>>,
    /// What lets it in.
    pub token: Option<Arc<str>>,
    /// The device that its client certificate names: by the transport's word, never by its own.
    pub certificate: Option<Arc<str>>,
    /// The commands that it is carrying out.
    pub running: Vec<CommandId>,
}

/// A display's heartbeat.
#[derive(Clone, PartialEq, Debug)]
pub struct Beat {
    /// Its name.
    pub name: Arc<str>,
    /// How it is, in its own word.
    pub status: Option<Arc<str>>,
    /// For how long it has been running, in milliseconds.
    pub uptime_ms: Option<u64>,
    /// How many programs run.
    pub processes: Option<u64>,
}

crate::device::words! {
    /// How a program is doing.
    Doing {
        /// It is about to be started.
        Starting = "starting",
        /// It could be started.
        Prepared = "prepared",
        /// It runs.
        Running = "running",
        /// It has ended by itself, as it should.
        Completed = "completed",
        /// It has ended because it was stopped; of a stop: what was to be stopped is.
        Stopped = "stopped",
        /// It could not be started, or has ended as it should not.
        Failed = "failed",
        /// It will not be started.
        Rejected = "rejected",
    }
}

impl Doing {
    /// Whether nothing comes after it.
    #[must_use]
    pub const fn is_end(self) -> bool {
        match self {
            Self::Starting | Self::Running => false,
            Self::Prepared | Self::Completed | Self::Stopped | Self::Failed | Self::Rejected => true,
        }
    }
}

/// How a program is doing, by its display.
#[derive(Clone, PartialEq, Debug)]
pub struct Execution {
    /// The display's name.
    pub name: Arc<str>,
    /// How it is doing.
    pub status: Doing,
    /// Of which preset it is; `None` for none.
    pub preset: Option<PresetId>,
    /// Which command it comes from, if the display knows.
    pub command: Option<CommandId>,
    /// More: `pid`, `exit_code`, `error`, …
    pub details: Object,
}

/// Which programs run, by their display.
#[derive(Clone, PartialEq, Debug)]
pub struct Processes {
    /// The display's name.
    pub name: Arc<str>,
    /// How it is, in its own word.
    pub status: Option<Arc<str>>,
    /// Those that run.
    pub running: Vec<Process>,
}

/// A program that runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process {
    /// Of which preset it is; `None` for none.
    pub preset: Option<PresetId>,
    /// Which command it comes from, if the display knows.
    pub command: Option<CommandId>,
    /// Its number on the display.
    pub pid: Option<u64>,
    /// For how long, in milliseconds.
    pub uptime_ms: Option<u64>,
}

/// What a display says of itself, as the node that holds it has heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DisplayNow {
    /// How it is, in its own word.
    pub status: Option<Arc<str>>,
    /// For how long it has been running, in milliseconds, as of its last heartbeat.
    pub uptime_ms: Option<u64>,
    /// When its last heartbeat came; its registration counts as one.
    pub beat_at: Timestamp,
    /// How many programs run.
    pub process_count: u64,
    /// Those of them that are known.
    pub processes: Vec<Process>,
    /// Where it comes from; if that is not known, where it says it is.
    pub address: Option<Arc<str>>,
    /// What it is written in, by its own word.
    pub client_type: Option<Arc<str>>,
}

/// What is said to a display.
#[derive(Clone, PartialEq, Debug)]
pub enum ToDisplay {
    /// It is let in.
    Registered {
        /// Its number.
        client: i64,
        /// Its name.
        name: DeviceId,
        /// The epoch of its session.
        epoch: ConnectionEpoch,
        /// How often it is to send a heartbeat, in milliseconds.
        heartbeat_ms: u64,
    },
    /// It is not let in.
    NotRegistered(Refusal),
    /// The answer to its heartbeat.
    Beat {
        /// When the next is due, in milliseconds.
        next_ms: u64,
    },
    /// Its heartbeat is not one of who is registered here: it is to come back.
    NotBeat(Refusal),
    /// Is it there?
    Check,
    /// Run this.
    Execute(Box<Execute>),
    /// Could you run this?
    Prepare(Box<Execute>),
    /// Stop this.
    Stop(Stop),
    /// The server stops.
    Shutdown {
        /// When it is to come back, in milliseconds from now.
        reconnect_after_ms: u64,
    },
    /// What it said was taken: where it awaits an answer.
    Taken,
    /// What it said was refused.
    Refused(Refusal),
    /// Its session is over.
    Closed(Closing),
}

/// A program to be run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Execute {
    /// The command.
    pub command: CommandId,
    /// On which display.
    pub name: DeviceId,
    /// Of which preset it is.
    pub preset: Option<PresetId>,
    /// What.
    pub program: Program,
    /// When it was asked for, by our clock …
    pub issued_at: Timestamp,
    /// … and how long from then on it may be started, in milliseconds.
    pub ttl_ms: u64,
    /// When it is to be started, by our clock; `None` for at once.
    pub start_at: Option<Timestamp>,
}

/// Programs to be stopped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stop {
    /// The command.
    pub command: CommandId,
    /// On which display.
    pub name: DeviceId,
    /// Those of this preset …
    pub preset: Option<PresetId>,
    /// … or the one of this command.
    pub run: Option<CommandId>,
    /// How long they have before they are killed, in milliseconds; `None`: as their programs say.
    pub grace_ms: Option<u64>,
}

impl Execute {
    /// The arguments of the command that runs, or prepares, a program.
    #[must_use]
    pub fn args(program: &Program, preset: Option<PresetId>, start_at: Option<Timestamp>) -> Object {
        let mut args = program.to_args();
        if let Some(preset) = preset {
            args.insert("preset_id".into(), Value::Number(Number::Int(preset.0)));
        }
        if let Some(at) = start_at {
            args.insert("start_at".into(), Value::Number(Number::Int(at.0)));
        }
        args
    }
}

impl Stop {
    /// The arguments of the command that stops programs.
    #[must_use]
    pub fn args(preset: Option<PresetId>, run: Option<CommandId>, grace_ms: Option<u64>) -> Object {
        let mut args = Object::new();
        if let Some(preset) = preset {
            args.insert("preset_id".into(), Value::Number(Number::Int(preset.0)));
        }
        if let Some(run) = run {
            args.insert("command_id".into(), Value::text(&run.to_string()));
        }
        if let Some(ms) = grace_ms {
            args.insert("grace_ms".into(), uint(ms));
        }
        args
    }
}

impl ToDisplay {
    /// What a display is told of a command; `None` for one that a display does not know.
    ///
    /// # Errors
    /// The first argument that is missing or wrong.
    pub fn of_command(command: &Command) -> Result<Option<Self>, NotAProgram> {
        let (id, name, args) = (command.id, command.device.clone(), &command.args);
        let preset = preset_of(args)?;
        match &*command.name {
            RUN | PREPARE => {
                let execute = Box::new(Execute {
                    command: id,
                    name,
                    preset,
                    program: Program::of_args(args)?,
                    issued_at: command.at,
                    ttl_ms: u64::try_from(command.deadline.0.saturating_sub(command.at.0)).unwrap_or(0),
                    start_at: int(args, "start_at")?.map(Timestamp),
                });
                Ok(Some(if *command.name == *RUN {
                    Self::Execute(execute)
                } else {
                    Self::Prepare(execute)
                }))
            }
            STOP => {
                let run = match args.get("command_id") {
                    None | Some(Value::Null) => None,
                    Some(run) => {
                        let run = run.as_text().and_then(CommandId::parse);
                        Some(run.ok_or(NotAProgram("command_id"))?)
                    }
                };
                Ok(Some(Self::Stop(Stop {
                    command: id,
                    name,
                    preset,
                    run,
                    grace_ms: whole(args, "grace_ms")?,
                })))
            }
            _ => Ok(None),
        }
    }
}

/// The preset of a command's arguments.
///
/// # Errors
/// It is no whole number.
pub fn preset_of(args: &Object) -> Result<Option<PresetId>, NotAProgram> {
    Ok(int(args, "preset_id")?.map(PresetId))
}

fn int(args: &Object, name: &'static str) -> Result<Option<i64>, NotAProgram> {
    match args.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(Number::Int(value))) => Ok(Some(*value)),
        Some(_) => Err(NotAProgram(name)),
    }
}
