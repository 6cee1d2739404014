//! Devices, their enrolment tokens, and the locks that all that is about devices takes.
//!
//! Locks, in this order, so that nobody waits in a circle: the counter of client numbers (whoever makes or renames a
//! device), the rows of devices ascending by id, the name of a caller's key, the rows of commands ascending by id, presets
//! ascending by id; then whatever else is of the devices, which their rows stand for.
//! Invariant: an id's epoch only rises, and stays when its device goes; no client number is given twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bongsu_model::device::{ConnectionEpoch, Device, DeviceId, DeviceSession, Enrolment, NewDevice};
use bongsu_model::{SessionId, Timestamp, TokenHash};
use futures_util::future::{join, try_join_all};
use tokio_postgres::Row;

use super::rows::{Columns, number};
use super::tx::Conn;
use super::{commands, steps};
use crate::{CreateRefused, Existing, StoreFault, StoreLimits, command, json};

/// Takes a device's row for the rest of the transaction: whether it has a session. What is asked next sees all that was
/// committed before; what is asked in the same statement may not.
pub(super) const LOCK: &str = "SELECT node IS NOT NULL FROM devices WHERE id = $1 FOR UPDATE";
/// As [`LOCK`], of several, in the order of their ids.
pub(super) const LOCK_ALL: &str = "SELECT id FROM devices WHERE id = ANY($1) ORDER BY id FOR UPDATE";
/// Takes the right to make devices and to give them other ids.
const LOCK_COUNTER: &str = "SELECT next FROM counters WHERE name = 'device' FOR UPDATE";

macro_rules! select_devices {
    ($rest:literal) => {
        concat!(
            "SELECT devices.id, kind, version, capabilities, session, node, boot, since, last_seen, created_at, epoch, \
             client FROM devices LEFT JOIN device_epochs ON device_epochs.device = devices.id ",
            $rest
        )
    };
}

/// Reads a column with the id of a device.
pub(super) fn id(columns: &Columns<'_>, at: usize) -> Result<DeviceId, StoreFault> {
    DeviceId::parse(columns.str(at, "device")?).ok_or_else(|| columns.damaged("device"))
}

/// Reads a column with a client number.
fn client(columns: &Columns<'_>, at: usize) -> Result<i64, StoreFault> {
    let client = columns.int(at, "client")?;
    (client >= 1)
        .then_some(client)
        .ok_or_else(|| columns.damaged("client"))
}

fn of_row(row: &Row) -> Result<Device, StoreFault> {
    let columns = Columns::of("devices", row);
    let session = match (
        columns.id_if(4, "session")?,
        columns.text_if(5, "node")?,
        columns.int_if(6, "boot")?,
        columns.time_if(7, "since")?,
    ) {
        (None, None, None, None) => None,
        (Some(id), Some(node), Some(boot), Some(since)) => Some(DeviceSession {
            id: SessionId(id),
            node,
            boot: boot.cast_unsigned(),
            since,
        }),
        _ => return Err(columns.damaged("half a session")),
    };
    Ok(Device {
        id: id(&columns, 0)?,
        client: client(&columns, 11)?,
        kind: columns.text(1, "kind")?,
        version: columns.text_if(2, "version")?,
        capabilities: json::words(columns.str(3, "capabilities")?)
            .ok_or_else(|| columns.damaged("capabilities"))?,
        epoch: ConnectionEpoch(columns.count(10, "epoch")?),
        session,
        last_seen: columns.time_if(8, "last_seen")?,
        created_at: columns.time(9, "created_at")?,
    })
}

pub(super) async fn device(conn: &Conn, device: &DeviceId) -> Result<Option<Device>, StoreFault> {
    const SQL: &str = select_devices!("WHERE devices.id = $1");
    conn.one(SQL, &[&device.as_str()], of_row).await
}

pub(super) async fn devices(
    conn: &Conn,
    after: Option<&DeviceId>,
    limit: u32,
) -> Result<Vec<Device>, StoreFault> {
    const SQL: &str = select_devices!("WHERE devices.id > $1 ORDER BY devices.id LIMIT $2");
    // No id is empty.
    let after = after.map_or("", DeviceId::as_str);
    conn.all(SQL, &[&after, &i64::from(limit)], of_row).await
}

pub(super) async fn devices_of(
    conn: &Conn,
    kind: &str,
    after: Option<&DeviceId>,
    limit: u32,
) -> Result<Vec<Device>, StoreFault> {
    const SQL: &str = select_devices!("WHERE kind = $1 AND devices.id > $2 ORDER BY devices.id LIMIT $3");
    let after = after.map_or("", DeviceId::as_str);
    conn.all(SQL, &[&kind, &after, &i64::from(limit)], of_row).await
}

/// Those of some ids that are devices.
pub(super) async fn among(conn: &Conn, ids: &[&str]) -> Result<Vec<Device>, StoreFault> {
    const SQL: &str = select_devices!("WHERE devices.id = ANY($1)");
    conn.all(SQL, &[&ids], of_row).await
}

pub(super) async fn exists(conn: &Conn, device: &DeviceId) -> Result<bool, StoreFault> {
    const SQL: &str = "SELECT 1 FROM devices WHERE id = $1";
    conn.any(SQL, &[&device.as_str()]).await
}

/// Takes a device's row; whether it has a session, `None` if there is no such device.
pub(super) async fn lock(conn: &Conn, device: &DeviceId) -> Result<Option<bool>, StoreFault> {
    conn.one(LOCK, &[&device.as_str()], |row| {
        Columns::of("devices", row).flag(0, "session")
    })
    .await
}

/// Takes the rows of those devices of some that there are.
pub(super) async fn lock_all(conn: &Conn, ids: &BTreeSet<&DeviceId>) -> Result<(), StoreFault> {
    let ids: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
    conn.query(LOCK_ALL, &[&ids]).await.map(drop)
}

/// Takes the right to make and to rename devices; the next client number.
pub(super) async fn lock_counter(conn: &Conn) -> Result<i64, StoreFault> {
    let next = conn
        .one(LOCK_COUNTER, &[], |row| {
            Columns::of("counters", row).int(0, "next")
        })
        .await?;
    let (table, what) = ("counters", "the counter of devices is missing");
    next.ok_or(StoreFault::Damaged { table, what })
}

/// The last epochs of some ids, whether they are devices or not; 0 for those that never had one.
pub(super) async fn epochs(
    conn: &Conn,
    ids: &[&str],
) -> Result<BTreeMap<DeviceId, ConnectionEpoch>, StoreFault> {
    const SQL: &str = "SELECT device, epoch FROM device_epochs WHERE device = ANY($1)";
    let epochs = conn
        .all(SQL, &[&ids], |row| {
            let columns = Columns::of("device_epochs", row);
            Ok((id(&columns, 0)?, ConnectionEpoch(columns.count(1, "epoch")?)))
        })
        .await?;
    Ok(epochs.into_iter().collect())
}

pub(super) async fn enrolment(
    conn: &Conn,
    hash: &TokenHash,
    at: Timestamp,
) -> Result<Option<DeviceId>, StoreFault> {
    const SQL: &str =
        "SELECT device FROM enrolments WHERE hash = $1 AND (expires_at IS NULL OR expires_at > $2)";
    conn.one(SQL, &[&&hash.0[..], &at.0], |row| {
        id(&Columns::of("enrolments", row), 0)
    })
    .await
}

pub(super) const fn existing(changed: u64) -> Existing {
    if changed > 0 {
        Existing::Changed
    } else {
        Existing::Unchanged
    }
}

/// Makes devices, each on its own.
pub(super) async fn create(
    conn: &Conn,
    new: &[NewDevice],
    at: Timestamp,
) -> Result<Vec<Result<Device, CreateRefused>>, StoreFault> {
    let next = lock_counter(conn).await?;
    let ids: Vec<&str> = new.iter().map(|new| new.id.as_str()).collect();
    // Nobody else makes devices meanwhile.
    let (taken, epochs) = join(among(conn, &ids), epochs(conn, &ids)).await;
    let (mut taken, epochs): (BTreeSet<_>, _) = (taken?.into_iter().map(|it| it.id).collect(), epochs?);
    let (mut made, mut client) = (Vec::new(), next);
    for new in new {
        if !taken.insert(new.id.clone()) {
            made.push(Err(CreateRefused::IdTaken));
            continue;
        }
        made.push(Ok(Device {
            id: new.id.clone(),
            client,
            kind: Arc::clone(&new.kind),
            version: None,
            capabilities: Arc::default(),
            epoch: epochs.get(&new.id).copied().unwrap_or_default(),
            session: None,
            last_seen: None,
            created_at: at,
        }));
        client = client.saturating_add(1);
    }
    let devices: Vec<&Device> = made.iter().filter_map(|it| it.as_ref().ok()).collect();
    if !devices.is_empty() {
        insert(conn, &devices, client).await?;
    }
    Ok(made)
}

async fn insert(conn: &Conn, devices: &[&Device], next: i64) -> Result<(), StoreFault> {
    const SQL: &str = "INSERT INTO devices (id, kind, capabilities, created_at, client) \
                       SELECT id, kind, '[]', at, client \
                       FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS new (id, kind, at, client)";
    const EPOCHS: &str = "INSERT INTO device_epochs (device, epoch) SELECT device, 0 FROM unnest($1::text[]) AS new (device) \
                          ON CONFLICT (device) DO NOTHING";
    const COUNTER: &str = "UPDATE counters SET next = $1 WHERE name = 'device'";
    let ids: Vec<&str> = devices.iter().map(|it| it.id.as_str()).collect();
    let kinds: Vec<&str> = devices.iter().map(|it| &*it.kind).collect();
    let at: Vec<i64> = devices.iter().map(|it| it.created_at.0).collect();
    let clients: Vec<i64> = devices.iter().map(|it| it.client).collect();
    conn.execute(SQL, &[&ids, &kinds, &at, &clients]).await?;
    let (epochs, counter) = join(conn.execute(EPOCHS, &[&ids]), conn.execute(COUNTER, &[&next])).await;
    epochs.and(counter).map(drop)
}

pub(super) async fn delete(
    conn: &Conn,
    limits: &StoreLimits,
    device: &DeviceId,
    (node, at): (&Arc<str>, Timestamp),
) -> Result<Existing, StoreFault> {
    const PARTS: [&str; 6] = [
        "DELETE FROM enrolments WHERE device = $1",
        "DELETE FROM desired WHERE device = $1",
        "DELETE FROM reported WHERE device = $1",
        "DELETE FROM shadows WHERE device = $1",
        "UPDATE leases SET open = false WHERE device = $1",
        "DELETE FROM devices WHERE id = $1",
    ];
    if lock(conn, device).await?.is_none() {
        return Ok(Existing::Absent);
    }
    let id = device.as_str();
    let open = commands::open_of(conn, device).await?;
    let ends = open
        .iter()
        .map(|open| command::orphaned(open, Arc::clone(node), at));
    steps::carry_out(conn, limits, &ends.collect::<Vec<_>>()).await?;
    try_join_all(PARTS.map(|sql| async move { conn.execute(sql, &[&id]).await })).await?;
    Ok(Existing::Changed)
}

pub(super) async fn add_enrolment(
    conn: &Conn,
    limits: &StoreLimits,
    new: &Enrolment,
    at: Timestamp,
) -> Result<Existing, StoreFault> {
    const FORGET: &str = "DELETE FROM enrolments WHERE hash = $1 OR (device = $2 AND expires_at <= $3)";
    // Who keeps the same one at the same moment has come first.
    const KEEP: &str = "INSERT INTO enrolments (hash, device, expires_at) VALUES ($1, $2, $3) \
                        ON CONFLICT (hash) DO UPDATE SET device = excluded.device, expires_at = excluded.expires_at";
    const LAST: &str = "DELETE FROM enrolments WHERE device = $1 AND number NOT IN \
                        (SELECT number FROM enrolments WHERE device = $1 ORDER BY number DESC LIMIT $2)";
    if lock(conn, &new.device).await?.is_none() {
        return Ok(Existing::Absent);
    }
    let (hash, device) = (&new.hash.0[..], new.device.as_str());
    conn.execute(FORGET, &[&hash, &device, &at.0]).await?;
    let expires_at = new.expires_at.map(|end| end.0);
    conn.execute(KEEP, &[&hash, &device, &expires_at]).await?;
    let max = number(limits.enrolments_per_device_max as u64)?;
    conn.execute(LAST, &[&device, &max]).await?;
    Ok(Existing::Changed)
}

pub(super) async fn revoke_enrolments(conn: &Conn, device: &DeviceId) -> Result<Existing, StoreFault> {
    const SQL: &str = "DELETE FROM enrolments WHERE device = $1";
    if lock(conn, device).await?.is_none() {
        return Ok(Existing::Absent);
    }
    conn.execute(SQL, &[&device.as_str()]).await.map(existing)
}
