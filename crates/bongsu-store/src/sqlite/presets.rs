//! Presets, and a row for each of their displays.
//!
//! Invariant: an id is never given twice, which AUTOINCREMENT sees to; a row of a display is of a preset that is there.

use std::collections::BTreeMap;

use bongsu_model::Timestamp;
use bongsu_model::device::{DeviceId, print};
use bongsu_model::display::{NewPreset, Preset, PresetId, Program};
use rusqlite::{Connection, Row, params};

use super::devices;
use super::rows::{Columns, all, execute, number, one};
use super::tables::Tables;
use crate::{CreateRefused, Existing, StoreFault, json};

macro_rules! select_presets {
    ($rest:literal) => {
        concat!("SELECT id, name, created_at, updated_at FROM presets ", $rest)
    };
}

/// Reads every preset, without its displays.
pub(super) const ALL: &str = select_presets!("");
/// Reads every display of every preset.
pub(super) const ALL_DISPLAYS: &str = "SELECT device, program FROM preset_displays";

/// A preset without its displays.
pub(super) fn of_row(row: &Row<'_>) -> Result<Preset, StoreFault> {
    let columns = Columns::of("presets", row);
    Ok(Preset {
        id: PresetId(columns.int(0, "id")?),
        name: columns.text(1, "name")?,
        displays: BTreeMap::new(),
        created_at: Timestamp(columns.int(2, "created_at")?),
        updated_at: Timestamp(columns.int(3, "updated_at")?),
    })
}

pub(super) fn display_of_row(row: &Row<'_>) -> Result<(DeviceId, Program), StoreFault> {
    let columns = Columns::of("preset_displays", row);
    let args = json::object(columns.str(1, "program")?);
    let program = args.and_then(|args| Program::of_args(&args).ok());
    Ok((
        devices::id(&columns, 0)?,
        program.ok_or_else(|| columns.damaged("program"))?,
    ))
}

/// A preset. Several statements: inside a snapshot or the writer's transaction, as the others here.
pub(super) fn preset(conn: &Connection, preset: PresetId) -> Result<Option<Preset>, StoreFault> {
    let found = one(conn, select_presets!("WHERE id = ?1"), [preset.0], of_row)?;
    found.map(|preset| with_displays(conn, preset)).transpose()
}

pub(super) fn named(conn: &Connection, name: &str) -> Result<Option<Preset>, StoreFault> {
    let found = one(conn, select_presets!("WHERE name = ?1"), [name], of_row)?;
    found.map(|preset| with_displays(conn, preset)).transpose()
}

pub(super) fn presets(
    conn: &Connection,
    after: Option<PresetId>,
    limit: u32,
) -> Result<Vec<Preset>, StoreFault> {
    const SQL: &str = select_presets!("WHERE id > ?1 ORDER BY id LIMIT ?2");
    // No id is below 1.
    let after = after.map_or(0, |after| after.0);
    let presets = all(conn, SQL, params![after, limit], of_row)?;
    presets
        .into_iter()
        .map(|preset| with_displays(conn, preset))
        .collect()
}

fn with_displays(conn: &Connection, preset: Preset) -> Result<Preset, StoreFault> {
    const SQL: &str = "SELECT device, program FROM preset_displays WHERE preset = ?1";
    let displays = all(conn, SQL, [preset.id.0], display_of_row)?;
    Ok(Preset {
        displays: displays.into_iter().collect(),
        ..preset
    })
}

impl Tables<'_> {
    pub(super) fn create_preset(&self, new: NewPreset, at: Timestamp) -> Result<Preset, CreateRefused> {
        const SQL: &str = "INSERT INTO presets (name, created_at, updated_at) VALUES (?1, ?2, ?2)";
        if self.preset_of_name(&new.name)?.is_some() {
            return Err(CreateRefused::NameTaken);
        }
        let kept = one(self.conn, "SELECT count(*) FROM presets", [], |row| {
            Columns::of("presets", row).int(0, "count")
        })?;
        if kept.unwrap_or(0) >= number(self.limits.presets_max as u64)? {
            return Err(CreateRefused::TooMany);
        }
        execute(self.conn, SQL, params![&*new.name, at.0])?;
        let id = PresetId(self.conn.last_insert_rowid());
        self.put_displays(id, &new.displays)?;
        Ok(Preset {
            id,
            name: new.name,
            displays: new.displays,
            created_at: at,
            updated_at: at,
        })
    }

    pub(super) fn put_preset(
        &self,
        id: PresetId,
        new: NewPreset,
        at: Timestamp,
    ) -> Result<Option<Preset>, CreateRefused> {
        const SQL: &str = "UPDATE presets SET name = ?2, updated_at = ?3 WHERE id = ?1";
        const GONE: &str = "DELETE FROM preset_displays WHERE preset = ?1";
        let Some(before) = one(self.conn, select_presets!("WHERE id = ?1"), [id.0], of_row)? else {
            return Ok(None);
        };
        if self.preset_of_name(&new.name)?.is_some_and(|other| other != id) {
            return Err(CreateRefused::NameTaken);
        }
        execute(self.conn, SQL, params![id.0, &*new.name, at.0])?;
        execute(self.conn, GONE, [id.0])?;
        self.put_displays(id, &new.displays)?;
        Ok(Some(Preset {
            name: new.name,
            displays: new.displays,
            updated_at: at,
            ..before
        }))
    }

    pub(super) fn delete_preset(&self, id: PresetId) -> Result<Existing, StoreFault> {
        const PARTS: [&str; 2] = [
            "DELETE FROM preset_displays WHERE preset = ?1",
            "DELETE FROM presets WHERE id = ?1",
        ];
        let mut gone = 0;
        for sql in PARTS {
            gone = execute(self.conn, sql, [id.0])?;
        }
        Ok(if gone > 0 {
            Existing::Changed
        } else {
            Existing::Absent
        })
    }

    fn preset_of_name(&self, name: &str) -> Result<Option<PresetId>, StoreFault> {
        const SQL: &str = "SELECT id FROM presets WHERE name = ?1";
        one(self.conn, SQL, [name], |row| {
            Columns::of("presets", row).int(0, "id").map(PresetId)
        })
    }

    fn put_displays(&self, id: PresetId, displays: &BTreeMap<DeviceId, Program>) -> Result<(), StoreFault> {
        const SQL: &str = "INSERT INTO preset_displays (preset, device, program) VALUES (?1, ?2, ?3)";
        for (device, program) in displays {
            let program = print(&program.to_args());
            execute(self.conn, SQL, params![id.0, device.as_str(), program])?;
        }
        Ok(())
    }
}
