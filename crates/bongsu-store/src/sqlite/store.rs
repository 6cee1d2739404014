//! The contract, method by method, as one hop to the writer or to a reader each.

use std::sync::Arc;

use async_trait::async_trait;
use bongsu_model::records::{
    AuditEntry, Ban, Member, MyRoom, NewRoom, NewUser, Revocation, Room, RoomHead, User, UserChange,
};
use bongsu_model::{
    CallId, HistoryPage, Jti, PageFrom, RoomId, RoomRef, Seq, Timestamp, TokenHash, TokenId, UserId, UserRef,
};
use tokio::sync::oneshot;

use super::history::{self, Retained};
use super::rows::SqliteFault;
use super::writer::{Job, Shape};
use super::{Sqlite, reads};
use crate::{
    AppendRefused, Appended, CreateRefused, Existing, JoinRefused, Joined, KeptTrail, Left, Mark,
    MemberToken, NewMessage, RoomMembers, SignIn, SignedIn, Store, StoreFault, StoredAnswer, TokenAdded,
    UpdateRefused,
};

#[async_trait]
impl Store for Sqlite {
    async fn sign_in(&self, sign_in: SignIn) -> Result<Option<SignedIn>, StoreFault> {
        let user = sign_in.user.clone();
        let known = self.read(move |conn| reads::signed_in(conn, &user)).await?;
        if known.is_some() || !sign_in.create {
            return Ok(known);
        }
        self.write(Shape::Several, move |tables| tables.sign_in(&sign_in))
            .await
    }

    async fn create_user(&self, user: NewUser, at: Timestamp) -> Result<User, CreateRefused> {
        self.write(Shape::Several, move |tables| tables.create_user(user, at))
            .await
    }

    async fn update_user(&self, user: UserId, change: UserChange) -> Result<Option<User>, UpdateRefused> {
        self.write(Shape::Several, move |tables| tables.update_user(user, &change))
            .await
    }

    async fn user(&self, user: UserRef) -> Result<Option<User>, StoreFault> {
        self.read(move |conn| reads::user(conn, &user)).await
    }

    async fn user_by_public_token(&self, token: Arc<str>) -> Result<Option<User>, StoreFault> {
        self.read(move |conn| reads::user_by_public_token(conn, &token))
            .await
    }

    async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreFault> {
        self.read(move |conn| reads::users(conn, after, limit)).await
    }

    async fn seen(&self, user: UserId, at: Timestamp) -> Result<(), StoreFault> {
        self.write(Shape::Single, move |tables| tables.seen(user, at))
            .await
    }

    async fn ban(&self, user: UserId, ban: Option<Ban>) -> Result<Existing, StoreFault> {
        self.write(Shape::Several, move |tables| tables.ban(user, ban.as_ref()))
            .await
    }

    async fn block(&self, user: UserId, other: UserId, on: bool) -> Result<Existing, StoreFault> {
        self.write(Shape::Several, move |tables| tables.block(user, other, on))
            .await
    }

    async fn blocks(&self, user: UserId) -> Result<Vec<UserId>, StoreFault> {
        self.read(move |conn| reads::blocked(conn, user)).await
    }

    async fn has_blocked(&self, user: UserId, other: UserId) -> Result<bool, StoreFault> {
        self.read(move |conn| reads::has_blocked(conn, user, other)).await
    }

    async fn add_member_token(
        &self,
        user: UserId,
        hash: TokenHash,
        expires_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<TokenAdded, StoreFault> {
        self.write(Shape::Several, move |tables| {
            tables.add_member_token(user, &hash, expires_at, at)
        })
        .await
    }

    async fn member_token(&self, hash: TokenHash, at: Timestamp) -> Result<Option<MemberToken>, StoreFault> {
        self.read(move |conn| reads::member_token(conn, &hash, at)).await
    }

    async fn revoke_member_tokens(
        &self,
        user: UserId,
        which: Option<TokenId>,
    ) -> Result<Vec<TokenHash>, StoreFault> {
        self.write(Shape::Single, move |tables| {
            tables.revoke_member_tokens(user, which)
        })
        .await
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), StoreFault> {
        self.write(Shape::Single, move |tables| tables.revoke(&revocation))
            .await
    }

    async fn revocations(&self, at: Timestamp) -> Result<Vec<Revocation>, StoreFault> {
        let matter = self.read(move |conn| reads::revocations(conn, at)).await?;
        // The others are forgotten by the way; it does no harm if the queue has no place for that now.
        let (tell, _) = oneshot::channel::<Result<(), StoreFault>>();
        let _ = self.push(Job::op(Shape::Single, tell, move |tables| {
            tables.forget_revocations(at)
        }));
        Ok(matter)
    }

    async fn is_revoked(&self, jti: Jti) -> Result<bool, StoreFault> {
        self.read(move |conn| reads::is_revoked(conn, &jti)).await
    }

    async fn create_room(&self, room: NewRoom, at: Timestamp) -> Result<Room, CreateRefused> {
        self.write(Shape::Several, move |tables| tables.create_room(room, at))
            .await
    }

    async fn room(&self, room: RoomRef) -> Result<Option<Room>, StoreFault> {
        self.read(move |conn| Ok(reads::room(conn, &room)?.map(|row| row.room)))
            .await
    }

    async fn rooms(
        &self,
        of: Option<UserId>,
        after: Option<RoomId>,
        limit: u32,
    ) -> Result<Vec<Room>, StoreFault> {
        self.read(move |conn| reads::rooms(conn, of, after, limit)).await
    }

    async fn join(
        &self,
        room: RoomRef,
        user: UserId,
        by_operator: bool,
        at: Timestamp,
    ) -> Result<Joined, JoinRefused> {
        self.write(Shape::Several, move |tables| {
            tables.join(&room, user, by_operator, at)
        })
        .await
    }

    async fn leave(&self, room: RoomRef, user: UserId) -> Result<Option<Left>, StoreFault> {
        self.write(Shape::Several, move |tables| tables.leave(&room, user))
            .await
    }

    async fn member(&self, room: RoomId, user: UserId) -> Result<Option<Member>, StoreFault> {
        self.read(move |conn| reads::member(conn, room, user)).await
    }

    async fn members(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<Member>, StoreFault> {
        self.read(move |conn| reads::members(conn, room, after, limit))
            .await
    }

    async fn room_members(&self, room: RoomId) -> Result<Option<RoomMembers>, StoreFault> {
        self.read(move |conn| reads::room_members(conn, room)).await
    }

    async fn my_rooms(&self, user: UserId) -> Result<Vec<MyRoom>, StoreFault> {
        self.read(move |conn| reads::my_rooms(conn, user)).await
    }

    async fn session_members(
        &self,
        after: Option<(RoomId, UserId)>,
        limit: u32,
    ) -> Result<Vec<(RoomId, UserId)>, StoreFault> {
        self.read(move |conn| reads::session_members(conn, after, limit))
            .await
    }

    async fn heads(&self, rooms: Vec<RoomId>) -> Result<Vec<RoomHead>, StoreFault> {
        self.read(move |conn| reads::heads(conn, &rooms)).await
    }

    async fn append(&self, message: NewMessage) -> Result<Appended, AppendRefused> {
        let (tell, answer) = oneshot::channel();
        self.push(Job::Append(message, tell))?;
        answer
            .await
            .unwrap_or_else(|_| Err(StoreFault::from(SqliteFault::ThreadEnded).into()))
    }

    async fn history(
        &self,
        room: RoomId,
        from: PageFrom,
        limit: u32,
    ) -> Result<Option<HistoryPage>, StoreFault> {
        self.read(move |conn| history::history(conn, room, from, limit))
            .await
    }

    async fn mark_read(
        &self,
        room: RoomRef,
        user: UserId,
        seq: Seq,
    ) -> Result<(RoomId, Seq, Mark), StoreFault> {
        self.write(Shape::Single, move |tables| tables.mark_read(&room, user, seq))
            .await
    }

    async fn retain(&self, keep: u64, not_before: Option<Timestamp>) -> Result<u64, StoreFault> {
        let mut deleted = 0;
        let mut next_slot = Some(0);
        // In pieces, so that no append waits for the whole of it.
        while let Some(slot) = next_slot {
            let step =
                move |tables: &mut super::Tables<'_>| history::retain_some(tables, slot, keep, not_before);
            let done: Retained = self.write(Shape::Several, step).await?;
            deleted += done.deleted;
            next_slot = done.next_slot;
        }
        Ok(deleted)
    }

    async fn next_call(&self) -> Result<CallId, StoreFault> {
        self.write(Shape::Single, move |tables| tables.next_call()).await
    }

    async fn audit(&self, entry: AuditEntry) -> Result<(), StoreFault> {
        self.write(Shape::Single, move |tables| tables.audit(&entry))
            .await
    }

    async fn audits(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditEntry>, StoreFault> {
        self.read(move |conn| reads::audits(conn, before, limit)).await
    }

    async fn kept_answer(
        &self,
        principal: Arc<str>,
        key: Arc<str>,
    ) -> Result<Option<StoredAnswer>, StoreFault> {
        self.read(move |conn| reads::kept_answer(conn, &principal, &key))
            .await
    }

    async fn keep_answer(
        &self,
        principal: Arc<str>,
        key: Arc<str>,
        answer: StoredAnswer,
        at: Timestamp,
    ) -> Result<(), StoreFault> {
        self.write(Shape::Several, move |tables| {
            tables.keep_answer(&principal, &key, &answer, at)
        })
        .await
    }

    async fn keep_trail(&self, kept: KeptTrail, at: Timestamp) -> Result<(), StoreFault> {
        self.write(Shape::Several, move |tables| tables.keep_trail(&kept, at))
            .await
    }

    async fn take_trail(
        &self,
        pid_hash: [u8; 32],
        user: UserId,
        at: Timestamp,
    ) -> Result<Option<Arc<[u8]>>, StoreFault> {
        self.write(Shape::Single, move |tables| {
            tables.take_trail(&pid_hash, user, at)
        })
        .await
    }

    async fn ready(&self) -> Result<(), StoreFault> {
        // Through the queue: it is answered by the thread that writes, as a write is.
        self.write(Shape::Single, |_| Ok(())).await
    }

    async fn stop(&self) {
        self.readers.close();
        self.wait_for_end(1).await;
        // The writer closes the file last, and so copies the log into it.
        self.writer.close();
        self.wait_for_end(0).await;
    }
}
