//! Users, blocks, bans and tokens of the memory store.

use std::sync::Arc;

use bongsu_model::records::{Ban, NewUser, Revocation, User, UserChange};
use bongsu_model::{Timestamp, TokenHash, TokenId, UserId, UserRef};

use super::state::State;
use crate::{CreateRefused, Existing, MemberToken, SignIn, SignedIn, TokenAdded, UpdateRefused};

impl State {
    pub(super) fn sign_in(&mut self, sign_in: SignIn) -> Option<SignedIn> {
        if self.user_id(&sign_in.user).is_none() && sign_in.create {
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
            self.create_user(user, sign_in.at).ok()?;
        }
        self.signed_in(&sign_in.user)
    }

    pub(super) fn signed_in(&self, user: &UserRef) -> Option<SignedIn> {
        let id = self.user_id(user)?;
        Some(SignedIn {
            user: self.users.get(&id)?.clone(),
            rooms: self.my_rooms(id),
            blocked: self.blocked(id),
        })
    }

    pub(super) fn create_user(&mut self, user: NewUser, at: Timestamp) -> Result<User, CreateRefused> {
        let id = match user.id {
            Some(id) if self.users.contains_key(&id) => return Err(CreateRefused::IdTaken),
            Some(id) => id,
            None => self.free_user_id(user.handle.is_none()),
        };
        let handle = user.handle.clone().unwrap_or_else(|| id.to_string().into());
        if self.handles.contains_key(&handle) {
            return Err(CreateRefused::NameTaken);
        }
        if id.0 == self.next_user {
            self.next_user += 1;
        }
        let made = User {
            id,
            profile: user.profile(self.chance.room_token().to_string().into()),
            nickname: user.nickname.clone().unwrap_or_else(|| Arc::clone(&handle)),
            handle: Arc::clone(&handle),
            ban: None,
            last_seen: None,
            created_at: at,
        };
        self.handles.insert(handle, id);
        self.users.insert(id, made.clone());
        Ok(made)
    }

    fn free_user_id(&mut self, handle_is_id: bool) -> UserId {
        loop {
            let id = UserId(self.next_user);
            let handle_taken = || handle_is_id && self.handles.contains_key(id.to_string().as_str());
            if !self.users.contains_key(&id) && !handle_taken() {
                return id;
            }
            self.next_user += 1;
        }
    }

    pub(super) fn update_user(
        &mut self,
        user: UserId,
        change: &UserChange,
    ) -> Result<Option<User>, UpdateRefused> {
        let Some(user) = self.users.get_mut(&user) else {
            return Ok(None);
        };
        *user = change.of(user, self.limits.nick_languages_max)?;
        Ok(Some(user.clone()))
    }

    pub(super) fn seen(&mut self, user: UserId, at: Timestamp) {
        if let Some(user) = self.users.get_mut(&user) {
            user.last_seen = user.last_seen.max(Some(at));
        }
    }

    pub(super) fn ban(&mut self, user: UserId, ban: Option<Ban>) -> Existing {
        let Some(user) = self.users.get_mut(&user) else {
            return Existing::Absent;
        };
        if user.ban.is_some() == ban.is_some() {
            return Existing::Unchanged;
        }
        user.ban = ban;
        Existing::Changed
    }

    pub(super) fn block(&mut self, user: UserId, other: UserId, on: bool) -> Existing {
        if !self.users.contains_key(&user) || !self.users.contains_key(&other) {
            return Existing::Absent;
        }
        let blocks = self.blocks.entry(user).or_default();
        let changed = if on {
            blocks.insert(other)
        } else {
            blocks.remove(&other)
        };
        if changed {
            Existing::Changed
        } else {
            Existing::Unchanged
        }
    }

    pub(super) fn blocked(&self, user: UserId) -> Vec<UserId> {
        self.blocks.get(&user).into_iter().flatten().copied().collect()
    }

    pub(super) fn has_blocked(&self, user: UserId, other: UserId) -> bool {
        self.blocks
            .get(&user)
            .is_some_and(|blocks| blocks.contains(&other))
    }

    pub(super) fn add_member_token(
        &mut self,
        user: UserId,
        hash: TokenHash,
        (expires_at, at): (Option<Timestamp>, Timestamp),
    ) -> TokenAdded {
        if !self.users.contains_key(&user) {
            return TokenAdded::NoUser;
        }
        let ended = |end: &Option<Timestamp>| end.is_some_and(|end| end <= at);
        self.member_tokens
            .retain(|_, (of, end)| *of != user || !ended(end));
        let of_user = self.member_tokens.values().filter(|(of, _)| *of == user);
        if of_user.count() >= self.limits.member_tokens_per_user_max {
            return TokenAdded::TooMany;
        }
        self.member_tokens.insert(hash, (user, expires_at));
        TokenAdded::Yes
    }

    pub(super) fn member_token(&self, hash: TokenHash, at: Timestamp) -> Option<MemberToken> {
        let (user, expires_at) = *self.member_tokens.get(&hash)?;
        let opens = expires_at.is_none_or(|end| end > at);
        opens.then_some(MemberToken { user, expires_at })
    }

    pub(super) fn revoke_member_tokens(&mut self, user: UserId, which: Option<TokenId>) -> Vec<TokenHash> {
        let meant = |hash: &TokenHash| which.is_none_or(|which| hash.id() == which);
        let gone: Vec<_> = self
            .member_tokens
            .iter()
            .filter(|(hash, (of, _))| *of == user && meant(hash))
            .map(|(hash, _)| *hash)
            .collect();
        for hash in &gone {
            self.member_tokens.remove(hash);
        }
        gone
    }

    pub(super) fn revocations_at(&self, at: Timestamp) -> Vec<Revocation> {
        self.revocations
            .iter()
            .filter(|(_, expires_at)| **expires_at > at)
            .map(|(jti, expires_at)| Revocation {
                jti: Arc::clone(jti),
                expires_at: *expires_at,
            })
            .collect()
    }
}
