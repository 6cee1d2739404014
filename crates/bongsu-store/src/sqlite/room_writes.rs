//! Writes of rooms, memberships and read marks.
//!
//! Invariant: every change of who is a member bumps the room's version and count in the same transaction.

use bongsu_model::records::{MemberRole, NewRoom, Room, RoomKind, Visibility};
use bongsu_model::{MembersVersion, RoomId, RoomRef, Seq, Timestamp, UserId};
use rusqlite::params;

use super::reads;
use super::rows::{Columns, RoomRow, execute, number, one, place};
use super::tables::{Tables, random_epoch, random_token};
use crate::{CreateRefused, JoinRefused, Joined, Left, Mark, StoreFault};

impl Tables<'_> {
    pub(super) fn create_room(&mut self, new: NewRoom, at: Timestamp) -> Result<Room, CreateRefused> {
        let next = self.counter("room")?;
        let id = match new.id {
            Some(id) if self.room_exists(id)? => return Err(CreateRefused::IdTaken),
            Some(id) => id,
            None => self.free_room_id(next)?,
        };
        if let Some(name) = &new.name
            && one(
                self.conn,
                "SELECT 1 FROM rooms WHERE name = ?1",
                [&**name],
                |_| Ok(()),
            )?
            .is_some()
        {
            return Err(CreateRefused::NameTaken);
        }
        let mut members = Vec::with_capacity(new.members.len());
        for (user, role) in &new.members {
            if !self.user_exists(*user)? {
                return Err(CreateRefused::NoUser(*user));
            }
            members.push((*user, *role));
        }
        // A user named twice is one member, with the role it was named with first.
        members.sort_by_key(|(user, _)| *user);
        members.dedup_by_key(|(user, _)| *user);
        let max_members = match new.kind {
            RoomKind::Direct => 2,
            RoomKind::Group | RoomKind::Broadcast => new.max_members.unwrap_or(self.limits.room_members_max),
        };
        let count = u32::try_from(members.len()).map_err(|_| CreateRefused::Members)?;
        if count > max_members || (new.kind == RoomKind::Direct && count != 2) {
            return Err(CreateRefused::Members);
        }
        if new.id.is_none() || id.0 == next {
            self.set_counter("room", id.0.saturating_add(1))?;
        }
        let made = Room {
            id,
            name: new.name,
            token: random_token()?,
            kind: new.kind,
            visibility: new.visibility,
            membership: new.membership,
            max_members,
            members_count: count,
            seq: Seq::ZERO,
            epoch: random_epoch()?,
            members_version: MembersVersion(u64::from(count > 0)),
            created_at: at,
        };
        let slot = self.insert_room(&made)?;
        for (user, role) in members {
            self.insert_member(slot, user, role, Seq::ZERO, at)?;
        }
        Ok(made)
    }

    fn room_exists(&self, room: RoomId) -> Result<bool, StoreFault> {
        Ok(
            one(self.conn, "SELECT 1 FROM rooms WHERE id = ?1", [room.0], |_| {
                Ok(())
            })?
            .is_some(),
        )
    }

    fn free_room_id(&self, from: i64) -> Result<RoomId, StoreFault> {
        let mut id = RoomId(from);
        while self.room_exists(id)? {
            id.0 += 1;
        }
        Ok(id)
    }

    fn insert_room(&self, room: &Room) -> Result<i64, StoreFault> {
        const SQL: &str = "INSERT INTO rooms (id, name, token, kind, visibility, membership, max_members, \
                           members_count, members_version, seq, first_seq, epoch, created_at) \
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, 1, ?10, ?11)";
        let values = params![
            room.id.0,
            room.name.as_deref(),
            &room.token.0[..],
            room.kind.name(),
            room.visibility.name(),
            room.membership.name(),
            room.max_members,
            room.members_count,
            number(room.members_version.0)?,
            room.epoch.0.cast_signed(),
            room.created_at.0,
        ];
        execute(self.conn, SQL, values)?;
        let slot = self.conn.last_insert_rowid();
        // The slot after it must have a place too: it ends this room's range.
        place(slot.saturating_add(1), 0)?;
        Ok(slot)
    }

    fn insert_member(
        &self,
        slot: i64,
        user: UserId,
        role: MemberRole,
        joined: Seq,
        at: Timestamp,
    ) -> Result<(), StoreFault> {
        const SQL: &str = "INSERT INTO members (slot, user_id, role, joined_seq, read_seq, joined_at) \
                           VALUES (?1, ?2, ?3, ?4, 0, ?5)";
        execute(
            self.conn,
            SQL,
            params![slot, user.0, role.name(), number(joined.0)?, at.0],
        )
        .map(drop)
    }

    pub(super) fn join(
        &mut self,
        room: &RoomRef,
        user: UserId,
        by_operator: bool,
        at: Timestamp,
    ) -> Result<Joined, JoinRefused> {
        let RoomRow {
            slot,
            first_seq,
            mut room,
        } = reads::room(self.conn, room)?.ok_or(JoinRefused::NoRoom)?;
        if !self.user_exists(user)? {
            return Err(JoinRefused::NoUser);
        }
        let sql = "SELECT joined_seq FROM members WHERE slot = ?1 AND user_id = ?2";
        let joined = one(self.conn, sql, [slot, user.0], |row| {
            Columns::of("members", row).seq(0, "joined_seq")
        })?;
        if let Some(joined_seq) = joined {
            return Ok(Joined {
                room,
                first: false,
                joined_seq,
                first_seq,
            });
        }
        if room.visibility == Visibility::Closed && !by_operator {
            return Err(JoinRefused::Closed);
        }
        if room.members_count >= room.max_members {
            return Err(JoinRefused::Full);
        }
        if self.rooms_of(user)? >= self.limits.rooms_per_user_max {
            return Err(JoinRefused::TooManyRooms);
        }
        let joined_seq = room.seq;
        self.insert_member(slot, user, MemberRole::Member, joined_seq, at)?;
        room.members_count += 1;
        self.bump(slot, user, &mut room)?;
        Ok(Joined {
            room,
            first: true,
            joined_seq,
            first_seq,
        })
    }

    fn rooms_of(&self, user: UserId) -> Result<usize, StoreFault> {
        let sql = "SELECT count(*) FROM members WHERE user_id = ?1";
        let count = one(self.conn, sql, [user.0], |row| {
            Columns::of("members", row).count(0, "count")
        })?;
        Ok(count.and_then(|count| usize::try_from(count).ok()).unwrap_or(0))
    }

    /// Writes a room's new number of members under a new version, and lets the cache know.
    fn bump(&mut self, slot: i64, user: UserId, room: &mut Room) -> Result<(), StoreFault> {
        room.members_version.0 += 1;
        let sql = "UPDATE rooms SET members_count = ?2, members_version = ?3, seq = ?4 WHERE slot = ?1";
        let (version, seq) = (number(room.members_version.0)?, number(room.seq.0)?);
        execute(self.conn, sql, params![slot, room.members_count, version, seq])?;
        self.cache.member_changed(room.id, user, room.members_version);
        Ok(())
    }

    pub(super) fn leave(&mut self, room: &RoomRef, user: UserId) -> Result<Option<Left>, StoreFault> {
        let Some(RoomRow { slot, mut room, .. }) = reads::room(self.conn, room)? else {
            return Ok(None);
        };
        let gone = execute(
            self.conn,
            "DELETE FROM members WHERE slot = ?1 AND user_id = ?2",
            [slot, user.0],
        )?;
        let was_member = gone > 0;
        if was_member {
            room.members_count = room.members_count.checked_sub(1).ok_or(StoreFault::Damaged {
                table: "rooms",
                what: "members_count",
            })?;
            self.bump(slot, user, &mut room)?;
        }
        Ok(Some(Left { room, was_member }))
    }

    pub(super) fn mark_read(
        &mut self,
        room: &RoomRef,
        user: UserId,
        seq: Seq,
    ) -> Result<(RoomId, Seq, Mark), StoreFault> {
        const MOVE: &str =
            "UPDATE members SET read_seq = ?3 WHERE slot = ?1 AND user_id = ?2 AND read_seq < ?3";
        const READ: &str = "SELECT read_seq FROM members WHERE slot = ?1 AND user_id = ?2";
        let Some(hot) = self.hot(room)? else {
            let id = match room {
                RoomRef::Id(id) => *id,
                RoomRef::Name(_) | RoomRef::Token(_) => RoomId(0),
            };
            return Ok((id, Seq::ZERO, Mark::NotMember));
        };
        let (slot, id, wanted) = (hot.slot, hot.id, seq.0.min(hot.seq));
        if execute(self.conn, MOVE, [slot, user.0, number(wanted)?])? > 0 {
            return Ok((id, Seq(wanted), Mark::Moved));
        }
        let kept = one(self.conn, READ, [slot, user.0], |row| {
            Columns::of("members", row).seq(0, "read_seq")
        })?;
        Ok(kept.map_or((id, Seq::ZERO, Mark::NotMember), |kept| (id, kept, Mark::Kept)))
    }
}
