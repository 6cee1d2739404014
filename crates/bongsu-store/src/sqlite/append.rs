//! The append: one insertion, and no read for a sender and a room that are remembered.
//!
//! Invariant: a message gets the seq after its room's last one, and the cache knows of it only once its row is inserted.

use std::sync::Arc;

use bongsu_model::records::{MemberRole, RoomKind};
use bongsu_model::{ClientMessageId, Message, MessageId, NamedRoom, RoomId, Seq, UserId};
use rusqlite::{Connection, ffi, params};

use super::rows::{self, Columns, Sql as _, all, kind_code, message_columns, number, one, place, seq_of};
use super::tables::Tables;
use crate::{AppendRefused, Appended, NewMessage, StoreFault};

const INSERT: &str = "INSERT INTO messages \
     (place, id, sender, kind, created_at, members_version, reply_to, client_id, metadata, content) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

/// How many messages on either side of its place in time are searched for the one that is replied to.
const REPLY_NEAR: u64 = 2_048;

enum Inserted {
    Yes,
    /// The client id is there already.
    ClientIdTaken,
}

impl Tables<'_> {
    pub(super) fn append(&mut self, new: NewMessage) -> Result<Appended, AppendRefused> {
        let Some(hot) = self.hot(&new.room)? else {
            return Err(AppendRefused::NoRoom);
        };
        let (room, kind) = (hot.id, hot.kind);
        let sender = self.sender(new.sender)?.ok_or(AppendRefused::NotMember)?;
        let refused = if new.as_member {
            self.standing(room, kind, new.sender)?
        } else {
            None
        };
        if let Some(refused) = refused {
            // A repeat is answered with what was stored, though the sender could not post it now.
            return match (&new.client_id, matches!(refused, AppendRefused::NotMember)) {
                (Some(client_id), false) => self.repeat(room, client_id, &new)?.ok_or(refused),
                (Some(_), true) | (None, _) => Err(refused),
            };
        }
        if let Some(reply_to) = new.reply_to
            && !self.is_in_room(room, reply_to)?
        {
            return match &new.client_id {
                Some(client_id) => self
                    .repeat(room, client_id, &new)?
                    .ok_or(AppendRefused::NoSuchReply),
                None => Err(AppendRefused::NoSuchReply),
            };
        }
        let Some(hot) = self.cache.rooms.get(&room) else {
            return Err(AppendRefused::NoRoom);
        };
        let (slot, epoch, version, seq) = (hot.slot, hot.epoch, hot.version, hot.seq + 1);
        let (name, token) = (hot.name.clone(), hot.token);
        match insert(self.conn, place(slot, seq)?, number(version.0)?, &new)? {
            Inserted::Yes => {}
            Inserted::ClientIdTaken => {
                let first = new
                    .client_id
                    .as_ref()
                    .map(|client_id| self.repeat(room, client_id, &new));
                let damaged = StoreFault::Damaged {
                    table: "messages",
                    what: "client_id",
                };
                return first.transpose()?.flatten().ok_or_else(|| damaged.into());
            }
        }
        hot.seq = seq;
        Ok(Appended::New(Arc::new(Message {
            id: new.id,
            room,
            room_name: name,
            room_token: token,
            seq: Seq(seq),
            epoch,
            members: version,
            sender,
            content: new.content,
            kind: new.kind,
            metadata: new.metadata,
            reply_to: new.reply_to,
            created_at: new.at,
        })))
    }

    /// Why a user may not post in a room, if it may not.
    fn standing(
        &mut self,
        room: RoomId,
        kind: RoomKind,
        sender: UserId,
    ) -> Result<Option<AppendRefused>, StoreFault> {
        let Some(role) = self.role(room, sender)? else {
            return Ok(Some(AppendRefused::NotMember));
        };
        Ok(match kind {
            RoomKind::Group => None,
            RoomKind::Broadcast => match role {
                MemberRole::Owner => None,
                MemberRole::Member => Some(AppendRefused::NotOwner),
            },
            RoomKind::Direct => self
                .other_side_blocks(room, sender)?
                .then_some(AppendRefused::Blocked),
        })
    }

    fn other_side_blocks(&mut self, room: RoomId, sender: UserId) -> Result<bool, StoreFault> {
        const SQL: &str = "SELECT user_id FROM members WHERE slot = ?1 ORDER BY user_id";
        let Some(hot) = self.cache.rooms.get(&room) else {
            return Ok(false);
        };
        if hot.pair.is_none() {
            let read = |row: &rusqlite::Row<'_>| Columns::of("members", row).int(0, "user_id").map(UserId);
            hot.pair = Some(all(self.conn, SQL, [hot.slot], read)?);
        }
        let other = hot.pair.iter().flatten().find(|user| **user != sender).copied();
        match other {
            Some(other) => self.has_blocked(other, sender),
            None => Ok(false),
        }
    }

    /// Whether a message is in a room.
    ///
    /// Perf: an index on ids would cost every append a quarter of its time for the sake of the few that reply
    /// (`benches/append.rs`). Ids are made in the order of time, so the place is found by halving; what was appended
    /// in parallel stands near it. A room that fits into the neighbourhood is searched whole, whatever its ids are.
    fn is_in_room(&mut self, room: RoomId, message: MessageId) -> Result<bool, StoreFault> {
        const ID: &str = "SELECT id FROM messages WHERE place = ?1";
        const NEAR: &str = "SELECT 1 FROM messages WHERE place >= ?1 AND place < ?2 AND id = ?3";
        const FIRST: &str = "SELECT min(place) FROM messages WHERE place >= ?1 AND place < ?2";
        let Some(hot) = self.cache.rooms.get(&room) else {
            return Ok(false);
        };
        let (slot, end) = (hot.slot, hot.seq + 1);
        let first = one(self.conn, FIRST, [place(slot, 0)?, place(slot, end)?], |row| {
            Columns::of("messages", row).int_if(0, "place")
        })?;
        let Some(first) = first.flatten().map(seq_of) else {
            return Ok(false);
        };
        let (mut low, mut high) = (first, end);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let at = [place(slot, middle)?];
            let id = one(self.conn, ID, at, |row| {
                Columns::of("messages", row).message_id(0, "id")
            })?;
            let id = id.ok_or(StoreFault::Damaged {
                table: "messages",
                what: "a hole in a room's history",
            })?;
            if id <= message {
                low = middle
            } else {
                high = middle
            }
        }
        let from = place(slot, low.saturating_sub(REPLY_NEAR).max(first))?;
        let to = place(slot, low.saturating_add(REPLY_NEAR).min(end))?;
        let id = message.0.to_be_bytes();
        Ok(one(self.conn, NEAR, params![from, to, &id[..]], |_| Ok(()))?.is_some())
    }

    /// The message that the sender stored under this client id before, if there is one.
    fn repeat(
        &mut self,
        room: RoomId,
        client_id: &ClientMessageId,
        new: &NewMessage,
    ) -> Result<Option<Appended>, AppendRefused> {
        const SQL: &str = concat!(
            "SELECT ",
            message_columns!(),
            " FROM messages WHERE place >> 36 = ?1 AND sender = ?2 AND client_id = ?3"
        );
        let Some(sender) = self.sender(new.sender)? else {
            return Ok(None);
        };
        let Some(hot) = self.cache.rooms.get(&room) else {
            return Ok(None);
        };
        let slot = hot.slot;
        let of = rows::Place {
            room: NamedRoom::new(room, hot.name.clone()),
            token: hot.token,
            epoch: hot.epoch,
        };
        let first = one(
            self.conn,
            SQL,
            params![slot, new.sender.0, client_id.as_str()],
            |row| rows::message(row, &of, |_| Ok(sender)),
        )?;
        Ok(first.map(|first| Appended::Repeat(Arc::new(first))))
    }
}

fn insert(conn: &Connection, place: i64, version: i64, new: &NewMessage) -> Result<Inserted, StoreFault> {
    let reply_to = new.reply_to.map(|id| id.0.to_be_bytes());
    let inserted = conn.prepare_cached(INSERT).sql()?.execute(params![
        place,
        &new.id.0.to_be_bytes()[..],
        new.sender.0,
        kind_code(new.kind),
        new.at.0,
        version,
        reply_to.as_ref().map(|id| &id[..]),
        new.client_id.as_ref().map(ClientMessageId::as_str),
        new.metadata.as_ref().map(|json| json.as_str()),
        &*new.content,
    ]);
    match inserted {
        Ok(_) => Ok(Inserted::Yes),
        Err(rusqlite::Error::SqliteFailure(fault, _))
            if fault.extended_code == ffi::SQLITE_CONSTRAINT_UNIQUE =>
        {
            Ok(Inserted::ClientIdTaken)
        }
        Err(fault) => Err(StoreFault::Broken(Arc::new(fault))),
    }
}
