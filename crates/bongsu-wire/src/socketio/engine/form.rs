//! The form that a page posts which polls by scripts: one field `d`, percent-encoded, its newlines protected.
//!
//! Invariant: decoding makes it shorter, never longer; what is over the limit is refused.

use super::Violation;

/// The payload in this form.
pub(super) fn payload(body: &[u8], bytes_max: usize) -> Result<String, Violation> {
    let mut found = None;
    for field in body.split(|byte| *byte == b'&') {
        if let Some(value) = field.strip_prefix(b"d=")
            && found.replace(value).is_some()
        {
            return Err(Violation::NotAForm);
        }
    }
    let plain = percent_decoded(found.ok_or(Violation::NotAForm)?)?;
    let payload = newlines_restored(&plain);
    if payload.len() > bytes_max {
        return Err(Violation::TooLarge);
    }
    String::from_utf8(payload).map_err(|_| Violation::NotUtf8)
}

fn percent_decoded(field: &[u8]) -> Result<Vec<u8>, Violation> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        plain.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (&[high, low], after) = rest.split_first_chunk().ok_or(Violation::NotAForm)?;
                rest = after;
                hex(high)? << 4 | hex(low)?
            }
            byte => byte,
        });
    }
    Ok(plain)
}

fn hex(digit: u8) -> Result<u8, Violation> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(Violation::NotAForm),
    }
}

/// Undoes what the client does because browsers change newlines in forms: it writes a newline as a backslash and `n`,
/// and puts one more backslash before every backslash and `n` that was there.
fn newlines_restored(protected: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(protected.len());
    let mut rest = protected;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        plain.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let run = rest.iter().take_while(|byte| **byte == b'\\').count();
        match (run, rest.get(run)) {
            (1, Some(b'n')) => plain.push(b'\n'),
            (run, Some(b'n')) => {
                plain.extend_from_slice(&rest[1..run]);
                plain.push(b'n');
            }
            (run, Some(_) | None) => {
                plain.extend_from_slice(&rest[..run]);
                rest = &rest[run..];
                continue;
            }
        }
        rest = &rest[run + 1..];
    }
    plain.extend_from_slice(rest);
    plain
}
