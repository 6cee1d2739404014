//! Operators and rooms.

use std::sync::Arc;

use bongsu_bus::Heard;
use bongsu_core::policy;
use bongsu_model::media::LeaveReason;
use bongsu_model::records::{Member, NewRoom, Room, RoomHead, RoomKind};
use bongsu_model::{Code, Refusal, RoomId, RoomRef, UserId, Want};

use super::Operator;
use crate::node::Node;
use crate::usecases::{join, leave, rooms};

impl Node {
    /// Makes a room with its first members, who hear it from then on.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `USER_NOT_FOUND`, or `INVALID_DATA` naming what is taken or wrong.
    pub async fn create_room(self: &Arc<Self>, by: &Operator, new: NewRoom) -> Result<Room, Refusal> {
        policy::may_operate(&by.principal)?;
        let ceiling = self.ports.limits.room_members_ceiling;
        if new.max_members.is_some_and(|max| !(1..=ceiling).contains(&max)) {
            return Err(Refusal::field(
                "max_members",
                Want::Between(1, i64::from(ceiling)),
            ));
        }
        if let Some(name) = &new.name {
            rooms::name("name", name)?;
        }
        if new.id.is_some_and(|id| id.0 <= 0) {
            return Err(Refusal::field("room_id", Want::Between(1, i64::MAX)));
        }
        let mut new = new;
        new.max_members.get_or_insert(self.ports.limits.room_members_max);
        let field = if new.name.is_some() { "name" } else { "room_id" };
        let mut members: Vec<UserId> = new.members.iter().map(|(user, _)| *user).collect();
        let now = self.now();
        let direct = new.kind == RoomKind::Direct;
        let room = self.ports.store.create_room(new, now).await;
        let room = room.map_err(|refused| self.create_refused(&refused, field))?;
        self.note(
            by,
            "room.create",
            format!("room:{}", room.id),
            direct.then(|| "direct".to_owned()),
        )
        .await;
        // Members who are connected begin to hear it.
        members.sort_unstable();
        let head = RoomHead {
            room: room.id,
            seq: room.seq,
            epoch: room.epoch,
            members_version: room.members_version,
        };
        self.publish(Heard::Members(
            head,
            members.into_iter().map(|user| (user, room.seq)).collect(),
        ))
        .await;
        Ok(room)
    }

    /// Reads a room; operators and its members.
    ///
    /// # Errors
    /// `ROOM_NOT_FOUND`, `PERMISSION_DENIED`.
    pub async fn room(self: &Arc<Self>, by: &Operator, room: &RoomRef) -> Result<Room, Refusal> {
        let (room, _, view) = rooms::view(self, &by.principal, room).await?;
        policy::may_read(&by.principal, &view)?;
        Ok(room)
    }

    /// Lists rooms after a number, ascending: all for operators, one's own for users.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub async fn rooms(
        self: &Arc<Self>,
        by: &Operator,
        of: Option<UserId>,
        after: Option<RoomId>,
        limit: u32,
    ) -> Result<Vec<Room>, Refusal> {
        let of = if by.principal.is_operator() {
            of
        } else {
            of.or(by.principal.user)
        };
        match of {
            Some(user) => policy::may_act_for(&by.principal, user)?,
            None => policy::may_operate(&by.principal)?,
        }
        self.ports
            .store
            .rooms(of, after, limit)
            .await
            .map_err(|fault| self.fault(&fault))
    }

    /// Makes a user a member of a room.
    ///
    /// # Errors
    /// `ROOM_NOT_FOUND`, `USER_NOT_FOUND`, `PERMISSION_DENIED`, `ROOM_FULL`.
    pub async fn add_member(
        self: &Arc<Self>,
        by: &Operator,
        room: &RoomRef,
        user: UserId,
    ) -> Result<(), Refusal> {
        let (room, _, view) = rooms::view(self, &by.principal, room).await?;
        policy::may_manage_members(&by.principal, &view)?;
        let now = self.now();
        let joined = self.ports.store.join(RoomRef::Id(room.id), user, true, now).await;
        let joined = joined.map_err(|refused| self.join_refused(&refused))?;
        if joined.first {
            self.note(
                by,
                "room.member_added",
                format!("room:{}", room.id),
                Some(format!("user:{user}")),
            )
            .await;
            let person = join::person(self, user).await?;
            join::announce(self, &person, &joined, None, now).await;
        }
        Ok(())
    }

    /// Ends a user's membership of a room, and its part in the room's calls.
    ///
    /// # Errors
    /// `ROOM_NOT_FOUND`, `USER_NOT_FOUND` if it was no member, `PERMISSION_DENIED`.
    pub async fn remove_member(
        self: &Arc<Self>,
        by: &Operator,
        room: &RoomRef,
        user: UserId,
    ) -> Result<(), Refusal> {
        let (room, _, view) = rooms::view(self, &by.principal, room).await?;
        policy::may_manage_members(&by.principal, &view)?;
        let left = self
            .ports
            .store
            .leave(RoomRef::Id(room.id), user)
            .await
            .map_err(|fault| self.fault(&fault))?;
        let Some(left) = left.filter(|left| left.was_member) else {
            return Err(Refusal::new(Code::UserNotFound));
        };
        self.note(
            by,
            "room.member_removed",
            format!("room:{}", room.id),
            Some(format!("user:{user}")),
        )
        .await;
        let person = join::person(self, user).await?;
        leave::announce(self, &person, &left, LeaveReason::Removed, self.now()).await;
        Ok(())
    }

    /// Lists a room's members after a number, ascending; operators and members.
    ///
    /// # Errors
    /// `ROOM_NOT_FOUND`, `PERMISSION_DENIED`.
    pub async fn members(
        self: &Arc<Self>,
        by: &Operator,
        room: &RoomRef,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<Member>, Refusal> {
        let room = self.room(by, room).await?;
        self.ports
            .store
            .members(room.id, after, limit)
            .await
            .map_err(|fault| self.fault(&fault))
    }

    /// Which of these users have a live session.
    #[must_use]
    pub fn online_among(&self, users: &[UserId]) -> Vec<UserId> {
        let presence = self.others.presence.lock();
        users
            .iter()
            .copied()
            .filter(|user| presence.is_online(*user))
            .collect()
    }
}
