//! What really happened, in the order of the commits, by the store's own word.
//!
//! Invariant: read after every single commit, so that nothing happens between two looks.

use std::collections::{BTreeMap, BTreeSet};

use bongsu_model::{MembersVersion, PageFrom, RoomId, Seq};
use bongsu_store::{Memory, Store};
use futures_util::FutureExt;

/// Something that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commit {
    /// A user became a member.
    Joined {
        /// Where.
        room: i64,
        /// Who.
        user: i64,
        /// The room's last message then.
        seq: u64,
    },
    /// A membership ended.
    Left {
        /// Where.
        room: i64,
        /// Whose.
        user: i64,
        /// The room's last message then.
        seq: u64,
    },
    /// A message was accepted.
    Posted {
        /// Where.
        room: i64,
        /// Its place.
        seq: u64,
        /// Who.
        sender: i64,
        /// The text.
        content: String,
    },
}

/// All that was committed.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// In their order.
    pub commits: Vec<Commit>,
    /// When each commit was, in milliseconds.
    pub at_ms: Vec<u64>,
    /// Who was there, by the word of the nodes.
    pub visits: Vec<Visit>,
    rooms: BTreeMap<RoomId, Known>,
}

/// A session, by its node's word: never longer than it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// On which node.
    pub node: usize,
    /// Whose.
    pub user: i64,
    /// When it had begun, in milliseconds.
    pub since_ms: u64,
    /// When it had not ended yet for the last time; `None` while it goes on.
    pub until_ms: Option<u64>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    seq: Seq0,
    version: Option<MembersVersion>,
    members: BTreeSet<i64>,
}

/// A seq that begins before the first message.
type Seq0 = u64;

/// An answer from memory, which nobody waits for.
fn now<T, E>(answer: impl Future<Output = Result<T, E>>) -> Option<T> {
    answer
        .now_or_never()
        .expect("a read in memory does not wait")
        .ok()
}

impl Truth {
    /// Notes what the last commit was.
    pub(crate) fn observe(&mut self, store: &Memory, rooms: &[RoomId], at_ms: u64) {
        self.observe_all(store, rooms);
        self.at_ms.resize(self.commits.len(), at_ms);
    }

    /// A session has begun; its place.
    pub(crate) fn came(&mut self, node: usize, user: i64, at_ms: u64) -> usize {
        self.visits.push(Visit {
            node,
            user,
            since_ms: at_ms,
            until_ms: None,
        });
        self.visits.len() - 1
    }

    /// The session at that place is about to end.
    pub(crate) fn went(&mut self, visit: usize, at_ms: u64) {
        self.visits[visit].until_ms.get_or_insert(at_ms);
    }

    /// A node died.
    pub(crate) fn died(&mut self, node: usize, at_ms: u64) {
        for visit in self.visits.iter_mut().filter(|visit| visit.node == node) {
            visit.until_ms.get_or_insert(at_ms);
        }
    }

    fn observe_all(&mut self, store: &Memory, rooms: &[RoomId]) {
        for head in now(store.heads(rooms.to_vec())).unwrap_or_default() {
            let known = self.rooms.entry(head.room).or_default();
            let room = head.room.0;
            if known.version != Some(head.members_version) {
                known.version = Some(head.members_version);
                let all = now(store.room_members(head.room)).flatten();
                let members: BTreeSet<i64> = all
                    .into_iter()
                    .flat_map(|all| all.members)
                    .map(|(user, _)| user.0)
                    .collect();
                let joined = members.difference(&known.members);
                self.commits.extend(joined.map(|user| Commit::Joined {
                    room,
                    user: *user,
                    seq: head.seq.0,
                }));
                let left = known.members.difference(&members);
                self.commits.extend(left.map(|user| Commit::Left {
                    room,
                    user: *user,
                    seq: head.seq.0,
                }));
                known.members = members;
            }
            while known.seq < head.seq.0 {
                let page = now(store.history(head.room, PageFrom::After(Seq(known.seq)), 1)).flatten();
                let Some(message) = page.and_then(|page| page.messages.first().cloned()) else {
                    break;
                };
                known.seq = message.seq.0;
                self.commits.push(Commit::Posted {
                    room,
                    seq: message.seq.0,
                    sender: message.sender.user.0,
                    content: message.content.to_string(),
                });
            }
        }
    }

    /// Each time that a user was a member of a room.
    #[must_use]
    pub fn stays(&self, room: i64, user: i64) -> Vec<Stay> {
        let mut stays: Vec<Stay> = Vec::new();
        for (index, commit) in self.commits.iter().enumerate() {
            match commit {
                Commit::Joined {
                    room: r,
                    user: u,
                    seq,
                } if (*r, *u) == (room, user) => {
                    stays.push(Stay {
                        since: index,
                        joined: *seq,
                        left: None,
                        until: None,
                    });
                }
                Commit::Left {
                    room: r,
                    user: u,
                    seq,
                } if (*r, *u) == (room, user) => {
                    if let Some(last) = stays.last_mut() {
                        last.left = Some(*seq);
                        last.until = Some(index);
                    }
                }
                Commit::Joined { .. } | Commit::Left { .. } | Commit::Posted { .. } => {}
            }
        }
        stays
    }

    /// Whether a user's membership ended after its post was kept: then its answer, the room's event, may have found
    /// it gone.
    pub(crate) fn left_after(&self, room: i64, user: i64, content: &str) -> bool {
        let kept =
            |commit: &Commit| matches!(commit, Commit::Posted { content: text, .. } if text == content);
        let later = self.commits.iter().skip_while(|commit| !kept(commit));
        let left = |commit: &Commit| matches!(commit, Commit::Left { room: r, user: u, .. } if (*r, *u) == (room, user));
        later.into_iter().any(left)
    }

    /// The last message of a room.
    #[must_use]
    pub fn head(&self, room: i64) -> u64 {
        let seqs = self.commits.iter().filter_map(|commit| match commit {
            Commit::Posted { room: r, seq, .. } if *r == room => Some(*seq),
            Commit::Posted { .. } | Commit::Joined { .. } | Commit::Left { .. } => None,
        });
        seqs.max().unwrap_or(0)
    }
}

/// A user's time as a member of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// The commit that began it.
    pub since: usize,
    /// The room's last message then.
    pub joined: u64,
    /// The room's last message when it ended.
    pub left: Option<u64>,
    /// The commit that ended it.
    pub until: Option<usize>,
}
