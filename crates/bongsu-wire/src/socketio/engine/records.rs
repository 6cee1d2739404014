//! The records of version 3: `<length>:<packet>` in text, and their form in bytes.
//!
//! Invariant: a length is believed only if so much is there; nothing is reserved because of one.

use super::Violation;

/// Longer than any limit can be; keeps the arithmetic far from its end.
const DIGITS_MAX: usize = 13;

/// What ends the digits of a length among bytes.
pub(super) const END_OF_LENGTH: u8 = 0xff;
/// What a record of text begins with.
pub(super) const TEXT: u8 = 0;
/// What a record of bytes begins with.
pub(super) const BINARY: u8 = 1;

/// A record among bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Octets<'a> {
    /// Text, which is not known to be UTF-8.
    Text(&'a [u8]),
    /// Bytes, the packet's type first.
    Binary(&'a [u8]),
}

/// The first record of a text, without its length, and what follows it. Lengths are in UTF-16 units.
pub(super) fn split(text: &str) -> Result<(&str, &str), Violation> {
    let head = &text.as_bytes()[..text.len().min(DIGITS_MAX + 1)];
    let digits = memchr::memchr(b':', head).ok_or(Violation::NotALength)?;
    let length = length(&head[..digits], b'0')?;
    let rest = &text[digits + 1..];
    let end = end_of(rest, length).ok_or(Violation::LengthLies)?;
    Ok(rest.split_at(end))
}

/// The index after so many UTF-16 units, if a character ends there.
fn end_of(text: &str, units: usize) -> Option<usize> {
    // A unit is at least a byte.
    if text.as_bytes().get(..units)?.is_ascii() {
        return Some(units);
    }
    let (mut seen, mut end) = (0, 0);
    for character in text.chars() {
        if seen >= units {
            break;
        }
        seen += character.len_utf16();
        end += character.len_utf8();
    }
    (seen == units).then_some(end)
}

/// The first record among bytes, and what follows it.
pub(super) fn split_octets(bytes: &[u8]) -> Result<(Octets<'_>, &[u8]), Violation> {
    let (&kind, rest) = bytes.split_first().ok_or(Violation::Empty)?;
    if kind != TEXT && kind != BINARY {
        return Err(Violation::NotARecord);
    }
    let head = &rest[..rest.len().min(DIGITS_MAX + 1)];
    let digits = memchr::memchr(END_OF_LENGTH, head).ok_or(Violation::NotALength)?;
    let length = length(&head[..digits], 0)?;
    let (record, after) = rest[digits + 1..]
        .split_at_checked(length)
        .ok_or(Violation::LengthLies)?;
    let record = match kind {
        TEXT => Octets::Text(record),
        _ => Octets::Binary(record),
    };
    Ok((record, after))
}

/// A decimal number whose digits begin at `zero`, as short as it can be.
fn length(digits: &[u8], zero: u8) -> Result<usize, Violation> {
    if digits.is_empty() || digits.len() > DIGITS_MAX || (digits.len() > 1 && digits[0] == zero) {
        return Err(Violation::NotALength);
    }
    let mut length = 0_u64;
    for &digit in digits {
        let digit = digit
            .checked_sub(zero)
            .filter(|it| *it < 10)
            .ok_or(Violation::NotALength)?;
        length = length * 10 + u64::from(digit);
    }
    usize::try_from(length).map_err(|_| Violation::LengthLies)
}

/// The characters as bytes of Latin-1; `None` if there is one that it does not have.
pub(super) fn latin_1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|it| u8::try_from(u32::from(it)).ok()).collect()
}
