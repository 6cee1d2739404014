//! The language of what the command line says about what it found.

use crate::client::locale;

/// One of the languages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tongue {
    English,
    Korean,
}

impl Tongue {
    /// The language of LANG, or else English.
    pub(super) fn own() -> Self {
        match locale() {
            Some("ko") => Self::Korean,
            Some(_) | None => Self::English,
        }
    }

    /// One of two texts.
    pub(super) fn say(self, english: String, korean: String) -> String {
        match self {
            Self::English => english,
            Self::Korean => korean,
        }
    }
}
