//! Users, blocks, bans and tokens.
//!
//! Invariant: whoever gives numbers has the counter's row, and takes it before anything else.

use std::sync::Arc;

use bongsu_model::records::{Ban, NewUser, Revocation, User, UserChange};
use bongsu_model::{Profile, Timestamp, TokenHash, TokenId, UserId, UserRef};
use tokio_postgres::Row;

use super::rows::{Columns, is_text, number};
use super::tx::{Conn, PostgresFault};
use crate::{
    CreateRefused, Existing, MemberToken, SignIn, StoreFault, StoreLimits, TokenAdded, UpdateRefused, json,
};

/// Numbers that are looked at to find a free one.
const NUMBERS_AT_ONCE: i64 = 1_000;

macro_rules! user_columns {
    () => {
        "users.id, users.handle, users.nickname, users.nick, users.profile_img, users.profile_thumb, users.region, \
         users.language, users.gender, users.public_token, users.ban_reason, users.banned_at, users.last_seen, \
         users.created_at"
    };
}
pub(super) use user_columns;

pub(super) fn of_row(row: &Row) -> Result<User, StoreFault> {
    let columns = Columns::of("users", row);
    let ban = match (
        columns.text_if(10, "ban_reason")?,
        columns.time_if(11, "banned_at")?,
    ) {
        (Some(reason), Some(at)) => Some(Ban { reason, at }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(columns.damaged("half a ban")),
    };
    let profile = Profile {
        public_token: columns.text(9, "public_token")?,
        nick: columns.named(3, "nick", json::nick)?,
        profile_img: columns.text_if(4, "profile_img")?,
        profile_thumb: columns.text_if(5, "profile_thumb")?,
        region: columns.text_if(6, "region")?,
        language: columns.text_if(7, "language")?,
        gender: columns.text_if(8, "gender")?,
    };
    Ok(User {
        id: UserId(columns.int(0, "id")?),
        handle: columns.text(1, "handle")?,
        nickname: columns.text(2, "nickname")?,
        profile: Arc::new(profile),
        ban,
        last_seen: columns.time_if(12, "last_seen")?,
        created_at: columns.time(13, "created_at")?,
    })
}

pub(super) async fn user(conn: &Conn, user: &UserRef) -> Result<Option<User>, StoreFault> {
    const BY_ID: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1");
    const BY_HANDLE: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE handle = $1");
    match user {
        UserRef::Id(id) => conn.one(BY_ID, &[&id.0], of_row).await,
        UserRef::Handle(handle) if is_text(handle) => conn.one(BY_HANDLE, &[&&**handle], of_row).await,
        UserRef::Handle(_) => Ok(None),
    }
}

pub(super) async fn by_public_token(conn: &Conn, token: &str) -> Result<Option<User>, StoreFault> {
    const SQL: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE public_token = $1");
    if !is_text(token) {
        return Ok(None);
    }
    conn.one(SQL, &[&token], of_row).await
}

pub(super) async fn users(conn: &Conn, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreFault> {
    const SQL: &str = concat!(
        "SELECT ",
        user_columns!(),
        " FROM users WHERE id >= $1 ORDER BY id LIMIT $2"
    );
    let Some(from) = next_after(after.map(|user| user.0)) else {
        return Ok(Vec::new());
    };
    conn.all(SQL, &[&from, &i64::from(limit)], of_row).await
}

/// The first number after one; `None` if there is none.
pub(super) fn next_after(after: Option<i64>) -> Option<i64> {
    after.map_or(Some(i64::MIN), |after| after.checked_add(1))
}

/// The next number to be tried; nobody else gets it before this transaction has ended.
pub(super) async fn counter(conn: &Conn, name: &'static str) -> Result<i64, StoreFault> {
    const SQL: &str = "SELECT next FROM counters WHERE name = $1 FOR UPDATE";
    let next = conn
        .one(SQL, &[&name], |row| Columns::of("counters", row).int(0, "next"))
        .await?;
    next.ok_or(StoreFault::Damaged {
        table: "counters",
        what: "a counter is missing",
    })
}

pub(super) async fn set_counter(conn: &Conn, name: &'static str, next: i64) -> Result<(), StoreFault> {
    const SQL: &str = "UPDATE counters SET next = $2 WHERE name = $1";
    conn.execute(SQL, &[&name, &next]).await.map(drop)
}

/// Lets a counter pass a number that was given by hand, if it is the next.
pub(super) async fn pass_number(conn: &Conn, name: &'static str, number: i64) -> Result<(), StoreFault> {
    const SQL: &str = "UPDATE counters SET next = $2 + 1 WHERE name = $1 AND next = $2";
    if number == i64::MAX {
        return Ok(());
    }
    conn.execute(SQL, &[&name, &number]).await.map(drop)
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], StoreFault> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| PostgresFault::NoChance)?;
    Ok(bytes)
}

pub(super) async fn exists(conn: &Conn, user: UserId) -> Result<bool, StoreFault> {
    conn.any("SELECT 1 FROM users WHERE id = $1", &[&user.0]).await
}

/// Whether there is such a user, whom nobody else changes before this transaction has ended.
pub(super) async fn lock(conn: &Conn, user: UserId) -> Result<bool, StoreFault> {
    conn.any("SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE", &[&user.0])
        .await
}

/// Who a token's user would be.
pub(super) fn newcomer(sign_in: &SignIn) -> NewUser {
    let (id, handle) = match &sign_in.user {
        UserRef::Id(id) => (Some(*id), None),
        UserRef::Handle(handle) => (None, Some(Arc::clone(handle))),
    };
    NewUser {
        id,
        handle,
        nickname: sign_in.nickname.clone(),
        ..NewUser::default()
    }
}

pub(super) async fn create(conn: &Conn, new: &NewUser, at: Timestamp) -> Result<User, CreateRefused> {
    let mut next = match new.id {
        Some(id) => {
            pass_number(conn, "user", id.0).await?;
            id.0
        }
        None => free_id(conn, counter(conn, "user").await?, new.handle.is_none()).await?,
    };
    loop {
        let id = UserId(next);
        let handle = new.handle.clone().unwrap_or_else(|| id.to_string().into());
        let token = bongsu_model::RoomToken(random()?);
        let made = User {
            id,
            profile: new.profile(token.to_string().into()),
            nickname: new.nickname.clone().unwrap_or_else(|| Arc::clone(&handle)),
            handle,
            ban: None,
            last_seen: None,
            created_at: at,
        };
        if insert(conn, &made).await? {
            if new.id.is_none() {
                set_counter(conn, "user", id.0.saturating_add(1)).await?;
            }
            return Ok(made);
        }
        let taken = exists(conn, id).await?;
        match new.id {
            Some(_) if taken => return Err(CreateRefused::IdTaken),
            // Somebody gave it by hand meanwhile.
            None if taken || new.handle.is_none() => {
                next = free_id(conn, id.0.saturating_add(1), new.handle.is_none()).await?;
            }
            Some(_) | None => return Err(CreateRefused::NameTaken),
        }
    }
}

async fn free_id(conn: &Conn, from: i64, handle_is_id: bool) -> Result<i64, StoreFault> {
    const SQL: &str = "SELECT number FROM generate_series($1::int8, $2::int8) AS number \
                       WHERE NOT EXISTS (SELECT 1 FROM users WHERE id = number) \
                       AND NOT ($3 AND EXISTS (SELECT 1 FROM users WHERE handle = number::text)) ORDER BY number LIMIT 1";
    let mut from = from;
    loop {
        let to = from.saturating_add(NUMBERS_AT_ONCE);
        let free = conn
            .one(SQL, &[&from, &to, &handle_is_id], |row| {
                Columns::of("users", row).int(0, "id")
            })
            .await?;
        match free {
            Some(free) => return Ok(free),
            None if to == i64::MAX => return Err(PostgresFault::TooLarge.into()),
            None => from = to.saturating_add(1),
        }
    }
}

/// Whether the user is one of its kind, and kept.
async fn insert(conn: &Conn, user: &User) -> Result<bool, StoreFault> {
    const SQL: &str = "INSERT INTO users (id, handle, nickname, nick, profile_img, profile_thumb, region, language, \
                       gender, public_token, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
                       ON CONFLICT DO NOTHING";
    let profile = &*user.profile;
    let inserted = conn
        .execute(
            SQL,
            &[
                &user.id.0,
                &&*user.handle,
                &&*user.nickname,
                &json::write_nick(&profile.nick),
                &profile.profile_img.as_deref(),
                &profile.profile_thumb.as_deref(),
                &profile.region.as_deref(),
                &profile.language.as_deref(),
                &profile.gender.as_deref(),
                &&*profile.public_token,
                &user.created_at.0,
            ],
        )
        .await?;
    Ok(inserted > 0)
}

pub(super) async fn update(
    conn: &Conn,
    limits: &StoreLimits,
    user: UserId,
    change: &UserChange,
) -> Result<Option<User>, UpdateRefused> {
    const READ: &str = concat!(
        "SELECT ",
        user_columns!(),
        " FROM users WHERE id = $1 FOR NO KEY UPDATE"
    );
    const WRITE: &str = "UPDATE users SET nickname = $2, nick = $3, profile_img = $4, profile_thumb = $5, region = $6, \
                         language = $7, gender = $8 WHERE id = $1";
    let Some(before) = conn.one(READ, &[&user.0], of_row).await? else {
        return Ok(None);
    };
    let user = change.of(&before, limits.nick_languages_max)?;
    let profile = &*user.profile;
    conn.execute(
        WRITE,
        &[
            &user.id.0,
            &&*user.nickname,
            &json::write_nick(&profile.nick),
            &profile.profile_img.as_deref(),
            &profile.profile_thumb.as_deref(),
            &profile.region.as_deref(),
            &profile.language.as_deref(),
            &profile.gender.as_deref(),
        ],
    )
    .await?;
    Ok(Some(user))
}

pub(super) async fn seen(conn: &Conn, user: UserId, at: Timestamp) -> Result<(), StoreFault> {
    const SQL: &str =
        "UPDATE users SET last_seen = $2 WHERE id = $1 AND (last_seen IS NULL OR last_seen < $2)";
    conn.execute(SQL, &[&user.0, &at.0]).await.map(drop)
}

pub(super) async fn ban(conn: &Conn, user: UserId, ban: Option<&Ban>) -> Result<Existing, StoreFault> {
    const ON: &str = "UPDATE users SET ban_reason = $2, banned_at = $3 WHERE id = $1 AND ban_reason IS NULL";
    const OFF: &str =
        "UPDATE users SET ban_reason = NULL, banned_at = NULL WHERE id = $1 AND ban_reason IS NOT NULL";
    let changed = match ban {
        Some(ban) => conn.execute(ON, &[&user.0, &&*ban.reason, &ban.at.0]).await?,
        None => conn.execute(OFF, &[&user.0]).await?,
    };
    Ok(match changed {
        0 if exists(conn, user).await? => Existing::Unchanged,
        0 => Existing::Absent,
        _ => Existing::Changed,
    })
}

pub(super) async fn block(
    conn: &Conn,
    user: UserId,
    other: UserId,
    on: bool,
) -> Result<Existing, StoreFault> {
    const ON: &str = "INSERT INTO blocks (user_id, other_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    const OFF: &str = "DELETE FROM blocks WHERE user_id = $1 AND other_id = $2";
    if !exists(conn, user).await? || !exists(conn, other).await? {
        return Ok(Existing::Absent);
    }
    let changed = conn
        .execute(if on { ON } else { OFF }, &[&user.0, &other.0])
        .await?;
    Ok(if changed > 0 {
        Existing::Changed
    } else {
        Existing::Unchanged
    })
}

pub(super) async fn blocked(conn: &Conn, user: UserId) -> Result<Vec<UserId>, StoreFault> {
    const SQL: &str = "SELECT other_id FROM blocks WHERE user_id = $1 ORDER BY other_id";
    conn.all(SQL, &[&user.0], |row| {
        Columns::of("blocks", row).int(0, "other_id").map(UserId)
    })
    .await
}

pub(super) async fn has_blocked(conn: &Conn, user: UserId, other: UserId) -> Result<bool, StoreFault> {
    const SQL: &str = "SELECT 1 FROM blocks WHERE user_id = $1 AND other_id = $2";
    conn.any(SQL, &[&user.0, &other.0]).await
}

pub(super) async fn add_member_token(
    conn: &Conn,
    limits: &StoreLimits,
    user: UserId,
    hash: &TokenHash,
    (expires_at, at): (Option<Timestamp>, Timestamp),
) -> Result<TokenAdded, StoreFault> {
    const FORGET: &str = "DELETE FROM member_tokens WHERE user_id = $1 AND expires_at <= $2";
    const COUNT: &str = "SELECT count(*) FROM member_tokens WHERE user_id = $1";
    const KEEP: &str = "INSERT INTO member_tokens (hash, user_id, expires_at, created_at) VALUES ($1, $2, $3, $4) \
                        ON CONFLICT (hash) DO UPDATE SET user_id = $2, expires_at = $3, created_at = $4";
    // Whoever has the user counts its tokens alone.
    if !lock(conn, user).await? {
        return Ok(TokenAdded::NoUser);
    }
    conn.execute(FORGET, &[&user.0, &at.0]).await?;
    let count = conn
        .one(COUNT, &[&user.0], |row| {
            Columns::of("member_tokens", row).count(0, "count")
        })
        .await?;
    if count.unwrap_or(0) >= limits.member_tokens_per_user_max as u64 {
        return Ok(TokenAdded::TooMany);
    }
    let end = expires_at.map(|end| end.0);
    conn.execute(KEEP, &[&&hash.0[..], &user.0, &end, &at.0]).await?;
    Ok(TokenAdded::Yes)
}

pub(super) async fn member_token(
    conn: &Conn,
    hash: &TokenHash,
    at: Timestamp,
) -> Result<Option<MemberToken>, StoreFault> {
    const SQL: &str = "SELECT user_id, expires_at FROM member_tokens \
                       WHERE hash = $1 AND (expires_at IS NULL OR expires_at > $2)";
    conn.one(SQL, &[&&hash.0[..], &at.0], |row| {
        let columns = Columns::of("member_tokens", row);
        Ok(MemberToken {
            user: UserId(columns.int(0, "user_id")?),
            expires_at: columns.time_if(1, "expires_at")?,
        })
    })
    .await
}

pub(super) async fn revoke_member_tokens(
    conn: &Conn,
    user: UserId,
    which: Option<TokenId>,
) -> Result<Vec<TokenHash>, StoreFault> {
    const ALL: &str = "DELETE FROM member_tokens WHERE user_id = $1 RETURNING hash";
    const ONE: &str =
        "DELETE FROM member_tokens WHERE user_id = $1 AND substring(hash FROM 1 FOR 8) = $2 RETURNING hash";
    let hash = |row: &Row| Columns::of("member_tokens", row).bytes(0, "hash").map(TokenHash);
    let mut gone = match which {
        None => conn.all(ALL, &[&user.0], hash).await?,
        Some(TokenId(id)) => conn.all(ONE, &[&user.0, &&id[..]], hash).await?,
    };
    gone.sort_unstable();
    Ok(gone)
}

pub(super) async fn revoke(conn: &Conn, revocation: &Revocation) -> Result<(), StoreFault> {
    const SQL: &str = "INSERT INTO revocations (jti, expires_at) VALUES ($1, $2) \
                       ON CONFLICT (jti) DO UPDATE SET expires_at = $2";
    let values: [super::tx::Param<'_>; 2] = [&&*revocation.jti, &revocation.expires_at.0];
    conn.execute(SQL, &values).await.map(drop)
}

/// The revocations that matter; the others are forgotten by the way, except those that somebody else forgets.
pub(super) async fn revocations(conn: &Conn, at: Timestamp) -> Result<Vec<Revocation>, StoreFault> {
    const FORGET: &str = "DELETE FROM revocations WHERE jti IN \
                          (SELECT jti FROM revocations WHERE expires_at <= $1 FOR UPDATE SKIP LOCKED)";
    const READ: &str = "SELECT jti, expires_at FROM revocations WHERE expires_at > $1 ORDER BY jti";
    conn.execute(FORGET, &[&at.0]).await?;
    conn.all(READ, &[&at.0], |row| {
        let columns = Columns::of("revocations", row);
        Ok(Revocation {
            jti: columns.text(0, "jti")?,
            expires_at: columns.time(1, "expires_at")?,
        })
    })
    .await
}

pub(super) async fn is_revoked(conn: &Conn, jti: &str) -> Result<bool, StoreFault> {
    const SQL: &str = "SELECT 1 FROM revocations WHERE jti = $1";
    Ok(is_text(jti) && conn.any(SQL, &[&jti]).await?)
}

/// How many rooms a user is a member of.
pub(super) async fn rooms_of(conn: &Conn, user: UserId) -> Result<u64, StoreFault> {
    const SQL: &str = "SELECT count(*) FROM members WHERE user_id = $1";
    let count = conn
        .one(SQL, &[&user.0], |row| {
            Columns::of("members", row).count(0, "count")
        })
        .await?;
    Ok(count.unwrap_or(0))
}

/// As many as a limit says, as the database counts.
pub(super) fn most(limit: usize) -> Result<i64, StoreFault> {
    number(limit as u64)
}
