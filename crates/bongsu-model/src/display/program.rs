//! A program and how it is run and stopped, and its form as the arguments of a command.
//!
//! Invariant: what is written as arguments reads back as the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::device::{Number, Object, Value};

/// A program to be run on a display.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// The command line.
    pub line: Arc<str>,
    /// Whether a shell of the display reads the line; else it is split into words as a shell would, and nothing in it is
    /// expanded. Displays that know only the guide always use a shell.
    pub shell: bool,
    /// Where it runs; `None` for the display's own choice.
    pub cwd: Option<Arc<str>>,
    /// What is added to its environment.
    pub env: BTreeMap<Arc<str>, Arc<str>>,
    /// By what it is asked to stop; `None` for the display's own choice.
    pub stop_signal: Option<StopSignal>,
    /// How long it then has before it is killed, in milliseconds; `None` for the display's own choice.
    pub grace_ms: Option<u64>,
}

crate::device::words! {
    /// By what a program is asked to stop.
    StopSignal {
        /// SIGTERM.
        Term = "TERM",
        /// SIGINT.
        Int = "INT",
        /// SIGHUP.
        Hup = "HUP",
        /// SIGQUIT.
        Quit = "QUIT",
        /// SIGKILL: at once, without being asked.
        Kill = "KILL",
    }
}

/// Why arguments are no program: the name of the field that is missing or wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0} is missing or wrong")]
pub struct NotAProgram(pub &'static str);

impl Program {
    /// A line, and everything else as the display has it.
    #[must_use]
    pub fn new(line: &str) -> Self {
        Self {
            line: line.into(),
            shell: false,
            cwd: None,
            env: BTreeMap::new(),
            stop_signal: None,
            grace_ms: None,
        }
    }

    /// As the arguments of a command: `command`, `shell`, `cwd`, `env`, `stop_signal`, `grace_ms`, those that say something.
    #[must_use]
    pub fn to_args(&self) -> Object {
        let mut args = Object::new();
        args.insert("command".into(), Value::Text(Arc::clone(&self.line)));
        if self.shell {
            args.insert("shell".into(), true.into());
        }
        if let Some(cwd) = &self.cwd {
            args.insert("cwd".into(), Value::Text(Arc::clone(cwd)));
        }
        if !self.env.is_empty() {
            let env = self.env.iter();
            let env = env.map(|(name, value)| (Arc::clone(name), Value::Text(Arc::clone(value))));
            args.insert("env".into(), Value::Object(env.collect()));
        }
        if let Some(signal) = self.stop_signal {
            args.insert("stop_signal".into(), Value::text(signal.name()));
        }
        if let Some(ms) = self.grace_ms {
            args.insert("grace_ms".into(), uint(ms));
        }
        args
    }

    /// Reads what [`Self::to_args`] wrote. Other fields are passed over.
    ///
    /// # Errors
    /// The first field that is missing or wrong.
    pub fn of_args(args: &Object) -> Result<Self, NotAProgram> {
        let text = |name| match args.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(Arc::clone(text))),
            Some(_) => Err(NotAProgram(name)),
        };
        let signal = text("stop_signal")?;
        let signal = signal.map(|name| StopSignal::parse(&name).ok_or(NotAProgram("stop_signal")));
        Ok(Self {
            line: text("command")?.ok_or(NotAProgram("command"))?,
            shell: match args.get("shell") {
                None | Some(Value::Null) => false,
                Some(Value::Bool(shell)) => *shell,
                Some(_) => return Err(NotAProgram("shell")),
            },
            cwd: text("cwd")?,
            env: environment(args.get("env"))?,
            stop_signal: signal.transpose()?,
            grace_ms: whole(args, "grace_ms")?,
        })
    }
}

fn environment(env: Option<&Value>) -> Result<BTreeMap<Arc<str>, Arc<str>>, NotAProgram> {
    let wrong = NotAProgram("env");
    match env {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Object(env)) => env
            .iter()
            .map(|(name, value)| match value {
                Value::Text(value) => Ok((Arc::clone(name), Arc::clone(value))),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Object(_) => {
                    Err(wrong)
                }
            })
            .collect(),
        Some(_) => Err(wrong),
    }
}

/// A whole number of arguments, if it is there.
pub(super) fn whole(args: &Object, name: &'static str) -> Result<Option<u64>, NotAProgram> {
    match args.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(Number::Int(value))) => {
            u64::try_from(*value).map(Some).map_err(|_| NotAProgram(name))
        }
        Some(Value::Number(Number::Uint(value))) => Ok(Some(*value)),
        Some(_) => Err(NotAProgram(name)),
    }
}

/// A number as arguments have it.
pub(super) fn uint(value: u64) -> Value {
    Value::Number(i64::try_from(value).map_or(Number::Uint(value), Number::Int))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_reads_back_as_it_was_written() {
        let plain = Program::new("/usr/bin/clock --round \"one two\"");
        assert_eq!(Program::of_args(&plain.to_args()), Ok(plain));
        let full = Program {
            line: "echo $HOME".into(),
            shell: true,
            cwd: Some("/srv/쇼 룸".into()),
            env: [("DISPLAY".into(), ":0".into())].into(),
            stop_signal: Some(StopSignal::Int),
            grace_ms: Some(1_500),
        };
        assert_eq!(Program::of_args(&full.to_args()), Ok(full));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let with = |name: &str, value: Value| {
            let mut args = Program::new("x").to_args();
            args.insert(name.into(), value);
            Program::of_args(&args).unwrap_err().0
        };
        for name in ["command", "shell", "cwd", "env", "stop_signal", "grace_ms"] {
            assert_eq!(with(name, Value::List([].into())), name);
        }
        assert_eq!(with("stop_signal", Value::text("STOP")), "stop_signal");
        assert_eq!(with("grace_ms", Value::Number(Number::Int(-1))), "grace_ms");
        assert_eq!(Program::of_args(&Object::new()), Err(NotAProgram("command")));
    }
}
