//! Counting deliveries in the bytes of messages without parsing them.
//!
//! Invariant: the content of each message holds `MARK` exactly once, behind a stamp of 19 digits, and nothing else
//! that a server sends holds it; so marks are deliveries, wherever the reads happen to cut.

/// The byte that ends a stamp. JSON does not escape it and Unicode normalisation leaves it alone.
pub(crate) const MARK: u8 = b'^';

/// Digits of a stamp: nanoseconds of the monotonic clock, filled with zeros.
pub(crate) const STAMP_DIGITS: usize = 19;

/// How often `byte` is in `bytes`.
pub(crate) fn count(bytes: &[u8], byte: u8) -> u64 {
    memchr::memchr_iter(byte, bytes).count() as u64
}

/// Writes `ns` over the stamp that starts at `at`.
pub(crate) fn write_stamp(frame: &mut [u8], at: usize, ns: u64) {
    let mut rest = ns;
    for digit in frame[at..at + STAMP_DIGITS].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// Calls `each` with every stamp that ends in `bytes` and gives the number of marks.
///
/// `tail` carries the end of one read to the next, so that a stamp cut in two is found too.
pub(crate) fn stamps(tail: &mut Vec<u8>, bytes: &[u8], mut each: impl FnMut(u64)) -> u64 {
    let mut marks = 0;
    for at in memchr::memchr_iter(MARK, bytes) {
        marks += 1;
        let here = &bytes[at.saturating_sub(STAMP_DIGITS)..at];
        let missing = STAMP_DIGITS - here.len();
        if missing <= tail.len() {
            let before = &tail[tail.len() - missing..];
            if let Some(ns) = number(before.iter().chain(here)) {
                each(ns);
            }
        }
    }
    if bytes.len() >= STAMP_DIGITS {
        tail.clear();
        tail.extend_from_slice(&bytes[bytes.len() - STAMP_DIGITS..]);
    } else {
        tail.extend_from_slice(bytes);
        tail.drain(..tail.len().saturating_sub(STAMP_DIGITS));
    }
    marks
}

fn number<'a>(digits: impl Iterator<Item = &'a u8>) -> Option<u64> {
    let mut value = 0u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(ns: u64) -> Vec<u8> {
        let mut line = b"{\"action\":\"NEW_MESSAGE\",\"content\":\"0000000000000000000^abc\"}\n".to_vec();
        let mark = memchr::memchr(MARK, &line).unwrap();
        write_stamp(&mut line, mark - STAMP_DIGITS, ns);
        line
    }

    #[test]
    fn stamps_are_found_at_every_cut() {
        let mut stream = line(1);
        stream.extend(b"{\"action\":\"USER_JOINED\"}\n");
        stream.extend(line(1_234_567_890_123_456_789));
        for first in 0..stream.len() {
            for second in first..stream.len() {
                let (mut tail, mut seen, mut marks) = (Vec::new(), Vec::new(), 0);
                for part in [&stream[..first], &stream[first..second], &stream[second..]] {
                    marks += stamps(&mut tail, part, |ns| seen.push(ns));
                }
                assert_eq!(
                    seen,
                    [1, 1_234_567_890_123_456_789],
                    "cut at {first} and {second}"
                );
                assert_eq!(marks, 2);
                assert!(tail.len() <= STAMP_DIGITS);
            }
        }
    }

    #[test]
    fn a_mark_without_a_stamp_counts_but_gives_no_time() {
        let mut tail = Vec::new();
        let marks = stamps(&mut tail, b"^ no digits here at all ^", |_| {
            panic!("there is no stamp")
        });
        assert_eq!(marks, 2);
    }

    #[test]
    fn lines_are_counted_by_their_ends() {
        assert_eq!(count(b"{}\n{}\n{", b'\n'), 2);
        assert_eq!(count(b"", b'\n'), 0);
    }
}
