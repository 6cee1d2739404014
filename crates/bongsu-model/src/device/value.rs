//! JSON values that must be understood, not only carried: state, arguments, results.
//!
//! Invariant: prints as one line of JSON; an object has each key once, and prints them in order.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// An object: its keys in order.
pub type Object = BTreeMap<Arc<str>, Value>;

/// A JSON value.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(Arc<str>),
    /// An array.
    List(Arc<[Self]>),
    /// An object.
    Object(Object),
}

/// A number as JSON readers commonly tell them apart; never infinite, never `NaN`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Number {
    /// A whole number that fits.
    Int(i64),
    /// A whole number beyond those.
    Uint(u64),
    /// Any other; finite.
    Float(f64),
}

impl Number {
    /// A number that is not whole or does not fit; `None` if it is not finite.
    #[must_use]
    pub fn float(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self::Float(value))
    }

    /// The number, as exactly as an `f64` can say it.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "what the caller asks for")]
    pub const fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Uint(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

impl Value {
    /// A string.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// The object, if it is one.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::List(_) => None,
        }
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// The whole number, if it is one that is not negative.
    #[must_use]
    pub const fn as_whole(&self) -> Option<u64> {
        match self {
            Self::Number(Number::Int(value)) if *value >= 0 => Some(value.cast_unsigned()),
            Self::Number(Number::Uint(value)) => Some(*value),
            Self::Number(Number::Int(_) | Number::Float(_))
            | Self::Null
            | Self::Bool(_)
            | Self::Text(_)
            | Self::List(_)
            | Self::Object(_) => None,
        }
    }

    /// How many bytes it prints as.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let mut count = Count(0);
        // Counting refuses nothing.
        let _ = write!(count, "{self}");
        count.0
    }
}

/// The JSON of an object, on one line.
#[must_use]
pub fn print(object: &Object) -> String {
    let mut text = String::new();
    // A string takes everything.
    let _ = write_object(&mut text, object);
    text
}

struct Count(usize);

impl fmt::Write for Count {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Number(Number::Int(value)) => value.fmt(f),
            Self::Number(Number::Uint(value)) => value.fmt(f),
            // Debug prints the shortest text that reads back as the same number, and always as one that is not whole.
            Self::Number(Number::Float(value)) => write!(f, "{value:?}"),
            Self::Text(text) => write_text(f, text),
            Self::List(list) => {
                f.write_char('[')?;
                for (index, value) in list.iter().enumerate() {
                    if index > 0 {
                        f.write_char(',')?;
                    }
                    value.fmt(f)?;
                }
                f.write_char(']')
            }
            Self::Object(object) => write_object(f, object),
        }
    }
}

fn write_object(f: &mut impl fmt::Write, object: &Object) -> fmt::Result {
    f.write_char('{')?;
    for (index, (key, value)) in object.iter().enumerate() {
        if index > 0 {
            f.write_char(',')?;
        }
        write_text(f, key)?;
        write!(f, ":{value}")?;
    }
    f.write_char('}')
}

fn write_text(f: &mut impl fmt::Write, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if u32::from(c) < 0x20 => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(Number::Int(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::text(value)
    }
}

impl From<Object> for Value {
    fn from(value: Object) -> Self {
        Self::Object(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_json() {
        let list = Value::List([Value::Null, true.into(), (-1).into()].into());
        let object = Object::from([("b".into(), "\"\\\n\u{1}가".into()), ("a".into(), list)]);
        let text = r#"{"a":[null,true,-1],"b":"\"\\\n\u0001가"}"#;
        assert_eq!(Value::from(object.clone()).to_string(), text);
        assert_eq!(Value::from(object.clone()).bytes(), text.len());
        assert_eq!(print(&object), text);
        let float = |value| Value::Number(Number::float(value).unwrap()).to_string();
        assert_eq!(
            (float(1.0), float(1e300), float(-0.1)),
            ("1.0".into(), "1e300".into(), "-0.1".into())
        );
        assert_eq!(Number::float(f64::NAN), None);
        assert_eq!(
            Value::Number(Number::Uint(u64::MAX)).to_string(),
            u64::MAX.to_string()
        );
    }
}
