//! Operators and users.

use std::sync::Arc;

use bongsu_bus::{Cut, Heard};
use bongsu_core::call::CallInput;
use bongsu_core::moderation::clean_name;
use bongsu_core::policy;
use bongsu_model::records::{Ban, Change, NewUser, Revocation, User, UserChange};
use bongsu_model::{
    Code, LocalizedNick, NickFault, Refusal, Timestamp, TokenHash, TokenId, UserId, UserRef, Want,
};
use bongsu_store::{Existing, TokenAdded, UpdateRefused};

use super::Operator;
use crate::node::Node;
use crate::usecases::{block, calls};

/// Longest address of a picture, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 2_048;
/// Longest region, language or gender, in bytes.
pub const WORD_BYTES_MAX: usize = 64;

impl Node {
    /// Makes a user.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, or `INVALID_DATA` naming what is taken or wrong.
    pub async fn create_user(self: &Arc<Self>, by: &Operator, mut new: NewUser) -> Result<User, Refusal> {
        policy::may_operate(&by.principal)?;
        self.check_user(&mut new)?;
        let field = if new.handle.is_some() { "handle" } else { "user_id" };
        let user = self.ports.store.create_user(new, self.now()).await;
        let user = user.map_err(|refused| self.create_refused(&refused, field))?;
        self.note(by, "user.create", format!("user:{}", user.id), None)
            .await;
        Ok(user)
    }

    fn check_user(&self, new: &mut NewUser) -> Result<(), Refusal> {
        let limits = &self.ports.limits;
        let bytes_max = limits.name_bytes_max;
        if let Some(nickname) = &mut new.nickname {
            *nickname = clean_name("nickname", nickname, bytes_max)?;
        }
        let mut nick = LocalizedNick::default();
        for (language, name) in new.nick.iter() {
            let name = clean_name(nick_field(language), name, bytes_max)?;
            nick.set(language, Some(name), limits.nick_languages_max)
                .map_err(nick_refused)?;
        }
        new.nick = nick;
        for (field, bytes_max, text) in [
            ("avatar.profile_img", ADDRESS_BYTES_MAX, &mut new.profile_img),
            ("avatar.profile_thumb", ADDRESS_BYTES_MAX, &mut new.profile_thumb),
            ("region", WORD_BYTES_MAX, &mut new.region),
            ("language", WORD_BYTES_MAX, &mut new.language),
            ("gender", WORD_BYTES_MAX, &mut new.gender),
        ] {
            if let Some(text) = text {
                *text = clean_name(field, text, bytes_max)?;
            }
        }
        if let Some(handle) = &new.handle {
            let fits = (1..=64).contains(&handle.len())
                && handle
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
                && handle.parse::<i64>().is_err();
            if !fits {
                return Err(Refusal::field("handle", Want::TextOf(1, 64)));
            }
        }
        if new.id.is_some_and(|id| id.0 <= 0) {
            return Err(Refusal::field("user_id", Want::Between(1, i64::MAX)));
        }
        Ok(())
    }

    fn check_change(&self, change: &mut UserChange) -> Result<(), Refusal> {
        let bytes_max = self.ports.limits.name_bytes_max;
        for (field, bytes_max, text) in [
            ("nickname", bytes_max, &mut change.nickname),
            ("avatar.profile_img", ADDRESS_BYTES_MAX, &mut change.profile_img),
            (
                "avatar.profile_thumb",
                ADDRESS_BYTES_MAX,
                &mut change.profile_thumb,
            ),
            ("region", WORD_BYTES_MAX, &mut change.region),
            ("language", WORD_BYTES_MAX, &mut change.language),
            ("gender", WORD_BYTES_MAX, &mut change.gender),
        ] {
            if let Change::Set(text) = text {
                *text = clean_name(field, text, bytes_max)?;
            }
        }
        if let Change::Set(names) = &mut change.nick {
            for (language, name) in names {
                if let Some(name) = name {
                    *name = clean_name(nick_field(language), name, bytes_max)?;
                }
            }
        }
        Ok(())
    }

    /// Changes what is given of a user; operators, and each user for itself.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `USER_NOT_FOUND`, `INVALID_DATA`.
    pub async fn update_user(
        self: &Arc<Self>,
        by: &Operator,
        user: UserId,
        mut change: UserChange,
    ) -> Result<User, Refusal> {
        policy::may_act_for(&by.principal, user)?;
        self.check_change(&mut change)?;
        let updated = self.ports.store.update_user(user, change).await;
        let updated = updated.map_err(|refused| match refused {
            UpdateRefused::Nick(fault) => nick_refused(fault),
            UpdateRefused::Fault(fault) => self.fault(&fault),
        })?;
        updated.ok_or(Refusal::new(Code::UserNotFound))
    }

    /// Reads a user; operators, and each user itself.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `USER_NOT_FOUND`.
    pub async fn user(self: &Arc<Self>, by: &Operator, user: UserRef) -> Result<User, Refusal> {
        let found = self
            .ports
            .store
            .user(user)
            .await
            .map_err(|fault| self.fault(&fault))?;
        match (&found, by.principal.is_operator()) {
            (Some(user), _) => policy::may_act_for(&by.principal, user.id)?,
            (None, false) => return Err(Refusal::new(Code::PermissionDenied)),
            (None, true) => {}
        }
        found.ok_or(Refusal::new(Code::UserNotFound))
    }

    /// Reads the user that others are shown by a public token; operators only.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `USER_NOT_FOUND`.
    pub async fn user_by_public_token(self: &Arc<Self>, by: &Operator, token: &str) -> Result<User, Refusal> {
        policy::may_operate(&by.principal)?;
        let found = self.ports.store.user_by_public_token(token.into()).await;
        found
            .map_err(|fault| self.fault(&fault))?
            .ok_or(Refusal::new(Code::UserNotFound))
    }

    /// Lists users after a number, ascending.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub async fn users(
        self: &Arc<Self>,
        by: &Operator,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<User>, Refusal> {
        policy::may_operate(&by.principal)?;
        self.ports
            .store
            .users(after, limit)
            .await
            .map_err(|fault| self.fault(&fault))
    }

    /// Keeps a member token by its hash.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `USER_NOT_FOUND`, `RATE_LIMITED` for a user that has as many as one may have.
    pub async fn add_member_token(
        self: &Arc<Self>,
        by: &Operator,
        user: UserId,
        hash: TokenHash,
        expires_at: Option<Timestamp>,
    ) -> Result<(), Refusal> {
        policy::may_operate(&by.principal)?;
        let store = &self.ports.store;
        let added = store.add_member_token(user, hash, expires_at, self.now()).await;
        match added.map_err(|fault| self.fault(&fault))? {
            TokenAdded::Yes => {}
            TokenAdded::NoUser => return Err(Refusal::new(Code::UserNotFound)),
            TokenAdded::TooMany => return Err(Refusal::because(Code::RateLimited, "tokens")),
        }
        self.note(
            by,
            "user.token_created",
            format!("user:{user}"),
            Some(hash.id().to_string()),
        )
        .await;
        Ok(())
    }

    /// Forgets one member token of a user, or (`None`) all, and cuts the live sessions that they opened, on every node;
    /// how many there were.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub async fn revoke_member_tokens(
        self: &Arc<Self>,
        by: &Operator,
        user: UserId,
        which: Option<TokenId>,
    ) -> Result<u64, Refusal> {
        policy::may_operate(&by.principal)?;
        let revoked = self.ports.store.revoke_member_tokens(user, which).await;
        let tokens = revoked.map_err(|fault| self.fault(&fault))?;
        let count = tokens.len() as u64;
        let (action, detail) = match which {
            Some(id) => ("user.token_revoked", id.to_string()),
            None => ("user.tokens_revoked", count.to_string()),
        };
        self.note(by, action, format!("user:{user}"), Some(detail)).await;
        if count > 0 {
            let tokens = tokens.into();
            self.publish(Heard::Cut(Cut::MemberTokens { user, tokens })).await;
        }
        Ok(count)
    }

    /// Whom a user has blocked, ascending.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub async fn blocks(self: &Arc<Self>, by: &Operator, user: UserId) -> Result<Vec<UserId>, Refusal> {
        policy::may_act_for(&by.principal, user)?;
        self.ports
            .store
            .blocks(user)
            .await
            .map_err(|fault| self.fault(&fault))
    }

    /// Blocks a user for another, or ends that.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `USER_NOT_FOUND`, `INVALID_DATA` for one and the same.
    pub async fn set_block(
        self: &Arc<Self>,
        by: &Operator,
        user: UserId,
        other: UserId,
        on: bool,
    ) -> Result<(), Refusal> {
        policy::may_act_for(&by.principal, user)?;
        if user == other {
            return Err(Refusal::field("other", Want::Other));
        }
        block::set(self, user, other, on).await
    }

    /// Keeps a user out and cuts its live sessions, on every node.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `USER_NOT_FOUND`.
    pub async fn ban(self: &Arc<Self>, by: &Operator, user: UserId, reason: Arc<str>) -> Result<(), Refusal> {
        policy::may_operate(&by.principal)?;
        let ban = Ban {
            reason: Arc::clone(&reason),
            at: self.now(),
        };
        self.exists(self.ports.store.ban(user, Some(ban)).await)?;
        self.note(by, "user.ban", format!("user:{user}"), Some(reason.to_string()))
            .await;
        // Nobody asked, so nobody is refused.
        let _ = calls::happened(self, CallInput::Banned { user }, self.now()).await;
        self.publish(Heard::Cut(Cut::Banned(user))).await;
        Ok(())
    }

    /// Lets a user in again.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `USER_NOT_FOUND`.
    pub async fn unban(self: &Arc<Self>, by: &Operator, user: UserId) -> Result<(), Refusal> {
        policy::may_operate(&by.principal)?;
        self.exists(self.ports.store.ban(user, None).await)?;
        self.note(by, "user.unban", format!("user:{user}"), None).await;
        Ok(())
    }

    /// Ends the live sessions of a user, which may come back.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub async fn disconnect(self: &Arc<Self>, by: &Operator, user: UserId) -> Result<(), Refusal> {
        policy::may_operate(&by.principal)?;
        self.note(by, "user.disconnect", format!("user:{user}"), None)
            .await;
        self.publish(Heard::Cut(Cut::Disconnected(user))).await;
        Ok(())
    }

    /// Refuses a token from now on, and cuts the sessions that were opened with it.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `INVALID_DATA` for an empty or overlong id.
    pub async fn revoke(self: &Arc<Self>, by: &Operator, revocation: Revocation) -> Result<(), Refusal> {
        policy::may_operate(&by.principal)?;
        if !(1..=256).contains(&revocation.jti.len()) {
            return Err(Refusal::field("jti", Want::TextOf(1, 256)));
        }
        self.ports
            .store
            .revoke(revocation.clone())
            .await
            .map_err(|fault| self.fault(&fault))?;
        self.revoked.add(&revocation);
        self.note(by, "token.revoke", format!("jti:{}", revocation.jti), None)
            .await;
        self.publish(Heard::Cut(Cut::Revoked(revocation.jti))).await;
        Ok(())
    }

    fn exists(&self, changed: Result<Existing, bongsu_store::StoreFault>) -> Result<(), Refusal> {
        match changed.map_err(|fault| self.fault(&fault))? {
            Existing::Changed | Existing::Unchanged => Ok(()),
            Existing::Absent => Err(Refusal::new(Code::UserNotFound)),
        }
    }
}

/// The name of a nickname's field, for texts, in which only what is known beforehand can stand.
#[must_use]
pub fn nick_field(language: &str) -> &'static str {
    match language {
        "en" => "nick.en",
        "ko" => "nick.ko",
        "ja" => "nick.ja",
        _ => "nick.{language}",
    }
}

/// Why names by language are not taken, as a refusal.
#[must_use]
pub fn nick_refused(fault: NickFault) -> Refusal {
    match fault {
        NickFault::Language => Refusal::field("nick", Want::Languages),
        NickFault::Twice => Refusal::field("nick", Want::Once),
        NickFault::TooMany(max) => Refusal::field("nick", Want::EntriesOf(max)),
    }
}
