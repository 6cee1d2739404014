//! Elements of DER: what certificates and keys are read with.
//!
//! Invariant: a reader never looks past its input.

/// One element: its tag, its content, and what is behind it.
pub(crate) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, der) = der.split_first()?;
    let (&first, mut der) = der.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let count = usize::from(first & 0x7f);
        if !(1..=3).contains(&count) {
            return None;
        }
        let (digits, after) = der.split_at_checked(count)?;
        length = digits.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        der = after;
    }
    let (content, rest) = der.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// The content of an element of this tag, and what is behind it.
pub(crate) fn take(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(der)?;
    (found == tag).then_some((content, rest))
}
