//! Devices that get other ids.
//!
//! Invariant: all of a renaming is looked at before any of it is done, with the rows of all devices that it is about and
//! the right to make devices; nobody sees a device aside.

use std::collections::{BTreeMap, BTreeSet};

use bongsu_model::Timestamp;
use bongsu_model::device::{ConnectionEpoch, DeviceId, Lease};
use futures_util::future::join;

use super::rows::{Columns, number};
use super::tx::{Conn, Param};
use super::{devices, leases};
use crate::rename::{self, Standing};
use crate::{RenameRefused, StoreFault};

/// From ids and to ids, in the same order.
struct Ids<'a> {
    from: Vec<&'a str>,
    to: Vec<&'a str>,
}

/// What goes with a device: first all of it aside, so that devices may swap their ids. No id has a space.
const ASIDE: [&str; 7] = [
    "UPDATE devices SET id = ' ' || id WHERE id = ANY($1)",
    "UPDATE enrolments SET device = ' ' || device WHERE device = ANY($1)",
    "UPDATE shadows SET device = ' ' || device WHERE device = ANY($1)",
    "UPDATE desired SET device = ' ' || device WHERE device = ANY($1)",
    "UPDATE reported SET device = ' ' || device WHERE device = ANY($1)",
    "UPDATE commands SET device = ' ' || device WHERE device = ANY($1)",
    "UPDATE preset_displays SET device = ' ' || device WHERE device = ANY($1)",
];
/// … then to where it belongs. What a preset said of an id that was no device's is replaced.
const THERE: [&str; 8] = [
    "UPDATE devices SET id = new.id FROM unnest($1::text[], $2::text[]) AS new (old, id) \
     WHERE devices.id = ' ' || new.old",
    "UPDATE enrolments SET device = new.id FROM unnest($1::text[], $2::text[]) AS new (old, id) \
     WHERE device = ' ' || new.old",
    "UPDATE shadows SET device = new.id FROM unnest($1::text[], $2::text[]) AS new (old, id) \
     WHERE device = ' ' || new.old",
    "UPDATE desired SET device = new.id FROM unnest($1::text[], $2::text[]) AS new (old, id) \
     WHERE device = ' ' || new.old",
    "UPDATE reported SET device = new.id FROM unnest($1::text[], $2::text[]) AS new (old, id) \
     WHERE device = ' ' || new.old",
    "UPDATE commands SET device = new.id FROM unnest($1::text[], $2::text[]) AS new (old, id) \
     WHERE device = ' ' || new.old",
    "DELETE FROM preset_displays USING preset_displays AS own, unnest($1::text[], $2::text[]) AS new (old, id) \
     WHERE preset_displays.device = new.id AND own.preset = preset_displays.preset AND own.device = ' ' || new.old",
    "UPDATE preset_displays SET device = new.id FROM unnest($1::text[], $2::text[]) AS new (old, id) \
     WHERE device = ' ' || new.old",
];

pub(super) async fn rename(
    conn: &Conn,
    renames: &[(DeviceId, DeviceId)],
    at: Timestamp,
) -> Result<(), RenameRefused> {
    let all: BTreeSet<&DeviceId> = renames.iter().flat_map(|(from, to)| [from, to]).collect();
    devices::lock_counter(conn).await?;
    devices::lock_all(conn, &all).await?;
    let standings = standings(conn, &all).await?;
    rename::check(renames, |id| {
        Ok(standings.get(id).map(|standing| Standing { ..*standing }))
    })?;
    let renames: Vec<_> = renames.iter().filter(|(from, to)| from != to).collect();
    if renames.is_empty() {
        return Ok(());
    }
    let ids = Ids {
        from: renames.iter().map(|(from, _)| from.as_str()).collect(),
        to: renames.iter().map(|(_, to)| to.as_str()).collect(),
    };
    rename_numbers(conn, &renames, &all).await?;
    note_presets(conn, &ids, at).await?;
    for sql in ASIDE {
        conn.execute(sql, &[&ids.from]).await?;
    }
    for sql in THERE {
        conn.execute(sql, &[&ids.from, &ids.to]).await?;
    }
    Ok(())
}

async fn standings(
    conn: &Conn,
    all: &BTreeSet<&DeviceId>,
) -> Result<BTreeMap<DeviceId, Standing>, StoreFault> {
    const ORDERED: &str =
        "SELECT DISTINCT device FROM commands WHERE device = ANY($1) AND ends_by IS NOT NULL";
    let ids: Vec<&str> = all.iter().map(|id| id.as_str()).collect();
    let values: [Param<'_>; 1] = [&ids];
    let ordered = conn.all(ORDERED, &values, |row| {
        devices::id(&Columns::of("commands", row), 0)
    });
    let (known, ordered) = join(devices::among(conn, &ids), ordered).await;
    let ordered: BTreeSet<DeviceId> = ordered?.into_iter().collect();
    let standing = |device: bongsu_model::device::Device| {
        let standing = Standing {
            connected: device.session.is_some(),
            ordered: ordered.contains(&device.id),
        };
        (device.id, standing)
    };
    Ok(known?.into_iter().map(standing).collect())
}

/// Gives the new ids their epochs and leases; the old ones keep their numbers.
async fn rename_numbers(
    conn: &Conn,
    renames: &[&(DeviceId, DeviceId)],
    all: &BTreeSet<&DeviceId>,
) -> Result<(), StoreFault> {
    const EPOCHS: &str = "INSERT INTO device_epochs (device, epoch) \
                          SELECT device, epoch FROM unnest($1::text[], $2::bigint[]) AS new (device, epoch) \
                          ON CONFLICT (device) DO UPDATE SET epoch = excluded.epoch";
    const OVER: &str = "UPDATE leases SET open = false WHERE device = ANY($1)";
    let ids: Vec<&str> = all.iter().map(|id| id.as_str()).collect();
    let (epochs, last) = join(devices::epochs(conn, &ids), leases::last_of(conn, &ids)).await;
    let (epochs, last) = (epochs?, last?);
    let epoch = |id: &DeviceId| epochs.get(id).copied().unwrap_or(ConnectionEpoch(0));
    let last: BTreeMap<DeviceId, (Lease, bool)> =
        last.into_iter().map(|it| (it.0.device.clone(), it)).collect();
    let lease = |id: &DeviceId| last.get(id).cloned();
    let (mut to, mut of, mut held, mut from) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (old, new) in renames {
        from.push(old.as_str());
        to.push(new.as_str());
        of.push(number(epoch(old).max(epoch(new)).0)?);
        held.extend(rename::lease(new, lease(old), lease(new)));
    }
    conn.execute(EPOCHS, &[&to, &of]).await?;
    conn.execute(OVER, &[&from]).await?;
    for (lease, open) in held {
        leases::put(conn, &lease, open).await?;
    }
    Ok(())
}

/// Takes the presets that say something of the devices, which are changed then.
async fn note_presets(conn: &Conn, ids: &Ids<'_>, at: Timestamp) -> Result<(), StoreFault> {
    const LOCK: &str = "SELECT id FROM presets WHERE id IN (SELECT preset FROM preset_displays WHERE device = ANY($1)) \
                        ORDER BY id FOR UPDATE";
    const CHANGED: &str = "UPDATE presets SET updated_at = $2 \
                           WHERE id IN (SELECT preset FROM preset_displays WHERE device = ANY($1))";
    conn.query(LOCK, &[&ids.from]).await?;
    conn.execute(CHANGED, &[&ids.from, &at.0]).await.map(drop)
}
