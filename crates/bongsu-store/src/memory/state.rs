//! What the memory store keeps, and the chance it draws epochs and tokens from.
//!
//! Invariant: `memberships` and each room's `members` say the same; `names`, `tokens` and `handles` point to what exists.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bongsu_model::records::{AuditEntry, MemberRole, Room, User};
use bongsu_model::{Jti, Message, RoomId, RoomRef, RoomToken, Seq, Timestamp, TokenHash, UserId, UserRef};

use super::devices::Devices;
use super::presets::Presets;
use crate::{KeptTrail, StoreLimits, StoredAnswer};

pub(super) struct State {
    pub(super) limits: StoreLimits,
    pub(super) chance: Chance,
    pub(super) users: BTreeMap<UserId, User>,
    pub(super) handles: BTreeMap<Arc<str>, UserId>,
    pub(super) blocks: BTreeMap<UserId, BTreeSet<UserId>>,
    pub(super) member_tokens: BTreeMap<TokenHash, (UserId, Option<Timestamp>)>,
    pub(super) revocations: BTreeMap<Jti, Timestamp>,
    pub(super) rooms: BTreeMap<RoomId, Held>,
    pub(super) names: BTreeMap<Arc<str>, RoomId>,
    pub(super) tokens: BTreeMap<[u8; 24], RoomId>,
    pub(super) memberships: BTreeMap<UserId, BTreeSet<RoomId>>,
    pub(super) audit: Vec<AuditEntry>,
    pub(super) answers: BTreeMap<(Arc<str>, Arc<str>), (StoredAnswer, Timestamp)>,
    /// In the order in which they were kept.
    pub(super) trails: Vec<KeptTrail>,
    pub(super) devices: Devices,
    pub(super) presets: Presets,
    pub(super) next_user: i64,
    pub(super) next_room: i64,
    pub(super) next_call: i64,
}

/// A room with its members and messages.
pub(super) struct Held {
    pub(super) room: Room,
    pub(super) members: BTreeMap<UserId, Place>,
    /// The last of them is `room.seq`, if there is any.
    pub(super) messages: VecDeque<Arc<Message>>,
    pub(super) client_ids: BTreeMap<(UserId, Arc<str>), Seq>,
}

#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) role: MemberRole,
    pub(super) joined: Seq,
    pub(super) read: Seq,
}

impl Held {
    pub(super) fn first_seq(&self) -> Seq {
        self.messages
            .front()
            .map_or(self.room.seq.next(), |first| first.seq)
    }

    pub(super) fn message(&self, seq: Seq) -> Option<&Arc<Message>> {
        let at = seq.0.checked_sub(self.first_seq().0)?;
        self.messages.get(usize::try_from(at).ok()?)
    }
}

impl State {
    pub(super) fn new(seed: u64, limits: StoreLimits) -> Self {
        Self {
            limits,
            chance: Chance(seed),
            users: BTreeMap::new(),
            handles: BTreeMap::new(),
            blocks: BTreeMap::new(),
            member_tokens: BTreeMap::new(),
            revocations: BTreeMap::new(),
            rooms: BTreeMap::new(),
            names: BTreeMap::new(),
            tokens: BTreeMap::new(),
            memberships: BTreeMap::new(),
            audit: Vec::new(),
            answers: BTreeMap::new(),
            trails: Vec::new(),
            devices: Devices::default(),
            presets: Presets::default(),
            next_user: 1,
            next_room: 1,
            next_call: 1,
        }
    }

    pub(super) fn room_id(&self, room: &RoomRef) -> Option<RoomId> {
        match room {
            RoomRef::Id(id) => self.rooms.contains_key(id).then_some(*id),
            RoomRef::Name(name) => self.names.get(name).copied(),
            RoomRef::Token(token) => self.tokens.get(&token.0).copied(),
        }
    }

    pub(super) fn held(&self, room: &RoomRef) -> Option<&Held> {
        self.rooms.get(&self.room_id(room)?)
    }

    pub(super) fn held_mut(&mut self, room: &RoomRef) -> Option<&mut Held> {
        let id = self.room_id(room)?;
        self.rooms.get_mut(&id)
    }

    pub(super) fn user_id(&self, user: &UserRef) -> Option<UserId> {
        match user {
            UserRef::Id(id) => self.users.contains_key(id).then_some(*id),
            UserRef::Handle(handle) => self.handles.get(handle).copied(),
        }
    }

    pub(super) fn audit(&mut self, mut entry: AuditEntry) {
        entry.id = i64::try_from(self.audit.len()).expect("fewer than 2^63 entries fit in memory") + 1;
        self.audit.push(entry);
    }

    pub(super) fn audits(&self, before: Option<i64>, limit: u32) -> Vec<AuditEntry> {
        let older = |entry: &&AuditEntry| before.is_none_or(|before| entry.id < before);
        self.audit
            .iter()
            .rev()
            .filter(older)
            .take(limit as usize)
            .cloned()
            .collect()
    }

    pub(super) fn keep_answer(
        &mut self,
        principal: Arc<str>,
        key: Arc<str>,
        answer: StoredAnswer,
        at: Timestamp,
    ) {
        let kept_ms = self.limits.answer_kept_ms;
        self.answers
            .retain(|_, (_, kept_at)| at.ms_since(*kept_at) <= kept_ms);
        self.answers.entry((principal, key)).or_insert((answer, at));
    }

    pub(super) fn keep_trail(&mut self, kept: KeptTrail, at: Timestamp) {
        let user = kept.user;
        self.trails
            .retain(|it| it.expires_at > at && it.pid_hash != kept.pid_hash);
        self.trails.push(kept);
        let of_user = self.trails.iter().filter(|it| it.user == user).count();
        let mut surplus = of_user.saturating_sub(self.limits.trails_per_user_max);
        self.trails.retain(|it| {
            let goes = it.user == user && surplus > 0;
            surplus -= usize::from(goes);
            !goes
        });
        let surplus = self.trails.len().saturating_sub(self.limits.trails_max);
        self.trails.drain(..surplus);
    }

    pub(super) fn take_trail(
        &mut self,
        pid_hash: &[u8; 32],
        user: UserId,
        at: Timestamp,
    ) -> Option<Arc<[u8]>> {
        let is_it = |it: &KeptTrail| it.pid_hash == *pid_hash && it.user == user;
        let taken = self.trails.remove(self.trails.iter().position(is_it)?);
        (taken.expires_at > at).then_some(taken.trail)
    }
}

/// A splitmix64 generator: the seed is its whole state.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn room_token(&mut self) -> RoomToken {
        let mut bytes = [0; 24];
        for part in bytes.chunks_exact_mut(8) {
            part.copy_from_slice(&self.next().to_be_bytes());
        }
        RoomToken(bytes)
    }
}
