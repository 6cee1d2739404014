//! What is kept of sessions that have ended, for clients that come back.
//!
//! Invariant: a trail is taken once, and never by another user; there are never more of them than the limits say.

use std::sync::Arc;

use bongsu_model::{Timestamp, UserId};
use rusqlite::params;

use super::rows::{Columns, execute, number, one};
use super::tables::Tables;
use crate::{KeptTrail, StoreFault};

impl Tables<'_> {
    pub(super) fn keep_trail(&self, kept: &KeptTrail, at: Timestamp) -> Result<(), StoreFault> {
        const FORGET: &str = "DELETE FROM trails WHERE pid_hash = ?1";
        const KEEP: &str =
            "INSERT INTO trails (pid_hash, user_id, expires_at, trail) VALUES (?1, ?2, ?3, ?4)";
        const OF_USER: &str = "DELETE FROM trails WHERE user_id = ?1 AND number NOT IN \
                               (SELECT number FROM trails WHERE user_id = ?1 ORDER BY number DESC LIMIT ?2)";
        // Numbers that were given one after the other: whatever is so far behind the newest is one too many.
        const OF_ALL: &str = "DELETE FROM trails WHERE number <= (SELECT max(number) FROM trails) - ?1";
        let limits = &self.limits;
        execute(self.conn, "DELETE FROM trails WHERE expires_at <= ?1", [at.0])?;
        execute(self.conn, FORGET, [&kept.pid_hash[..]])?;
        let values = params![&kept.pid_hash[..], kept.user.0, kept.expires_at.0, &*kept.trail];
        execute(self.conn, KEEP, values)?;
        let of_user = number(limits.trails_per_user_max as u64)?;
        execute(self.conn, OF_USER, [kept.user.0, of_user])?;
        execute(self.conn, OF_ALL, [number(limits.trails_max as u64)?]).map(drop)
    }

    pub(super) fn take_trail(
        &self,
        pid_hash: &[u8; 32],
        user: UserId,
        at: Timestamp,
    ) -> Result<Option<Arc<[u8]>>, StoreFault> {
        const SQL: &str =
            "DELETE FROM trails WHERE pid_hash = ?1 AND user_id = ?2 RETURNING expires_at, trail";
        let taken = one(self.conn, SQL, params![&pid_hash[..], user.0], |row| {
            let columns = Columns::of("trails", row);
            let trail: Arc<[u8]> = Arc::from(columns.blob(1, "trail")?);
            Ok((columns.int(0, "expires_at")?, trail))
        })?;
        Ok(taken.filter(|(end, _)| *end > at.0).map(|(_, trail)| trail))
    }
}
