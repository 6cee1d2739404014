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

impl Routes {
    fn part(&self, room: RoomId) -> &RwLock<HashMap<RoomId, u64>> {
        &self.parts[room.0.rem_euclid(PARTS as i64) as usize]
    }

    pub(crate) fn set(&self, room: RoomId, shard: usize, wanted: bool) {
        let mut part = self.part(room).write();
        let bit = 1 << shard;
        if wanted {
            *part.entry(room).or_default() |= bit;
        } else if let Some(shards) = part.get_mut(&room) {
            *shards &= !bit;
            if *shards == 0 {
                part.remove(&room);
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
            routes.set(RoomId(-3), shard, true);
        }
        assert_eq!(routes.of(RoomId(-3)).collect::<Vec<_>>(), [0, 5, 63]);
        routes.set(RoomId(-3), 5, false);
        assert_eq!(routes.of(RoomId(-3)).collect::<Vec<_>>(), [0, 63]);
        routes.set(RoomId(-3), 0, false);
        routes.set(RoomId(-3), 63, false);
        assert_eq!(routes.rooms(), 0);
    }
}
