//! The steps from an empty file to the schema of this version.
//!
//! Invariant: each step runs in one transaction with the new `user_version`; a file is never between two versions. A file
//! that a newer version wrote, or another program, is left as it is.

use rusqlite::{Connection, TransactionBehavior};

use super::OpenError;

/// Step n brings version n to n + 1. Steps are only ever added.
const STEPS: [&str; 6] = [
    include_str!("migrations/0001_begin.sql"),
    include_str!("migrations/0002_session_rooms.sql"),
    include_str!("migrations/0003_profiles.sql"),
    include_str!("migrations/0004_trails.sql"),
    include_str!("migrations/0005_devices.sql"),
    include_str!("migrations/0006_displays.sql"),
];

/// The schema that this version reads and writes.
pub const SCHEMA_VERSION: u32 = STEPS.len() as u32;

/// `BONG`, in the file's header: tells our files from those of other programs.
const APPLICATION_ID: i64 = 0x424f_4e47;

/// From which schema to which a file was brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Migrated {
    /// Before; 0 is an empty file.
    pub from: u32,
    /// After: [`SCHEMA_VERSION`].
    pub to: u32,
}

/// The schema version of a file, after it is known that this version may read it.
pub(super) fn version_of(conn: &Connection) -> Result<u32, OpenError> {
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let objects: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let ours = application == APPLICATION_ID || (application == 0 && version == 0 && objects == 0);
    let version = u32::try_from(version)
        .ok()
        .filter(|_| ours)
        .ok_or(OpenError::NotOurs)?;
    if version > SCHEMA_VERSION {
        return Err(OpenError::Newer {
            found: version,
            known: SCHEMA_VERSION,
        });
    }
    Ok(version)
}

pub(super) fn migrate(conn: &mut Connection) -> Result<Migrated, OpenError> {
    let from = version_of(conn)?;
    for (to, sql) in (1_u32..).zip(STEPS).skip(from as usize) {
        let change = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        change.execute_batch(sql)?;
        change.pragma_update(None, "application_id", APPLICATION_ID)?;
        change.pragma_update(None, "user_version", to)?;
        change.commit()?;
    }
    Ok(Migrated {
        from,
        to: SCHEMA_VERSION,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_any_version_becomes_one_of_this() {
        for from in 0..SCHEMA_VERSION {
            let mut conn = Connection::open_in_memory().unwrap();
            for sql in &STEPS[..from as usize] {
                conn.execute_batch(sql).unwrap();
            }
            conn.pragma_update(None, "user_version", from).unwrap();
            if from > 0 {
                conn.pragma_update(None, "application_id", APPLICATION_ID)
                    .unwrap();
                conn.execute("INSERT INTO counters (name, next) VALUES ('kept', 7)", [])
                    .unwrap();
                if (1..3).contains(&from) {
                    conn.execute(
                        "INSERT INTO users (id, handle, nickname, nick_ko, nick_ja, public_token, created_at) \
                         VALUES (1, 'hana', 'Hana', '하나 \"1\"', 'ハナ', 'a', 0)",
                        [],
                    )
                    .unwrap();
                }
            }
            let migrated = migrate(&mut conn).unwrap();
            let to = SCHEMA_VERSION;
            assert_eq!(migrated, Migrated { from, to });
            assert_eq!(version_of(&conn).unwrap(), to);
            let kept: i64 = conn
                .query_row("SELECT count(*) FROM counters WHERE name = 'kept'", [], |row| {
                    row.get(0)
                })
                .unwrap();
            assert_eq!(kept, i64::from(from > 0), "what was there is there");
            let names: String = conn
                .query_row("SELECT coalesce(max(nick), '') FROM users", [], |row| row.get(0))
                .unwrap();
            assert_eq!(
                names,
                if (1..3).contains(&from) {
                    r#"{"ja":"ハナ","ko":"하나 \"1\""}"#
                } else {
                    ""
                }
            );
            // What a step adds is there too.
            for sql in [
                "SELECT count(*) FROM rooms INDEXED BY session_rooms WHERE membership = 'session'",
                "SELECT count(*) FROM trails INDEXED BY trails_of_user WHERE user_id = 1",
                "SELECT count(*) FROM commands INDEXED BY open_commands WHERE device = 'a' AND ends_by IS NOT NULL",
                "SELECT count(*) FROM command_keys INDEXED BY command_keys_by_age WHERE at < 1",
                "SELECT count(*) FROM devices INDEXED BY devices_of_kind WHERE kind = 'display' AND id > ''",
                "SELECT count(*) FROM preset_displays INDEXED BY presets_of_display WHERE device = 'a'",
                "SELECT count(*) FROM leases INDEXED BY open_leases WHERE open = 1 AND expires_at < 1",
            ] {
                let none: i64 = conn.query_row(sql, [], |row| row.get(0)).unwrap();
                assert_eq!(none, 0);
            }
        }
    }

    #[test]
    fn devices_are_numbered_as_they_were_made() {
        for (devices, meant) in [
            ("", "- 1"),
            (
                "('a', 'x', '[]', 9), ('b', 'x', '[]', 3), ('c', 'x', '[]', 9)",
                "b1 a2 c3 4",
            ),
        ] {
            let mut conn = Connection::open_in_memory().unwrap();
            for sql in &STEPS[..5] {
                conn.execute_batch(sql).unwrap();
            }
            conn.pragma_update(None, "user_version", 5).unwrap();
            conn.pragma_update(None, "application_id", APPLICATION_ID)
                .unwrap();
            if !devices.is_empty() {
                let sql =
                    format!("INSERT INTO devices (id, kind, capabilities, created_at) VALUES {devices}");
                conn.execute(&sql, []).unwrap();
            }
            migrate(&mut conn).unwrap();
            let sql = "SELECT coalesce((SELECT group_concat(id || client, ' ' ORDER BY client) FROM devices), '-') \
                       || ' ' || next FROM counters WHERE name = 'device'";
            let numbers: String = conn.query_row(sql, [], |row| row.get(0)).unwrap();
            assert_eq!(numbers, meant);
        }
    }
}
