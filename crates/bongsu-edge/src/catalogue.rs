//! The arguments of commands against their JSON Schema (draft 2020-12).
//!
//! Invariant: a schema is looked at whole when it is loaded and fetches nothing, then or later; patterns are of the kind
//! whose time grows with the text and not faster.

use std::sync::Arc;

use bongsu_model::device::{Number, Object, Value};
use bongsu_node::devices::catalogue::{ArgsCheck, ArgsWrong};
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};

/// Longest text that says what is wrong, in characters.
const SAYS_CHARS_MAX: usize = 300;
/// Largest compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// References that a schema may go through from one to the next.
const REFERENCES_MAX: usize = 32;

/// A schema that is no good.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SchemaWrong {
    /// Arguments are an object, and it takes none.
    #[error("arguments are an object: the schema needs type = \"object\"")]
    NotAnObject,
    /// It refers to something outside itself.
    #[error("$ref = \"{0}\" is not within the schema: only references that begin with # are followed")]
    Remote(String),
    /// It refers to itself without end.
    #[error("$ref = \"{0}\" leads back to itself")]
    Circle(String),
    /// It is no schema, or has a pattern that is none.
    #[error("{0}")]
    Invalid(String),
}

/// A schema, ready to look at arguments.
pub struct ArgsSchema(Validator);

impl ArgsSchema {
    /// Reads a schema.
    ///
    /// # Errors
    /// Whatever would make it refuse, or look at, something else than its author meant.
    pub fn compile(schema: &Value) -> Result<Self, SchemaWrong> {
        let is_object = schema
            .as_object()
            .and_then(|it| it.get("type"))
            .and_then(Value::as_text);
        if is_object != Some("object") {
            return Err(SchemaWrong::NotAnObject);
        }
        references(schema, schema)?;
        let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX);
        let compiled = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(patterns)
            .should_validate_formats(true)
            .should_ignore_unknown_formats(false)
            .offline()
            .build(&to_json(schema));
        match compiled {
            Ok(validator) => Ok(Self(validator)),
            Err(wrong) => Err(SchemaWrong::Invalid(says(&wrong))),
        }
    }
}

impl ArgsCheck for ArgsSchema {
    fn check(&self, args: &Object) -> Result<(), ArgsWrong> {
        let args = serde_json::Value::Object(members(args));
        self.0.validate(&args).map_err(|wrong| ArgsWrong {
            pointer: wrong.instance_path().as_str().into(),
            says: says(&wrong).into(),
        })
    }
}

/// What is wrong, without the value that it is wrong of: that may be long, or a secret.
fn says(wrong: &ValidationError<'_>) -> String {
    let text = wrong.masked().to_string();
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match one_line.char_indices().nth(SAYS_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &one_line[..end]),
        None => one_line,
    }
}

/// Looks at every reference of a part of a schema: each stays within it, and none goes round in a circle without
/// descending into the value that is looked at.
fn references(part: &Value, whole: &Value) -> Result<(), SchemaWrong> {
    match part {
        Value::Object(members) => {
            for key in ["$ref", "$dynamicRef"] {
                if let Some(reference) = members.get(key).and_then(Value::as_text) {
                    follow(reference, whole)?;
                }
            }
            members.values().try_for_each(|member| references(member, whole))
        }
        Value::List(entries) => entries.iter().try_for_each(|entry| references(entry, whole)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => Ok(()),
    }
}

/// Follows a reference to where it leads, and on from there.
fn follow(first: &str, whole: &Value) -> Result<(), SchemaWrong> {
    let mut reference: Arc<str> = first.into();
    for _ in 0..REFERENCES_MAX {
        let Some(pointer) = reference.strip_prefix('#') else {
            return Err(SchemaWrong::Remote(reference.to_string()));
        };
        let next = at(whole, pointer).and_then(Value::as_object);
        let next = next.and_then(|it| it.get("$ref")).and_then(Value::as_text);
        match next {
            Some(next) => reference = next.into(),
            None => return Ok(()),
        }
    }
    Err(SchemaWrong::Circle(first.to_owned()))
}

/// What a JSON pointer leads to; what it does not lead to is found out when the schema is compiled.
fn at<'a>(whole: &'a Value, pointer: &str) -> Option<&'a Value> {
    let mut here = whole;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        here = match here {
            Value::Object(members) => members.get(step.as_str())?,
            Value::List(entries) => entries.get(step.parse::<usize>().ok()?)?,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => return None,
        };
    }
    Some(here)
}

/// An object as the JSON library knows it.
pub(crate) fn members(object: &Object) -> serde_json::Map<String, serde_json::Value> {
    object
        .iter()
        .map(|(key, value)| (key.to_string(), to_json(value)))
        .collect()
}

/// A value as the JSON library knows it.
pub(crate) fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(Number::Int(value)) => (*value).into(),
        Value::Number(Number::Uint(value)) => (*value).into(),
        Value::Number(Number::Float(value)) => (*value).into(),
        Value::Text(text) => (&**text).into(),
        Value::List(list) => list.iter().map(to_json).collect(),
        Value::Object(object) => serde_json::Value::Object(members(object)),
    }
}

#[cfg(test)]
mod tests;
