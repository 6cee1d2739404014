//! Bytes that must not be seen. Invariant: neither `Debug` nor any error shows them.

use std::fmt;

/// Bytes that must not be seen.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Takes the bytes in.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into().into_boxed_slice())
    }

    /// The content of a secret file: its bytes without one line end at the end.
    #[must_use]
    pub fn of_file(mut bytes: Vec<u8>) -> Self {
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        Self::new(bytes)
    }

    /// The bytes, for those who compute with them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new(*b"hunter2")), "Secret(…)");
    }

    #[test]
    fn one_line_end_is_not_part_of_a_file_secret() {
        assert_eq!(Secret::of_file(b"a\r\n".to_vec()).expose(), b"a");
        assert_eq!(Secret::of_file(b"a\n\n".to_vec()).expose(), b"a\n");
    }
}
