//! Control leases: the last one of each device.
//!
//! Invariant: a device's fence only rises, and stays when the lease is over and when the device goes. Whoever changes a
//! lease has the device's row.

use bongsu_model::Timestamp;
use bongsu_model::device::{AtLapse, DeviceId, Fence, Lease, LeaseAsk, Leased, print};
use futures_util::future::join;
use tokio_postgres::Row;

use super::devices::{self, existing};
use super::rows::{Columns, number};
use super::tx::{Conn, Param};
use crate::{Existing, StoreFault, json};

macro_rules! lease_columns {
    () => {
        "device, holder, fence, since, expires_at, at_lapse, at_lapse_args, open"
    };
}

/// A lease, and whether it was neither released nor ended.
fn of_row(row: &Row) -> Result<(Lease, bool), StoreFault> {
    let columns = Columns::of("leases", row);
    let at_lapse = match (
        columns.text_if(5, "at_lapse")?,
        columns.str_if(6, "at_lapse_args")?,
    ) {
        (None, None) => None,
        (Some(name), Some(args)) => Some(AtLapse {
            name,
            args: json::object(args).ok_or_else(|| columns.damaged("at_lapse_args"))?,
        }),
        (None, Some(_)) | (Some(_), None) => return Err(columns.damaged("half a command at its lapse")),
    };
    let lease = Lease {
        device: devices::id(&columns, 0)?,
        holder: columns.text(1, "holder")?,
        fence: Fence(columns.count(2, "fence")?),
        since: columns.time(3, "since")?,
        expires_at: columns.time(4, "expires_at")?,
        at_lapse,
    };
    Ok((lease, columns.flag(7, "open")?))
}

/// The last lease of a device, and whether it may still run.
pub(super) async fn last(conn: &Conn, device: &DeviceId) -> Result<Option<(Lease, bool)>, StoreFault> {
    const SQL: &str = concat!("SELECT ", lease_columns!(), " FROM leases WHERE device = $1");
    conn.one(SQL, &[&device.as_str()], of_row).await
}

/// The last leases of some ids, as [`last`].
pub(super) async fn last_of(conn: &Conn, ids: &[&str]) -> Result<Vec<(Lease, bool)>, StoreFault> {
    const SQL: &str = concat!("SELECT ", lease_columns!(), " FROM leases WHERE device = ANY($1)");
    conn.all(SQL, &[&ids], of_row).await
}

pub(super) async fn lease(
    conn: &Conn,
    device: &DeviceId,
    at: Timestamp,
) -> Result<Option<Lease>, StoreFault> {
    let running = last(conn, device)
        .await?
        .filter(|(lease, open)| *open && lease.expires_at > at);
    Ok(running.map(|(lease, _)| lease))
}

/// The leases that have lapsed and were neither released nor ended.
pub(super) async fn lapsed(conn: &Conn, at: Timestamp, limit: u32) -> Result<Vec<Lease>, StoreFault> {
    const SQL: &str = concat!(
        "SELECT ",
        lease_columns!(),
        " FROM leases WHERE open AND expires_at <= $1 ORDER BY expires_at, device LIMIT $2"
    );
    conn.all(SQL, &[&at.0, &i64::from(limit)], |row| {
        of_row(row).map(|(lease, _)| lease)
    })
    .await
}

pub(super) async fn take(conn: &Conn, ask: &LeaseAsk) -> Result<Leased, StoreFault> {
    conn.prepare(devices::LOCK).await?;
    let (locked, last) = join(devices::lock(conn, &ask.device), last(conn, &ask.device)).await;
    if locked?.is_none() {
        return Ok(Leased::NoDevice);
    }
    let (mut fence, mut since) = (Fence(1), ask.at);
    if let Some((last, open)) = last? {
        let runs = open && last.expires_at > ask.at;
        if runs && last.holder != ask.holder {
            return Ok(Leased::Held(last));
        }
        (fence, since) = if runs {
            (last.fence, last.since)
        } else {
            (Fence(last.fence.0 + 1), ask.at)
        };
    }
    let lease = Lease {
        device: ask.device.clone(),
        holder: ask.holder.clone(),
        fence,
        since,
        expires_at: ask.expires_at,
        at_lapse: ask.at_lapse.clone(),
    };
    put(conn, &lease, true).await?;
    Ok(Leased::Granted(lease))
}

/// Keeps the last lease of a device.
pub(super) async fn put(conn: &Conn, lease: &Lease, open: bool) -> Result<(), StoreFault> {
    const SQL: &str = concat!(
        "INSERT INTO leases (",
        lease_columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (device) DO UPDATE SET holder = excluded.holder, \
         fence = excluded.fence, since = excluded.since, expires_at = excluded.expires_at, \
         at_lapse = excluded.at_lapse, at_lapse_args = excluded.at_lapse_args, open = excluded.open"
    );
    let at_lapse = lease.at_lapse.as_ref();
    let values: [Param<'_>; 8] = [
        &lease.device.as_str(),
        &&*lease.holder,
        &number(lease.fence.0)?,
        &lease.since.0,
        &lease.expires_at.0,
        &at_lapse.map(|it| &*it.name),
        &at_lapse.map(|it| print(&it.args)),
        &open,
    ];
    conn.execute(SQL, &values).await.map(drop)
}

pub(super) async fn release(
    conn: &Conn,
    device: &DeviceId,
    holder: &str,
    at: Timestamp,
) -> Result<Existing, StoreFault> {
    const SQL: &str =
        "UPDATE leases SET open = false WHERE device = $1 AND holder = $2 AND open AND expires_at > $3";
    close(conn, device, SQL, &[&device.as_str(), &holder, &at.0]).await
}

pub(super) async fn end(conn: &Conn, device: &DeviceId, fence: Fence) -> Result<Existing, StoreFault> {
    const SQL: &str = "UPDATE leases SET open = false WHERE device = $1 AND fence = $2 AND open";
    close(conn, device, SQL, &[&device.as_str(), &number(fence.0)?]).await
}

async fn close(
    conn: &Conn,
    device: &DeviceId,
    sql: &'static str,
    values: &[Param<'_>],
) -> Result<Existing, StoreFault> {
    conn.prepare(devices::LOCK).await?;
    let (locked, closed) = join(devices::lock(conn, device), conn.execute(sql, values)).await;
    Ok(match locked? {
        // There is no open lease of a device that is gone.
        None => Existing::Absent,
        Some(_) => existing(closed?),
    })
}
