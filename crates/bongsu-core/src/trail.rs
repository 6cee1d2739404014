//! What was pushed to one session, in which order: how far its client is in every room when it says which message it
//! saw last.
//!
//! Invariant: a position that is told is the one that the client had, as far as it spoke the truth; whatever is not known
//! for sure is not told at all. Bounded: the oldest steps are folded into the positions at the beginning.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bongsu_model::{Epoch, RoomId, Seq};

mod bytes;
#[cfg(test)]
mod tests;

pub use bytes::Damaged;

/// How much a trail may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrailLimits {
    /// Steps that are known one by one.
    pub steps_max: usize,
    /// Rooms that are heard at once; with more of them the trail is lost.
    pub rooms_max: usize,
}

/// The last message that a client has seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offset {
    /// None.
    Nothing,
    /// This one.
    At(RoomId, Seq),
}

impl Offset {
    /// Reads `<room_id>-<seq>`, or nothing; `None` if it is neither.
    #[must_use]
    pub fn parse(offset: &str) -> Option<Self> {
        if offset.is_empty() {
            return Some(Self::Nothing);
        }
        let (room, seq) = offset.rsplit_once('-')?;
        Some(Self::At(RoomId(room.parse().ok()?), Seq(seq.parse().ok()?)))
    }
}

/// How far a client is in one room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// It has everything up to here that it was to be given.
    pub seq: Seq,
    /// The history that `seq` belongs to, where it is known.
    pub epoch: Option<Epoch>,
}

/// How far a client is in the rooms that its session heard. A room that is not among them was not heard.
pub type Places = BTreeMap<RoomId, Place>;

/// What was pushed to one session, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trail {
    limits: TrailLimits,
    /// The rooms that are heard now, each with its history.
    heard: BTreeMap<RoomId, Epoch>,
    /// Where each room stood before the first of the steps.
    base: BTreeMap<RoomId, Seq>,
    steps: VecDeque<Step>,
    /// Something that a client may have seen is no longer among the steps.
    folded: bool,
    /// It no longer says anything.
    lost: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Step {
    room: RoomId,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// The room is heard from after this message on.
    Began(Seq),
    /// This message was pushed.
    Pushed(Seq),
    /// The room is heard no more.
    Left,
}

impl Trail {
    /// The trail of a session to which nothing was pushed.
    #[must_use]
    pub fn new(limits: TrailLimits) -> Self {
        Self {
            limits,
            heard: BTreeMap::new(),
            base: BTreeMap::new(),
            steps: VecDeque::new(),
            folded: false,
            lost: false,
        }
    }

    /// The session begins to hear a room, from after a message on. If it was thought to hear it before, it had left it.
    pub fn began(&mut self, room: RoomId, after: Seq, epoch: Epoch) {
        self.left(room);
        if !self.hears(room, epoch) {
            return;
        }
        if self.steps.is_empty() && !self.folded {
            self.base.insert(room, after);
        } else {
            self.step(room, Kind::Began(after));
        }
    }

    /// A message was pushed.
    pub fn pushed(&mut self, room: RoomId, seq: Seq, epoch: Epoch) {
        if self.hears(room, epoch) {
            self.step(room, Kind::Pushed(seq));
        }
    }

    /// The session hears a room no more.
    pub fn left(&mut self, room: RoomId) {
        if self.heard.remove(&room).is_some() {
            self.step(room, Kind::Left);
        }
    }

    /// Whether it says nothing any more: a history was reset, or there were too many rooms.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        self.lost
    }

    /// Where every room stood right after the last message that the client saw had been pushed; `None` if that is not
    /// known for sure.
    ///
    /// A message of before the session, or none, means that the client has seen nothing of the session.
    #[must_use]
    pub fn after(&self, offset: Offset) -> Option<Places> {
        if self.lost {
            return None;
        }
        let count = match offset {
            Offset::Nothing => 0,
            Offset::At(room, seq) => {
                let mut pushed = (1..).zip(&self.steps).filter(|(_, step)| {
                    let Step { room: its_room, kind } = step;
                    (*its_room, *kind) == (room, Kind::Pushed(seq))
                });
                match (pushed.next(), pushed.next()) {
                    (Some((count, _)), None) => count,
                    // It was pushed twice, and there is no telling after which of them the client went away.
                    (Some(_), Some(_)) => return None,
                    // It was seen before the session, if it can have been.
                    (None, _) => {
                        let begun = self.places(0).get(&room).copied();
                        begun.filter(|begun| seq <= begun.seq).map(|_| 0)?
                    }
                }
            }
        };
        (count > 0 || !self.folded).then(|| self.places(count))
    }

    /// Where every room stood after so many steps.
    fn places(&self, count: usize) -> Places {
        let mut base = self.base.clone();
        for step in self.steps.range(..count) {
            apply(&mut base, *step);
        }
        // What began later is owed from its beginning on; what was left before anything of it came, is not owed.
        let mut owed = BTreeSet::new();
        for step in self.steps.range(count..) {
            let unknown = !base.contains_key(&step.room);
            match step.kind {
                Kind::Began(seq) if unknown => {
                    base.insert(step.room, seq);
                }
                Kind::Pushed(seq) => {
                    owed.insert(step.room);
                    base.entry(step.room).or_insert(Seq(seq.0.saturating_sub(1)));
                }
                Kind::Left if !owed.contains(&step.room) => {
                    base.remove(&step.room);
                }
                Kind::Began(_) | Kind::Left => {}
            }
        }
        let place = |(room, seq)| {
            let epoch = self.heard.get(&room).copied();
            (room, Place { seq, epoch })
        };
        base.into_iter().map(place).collect()
    }

    /// Notes that a room is heard; false if the trail is lost.
    fn hears(&mut self, room: RoomId, epoch: Epoch) -> bool {
        if self.lost {
            return false;
        }
        let reset = *self.heard.entry(room).or_insert(epoch) != epoch;
        if reset || self.heard.len() > self.limits.rooms_max {
            *self = Self {
                lost: true,
                ..Self::new(self.limits)
            };
        }
        !self.lost
    }

    fn step(&mut self, room: RoomId, kind: Kind) {
        // First the oldest goes: one more than there may be would take twice the memory.
        while self.steps.len() >= self.limits.steps_max.max(1) {
            let Some(oldest) = self.steps.pop_front() else {
                break;
            };
            apply(&mut self.base, oldest);
            self.folded |= match oldest.kind {
                Kind::Began(_) => false,
                Kind::Pushed(_) | Kind::Left => true,
            };
        }
        self.steps.push_back(Step { room, kind });
    }
}

fn apply(base: &mut BTreeMap<RoomId, Seq>, step: Step) {
    match step.kind {
        Kind::Began(seq) | Kind::Pushed(seq) => base.insert(step.room, seq),
        Kind::Left => base.remove(&step.room),
    };
}
