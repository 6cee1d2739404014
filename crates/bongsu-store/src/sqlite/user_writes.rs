//! Writes of users, blocks, bans, tokens and the rest.

use std::sync::Arc;

use bongsu_model::records::{AuditEntry, Ban, NewUser, Revocation, User, UserChange};
use bongsu_model::{CallId, Timestamp, TokenHash, TokenId, UserId, UserRef};
use rusqlite::{Row, params};

use super::reads;
use super::rows::{Columns, all, execute, one};
use super::tables::{Tables, random_token};
use crate::{
    CreateRefused, Existing, SignIn, SignedIn, StoreFault, StoredAnswer, TokenAdded, UpdateRefused, json,
};

impl Tables<'_> {
    pub(super) fn sign_in(&mut self, sign_in: &SignIn) -> Result<Option<SignedIn>, StoreFault> {
        if !self.user_known(&sign_in.user)? {
            let (id, handle) = match &sign_in.user {
                UserRef::Id(id) => (Some(*id), None),
                UserRef::Handle(handle) => (None, Some(Arc::clone(handle))),
            };
            let user = NewUser {
                id,
                handle,
                nickname: sign_in.nickname.clone(),
                ..NewUser::default()
            };
            match self.create_user(user, sign_in.at) {
                Ok(_) => {}
                Err(CreateRefused::Fault(fault)) => return Err(fault),
                Err(
                    CreateRefused::IdTaken
                    | CreateRefused::NameTaken
                    | CreateRefused::TooMany
                    | CreateRefused::NoUser(_)
                    | CreateRefused::Members,
                ) => return Ok(None),
            }
        }
        let Some(user) = reads::user(self.conn, &sign_in.user)? else {
            return Ok(None);
        };
        let (rooms, blocked) = (
            reads::my_rooms(self.conn, user.id)?,
            reads::blocked(self.conn, user.id)?,
        );
        Ok(Some(SignedIn { user, rooms, blocked }))
    }

    pub(super) fn create_user(&mut self, user: NewUser, at: Timestamp) -> Result<User, CreateRefused> {
        let next = self.counter("user")?;
        let id = match user.id {
            Some(id) if self.user_exists(id)? => return Err(CreateRefused::IdTaken),
            Some(id) => id,
            None => self.free_user_id(next, user.handle.is_none())?,
        };
        let handle = user.handle.clone().unwrap_or_else(|| id.to_string().into());
        if self.handle_taken(&handle)? {
            return Err(CreateRefused::NameTaken);
        }
        if user.id.is_none() || id.0 == next {
            self.set_counter("user", id.0.saturating_add(1))?;
        }
        let made = User {
            id,
            profile: user.profile(random_token()?.to_string().into()),
            nickname: user.nickname.clone().unwrap_or_else(|| Arc::clone(&handle)),
            handle,
            ban: None,
            last_seen: None,
            created_at: at,
        };
        self.insert_user(&made)?;
        Ok(made)
    }

    fn free_user_id(&self, from: i64, handle_is_id: bool) -> Result<UserId, StoreFault> {
        let mut id = from;
        while self.user_exists(UserId(id))? || (handle_is_id && self.handle_taken(&id.to_string())?) {
            id += 1;
        }
        Ok(UserId(id))
    }

    fn insert_user(&self, user: &User) -> Result<(), StoreFault> {
        const SQL: &str = "INSERT INTO users (id, handle, nickname, nick, profile_img, profile_thumb, region, language, \
                           gender, public_token, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let profile = &*user.profile;
        let values = params![
            user.id.0,
            &*user.handle,
            &*user.nickname,
            json::write_nick(&profile.nick),
            profile.profile_img.as_deref(),
            profile.profile_thumb.as_deref(),
            profile.region.as_deref(),
            profile.language.as_deref(),
            profile.gender.as_deref(),
            &*profile.public_token,
            user.created_at.0,
        ];
        execute(self.conn, SQL, values).map(drop)
    }

    pub(super) fn update_user(
        &mut self,
        user: UserId,
        change: &UserChange,
    ) -> Result<Option<User>, UpdateRefused> {
        const SQL: &str = "UPDATE users SET nickname = ?2, nick = ?3, profile_img = ?4, profile_thumb = ?5, region = ?6, \
                           language = ?7, gender = ?8 WHERE id = ?1";
        let Some(before) = reads::user(self.conn, &UserRef::Id(user))? else {
            return Ok(None);
        };
        let user = change.of(&before, self.limits.nick_languages_max)?;
        let profile = &*user.profile;
        let values = params![
            user.id.0,
            &*user.nickname,
            json::write_nick(&profile.nick),
            profile.profile_img.as_deref(),
            profile.profile_thumb.as_deref(),
            profile.region.as_deref(),
            profile.language.as_deref(),
            profile.gender.as_deref(),
        ];
        execute(self.conn, SQL, values)?;
        self.cache.senders.remove(&user.id);
        Ok(Some(user))
    }

    pub(super) fn seen(&self, user: UserId, at: Timestamp) -> Result<(), StoreFault> {
        let sql = "UPDATE users SET last_seen = ?2 WHERE id = ?1 AND (last_seen IS NULL OR last_seen < ?2)";
        execute(self.conn, sql, [user.0, at.0]).map(drop)
    }

    pub(super) fn ban(&self, user: UserId, ban: Option<&Ban>) -> Result<Existing, StoreFault> {
        let changed = match ban {
            Some(ban) => {
                let sql =
                    "UPDATE users SET ban_reason = ?2, banned_at = ?3 WHERE id = ?1 AND ban_reason IS NULL";
                execute(self.conn, sql, params![user.0, &*ban.reason, ban.at.0])?
            }
            None => {
                let sql = "UPDATE users SET ban_reason = NULL, banned_at = NULL \
                           WHERE id = ?1 AND ban_reason IS NOT NULL";
                execute(self.conn, sql, [user.0])?
            }
        };
        Ok(match changed {
            0 if self.user_exists(user)? => Existing::Unchanged,
            0 => Existing::Absent,
            _ => Existing::Changed,
        })
    }

    pub(super) fn block(&mut self, user: UserId, other: UserId, on: bool) -> Result<Existing, StoreFault> {
        if !self.user_exists(user)? || !self.user_exists(other)? {
            return Ok(Existing::Absent);
        }
        let sql = if on {
            "INSERT OR IGNORE INTO blocks (user_id, other_id) VALUES (?1, ?2)"
        } else {
            "DELETE FROM blocks WHERE user_id = ?1 AND other_id = ?2"
        };
        let changed = execute(self.conn, sql, [user.0, other.0])?;
        self.cache.blocks.insert((user, other), on);
        Ok(if changed > 0 {
            Existing::Changed
        } else {
            Existing::Unchanged
        })
    }

    pub(super) fn add_member_token(
        &self,
        user: UserId,
        hash: &TokenHash,
        expires_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<TokenAdded, StoreFault> {
        const SQL: &str = "INSERT INTO member_tokens (hash, user_id, expires_at, created_at) VALUES (?1, ?2, ?3, ?4) \
                           ON CONFLICT (hash) DO UPDATE SET user_id = ?2, expires_at = ?3, created_at = ?4";
        if !self.user_exists(user)? {
            return Ok(TokenAdded::NoUser);
        }
        execute(
            self.conn,
            "DELETE FROM member_tokens WHERE user_id = ?1 AND expires_at <= ?2",
            [user.0, at.0],
        )?;
        let count = one(
            self.conn,
            "SELECT count(*) FROM member_tokens WHERE user_id = ?1",
            [user.0],
            |row| Columns::of("member_tokens", row).count(0, "count"),
        )?;
        if count.unwrap_or(0) >= self.limits.member_tokens_per_user_max as u64 {
            return Ok(TokenAdded::TooMany);
        }
        execute(
            self.conn,
            SQL,
            params![&hash.0[..], user.0, expires_at.map(|end| end.0), at.0],
        )?;
        Ok(TokenAdded::Yes)
    }

    pub(super) fn revoke_member_tokens(
        &self,
        user: UserId,
        which: Option<TokenId>,
    ) -> Result<Vec<TokenHash>, StoreFault> {
        const ALL: &str = "DELETE FROM member_tokens WHERE user_id = ?1 RETURNING hash";
        const ONE: &str =
            "DELETE FROM member_tokens WHERE user_id = ?1 AND substr(hash, 1, 8) = ?2 RETURNING hash";
        let hash = |row: &Row<'_>| Columns::of("member_tokens", row).bytes(0, "hash").map(TokenHash);
        let mut gone = match which {
            None => all(self.conn, ALL, [user.0], hash)?,
            Some(TokenId(id)) => all(self.conn, ONE, params![user.0, &id[..]], hash)?,
        };
        gone.sort_unstable();
        Ok(gone)
    }

    pub(super) fn revoke(&self, revocation: &Revocation) -> Result<(), StoreFault> {
        let sql = "INSERT INTO revocations (jti, expires_at) VALUES (?1, ?2) \
                   ON CONFLICT (jti) DO UPDATE SET expires_at = ?2";
        execute(self.conn, sql, params![&*revocation.jti, revocation.expires_at.0]).map(drop)
    }

    pub(super) fn forget_revocations(&self, at: Timestamp) -> Result<(), StoreFault> {
        execute(
            self.conn,
            "DELETE FROM revocations WHERE expires_at <= ?1",
            [at.0],
        )
        .map(drop)
    }

    pub(super) fn next_call(&self) -> Result<CallId, StoreFault> {
        let sql = "UPDATE counters SET next = next + 1 WHERE name = 'call' RETURNING next - 1";
        one(self.conn, sql, [], |row| {
            Columns::of("counters", row).int(0, "next")
        })?
        .map(CallId)
        .ok_or(StoreFault::Damaged {
            table: "counters",
            what: "a counter is missing",
        })
    }

    pub(super) fn audit(&self, entry: &AuditEntry) -> Result<(), StoreFault> {
        let sql = "INSERT INTO audit (at, actor, action, object, detail) VALUES (?1, ?2, ?3, ?4, ?5)";
        let values = params![
            entry.at.0,
            &*entry.actor,
            &*entry.action,
            &*entry.object,
            entry.detail.as_deref()
        ];
        execute(self.conn, sql, values).map(drop)
    }

    pub(super) fn keep_answer(
        &self,
        principal: &str,
        key: &str,
        answer: &StoredAnswer,
        at: Timestamp,
    ) -> Result<(), StoreFault> {
        const SQL: &str = "INSERT OR IGNORE INTO answers (principal, key, request_hash, status, body, at) \
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let kept_ms = i64::try_from(self.limits.answer_kept_ms).unwrap_or(i64::MAX);
        execute(
            self.conn,
            "DELETE FROM answers WHERE at < ?1",
            [at.0.saturating_sub(kept_ms)],
        )?;
        let values = params![
            principal,
            key,
            &answer.request_hash[..],
            answer.status,
            &*answer.body,
            at.0
        ];
        execute(self.conn, SQL, values).map(drop)
    }
}
