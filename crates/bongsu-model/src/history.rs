//! Pages of a room's history and the places from which a client goes on.

use std::sync::Arc;

use crate::{Epoch, Message, RoomId, RoomRef, Seq};

/// Which part of a room's history is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageFrom {
    /// The oldest messages after this one, ascending.
    After(Seq),
    /// The newest messages before this one, ascending.
    Before(Seq),
    /// The newest messages of all, ascending.
    Latest,
}

/// A page of one room's history, ascending by `seq`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryPage {
    /// The room.
    pub room: RoomId,
    /// Its unique name, if it has one.
    pub room_name: Option<Arc<str>>,
    /// Ascending by `seq`.
    pub messages: Vec<Arc<Message>>,
    /// Whether there is more in the direction asked for.
    pub has_more: bool,
    /// The history that the page belongs to.
    pub epoch: Epoch,
    /// The room's last message at the time of reading.
    pub head: Seq,
}

/// The last message that a client has of a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResumePoint {
    /// The room.
    pub room: RoomRef,
    /// The last message the client has; 0 for none.
    pub seq: Seq,
    /// The history that `seq` belongs to; `None` if what the client has is no tag of any history.
    pub epoch: Option<Epoch>,
}
