//! Rooms and memberships of the memory store.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bongsu_model::records::{
    Member, MemberRole, Membership, MyRoom, NewRoom, Room, RoomHead, RoomKind, Visibility,
};
use bongsu_model::{Epoch, MembersVersion, RoomId, RoomRef, Seq, Timestamp, UserId};

use super::state::{Held, Place, State};
use crate::{CreateRefused, JoinRefused, Joined, Left, Mark, RoomMembers};

impl State {
    pub(super) fn create_room(&mut self, room: NewRoom, at: Timestamp) -> Result<Room, CreateRefused> {
        let id = match room.id {
            Some(id) if self.rooms.contains_key(&id) => return Err(CreateRefused::IdTaken),
            Some(id) => id,
            None => self.free_room_id(),
        };
        if room
            .name
            .as_ref()
            .is_some_and(|name| self.names.contains_key(name))
        {
            return Err(CreateRefused::NameTaken);
        }
        let mut members = BTreeMap::new();
        for (user, role) in room.members {
            if !self.users.contains_key(&user) {
                return Err(CreateRefused::NoUser(user));
            }
            members.entry(user).or_insert(Place {
                role,
                joined: Seq::ZERO,
                read: Seq::ZERO,
            });
        }
        let max_members = match room.kind {
            RoomKind::Direct => 2,
            RoomKind::Group | RoomKind::Broadcast => room.max_members.unwrap_or(self.limits.room_members_max),
        };
        let count = u32::try_from(members.len()).map_err(|_| CreateRefused::Members)?;
        if count > max_members || (room.kind == RoomKind::Direct && count != 2) {
            return Err(CreateRefused::Members);
        }
        if id.0 == self.next_room {
            self.next_room += 1;
        }
        let made = Room {
            id,
            name: room.name,
            token: self.chance.room_token(),
            kind: room.kind,
            visibility: room.visibility,
            membership: room.membership,
            max_members,
            members_count: count,
            seq: Seq::ZERO,
            epoch: Epoch(self.chance.next()),
            members_version: MembersVersion(u64::from(count > 0)),
            created_at: at,
        };
        for user in members.keys() {
            self.memberships.entry(*user).or_default().insert(id);
        }
        if let Some(name) = &made.name {
            self.names.insert(Arc::clone(name), id);
        }
        self.tokens.insert(made.token.0, id);
        let held = Held {
            room: made.clone(),
            members,
            messages: VecDeque::new(),
            client_ids: BTreeMap::new(),
        };
        self.rooms.insert(id, held);
        Ok(made)
    }

    fn free_room_id(&mut self) -> RoomId {
        while self.rooms.contains_key(&RoomId(self.next_room)) {
            self.next_room += 1;
        }
        RoomId(self.next_room)
    }

    pub(super) fn join(
        &mut self,
        room: &RoomRef,
        user: UserId,
        by_operator: bool,
    ) -> Result<Joined, JoinRefused> {
        let id = self.room_id(room).ok_or(JoinRefused::NoRoom)?;
        if !self.users.contains_key(&user) {
            return Err(JoinRefused::NoUser);
        }
        let its_rooms = self.memberships.get(&user).map_or(0, |rooms| rooms.len());
        let rooms_max = self.limits.rooms_per_user_max;
        let held = self.rooms.get_mut(&id).ok_or(JoinRefused::NoRoom)?;
        if let Some(place) = held.members.get(&user) {
            let joined_seq = place.joined;
            return Ok(Joined {
                room: held.room.clone(),
                first: false,
                joined_seq,
                first_seq: held.first_seq(),
            });
        }
        if held.room.visibility == Visibility::Closed && !by_operator {
            return Err(JoinRefused::Closed);
        }
        if held.room.members_count >= held.room.max_members {
            return Err(JoinRefused::Full);
        }
        if its_rooms >= rooms_max {
            return Err(JoinRefused::TooManyRooms);
        }
        let joined = held.room.seq;
        held.members.insert(
            user,
            Place {
                role: MemberRole::Member,
                joined,
                read: Seq::ZERO,
            },
        );
        held.room.members_count += 1;
        held.room.members_version.0 += 1;
        let answer = Joined {
            room: held.room.clone(),
            first: true,
            joined_seq: joined,
            first_seq: held.first_seq(),
        };
        self.memberships.entry(user).or_default().insert(id);
        Ok(answer)
    }

    pub(super) fn leave(&mut self, room: &RoomRef, user: UserId) -> Option<Left> {
        let held = self.held_mut(room)?;
        let was_member = held.members.remove(&user).is_some();
        if was_member {
            held.room.members_count -= 1;
            held.room.members_version.0 += 1;
        }
        let room = held.room.clone();
        if was_member && let Some(rooms) = self.memberships.get_mut(&user) {
            rooms.remove(&room.id);
        }
        Some(Left { room, was_member })
    }

    fn member_of(&self, user: UserId, place: &Place) -> Option<Member> {
        let known = self.users.get(&user)?;
        Some(Member {
            user,
            handle: Arc::clone(&known.handle),
            nickname: Arc::clone(&known.nickname),
            role: place.role,
            joined_seq: place.joined,
            read_seq: place.read,
        })
    }

    pub(super) fn member(&self, room: RoomId, user: UserId) -> Option<Member> {
        self.member_of(user, self.rooms.get(&room)?.members.get(&user)?)
    }

    pub(super) fn members(&self, room: RoomId, after: Option<UserId>, limit: u32) -> Vec<Member> {
        let Some(held) = self.rooms.get(&room) else {
            return Vec::new();
        };
        held.members
            .iter()
            .filter(|(user, _)| after.is_none_or(|after| **user > after))
            .filter_map(|(user, place)| self.member_of(*user, place))
            .take(limit as usize)
            .collect()
    }

    pub(super) fn room_members(&self, room: RoomId) -> Option<RoomMembers> {
        let held = self.rooms.get(&room)?;
        let members = held
            .members
            .iter()
            .map(|(user, place)| (*user, place.joined))
            .collect();
        Some(RoomMembers {
            head: head(&held.room),
            members,
        })
    }

    pub(super) fn my_rooms(&self, user: UserId) -> Vec<MyRoom> {
        let mine = |id: &RoomId| {
            let held = self.rooms.get(id)?;
            let place = held.members.get(&user)?;
            Some(MyRoom {
                room: *id,
                name: held.room.name.clone(),
                token: held.room.token,
                seq: held.room.seq,
                first_seq: held.first_seq(),
                epoch: held.room.epoch,
                members_version: held.room.members_version,
                joined_seq: place.joined,
                membership: held.room.membership,
            })
        };
        self.memberships
            .get(&user)
            .into_iter()
            .flatten()
            .filter_map(mine)
            .collect()
    }

    pub(super) fn session_members(
        &self,
        after: Option<(RoomId, UserId)>,
        limit: u32,
    ) -> Vec<(RoomId, UserId)> {
        let bound = |held: &&Held| held.room.membership == Membership::Session;
        self.rooms
            .values()
            .filter(bound)
            .flat_map(|held| held.members.keys().map(|user| (held.room.id, *user)))
            .filter(|place| after.is_none_or(|after| *place > after))
            .take(limit as usize)
            .collect()
    }

    pub(super) fn rooms(&self, of: Option<UserId>, after: Option<RoomId>, limit: u32) -> Vec<Room> {
        self.rooms
            .values()
            .filter(|held| of.is_none_or(|user| held.members.contains_key(&user)))
            .filter(|held| after.is_none_or(|after| held.room.id > after))
            .map(|held| held.room.clone())
            .take(limit as usize)
            .collect()
    }

    pub(super) fn heads(&self, rooms: &[RoomId]) -> Vec<RoomHead> {
        rooms
            .iter()
            .filter_map(|room| self.rooms.get(room))
            .map(|held| head(&held.room))
            .collect()
    }

    pub(super) fn mark_read(&mut self, room: &RoomRef, user: UserId, seq: Seq) -> (RoomId, Seq, Mark) {
        let unknown = match room {
            RoomRef::Id(id) => *id,
            RoomRef::Name(_) | RoomRef::Token(_) => RoomId(0),
        };
        let Some(held) = self.held_mut(room) else {
            return (unknown, Seq::ZERO, Mark::NotMember);
        };
        let (id, head) = (held.room.id, held.room.seq);
        let Some(place) = held.members.get_mut(&user) else {
            return (id, Seq::ZERO, Mark::NotMember);
        };
        let wanted = seq.min(head);
        if wanted <= place.read {
            return (id, place.read, Mark::Kept);
        }
        place.read = wanted;
        (id, wanted, Mark::Moved)
    }
}

fn head(room: &Room) -> RoomHead {
    RoomHead {
        room: room.id,
        seq: room.seq,
        epoch: room.epoch,
        members_version: room.members_version,
    }
}
