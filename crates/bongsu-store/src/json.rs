//! JSON columns: values, objects, lists of words, names by language, histories of commands.
//!
//! Invariant: what is written here is read back as the same value; anything else in a column is damage.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use bongsu_model::device::{CommandState, Late, Note, Number, Object, Value};
use bongsu_model::{LocalizedNick, Timestamp};
use serde_json::Value as Json;

/// Reads a value; `None` if it is none.
pub(crate) fn value(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().and_then(of)
}

/// Reads an object; `None` if it is none.
pub(crate) fn object(text: &str) -> Option<Object> {
    match value(text)? {
        Value::Object(object) => Some(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => None,
    }
}

fn of(json: Json) -> Option<Value> {
    Some(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => Value::Number(match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Number::Int(value),
            (None, Some(value)) => Number::Uint(value),
            (None, None) => Number::float(number.as_f64()?)?,
        }),
        Json::String(text) => Value::Text(text.into()),
        Json::Array(list) => Value::List(list.into_iter().map(of).collect::<Option<_>>()?),
        Json::Object(object) => Value::Object(
            object
                .into_iter()
                .map(|(key, value)| Some((key.into(), of(value)?)))
                .collect::<Option<_>>()?,
        ),
    })
}

/// Writes a list of words.
pub(crate) fn write_words(words: &[Arc<str>]) -> String {
    let words = words.iter().map(|word| Value::Text(Arc::clone(word)));
    Value::List(words.collect()).to_string()
}

/// Reads a list of words; `None` if it is none.
pub(crate) fn words(text: &str) -> Option<Arc<[Arc<str>]>> {
    let words: Vec<String> = serde_json::from_str(text).ok()?;
    Some(words.into_iter().map(Arc::from).collect())
}

/// Writes a user's names by language.
pub(crate) fn write_nick(nick: &LocalizedNick) -> String {
    let names: serde_json::Map<_, _> = nick
        .iter()
        .map(|(language, name)| (language.to_string(), (**name).into()))
        .collect();
    Json::Object(names).to_string()
}

/// Reads a user's names by language; `None` if they are none.
pub(crate) fn nick(text: &str) -> Option<LocalizedNick> {
    if text == "{}" {
        return Some(LocalizedNick::default());
    }
    let names: BTreeMap<String, String> = serde_json::from_str(text).ok()?;
    let names = names
        .into_iter()
        .map(|(language, name)| (language.into(), name.into()));
    // The limit may have been higher when it was written.
    LocalizedNick::new(names, usize::MAX).ok()
}

/// Writes a history: a list of `[state, at, node, detail]`, the oldest first.
pub(crate) fn write_history(history: &[Note]) -> String {
    let mut text = String::with_capacity(history.len() * 64 + 2);
    let text_of = |word: &Arc<str>| Value::Text(Arc::clone(word));
    for note in history {
        text.push(if text.is_empty() { '[' } else { ',' });
        let detail = note.detail.as_ref().map_or(Value::Null, text_of);
        let (state, node) = (note.state.name(), text_of(&note.node));
        // A string takes everything.
        let _ = write!(text, "[\"{state}\",{},{node},{detail}]", note.at.0);
    }
    if text.is_empty() {
        text.push('[');
    }
    text.push(']');
    text
}

/// Reads a history; `None` if it is none.
pub(crate) fn history(text: &str) -> Option<Vec<Note>> {
    let notes: Vec<(&str, i64, String, Option<String>)> = serde_json::from_str(text).ok()?;
    let note = |(state, at, node, detail): (&str, i64, String, Option<String>)| {
        Some(Note {
            state: CommandState::parse(state)?,
            at: Timestamp(at),
            node: node.into(),
            detail: detail.map(Arc::from),
        })
    };
    notes.into_iter().map(note).collect()
}

/// Writes a late word.
pub(crate) fn write_late(late: &Late) -> String {
    let part = |value: &Option<Value>| {
        value
            .clone()
            .map_or(Value::List(Arc::default()), |it| Value::List([it].into()))
    };
    let (result, error) = (part(&late.result), part(&late.error));
    format!("[\"{}\",{},{result},{error}]", late.state.name(), late.at.0)
}

/// Reads a late word; `None` if it is none.
pub(crate) fn late(text: &str) -> Option<Late> {
    let (state, at, result, error): (&str, i64, Vec<Json>, Vec<Json>) = serde_json::from_str(text).ok()?;
    let part = |mut values: Vec<Json>| match (values.pop(), values.is_empty()) {
        (None, _) => Some(None),
        (Some(json), true) => of(json).map(Some),
        (Some(_), false) => None,
    };
    Some(Late {
        at: Timestamp(at),
        state: CommandState::parse(state)?,
        result: part(result)?,
        error: part(error)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_back_as_they_were() {
        let float = |it| Value::Number(Number::float(it).unwrap());
        let numbers = [0.1, 1.0, -0.0, 1e300, 5e-324, 0.1 + 0.2, 123_456_789.123_456_79].map(float);
        let whole = [i64::MIN, -1, 0, i64::MAX].map(Value::from);
        let others = [
            Value::Number(Number::Uint(u64::MAX)),
            Value::Null,
            true.into(),
            "\"\\\n\u{1}가".into(),
            Value::List(Arc::default()),
            Value::Object(Object::from([("가".into(), 1.into()), ("".into(), Value::Null)])),
        ];
        for it in numbers.into_iter().chain(whole).chain(others) {
            assert_eq!(value(&it.to_string()), Some(it));
        }
        for bad in ["", "{", "1 2", "[1,]", "nan"] {
            assert_eq!(value(bad), None, "{bad}");
        }
        assert_eq!(object("[]"), None);
    }

    #[test]
    fn histories_and_late_words_are_read_back_as_they_were() {
        let note = |state, detail: Option<&str>| Note {
            state,
            at: Timestamp(-7),
            node: "\"n\"".into(),
            detail: detail.map(Arc::from),
        };
        let (first, last) = (
            note(CommandState::Accepted, None),
            note(CommandState::TimedOut, Some("a=\"1\" b=2")),
        );
        for notes in [vec![], vec![first.clone()], vec![first, last]] {
            assert_eq!(history(&write_history(&notes)), Some(notes));
        }
        for bad in [
            "{}",
            "[[]]",
            r#"[["gone",1,"n",null]]"#,
            r#"[["accepted",1,null,null]]"#,
        ] {
            assert_eq!(history(bad), None, "{bad}");
        }
        let parts = [None, Some(Value::Null), Some(Value::text("x"))];
        for (result, error) in parts.iter().flat_map(|a| parts.iter().map(move |b| (a, b))) {
            let it = Late {
                at: Timestamp(3),
                state: CommandState::Succeeded,
                result: result.clone(),
                error: error.clone(),
            };
            assert_eq!(late(&write_late(&it)), Some(it));
        }
    }
}
