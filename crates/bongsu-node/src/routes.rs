//! Which shards want a room's announcements.

use std::collections::HashMap;

use bongsu_model::RoomId;
use parking_lot::RwLock;

const PARTS: usize = 16;

/// For each room, one bit per shard. At most 64 shards.
#[derive(Default)]
pub(crate) struct Routes {
    parts: [RwLock<HashMap<RoomId, u64>>; PARTS],
}

/// How far a round of all rooms is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Round {
    part: usize,
    after: Option<RoomId>,
}

impl Routes {
    fn part(&self, room: RoomId) -> &RwLock<HashMap<RoomId, u64>> {
        &self.parts[room.0.rem_euclid(PARTS as i64) as usize]
    }

    /// A shard wants a room from now on, or does not any more. `told` hears whether any does, if that has changed, before
    /// another can change it.
    pub(crate) fn set(&self, room: RoomId, shard: usize, wanted: bool, told: impl FnOnce(bool)) {
        let mut part = self.part(room).write();
        let bit = 1 << shard;
        if wanted {
            let shards = part.entry(room).or_default();
            let first = *shards == 0;
            *shards |= bit;
            if first {
                told(true);
            }
        } else if let Some(shards) = part.get_mut(&room) {
            *shards &= !bit;
            if *shards == 0 {
                part.remove(&room);
                told(false);
            }
        }
    }

    /// The shards that want a room, ascending.
    pub(crate) fn of(&self, room: RoomId) -> impl Iterator<Item = usize> + use<> {
        let mut bits = self.part(room).read().get(&room).copied().unwrap_or(0);
        std::iter::from_fn(move || {
            let shard = bits.trailing_zeros();
            bits &= bits.wrapping_sub(1);
            (shard < 64).then_some(shard as usize)
        })
    }

    /// Goes round all rooms, `most` at a time: the next ones, ascending, from where the round is.
    pub(crate) fn next(&self, round: &mut Round, most: usize) -> Vec<RoomId> {
        let mut next = Vec::new();
        for _ in 0..PARTS {
            let part = self.parts[round.part].read();
            let later = part
                .keys()
                .filter(|room| round.after.is_none_or(|after| **room > after));
            let mut later: Vec<_> = later.copied().collect();
            later.sort_unstable();
            later.truncate(most - next.len());
            next.extend(&later);
            if next.len() == most {
                round.after = later.last().copied();
                break;
            }
            *round = Round {
                part: (round.part + 1) % PARTS,
                after: None,
            };
        }
        next
    }

    pub(crate) fn rooms(&self) -> usize {
        self.parts.iter().map(|part| part.read().len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_routed_to_those_who_want_it() {
        let routes = Routes::default();
        for shard in [0, 5, 63] {
            routes.set(RoomId(-3), shard, true, |any| assert!(any && shard == 0));
        }
        assert_eq!(routes.of(RoomId(-3)).collect::<Vec<_>>(), [0, 5, 63]);
        routes.set(RoomId(-3), 5, false, |_| panic!("others want it"));
        assert_eq!(routes.of(RoomId(-3)).collect::<Vec<_>>(), [0, 63]);
        routes.set(RoomId(-3), 0, false, |_| panic!("another wants it"));
        let mut none = false;
        routes.set(RoomId(-3), 63, false, |any| none = !any);
        assert!(none);
        assert_eq!(routes.rooms(), 0);
    }

    #[test]
    fn a_round_comes_past_every_room() {
        let routes = Routes::default();
        let mut round = Round::default();
        assert_eq!(routes.next(&mut round, 3), []);
        (-10..30).for_each(|room| routes.set(RoomId(room), 0, true, |_| {}));
        let mut seen: Vec<_> = (0..14).flat_map(|_| routes.next(&mut round, 3)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 40, "42 looks at 40 rooms");
    }
}
