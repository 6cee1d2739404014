//! Displays: devices that run programs, what they say and what is said to them, and the presets that say which programs.
//!
//! Owns the vocabulary and nothing else. Invariant: a program is data, from the one who asks to the display; nothing on the
//! way puts it into a shell.

mod preset;
mod program;
mod said;

pub use preset::{NewPreset, Preset, PresetId};
pub use program::{NotAProgram, Program, StopSignal};
pub use said::{
    Beat, DisplayNow, Doing, Execute, Execution, FromDisplay, Process, Processes, Registration, Stop,
    ToDisplay, preset_of,
};

/// What a display is as a device.
pub const KIND: &str = "display";
/// The command that runs a program.
pub const RUN: &str = "display.run";
/// The command that looks whether a program could be run, and runs nothing.
pub const PREPARE: &str = "display.prepare";
/// The command that stops programs.
pub const STOP: &str = "display.stop";

/// A display that says it can do this answers commands by their ids, and knows one again that it has had.
pub const COMMAND_IDS: &str = "command_ids";
/// A display that says it can do this prepares programs, and starts them at a given time.
pub const BARRIER: &str = "barrier";
