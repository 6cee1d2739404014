//! The contract, method by method, on what the memory store keeps.

use std::sync::Arc;

use async_trait::async_trait;
use bongsu_model::records::{
    AuditEntry, Ban, Member, MyRoom, NewRoom, NewUser, Revocation, Room, RoomHead, User, UserChange,
};
use bongsu_model::{
    CallId, HistoryPage, Jti, PageFrom, RoomId, RoomRef, Seq, Timestamp, TokenHash, TokenId, UserId, UserRef,
};

use super::{Kind, Memory};
use crate::{
    AppendRefused, Appended, CreateRefused, Existing, JoinRefused, Joined, KeptTrail, Left, Mark,
    MemberToken, NewMessage, RoomMembers, SignIn, SignedIn, Store, StoreFault, StoredAnswer, TokenAdded,
    UpdateRefused,
};

#[async_trait]
impl Store for Memory {
    async fn sign_in(&self, sign_in: SignIn) -> Result<Option<SignedIn>, StoreFault> {
        let known = self.read(|state| state.signed_in(&sign_in.user))?;
        if known.is_some() || !sign_in.create {
            return Ok(known);
        }
        self.write(Kind::Other, |state| Ok(state.sign_in(sign_in))).await
    }

    async fn create_user(&self, user: NewUser, at: Timestamp) -> Result<User, CreateRefused> {
        self.write(Kind::Other, move |state| state.create_user(user, at))
            .await
    }

    async fn update_user(&self, user: UserId, change: UserChange) -> Result<Option<User>, UpdateRefused> {
        self.write(Kind::Other, move |state| state.update_user(user, &change))
            .await
    }

    async fn user(&self, user: UserRef) -> Result<Option<User>, StoreFault> {
        self.read(|state| state.user_id(&user).and_then(|id| state.users.get(&id)).cloned())
    }

    async fn user_by_public_token(&self, token: Arc<str>) -> Result<Option<User>, StoreFault> {
        self.read(|state| {
            let is = |user: &&User| user.profile.public_token == token;
            state.users.values().find(is).cloned()
        })
    }

    async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreFault> {
        self.read(|state| {
            let later = |user: &&User| after.is_none_or(|after| user.id > after);
            state
                .users
                .values()
                .filter(later)
                .take(limit as usize)
                .cloned()
                .collect()
        })
    }

    async fn seen(&self, user: UserId, at: Timestamp) -> Result<(), StoreFault> {
        self.write(Kind::Other, move |state| {
            state.seen(user, at);
            Ok(())
        })
        .await
    }

    async fn ban(&self, user: UserId, ban: Option<Ban>) -> Result<Existing, StoreFault> {
        self.write(Kind::Other, move |state| Ok(state.ban(user, ban)))
            .await
    }

    async fn block(&self, user: UserId, other: UserId, on: bool) -> Result<Existing, StoreFault> {
        self.write(Kind::Other, move |state| Ok(state.block(user, other, on)))
            .await
    }

    async fn blocks(&self, user: UserId) -> Result<Vec<UserId>, StoreFault> {
        self.read(|state| state.blocked(user))
    }

    async fn has_blocked(&self, user: UserId, other: UserId) -> Result<bool, StoreFault> {
        self.read(|state| state.has_blocked(user, other))
    }

    async fn add_member_token(
        &self,
        user: UserId,
        hash: TokenHash,
        expires_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<TokenAdded, StoreFault> {
        self.write(Kind::Other, move |state| {
            Ok(state.add_member_token(user, hash, (expires_at, at)))
        })
        .await
    }

    async fn member_token(&self, hash: TokenHash, at: Timestamp) -> Result<Option<MemberToken>, StoreFault> {
        self.read(|state| state.member_token(hash, at))
    }

    async fn revoke_member_tokens(
        &self,
        user: UserId,
        which: Option<TokenId>,
    ) -> Result<Vec<TokenHash>, StoreFault> {
        self.write(Kind::Other, move |state| {
            Ok(state.revoke_member_tokens(user, which))
        })
        .await
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), StoreFault> {
        self.write(Kind::Other, move |state| {
            state.revocations.insert(revocation.jti, revocation.expires_at);
            Ok(())
        })
        .await
    }

    async fn revocations(&self, at: Timestamp) -> Result<Vec<Revocation>, StoreFault> {
        self.read(|state| state.revocations_at(at))
    }

    async fn is_revoked(&self, jti: Jti) -> Result<bool, StoreFault> {
        self.read(|state| state.revocations.contains_key(&jti))
    }

    async fn create_room(&self, room: NewRoom, at: Timestamp) -> Result<Room, CreateRefused> {
        self.write(Kind::Other, move |state| state.create_room(room, at))
            .await
    }

    async fn room(&self, room: RoomRef) -> Result<Option<Room>, StoreFault> {
        self.read(|state| state.held(&room).map(|held| held.room.clone()))
    }

    async fn rooms(
        &self,
        of: Option<UserId>,
        after: Option<RoomId>,
        limit: u32,
    ) -> Result<Vec<Room>, StoreFault> {
        self.read(|state| state.rooms(of, after, limit))
    }

    async fn join(
        &self,
        room: RoomRef,
        user: UserId,
        by_operator: bool,
        _at: Timestamp,
    ) -> Result<Joined, JoinRefused> {
        self.write(Kind::Other, move |state| state.join(&room, user, by_operator))
            .await
    }

    async fn leave(&self, room: RoomRef, user: UserId) -> Result<Option<Left>, StoreFault> {
        self.write(Kind::Other, move |state| Ok(state.leave(&room, user)))
            .await
    }

    async fn member(&self, room: RoomId, user: UserId) -> Result<Option<Member>, StoreFault> {
        self.read(|state| state.member(room, user))
    }

    async fn members(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<Member>, StoreFault> {
        self.read(|state| state.members(room, after, limit))
    }

    async fn room_members(&self, room: RoomId) -> Result<Option<RoomMembers>, StoreFault> {
        self.read(|state| state.room_members(room))
    }

    async fn my_rooms(&self, user: UserId) -> Result<Vec<MyRoom>, StoreFault> {
        self.read(|state| state.my_rooms(user))
    }

    async fn session_members(
        &self,
        after: Option<(RoomId, UserId)>,
        limit: u32,
    ) -> Result<Vec<(RoomId, UserId)>, StoreFault> {
        self.read(|state| state.session_members(after, limit))
    }

    async fn heads(&self, rooms: Vec<RoomId>) -> Result<Vec<RoomHead>, StoreFault> {
        self.read(|state| state.heads(&rooms))
    }

    async fn append(&self, message: NewMessage) -> Result<Appended, AppendRefused> {
        self.write(Kind::Append, move |state| state.append(message)).await
    }

    async fn history(
        &self,
        room: RoomId,
        from: PageFrom,
        limit: u32,
    ) -> Result<Option<HistoryPage>, StoreFault> {
        self.read(|state| state.history(room, from, limit))
    }

    async fn mark_read(
        &self,
        room: RoomRef,
        user: UserId,
        seq: Seq,
    ) -> Result<(RoomId, Seq, Mark), StoreFault> {
        self.write(Kind::Other, move |state| Ok(state.mark_read(&room, user, seq)))
            .await
    }

    async fn retain(&self, keep: u64, not_before: Option<Timestamp>) -> Result<u64, StoreFault> {
        self.write(Kind::Other, move |state| Ok(state.retain(keep, not_before)))
            .await
    }

    async fn next_call(&self) -> Result<CallId, StoreFault> {
        self.write(Kind::Other, |state| {
            state.next_call += 1;
            Ok(CallId(state.next_call - 1))
        })
        .await
    }

    async fn audit(&self, entry: AuditEntry) -> Result<(), StoreFault> {
        self.write(Kind::Other, move |state| {
            state.audit(entry);
            Ok(())
        })
        .await
    }

    async fn audits(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditEntry>, StoreFault> {
        self.read(|state| state.audits(before, limit))
    }

    async fn kept_answer(
        &self,
        principal: Arc<str>,
        key: Arc<str>,
    ) -> Result<Option<StoredAnswer>, StoreFault> {
        self.read(|state| {
            state
                .answers
                .get(&(principal, key))
                .map(|(answer, _)| answer.clone())
        })
    }

    async fn keep_answer(
        &self,
        principal: Arc<str>,
        key: Arc<str>,
        answer: StoredAnswer,
        at: Timestamp,
    ) -> Result<(), StoreFault> {
        self.write(Kind::Other, move |state| {
            state.keep_answer(principal, key, answer, at);
            Ok(())
        })
        .await
    }

    async fn keep_trail(&self, kept: KeptTrail, at: Timestamp) -> Result<(), StoreFault> {
        self.write(Kind::Other, move |state| {
            state.keep_trail(kept, at);
            Ok(())
        })
        .await
    }

    async fn take_trail(
        &self,
        pid_hash: [u8; 32],
        user: UserId,
        at: Timestamp,
    ) -> Result<Option<Arc<[u8]>>, StoreFault> {
        self.write(
            Kind::Other,
            move |state| Ok(state.take_trail(&pid_hash, user, at)),
        )
        .await
    }

    async fn ready(&self) -> Result<(), StoreFault> {
        self.read(|_| ())
    }

    async fn stop(&self) {
        self.halt();
    }
}
