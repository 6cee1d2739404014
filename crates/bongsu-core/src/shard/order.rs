//! Order: which announcements are next, which wait for a hole to close, which are repeats; and memberships.
//!
//! The bus may repeat, reorder or lose. Order is restored here and nowhere else.

use std::sync::Arc;

use bongsu_model::records::RoomHead;
use bongsu_model::refusal::CloseCause;
use bongsu_model::{HistoryPage, MembersVersion, Outbound, RoomId, Seq, Timestamp, UserId};

use super::room::{self, Room};
use super::{Effect, Hear, Shard, SlotNo};

/// Membership changes of one room that may wait for one between; with more of them, it was lost.
const EARLY_MAX: usize = 64;

/// A membership that began (`joined_seq`) or ended.
#[derive(Clone, Copy)]
pub(super) struct Change {
    pub(super) room: RoomId,
    pub(super) user: UserId,
    pub(super) joined_seq: Option<Seq>,
    pub(super) version: MembersVersion,
}

/// How it is known which rooms a session hears.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It begins, or has joined: what it hears was read by its own request, and nothing of that comes later.
    ToBegin,
    /// By looking, at any moment: the user may have left since, and joined again.
    Found,
}

impl Shard {
    pub(super) fn attach(&mut self, slot: SlotNo, rooms: Vec<Hear>, told: Told, out: &mut Vec<Effect>) {
        let Some(opening) = self.sessions.attached(slot) else {
            return;
        };
        for hear in rooms {
            self.room_or_new(&hear, out);
            self.hear_from(slot, &hear, (opening, told), out);
        }
        self.catch_up(slot, out);
    }

    /// Gives a session a place in a room that is known here, or moves the one it has.
    fn hear_from(&mut self, slot: SlotNo, hear: &Hear, (opening, told): (bool, Told), out: &mut Vec<Effect>) {
        let Some(room) = self.rooms.get_mut(&hear.room) else {
            return;
        };
        room.read = room.read.max(hear.version);
        let (moved, behind) = if !self.sessions.add_room(slot, hear.room) {
            // It was found to be a member before this. Nothing was given to it while it was opening.
            let in_doubt = room.place(slot).is_some_and(|place| place.doubted);
            let moves = opening || (hear.asked && (hear.after < room.done || in_doubt));
            let moved = moves && room.rewind(slot, hear.after);
            (moved, moved)
        } else if hear.version < room.version || told == Told::Found {
            // The membership may have ended after it was read.
            room.add_doubted(slot, hear.after, told == Told::Found);
            (true, false)
        } else {
            (true, room.add(slot, hear.after))
        };
        if moved {
            // Where it begins is of this membership. A place that stays where it was goes the way of its own.
            room.given(slot, hear.version);
        }
        if behind {
            self.fall_behind(slot, hear.room);
        }
        self.reload_if_stale(hear.room, out);
    }

    /// Gives a session a place in a room of which its user has become a member.
    fn hear(&mut self, slot: SlotNo, room_id: RoomId, joined: Seq) {
        let Some(room) = self.rooms.get_mut(&room_id) else {
            return;
        };
        if !self.sessions.add_room(slot, room_id) {
            return;
        }
        // Until it is attached nothing reaches it, so what comes meanwhile is caught up then.
        if room.add(slot, joined) || (!self.sessions.is_open(slot) && room.rewind(slot, joined)) {
            self.fall_behind(slot, room_id);
        }
    }

    /// Has the members read if they are known to have changed.
    pub(super) fn reload_if_stale(&mut self, room_id: RoomId, out: &mut Vec<Effect>) {
        let Some(room) = self.rooms.get_mut(&room_id) else {
            return;
        };
        if room.is_stale() && !room.reloading {
            room.reloading = true;
            out.push(Effect::Reload { room: room_id });
        }
    }

    fn room_or_new(&mut self, hear: &Hear, out: &mut Vec<Effect>) {
        let room = hear.room;
        self.rooms.entry(room).or_insert_with(|| {
            out.push(Effect::Interest { room, wanted: true });
            // What was committed after the head was read and announced before the interest is found by this.
            out.push(Effect::CheckHead { room });
            Room::new(hear.head, Some(hear.epoch), hear.version)
        });
    }

    pub(super) fn close(&mut self, slot: SlotNo, out: &mut Vec<Effect>) {
        let Some(session) = self.sessions.close(slot) else {
            return;
        };
        for room in session.rooms {
            self.lose_place(slot, room, out);
        }
        self.pass_barriers_of(slot, out);
    }

    fn lose_place(&mut self, slot: SlotNo, room_id: RoomId, out: &mut Vec<Effect>) {
        let Some(room) = self.rooms.get_mut(&room_id) else {
            return;
        };
        room.remove(slot);
        if room.is_empty() {
            if let Some(at) = room.early_until {
                self.early.remove(&(at, room_id));
            }
            if let Some(at) = room.hole {
                self.holes.remove(&(at, room_id));
            }
            self.rooms.remove(&room_id);
            out.push(Effect::Interest {
                room: room_id,
                wanted: false,
            });
        }
    }

    pub(super) fn posted(
        &mut self,
        room_id: RoomId,
        outbound: Arc<Outbound>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let Some(message) = outbound.message() else { return };
        let message = Arc::clone(message);
        let (seq, epoch) = (message.seq, message.epoch);
        let Some(room) = self.rooms.get_mut(&room_id) else {
            return; // The last member left while the event was in flight.
        };
        if room.epoch.is_some_and(|known| known != epoch) {
            // The history was reset: whatever waited belonged to the old one.
            *room = room::reset(room, epoch, seq);
        }
        if seq <= room.last {
            return; // A repeat.
        }
        room.epoch = Some(epoch);
        let next = seq == room.last.next();
        if next && room.parked.is_empty() && room.hole.is_none() && message.members <= room.version {
            room.accept(outbound, seq);
            self.activate(room_id);
            return;
        }
        room.known = room.known.max(seq);
        if next || room.parked.len() < self.limits.room_reorder_max {
            room.parked.insert(seq, outbound);
        }
        self.unpark(room_id, now, out);
    }

    /// Takes into the order what has become next, and sees to what keeps the rest waiting.
    fn unpark(&mut self, room_id: RoomId, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(room) = self.rooms.get_mut(&room_id) else {
            return;
        };
        let mut version_missing = false;
        while let Some(entry) = room.parked.first_entry() {
            let seq = *entry.key();
            if seq <= room.last {
                entry.remove();
                continue;
            }
            if seq != room.last.next() {
                break;
            }
            if let Some(message) = entry.get().message().filter(|it| it.members > room.version) {
                room.newest = room.newest.max(message.members);
                version_missing = true;
                break;
            }
            let outbound = entry.remove();
            room.accept(outbound, seq);
        }
        let hole = room.known > room.last && !version_missing && !room.backfilling;
        // Behind a later announcement, the missing one is lost or nearly here. Of a head that was read, it may only just
        // be on its way from whoever has committed it; and read from the store it would answer nobody's request.
        let patience_ms = if room.parked.is_empty() {
            self.limits.head_exchange_ms
        } else {
            self.limits.gap_wait_ms
        };
        let due = hole.then(|| now.plus_ms(patience_ms));
        let due = match (due, room.hole) {
            (Some(new), Some(old)) => Some(new.min(old)),
            (due, _) => due,
        };
        if due != room.hole {
            if let Some(at) = room.hole {
                self.holes.remove(&(at, room_id));
            }
            if let Some(at) = due {
                self.holes.insert((at, room_id));
            }
            room.hole = due;
        }
        self.activate(room_id);
        self.reload_if_stale(room_id, out);
        self.release(room_id, out);
    }

    /// Goes on with the catch-ups that waited for the memberships.
    fn release(&mut self, room_id: RoomId, out: &mut Vec<Effect>) {
        let Some(room) = self.rooms.get_mut(&room_id) else {
            return;
        };
        if room.held && !room.is_stale() {
            room.held = false;
            let behind: Vec<SlotNo> = room
                .places()
                .iter()
                .filter(|place| place.behind)
                .map(|place| place.slot)
                .collect();
            for slot in behind {
                self.catch_up(slot, out);
            }
        }
    }

    /// A hole did not close by itself in time.
    pub(super) fn hole_due(&mut self, room_id: RoomId, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(room) = self.rooms.get_mut(&room_id) else {
            return;
        };
        room.hole = None;
        if room.known > room.last && !room.backfilling && !room.parked.contains_key(&room.last.next()) {
            room.backfilling = true;
            out.push(Effect::Backfill {
                room: room_id,
                after: room.last,
            });
        } else {
            self.unpark(room_id, now, out);
        }
    }

    pub(super) fn backfilled(
        &mut self,
        room_id: RoomId,
        page: Option<HistoryPage>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let Some(room) = self.rooms.get_mut(&room_id) else {
            return;
        };
        room.backfilling = false;
        // A page of another history says nothing about this one.
        if let Some(page) = page.filter(|page| room.epoch.is_none_or(|epoch| epoch == page.epoch)) {
            let before = room.last;
            let (has_more, head) = (page.has_more, page.head);
            if room.fill(page) {
                // Who hears the room live lacks what was deleted: it must be told, by a resume, not given the rest.
                for place in room.places().iter().filter(|place| !place.behind) {
                    out.push(Effect::Close {
                        slot: place.slot,
                        cause: CloseCause::Slow,
                    });
                }
            }
            // What was said to exist and does not was never committed.
            room.known = head
                .max(room.last)
                .max(room.parked.last_key_value().map_or(Seq::ZERO, |(seq, _)| *seq));
            if has_more && (room.last > before || !room.parked.is_empty()) {
                self.unpark(room_id, now, out);
                self.backfill_rest(room_id, now, out);
                return;
            }
        }
        self.unpark(room_id, now, out);
    }

    /// A page did not reach the head: the next one is asked for at once.
    fn backfill_rest(&mut self, room_id: RoomId, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(room) = self.rooms.get_mut(&room_id) else {
            return;
        };
        if room.known > room.last && !room.backfilling && !room.reloading {
            room.backfilling = true;
            out.push(Effect::Backfill {
                room: room_id,
                after: room.last,
            });
            self.unpark(room_id, now, out);
        }
    }

    /// A room's head, by somebody's word.
    pub(super) fn head(&mut self, head: RoomHead, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(room) = self.rooms.get_mut(&head.room) else {
            return;
        };
        match room.epoch {
            None => room.epoch = Some(head.epoch),
            Some(epoch) if epoch != head.epoch => *room = room::reset(room, head.epoch, head.seq.next()),
            Some(_) => {}
        }
        room.known = room.known.max(head.seq);
        room.newest = room.newest.max(head.members_version);
        self.unpark(head.room, now, out);
    }

    pub(super) fn membership(
        &mut self,
        change: Change,
        outbound: Arc<Outbound>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        match (self.rooms.get_mut(&change.room), change.joined_seq) {
            (Some(room), joined) => {
                if change.version <= room.told || room.early.contains_key(&change.version) {
                    return; // A repeat, or later than anyone has waited for it.
                }
                room.newest = room.newest.max(change.version);
                // If a change before this one was lost, the members are read.
                if change.version.0 > room.version.0 + 1 {
                    self.reload_if_stale(change.room, out);
                } else if let (Some(joined), true) = (joined, change.version > room.version) {
                    self.joined(change, joined, out);
                }
            }
            (None, Some(joined)) => {
                if self.sessions.of(change.user).is_empty() {
                    return;
                }
                out.push(Effect::Interest {
                    room: change.room,
                    wanted: true,
                });
                out.push(Effect::CheckHead { room: change.room });
                self.rooms
                    .insert(change.room, Room::new(joined, None, change.version));
                self.joined(change, joined, out);
            }
            (None, None) => {}
        }
        if change.joined_seq.is_none() {
            self.left(change, &outbound, out);
        }
        self.tell_in_order(&change, outbound, now);
        self.unpark(change.room, now, out);
    }

    /// Tells the members of a change after those before it: two that are made at the same moment may be announced in
    /// either order, and whoever keeps a list by them must not end with another one than the room has.
    fn tell_in_order(&mut self, change: &Change, outbound: Arc<Outbound>, now: Timestamp) {
        let until = now.plus_ms(self.limits.gap_wait_ms);
        let Some(room) = self.rooms.get_mut(&change.room) else {
            return;
        };
        if change.version <= room.told {
            // The room began with this change.
            self.enqueue(change.room, outbound);
            return;
        }
        room.early.insert(change.version, outbound);
        let waits = room.early.len() <= EARLY_MAX;
        let next = room.changes_to_tell(waits);
        if !room.early.is_empty() && room.early_until.is_none() {
            room.early_until = Some(until);
            self.early.insert((until, change.room));
        }
        for outbound in next {
            self.enqueue(change.room, outbound);
        }
    }

    /// A change did not come in time: those after it are told without it.
    pub(super) fn early_due(&mut self, room_id: RoomId) {
        let Some(room) = self.rooms.get_mut(&room_id) else {
            return;
        };
        room.early_until = None;
        for outbound in room.changes_to_tell(false) {
            self.enqueue(room_id, outbound);
        }
    }

    fn joined(&mut self, change: Change, joined_seq: Seq, out: &mut Vec<Effect>) {
        if let Some(room) = self.rooms.get_mut(&change.room) {
            room.advance(change.version);
        }
        for slot in self.sessions.of(change.user).to_vec() {
            let heard = self
                .sessions
                .get(slot)
                .is_some_and(|session| session.rooms.contains(&change.room));
            if !heard {
                self.hear(slot, change.room, joined_seq);
                self.catch_up(slot, out);
            }
        }
    }

    fn left(&mut self, change: Change, outbound: &Arc<Outbound>, out: &mut Vec<Effect>) {
        let slots = self.sessions.of(change.user).to_vec();
        // A reload that was faster has done this, and more: who came back after this change keeps its place.
        if let Some(room) = self
            .rooms
            .get_mut(&change.room)
            .filter(|room| room.version.next() == change.version)
        {
            let ended: Vec<SlotNo> = slots
                .iter()
                .copied()
                .filter(|slot| !room.outlasts(*slot, change.version))
                .collect();
            room.advance(change.version);
            for slot in &ended {
                self.sessions.remove_room(*slot, change.room);
                self.lose_place(*slot, change.room, out);
                self.catch_up(*slot, out);
            }
        } else if let Some(room) = self
            .rooms
            .get_mut(&change.room)
            .filter(|room| room.version < change.version)
        {
            // Another change came before this one: until it is known who is a member, these hear nothing more.
            for slot in &slots {
                if !room.outlasts(*slot, change.version) {
                    room.doubt(*slot);
                }
            }
        }
        // The one who left hears of it as well, on all its sessions, unless it has a place (again).
        let gone: Vec<SlotNo> = slots
            .into_iter()
            .filter(|slot| {
                self.rooms
                    .get(&change.room)
                    .is_none_or(|room| room.place(*slot).is_none_or(|place| place.doubted))
            })
            .collect();
        self.list_job(&gone, Arc::clone(outbound));
    }

    /// All members of a room, as the store has them: whoever is not one loses its place, whoever lacks one gets it.
    pub(super) fn members(
        &mut self,
        head: RoomHead,
        members: &[(UserId, Seq)],
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        if !self.rooms.contains_key(&head.room) {
            if members.iter().all(|(user, _)| self.sessions.of(*user).is_empty()) {
                return;
            }
            out.push(Effect::Interest {
                room: head.room,
                wanted: true,
            });
            out.push(Effect::CheckHead { room: head.room });
            self.rooms.insert(
                head.room,
                Room::new(head.seq, Some(head.epoch), head.members_version),
            );
        }
        let Some(room) = self.rooms.get_mut(&head.room) else {
            return;
        };
        room.reloading = false;
        if room.epoch.is_some_and(|epoch| epoch != head.epoch) {
            *room = room::reset(room, head.epoch, head.seq.next());
        }
        if head.members_version < room.read {
            // Read before somebody here became a member; the next answer knows it.
            room.newest = room.newest.max(room.read);
        } else if head.members_version >= room.version {
            room.advance(head.members_version);
            room.known = room.known.max(head.seq);
            let gone: Vec<SlotNo> = room
                .slots()
                .filter(|slot| {
                    let user = self.sessions.user(*slot);
                    user.is_none_or(|user| {
                        members
                            .binary_search_by_key(&user, |(member, _)| *member)
                            .is_err()
                    })
                })
                .collect();
            room.newest = room.version.max(room.announced());
            for slot in gone {
                self.sessions.remove_room(slot, head.room);
                self.lose_place(slot, head.room, out);
                self.catch_up(slot, out);
            }
            self.confirm(head.room, members, out);
            for (user, joined_seq) in members {
                for slot in self.sessions.of(*user).to_vec() {
                    let heard = self
                        .sessions
                        .get(slot)
                        .is_some_and(|session| session.rooms.contains(&head.room));
                    if !heard {
                        self.hear(slot, head.room, *joined_seq);
                        self.catch_up(slot, out);
                    }
                }
            }
        }
        self.unpark(head.room, now, out);
    }

    /// Those whose membership was in doubt are members: they are caught up.
    fn confirm(&mut self, room_id: RoomId, members: &[(UserId, Seq)], out: &mut Vec<Effect>) {
        let joined = |slot| {
            let user = self.sessions.user(slot)?;
            let at = members.binary_search_by_key(&user, |(member, _)| *member);
            at.ok().map(|at| members[at].1)
        };
        let confirmed = self
            .rooms
            .get_mut(&room_id)
            .map(|room| room.confirm(joined))
            .unwrap_or_default();
        for slot in confirmed {
            self.fall_behind(slot, room_id);
            self.catch_up(slot, out);
        }
    }

    /// The members could not be read: tried again when heads are exchanged next.
    pub(super) fn members_unknown(&mut self, room_id: RoomId, now: Timestamp) {
        let Some(room) = self.rooms.get_mut(&room_id) else {
            return;
        };
        room.reloading = false;
        if room.hole.is_none() {
            let at = now.plus_ms(self.limits.head_exchange_ms);
            room.hole = Some(at);
            self.holes.insert((at, room_id));
        }
    }
}
