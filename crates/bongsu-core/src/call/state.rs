//! One call and those who are in it.

use std::sync::Arc;

use bongsu_model::media::{MediaStatus, Participant};
use bongsu_model::{Audience, CallId, NamedRoom, Person, RoomId, SessionId, Timestamp, UserId};

/// Where a participant hears the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// On this session.
    On(SessionId),
    /// Nowhere: its session ended, and its place is kept until then.
    Kept(Timestamp),
}

/// One who is in a call.
#[derive(Clone, Debug)]
pub struct Peer {
    pub(super) user: Arc<Person>,
    pub(super) media: MediaStatus,
    pub(super) joined_at: Timestamp,
    pub(super) place: Place,
}

impl Peer {
    /// The user.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user.id
    }

    /// Its name for people.
    #[must_use]
    pub fn nickname(&self) -> &Arc<str> {
        &self.user.nickname
    }

    /// What it sends.
    #[must_use]
    pub const fn media(&self) -> MediaStatus {
        self.media
    }

    /// When it joined.
    #[must_use]
    pub const fn joined_at(&self) -> Timestamp {
        self.joined_at
    }

    /// Who hears what it is told: its user's session, if there is one now.
    pub(super) fn hears(&self) -> Option<(UserId, SessionId)> {
        Some((self.user.id, self.session()?))
    }

    /// Its session; `None` while its place is only kept.
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        match self.place {
            Place::On(session) => Some(session),
            Place::Kept(_) => None,
        }
    }

    /// As told to those who join.
    #[must_use]
    pub fn participant(&self) -> Participant {
        Participant {
            user: Arc::clone(&self.user),
            media: self.media,
        }
    }
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    pub(super) id: CallId,
    pub(super) room: NamedRoom,
    pub(super) name: Arc<str>,
    pub(super) host: Arc<Person>,
    pub(super) max_participants: u32,
    pub(super) created_at: Timestamp,
    /// In the order they joined; few, so that looking for one is looking at all.
    pub(super) peers: Vec<Peer>,
}

impl Call {
    /// Its number.
    #[must_use]
    pub const fn id(&self) -> CallId {
        self.id
    }

    /// The room whose members may join.
    #[must_use]
    pub const fn room(&self) -> RoomId {
        self.room.id
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Who may end it.
    #[must_use]
    pub fn host(&self) -> UserId {
        self.host.id
    }

    /// How many may be in it.
    #[must_use]
    pub const fn max_participants(&self) -> u32 {
        self.max_participants
    }

    /// When it was made.
    #[must_use]
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Who is in it, in the order they joined.
    #[must_use]
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// The place of a user in [`Self::peers`].
    pub(super) fn place_of(&self, user: UserId) -> Option<usize> {
        self.peers.iter().position(|peer| peer.user.id == user)
    }

    /// How many are in it, kept places included.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.peers.len()).expect("a call never has more than max_participants, a u32")
    }

    /// Every live session in it and `besides`; `None` if that is nobody.
    pub(super) fn audience(&self, besides: Option<(UserId, SessionId)>) -> Option<Audience> {
        audience(self.peers.iter().filter_map(Peer::hears).chain(besides))
    }

    /// Every live session in it but a user's own; `None` if that is nobody.
    pub(super) fn others(&self, user: UserId) -> Option<Audience> {
        audience(
            self.peers
                .iter()
                .filter(|peer| peer.user.id != user)
                .filter_map(Peer::hears),
        )
    }
}

fn audience(sessions: impl Iterator<Item = (UserId, SessionId)>) -> Option<Audience> {
    let sessions: Arc<[(UserId, SessionId)]> = sessions.collect();
    (!sessions.is_empty()).then_some(Audience::Sessions(sessions))
}
