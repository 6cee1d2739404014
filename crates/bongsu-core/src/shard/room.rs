//! One room as one shard sees it: how far it is, who of here hears it, and what waits for them.
//!
//! Invariants: everything up to `done` has been given to every live place; everything in `(done, last]` is in the
//! running or waiting events, in order; what lies beyond a hole or a newer membership is parked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bongsu_model::{
    Audience, Epoch, Event, EventBody, HistoryPage, MembersVersion, Outbound, Run, Seq, Timestamp, UserId,
};

use super::SlotNo;

#[derive(Debug)]
pub(super) struct Room {
    pub(super) last: Seq,
    pub(super) done: Seq,
    pub(super) epoch: Option<Epoch>,
    /// The membership version that the places are of; moved by [`Self::advance`].
    pub(super) version: MembersVersion,
    /// The last membership change that the places were told of, which may be ahead or behind.
    pub(super) told: MembersVersion,
    /// Changes that came before the one that they follow: told in their order, but not kept waiting for long.
    pub(super) early: BTreeMap<MembersVersion, Arc<Outbound>>,
    /// Until when they wait.
    pub(super) early_until: Option<Timestamp>,
    /// The newest membership version that anything spoke of.
    pub(super) newest: MembersVersion,
    /// The newest membership version that the store was read at, for any of the places.
    pub(super) read: MembersVersion,
    /// Some places are in doubt.
    doubts: bool,
    /// Places that were given under a membership version which the room is yet to reach: what ended before it does not
    /// end them. Mostly none, which is why it does not stand in each place.
    ahead: Vec<(SlotNo, MembersVersion)>,
    /// Somebody's catch-up waits until the memberships are known.
    pub(super) held: bool,
    places: Vec<Place>,
    pub(super) waiting: VecDeque<Arc<Outbound>>,
    pub(super) running: Option<Running>,
    /// Events that ever waited, and those of them that were given to every place.
    pub(super) enqueued: u64,
    pub(super) fanned: u64,
    /// Whether the room stands in the shard's jobs.
    pub(super) active: bool,
    pub(super) parked: BTreeMap<Seq, Arc<Outbound>>,
    /// The furthest message known of, by announcements and heads.
    pub(super) known: Seq,
    pub(super) hole: Option<Timestamp>,
    pub(super) backfilling: bool,
    pub(super) reloading: bool,
}

/// A session's place in a room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) slot: SlotNo,
    /// It is being caught up from the store: runs pass it by.
    pub(super) behind: bool,
    /// Its membership was read before a change that is known here: it is given nothing until the store confirms it.
    pub(super) doubted: bool,
    /// It is in doubt and was found by looking: where its membership begins is yet to be confirmed, too.
    pub(super) found: bool,
    /// It has everything up to here; it is given only what comes after.
    pub(super) has: Seq,
}

/// The run that is being given to the places, in slices.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) run: Arc<Run>,
    /// One user who is not told.
    pub(super) except: Option<UserId>,
    /// The next place to serve.
    pub(super) at: usize,
    /// The last message in the run, or the room's last before it.
    pub(super) upto: Seq,
    pub(super) served: u32,
}

impl Room {
    pub(super) fn new(last: Seq, epoch: Option<Epoch>, version: MembersVersion) -> Self {
        Self {
            last,
            done: last,
            epoch,
            version,
            told: version,
            early: BTreeMap::new(),
            early_until: None,
            newest: version,
            read: version,
            doubts: false,
            ahead: Vec::new(),
            held: false,
            places: Vec::new(),
            waiting: VecDeque::new(),
            running: None,
            enqueued: 0,
            fanned: 0,
            active: false,
            parked: BTreeMap::new(),
            known: last,
            hole: None,
            backfilling: false,
            reloading: false,
        }
    }

    /// The newest membership change that was announced here, told or not.
    pub(super) fn announced(&self) -> MembersVersion {
        self.early
            .last_key_value()
            .map_or(self.told, |(version, _)| *version)
    }

    /// The changes that may be told now, in their order; all of them if there is no more waiting for one between.
    pub(super) fn changes_to_tell(&mut self, waits: bool) -> Vec<Arc<Outbound>> {
        let mut next = Vec::new();
        while let Some(entry) = self.early.first_entry() {
            if waits && *entry.key() != self.told.next() {
                break;
            }
            self.told = *entry.key();
            next.push(entry.remove());
        }
        next
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = SlotNo> + '_ {
        self.places.iter().map(|place| place.slot)
    }

    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn place(&self, slot: SlotNo) -> Option<&Place> {
        self.places.iter().find(|place| place.slot == slot)
    }

    pub(super) fn place_mut(&mut self, slot: SlotNo) -> Option<&mut Place> {
        self.places.iter_mut().find(|place| place.slot == slot)
    }

    /// Gives a session a place; true if it is behind and must be caught up.
    pub(super) fn add(&mut self, slot: SlotNo, has: Seq) -> bool {
        // A run under way still reaches a place at the end, so only what is done is missed.
        let behind = has < self.done;
        self.places.push(Place {
            slot,
            behind,
            doubted: false,
            found: false,
            has,
        });
        behind
    }

    /// The places are of this membership version now.
    pub(super) fn advance(&mut self, version: MembersVersion) {
        self.version = version;
        if !self.ahead.is_empty() {
            self.ahead.retain(|(_, given)| *given > version);
            self.ahead.shrink_to_fit();
        }
    }

    /// Notes the membership version that a place was given under.
    pub(super) fn given(&mut self, slot: SlotNo, version: MembersVersion) {
        if version <= self.version {
            return;
        }
        match self.ahead.iter_mut().find(|(it, _)| *it == slot) {
            Some((_, given)) => *given = version.max(*given),
            None => self.ahead.push((slot, version)),
        }
    }

    /// Whether a place was given under this membership version or a newer one, which the room is yet to reach.
    pub(super) fn outlasts(&self, slot: SlotNo, version: MembersVersion) -> bool {
        self.ahead
            .iter()
            .any(|(it, given)| *it == slot && *given >= version)
    }

    /// Gives a session a place that gets nothing until [`Self::confirm`]; if it was found, nothing either from before the
    /// membership that is confirmed then.
    pub(super) fn add_doubted(&mut self, slot: SlotNo, has: Seq, found: bool) {
        self.places.push(Place {
            slot,
            behind: true,
            doubted: true,
            found,
            has,
        });
        self.doubts = true;
    }

    /// Gives a place nothing more until [`Self::confirm`]; it is caught up then from what it has been given so far.
    pub(super) fn doubt(&mut self, slot: SlotNo) {
        let passed = |running: &&Running| self.places[..running.at].iter().any(|place| place.slot == slot);
        let upto = self
            .running
            .as_ref()
            .filter(passed)
            .map_or(Seq::ZERO, |running| running.upto);
        let given = self.done.max(upto);
        let Some(place) = self.place_mut(slot) else { return };
        if !place.behind {
            place.behind = true;
            place.has = place.has.max(given);
        }
        place.doubted = true;
        self.doubts = true;
    }

    /// The places that are left are members' places, `joined` says since which message; those that were in doubt, which
    /// must be caught up now.
    pub(super) fn confirm(&mut self, joined: impl Fn(SlotNo) -> Option<Seq>) -> Vec<SlotNo> {
        if !std::mem::take(&mut self.doubts) {
            return Vec::new();
        }
        let confirmed = self.places.iter_mut().filter_map(|place| {
            let doubted = std::mem::take(&mut place.doubted);
            if std::mem::take(&mut place.found) {
                place.has = joined(place.slot).map_or(place.has, |joined| joined.max(place.has));
            }
            doubted.then_some(place.slot)
        });
        confirmed.collect()
    }

    /// Whether the places are known to be of an older membership than the room's.
    pub(super) fn is_stale(&self) -> bool {
        self.doubts || self.newest > self.version
    }

    /// Puts a session's place back to a message from which it is to be caught up; false if it has no place.
    pub(super) fn rewind(&mut self, slot: SlotNo, has: Seq) -> bool {
        let Some(place) = self.place_mut(slot) else {
            return false;
        };
        place.behind = true;
        place.found = false;
        place.has = has;
        true
    }

    /// Whether a place that has everything up to `has` can hear the room live again.
    pub(super) fn is_level(&self, slot: SlotNo, has: Seq) -> bool {
        match &self.running {
            Some(running) => {
                let passed = self.places[..running.at].iter().any(|place| place.slot == slot);
                has >= if passed {
                    running.upto.max(self.done)
                } else {
                    self.done
                }
            }
            None => has >= self.done,
        }
    }

    /// Takes a session's place away without disturbing the run under way.
    pub(super) fn remove(&mut self, slot: SlotNo) -> bool {
        let Some(index) = self.places.iter().position(|place| place.slot == slot) else {
            return false;
        };
        match &mut self.running {
            Some(running) if index < running.at => {
                // The last served place fills the gap, and the last of all, not served yet, takes its place.
                running.at -= 1;
                let last_served = running.at;
                self.places.swap(index, last_served);
                self.places.swap_remove(last_served);
            }
            Some(_) | None => {
                self.places.swap_remove(index);
            }
        }
        self.ahead.retain(|(it, _)| *it != slot);
        if self.places.len() * 4 < self.places.capacity() {
            self.places.shrink_to(self.places.len() * 2);
        }
        true
    }

    /// Parks what the store has after `last`; a message that is parked already keeps its cause, which the store does
    /// not know. What retention has deleted will never come: the order goes on after it, and true is returned.
    pub(super) fn fill(&mut self, page: HistoryPage) -> bool {
        let kept = page
            .messages
            .first()
            .map_or(page.head.next(), |message| message.seq);
        let first = self
            .parked
            .first_key_value()
            .map_or(kept, |(seq, _)| kept.min(*seq));
        let deleted = first > self.last.next();
        if deleted {
            self.last = Seq(first.0 - 1);
        }
        for message in page.messages {
            let seq = message.seq;
            if seq <= self.last {
                continue;
            }
            self.parked.entry(seq).or_insert_with(|| {
                Outbound::new(Event {
                    id: seq.0,
                    at: message.created_at,
                    cause: None,
                    audience: Audience::Room(message.room),
                    actor: Some(message.sender.user),
                    body: EventBody::Posted(message),
                })
            });
        }
        deleted
    }

    /// Takes a message into the order; it is the next one.
    pub(super) fn accept(&mut self, outbound: Arc<Outbound>, seq: Seq) {
        debug_assert_eq!(seq, self.last.next());
        self.last = seq;
        self.known = self.known.max(seq);
        self.enqueue(outbound);
    }

    /// Lets an event wait for its turn.
    pub(super) fn enqueue(&mut self, outbound: Arc<Outbound>) {
        self.enqueued += 1;
        self.waiting.push_back(outbound);
    }
}

/// The same places in a new history, which begins before `next`. Who is a member of it is to be read first.
pub(super) fn reset(room: &Room, epoch: Epoch, next: Seq) -> Room {
    let last = Seq(next.0.saturating_sub(1));
    let mut fresh = Room::new(last, Some(epoch), MembersVersion(0));
    let doubted = |place: &Place| Place {
        behind: true,
        doubted: true,
        found: false,
        has: last,
        ..*place
    };
    fresh.places = room.places.iter().map(doubted).collect();
    fresh.doubts = true;
    fresh.held = room.held;
    fresh.active = room.active;
    fresh.reloading = room.reloading;
    fresh.hole = room.hole;
    fresh
}
