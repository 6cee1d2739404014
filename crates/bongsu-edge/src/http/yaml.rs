//! JSON values as YAML that people can read: just as much as the descriptions need.
//!
//! Invariant: every string that could be taken for something else stands in double quotes, as JSON writes it, which
//! YAML 1.2 reads alike.

use std::fmt::{self, Write as _};

use serde_json::{Map, Value};

/// The media type of YAML (RFC 9512).
pub(super) const MEDIA_TYPE: &str = "application/yaml";

/// A document with these keys first, where it has them.
pub(super) fn ordered(value: &Value, order: &[&str]) -> String {
    let first = order
        .iter()
        .filter_map(|key| value.get(key).map(|value| (*key, value)));
    let rest = value.as_object().map(sorted).unwrap_or_default().into_iter();
    let rest = rest
        .map(|(key, value)| (key.as_str(), value))
        .filter(|(key, _)| !order.contains(key));
    document(first.chain(rest))
}

/// A document of these entries, in this order.
fn document<'a>(entries: impl Iterator<Item = (&'a str, &'a Value)>) -> String {
    let mut out = String::new();
    for (key, value) in entries {
        entry(&mut out, 0, key, value).expect("a string takes all that is written to it");
    }
    out
}

fn entry(out: &mut String, depth: usize, key: &str, value: &Value) -> fmt::Result {
    indent(out, depth);
    text(out, key)?;
    out.push(':');
    below(out, depth, value)
}

/// What stands behind a key: on the same line, or on lines of its own.
fn below(out: &mut String, depth: usize, value: &Value) -> fmt::Result {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            object(out, depth + 1, map)
        }
        Value::Array(entries) if !entries.is_empty() => {
            out.push('\n');
            entries.iter().try_for_each(|value| {
                indent(out, depth + 1);
                out.push('-');
                below_dash(out, depth + 1, value)
            })
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)
        | Value::Array(_) => {
            out.push(' ');
            scalar(out, value)?;
            out.push('\n');
            Ok(())
        }
    }
}

/// An entry of a list: an object's first key may stand behind the dash.
fn below_dash(out: &mut String, depth: usize, value: &Value) -> fmt::Result {
    let Value::Object(map) = value else {
        return below(out, depth, value);
    };
    let mut entries = sorted(map).into_iter();
    let Some((key, first)) = entries.next() else {
        return below(out, depth, value);
    };
    out.push(' ');
    text(out, key)?;
    out.push(':');
    below(out, depth + 1, first)?;
    entries.try_for_each(|(key, value)| entry(out, depth + 1, key, value))
}

fn object(out: &mut String, depth: usize, map: &Map<String, Value>) -> fmt::Result {
    sorted(map)
        .into_iter()
        .try_for_each(|(key, value)| entry(out, depth, key, value))
}

/// By key, whatever order the library keeps.
fn sorted(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|entry| entry.0);
    entries
}

fn scalar(out: &mut String, value: &Value) -> fmt::Result {
    match value {
        Value::String(string) => text(out, string),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) | Value::Array(_) => {
            write!(out, "{value}")
        }
    }
}

fn text(out: &mut String, string: &str) -> fmt::Result {
    if is_plain(string) {
        out.push_str(string);
        return Ok(());
    }
    write!(out, "{}", Value::from(string))
}

/// Whether a string can stand without quotes and be nothing else.
fn is_plain(string: &str) -> bool {
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    string.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && string
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/_.{}-".contains(c))
        && !reserved.contains(&string.to_ascii_lowercase().as_str())
}

fn indent(out: &mut String, depth: usize) {
    (0..depth).for_each(|_| out.push_str("  "));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_stand_as_people_write_them() {
        let value = json!({
            "a": { "b": [1, { "c": true, "d": [] }, ["x"]], "e": {} },
            "/path/{id}": "yes", "f": "two\nlines: \"q\"", "g": null, "200": "plain", "h": "3.1"
        });
        let expected = r#"/path/{id}: "yes"
"200": plain
a:
  b:
    - 1
    - c: true
      d: []
    -
      - x
  e: {}
f: "two\nlines: \"q\""
g: null
h: "3.1"
"#;
        let map = value.as_object().unwrap();
        assert_eq!(
            document(sorted(map).into_iter().map(|(key, value)| (key.as_str(), value))),
            expected
        );
    }
}
