//! The little DER that names and dates in certificates need. Invariant: a reader never looks past its input.

use crate::der::{element, take};

const UTF8_STRING: u8 = 0x0c;
const OBJECT_ID: u8 = 0x06;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// The attributes of names that have a short word of their own (RFC 4514).
const WORDS: [(&[u8], &str); 6] = [
    (COMMON_NAME, "CN"),
    (&[0x55, 0x04, 0x06], "C"),
    (&[0x55, 0x04, 0x07], "L"),
    (&[0x55, 0x04, 0x08], "ST"),
    (&[0x55, 0x04, 0x0a], "O"),
    (&[0x55, 0x04, 0x0b], "OU"),
];

/// The attributes of a name, given without the tag and length around it: the number of each and its text.
fn attributes(mut name: &[u8]) -> Vec<(&[u8], String)> {
    let mut found = Vec::new();
    while let Some((mut set, rest)) = take(name, SET) {
        while let Some((attribute, others)) = take(set, SEQUENCE) {
            if let Some((id, value)) = take(attribute, OBJECT_ID)
                && let Some((tag, text, _)) = element(value)
            {
                found.extend(said(tag, text).map(|text| (id, text)));
            }
            set = others;
        }
        name = rest;
    }
    found
}

fn said(tag: u8, text: &[u8]) -> Option<String> {
    match tag {
        UTF8_STRING | PRINTABLE_STRING | IA5_STRING => String::from_utf8(text.to_vec()).ok(),
        TELETEX_STRING => text
            .is_ascii()
            .then(|| String::from_utf8_lossy(text).into_owned()),
        _ => None,
    }
}

/// The last common name in a name, as the most specific one.
pub(super) fn common_name(name: &[u8]) -> Option<String> {
    let named = attributes(name).into_iter().rev();
    named
        .filter(|(id, _)| *id == COMMON_NAME)
        .map(|(_, text)| text)
        .next()
}

/// A name for people: `CN=…, O=…`, the most specific part first. Control characters are replaced, so that it fits a log.
pub(super) fn readable(name: &[u8]) -> String {
    let parts = attributes(name).into_iter().rev().map(|(id, text)| {
        let word = WORDS
            .iter()
            .find(|(known, _)| *known == id)
            .map_or("?", |(_, word)| word);
        let plain: String = text
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect();
        format!("{word}={plain}")
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// A point in time as seconds since 1970, from the content of a `UTCTime` or `GeneralizedTime` as RFC 5280 has them.
pub(super) fn seconds(tag: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let year: i64 = text.get(..2)?.parse().ok()?;
            (
                if year < 50 { 2_000 + year } else { 1_900 + year },
                text.get(2..)?,
            )
        }
        GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    if rest.len() != 10 || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let two = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
    let (month, day) = (two(0)?, two(2)?);
    let (hour, minute, second) = (two(4)?, two(6)?, two(8)?);
    // Days of the civil calendar, years counted from March so that a leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let era_year = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = era_year * 365 + era_year / 4 - era_year / 100 + day_of_year;
    let days = year.div_euclid(400) * 146_097 + day_of_era - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let utc = |text: &str| seconds(UTC_TIME, text.as_bytes());
        assert_eq!(utc("700101000000Z"), Some(0));
        assert_eq!(utc("000229120000Z"), Some(951_825_600));
        assert_eq!(utc("491231235959Z"), Some(2_524_607_999));
        assert_eq!(seconds(GENERALIZED_TIME, b"20500101000000Z"), Some(2_524_608_000));
        for bad in ["", "Z", "7001010000Z", "700101000000", "7001010000é0Z"] {
            assert_eq!(utc(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_is_cut_off_is_no_element() {
        let whole = [0x30, 0x03, 0x02, 0x01, 0x07];
        assert_eq!(element(&whole), Some((0x30, &whole[2..], &[][..])));
        for length in 0..whole.len() {
            assert_eq!(element(&whole[..length]), None, "{length}");
        }
        assert_eq!(element(&[0x30, 0x80, 0, 0]), None, "of no stated length");
        assert_eq!(
            element(&[0x30, 0x84, 0, 0, 0, 1, 0]),
            None,
            "larger than any of ours"
        );
    }
}
