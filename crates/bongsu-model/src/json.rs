//! A piece of JSON that is carried unread.

use bytes::Bytes;

/// One complete JSON value as its UTF-8 text, validated once where it came in and emitted as it is.
///
/// Invariant: only a decoder that has parsed the text may build one; it never holds a raw newline,
/// so that it can stand in a line-framed protocol.
#[derive(Clone, PartialEq, Eq)]
pub struct RawJson(Bytes);

impl RawJson {
    /// Wraps text that the caller has parsed as exactly one JSON value and that holds no raw newline.
    #[must_use]
    pub fn from_validated(text: Bytes) -> Self {
        debug_assert!(std::str::from_utf8(&text).is_ok() && !text.contains(&b'\n'));
        Self(text)
    }

    /// The text, UTF-8.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("validated by the decoder that built it")
    }
}

impl std::fmt::Debug for RawJson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawJson({} bytes)", self.0.len())
    }
}
