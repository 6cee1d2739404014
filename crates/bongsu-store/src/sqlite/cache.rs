//! What the writer remembers of hot rooms and senders, so that an append reads nothing.
//!
//! Invariant: what is remembered equals what the open transaction would read. A rolled-back transaction drops it all.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use bongsu_model::records::{MemberRole, RoomKind};
use bongsu_model::{Epoch, MembersVersion, RoomId, RoomRef, RoomToken, Sender, UserId};

/// Rooms, senders and members remembered before the older half may go.
const ENTRIES_MAX: usize = 16_384;

/// A room as an append needs it.
pub(super) struct HotRoom {
    pub(super) slot: i64,
    pub(super) id: RoomId,
    pub(super) name: Option<Arc<str>>,
    pub(super) token: RoomToken,
    pub(super) kind: RoomKind,
    pub(super) epoch: Epoch,
    pub(super) version: MembersVersion,
    /// The last message, committed or in this batch.
    pub(super) seq: u64,
    /// Who was looked up: its role, or that it is no member.
    pub(super) roles: HashMap<UserId, Option<MemberRole>>,
    /// The members of a direct room, once looked up.
    pub(super) pair: Option<Vec<UserId>>,
}

/// A map of two generations: what was not used while a whole generation filled is forgotten.
pub(super) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq + Clone, V> Recent<K, V> {
    fn new() -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<&mut V> {
        if !self.old.is_empty()
            && let Some((key, value)) = self.old.remove_entry(key)
        {
            self.young.insert(key, value);
        }
        self.young.get_mut(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) -> &mut V {
        self.old.remove(&key);
        self.young.entry(key).insert_entry(value).into_mut()
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    fn age(&mut self) {
        if self.young.len() >= ENTRIES_MAX {
            self.old = std::mem::take(&mut self.young);
        }
    }
}

pub(super) struct Cache {
    pub(super) rooms: Recent<RoomId, HotRoom>,
    pub(super) names: Recent<Arc<str>, RoomId>,
    pub(super) tokens: Recent<RoomToken, RoomId>,
    pub(super) senders: Recent<UserId, Sender>,
    /// Whether the first has blocked the second.
    pub(super) blocks: Recent<(UserId, UserId), bool>,
    /// How many roles all rooms remember, about.
    roles: usize,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self {
            rooms: Recent::new(),
            names: Recent::new(),
            tokens: Recent::new(),
            senders: Recent::new(),
            blocks: Recent::new(),
            roles: 0,
        }
    }

    pub(super) fn room_id(&mut self, room: &RoomRef) -> Option<RoomId> {
        match room {
            RoomRef::Id(id) => Some(*id),
            RoomRef::Name(name) => self.names.get(name).copied(),
            RoomRef::Token(token) => self.tokens.get(token).copied(),
        }
    }

    /// Notes that a role was remembered.
    pub(super) fn grew(&mut self) {
        self.roles += 1;
    }

    /// After a commit: lets go of what was not used for long.
    pub(super) fn age(&mut self) {
        if self.roles >= 4 * ENTRIES_MAX {
            self.rooms = Recent::new();
            self.roles = 0;
        }
        self.rooms.age();
        self.names.age();
        self.tokens.age();
        self.senders.age();
        self.blocks.age();
    }

    /// A member came, went or changed: what was remembered of it is gone.
    pub(super) fn member_changed(&mut self, room: RoomId, user: UserId, version: MembersVersion) {
        if let Some(hot) = self.rooms.get(&room) {
            hot.version = version;
            hot.roles.remove(&user);
            hot.pair = None;
        }
    }
}
