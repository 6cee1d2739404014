//! Devices, their sessions and enrolment tokens.
//!
//! Invariant: an id's epoch only rises, and stays when its device goes; no client number is given twice.

use std::sync::Arc;

use bongsu_model::device::{
    ConnectionEpoch, Device, DeviceId, DeviceSession, Enrolment, Held, NewDevice, OpenSession, Opened,
    SessionOpened,
};
use bongsu_model::{SessionId, Timestamp, TokenHash};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::commands;
use super::rows::{Columns, all, execute, number, one};
use super::tables::Tables;
use crate::{CreateRefused, Existing, StoreFault, command, json};

/// Sessions that are ended in one transaction when a node starts.
const SESSIONS_FORGOTTEN: u32 = 1_000;

macro_rules! select_devices {
    ($rest:literal) => {
        concat!(
            "SELECT devices.id, kind, version, capabilities, session, node, boot, since, last_seen, created_at, epoch, \
             client \
             FROM devices LEFT JOIN device_epochs ON device_epochs.device = devices.id ",
            $rest
        )
    };
}

/// Reads a column with the id of a device.
pub(super) fn id(columns: &Columns<'_, '_>, at: usize) -> Result<DeviceId, StoreFault> {
    DeviceId::parse(columns.str(at, "device")?).ok_or_else(|| columns.damaged("device"))
}

/// Reads a column with a client number.
fn client(columns: &Columns<'_, '_>, at: usize) -> Result<i64, StoreFault> {
    let client = columns.int(at, "client")?;
    (client >= 1)
        .then_some(client)
        .ok_or_else(|| columns.damaged("client"))
}

/// Reads every device.
pub(super) const ALL: &str = select_devices!("");

pub(super) fn of_row(row: &Row<'_>) -> Result<Device, StoreFault> {
    let columns = Columns::of("devices", row);
    let session = match (
        columns.value(4)?,
        columns.text_if(5, "node")?,
        columns.int_if(6, "boot")?,
        columns.time_if(7, "since")?,
    ) {
        (ValueRef::Null, None, None, None) => None,
        (ValueRef::Blob(_), Some(node), Some(boot), Some(since)) => Some(DeviceSession {
            id: SessionId(u128::from_be_bytes(columns.bytes(4, "session")?)),
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
        created_at: Timestamp(columns.int(9, "created_at")?),
    })
}

pub(super) fn device(conn: &Connection, device: &DeviceId) -> Result<Option<Device>, StoreFault> {
    const SQL: &str = select_devices!("WHERE devices.id = ?1");
    one(conn, SQL, [device.as_str()], of_row)
}

pub(super) fn devices(
    conn: &Connection,
    after: Option<&DeviceId>,
    limit: u32,
) -> Result<Vec<Device>, StoreFault> {
    const SQL: &str = select_devices!("WHERE devices.id > ?1 ORDER BY devices.id LIMIT ?2");
    // No id is empty.
    let after = after.map_or("", DeviceId::as_str);
    all(conn, SQL, params![after, limit], of_row)
}

pub(super) fn devices_of(
    conn: &Connection,
    kind: &str,
    after: Option<&DeviceId>,
    limit: u32,
) -> Result<Vec<Device>, StoreFault> {
    const SQL: &str = select_devices!("WHERE kind = ?1 AND devices.id > ?2 ORDER BY devices.id LIMIT ?3");
    let after = after.map_or("", DeviceId::as_str);
    all(conn, SQL, params![kind, after, limit], of_row)
}

pub(super) fn exists(conn: &Connection, device: &DeviceId) -> Result<bool, StoreFault> {
    const SQL: &str = "SELECT 1 FROM devices WHERE id = ?1";
    Ok(one(conn, SQL, [device.as_str()], |_| Ok(()))?.is_some())
}

/// The last epoch of an id, whether there is a device or not.
pub(super) fn last_epoch(conn: &Connection, device: &DeviceId) -> Result<ConnectionEpoch, StoreFault> {
    const SQL: &str = "SELECT epoch FROM device_epochs WHERE device = ?1";
    let epoch = one(conn, SQL, [device.as_str()], |row| {
        Columns::of("device_epochs", row).count(0, "epoch")
    })?;
    Ok(ConnectionEpoch(epoch.unwrap_or(0)))
}

/// The last epoch of a device, and whether its session lasts.
pub(super) fn last_session(
    conn: &Connection,
    device: &DeviceId,
) -> Result<(ConnectionEpoch, bool), StoreFault> {
    const SQL: &str = "SELECT 1 FROM devices WHERE id = ?1 AND node IS NOT NULL";
    let lasts = one(conn, SQL, [device.as_str()], |_| Ok(()))?.is_some();
    Ok((last_epoch(conn, device)?, lasts))
}

pub(super) fn enrolment(
    conn: &Connection,
    hash: &TokenHash,
    at: Timestamp,
) -> Result<Option<DeviceId>, StoreFault> {
    const SQL: &str =
        "SELECT device FROM enrolments WHERE hash = ?1 AND (expires_at IS NULL OR expires_at > ?2)";
    one(conn, SQL, params![&hash.0[..], at.0], |row| {
        id(&Columns::of("enrolments", row), 0)
    })
}

fn existing(changed: usize) -> Existing {
    if changed > 0 {
        Existing::Changed
    } else {
        Existing::Unchanged
    }
}

impl Tables<'_> {
    pub(super) fn create_device(&self, new: &NewDevice, at: Timestamp) -> Result<Device, CreateRefused> {
        if exists(self.conn, &new.id)? {
            return Err(CreateRefused::IdTaken);
        }
        self.insert_device(&new.id, &new.kind, at)?;
        let (table, what) = ("devices", "a device is missing");
        device(self.conn, &new.id)?.ok_or_else(|| StoreFault::Damaged { table, what }.into())
    }

    pub(super) fn create_devices(
        &self,
        new: &[NewDevice],
        at: Timestamp,
    ) -> Result<Vec<Result<Device, CreateRefused>>, StoreFault> {
        let made = new.iter().map(|new| match self.create_device(new, at) {
            Err(CreateRefused::Fault(fault)) => Err(fault),
            made => Ok(made),
        });
        made.collect()
    }

    fn insert_device(&self, id: &DeviceId, kind: &str, at: Timestamp) -> Result<(), StoreFault> {
        const SQL: &str =
            "INSERT INTO devices (id, kind, capabilities, created_at, client) VALUES (?1, ?2, '[]', ?3, ?4)";
        const EPOCH: &str = "INSERT OR IGNORE INTO device_epochs (device, epoch) VALUES (?1, 0)";
        let client = self.counter("device")?;
        self.set_counter("device", client.saturating_add(1))?;
        execute(self.conn, SQL, params![id.as_str(), kind, at.0, client])?;
        execute(self.conn, EPOCH, [id.as_str()]).map(drop)
    }

    pub(super) fn delete_device(
        &self,
        device: &DeviceId,
        node: &Arc<str>,
        at: Timestamp,
    ) -> Result<Existing, StoreFault> {
        const PARTS: [&str; 5] = [
            "DELETE FROM enrolments WHERE device = ?1",
            "DELETE FROM desired WHERE device = ?1",
            "DELETE FROM reported WHERE device = ?1",
            "DELETE FROM shadows WHERE device = ?1",
            "UPDATE leases SET open = 0 WHERE device = ?1",
        ];
        let id = [device.as_str()];
        if execute(self.conn, "DELETE FROM devices WHERE id = ?1", id)? == 0 {
            return Ok(Existing::Absent);
        }
        for sql in PARTS {
            execute(self.conn, sql, id)?;
        }
        for open in commands::open_of(self.conn, device)? {
            self.step_command(command::orphaned(&open, Arc::clone(node), at))?;
        }
        Ok(Existing::Changed)
    }

    pub(super) fn add_enrolment(&self, new: &Enrolment, at: Timestamp) -> Result<Existing, StoreFault> {
        const FORGET: &str = "DELETE FROM enrolments WHERE hash = ?1 OR (device = ?2 AND expires_at <= ?3)";
        const KEEP: &str = "INSERT INTO enrolments (hash, device, expires_at) VALUES (?1, ?2, ?3)";
        const LAST: &str = "DELETE FROM enrolments WHERE device = ?1 AND number NOT IN \
                            (SELECT number FROM enrolments WHERE device = ?1 ORDER BY number DESC LIMIT ?2)";
        if !exists(self.conn, &new.device)? {
            return Ok(Existing::Absent);
        }
        let (hash, device) = (&new.hash.0[..], new.device.as_str());
        execute(self.conn, FORGET, params![hash, device, at.0])?;
        let expires_at = new.expires_at.map(|end| end.0);
        execute(self.conn, KEEP, params![hash, device, expires_at])?;
        let max = number(self.limits.enrolments_per_device_max as u64)?;
        execute(self.conn, LAST, params![device, max])?;
        Ok(Existing::Changed)
    }

    pub(super) fn revoke_enrolments(&self, device: &DeviceId) -> Result<Existing, StoreFault> {
        const SQL: &str = "DELETE FROM enrolments WHERE device = ?1";
        if !exists(self.conn, device)? {
            return Ok(Existing::Absent);
        }
        execute(self.conn, SQL, [device.as_str()]).map(existing)
    }

    pub(super) fn open_device_session(
        &self,
        open: &OpenSession,
        at: Timestamp,
    ) -> Result<SessionOpened, StoreFault> {
        const EPOCH: &str = "UPDATE device_epochs SET epoch = epoch + 1 WHERE device = ?1 RETURNING epoch";
        const SQL: &str = "UPDATE devices SET kind = coalesce(?2, kind), version = ?3, capabilities = ?4, \
                           session = ?5, node = ?6, boot = ?7, since = ?8 WHERE id = ?1";
        let before = match device(self.conn, &open.device)? {
            Some(known) => {
                let epoch = known.epoch;
                known.session.map(|session| Held { session, epoch })
            }
            None if open.create => {
                let kind = open.kind.as_deref().unwrap_or("device");
                self.insert_device(&open.device, kind, at)?;
                None
            }
            None => return Ok(SessionOpened::NoDevice),
        };
        let before = match before {
            Some(held) if !open.expects.admits(Some(&held)) => return Ok(SessionOpened::Taken(held)),
            Some(_) | None => before,
        };
        let id = open.device.as_str();
        let epoch = one(self.conn, EPOCH, [id], |row| {
            Columns::of("device_epochs", row).count(0, "epoch")
        })?;
        let (table, what) = ("device_epochs", "an epoch is missing");
        let epoch = ConnectionEpoch(epoch.ok_or(StoreFault::Damaged { table, what })?);
        let session = &open.session;
        let values = params![
            id,
            open.kind.as_deref(),
            open.version.as_deref(),
            json::write_words(&open.capabilities),
            &session.id.0.to_be_bytes()[..],
            &*session.node,
            session.boot.cast_signed(),
            session.since.0,
        ];
        execute(self.conn, SQL, values)?;
        Ok(SessionOpened::Opened(Opened { epoch, before }))
    }

    pub(super) fn close_device_session(
        &self,
        device: &DeviceId,
        epoch: ConnectionEpoch,
        at: Timestamp,
    ) -> Result<Existing, StoreFault> {
        const SQL: &str = "UPDATE devices SET session = NULL, node = NULL, boot = NULL, since = NULL, \
                           last_seen = max(coalesce(last_seen, ?3), ?3) WHERE id = ?1 AND node IS NOT NULL \
                           AND ?2 = (SELECT epoch FROM device_epochs WHERE device = ?1)";
        let values = params![device.as_str(), number(epoch.0)?, at.0];
        Ok(match execute(self.conn, SQL, values)? {
            0 if !exists(self.conn, device)? => Existing::Absent,
            changed => existing(changed),
        })
    }

    /// Ends some of a node's sessions; how many, and whether these were all.
    pub(super) fn forget_device_sessions(
        &self,
        node: &str,
        at: Timestamp,
    ) -> Result<(u64, bool), StoreFault> {
        const SQL: &str = "UPDATE devices SET session = NULL, node = NULL, boot = NULL, since = NULL, \
                           last_seen = max(coalesce(last_seen, ?2), ?2) \
                           WHERE id IN (SELECT id FROM devices WHERE node = ?1 LIMIT ?3)";
        let forgotten = execute(self.conn, SQL, params![node, at.0, SESSIONS_FORGOTTEN])?;
        Ok((forgotten as u64, forgotten < SESSIONS_FORGOTTEN as usize))
    }
}
