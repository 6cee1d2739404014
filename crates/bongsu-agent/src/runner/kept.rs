//! What the journal holds of programs and stops: commands begun, and outcomes as answers.
//!
//! Invariant: an outcome that was written reads back as the same; what does not read is an error, never nothing.

use std::sync::Arc;

use bongsu_device::journal::{Answer, End, Record, Running};
use bongsu_model::device::{Number, Object, Value};
use bongsu_model::display::{PresetId, RUN, STOP};
use bongsu_model::{CommandId, Timestamp};

use crate::report::{Code, How, Lost, Outcome};

/// A command that was begun.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Begun {
    /// A program.
    Run {
        /// Its preset.
        preset: Option<PresetId>,
        /// Its line.
        line: Arc<str>,
        /// In which boot.
        boot: String,
        /// The command that it is the same as: that one has the program.
        same: Option<CommandId>,
    },
    /// A stop.
    Stop {
        /// The preset whose programs it stops.
        preset: Option<PresetId>,
        /// The commands of the programs that it stops.
        runs: Vec<CommandId>,
    },
}

impl Begun {
    /// As it is written before it is done.
    pub(super) fn record(&self, id: CommandId, deadline: Timestamp) -> Record {
        let mut args = Object::new();
        let name = match self {
            Self::Run {
                preset,
                line,
                boot,
                same,
            } => {
                put_preset(&mut args, *preset);
                args.insert("line".into(), Value::Text(Arc::clone(line)));
                args.insert("boot".into(), Value::text(boot));
                if let Some(same) = same {
                    args.insert("same".into(), Value::text(&same.to_string()));
                }
                RUN
            }
            Self::Stop { preset, runs } => {
                put_preset(&mut args, *preset);
                let runs: Vec<Value> = runs.iter().map(|run| Value::text(&run.to_string())).collect();
                args.insert("runs".into(), Value::List(runs.into()));
                STOP
            }
        };
        Record::Begun {
            id,
            deadline,
            name: name.into(),
            args,
        }
    }

    /// What was written; `None` if it is nothing that is written here.
    pub(super) fn of(running: &Running) -> Option<Self> {
        let args = &running.args;
        let id = |value: &Value| value.as_text().and_then(CommandId::parse);
        let preset = preset(args);
        match &*running.name {
            RUN => Some(Self::Run {
                preset,
                line: args.get("line")?.as_text()?.into(),
                boot: args.get("boot")?.as_text()?.to_owned(),
                same: match args.get("same") {
                    None => None,
                    Some(same) => Some(id(same)?),
                },
            }),
            STOP => {
                let Value::List(runs) = args.get("runs")? else {
                    return None;
                };
                let runs = runs.iter().map(id).collect::<Option<_>>()?;
                Some(Self::Stop { preset, runs })
            }
            _ => None,
        }
    }
}

/// An outcome that is an end, as an answer; `None` for one that is not.
pub(super) fn answer(outcome: &Outcome, preset: Option<PresetId>) -> Option<Answer> {
    let mut object = Object::new();
    put_preset(&mut object, preset);
    match outcome {
        Outcome::Starting | Outcome::Running { .. } => return None,
        Outcome::Stopped { programs } => {
            put(&mut object, "programs", whole(*programs));
        }
        Outcome::Ended {
            how,
            stopped,
            lasted_ms,
        } => {
            put(&mut object, "stopped", (*stopped).into());
            put(&mut object, "lasted_ms", whole(*lasted_ms));
            match how {
                How::Exited(code) => put(&mut object, "exit_code", i64::from(*code).into()),
                How::Killed(signal) => put(&mut object, "signal", i64::from(*signal).into()),
                How::Lost(why) => put(&mut object, "lost", why.name().into()),
            };
        }
        Outcome::NotStarted { code, error } => {
            refusal(&mut object, *code, error);
            return Some(Answer::failed(object.into()));
        }
        Outcome::Rejected { code, error } => {
            refusal(&mut object, *code, error);
            return Some(Answer::rejected(object.into()));
        }
    }
    Some(Answer::ok(object.into()))
}

/// What was written as an answer, and the preset; `None` if it is nothing that is written here.
pub(super) fn outcome(answer: &Answer) -> Option<(Outcome, Option<PresetId>)> {
    let object = answer.result.as_ref().or(answer.error.as_ref())?.as_object()?;
    let text = |name: &str| object.get(name).and_then(Value::as_text);
    let refusal = || Some((Code::parse(text("code")?)?, Arc::from(text("error")?)));
    let outcome = match answer.end {
        End::Rejected => {
            let (code, error) = refusal()?;
            Outcome::Rejected { code, error }
        }
        End::Failed => {
            let (code, error) = refusal()?;
            Outcome::NotStarted { code, error }
        }
        End::Ok => match unsigned(object, "programs") {
            Some(programs) => Outcome::Stopped { programs },
            None => Outcome::Ended {
                how: how(object)?,
                stopped: matches!(object.get("stopped")?, Value::Bool(true)),
                lasted_ms: unsigned(object, "lasted_ms")?,
            },
        },
    };
    Some((outcome, preset(object)))
}

fn refusal(object: &mut Object, code: Code, error: &Arc<str>) {
    object.insert("code".into(), code.name().into());
    object.insert("error".into(), Value::Text(Arc::clone(error)));
}

fn how(object: &Object) -> Option<How> {
    let int = |name| int(object, name).and_then(|value| i32::try_from(value).ok());
    let lost = object.get("lost").and_then(Value::as_text);
    let lost = lost.and_then(|name| {
        [Lost::Reboot, Lost::Supervisor]
            .into_iter()
            .find(|why| why.name() == name)
    });
    let exited = int("exit_code").map(How::Exited);
    exited
        .or_else(|| int("signal").map(How::Killed))
        .or_else(|| lost.map(How::Lost))
}

fn put(object: &mut Object, name: &str, value: Value) {
    object.insert(name.into(), value);
}

fn put_preset(object: &mut Object, preset: Option<PresetId>) {
    if let Some(preset) = preset {
        object.insert("preset_id".into(), preset.0.into());
    }
}

fn preset(object: &Object) -> Option<PresetId> {
    int(object, "preset_id").map(PresetId)
}

fn int(object: &Object, name: &str) -> Option<i64> {
    if let Value::Number(Number::Int(value)) = object.get(name)? {
        Some(*value)
    } else {
        None
    }
}

fn unsigned(object: &Object, name: &str) -> Option<u64> {
    int(object, name).and_then(|value| u64::try_from(value).ok())
}

fn whole(value: u64) -> Value {
    i64::try_from(value).unwrap_or(i64::MAX).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_reads_back_as_it_was_written() {
        let ended = |how, stopped| Outcome::Ended {
            how,
            stopped,
            lasted_ms: 12,
        };
        let (code, error) = (Code::NotAllowed, Arc::from("허용되지 않음"));
        for end in [
            ended(How::Exited(0), false),
            ended(How::Exited(255), true),
            ended(How::Killed(9), true),
            ended(How::Lost(Lost::Reboot), false),
            ended(How::Lost(Lost::Supervisor), false),
            Outcome::NotStarted {
                code,
                error: Arc::clone(&error),
            },
            Outcome::Rejected { code, error },
            Outcome::Stopped { programs: 0 },
        ] {
            for preset in [None, Some(PresetId(-1)), Some(PresetId(7))] {
                let written = answer(&end, preset).unwrap();
                assert_eq!(outcome(&written), Some((end.clone(), preset)));
            }
        }
        assert_eq!(answer(&Outcome::Starting, None), None);
        assert_eq!(outcome(&Answer::ok(Value::Null)), None);
    }

    #[test]
    fn what_was_begun_reads_back_as_it_was_written() {
        let run = Begun::Run {
            preset: Some(PresetId(3)),
            line: "play 'one two'".into(),
            boot: "b".into(),
            same: Some(CommandId(2)),
        };
        let stop = Begun::Stop {
            preset: None,
            runs: vec![CommandId(1), CommandId(2)],
        };
        for begun in [run, stop] {
            let Record::Begun { id, name, args, .. } = begun.record(CommandId(1), Timestamp(5)) else {
                panic!("not begun");
            };
            assert_eq!(Begun::of(&Running { id, name, args }), Some(begun));
        }
    }
}
