//! As much of JSON Schema (draft 7) as the registry's schemas use.
//!
//! Invariant: a keyword that it does not know is a failure, so that no schema is looser than it reads.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

/// What only people and generators read.
const SILENT: [&str; 4] = ["description", "format", "x-bytes-max", "x-limit"];

/// What is wrong with a value, each with its place; nothing if it is as the schema says.
pub(crate) fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(schema, value, "", &mut faults);
    faults
}

fn holds(schema: &Value, value: &Value) -> bool {
    faults(schema, value).is_empty()
}

fn check(schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    for (keyword, wanted) in schema.as_object().unwrap() {
        if SILENT.contains(&keyword.as_str()) {
            continue;
        }
        if !right(schema, keyword, wanted, value, at, faults) {
            faults.push(format!("{at}: {value} against `{keyword}`: {wanted}"));
        }
    }
}

/// Whether a value satisfies one keyword. What is wrong inside it goes to `faults`.
fn right(
    schema: &Value,
    keyword: &str,
    wanted: &Value,
    value: &Value,
    at: &str,
    faults: &mut Vec<String>,
) -> bool {
    let number = |value: &Value| value.as_i64().map(i128::from).or(value.as_u64().map(i128::from));
    let length = |value: &Value| value.as_str().map(|it| it.chars().count() as u64);
    let bound = wanted.as_u64();
    match keyword {
        "type" => is_of(wanted.as_str().unwrap(), value),
        "const" => value == wanted,
        "enum" => wanted.as_array().unwrap().contains(value),
        "pattern" => {
            let pattern = Regex::new(wanted.as_str().unwrap()).unwrap();
            value.as_str().is_none_or(|text| pattern.is_match(text))
        }
        "minLength" => length(value).is_none_or(|length| length >= bound.unwrap()),
        "maxLength" => length(value).is_none_or(|length| length <= bound.unwrap()),
        "minimum" => number(value).is_none_or(|it| it >= number(wanted).unwrap()),
        "maximum" => number(value).is_none_or(|it| it <= number(wanted).unwrap()),
        "maxItems" => value
            .as_array()
            .is_none_or(|it| it.len() as u64 <= bound.unwrap()),
        "items" => {
            for (index, entry) in value.as_array().into_iter().flatten().enumerate() {
                check(wanted, entry, &format!("{at}/{index}"), faults);
            }
            true
        }
        "properties" => {
            for (name, schema) in wanted.as_object().unwrap() {
                if let Some(value) = value.get(name) {
                    check(schema, value, &format!("{at}/{name}"), faults);
                }
            }
            true
        }
        "required" => {
            let mut names = wanted.as_array().unwrap().iter().map(|it| it.as_str().unwrap());
            value
                .as_object()
                .is_none_or(|it| names.all(|name| it.contains_key(name)))
        }
        "additionalProperties" => {
            let known: BTreeSet<_> = keys(&schema["properties"]).collect();
            wanted.as_bool().unwrap() || keys(value).all(|name| known.contains(name))
        }
        "anyOf" => wanted
            .as_array()
            .unwrap()
            .iter()
            .any(|schema| holds(schema, value)),
        "allOf" => wanted
            .as_array()
            .unwrap()
            .iter()
            .all(|schema| holds(schema, value)),
        "not" => !holds(wanted, value),
        other => panic!("a keyword `{other}`"),
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("a type `{other}`"),
    }
}

fn keys(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
}

#[test]
fn what_is_not_as_the_schema_says_is_found() {
    let schema = serde_json::json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {
            "a": { "type": "integer", "minimum": 1, "maximum": 3 },
            "b": { "type": "array", "maxItems": 1, "items": { "type": "string", "pattern": "^x$", "minLength": 1, "maxLength": 1 } },
            "c": { "anyOf": [{ "const": 1 }, { "enum": [2] }, { "type": "null" }] },
        },
        "not": { "required": ["a", "c"] },
    });
    let right = [r#"{"a":1}"#, r#"{"a":3,"b":["x"]}"#];
    let wrong = [
        r#"[]"#,
        r#"{}"#,
        r#"{"a":0}"#,
        r#"{"a":4}"#,
        r#"{"a":1.5}"#,
        r#"{"a":"1"}"#,
        r#"{"a":1,"d":1}"#,
        r#"{"a":1,"b":["x","x"]}"#,
        r#"{"a":1,"b":["y"]}"#,
        r#"{"a":1,"b":{}}"#,
        r#"{"a":1,"c":1}"#,
        r#"{"c":3}"#,
    ];
    for text in right {
        assert_eq!(
            faults(&schema, &serde_json::from_str(text).unwrap()),
            [""; 0],
            "{text}"
        );
    }
    for text in wrong {
        assert!(!holds(&schema, &serde_json::from_str(text).unwrap()), "{text}");
    }
}
