//! Control leases: the last one of each device.
//!
//! Invariant: a device's fence only rises, and stays when the lease is over and when the device goes.

use bongsu_model::Timestamp;
use bongsu_model::device::{AtLapse, DeviceId, Fence, Lease, LeaseAsk, Leased};
use rusqlite::{Connection, Row, params};

use super::devices;
use super::rows::{Columns, all, execute, number, one};
use super::tables::Tables;
use crate::{Existing, StoreFault, json};

macro_rules! lease_columns {
    () => {
        "device, holder, fence, since, expires_at, at_lapse, at_lapse_args, open"
    };
}

/// Reads every lease.
pub(super) const ALL: &str = concat!("SELECT ", lease_columns!(), " FROM leases");

/// A lease, and whether it was neither released nor ended.
pub(super) fn of_row(row: &Row<'_>) -> Result<(Lease, bool), StoreFault> {
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
        since: Timestamp(columns.int(3, "since")?),
        expires_at: Timestamp(columns.int(4, "expires_at")?),
        at_lapse,
    };
    Ok((lease, columns.int(7, "open")? != 0))
}

/// The last lease of a device, and whether it may still run.
pub(super) fn last(conn: &Connection, device: &DeviceId) -> Result<Option<(Lease, bool)>, StoreFault> {
    const SQL: &str = concat!("SELECT ", lease_columns!(), " FROM leases WHERE device = ?1");
    one(conn, SQL, [device.as_str()], of_row)
}

pub(super) fn lease(
    conn: &Connection,
    device: &DeviceId,
    at: Timestamp,
) -> Result<Option<Lease>, StoreFault> {
    let running = last(conn, device)?.filter(|(lease, open)| *open && lease.expires_at > at);
    Ok(running.map(|(lease, _)| lease))
}

impl Tables<'_> {
    pub(super) fn take_lease(&self, ask: LeaseAsk) -> Result<Leased, StoreFault> {
        if !devices::exists(self.conn, &ask.device)? {
            return Ok(Leased::NoDevice);
        }
        let (mut fence, mut since) = (Fence(1), ask.at);
        if let Some((last, open)) = last(self.conn, &ask.device)? {
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
            device: ask.device,
            holder: ask.holder,
            fence,
            since,
            expires_at: ask.expires_at,
            at_lapse: ask.at_lapse,
        };
        self.put_lease(&lease, true)?;
        Ok(Leased::Granted(lease))
    }

    /// Keeps the last lease of a device.
    pub(super) fn put_lease(&self, lease: &Lease, open: bool) -> Result<(), StoreFault> {
        const SQL: &str = concat!(
            "INSERT OR REPLACE INTO leases (",
            lease_columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        );
        let at_lapse = lease.at_lapse.as_ref();
        let values = params![
            lease.device.as_str(),
            &*lease.holder,
            number(lease.fence.0)?,
            lease.since.0,
            lease.expires_at.0,
            at_lapse.map(|it| &*it.name),
            at_lapse.map(|it| bongsu_model::device::print(&it.args)),
            i64::from(open),
        ];
        execute(self.conn, SQL, values).map(drop)
    }

    pub(super) fn release_lease(
        &self,
        device: &DeviceId,
        holder: &str,
        at: Timestamp,
    ) -> Result<Existing, StoreFault> {
        const SQL: &str =
            "UPDATE leases SET open = 0 WHERE device = ?1 AND holder = ?2 AND open = 1 AND expires_at > ?3";
        if !devices::exists(self.conn, device)? {
            return Ok(Existing::Absent);
        }
        let released = execute(self.conn, SQL, params![device.as_str(), holder, at.0])?;
        Ok(if released > 0 {
            Existing::Changed
        } else {
            Existing::Unchanged
        })
    }

    pub(super) fn end_lease(&self, device: &DeviceId, fence: Fence) -> Result<Existing, StoreFault> {
        const SQL: &str = "UPDATE leases SET open = 0 WHERE device = ?1 AND fence = ?2 AND open = 1";
        if !devices::exists(self.conn, device)? {
            return Ok(Existing::Absent);
        }
        let ended = execute(self.conn, SQL, params![device.as_str(), number(fence.0)?])?;
        Ok(if ended > 0 {
            Existing::Changed
        } else {
            Existing::Unchanged
        })
    }
}

/// The leases that have lapsed and were neither released nor ended.
pub(super) fn lapsed_leases(conn: &Connection, at: Timestamp, limit: u32) -> Result<Vec<Lease>, StoreFault> {
    const SQL: &str = concat!(
        "SELECT ",
        lease_columns!(),
        " FROM leases WHERE open = 1 AND expires_at <= ?1 ORDER BY expires_at, device LIMIT ?2"
    );
    all(conn, SQL, params![at.0, limit], |row| {
        of_row(row).map(|(lease, _)| lease)
    })
}
