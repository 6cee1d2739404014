//! Values as the clients of displays write them: numbers with a point or in quotes, names that are numbers, `null` for
//! nothing.
//!
//! Invariant: what is taken means one thing only; what could mean two is refused, and names its field.

use std::borrow::Cow;
use std::sync::Arc;

use bongsu_model::display::PresetId;
use bongsu_model::{Refusal, Want};

use crate::json::field::{Field, Given};

/// Up to here every whole number is one of a double, too.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// A string of so many bytes; a number or a boolean is its own text.
pub(super) fn text(given: Given<'_>, min: usize, max: usize) -> Result<Arc<str>, Refusal> {
    let text = match given.raw.as_bytes().first() {
        Some(b'-' | b'0'..=b'9' | b't' | b'f') => Cow::Borrowed(given.raw),
        Some(_) | None => given.text()?,
    };
    if (min..=max).contains(&text.len()) {
        Ok(text.into())
    } else {
        Err(given.wants(Want::TextOf(min, max)))
    }
}

/// A whole number: `456`, `456.0` or `"456"`.
pub(super) fn integer(given: Given<'_>) -> Result<i64, Refusal> {
    let digits = unquoted(given)?;
    if let Ok(number) = digits.parse() {
        return Ok(number);
    }
    let number = double(&digits).filter(|it| it.fract() == 0.0 && it.abs() <= EXACT_MAX);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is whole, and a double holds it exactly"
    )]
    number.map(|it| it as i64).ok_or(given.wants(Want::Integer))
}

/// A whole number from 0.
pub(super) fn count(given: Given<'_>) -> Result<u64, Refusal> {
    u64::try_from(integer(given)?).map_err(|_| given.wants(Want::Between(0, i64::MAX)))
}

/// A length of time in seconds, as milliseconds. By a clock that was set back it is less than nothing, which is nothing.
pub(super) fn seconds(given: Given<'_>) -> Result<u64, Refusal> {
    let seconds = double(&unquoted(given)?).ok_or(given.wants(Want::Other))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is too long is the longest there is"
    )]
    Ok((seconds * 1_000.0).round().max(0.0) as u64)
}

/// Of which preset something is; nothing for none.
pub(super) fn preset(field: Field<'_>) -> Result<Option<PresetId>, Refusal> {
    Ok(field.optional(integer)?.map(PresetId))
}

fn unquoted(given: Given<'_>) -> Result<Cow<'_, str>, Refusal> {
    if !given.raw.starts_with('"') {
        return Ok(Cow::Borrowed(given.raw));
    }
    Ok(match given.text()? {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    })
}

fn double(digits: &str) -> Option<f64> {
    digits.parse::<f64>().ok().filter(|it| it.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(raw: &str) -> Given<'_> {
        Given { name: "it", raw }
    }

    #[test]
    fn a_whole_number_is_taken_however_it_is_written() {
        for raw in ["456", "456.0", "4.56e2", r#""456""#, r#"" 456.0 ""#] {
            assert_eq!(integer(given(raw)), Ok(456), "{raw}");
        }
        assert_eq!(integer(given("-9223372036854775808")), Ok(i64::MIN));
        for raw in [
            "456.5",
            "\"\"",
            "\"x\"",
            "\"inf\"",
            "\"NaN\"",
            "9223372036854775808",
            "[]",
            "true",
        ] {
            assert_eq!(integer(given(raw)), Err(given(raw).wants(Want::Integer)), "{raw}");
        }
        assert_eq!(
            count(given("-1")),
            Err(given("").wants(Want::Between(0, i64::MAX)))
        );
    }

    #[test]
    fn a_time_is_taken_as_far_as_it_goes() {
        for (raw, ms) in [
            ("1.2345", 1_235),
            ("\"2\"", 2_000),
            ("-0.5", 0),
            ("1e300", u64::MAX),
        ] {
            assert_eq!(seconds(given(raw)), Ok(ms), "{raw}");
        }
        for raw in ["\"inf\"", "{}", "true"] {
            assert!(seconds(given(raw)).is_err(), "{raw}");
        }
    }

    #[test]
    fn a_name_may_be_a_number() {
        for (raw, is) in [
            ("7", "7"),
            ("2.0", "2.0"),
            ("true", "true"),
            (r#""\uac00""#, "가"),
        ] {
            assert_eq!(text(given(raw), 0, 8).as_deref(), Ok(is));
        }
        for raw in ["{}", "[]", r#""123456789""#, r#""\ud800""#] {
            assert!(text(given(raw), 0, 8).is_err(), "{raw}");
        }
    }
}
