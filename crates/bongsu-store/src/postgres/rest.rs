//! Calls' numbers, the audit, kept answers, trails.
//!
//! Invariant: what is deleted because it is over is left to whoever deletes it already: nobody waits for that.

use std::sync::Arc;

use bongsu_model::records::AuditEntry;
use bongsu_model::{CallId, Timestamp, UserId};

use super::rows::{Columns, is_text};
use super::tx::{Conn, Param};
use super::users;
use crate::{KeptTrail, StoreFault, StoreLimits, StoredAnswer};

pub(super) async fn next_call(conn: &Conn) -> Result<CallId, StoreFault> {
    count(conn, "call").await.map(CallId)
}

/// Writes something that means nothing, to see whether that can be done.
pub(super) async fn ready(conn: &Conn) -> Result<(), StoreFault> {
    count(conn, "ready").await.map(drop)
}

async fn count(conn: &Conn, name: &'static str) -> Result<i64, StoreFault> {
    const SQL: &str = "UPDATE counters SET next = next + 1 WHERE name = $1 RETURNING next - 1";
    let given = conn
        .one(SQL, &[&name], |row| Columns::of("counters", row).int(0, "next"))
        .await?;
    given.ok_or(StoreFault::Damaged {
        table: "counters",
        what: "a counter is missing",
    })
}

pub(super) async fn audit(conn: &Conn, entry: &AuditEntry) -> Result<(), StoreFault> {
    const SQL: &str = "INSERT INTO audit (at, actor, action, object, detail) VALUES ($1, $2, $3, $4, $5)";
    let values: [Param<'_>; 5] = [
        &entry.at.0,
        &&*entry.actor,
        &&*entry.action,
        &&*entry.object,
        &entry.detail.as_deref(),
    ];
    conn.execute(SQL, &values).await.map(drop)
}

pub(super) async fn audits(
    conn: &Conn,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<AuditEntry>, StoreFault> {
    const SQL: &str =
        "SELECT id, at, actor, action, object, detail FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2";
    let values: [Param<'_>; 2] = [&before.unwrap_or(i64::MAX), &i64::from(limit)];
    conn.all(SQL, &values, |row| {
        let columns = Columns::of("audit", row);
        Ok(AuditEntry {
            id: columns.int(0, "id")?,
            at: columns.time(1, "at")?,
            actor: columns.text(2, "actor")?,
            action: columns.text(3, "action")?,
            object: columns.text(4, "object")?,
            detail: columns.text_if(5, "detail")?,
        })
    })
    .await
}

pub(super) async fn kept_answer(
    conn: &Conn,
    principal: &str,
    key: &str,
) -> Result<Option<StoredAnswer>, StoreFault> {
    const SQL: &str = "SELECT request_hash, status, body FROM answers WHERE principal = $1 AND key = $2";
    if !is_text(principal) || !is_text(key) {
        return Ok(None);
    }
    conn.one(SQL, &[&principal, &key], |row| {
        let columns = Columns::of("answers", row);
        Ok(StoredAnswer {
            request_hash: columns.bytes(0, "request_hash")?,
            status: u16::try_from(columns.int(1, "status")?).map_err(|_| columns.damaged("status"))?,
            body: Arc::from(columns.blob(2, "body")?),
        })
    })
    .await
}

pub(super) async fn keep_answer(
    conn: &Conn,
    limits: &StoreLimits,
    (principal, key): (&str, &str),
    answer: &StoredAnswer,
    at: Timestamp,
) -> Result<(), StoreFault> {
    const FORGET: &str = "DELETE FROM answers WHERE (principal, key) IN \
                          (SELECT principal, key FROM answers WHERE at < $1 FOR UPDATE SKIP LOCKED)";
    const KEEP: &str = "INSERT INTO answers (principal, key, request_hash, status, body, at) \
                        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    let kept_ms = i64::try_from(limits.answer_kept_ms).unwrap_or(i64::MAX);
    let oldest = at.0.saturating_sub(kept_ms);
    let (hash, status, body) = (&answer.request_hash[..], i32::from(answer.status), &*answer.body);
    let forget: [Param<'_>; 1] = [&oldest];
    let keep: [Param<'_>; 6] = [&principal, &key, &hash, &status, &body, &at.0];
    conn.last(&[(FORGET, &forget), (KEEP, &keep)]).await
}

pub(super) async fn keep_trail(
    conn: &Conn,
    limits: &StoreLimits,
    kept: &KeptTrail,
    at: Timestamp,
) -> Result<(), StoreFault> {
    // Whoever has the user counts its trails alone.
    const LOCK: &str = "SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE";
    const ENDED: &str = "DELETE FROM trails WHERE number IN \
                         (SELECT number FROM trails WHERE expires_at <= $1 FOR UPDATE SKIP LOCKED)";
    const SAME: &str = "DELETE FROM trails WHERE pid_hash = $1";
    const KEEP: &str = "INSERT INTO trails (pid_hash, user_id, expires_at, trail) VALUES ($1, $2, $3, $4)";
    const OF_USER: &str = "DELETE FROM trails WHERE user_id = $1 AND number NOT IN \
                           (SELECT number FROM trails WHERE user_id = $1 ORDER BY number DESC LIMIT $2)";
    // Numbers that were given one after the other: whatever is so far behind the newest is one too many.
    const OF_ALL: &str = "DELETE FROM trails WHERE number IN (SELECT number FROM trails \
                          WHERE number <= (SELECT max(number) FROM trails) - $1 FOR UPDATE SKIP LOCKED)";
    let (of_user, of_all) = (
        users::most(limits.trails_per_user_max)?,
        users::most(limits.trails_max)?,
    );
    let (hash, trail) = (&kept.pid_hash[..], &*kept.trail);
    let user: [Param<'_>; 1] = [&kept.user.0];
    let now: [Param<'_>; 1] = [&at.0];
    let same: [Param<'_>; 1] = [&hash];
    let keep: [Param<'_>; 4] = [&hash, &kept.user.0, &kept.expires_at.0, &trail];
    let last: [Param<'_>; 2] = [&kept.user.0, &of_user];
    let all: [Param<'_>; 1] = [&of_all];
    conn.last(&[
        (LOCK, &user),
        (ENDED, &now),
        (SAME, &same),
        (KEEP, &keep),
        (OF_USER, &last),
        (OF_ALL, &all),
    ])
    .await
}

pub(super) async fn take_trail(
    conn: &Conn,
    pid_hash: &[u8; 32],
    user: UserId,
    at: Timestamp,
) -> Result<Option<Arc<[u8]>>, StoreFault> {
    const SQL: &str = "DELETE FROM trails WHERE pid_hash = $1 AND user_id = $2 RETURNING expires_at, trail";
    let taken = conn
        .one(SQL, &[&&pid_hash[..], &user.0], |row| {
            let columns = Columns::of("trails", row);
            let trail: Arc<[u8]> = Arc::from(columns.blob(1, "trail")?);
            Ok((columns.int(0, "expires_at")?, trail))
        })
        .await?;
    Ok(taken.filter(|(end, _)| *end > at.0).map(|(_, trail)| trail))
}
