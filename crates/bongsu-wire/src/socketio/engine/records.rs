//! The records of version 3: `<length>:<packet>` in text, and their form in bytes.
//!
//! Invariant: a length is believed only if so much is there; nothing is reserved because of one.

use std::borrow::Cow;

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
    let bytes = text.as_bytes();
    // A unit is at least a byte.
    if bytes.get(..units)?.is_ascii() {
        return Some(units);
    }
    let (mut seen, mut at) = (0, 0);
    // Perf: `decode_v3_korean`; whole chunks are counted without looking at characters.
    for chunk in bytes.chunks_exact(32) {
        let more = seen + units_of(chunk);
        if more > units {
            break;
        }
        (seen, at) = (more, at + chunk.len());
    }
    while let Some(&byte) = bytes.get(at) {
        let of_it = units_of(&[byte]);
        if of_it > 0 && seen >= units {
            break;
        }
        (seen, at) = (seen + of_it, at + 1);
    }
    (seen == units).then_some(at)
}

/// The UTF-16 units of the characters that begin among these bytes of UTF-8.
pub(super) fn units_of(utf8: &[u8]) -> usize {
    // Every byte but those that continue a character begins one, and those from 0xf0 on begin a pair of surrogates.
    let begins = |byte: u8| u8::from(byte & 0xc0 != 0x80) + u8::from(byte >= 0xf0);
    // Sums of at most 32 fit a byte, which lets a compiler add many at once.
    let chunk = |bytes: &[u8]| usize::from(bytes.iter().fold(0_u8, |sum, byte| sum + begins(*byte)));
    utf8.chunks(32).map(chunk).sum()
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
    // From here on, what begins a character begins one beyond it.
    if text.bytes().any(|byte| byte >= 0xc4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        bytes.push(u8::try_from(u32::from(character)).ok()?);
    }
    Some(bytes)
}

/// A text as clients encode it themselves: UTF-8, in which those of Socket.IO 1 also write half a surrogate pair, which
/// becomes a replacement character. `None` for anything else.
pub(super) fn text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(Cow::Borrowed(text));
    }
    let mut mended = bytes.to_vec();
    for at in memchr::memchr_iter(0xed, bytes) {
        if let [_, 0xa0..=0xbf, 0x80..=0xbf] = bytes.get(at..at + 3)? {
            mended[at..at + 3].copy_from_slice("\u{fffd}".as_bytes());
        }
    }
    String::from_utf8(mended).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_counted_as_by_utf_16() {
        let text = "a é 가 \u{ffff} 😀 \u{10ffff} ".repeat(9);
        let mut units = 0;
        for (at, character) in text.char_indices() {
            assert_eq!(units_of(&text.as_bytes()[..at]), units, "{at}");
            assert_eq!(end_of(&text, units), Some(at));
            units += character.len_utf16();
            if character.len_utf16() == 2 {
                assert_eq!(end_of(&text, units - 1), None, "inside a character");
            }
        }
        assert_eq!(end_of(&text, units), Some(text.len()));
        assert_eq!(end_of(&text, units + 1), None);
        assert_eq!(end_of(&text, usize::MAX), None);
    }

    #[test]
    fn latin_1_ends_at_ff() {
        assert_eq!(latin_1("a\u{80}\u{ff}"), Some(vec![b'a', 0x80, 0xff]));
        for beyond in ["\u{100}", "a\u{17f}", "가", "😀"] {
            assert_eq!(latin_1(beyond), None, "{beyond}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_replaced() {
        for (bytes, wanted) in [
            (&b"4\xed\x9f\xbf"[..], Some("4\u{d7ff}")),
            (b"4\xed\xa0\x80a", Some("4\u{fffd}a")),
            (b"\xed\xbf\xbf\xed\xaf\xbf", Some("\u{fffd}\u{fffd}")),
            ("가\u{d55c}😀".as_bytes(), Some("가\u{d55c}😀")),
            (b"4\xed", None),
            (b"4\xed\xa0", None),
            (b"4\xed\xa0a", None),
            (b"4\xed\xa0\x80\xff", None),
            (b"4\xc0\x80", None),
        ] {
            assert_eq!(text(bytes).as_deref(), wanted, "{bytes:x?}");
        }
    }
}
