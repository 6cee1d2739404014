//! Programs of displays as they stand in bodies and answers.
//!
//! Invariant: a program is data: what is read here is what is shown again, and nothing in it is looked into.

use std::collections::BTreeMap;
use std::sync::Arc;

use bongsu_model::Refusal;
use bongsu_model::display::{Program, StopSignal};
use serde::Serialize;
use utoipa::ToSchema;

use super::fields::{Fields, required};

/// A program to be run.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "command": "/opt/show/player --loop intro.mp4", "cwd": "/opt/show", "env": { "DISPLAY": ":0" } }))]
pub(super) struct ProgramBody {
    /// The command line. It is split into words as a shell would, unless `shell` has a shell of the display read it. Displays
    /// that know only the guide always use a shell.
    command: String,
    /// Whether a shell of the display reads the line; `false` if absent.
    shell: Option<bool>,
    /// Where it runs, up to 4,096 bytes; where the display likes if absent.
    cwd: Option<String>,
    /// What is added to its environment: up to 128 variables.
    env: Option<BTreeMap<String, String>>,
    /// By what it is asked to stop: `TERM`, `INT`, `HUP`, `QUIT` or `KILL`; as the display has it if absent.
    stop_signal: Option<String>,
    /// How long it then has before it is killed, up to 600,000; as the display has it if absent.
    grace_ms: Option<u64>,
}

/// A program.
#[derive(Serialize, ToSchema)]
pub(super) struct ProgramView {
    /// The command line.
    command: String,
    /// Present and true where a shell of the display reads the line.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    shell: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, String>,
    /// `TERM`, `INT`, `HUP`, `QUIT` or `KILL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    stop_signal: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grace_ms: Option<u64>,
}

/// What a program's fields are called where they stand.
pub(super) struct Names {
    pub(super) command: &'static str,
    shell: &'static str,
    cwd: &'static str,
    env: &'static str,
    stop_signal: &'static str,
    grace_ms: &'static str,
}

/// In a body of their own.
pub(super) const OWN: Names = Names {
    command: "command",
    shell: "shell",
    cwd: "cwd",
    env: "env",
    stop_signal: "stop_signal",
    grace_ms: "grace_ms",
};

/// In the displays of a preset.
pub(super) const OF_DISPLAYS: Names = Names {
    command: "displays.command",
    shell: "displays.shell",
    cwd: "displays.cwd",
    env: "displays.env",
    stop_signal: "displays.stop_signal",
    grace_ms: "displays.grace_ms",
};

/// Reads a program.
///
/// # Errors
/// The field that is missing or wrong. How large they may be is the node's matter.
pub(super) fn read(fields: &Fields<'_>, names: &Names) -> Result<Program, Refusal> {
    let env = fields.object(names.env)?;
    let env = env.map(|env| env.strings(names.env)).transpose()?;
    Ok(Program {
        line: required(names.command, fields.text(names.command)?)?,
        shell: fields.flag(names.shell)?.unwrap_or(false),
        cwd: fields.text(names.cwd)?,
        env: env.unwrap_or_default(),
        stop_signal: fields.word(names.stop_signal, StopSignal::NAMES, StopSignal::parse)?,
        grace_ms: fields
            .between(names.grace_ms, 0, i64::MAX)?
            .map(i64::unsigned_abs),
    })
}

impl ProgramView {
    pub(super) fn of(program: &Program) -> Self {
        let owned = |text: &Arc<str>| text.to_string();
        let env = program.env.iter();
        Self {
            command: owned(&program.line),
            shell: program.shell,
            cwd: program.cwd.as_ref().map(owned),
            env: env.map(|(name, value)| (owned(name), owned(value))).collect(),
            stop_signal: program.stop_signal.map(StopSignal::name),
            grace_ms: program.grace_ms,
        }
    }
}
