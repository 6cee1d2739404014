//! JSON values that are understood, not only carried: from JSON text, and to and from Protobuf. Their text is what they
//! print as.
//!
//! Invariant: a value that went to either form and back is the same value; what has no such form is refused, never
//! bent: a key that stands twice, half a surrogate pair, a number that no double holds, a Protobuf value without a kind.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bongsu_model::Want;
use bongsu_model::device::{Number, Object, Value};
use bongsu_proto::v1;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use v1::value::Kind;

/// Why something is no value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoValue {
    /// An object has a key twice.
    #[error("a key stands twice")]
    Twice,
    /// It nests deeper than the limit.
    #[error("nested too deep")]
    TooDeep,
    /// It is not JSON, holds half a surrogate pair, or a number that no double holds; or it is a Protobuf value without
    /// a kind.
    #[error("not a value")]
    Other,
    /// It is a value, and no object.
    #[error("not an object")]
    NotAnObject,
}

impl NoValue {
    /// What would be right instead, for a refusal that names the field.
    #[must_use]
    pub const fn want(self) -> Want {
        match self {
            Self::Twice => Want::Once,
            Self::NotAnObject => Want::Object,
            Self::TooDeep | Self::Other => Want::Other,
        }
    }
}

/// Reads one value of a JSON text that nests at most `depth_max` deep.
///
/// # Errors
///
/// Whatever is no value, or goes on after one.
pub fn read(text: &str, depth_max: usize) -> Result<Value, NoValue> {
    if crate::json::depth(text) > depth_max {
        return Err(NoValue::TooDeep);
    }
    let mut twice = false;
    let mut source = serde_json::Deserializer::from_str(text);
    let read = Reader { twice: &mut twice }.deserialize(&mut source);
    match read.and_then(|value| source.end().map(|()| value)) {
        Ok(value) => Ok(value),
        Err(_) if twice => Err(NoValue::Twice),
        Err(_) => Err(NoValue::Other),
    }
}

/// Reads one object of a JSON text; as [`read`].
///
/// # Errors
///
/// Whatever is no object.
pub fn read_object(text: &str, depth_max: usize) -> Result<Object, NoValue> {
    match read(text, depth_max)? {
        Value::Object(object) => Ok(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
            Err(NoValue::NotAnObject)
        }
    }
}

/// A value as Protobuf has it.
#[must_use]
pub fn to_proto(value: &Value) -> v1::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(true),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(Number::Int(value)) => Kind::IntValue(*value),
        Value::Number(Number::Uint(value)) => Kind::UintValue(*value),
        Value::Number(Number::Float(value)) => Kind::DoubleValue(*value),
        Value::Text(text) => Kind::StringValue(text.to_string()),
        Value::List(list) => Kind::ListValue(v1::ListValue {
            values: list.iter().map(to_proto).collect(),
        }),
        Value::Object(object) => Kind::FieldsValue(v1::Fields {
            fields: object_to_proto(object),
        }),
    };
    v1::Value { kind: Some(kind) }
}

/// An object as Protobuf has it.
#[must_use]
pub fn object_to_proto(object: &Object) -> BTreeMap<String, v1::Value> {
    object
        .iter()
        .map(|(key, value)| (key.to_string(), to_proto(value)))
        .collect()
}

/// The value that a Protobuf value is, if it nests at most `depth_max` deep.
///
/// # Errors
///
/// Where one in it has no kind, or is no number; or it nests deeper.
pub fn from_proto(value: v1::Value, depth_max: usize) -> Result<Value, NoValue> {
    let deeper = || depth_max.checked_sub(1).ok_or(NoValue::TooDeep);
    Ok(match value.kind.ok_or(NoValue::Other)? {
        Kind::NullValue(_) => Value::Null,
        Kind::BoolValue(value) => Value::Bool(value),
        Kind::IntValue(value) => Value::Number(Number::Int(value)),
        Kind::UintValue(value) => Value::Number(whole(value)),
        Kind::DoubleValue(value) => Value::Number(Number::float(value).ok_or(NoValue::Other)?),
        Kind::StringValue(text) => Value::Text(text.into()),
        Kind::ListValue(list) => {
            let depth_max = deeper()?;
            let values = list.values.into_iter();
            Value::List(
                values
                    .map(|it| from_proto(it, depth_max))
                    .collect::<Result<_, _>>()?,
            )
        }
        Kind::FieldsValue(fields) => Value::Object(object_from_proto(fields.fields, depth_max)?),
    })
}

/// The object that a Protobuf map is, if it nests at most `depth_max` deep, itself included.
///
/// # Errors
///
/// As [`from_proto`].
pub fn object_from_proto(fields: BTreeMap<String, v1::Value>, depth_max: usize) -> Result<Object, NoValue> {
    let depth_max = depth_max.checked_sub(1).ok_or(NoValue::TooDeep)?;
    fields
        .into_iter()
        .map(|(key, value)| Ok((Arc::from(key), from_proto(value, depth_max)?)))
        .collect()
}

/// A number that is known to be whole has one form: the signed one where it fits.
fn whole(value: u64) -> Number {
    i64::try_from(value).map_or(Number::Uint(value), Number::Int)
}

struct Reader<'t> {
    twice: &'t mut bool,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(Number::Int(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(whole(value)))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::float(value).ok_or_else(|| E::custom("not finite"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(Reader {
            twice: &mut *self.twice,
        })? {
            list.push(value);
        }
        Ok(Value::List(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Object::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Reader {
                twice: &mut *self.twice,
            })?;
            if object.insert(key.into(), value).is_some() {
                *self.twice = true;
                return Err(A::Error::custom("twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_as_what_it_prints() {
        for text in [
            "null",
            "true",
            "-9223372036854775808",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "-0.0",
            "0.1",
            "5e-324",
            "1.7976931348623157e308",
            r#"{"a":[1,1.0,"\"가\n"],"b":{}}"#,
        ] {
            let value = read(text, 32).unwrap();
            assert_eq!(value.to_string(), text);
            assert_eq!(from_proto(to_proto(&value), 32).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for (text, fault) in [
            ("", NoValue::Other),
            ("1 2", NoValue::Other),
            ("1e999", NoValue::Other),
            (r#""\ud800""#, NoValue::Other),
            (r#"{"a":{"b":1,"b":1}}"#, NoValue::Twice),
            ("[[[]]]", NoValue::TooDeep),
        ] {
            assert_eq!(read(text, 2), Err(fault), "{text}");
        }
        assert_eq!(read_object("[]", 2), Err(NoValue::NotAnObject));
        let of = |kind| v1::Value { kind };
        for bad in [
            None,
            Some(Kind::DoubleValue(f64::NAN)),
            Some(Kind::DoubleValue(f64::INFINITY)),
        ] {
            assert_eq!(from_proto(of(bad.clone()), 2), Err(NoValue::Other), "{bad:?}");
        }
    }

    #[test]
    fn depth_is_counted_alike_in_both_forms() {
        for (text, depth) in [("1", 0), ("{}", 1), ("[[]]", 2), (r#"{"a":[{}]}"#, 3)] {
            let value = read(text, depth).unwrap();
            assert_eq!(from_proto(to_proto(&value), depth).unwrap(), value);
            if depth > 0 {
                assert_eq!(read(text, depth - 1), Err(NoValue::TooDeep));
                assert_eq!(from_proto(to_proto(&value), depth - 1), Err(NoValue::TooDeep));
            }
        }
    }

    #[test]
    fn a_whole_number_has_one_form() {
        let unsigned = v1::Value {
            kind: Some(Kind::UintValue(7)),
        };
        assert_eq!(from_proto(unsigned, 0), Ok(Value::from(7)));
    }
}
