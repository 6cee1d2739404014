//! The writer's side of the tables: what every write starts from.
//!
//! Invariant: used by the writer's thread alone, inside its transaction.

use std::collections::HashMap;

use bongsu_model::records::MemberRole;
use bongsu_model::{Epoch, RoomId, RoomRef, RoomToken, Sender, UserId, UserRef};
use rusqlite::Connection;

use super::cache::{Cache, HotRoom};
use super::rows::{Columns, SqliteFault, execute, one};
use super::{history, reads};
use crate::{StoreFault, StoreLimits};

pub(super) struct Tables<'c> {
    pub(super) conn: &'c Connection,
    pub(super) cache: Cache,
    pub(super) limits: StoreLimits,
}

impl Tables<'_> {
    /// Finds a room and remembers it.
    pub(super) fn hot(&mut self, room: &RoomRef) -> Result<Option<&mut HotRoom>, StoreFault> {
        let known = match self.cache.room_id(room) {
            Some(id) => self.cache.rooms.get(&id).map(|_| id),
            None => None,
        };
        let id = match known {
            Some(id) => id,
            None => match self.load(room)? {
                Some(id) => id,
                None => return Ok(None),
            },
        };
        Ok(self.cache.rooms.get(&id))
    }

    fn load(&mut self, room: &RoomRef) -> Result<Option<RoomId>, StoreFault> {
        let Some(row) = reads::room(self.conn, room)? else {
            return Ok(None);
        };
        let id = row.room.id;
        match room {
            RoomRef::Id(_) => {}
            RoomRef::Name(name) => {
                self.cache.names.insert(name.clone(), id);
            }
            RoomRef::Token(token) => {
                self.cache.tokens.insert(*token, id);
            }
        }
        if self.cache.rooms.get(&id).is_some() {
            // Known by another of its names.
            return Ok(Some(id));
        }
        let hot = HotRoom {
            slot: row.slot,
            id,
            name: row.room.name.clone(),
            token: row.room.token,
            kind: row.room.kind,
            epoch: row.room.epoch,
            version: row.room.members_version,
            seq: row.room.seq.0,
            roles: HashMap::new(),
            pair: None,
        };
        self.cache.rooms.insert(id, hot);
        Ok(Some(id))
    }

    /// A user's role in a room that [`Tables::hot`] has found.
    pub(super) fn role(&mut self, room: RoomId, user: UserId) -> Result<Option<MemberRole>, StoreFault> {
        const SQL: &str = "SELECT role FROM members WHERE slot = ?1 AND user_id = ?2";
        let Some(hot) = self.cache.rooms.get(&room) else {
            return Ok(None);
        };
        if let Some(role) = hot.roles.get(&user) {
            return Ok(*role);
        }
        let role = one(self.conn, SQL, [hot.slot, user.0], |row| {
            Columns::of("members", row).role(0)
        })?;
        hot.roles.insert(user, role);
        self.cache.grew();
        Ok(role)
    }

    /// Who sends, as shown to readers; `None` if there is no such user.
    pub(super) fn sender(&mut self, user: UserId) -> Result<Option<Sender>, StoreFault> {
        if let Some(sender) = self.cache.senders.get(&user) {
            return Ok(Some(sender.clone()));
        }
        let sender = history::sender(self.conn, user)?;
        if let Some(sender) = &sender {
            self.cache.senders.insert(user, sender.clone());
        }
        Ok(sender)
    }

    pub(super) fn has_blocked(&mut self, user: UserId, other: UserId) -> Result<bool, StoreFault> {
        if let Some(blocked) = self.cache.blocks.get(&(user, other)) {
            return Ok(*blocked);
        }
        let blocked = reads::has_blocked(self.conn, user, other)?;
        self.cache.blocks.insert((user, other), blocked);
        Ok(blocked)
    }

    pub(super) fn user_exists(&self, user: UserId) -> Result<bool, StoreFault> {
        Ok(
            one(self.conn, "SELECT 1 FROM users WHERE id = ?1", [user.0], |_| {
                Ok(())
            })?
            .is_some(),
        )
    }

    pub(super) fn user_known(&self, user: &UserRef) -> Result<bool, StoreFault> {
        match user {
            UserRef::Id(id) => self.user_exists(*id),
            UserRef::Handle(handle) => self.handle_taken(handle),
        }
    }

    pub(super) fn handle_taken(&self, handle: &str) -> Result<bool, StoreFault> {
        Ok(one(
            self.conn,
            "SELECT 1 FROM users WHERE handle = ?1",
            [handle],
            |_| Ok(()),
        )?
        .is_some())
    }

    /// The next number to be tried.
    pub(super) fn counter(&self, name: &'static str) -> Result<i64, StoreFault> {
        one(
            self.conn,
            "SELECT next FROM counters WHERE name = ?1",
            [name],
            |row| Columns::of("counters", row).int(0, "next"),
        )?
        .ok_or(StoreFault::Damaged {
            table: "counters",
            what: "a counter is missing",
        })
    }

    pub(super) fn set_counter(&self, name: &'static str, next: i64) -> Result<(), StoreFault> {
        let sql = "UPDATE counters SET next = ?2 WHERE name = ?1";
        execute(self.conn, sql, rusqlite::params![name, next]).map(drop)
    }
}

fn random<const N: usize>() -> Result<[u8; N], StoreFault> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| SqliteFault::NoChance)?;
    Ok(bytes)
}

pub(super) fn random_token() -> Result<RoomToken, StoreFault> {
    random().map(RoomToken)
}

pub(super) fn random_epoch() -> Result<Epoch, StoreFault> {
    random().map(|bytes| Epoch(u64::from_be_bytes(bytes)))
}
