//! Desired and reported states, a row for each key.
//!
//! Invariant: whatever changes a key raises the state's version in the same transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use bongsu_model::Timestamp;
use bongsu_model::device::{Command, CommandId, Desired, DeviceId, Reported, Shadow, ShadowPut, Wish};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::devices;
use super::rows::{Columns, all, execute, number, one};
use super::tables::Tables;
use crate::{StoreFault, json};

const KEEP_DESIRED: &str = "INSERT OR REPLACE INTO desired (device, key, value, at, by, expires_at, command) \
                            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// Reads the version and the reported version of every state.
pub(super) const ALL_HEADS: &str = "SELECT version, reported_version FROM shadows";
/// Reads every key of every desired state.
pub(super) const ALL_DESIRED: &str = "SELECT key, value, at, by, expires_at, command FROM desired";
/// Reads every key of every reported state.
pub(super) const ALL_REPORTED: &str = "SELECT key, value, at FROM reported";

/// The state of a device. Several statements: inside a snapshot or the writer's transaction.
pub(super) fn shadow(conn: &Connection, device: &DeviceId) -> Result<Option<Shadow>, StoreFault> {
    const HEAD: &str = "SELECT version, reported_version FROM shadows WHERE device = ?1";
    const DESIRED: &str = "SELECT key, value, at, by, expires_at, command FROM desired WHERE device = ?1";
    const REPORTED: &str = "SELECT key, value, at FROM reported WHERE device = ?1";
    if !devices::exists(conn, device)? {
        return Ok(None);
    }
    let id = [device.as_str()];
    let known = one(conn, HEAD, id, head)?;
    let shadow = Shadow {
        desired: all(conn, DESIRED, id, desired_of_row)?.into_iter().collect(),
        reported: all(conn, REPORTED, id, reported_of_row)?.into_iter().collect(),
        ..Shadow::default()
    };
    match known {
        Some((version, reported_version)) => Ok(Some(Shadow {
            version,
            reported_version,
            ..shadow
        })),
        None if shadow == Shadow::default() => Ok(Some(shadow)),
        None => {
            let (table, what) = ("shadows", "a version is missing");
            Err(StoreFault::Damaged { table, what })
        }
    }
}

pub(super) fn head(row: &Row<'_>) -> Result<(u64, Option<u64>), StoreFault> {
    let columns = Columns::of("shadows", row);
    let reported = match columns.int_if(1, "reported_version")? {
        None => None,
        Some(_) => Some(columns.count(1, "reported_version")?),
    };
    Ok((columns.count(0, "version")?, reported))
}

pub(super) fn desired_of_row(row: &Row<'_>) -> Result<(Arc<str>, Desired), StoreFault> {
    let columns = Columns::of("desired", row);
    let command = match columns.value(5)? {
        ValueRef::Null => None,
        ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => {
            Some(CommandId(u128::from_be_bytes(columns.bytes(5, "command")?)))
        }
    };
    let desired = Desired {
        value: json::value(columns.str(1, "value")?).ok_or_else(|| columns.damaged("value"))?,
        at: Timestamp(columns.int(2, "at")?),
        by: columns.text(3, "by")?,
        expires_at: columns.time_if(4, "expires_at")?,
        command,
    };
    Ok((columns.text(0, "key")?, desired))
}

pub(super) fn reported_of_row(row: &Row<'_>) -> Result<(Arc<str>, Reported), StoreFault> {
    let columns = Columns::of("reported", row);
    let reported = Reported {
        value: json::value(columns.str(1, "value")?).ok_or_else(|| columns.damaged("value"))?,
        at: Timestamp(columns.int(2, "at")?),
    };
    Ok((columns.text(0, "key")?, reported))
}

impl Tables<'_> {
    pub(super) fn put_shadow(
        &self,
        device: &DeviceId,
        from_version: u64,
        shadow: &Shadow,
    ) -> Result<ShadowPut, StoreFault> {
        const HEAD: &str =
            "INSERT OR REPLACE INTO shadows (device, version, reported_version) VALUES (?1, ?2, ?3)";
        let Some(before) = self::shadow(self.conn, device)? else {
            return Ok(ShadowPut::NoDevice);
        };
        if before.version != from_version || !shadow.follows(&before) {
            return Ok(ShadowPut::Stale);
        }
        let reported_version = shadow.reported_version.map(number).transpose()?;
        let values = params![device.as_str(), number(shadow.version)?, reported_version];
        execute(self.conn, HEAD, values)?;
        self.put_desired(device, &before.desired, &shadow.desired)?;
        self.put_reported(device, &before.reported, &shadow.reported)?;
        Ok(ShadowPut::Kept)
    }

    fn put_desired(
        &self,
        device: &DeviceId,
        before: &BTreeMap<Arc<str>, Desired>,
        after: &BTreeMap<Arc<str>, Desired>,
    ) -> Result<(), StoreFault> {
        const GONE: &str = "DELETE FROM desired WHERE device = ?1 AND key = ?2";
        for key in before.keys().filter(|key| !after.contains_key(*key)) {
            execute(self.conn, GONE, [device.as_str(), key])?;
        }
        for (key, desired) in after.iter().filter(|(key, it)| before.get(*key) != Some(it)) {
            self.put_desired_key(device, key, desired)?;
        }
        Ok(())
    }

    fn put_desired_key(&self, device: &DeviceId, key: &str, desired: &Desired) -> Result<(), StoreFault> {
        let command = desired.command.map(|command| command.0.to_be_bytes());
        let values = params![
            device.as_str(),
            key,
            desired.value.to_string(),
            desired.at.0,
            &*desired.by,
            desired.expires_at.map(|end| end.0),
            command.as_ref().map(|bytes| &bytes[..]),
        ];
        execute(self.conn, KEEP_DESIRED, values).map(drop)
    }

    fn put_reported(
        &self,
        device: &DeviceId,
        before: &BTreeMap<Arc<str>, Reported>,
        after: &BTreeMap<Arc<str>, Reported>,
    ) -> Result<(), StoreFault> {
        const GONE: &str = "DELETE FROM reported WHERE device = ?1 AND key = ?2";
        const KEEP: &str = "INSERT OR REPLACE INTO reported (device, key, value, at) VALUES (?1, ?2, ?3, ?4)";
        for key in before.keys().filter(|key| !after.contains_key(*key)) {
            execute(self.conn, GONE, [device.as_str(), key])?;
        }
        for (key, reported) in after.iter().filter(|(key, it)| before.get(*key) != Some(it)) {
            let values = params![device.as_str(), &**key, reported.value.to_string(), reported.at.0];
            execute(self.conn, KEEP, values)?;
        }
        Ok(())
    }

    /// Writes what comes with a command.
    pub(super) fn wish(&self, command: &Command, wish: Wish) -> Result<(), StoreFault> {
        let desired = Desired {
            value: wish.value,
            at: command.at,
            by: Arc::clone(&command.by),
            expires_at: Some(command.deadline),
            command: Some(command.id),
        };
        self.put_desired_key(&command.device, &wish.key, &desired)?;
        self.raise_version(&command.device)
    }

    /// Takes the wish of a command back that has ended.
    pub(super) fn end_wish(&self, device: &DeviceId, command: CommandId) -> Result<(), StoreFault> {
        const SQL: &str = "DELETE FROM desired WHERE command = ?1 AND device = ?2";
        let id = command.0.to_be_bytes();
        if execute(self.conn, SQL, params![&id[..], device.as_str()])? == 0 {
            return Ok(());
        }
        self.raise_version(device)
    }

    fn raise_version(&self, device: &DeviceId) -> Result<(), StoreFault> {
        const SQL: &str = "INSERT INTO shadows (device, version) VALUES (?1, 1) \
                           ON CONFLICT (device) DO UPDATE SET version = version + 1";
        execute(self.conn, SQL, [device.as_str()]).map(drop)
    }
}
