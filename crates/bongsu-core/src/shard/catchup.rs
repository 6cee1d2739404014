//! Catching up: what a session lacks is replayed from the store, page by page, until it can hear the room live.
//!
//! The same for a resume, a join with `after_seq` and a mailbox that was full. Invariants: a session reads one page at
//! a time, and none while its mailbox has enough; a place that is behind hears no message live.

use bongsu_model::refusal::CloseCause;
use bongsu_model::{HistoryPage, RoomId, Run, Seq, SessionId};

use super::{Effect, Shard, SlotNo};

/// Somebody waits until a session has been given everything up to a place.
#[derive(Debug)]
pub(super) struct Barrier {
    slot: SlotNo,
    ticket: u64,
    upto: Option<(RoomId, Seq)>,
}

impl Shard {
    /// Notes that a session is behind in a room.
    pub(super) fn fall_behind(&mut self, slot: SlotNo, room: RoomId) {
        if let Some(session) = self.sessions.get_mut(slot) {
            let rooms = &mut session.catchup.get_or_insert_default().rooms;
            if !rooms.contains(&room) {
                rooms.push_back(room);
            }
        }
    }

    /// Asks for the next page that a session lacks, if it may have one.
    pub(super) fn catch_up(&mut self, slot: SlotNo, out: &mut Vec<Effect>) {
        if !self.sessions.is_open(slot) {
            return;
        }
        let Some(session) = self.sessions.get_mut(slot) else {
            return;
        };
        let Some(catchup) = session.catchup.as_deref_mut() else {
            return;
        };
        if catchup.asking || catchup.paused {
            return;
        }
        while let Some(&room_id) = catchup.rooms.front() {
            let place = self
                .rooms
                .get(&room_id)
                .and_then(|room| Some((room, room.place(slot)?)));
            if let Some((room, place)) = place.filter(|(_, place)| place.behind) {
                if room.is_stale() {
                    // A page might hold what was posted after the membership ended.
                    if let Some(room) = self.rooms.get_mut(&room_id) {
                        room.held = true;
                    }
                    return;
                }
                if !room.is_level(slot, place.has) {
                    catchup.asking = true;
                    out.push(Effect::Replay {
                        slot,
                        session: session.session,
                        room: room_id,
                        after: place.has,
                    });
                    return;
                }
                if let Some(place) = self.rooms.get_mut(&room_id).and_then(|room| room.place_mut(slot)) {
                    place.behind = false;
                }
            }
            catchup.rooms.pop_front();
        }
        session.catchup = None;
        self.pass_barriers_of(slot, out);
    }

    pub(super) fn replayed(
        &mut self,
        slot: SlotNo,
        session_id: SessionId,
        (room_id, after): (RoomId, Seq),
        page: Option<HistoryPage>,
        out: &mut Vec<Effect>,
    ) {
        let Some(session) = self
            .sessions
            .get_mut(slot)
            .filter(|session| session.session == session_id)
        else {
            return;
        };
        if let Some(catchup) = session.catchup.as_deref_mut() {
            catchup.asking = false;
        }
        let Some(page) = page else {
            // Without the store nothing can be made whole; the client keeps its place and resumes.
            out.push(Effect::Close {
                slot,
                cause: CloseCause::Slow,
            });
            return;
        };
        let place = self.rooms.get(&room_id).and_then(|room| room.place(slot));
        // A place that was moved since is asked for again.
        let wanted = place.is_some_and(|place| place.behind && !place.doubted && place.has == after);
        if wanted && !self.give_page(slot, after, page, out) {
            // Retention or a reset took away what the session lacks: it must be told, not given a part.
            let cause = CloseCause::Slow;
            out.push(Effect::Close { slot, cause });
            return;
        }
        // The host may yet say that the mailbox has enough; asking goes on when the page is in it.
        self.catch_up(slot, out);
        self.reload_if_stale(room_id, out);
    }

    /// Gives a session the page that comes next for it; false if there is a hole before it.
    fn give_page(&mut self, slot: SlotNo, after: Seq, mut page: HistoryPage, out: &mut Vec<Effect>) -> bool {
        let Some(room) = self.rooms.get_mut(&page.room) else {
            return true;
        };
        let whole = page
            .messages
            .first()
            .map_or(page.head <= after, |first| first.seq == after.next());
        if !whole || room.epoch.is_some_and(|epoch| epoch != page.epoch) {
            return false;
        }
        // What was posted under a membership not known here waits until it is.
        if let Some(cut) = page
            .messages
            .iter()
            .position(|message| message.members > room.version)
        {
            room.newest = room.newest.max(page.messages[cut].members);
            page.messages.truncate(cut);
            page.has_more = true;
        }
        let Some(last) = page.messages.last().map(|message| message.seq) else {
            return true;
        };
        if let Some(place) = room.place_mut(slot) {
            place.has = last;
        }
        if let Some(session) = self
            .sessions
            .get(slot)
            .filter(|session| session.blocked.is_some())
        {
            page.messages
                .retain(|message| !session.has_blocked(Some(message.sender.user)));
        }
        if !page.messages.is_empty() {
            out.push(Effect::Missed { slot, after, page });
        }
        true
    }

    /// A run did not fit: from its first message on, the session is caught up when its mailbox is empty.
    pub(super) fn full(&mut self, slot: SlotNo, run: &Run) {
        let Some(first) = run.events().iter().find_map(|outbound| outbound.message()) else {
            self.sessions.pause(slot);
            return;
        };
        let has = Seq(first.seq.0 - 1);
        let rewound = self
            .rooms
            .get_mut(&first.room)
            .is_some_and(|room| room.rewind(slot, has));
        if rewound {
            self.fall_behind(slot, first.room);
        }
        self.sessions.pause(slot);
    }

    /// A page did not fit: it is asked for again when the mailbox is empty.
    pub(super) fn unfit(&mut self, slot: SlotNo, room_id: RoomId, after: Seq) {
        if self
            .rooms
            .get_mut(&room_id)
            .is_some_and(|room| room.rewind(slot, after))
        {
            self.fall_behind(slot, room_id);
        }
        self.sessions.pause(slot);
    }

    pub(super) fn drained(&mut self, slot: SlotNo, session_id: SessionId, out: &mut Vec<Effect>) {
        let Some(session) = self
            .sessions
            .get_mut(slot)
            .filter(|session| session.session == session_id)
        else {
            return;
        };
        if let Some(catchup) = session.catchup.as_deref_mut() {
            catchup.paused = false;
        }
        self.catch_up(slot, out);
    }

    pub(super) fn barrier(
        &mut self,
        slot: SlotNo,
        ticket: u64,
        upto: Option<(RoomId, Seq)>,
        out: &mut Vec<Effect>,
    ) {
        if upto.is_none() && self.has_work() {
            self.mark(slot, ticket);
        } else {
            self.wait_until_level(slot, ticket, upto, out);
        }
    }

    /// Answers as soon as the session lacks nothing up to a place, or nothing at all.
    pub(super) fn wait_until_level(
        &mut self,
        slot: SlotNo,
        ticket: u64,
        upto: Option<(RoomId, Seq)>,
        out: &mut Vec<Effect>,
    ) {
        let barrier = Barrier { slot, ticket, upto };
        if self.is_passed(&barrier) {
            out.push(Effect::Passed { ticket });
        } else {
            self.barriers.push(barrier);
        }
    }

    fn is_passed(&self, barrier: &Barrier) -> bool {
        let Some(session) = self.sessions.get(barrier.slot) else {
            return true;
        };
        if session.catchup.is_some() {
            return false;
        }
        let Some((room, seq)) = barrier.upto else {
            return true;
        };
        self.rooms
            .get(&room)
            .is_none_or(|room| room.done >= seq || room.place(barrier.slot).is_none())
    }

    pub(super) fn pass_barriers_of(&mut self, slot: SlotNo, out: &mut Vec<Effect>) {
        self.pass_barriers(|barrier| barrier.slot == slot, out);
    }

    pub(super) fn pass_barriers_at(&mut self, room: RoomId, out: &mut Vec<Effect>) {
        self.pass_barriers(|barrier| barrier.upto.is_some_and(|(it, _)| it == room), out);
    }

    fn pass_barriers(&mut self, concerned: impl Fn(&Barrier) -> bool, out: &mut Vec<Effect>) {
        let mut index = 0;
        while index < self.barriers.len() {
            if concerned(&self.barriers[index]) && self.is_passed(&self.barriers[index]) {
                let passed = self.barriers.swap_remove(index);
                out.push(Effect::Passed {
                    ticket: passed.ticket,
                });
            } else {
                index += 1;
            }
        }
    }
}
