//! The topics that protocols have in common: what they are called, and what they are about.
//!
//! Invariant: what has one name means one thing in every protocol; only its messages differ.

use super::{Message, Topic};

impl Topic {
    /// Signing in, staying signed in, and the end.
    #[must_use]
    pub const fn session(messages: &'static [Message]) -> Self {
        Self {
            name: "session",
            doc: "Signing in, staying signed in, and the end.",
            messages,
        }
    }

    /// Membership in rooms, and who is in them.
    #[must_use]
    pub const fn rooms(messages: &'static [Message]) -> Self {
        Self {
            name: "rooms",
            doc: "Membership in rooms, and who is in them.",
            messages,
        }
    }

    /// What members write, and how far they have read.
    #[must_use]
    pub const fn messages(messages: &'static [Message]) -> Self {
        Self {
            name: "messages",
            doc: "What members write, and how far they have read.",
            messages,
        }
    }

    /// Video rooms: making, joining and leaving them, and signalling between their participants.
    #[must_use]
    pub const fn calls(messages: &'static [Message]) -> Self {
        Self {
            name: "calls",
            doc: "Video rooms: making, joining and leaving them, and signalling between their participants.",
            messages,
        }
    }

    /// Presence, and whom one does not want to hear.
    #[must_use]
    pub const fn people(messages: &'static [Message]) -> Self {
        Self {
            name: "people",
            doc: "Presence, and whom one does not want to hear.",
            messages,
        }
    }

    /// What applications tell each other; relayed, and kept nowhere.
    #[must_use]
    pub const fn applications(messages: &'static [Message]) -> Self {
        Self {
            name: "applications",
            doc: "What applications tell each other; relayed, and kept nowhere.",
            messages,
        }
    }
}
