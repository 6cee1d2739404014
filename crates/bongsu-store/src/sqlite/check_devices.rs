//! The examination of what is kept about devices and presets: that every record can be read, and that they fit together.
//!
//! Invariant: it only reads.

use rusqlite::{Connection, Row};

use super::check::Finding;
use super::{commands, devices, leases, presets, shadows};
use crate::StoreFault;

pub(super) fn findings(conn: &Connection) -> rusqlite::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    unreadable(conn, devices::ALL, &mut findings, devices::of_row)?;
    unreadable(conn, commands::ALL, &mut findings, commands::of_row)?;
    unreadable(conn, leases::ALL, &mut findings, leases::of_row)?;
    unreadable(conn, shadows::ALL_HEADS, &mut findings, shadows::head)?;
    unreadable(conn, shadows::ALL_DESIRED, &mut findings, shadows::desired_of_row)?;
    unreadable(
        conn,
        shadows::ALL_REPORTED,
        &mut findings,
        shadows::reported_of_row,
    )?;
    unreadable(conn, presets::ALL, &mut findings, presets::of_row)?;
    unreadable(
        conn,
        presets::ALL_DISPLAYS,
        &mut findings,
        presets::display_of_row,
    )?;
    strays(conn, &mut findings)?;
    Ok(findings)
}

/// Reads every row as the store does; what it cannot read is found once for each way in which it cannot.
fn unreadable<T>(
    conn: &Connection,
    sql: &str,
    findings: &mut Vec<Finding>,
    read: impl Fn(&Row<'_>) -> Result<T, StoreFault>,
) -> rusqlite::Result<()> {
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let finding = match read(row) {
            Ok(_) => continue,
            Err(StoreFault::Damaged { table, what }) => Finding::Unreadable { table, what },
            Err(
                fault @ (StoreFault::Overloaded
                | StoreFault::Stopped
                | StoreFault::Unavailable(_)
                | StoreFault::InDoubt(_)
                | StoreFault::Broken(_)),
            ) => Finding::Structure(fault.to_string().into()),
        };
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    Ok(())
}

/// Rows of what does not exist. Leases and epochs may be older than their devices, and ended commands too.
fn strays(conn: &Connection, findings: &mut Vec<Finding>) -> rusqlite::Result<()> {
    const OF_DEVICES: [(&str, &str); 6] = [
        (
            "enrolments",
            "SELECT EXISTS (SELECT 1 FROM enrolments WHERE device NOT IN (SELECT id FROM devices))",
        ),
        (
            "commands",
            "SELECT EXISTS (SELECT 1 FROM commands WHERE ends_by IS NOT NULL AND device NOT IN (SELECT id FROM devices))",
        ),
        (
            "leases",
            "SELECT EXISTS (SELECT 1 FROM leases WHERE open = 1 AND device NOT IN (SELECT id FROM devices))",
        ),
        (
            "shadows",
            "SELECT EXISTS (SELECT 1 FROM shadows WHERE device NOT IN (SELECT id FROM devices))",
        ),
        (
            "desired",
            "SELECT EXISTS (SELECT 1 FROM desired WHERE device NOT IN (SELECT device FROM shadows))",
        ),
        (
            "reported",
            "SELECT EXISTS (SELECT 1 FROM reported WHERE device NOT IN (SELECT device FROM shadows))",
        ),
    ];
    // A counter that is missing is one that begins again.
    const CLIENTS: &str = "SELECT (SELECT coalesce(max(client), 0) FROM devices) >= \
                           coalesce((SELECT next FROM counters WHERE name = 'device'), 0)";
    const DISPLAYS: &str =
        "SELECT EXISTS (SELECT 1 FROM preset_displays WHERE preset NOT IN (SELECT id FROM presets))";
    const WISHES: &str = "SELECT EXISTS (SELECT 1 FROM desired WHERE command IS NOT NULL \
                          AND command NOT IN (SELECT id FROM commands WHERE ends_by IS NOT NULL))";
    const ARGS: &str = "SELECT EXISTS (SELECT 1 FROM command_args \
                        WHERE number NOT IN (SELECT number FROM commands WHERE args IS NULL))";
    for (table, sql) in OF_DEVICES {
        if conn.query_row(sql, [], |row| row.get(0))? {
            findings.push(Finding::NoDevice { table });
        }
    }
    if conn.query_row(CLIENTS, [], |row| row.get(0))? {
        findings.push(Finding::Numbers { table: "devices" });
    }
    if conn.query_row(DISPLAYS, [], |row| row.get(0))? {
        findings.push(Finding::Displays);
    }
    if conn.query_row(ARGS, [], |row| row.get(0))? {
        findings.push(Finding::Arguments);
    }
    if conn.query_row(WISHES, [], |row| row.get(0))? {
        findings.push(Finding::Wish);
    }
    Ok(())
}
