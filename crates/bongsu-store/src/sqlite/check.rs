//! The examination of a file for `bongsu check`: SQLite's own, and that rooms, members and messages fit together, and
//! what is kept about devices.
//!
//! Invariant: it only reads, and may run beside a server.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{OpenError, check_devices, connect, migrate};

/// Something that is wrong in a file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Finding {
    /// SQLite's own words about its structure.
    #[error("structure: {0}")]
    Structure(Box<str>),
    /// A room's messages are not exactly those from its first to its last.
    #[error("room {0}: its messages are not exactly those from its first to its last")]
    Messages(i64),
    /// A room's number of members is not how many there are.
    #[error("room {0}: its number of members is not how many there are")]
    Members(i64),
    /// Members, messages, blocks or tokens of a user that does not exist.
    #[error("{table}: rows of a user that does not exist")]
    NoUser {
        /// Where.
        table: &'static str,
    },
    /// Members or messages of a room that does not exist.
    #[error("{table}: rows of a room that does not exist")]
    NoRoom {
        /// Where.
        table: &'static str,
    },
    /// A device, a command, a lease or a state that cannot be read.
    #[error("{table}: a record that cannot be read: {what}")]
    Unreadable {
        /// Where.
        table: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// What only a device may have, of a device that does not exist; keys of a state that has no version.
    #[error("{table}: rows of a device that does not exist")]
    NoDevice {
        /// Where.
        table: &'static str,
    },
    /// A number of a kind that is never given twice, which may be given again.
    #[error("{table}: a number may be given a second time")]
    Numbers {
        /// Where.
        table: &'static str,
    },
    /// Displays of a preset that does not exist.
    #[error("preset_displays: displays of no preset")]
    Displays,
    /// Arguments that stand apart, of a command that has its own, or does not exist.
    #[error("command_args: arguments of no command")]
    Arguments,
    /// A wish of a command that has ended, or does not exist.
    #[error("desired: a wish of a command that is not open")]
    Wish,
}

/// Examines a file; nothing found means that it is sound.
///
/// # Errors
///
/// If it cannot be opened, or is not ours.
pub fn check(path: &Path) -> Result<Vec<Finding>, OpenError> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    if migrate::version_of(&conn)? != migrate::SCHEMA_VERSION {
        return Ok(structure(&conn)?);
    }
    conn.execute_batch("BEGIN")?;
    let mut findings = structure(&conn)?;
    findings.extend(rooms(&conn)?);
    findings.extend(strays(&conn)?);
    findings.extend(check_devices::findings(&conn)?);
    Ok(findings)
}

fn structure(conn: &Connection) -> rusqlite::Result<Vec<Finding>> {
    let mut statement = conn.prepare("PRAGMA quick_check")?;
    let said = statement.query_map([], |row| row.get::<_, String>(0))?;
    let told = said.filter(|line| line.as_ref().map_or(true, |line| line != "ok"));
    told.map(|line| line.map(|line| Finding::Structure(line.into())))
        .collect()
}

fn rooms(conn: &Connection) -> rusqlite::Result<Vec<Finding>> {
    const MESSAGES: &str = "SELECT rooms.id FROM rooms WHERE (SELECT CASE \
        WHEN count(*) = 0 THEN first_seq != seq + 1 \
        ELSE min(place) != (slot << 36 | first_seq) OR max(place) < (slot << 36 | seq) \
        OR max(place) - min(place) + 1 != count(*) END \
        FROM messages WHERE place >= slot << 36 AND place < (slot + 1) << 36)";
    const MEMBERS: &str = "SELECT rooms.id FROM rooms WHERE members_count != \
        (SELECT count(*) FROM members WHERE members.slot = rooms.slot)";
    let mut findings = ids(conn, MESSAGES, Finding::Messages)?;
    findings.extend(ids(conn, MEMBERS, Finding::Members)?);
    Ok(findings)
}

fn ids(conn: &Connection, sql: &str, finding: fn(i64) -> Finding) -> rusqlite::Result<Vec<Finding>> {
    conn.prepare(sql)?
        .query_map([], |row| row.get(0).map(finding))?
        .collect()
}

fn strays(conn: &Connection) -> rusqlite::Result<Vec<Finding>> {
    let users = [
        (
            "members",
            "SELECT EXISTS (SELECT 1 FROM members WHERE user_id NOT IN (SELECT id FROM users))",
        ),
        (
            "messages",
            "SELECT EXISTS (SELECT 1 FROM messages WHERE sender NOT IN (SELECT id FROM users))",
        ),
        (
            "blocks",
            "SELECT EXISTS (SELECT 1 FROM blocks WHERE user_id NOT IN (SELECT id FROM users))",
        ),
        (
            "member_tokens",
            "SELECT EXISTS (SELECT 1 FROM member_tokens WHERE user_id NOT IN (SELECT id FROM users))",
        ),
    ];
    let rooms = [
        (
            "members",
            "SELECT EXISTS (SELECT 1 FROM members WHERE slot NOT IN (SELECT slot FROM rooms))",
        ),
        (
            "messages",
            "SELECT EXISTS (SELECT 1 FROM messages WHERE place >> 36 NOT IN (SELECT slot FROM rooms))",
        ),
    ];
    let mut findings = Vec::new();
    for (table, sql) in users {
        if conn.query_row(sql, [], |row| row.get(0))? {
            findings.push(Finding::NoUser { table });
        }
    }
    for (table, sql) in rooms {
        if conn.query_row(sql, [], |row| row.get(0))? {
            findings.push(Finding::NoRoom { table });
        }
    }
    Ok(findings)
}
