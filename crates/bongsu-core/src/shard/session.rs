//! The sessions of one shard, by slot, by user and by id.
//!
//! Invariant: an idle session costs one entry in each index and nothing else; what few sessions need is boxed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bongsu_model::{RoomId, SessionId, UserId};

use super::SlotNo;

#[derive(Debug, Default)]
pub(super) struct Sessions {
    slots: Vec<Option<Session>>,
    by_user: HashMap<UserId, Vec<SlotNo>>,
    by_session: HashMap<SessionId, SlotNo>,
    last_stamp: u32,
    last_generation: u32,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) session: SessionId,
    pub(super) user: UserId,
    pub(super) rooms: Vec<RoomId>,
    /// Whom the user has blocked, ascending; `None` for nobody.
    pub(super) blocked: Option<Arc<[UserId]>>,
    /// Until it is attached.
    opening: bool,
    pub(super) catchup: Option<Box<Catchup>>,
    stamp: u32,
    /// Tells this session from the next one in its slot.
    generation: u32,
}

/// A session in a slot: no longer valid when the slot has been given to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Occupant {
    pub(super) slot: SlotNo,
    generation: u32,
}

/// What a session still has to be given from the store.
#[derive(Debug, Default)]
pub(super) struct Catchup {
    /// Rooms it is behind in, in the order in which they are caught up. The first is being read if `asking`.
    pub(super) rooms: VecDeque<RoomId>,
    pub(super) asking: bool,
    /// Its mailbox has enough for now.
    pub(super) paused: bool,
}

impl Sessions {
    pub(super) fn open(&mut self, slot: SlotNo, session: SessionId, user: UserId, blocked: Arc<[UserId]>) {
        let index = slot as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        debug_assert!(
            self.slots[index].is_none(),
            "the host gives a slot to one session at a time"
        );
        self.last_generation = self.last_generation.wrapping_add(1);
        self.slots[index] = Some(Session {
            generation: self.last_generation,
            session,
            user,
            rooms: Vec::new(),
            blocked: (!blocked.is_empty()).then_some(blocked),
            opening: true,
            catchup: None,
            stamp: 0,
        });
        self.by_user
            .entry(user)
            .or_insert_with(|| Vec::with_capacity(1))
            .push(slot);
        self.by_session.insert(session, slot);
    }

    pub(super) fn close(&mut self, slot: SlotNo) -> Option<Session> {
        let session = self.slots.get_mut(slot as usize)?.take()?;
        self.by_session.remove(&session.session);
        if let Some(slots) = self.by_user.get_mut(&session.user) {
            slots.retain(|it| *it != slot);
            if slots.is_empty() {
                self.by_user.remove(&session.user);
            }
        }
        Some(session)
    }

    /// Ends the opening of a session; false if it was attached before. `None` if it is gone.
    pub(super) fn attached(&mut self, slot: SlotNo) -> Option<bool> {
        Some(std::mem::take(&mut self.get_mut(slot)?.opening))
    }

    pub(super) fn get(&self, slot: SlotNo) -> Option<&Session> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: SlotNo) -> Option<&mut Session> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    pub(super) fn user(&self, slot: SlotNo) -> Option<UserId> {
        self.get(slot).map(|session| session.user)
    }

    pub(super) fn of(&self, user: UserId) -> &[SlotNo] {
        self.by_user.get(&user).map_or(&[], Vec::as_slice)
    }

    pub(super) fn slot_of(&self, session: SessionId) -> Option<SlotNo> {
        self.by_session.get(&session).copied()
    }

    /// Every session, ascending by slot.
    pub(super) fn all(&self) -> Vec<Occupant> {
        let taken = (0..)
            .zip(&self.slots)
            .filter_map(|(slot, session)| Some((slot, session.as_ref()?.generation)));
        taken
            .map(|(slot, generation)| Occupant { slot, generation })
            .collect()
    }

    pub(super) fn occupant(&self, slot: SlotNo) -> Option<Occupant> {
        Some(Occupant {
            slot,
            generation: self.get(slot)?.generation,
        })
    }

    /// The session that was meant, if it is still there.
    pub(super) fn still(&self, occupant: Occupant) -> Option<&Session> {
        self.get(occupant.slot)
            .filter(|session| session.generation == occupant.generation)
    }

    pub(super) fn len(&self) -> usize {
        self.by_session.len()
    }

    /// Notes that a session hears a room; false if it did already.
    pub(super) fn add_room(&mut self, slot: SlotNo, room: RoomId) -> bool {
        let Some(session) = self.get_mut(slot) else {
            return false;
        };
        if session.rooms.contains(&room) {
            return false;
        }
        session.rooms.reserve_exact(1);
        session.rooms.push(room);
        true
    }

    pub(super) fn remove_room(&mut self, slot: SlotNo, room: RoomId) {
        let Some(session) = self.get_mut(slot) else { return };
        session.rooms.retain(|it| *it != room);
        if let Some(catchup) = &mut session.catchup {
            // The first may be being read; its answer finds no place any more and goes on with the next.
            let asking = catchup.asking;
            let mut index = 0;
            catchup.rooms.retain(|it| {
                index += 1;
                *it != room || (asking && index == 1)
            });
        }
    }

    /// Whether a session may be given events: not before it is attached.
    pub(super) fn is_open(&self, slot: SlotNo) -> bool {
        self.get(slot).is_some_and(|session| !session.opening)
    }

    pub(super) fn pause(&mut self, slot: SlotNo) {
        if let Some(session) = self.get_mut(slot) {
            session.catchup.get_or_insert_default().paused = true;
        }
    }

    pub(super) fn set_blocked(&mut self, user: UserId, blocked: &Arc<[UserId]>) {
        for slot in self.of(user).to_vec() {
            if let Some(session) = self.get_mut(slot) {
                session.blocked = (!blocked.is_empty()).then(|| Arc::clone(blocked));
            }
        }
    }

    pub(super) fn next_stamp(&mut self) -> u32 {
        self.last_stamp = self.last_stamp.wrapping_add(1);
        if self.last_stamp == 0 {
            // After 2^32 rounds an old stamp could look new.
            self.slots
                .iter_mut()
                .flatten()
                .for_each(|session| session.stamp = 0);
            self.last_stamp = 1;
        }
        self.last_stamp
    }

    /// Marks a session in this round; false if it was marked already.
    pub(super) fn stamp(&mut self, slot: SlotNo, stamp: u32) -> bool {
        self.get_mut(slot)
            .is_some_and(|session| std::mem::replace(&mut session.stamp, stamp) != stamp)
    }
}

impl Session {
    pub(super) fn has_blocked(&self, user: Option<UserId>) -> bool {
        match (&self.blocked, user) {
            (Some(blocked), Some(user)) => blocked.binary_search(&user).is_ok(),
            (None, _) | (_, None) => false,
        }
    }
}
