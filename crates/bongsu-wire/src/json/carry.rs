//! JSON that is carried unread: made fit for one line and for every reader.
//!
//! Invariant: what is carried holds no white space outside strings, no half surrogate and no number beyond what
//! a reader with doubles can hold, so that whoever gets it can parse it.

use bongsu_model::RawJson;
use bytes::Bytes;
use memchr::memchr2;

/// Makes one JSON value that a parser has accepted fit to be carried: without white space outside strings. `None` if
/// it holds half a surrogate pair or a number that no double can hold, on which other readers choke.
#[must_use]
pub fn carry(raw: &str) -> Option<RawJson> {
    let bytes = raw.as_bytes();
    let mut kept = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let end = match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            b'"' => string_end(bytes, at + 1)?,
            b'-' | b'0'..=b'9' => number_end(raw, at)?,
            _ => at + 1,
        };
        kept.extend_from_slice(&bytes[at..end]);
        at = end;
    }
    kept.shrink_to_fit();
    Some(RawJson::from_validated(Bytes::from(kept)))
}

/// How deep objects and arrays of a JSON text nest; 0 for a value that is neither. Linear, without recursion, and
/// without harm on text that is not JSON.
#[must_use]
pub fn depth(raw: &str) -> usize {
    let mut deepest = 0;
    each_opening(raw, |depth, _| {
        deepest = deepest.max(depth);
        true
    });
    deepest
}

/// The index of the first brace or bracket of a JSON text that opens more than `max` levels; as [`depth`] has them.
pub(crate) fn deeper_than(raw: &str, max: usize) -> Option<usize> {
    let mut found = None;
    each_opening(raw, |depth, at| {
        found = (depth > max).then_some(at);
        found.is_none()
    });
    found
}

/// Tells of each brace and bracket that opens a level: which level, and its index. Goes on while it is told to.
fn each_opening(raw: &str, mut goes_on: impl FnMut(usize, usize) -> bool) {
    let bytes = raw.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = past_string(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                if !goes_on(depth, at - 1) {
                    return;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
}

/// The index after a string's closing quote, or the text's end if that comes first.
fn past_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(ahead) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += ahead + 1;
        if bytes[at - 1] == b'"' {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

/// The index after a string's closing quote, if each surrogate in it has its other half.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        if bytes.get(at + 1) != Some(&b'u') {
            at += 2;
            continue;
        }
        match unit(bytes, at)? {
            0xD800..=0xDBFF => match unit(bytes, at + 6) {
                Some(0xDC00..=0xDFFF) => at += 12,
                Some(_) | None => return None,
            },
            0xDC00..=0xDFFF => return None,
            _ => at += 6,
        }
    }
}

/// The UTF-16 unit of a `\uXXXX` that begins here.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let escape = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(escape).ok()?, 16).ok()
}

/// The index after a number, if a double can hold it.
fn number_end(raw: &str, at: usize) -> Option<usize> {
    let rest = &raw[at..];
    let len = rest
        .bytes()
        .take_while(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
        .count();
    let number = &rest[..len];
    // Without an exponent a double overflows at 309 digits, far beyond what is short.
    let finite = (len < 100 && !number.contains(['e', 'E'])) || number.parse::<f64>().ok()?.is_finite();
    finite.then_some(at + len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_what_is_open_at_once() {
        for (text, levels) in [
            ("1", 0),
            ("{}", 1),
            ("[[],{\"a\":[]}]", 3),
            (r#"{"a":"[[\"[[","b":[]}"#, 2),
            ("]]]]", 0),
            ("]][[", 2),
            ("\"[[", 0),
            ("[\"\\", 1),
            ("\"", 0),
        ] {
            assert_eq!(depth(text), levels, "{text}");
            for max in 0..4 {
                assert_eq!(deeper_than(text, max).is_some(), levels > max, "{text}");
            }
        }
        assert_eq!(deeper_than("[[],{\"a\":[]}]", 2), Some(9));
    }
}
