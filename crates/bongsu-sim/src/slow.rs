//! A store whose answers take their time: what was read may be old when it arrives, what was written late to be told.
//!
//! Invariant: the contract of the store underneath; an answer speaks of a moment between the call and its return.

mod devices;
mod presets;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bongsu_model::records::{
    AuditEntry, Ban, Member, MyRoom, NewRoom, NewUser, Revocation, Room, RoomHead, User, UserChange,
};
use bongsu_model::{
    CallId, HistoryPage, Jti, PageFrom, RoomId, RoomRef, Seq, Timestamp, TokenHash, TokenId, UserId, UserRef,
};
use bongsu_store::{
    AppendRefused, Appended, CreateRefused, Existing, JoinRefused, Joined, KeptTrail, Left, Mark,
    MemberToken, Memory, NewMessage, RoomMembers, SignIn, SignedIn, Store, StoreFault, StoredAnswer,
    TokenAdded, UpdateRefused,
};

use crate::defect::Defect;
use crate::random::Random;

/// How late an answer comes at most, in milliseconds.
const LATE_MS: u64 = 40;

/// One node's slow way to the store.
pub(crate) struct Slow {
    inner: Arc<Memory>,
    random: Random,
    /// So many answers of a thousand are late.
    late: u64,
    defect: Option<Defect>,
}

impl Slow {
    pub(crate) fn new(inner: Arc<Memory>, random: Random, late: u64, defect: Option<Defect>) -> Self {
        Self {
            inner,
            random,
            late,
            defect,
        }
    }

    async fn late<T>(&self, answer: T) -> T {
        if self.random.often(self.late) {
            tokio::time::sleep(Duration::from_millis(self.random.within(1..LATE_MS))).await;
        }
        answer
    }
}

#[async_trait]
impl Store for Slow {
    async fn sign_in(&self, sign_in: SignIn) -> Result<Option<SignedIn>, StoreFault> {
        self.late(self.inner.sign_in(sign_in).await).await
    }

    async fn create_user(&self, user: NewUser, at: Timestamp) -> Result<User, CreateRefused> {
        self.late(self.inner.create_user(user, at).await).await
    }

    async fn update_user(&self, user: UserId, change: UserChange) -> Result<Option<User>, UpdateRefused> {
        self.late(self.inner.update_user(user, change).await).await
    }

    async fn user(&self, user: UserRef) -> Result<Option<User>, StoreFault> {
        self.late(self.inner.user(user).await).await
    }

    async fn user_by_public_token(&self, token: Arc<str>) -> Result<Option<User>, StoreFault> {
        self.late(self.inner.user_by_public_token(token).await).await
    }

    async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreFault> {
        self.late(self.inner.users(after, limit).await).await
    }

    async fn seen(&self, user: UserId, at: Timestamp) -> Result<(), StoreFault> {
        self.inner.seen(user, at).await
    }

    async fn ban(&self, user: UserId, ban: Option<Ban>) -> Result<Existing, StoreFault> {
        self.late(self.inner.ban(user, ban).await).await
    }

    async fn block(&self, user: UserId, other: UserId, on: bool) -> Result<Existing, StoreFault> {
        self.late(self.inner.block(user, other, on).await).await
    }

    async fn blocks(&self, user: UserId) -> Result<Vec<UserId>, StoreFault> {
        if self.defect == Some(Defect::BlocksForgotten) {
            return Ok(Vec::new());
        }
        self.late(self.inner.blocks(user).await).await
    }

    async fn has_blocked(&self, user: UserId, other: UserId) -> Result<bool, StoreFault> {
        self.late(self.inner.has_blocked(user, other).await).await
    }

    async fn add_member_token(
        &self,
        user: UserId,
        hash: TokenHash,
        expires_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<TokenAdded, StoreFault> {
        self.late(self.inner.add_member_token(user, hash, expires_at, at).await)
            .await
    }

    async fn member_token(&self, hash: TokenHash, at: Timestamp) -> Result<Option<MemberToken>, StoreFault> {
        self.late(self.inner.member_token(hash, at).await).await
    }

    async fn revoke_member_tokens(
        &self,
        user: UserId,
        which: Option<TokenId>,
    ) -> Result<Vec<TokenHash>, StoreFault> {
        self.late(self.inner.revoke_member_tokens(user, which).await)
            .await
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), StoreFault> {
        self.late(self.inner.revoke(revocation).await).await
    }

    async fn revocations(&self, at: Timestamp) -> Result<Vec<Revocation>, StoreFault> {
        self.late(self.inner.revocations(at).await).await
    }

    async fn is_revoked(&self, jti: Jti) -> Result<bool, StoreFault> {
        self.late(self.inner.is_revoked(jti).await).await
    }

    async fn create_room(&self, room: NewRoom, at: Timestamp) -> Result<Room, CreateRefused> {
        self.late(self.inner.create_room(room, at).await).await
    }

    async fn room(&self, room: RoomRef) -> Result<Option<Room>, StoreFault> {
        self.late(self.inner.room(room).await).await
    }

    async fn rooms(
        &self,
        of: Option<UserId>,
        after: Option<RoomId>,
        limit: u32,
    ) -> Result<Vec<Room>, StoreFault> {
        self.late(self.inner.rooms(of, after, limit).await).await
    }

    async fn join(
        &self,
        room: RoomRef,
        user: UserId,
        by_operator: bool,
        at: Timestamp,
    ) -> Result<Joined, JoinRefused> {
        self.late(self.inner.join(room, user, by_operator, at).await)
            .await
    }

    async fn leave(&self, room: RoomRef, user: UserId) -> Result<Option<Left>, StoreFault> {
        self.late(self.inner.leave(room, user).await).await
    }

    async fn member(&self, room: RoomId, user: UserId) -> Result<Option<Member>, StoreFault> {
        self.late(self.inner.member(room, user).await).await
    }

    async fn members(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<Member>, StoreFault> {
        self.late(self.inner.members(room, after, limit).await).await
    }

    async fn room_members(&self, room: RoomId) -> Result<Option<RoomMembers>, StoreFault> {
        self.late(self.inner.room_members(room).await).await
    }

    async fn my_rooms(&self, user: UserId) -> Result<Vec<MyRoom>, StoreFault> {
        self.late(self.inner.my_rooms(user).await).await
    }

    async fn session_members(
        &self,
        after: Option<(RoomId, UserId)>,
        limit: u32,
    ) -> Result<Vec<(RoomId, UserId)>, StoreFault> {
        self.late(self.inner.session_members(after, limit).await).await
    }

    async fn heads(&self, rooms: Vec<RoomId>) -> Result<Vec<RoomHead>, StoreFault> {
        self.late(self.inner.heads(rooms).await).await
    }

    async fn append(&self, message: NewMessage) -> Result<Appended, AppendRefused> {
        self.late(self.inner.append(message).await).await
    }

    async fn history(
        &self,
        room: RoomId,
        from: PageFrom,
        limit: u32,
    ) -> Result<Option<HistoryPage>, StoreFault> {
        self.late(self.inner.history(room, from, limit).await).await
    }

    async fn mark_read(
        &self,
        room: RoomRef,
        user: UserId,
        seq: Seq,
    ) -> Result<(RoomId, Seq, Mark), StoreFault> {
        self.late(self.inner.mark_read(room, user, seq).await).await
    }

    async fn retain(&self, keep: u64, not_before: Option<Timestamp>) -> Result<u64, StoreFault> {
        self.late(self.inner.retain(keep, not_before).await).await
    }

    async fn next_call(&self) -> Result<CallId, StoreFault> {
        self.late(self.inner.next_call().await).await
    }

    async fn audit(&self, entry: AuditEntry) -> Result<(), StoreFault> {
        self.inner.audit(entry).await
    }

    async fn audits(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditEntry>, StoreFault> {
        self.late(self.inner.audits(before, limit).await).await
    }

    async fn kept_answer(
        &self,
        principal: Arc<str>,
        key: Arc<str>,
    ) -> Result<Option<StoredAnswer>, StoreFault> {
        self.late(self.inner.kept_answer(principal, key).await).await
    }

    async fn keep_answer(
        &self,
        principal: Arc<str>,
        key: Arc<str>,
        answer: StoredAnswer,
        at: Timestamp,
    ) -> Result<(), StoreFault> {
        self.inner.keep_answer(principal, key, answer, at).await
    }

    async fn keep_trail(&self, kept: KeptTrail, at: Timestamp) -> Result<(), StoreFault> {
        self.late(self.inner.keep_trail(kept, at).await).await
    }

    async fn take_trail(
        &self,
        pid_hash: [u8; 32],
        user: UserId,
        at: Timestamp,
    ) -> Result<Option<Arc<[u8]>>, StoreFault> {
        self.late(self.inner.take_trail(pid_hash, user, at).await).await
    }

    async fn ready(&self) -> Result<(), StoreFault> {
        self.inner.ready().await
    }

    async fn stop(&self) {
        self.inner.stop().await
    }
}
