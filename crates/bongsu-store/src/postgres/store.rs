//! The contract, method by method, as one piece of work each.

use std::sync::Arc;

use async_trait::async_trait;
use bongsu_model::records::{
    AuditEntry, Ban, Member, MyRoom, NewRoom, NewUser, Revocation, Room, RoomHead, User, UserChange,
};
use bongsu_model::{
    CallId, HistoryPage, Jti, PageFrom, RoomId, RoomRef, Seq, Timestamp, TokenHash, TokenId, UserId, UserRef,
};

use super::tx::{Conn, Mode, run};
use super::{Postgres, messages, rest, rooms, users};
use crate::{
    AppendRefused, Appended, CreateRefused, Existing, JoinRefused, Joined, KeptTrail, Left, Mark,
    MemberToken, NewMessage, RoomMembers, SignIn, SignedIn, Store, StoreFault, StoredAnswer, TokenAdded,
    UpdateRefused,
};

async fn signed_in(conn: &Conn, user: &UserRef) -> Result<Option<SignedIn>, StoreFault> {
    let Some(user) = users::user(conn, user).await? else {
        return Ok(None);
    };
    let (rooms, blocked) =
        futures_util::future::join(rooms::my_rooms(conn, user.id), users::blocked(conn, user.id)).await;
    Ok(Some(SignedIn {
        user,
        rooms: rooms?,
        blocked: blocked?,
    }))
}

#[async_trait]
impl Store for Postgres {
    async fn sign_in(&self, sign_in: SignIn) -> Result<Option<SignedIn>, StoreFault> {
        let known = run!(self.begin(Mode::Snapshot)?, |conn| signed_in(
            &conn,
            &sign_in.user
        )
        .await)?;
        if known.is_some() || !sign_in.create {
            return Ok(known);
        }
        let newcomer = users::newcomer(&sign_in);
        let made = run!(self.begin(Mode::Write)?, |conn| users::create(
            &conn, &newcomer, sign_in.at
        )
        .await);
        match made {
            Ok(_) => {}
            Err(CreateRefused::Fault(fault)) => return Err(fault),
            // Another node may have made the very same user meanwhile.
            Err(
                CreateRefused::IdTaken
                | CreateRefused::NameTaken
                | CreateRefused::TooMany
                | CreateRefused::NoUser(_)
                | CreateRefused::Members,
            ) => {}
        }
        run!(self.begin(Mode::Snapshot)?, |conn| signed_in(
            &conn,
            &sign_in.user
        )
        .await)
    }

    async fn create_user(&self, user: NewUser, at: Timestamp) -> Result<User, CreateRefused> {
        run!(self.begin(Mode::Write)?, |conn| users::create(&conn, &user, at)
            .await)
    }

    async fn update_user(&self, user: UserId, change: UserChange) -> Result<Option<User>, UpdateRefused> {
        let limits = &self.limits;
        run!(self.begin(Mode::Write)?, |conn| users::update(
            &conn, limits, user, &change
        )
        .await)
    }

    async fn user(&self, user: UserRef) -> Result<Option<User>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| users::user(&conn, &user).await)
    }

    async fn user_by_public_token(&self, token: Arc<str>) -> Result<Option<User>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| users::by_public_token(
            &conn, &token
        )
        .await)
    }

    async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| users::users(&conn, after, limit)
            .await)
    }

    async fn seen(&self, user: UserId, at: Timestamp) -> Result<(), StoreFault> {
        run!(self.begin(Mode::Once)?, |conn| users::seen(&conn, user, at).await)
    }

    async fn ban(&self, user: UserId, ban: Option<Ban>) -> Result<Existing, StoreFault> {
        run!(self.begin(Mode::Write)?, |conn| users::ban(
            &conn,
            user,
            ban.as_ref()
        )
        .await)
    }

    async fn block(&self, user: UserId, other: UserId, on: bool) -> Result<Existing, StoreFault> {
        run!(self.begin(Mode::Write)?, |conn| users::block(
            &conn, user, other, on
        )
        .await)
    }

    async fn blocks(&self, user: UserId) -> Result<Vec<UserId>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| users::blocked(&conn, user).await)
    }

    async fn has_blocked(&self, user: UserId, other: UserId) -> Result<bool, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| users::has_blocked(
            &conn, user, other
        )
        .await)
    }

    async fn add_member_token(
        &self,
        user: UserId,
        hash: TokenHash,
        expires_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<TokenAdded, StoreFault> {
        let (limits, times) = (&self.limits, (expires_at, at));
        run!(self.begin(Mode::Write)?, |conn| users::add_member_token(
            &conn, limits, user, &hash, times
        )
        .await)
    }

    async fn member_token(&self, hash: TokenHash, at: Timestamp) -> Result<Option<MemberToken>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| users::member_token(
            &conn, &hash, at
        )
        .await)
    }

    async fn revoke_member_tokens(
        &self,
        user: UserId,
        which: Option<TokenId>,
    ) -> Result<Vec<TokenHash>, StoreFault> {
        run!(self.begin(Mode::Once)?, |conn| users::revoke_member_tokens(
            &conn, user, which
        )
        .await)
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), StoreFault> {
        run!(self.begin(Mode::Once)?, |conn| users::revoke(&conn, &revocation)
            .await)
    }

    async fn revocations(&self, at: Timestamp) -> Result<Vec<Revocation>, StoreFault> {
        run!(self.begin(Mode::Write)?, |conn| users::revocations(&conn, at)
            .await)
    }

    async fn is_revoked(&self, jti: Jti) -> Result<bool, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| users::is_revoked(&conn, &jti)
            .await)
    }

    async fn create_room(&self, room: NewRoom, at: Timestamp) -> Result<Room, CreateRefused> {
        let limits = &self.limits;
        run!(self.begin(Mode::Write)?, |conn| rooms::create(
            &conn, limits, &room, at
        )
        .await)
    }

    async fn room(&self, room: RoomRef) -> Result<Option<Room>, StoreFault> {
        let row = run!(self.begin(Mode::Read)?, |conn| rooms::room(&conn, &room).await)?;
        Ok(row.map(|row| row.room))
    }

    async fn rooms(
        &self,
        of: Option<UserId>,
        after: Option<RoomId>,
        limit: u32,
    ) -> Result<Vec<Room>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| rooms::rooms(
            &conn, of, after, limit
        )
        .await)
    }

    async fn join(
        &self,
        room: RoomRef,
        user: UserId,
        by_operator: bool,
        at: Timestamp,
    ) -> Result<Joined, JoinRefused> {
        let (limits, how) = (&self.limits, (by_operator, at));
        run!(self.begin(Mode::Write)?, |conn| rooms::join(
            &conn, limits, &room, user, how
        )
        .await)
    }

    async fn leave(&self, room: RoomRef, user: UserId) -> Result<Option<Left>, StoreFault> {
        run!(self.begin(Mode::Write)?, |conn| rooms::leave(&conn, &room, user)
            .await)
    }

    async fn member(&self, room: RoomId, user: UserId) -> Result<Option<Member>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| rooms::member(&conn, room, user)
            .await)
    }

    async fn members(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<Member>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| rooms::members(
            &conn, room, after, limit
        )
        .await)
    }

    async fn room_members(&self, room: RoomId) -> Result<Option<RoomMembers>, StoreFault> {
        run!(self.begin(Mode::Snapshot)?, |conn| rooms::room_members(
            &conn, room
        )
        .await)
    }

    async fn my_rooms(&self, user: UserId) -> Result<Vec<MyRoom>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| rooms::my_rooms(&conn, user).await)
    }

    async fn session_members(
        &self,
        after: Option<(RoomId, UserId)>,
        limit: u32,
    ) -> Result<Vec<(RoomId, UserId)>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| rooms::session_members(
            &conn, after, limit
        )
        .await)
    }

    async fn heads(&self, rooms: Vec<RoomId>) -> Result<Vec<RoomHead>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| rooms::heads(&conn, &rooms).await)
    }

    async fn append(&self, message: NewMessage) -> Result<Appended, AppendRefused> {
        self.lanes.append(message).await
    }

    async fn history(
        &self,
        room: RoomId,
        from: PageFrom,
        limit: u32,
    ) -> Result<Option<HistoryPage>, StoreFault> {
        run!(self.begin(Mode::Snapshot)?, |conn| messages::history(
            &conn, room, from, limit
        )
        .await)
    }

    async fn mark_read(
        &self,
        room: RoomRef,
        user: UserId,
        seq: Seq,
    ) -> Result<(RoomId, Seq, Mark), StoreFault> {
        run!(self.begin(Mode::Once)?, |conn| rooms::mark_read(
            &conn, &room, user, seq
        )
        .await)
    }

    async fn retain(&self, keep: u64, not_before: Option<Timestamp>) -> Result<u64, StoreFault> {
        let (mut deleted, mut next) = (0, Some(i64::MIN));
        // In pieces, so that no append waits for the whole of it.
        while let Some(from) = next {
            let found = run!(self.begin(Mode::Read)?, |conn| messages::find_old(
                &conn, from, keep, not_before
            )
            .await)?;
            next = found.last.and_then(|last| last.checked_add(1));
            for due in &found.due {
                deleted += run!(self.begin(Mode::Once)?, |conn| due.delete(&conn).await)?;
                if let Some(room) = due.unfinished() {
                    next = Some(room);
                    break;
                }
            }
        }
        Ok(deleted)
    }

    async fn next_call(&self) -> Result<CallId, StoreFault> {
        run!(self.begin(Mode::Once)?, |conn| rest::next_call(&conn).await)
    }

    async fn audit(&self, entry: AuditEntry) -> Result<(), StoreFault> {
        run!(self.begin(Mode::Once)?, |conn| rest::audit(&conn, &entry).await)
    }

    async fn audits(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditEntry>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| rest::audits(&conn, before, limit)
            .await)
    }

    async fn kept_answer(
        &self,
        principal: Arc<str>,
        key: Arc<str>,
    ) -> Result<Option<StoredAnswer>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| rest::kept_answer(
            &conn, &principal, &key
        )
        .await)
    }

    async fn keep_answer(
        &self,
        principal: Arc<str>,
        key: Arc<str>,
        answer: StoredAnswer,
        at: Timestamp,
    ) -> Result<(), StoreFault> {
        let (limits, whose) = (&self.limits, (&*principal, &*key));
        run!(self.begin(Mode::Write)?, |conn| rest::keep_answer(
            &conn, limits, whose, &answer, at
        )
        .await)
    }

    async fn keep_trail(&self, kept: KeptTrail, at: Timestamp) -> Result<(), StoreFault> {
        let limits = &self.limits;
        run!(self.begin(Mode::Write)?, |conn| rest::keep_trail(
            &conn, limits, &kept, at
        )
        .await)
    }

    async fn take_trail(
        &self,
        pid_hash: [u8; 32],
        user: UserId,
        at: Timestamp,
    ) -> Result<Option<Arc<[u8]>>, StoreFault> {
        run!(self.begin(Mode::Once)?, |conn| rest::take_trail(
            &conn, &pid_hash, user, at
        )
        .await)
    }

    async fn ready(&self) -> Result<(), StoreFault> {
        run!(self.begin(Mode::Once)?, |conn| rest::ready(&conn).await)
    }

    async fn stop(&self) {
        futures_util::future::join(self.gate.stop(), self.lanes_gate.stop()).await;
        self.pool.close();
        self.lanes_pool.close();
    }
}
