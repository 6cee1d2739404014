//! Rooms and users as clients are told of them: with the names that some wires show instead of numbers.
//!
//! Invariant: what is told of once never changes; who has another name later is told of anew.

use std::fmt;
use std::sync::Arc;

use crate::{RoomId, RoomRef, UserId, UserRef};

/// A room as clients are told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedRoom {
    /// For ever.
    pub id: RoomId,
    /// Its unique name, if it has one.
    pub name: Option<Arc<str>>,
}

impl NamedRoom {
    /// A room and its name, if it has one.
    #[must_use]
    pub const fn new(id: RoomId, name: Option<Arc<str>>) -> Self {
        Self { id, name }
    }

    /// Whether a reference that is no secret means this room.
    #[must_use]
    pub fn is(&self, room: &RoomRef) -> bool {
        match room {
            RoomRef::Id(id) => *id == self.id,
            RoomRef::Name(name) => self.name.as_ref() == Some(name),
            RoomRef::Token(_) => false,
        }
    }
}

/// The name, or the number of a room that has none.
impl fmt::Display for NamedRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => self.id.fmt(f),
        }
    }
}

/// A user as other clients are told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// For ever.
    pub id: UserId,
    /// Unique; the decimal id unless one was given.
    pub handle: Arc<str>,
    /// Its name for people.
    pub nickname: Arc<str>,
}

impl Person {
    /// A user whose handle is its number, as it is unless another was given.
    #[must_use]
    pub fn numbered(id: UserId, nickname: &str) -> Arc<Self> {
        Arc::new(Self {
            id,
            handle: id.to_string().into(),
            nickname: nickname.into(),
        })
    }

    /// Whether a reference means this user.
    #[must_use]
    pub fn is(&self, user: &UserRef) -> bool {
        match user {
            UserRef::Id(id) => *id == self.id,
            UserRef::Handle(handle) => *handle == self.handle,
        }
    }
}
