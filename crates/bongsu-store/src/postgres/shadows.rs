//! Desired and reported states, a row for each key.
//!
//! Invariant: whatever changes a key has the device's row and raises the state's version in the same transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use bongsu_model::device::{Command, CommandId, Desired, DeviceId, Reported, Shadow, ShadowPut, Wish};
use futures_util::future::{join, join3, join5};
use tokio_postgres::Row;

use super::devices;
use super::rows::{Columns, Id, number};
use super::tx::{Conn, Param};
use crate::{StoreFault, json};

fn head(row: &Row) -> Result<(u64, Option<u64>), StoreFault> {
    let columns = Columns::of("shadows", row);
    let reported = match columns.int_if(1, "reported_version")? {
        None => None,
        Some(_) => Some(columns.count(1, "reported_version")?),
    };
    Ok((columns.count(0, "version")?, reported))
}

fn desired_of_row(row: &Row) -> Result<(Arc<str>, Desired), StoreFault> {
    let columns = Columns::of("desired", row);
    let desired = Desired {
        value: json::value(columns.str(1, "value")?).ok_or_else(|| columns.damaged("value"))?,
        at: columns.time(2, "at")?,
        by: columns.text(3, "by")?,
        expires_at: columns.time_if(4, "expires_at")?,
        command: columns.id_if(5, "command")?.map(CommandId),
    };
    Ok((columns.text(0, "key")?, desired))
}

fn reported_of_row(row: &Row) -> Result<(Arc<str>, Reported), StoreFault> {
    let columns = Columns::of("reported", row);
    let reported = Reported {
        value: json::value(columns.str(1, "value")?).ok_or_else(|| columns.damaged("value"))?,
        at: columns.time(2, "at")?,
    };
    Ok((columns.text(0, "key")?, reported))
}

/// The state of a device, in a snapshot.
pub(super) async fn shadow(conn: &Conn, device: &DeviceId) -> Result<Option<Shadow>, StoreFault> {
    let (exists, shadow) = join(devices::exists(conn, device), read(conn, device)).await;
    Ok(if exists? { Some(shadow?) } else { None })
}

/// The state of a device that there is. Several statements: in a snapshot, or where the device's row is ours.
async fn read(conn: &Conn, device: &DeviceId) -> Result<Shadow, StoreFault> {
    const HEAD: &str = "SELECT version, reported_version FROM shadows WHERE device = $1";
    const DESIRED: &str = "SELECT key, value, at, by, expires_at, command FROM desired WHERE device = $1";
    const REPORTED: &str = "SELECT key, value, at FROM reported WHERE device = $1";
    let id = device.as_str();
    let values: [Param<'_>; 1] = [&id];
    let (known, desired, reported) = join3(
        conn.one(HEAD, &values, head),
        conn.all(DESIRED, &values, desired_of_row),
        conn.all(REPORTED, &values, reported_of_row),
    )
    .await;
    let shadow = Shadow {
        desired: desired?.into_iter().collect(),
        reported: reported?.into_iter().collect(),
        ..Shadow::default()
    };
    match known? {
        Some((version, reported_version)) => Ok(Shadow {
            version,
            reported_version,
            ..shadow
        }),
        None if shadow == Shadow::default() => Ok(shadow),
        None => {
            let (table, what) = ("shadows", "a version is missing");
            Err(StoreFault::Damaged { table, what })
        }
    }
}

pub(super) async fn put(
    conn: &Conn,
    device: &DeviceId,
    from_version: u64,
    shadow: &Shadow,
) -> Result<ShadowPut, StoreFault> {
    const HEAD: &str = "INSERT INTO shadows (device, version, reported_version) VALUES ($1, $2, $3) \
                        ON CONFLICT (device) DO UPDATE SET version = excluded.version, \
                        reported_version = excluded.reported_version";
    conn.prepare(devices::LOCK).await?;
    let (locked, before) = join(devices::lock(conn, device), read(conn, device)).await;
    if locked?.is_none() {
        return Ok(ShadowPut::NoDevice);
    }
    let before = before?;
    if before.version != from_version || !shadow.follows(&before) {
        return Ok(ShadowPut::Stale);
    }
    let (id, version) = (device.as_str(), number(shadow.version)?);
    let reported_version = shadow.reported_version.map(number).transpose()?;
    let values: [Param<'_>; 3] = [&id, &version, &reported_version];
    let (head, unwished, wished, unsaid, said) = join5(
        conn.execute(HEAD, &values),
        forget(
            conn,
            FORGET_DESIRED,
            device,
            gone(&before.desired, &shadow.desired),
        ),
        put_desired(conn, device, changed(&before.desired, &shadow.desired)),
        forget(
            conn,
            FORGET_REPORTED,
            device,
            gone(&before.reported, &shadow.reported),
        ),
        put_reported(conn, device, changed(&before.reported, &shadow.reported)),
    )
    .await;
    head?;
    unwished.and(wished).and(unsaid).and(said)?;
    Ok(ShadowPut::Kept)
}

const FORGET_DESIRED: &str = "DELETE FROM desired WHERE device = $1 AND key = ANY($2)";
const FORGET_REPORTED: &str = "DELETE FROM reported WHERE device = $1 AND key = ANY($2)";

/// The keys that are there no more.
fn gone<'a, T>(before: &'a BTreeMap<Arc<str>, T>, after: &BTreeMap<Arc<str>, T>) -> Vec<&'a str> {
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    gone.map(|key| &**key).collect()
}

/// What is new or another.
fn changed<'a, T: PartialEq>(
    before: &BTreeMap<Arc<str>, T>,
    after: &'a BTreeMap<Arc<str>, T>,
) -> Vec<(&'a str, &'a T)> {
    let changed = after.iter().filter(|(key, it)| before.get(*key) != Some(it));
    changed.map(|(key, it)| (&**key, it)).collect()
}

async fn forget(
    conn: &Conn,
    sql: &'static str,
    device: &DeviceId,
    keys: Vec<&str>,
) -> Result<(), StoreFault> {
    if keys.is_empty() {
        return Ok(());
    }
    conn.execute(sql, &[&device.as_str(), &keys]).await.map(drop)
}

async fn put_desired(conn: &Conn, device: &DeviceId, all: Vec<(&str, &Desired)>) -> Result<(), StoreFault> {
    const SQL: &str = "INSERT INTO desired (device, key, value, at, by, expires_at, command) \
                       SELECT $1, key, value, at, by, expires_at, command \
                       FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::uuid[]) \
                       AS new (key, value, at, by, expires_at, command) \
                       ON CONFLICT (device, key) DO UPDATE SET value = excluded.value, at = excluded.at, \
                       by = excluded.by, expires_at = excluded.expires_at, command = excluded.command";
    if all.is_empty() {
        return Ok(());
    }
    let keys: Vec<&str> = all.iter().map(|(key, _)| *key).collect();
    let values: Vec<String> = all.iter().map(|(_, it)| it.value.to_string()).collect();
    let at: Vec<i64> = all.iter().map(|(_, it)| it.at.0).collect();
    let by: Vec<&str> = all.iter().map(|(_, it)| &*it.by).collect();
    let ends: Vec<Option<i64>> = all.iter().map(|(_, it)| it.expires_at.map(|end| end.0)).collect();
    let commands: Vec<Option<Id>> = all.iter().map(|(_, it)| it.command.map(|id| Id(id.0))).collect();
    conn.execute(
        SQL,
        &[&device.as_str(), &keys, &values, &at, &by, &ends, &commands],
    )
    .await
    .map(drop)
}

async fn put_reported(conn: &Conn, device: &DeviceId, all: Vec<(&str, &Reported)>) -> Result<(), StoreFault> {
    const SQL: &str = "INSERT INTO reported (device, key, value, at) SELECT $1, key, value, at \
                       FROM unnest($2::text[], $3::text[], $4::bigint[]) AS new (key, value, at) \
                       ON CONFLICT (device, key) DO UPDATE SET value = excluded.value, at = excluded.at";
    if all.is_empty() {
        return Ok(());
    }
    let keys: Vec<&str> = all.iter().map(|(key, _)| *key).collect();
    let values: Vec<String> = all.iter().map(|(_, it)| it.value.to_string()).collect();
    let at: Vec<i64> = all.iter().map(|(_, it)| it.at.0).collect();
    conn.execute(SQL, &[&device.as_str(), &keys, &values, &at])
        .await
        .map(drop)
}

/// Writes what comes with a command.
pub(super) async fn wish(conn: &Conn, command: &Command, wish: &Wish) -> Result<(), StoreFault> {
    const VERSION: &str = "INSERT INTO shadows (device, version) VALUES ($1, 1) \
                           ON CONFLICT (device) DO UPDATE SET version = shadows.version + 1";
    let desired = Desired {
        value: wish.value.clone(),
        at: command.at,
        by: Arc::clone(&command.by),
        expires_at: Some(command.deadline),
        command: Some(command.id),
    };
    let id = command.device.as_str();
    let values: [Param<'_>; 1] = [&id];
    let (wished, raised) = join(
        put_desired(conn, &command.device, vec![(&*wish.key, &desired)]),
        conn.execute(VERSION, &values),
    )
    .await;
    wished.and(raised.map(drop))
}

/// Takes the wishes of commands back that have ended.
pub(super) async fn end_wishes(conn: &Conn, ended: &[(&DeviceId, CommandId)]) -> Result<(), StoreFault> {
    const SQL: &str = "WITH gone AS (DELETE FROM desired USING unnest($1::text[], $2::uuid[]) AS ended (device, command) \
                       WHERE desired.device = ended.device AND desired.command = ended.command \
                       RETURNING desired.device) \
                       INSERT INTO shadows (device, version) SELECT device, count(*) FROM gone GROUP BY device \
                       ON CONFLICT (device) DO UPDATE SET version = shadows.version + excluded.version";
    let devices: Vec<&str> = ended.iter().map(|(device, _)| device.as_str()).collect();
    let commands: Vec<Id> = ended.iter().map(|(_, command)| Id(command.0)).collect();
    conn.execute(SQL, &[&devices, &commands]).await.map(drop)
}
