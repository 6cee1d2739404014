//! Devices that get other ids.
//!
//! Invariant: all of a renaming is looked at before any of it is done; nobody sees a device aside.

use std::collections::BTreeSet;

use bongsu_model::Timestamp;
use bongsu_model::device::{ConnectionEpoch, DeviceId};
use rusqlite::{Connection, params};

use super::rows::{Columns, execute, number, one};
use super::tables::Tables;
use super::{devices, leases};
use crate::rename::{self, Standing};
use crate::{RenameRefused, StoreFault};

/// What goes with a device. What a preset said of an id that was no device's is replaced.
const GOES: [&str; 7] = [
    "UPDATE devices SET id = ?2 WHERE id = ?1",
    "UPDATE enrolments SET device = ?2 WHERE device = ?1",
    "UPDATE shadows SET device = ?2 WHERE device = ?1",
    "UPDATE desired SET device = ?2 WHERE device = ?1",
    "UPDATE reported SET device = ?2 WHERE device = ?1",
    "UPDATE commands SET device = ?2 WHERE device = ?1",
    "UPDATE OR REPLACE preset_displays SET device = ?2 WHERE device = ?1",
];

fn standing(conn: &Connection, device: &DeviceId) -> Result<Option<Standing>, StoreFault> {
    const OPEN: &str = "SELECT 1 FROM commands WHERE device = ?1 AND ends_by IS NOT NULL LIMIT 1";
    let Some(known) = devices::device(conn, device)? else {
        return Ok(None);
    };
    let open = one(conn, OPEN, [device.as_str()], |_| Ok(()))?;
    Ok(Some(Standing {
        connected: known.session.is_some(),
        ordered: open.is_some(),
    }))
}

fn epoch(conn: &Connection, device: &DeviceId) -> Result<ConnectionEpoch, StoreFault> {
    const SQL: &str = "SELECT epoch FROM device_epochs WHERE device = ?1";
    let epoch = one(conn, SQL, [device.as_str()], |row| {
        Columns::of("device_epochs", row).count(0, "epoch")
    })?;
    Ok(ConnectionEpoch(epoch.unwrap_or(0)))
}

impl Tables<'_> {
    pub(super) fn rename_devices(
        &self,
        renames: &[(DeviceId, DeviceId)],
        at: Timestamp,
    ) -> Result<(), RenameRefused> {
        const CHANGED: &str = "UPDATE presets SET updated_at = ?2 \
                               WHERE id IN (SELECT preset FROM preset_displays WHERE device = ?1)";
        rename::check(renames, |id| standing(self.conn, id))?;
        let renames: Vec<_> = renames.iter().filter(|(from, to)| from != to).collect();
        self.rename_epochs(&renames)?;
        self.rename_leases(&renames)?;
        for (from, _) in &renames {
            execute(self.conn, CHANGED, params![from.as_str(), at.0])?;
        }
        let leaving: BTreeSet<_> = renames.iter().map(|(from, _)| from).collect();
        let mut waiting = Vec::new();
        for (at, (from, to)) in renames.iter().enumerate() {
            if leaving.contains(to) {
                // No id has a space.
                let aside = format!(" {at}");
                self.rename(from.as_str(), &aside)?;
                waiting.push((aside, to));
            } else {
                self.rename(from.as_str(), to.as_str())?;
            }
        }
        for (aside, to) in waiting {
            self.rename(&aside, to.as_str())?;
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreFault> {
        for sql in GOES {
            execute(self.conn, sql, [from, to])?;
        }
        Ok(())
    }

    fn rename_epochs(&self, renames: &[&(DeviceId, DeviceId)]) -> Result<(), StoreFault> {
        const SQL: &str = "INSERT OR REPLACE INTO device_epochs (device, epoch) VALUES (?1, ?2)";
        let mut after = Vec::new();
        for (from, to) in renames {
            after.push((to, epoch(self.conn, from)?.max(epoch(self.conn, to)?)));
        }
        for (to, epoch) in after {
            execute(self.conn, SQL, params![to.as_str(), number(epoch.0)?])?;
        }
        Ok(())
    }

    fn rename_leases(&self, renames: &[&(DeviceId, DeviceId)]) -> Result<(), StoreFault> {
        const OVER: &str = "UPDATE leases SET open = 0 WHERE device = ?1";
        let mut after = Vec::new();
        for (from, to) in renames {
            let (own, there) = (leases::last(self.conn, from)?, leases::last(self.conn, to)?);
            after.extend(rename::lease(to, own, there));
        }
        for (from, _) in renames {
            execute(self.conn, OVER, [from.as_str()])?;
        }
        for (lease, open) in after {
            self.put_lease(&lease, open)?;
        }
        Ok(())
    }
}
