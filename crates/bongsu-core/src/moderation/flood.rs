//! The same thing said too often: the one step of moderation with a memory.
//!
//! Invariant: in any window no user gets more posts of one content through than the limit. The memory is bounded: by users,
//! and by posts of each.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use bongsu_model::{ClientMessageId, Limits, Refusal, Timestamp, UserId};

use super::{reason, rejected};
use crate::swept::Swept;

/// Posts remembered of one user. What is older is forgotten, within the window too.
const POSTS_MAX: usize = 64;

/// How often the same content may be posted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FloodLimit {
    /// Posts of the same content by one user in any window; 0 for no limit. At most 64 are told apart.
    pub repeats_max: u32,
    /// The window, in milliseconds.
    pub window_ms: u64,
}

impl From<&Limits> for FloodLimit {
    fn from(limits: &Limits) -> Self {
        Self {
            repeats_max: limits.flood_repeats_max,
            window_ms: limits.flood_window_ms,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Posted {
    at: Timestamp,
    fingerprint: u64,
    /// A hash of the client's own name for the post.
    client_id: Option<u64>,
}

/// What users have posted lately.
#[derive(Clone, Debug)]
pub struct Flood {
    users: Swept<UserId, VecDeque<Posted>>,
}

impl Flood {
    /// A memory of at most `users_max` users; beyond that the one who was quiet the longest of a few is forgotten.
    #[must_use]
    pub fn new(users_max: usize) -> Self {
        Self {
            users: Swept::new(users_max),
        }
    }

    /// Counts a post that all else has let pass; a refused one does not count.
    ///
    /// A client that sends a post again under its `client_id`, because it did not hear the answer, floods nothing.
    ///
    /// # Errors
    ///
    /// `MESSAGE_REJECTED` with [`reason::FLOOD`].
    pub fn check(
        &mut self,
        user: UserId,
        fingerprint: u64,
        client_id: Option<&ClientMessageId>,
        limit: FloodLimit,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if limit.repeats_max == 0 {
            return Ok(());
        }
        let client_id = client_id.map(|id| {
            let mut hasher = DefaultHasher::new();
            id.hash(&mut hasher);
            hasher.finish()
        });
        let left = |posts: &VecDeque<Posted>| {
            posts
                .back()
                .map_or(0, |last| limit.window_ms.saturating_sub(now.ms_since(last.at)))
        };
        let posts = self.users.entry(user, left, VecDeque::new);
        posts.retain(|post| now.ms_since(post.at) < limit.window_ms);
        let same = posts.iter().filter(|post| post.fingerprint == fingerprint);
        let (count, again) = same.fold((0, false), |(count, again), post| {
            (
                count + 1,
                again || (client_id.is_some() && post.client_id == client_id),
            )
        });
        if again {
            return Ok(());
        }
        if count >= limit.repeats_max.min(POSTS_MAX as u32) {
            return Err(rejected(reason::FLOOD));
        }
        if posts.len() >= POSTS_MAX {
            posts.pop_front();
        }
        posts.push_back(Posted {
            at: now,
            fingerprint,
            client_id,
        });
        Ok(())
    }

    /// Looks at the next `slice` users and forgets those who were quiet for a window; how many. To be called now and then.
    pub fn sweep(&mut self, slice: usize, limit: FloodLimit, now: Timestamp) -> usize {
        self.users.sweep(slice, |posts| {
            posts
                .back()
                .is_none_or(|last| now.ms_since(last.at) >= limit.window_ms)
        })
    }

    /// How many users are remembered.
    #[must_use]
    pub fn users(&self) -> usize {
        self.users.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: FloodLimit = FloodLimit {
        repeats_max: 3,
        window_ms: 1_000,
    };
    const USER: UserId = UserId(1);

    fn at(ms: i64) -> Timestamp {
        Timestamp(1_700_000_000_000 + ms)
    }

    fn flood() -> Result<(), Refusal> {
        Err(rejected(reason::FLOOD))
    }

    #[test]
    fn the_same_content_passes_so_often_in_a_window() {
        let mut memory = Flood::new(10);
        for ms in [0, 10, 20] {
            assert_eq!(memory.check(USER, 7, None, LIMIT, at(ms)), Ok(()));
        }
        assert_eq!(memory.check(USER, 7, None, LIMIT, at(999)), flood());
        assert_eq!(
            memory.check(USER, 8, None, LIMIT, at(999)),
            Ok(()),
            "another content"
        );
        assert_eq!(
            memory.check(UserId(2), 7, None, LIMIT, at(999)),
            Ok(()),
            "another user"
        );
        assert_eq!(
            memory.check(USER, 7, None, LIMIT, at(1_000)),
            Ok(()),
            "the first is a window ago"
        );
        assert_eq!(memory.check(USER, 7, None, LIMIT, at(1_001)), flood());
    }

    #[test]
    fn a_repeat_of_the_same_post_is_no_flood() {
        let mut memory = Flood::new(10);
        let id = ClientMessageId::new("a").unwrap();
        for ms in 0..10 {
            assert_eq!(memory.check(USER, 7, Some(&id), LIMIT, at(ms)), Ok(()));
        }
        assert_eq!(memory.check(USER, 7, None, LIMIT, at(10)), Ok(()));
        assert_eq!(memory.check(USER, 7, None, LIMIT, at(10)), Ok(()));
        assert_eq!(
            memory.check(USER, 7, None, LIMIT, at(10)),
            flood(),
            "posts without an id are never the same"
        );
        let other = ClientMessageId::new("b").unwrap();
        assert_eq!(
            memory.check(USER, 7, Some(&other), LIMIT, at(10)),
            flood(),
            "another id is another post"
        );
    }

    #[test]
    fn nought_is_no_limit_and_costs_no_memory() {
        let mut memory = Flood::new(10);
        let limit = FloodLimit {
            repeats_max: 0,
            ..LIMIT
        };
        assert!((0..1_000).all(|_| memory.check(USER, 7, None, limit, at(0)).is_ok()));
        assert_eq!(memory.users(), 0);
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_the_quiet() {
        let mut memory = Flood::new(8);
        for user in 0..1_000 {
            for _ in 0..3 {
                assert_eq!(memory.check(UserId(user), 7, None, LIMIT, at(user)), Ok(()));
            }
        }
        assert_eq!(memory.users(), 8);
        assert_eq!(
            memory.check(UserId(999), 7, None, LIMIT, at(999)),
            flood(),
            "the latest is remembered"
        );
        for other in 0..1_000 {
            assert_eq!(
                memory.check(UserId(999), 100 + other, None, LIMIT, at(999)),
                Ok(())
            );
        }
        assert!(memory.users.get_mut(&UserId(999)).unwrap().len() <= POSTS_MAX);
        assert_eq!(memory.sweep(100, LIMIT, at(1_998)), 7);
        assert_eq!(memory.sweep(100, LIMIT, at(1_999)), 1);
    }

    #[test]
    fn more_than_can_be_remembered_is_still_a_limit() {
        let mut memory = Flood::new(1);
        let limit = FloodLimit {
            repeats_max: 1_000,
            ..LIMIT
        };
        let passed = (0..1_000)
            .filter(|_| memory.check(USER, 7, None, limit, at(0)).is_ok())
            .count();
        assert_eq!(passed, POSTS_MAX);
    }
}
