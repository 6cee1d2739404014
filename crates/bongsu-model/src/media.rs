//! What participants of a call say about themselves and to each other.

use std::sync::Arc;

use crate::{Person, RawJson};

/// Which of its media a participant sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MediaStatus {
    /// Its microphone is on.
    pub audio_enabled: bool,
    /// Its camera is on.
    pub video_enabled: bool,
    /// It shares its screen; absent where the client did not say.
    pub screen_sharing: Option<bool>,
}

/// What is relayed between two participants, unread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Signal {
    /// A session description that offers; the `sdp` object.
    Offer(RawJson),
    /// A session description that answers; the `sdp` object.
    Answer(RawJson),
    /// An ICE candidate: the `candidate` object, or JSON `null` after the last.
    Candidate(RawJson),
}

impl Signal {
    /// The relayed JSON.
    #[must_use]
    pub fn payload(&self) -> &RawJson {
        match self {
            Self::Offer(json) | Self::Answer(json) | Self::Candidate(json) => json,
        }
    }
}

/// One who is in a call, as told to those who join.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Participant {
    /// Who.
    pub user: Arc<Person>,
    /// What it sends.
    pub media: MediaStatus,
}

/// One STUN or TURN server, with credentials for this user where it needs them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IceServer {
    /// `stun:` and `turn:` addresses.
    pub urls: Vec<Arc<str>>,
    /// `expiry:user` as the REST API for TURN has it.
    pub username: Option<Arc<str>>,
    /// Base64 of the HMAC-SHA1 of `username` under the shared secret.
    pub credential: Option<Arc<str>>,
}

/// Why a participant left a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeaveReason {
    /// It asked to.
    Left,
    /// Its place moved to another session of the same user: told to the session that it moved from.
    Moved,
    /// Its connection dropped and its grace time passed.
    Disconnected,
    /// It was removed from the room or cut off by an operator.
    Removed,
}

impl LeaveReason {
    /// The name on every wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Moved => "moved",
            Self::Disconnected => "disconnected",
            Self::Removed => "removed",
        }
    }
}

/// Why a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndReason {
    /// The host ended it.
    EndedByHost,
    /// The last participant left.
    Empty,
    /// An operator ended it.
    EndedByOperator,
}

impl EndReason {
    /// The name on every wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EndedByHost => "ended_by_host",
            Self::Empty => "empty",
            Self::EndedByOperator => "ended_by_operator",
        }
    }
}
