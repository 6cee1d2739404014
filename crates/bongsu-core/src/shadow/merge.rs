//! JSON documents against each other: merge patches (RFC 7396), sameness, difference.
//!
//! Invariant: each walks no deeper than its values are nested, which whoever parsed them has bounded.

use std::sync::Arc;

use bongsu_model::device::{Number, Object, Value};

/// Changes a document by a merge patch (RFC 7396).
pub fn merge(document: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *document = patch.clone();
        return;
    };
    if !matches!(document, Value::Object(_)) {
        *document = Value::Object(Object::new());
    }
    let Value::Object(document) = document else {
        return;
    };
    for (key, change) in patch {
        if matches!(change, Value::Null) {
            document.remove(key);
        } else {
            merge(document.entry(Arc::clone(key)).or_default(), change);
        }
    }
}

/// Whether two values say the same: `21` and `21.0` do.
#[must_use]
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => same_number(*one, *other),
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other.iter()).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|((key, one), (its, other))| key == its && same(one, other))
        }
        (
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Object(_),
            _,
        ) => one == other,
    }
}

fn same_number(one: Number, other: Number) -> bool {
    match (one, other) {
        (Number::Float(one), Number::Float(other)) => one == other,
        (Number::Float(float), whole) | (whole, Number::Float(float)) => {
            // What is past 2^64 is no whole number that fits; below, the conversion is exact.
            float.fract() == 0.0 && float.abs() <= 2f64.powi(64) && whole_of(float) == wide(whole)
        }
        (Number::Int(_) | Number::Uint(_), Number::Int(_) | Number::Uint(_)) => wide(one) == wide(other),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the caller has looked at its size"
)]
const fn whole_of(float: f64) -> i128 {
    float as i128
}

fn wide(number: Number) -> i128 {
    match number {
        Number::Int(value) => value.into(),
        Number::Uint(value) => value.into(),
        Number::Float(value) => whole_of(value),
    }
}

/// What of a wish is not as reported; `None` if all of it is. What is reported beyond the wish is no difference, and
/// `null` is what is not there.
#[must_use]
pub fn difference(wish: &Value, reported: Option<&Value>) -> Option<Value> {
    match (wish, reported) {
        (Value::Null, None) => None,
        (Value::Object(wish), Some(Value::Object(reported))) => {
            let differs = wish
                .iter()
                .filter_map(|(key, wish)| Some((Arc::clone(key), difference(wish, reported.get(key))?)));
            let differs: Object = differs.collect();
            (!differs.is_empty()).then_some(Value::Object(differs))
        }
        (wish, Some(reported)) if same(wish, reported) => None,
        (wish, _) => Some(wish.clone()),
    }
}
