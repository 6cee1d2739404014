//! One line of the journal: a checksum, and what happened to one command as JSON.
//!
//! Invariant: a line that was only half written, or was changed since, is not read as a record.

use std::sync::Arc;

use bongsu_model::Timestamp;
use bongsu_model::device::{CommandId, Number, Object, Status, Value};
use bongsu_wire::device::value;

/// Arguments and answers nest no deeper than frames do; a record is one deeper.
const DEPTH_MAX: usize = 64;

/// How a command ended on its device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It is done.
    Ok,
    /// It was begun and could not be done.
    Failed,
    /// It was not begun.
    Rejected,
}

impl End {
    /// The word that the gateway is told.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::Ok => Status::Ok,
            Self::Failed => Status::Failed,
            Self::Rejected => Status::Rejected,
        }
    }

    fn parse(name: &str) -> Option<Self> {
        match Status::parse(name)? {
            Status::Ok => Some(Self::Ok),
            Status::Failed => Some(Self::Failed),
            Status::Rejected => Some(Self::Rejected),
            Status::Received | Status::InProgress => None,
        }
    }
}

/// The answer to a command: the first one is the only one.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// How it ended.
    pub end: End,
    /// What came of it.
    pub result: Option<Value>,
    /// Why it came to nothing.
    pub error: Option<Value>,
}

impl Answer {
    /// It is done, with this result.
    #[must_use]
    pub const fn ok(result: Value) -> Self {
        Self {
            end: End::Ok,
            result: Some(result),
            error: None,
        }
    }

    /// It was begun and could not be done.
    #[must_use]
    pub const fn failed(error: Value) -> Self {
        Self {
            end: End::Failed,
            result: None,
            error: Some(error),
        }
    }

    /// It was not begun.
    #[must_use]
    pub const fn rejected(error: Value) -> Self {
        Self {
            end: End::Rejected,
            result: None,
            error: Some(error),
        }
    }
}

/// What happened to one command.
#[derive(Clone, PartialEq, Debug)]
pub enum Record {
    /// It is about to be begun.
    Begun {
        /// Which.
        id: CommandId,
        /// Its deadline, by the gateway's clock.
        deadline: Timestamp,
        /// What.
        name: Arc<str>,
        /// With what.
        args: Object,
    },
    /// It has its answer.
    Ended {
        /// Which.
        id: CommandId,
        /// Its deadline, by the gateway's clock.
        deadline: Timestamp,
        /// The answer.
        answer: Answer,
    },
    /// The gateway has heard the answer.
    Told {
        /// Which.
        id: CommandId,
    },
}

/// A line is no record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a record of a journal")]
pub struct NotARecord;

impl Record {
    /// Which command.
    #[must_use]
    pub const fn id(&self) -> CommandId {
        match self {
            Self::Begun { id, .. } | Self::Ended { id, .. } | Self::Told { id } => *id,
        }
    }

    /// The line, with its end.
    #[must_use]
    pub fn line(&self) -> String {
        let json = Value::Object(self.object()).to_string();
        format!("{:08x} {json}\n", checksum(json.as_bytes()))
    }

    /// Reads a line without its end.
    ///
    /// # Errors
    ///
    /// Whatever was not written by [`Record::line`] as it is.
    pub fn read(line: &[u8]) -> Result<Self, NotARecord> {
        let text = std::str::from_utf8(line).map_err(|_| NotARecord)?;
        let (sum, json) = text.split_once(' ').ok_or(NotARecord)?;
        if sum.len() != 8 || u32::from_str_radix(sum, 16) != Ok(checksum(json.as_bytes())) {
            return Err(NotARecord);
        }
        let object = value::read_object(json, DEPTH_MAX).map_err(|_| NotARecord)?;
        Self::of(&object).ok_or(NotARecord)
    }

    fn object(&self) -> Object {
        let mut object = Object::from([("id".into(), Value::text(&self.id().to_string()))]);
        let mut put = |key: &str, value: Value| object.insert(key.into(), value);
        match self {
            Self::Begun {
                deadline, name, args, ..
            } => {
                put("what", "begun".into());
                put("deadline", deadline.0.into());
                put("cmd", Value::Text(Arc::clone(name)));
                put("args", args.clone().into());
            }
            Self::Ended { deadline, answer, .. } => {
                put("what", "ended".into());
                put("deadline", deadline.0.into());
                put("status", answer.end.status().name().into());
                if let Some(result) = &answer.result {
                    put("result", result.clone());
                }
                if let Some(error) = &answer.error {
                    put("error", error.clone());
                }
            }
            Self::Told { .. } => {
                put("what", "told".into());
            }
        }
        object
    }

    fn of(object: &Object) -> Option<Self> {
        let text = |key: &str| object.get(key).and_then(Value::as_text);
        let id = CommandId::parse(text("id")?)?;
        let deadline = || match object.get("deadline") {
            Some(Value::Number(Number::Int(ms))) => Some(Timestamp(*ms)),
            Some(_) | None => None,
        };
        Some(match text("what")? {
            "begun" => Self::Begun {
                id,
                deadline: deadline()?,
                name: text("cmd")?.into(),
                args: object.get("args")?.as_object()?.clone(),
            },
            "ended" => Self::Ended {
                id,
                deadline: deadline()?,
                answer: Answer {
                    end: End::parse(text("status")?)?,
                    result: object.get("result").cloned(),
                    error: object.get("error").cloned(),
                },
            },
            "told" => Self::Told { id },
            _ => return None,
        })
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        let (id, deadline) = (CommandId(0xab), Timestamp(1_700_000_000_123));
        let nested = Object::from([("position".into(), "열림\n".into())]);
        let ended = |answer| Record::Ended { id, deadline, answer };
        vec![
            Record::Begun {
                id,
                deadline,
                name: "window.set".into(),
                args: nested.clone(),
            },
            ended(Answer::ok(nested.into())),
            ended(Answer::failed("motor".into())),
            ended(Answer::rejected(Value::Null)),
            Record::Told { id },
        ]
    }

    #[test]
    fn a_record_is_one_line_and_reads_back() {
        for record in records() {
            let line = record.line();
            let body = line.strip_suffix('\n').unwrap();
            assert!(!body.contains('\n'), "{line}");
            assert_eq!(Record::read(body.as_bytes()), Ok(record));
        }
    }

    #[test]
    fn a_line_with_any_byte_changed_or_cut_is_no_record() {
        for record in records() {
            let line = record.line().into_bytes();
            let body = &line[..line.len() - 1];
            for at in 0..body.len() {
                assert_eq!(Record::read(&body[..at]), Err(NotARecord), "cut at {at}");
                let mut changed = body.to_vec();
                changed[at] ^= 1;
                assert_eq!(Record::read(&changed), Err(NotARecord), "changed at {at}");
            }
        }
        let unknown = r#"{"id":"000000000000000000000000000000ab","what":"eaten"}"#;
        let line = format!("{:08x} {unknown}", checksum(unknown.as_bytes()));
        assert_eq!(Record::read(line.as_bytes()), Err(NotARecord));
    }
}
