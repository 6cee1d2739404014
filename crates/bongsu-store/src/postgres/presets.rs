//! Presets, and a row for each of their displays.
//!
//! Invariant: an id is never given twice, and who gives a name has the presets' counter, so that a name is of one; a row of
//! a display is of a preset that is there.

use std::collections::BTreeMap;

use bongsu_model::Timestamp;
use bongsu_model::device::{DeviceId, print};
use bongsu_model::display::{NewPreset, Preset, PresetId, Program};
use tokio_postgres::Row;

use super::devices;
use super::rows::{Columns, is_text, number};
use super::tx::{Conn, Param};
use crate::{CreateRefused, Existing, StoreFault, StoreLimits, json};

macro_rules! select_presets {
    ($rest:literal) => {
        concat!(
            "SELECT page.id, name, created_at, updated_at, device, program FROM (SELECT * FROM presets ",
            $rest,
            ") AS page LEFT JOIN preset_displays ON preset = page.id ORDER BY page.id"
        )
    };
}

/// A preset with at most one of its displays.
fn of_row(row: &Row) -> Result<Preset, StoreFault> {
    let columns = Columns::of("presets", row);
    let displays = if columns.is_null(4)? {
        BTreeMap::new()
    } else {
        BTreeMap::from([display(&Columns::of("preset_displays", row), 4)?])
    };
    Ok(Preset {
        id: PresetId(columns.int(0, "id")?),
        name: columns.text(1, "name")?,
        displays,
        created_at: columns.time(2, "created_at")?,
        updated_at: columns.time(3, "updated_at")?,
    })
}

fn display(columns: &Columns<'_>, at: usize) -> Result<(DeviceId, Program), StoreFault> {
    let args = json::object(columns.str(at + 1, "program")?);
    let program = args.and_then(|args| Program::of_args(&args).ok());
    Ok((
        devices::id(columns, at)?,
        program.ok_or_else(|| columns.damaged("program"))?,
    ))
}

/// Presets as one statement gives them, a row for each display.
async fn read(conn: &Conn, sql: &'static str, values: &[Param<'_>]) -> Result<Vec<Preset>, StoreFault> {
    let mut presets: Vec<Preset> = Vec::new();
    for mut row in conn.all(sql, values, of_row).await? {
        match presets.last_mut() {
            Some(last) if last.id == row.id => last.displays.append(&mut row.displays),
            Some(_) | None => presets.push(row),
        }
    }
    Ok(presets)
}

pub(super) async fn preset(conn: &Conn, preset: PresetId) -> Result<Option<Preset>, StoreFault> {
    Ok(read(conn, select_presets!("WHERE id = $1"), &[&preset.0])
        .await?
        .pop())
}

pub(super) async fn named(conn: &Conn, name: &str) -> Result<Option<Preset>, StoreFault> {
    if !is_text(name) {
        return Ok(None);
    }
    Ok(read(conn, select_presets!("WHERE name = $1"), &[&name])
        .await?
        .pop())
}

pub(super) async fn presets(
    conn: &Conn,
    after: Option<PresetId>,
    limit: u32,
) -> Result<Vec<Preset>, StoreFault> {
    const SQL: &str = select_presets!("WHERE id > $1 ORDER BY id LIMIT $2");
    // No id is below 1.
    let after = after.map_or(0, |after| after.0);
    read(conn, SQL, &[&after, &i64::from(limit)]).await
}

/// Takes the right to give names to presets; the next id.
async fn lock_names(conn: &Conn) -> Result<i64, StoreFault> {
    const SQL: &str = "SELECT next FROM counters WHERE name = 'preset' FOR UPDATE";
    let next = conn
        .one(SQL, &[], |row| Columns::of("counters", row).int(0, "next"))
        .await?;
    let (table, what) = ("counters", "the counter of presets is missing");
    next.ok_or(StoreFault::Damaged { table, what })
}

pub(super) async fn create(
    conn: &Conn,
    limits: &StoreLimits,
    new: &NewPreset,
    at: Timestamp,
) -> Result<Preset, CreateRefused> {
    const SQL: &str = "INSERT INTO presets (id, name, created_at, updated_at) VALUES ($1, $2, $3, $3)";
    const COUNTER: &str = "UPDATE counters SET next = next + 1 WHERE name = 'preset'";
    let id = PresetId(lock_names(conn).await?);
    if of_name(conn, &new.name).await?.is_some() {
        return Err(CreateRefused::NameTaken);
    }
    let kept = conn
        .one("SELECT count(*) FROM presets", &[], |row| {
            Columns::of("presets", row).int(0, "count")
        })
        .await?;
    if kept.unwrap_or(0) >= number(limits.presets_max as u64)? {
        return Err(CreateRefused::TooMany);
    }
    conn.execute(SQL, &[&id.0, &&*new.name, &at.0]).await?;
    conn.execute(COUNTER, &[]).await?;
    put_displays(conn, id, &new.displays).await?;
    Ok(Preset {
        id,
        name: new.name.clone(),
        displays: new.displays.clone(),
        created_at: at,
        updated_at: at,
    })
}

pub(super) async fn put(
    conn: &Conn,
    id: PresetId,
    new: &NewPreset,
    at: Timestamp,
) -> Result<Option<Preset>, CreateRefused> {
    const SQL: &str = "UPDATE presets SET name = $2, updated_at = $3 WHERE id = $1 RETURNING created_at";
    const GONE: &str = "DELETE FROM preset_displays WHERE preset = $1";
    lock_names(conn).await?;
    if !conn
        .any("SELECT 1 FROM presets WHERE id = $1 FOR UPDATE", &[&id.0])
        .await?
    {
        return Ok(None);
    }
    if of_name(conn, &new.name).await?.is_some_and(|other| other != id) {
        return Err(CreateRefused::NameTaken);
    }
    let created_at = conn
        .one(SQL, &[&id.0, &&*new.name, &at.0], |row| {
            Columns::of("presets", row).time(0, "created_at")
        })
        .await?;
    conn.execute(GONE, &[&id.0]).await?;
    put_displays(conn, id, &new.displays).await?;
    Ok(created_at.map(|created_at| Preset {
        id,
        name: new.name.clone(),
        displays: new.displays.clone(),
        created_at,
        updated_at: at,
    }))
}

pub(super) async fn delete(conn: &Conn, id: PresetId) -> Result<Existing, StoreFault> {
    if conn
        .execute("DELETE FROM presets WHERE id = $1", &[&id.0])
        .await?
        == 0
    {
        return Ok(Existing::Absent);
    }
    conn.execute("DELETE FROM preset_displays WHERE preset = $1", &[&id.0])
        .await?;
    Ok(Existing::Changed)
}

async fn of_name(conn: &Conn, name: &str) -> Result<Option<PresetId>, StoreFault> {
    const SQL: &str = "SELECT id FROM presets WHERE name = $1";
    conn.one(SQL, &[&name], |row| {
        Columns::of("presets", row).int(0, "id").map(PresetId)
    })
    .await
}

async fn put_displays(
    conn: &Conn,
    id: PresetId,
    displays: &BTreeMap<DeviceId, Program>,
) -> Result<(), StoreFault> {
    const SQL: &str = "INSERT INTO preset_displays (preset, device, program) SELECT $1, device, program \
                       FROM unnest($2::text[], $3::text[]) AS new (device, program)";
    let devices: Vec<&str> = displays.keys().map(DeviceId::as_str).collect();
    let programs: Vec<String> = displays
        .values()
        .map(|program| print(&program.to_args()))
        .collect();
    conn.execute(SQL, &[&id.0, &devices, &programs]).await.map(drop)
}
