//! Sessions of devices: each has an epoch of its own, whichever node it is on.
//!
//! Invariant: whoever raises an epoch, or looks whether one is the last, has the device's row.

use bongsu_model::Timestamp;
use bongsu_model::device::{ConnectionEpoch, DeviceId, Held, NewDevice, OpenSession, Opened, SessionOpened};
use futures_util::future::join;

use super::devices::{self, existing};
use super::rows::{Columns, Id, number};
use super::tx::{Conn, Param};
use crate::{Existing, StoreFault, json};

/// Sessions that are ended in one transaction when a node starts.
const SESSIONS_FORGOTTEN: i64 = 1_000;

pub(super) async fn open(
    conn: &Conn,
    open: &OpenSession,
    at: Timestamp,
) -> Result<SessionOpened, StoreFault> {
    let known = match locked(conn, &open.device).await? {
        None if open.create => {
            let (id, kind) = (open.device.clone(), open.kind.clone());
            let kind = kind.unwrap_or_else(|| "device".into());
            // Another one may have made it meanwhile: then it has no session, or one that is looked at here.
            devices::create(conn, &[NewDevice { id, kind }], at).await?;
            locked(conn, &open.device).await?
        }
        known => known,
    };
    let Some(known) = known else {
        return Ok(SessionOpened::NoDevice);
    };
    let epoch = known.epoch;
    let before = known.session.map(|session| Held { session, epoch });
    match before {
        Some(held) if !open.expects.admits(Some(&held)) => return Ok(SessionOpened::Taken(held)),
        Some(_) | None => {}
    }
    let epoch = begin(conn, open).await?;
    Ok(SessionOpened::Opened(Opened { epoch, before }))
}

/// A device whose row is ours from then on.
async fn locked(conn: &Conn, device: &DeviceId) -> Result<Option<bongsu_model::device::Device>, StoreFault> {
    conn.prepare(devices::LOCK).await?;
    let (locked, known) = join(devices::lock(conn, device), devices::device(conn, device)).await;
    locked?;
    known
}

async fn begin(conn: &Conn, open: &OpenSession) -> Result<ConnectionEpoch, StoreFault> {
    const EPOCH: &str = "UPDATE device_epochs SET epoch = epoch + 1 WHERE device = $1 RETURNING epoch";
    const SQL: &str = "UPDATE devices SET kind = coalesce($2, kind), version = $3, capabilities = $4, \
                       session = $5, node = $6, boot = $7, since = $8 WHERE id = $1";
    let id = open.device.as_str();
    let session = &open.session;
    let own: [Param<'_>; 1] = [&id];
    let epoch = conn.one(EPOCH, &own, |row| {
        Columns::of("device_epochs", row).count(0, "epoch")
    });
    let capabilities = json::write_words(&open.capabilities);
    let values: [Param<'_>; 8] = [
        &id,
        &open.kind.as_deref(),
        &open.version.as_deref(),
        &capabilities,
        &Id(session.id.0),
        &&*session.node,
        &session.boot.cast_signed(),
        &session.since.0,
    ];
    let (epoch, noted) = join(epoch, conn.execute(SQL, &values)).await;
    let epoch = epoch?;
    noted?;
    let (table, what) = ("device_epochs", "an epoch is missing");
    epoch
        .map(ConnectionEpoch)
        .ok_or(StoreFault::Damaged { table, what })
}

pub(super) async fn close(
    conn: &Conn,
    device: &DeviceId,
    epoch: ConnectionEpoch,
    at: Timestamp,
) -> Result<Existing, StoreFault> {
    const SQL: &str = "UPDATE devices SET session = NULL, node = NULL, boot = NULL, since = NULL, \
                       last_seen = greatest(coalesce(last_seen, $3), $3) WHERE id = $1 AND node IS NOT NULL \
                       AND $2 = (SELECT epoch FROM device_epochs WHERE device = $1)";
    // First the row: the epoch that one statement reads may be older than the row that it has waited for.
    conn.prepare(devices::LOCK).await?;
    let (id, epoch) = (device.as_str(), number(epoch.0)?);
    let values: [Param<'_>; 3] = [&id, &epoch, &at.0];
    let (locked, closed) = join(devices::lock(conn, device), conn.execute(SQL, &values)).await;
    Ok(match locked? {
        None => Existing::Absent,
        Some(_) => existing(closed?),
    })
}

/// Ends some of a node's sessions; how many, and whether these were all.
pub(super) async fn forget(conn: &Conn, node: &str, at: Timestamp) -> Result<(u64, bool), StoreFault> {
    const SQL: &str = "WITH page AS MATERIALIZED \
                       (SELECT id FROM devices WHERE node = $1 ORDER BY id LIMIT $3 FOR UPDATE) \
                       UPDATE devices SET session = NULL, node = NULL, boot = NULL, since = NULL, \
                       last_seen = greatest(coalesce(last_seen, $2), $2) FROM page WHERE devices.id = page.id";
    let forgotten = conn.execute(SQL, &[&node, &at.0, &SESSIONS_FORGOTTEN]).await?;
    Ok((forgotten, forgotten < SESSIONS_FORGOTTEN.cast_unsigned()))
}
