//! Pages of history, and the deletion of old messages.
//!
//! Invariant: a room's messages are exactly those from `first_seq` to `seq`; a page that is not whole is damaged.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bongsu_model::{HistoryPage, PageFrom, RoomId, RoomRef, Sender, Timestamp, UserId, UserRef};
use rusqlite::{Connection, params};

use super::reads;
use super::rows::{
    self, Columns, RoomRow, Sql as _, all, execute, message_columns, number, place, room_columns, seq_of,
};
use super::tables::Tables;
use crate::StoreFault;

/// Messages deleted, and rooms looked at, in one write of [`retain_some`]: others get their turn in between.
const RETAIN_MESSAGES: u64 = 2_000;
const RETAIN_ROOMS: u32 = 500;

/// Which seqs a page holds, and whether there are more in its direction.
fn page_range(row: &RoomRow, from: PageFrom, limit: u32) -> (Range<u64>, bool) {
    let (first, end, limit) = (row.first_seq.0, row.room.seq.next().0, u64::from(limit));
    match from {
        PageFrom::After(seq) => {
            let start = seq.0.saturating_add(1).clamp(first, end);
            let stop = start.saturating_add(limit).min(end);
            (start..stop, stop < end)
        }
        PageFrom::Before(seq) => {
            let stop = seq.0.clamp(first, end);
            let start = stop.saturating_sub(limit).max(first);
            (start..stop, start > first)
        }
        PageFrom::Latest => {
            let start = end.saturating_sub(limit).max(first);
            (start..end, start > first)
        }
    }
}

pub(super) fn sender(conn: &Connection, user: UserId) -> Result<Option<Sender>, StoreFault> {
    Ok(reads::user(conn, &UserRef::Id(user))?.map(|user| user.sender()))
}

pub(super) fn history(
    conn: &Connection,
    room: RoomId,
    from: PageFrom,
    limit: u32,
) -> Result<Option<HistoryPage>, StoreFault> {
    reads::snapshot(conn, |conn| {
        let Some(row) = reads::room(conn, &RoomRef::Id(room))? else {
            return Ok(None);
        };
        page(conn, &row, from, limit).map(Some)
    })
}

fn page(conn: &Connection, row: &RoomRow, from: PageFrom, limit: u32) -> Result<HistoryPage, StoreFault> {
    const SQL: &str = concat!(
        "SELECT ",
        message_columns!(),
        " FROM messages WHERE place >= ?1 AND place < ?2 ORDER BY place"
    );
    let (range, has_more) = page_range(row, from, limit);
    let places = [place(row.slot, range.start)?, place(row.slot, range.end)?];
    let of = rows::Place {
        room: row.room.named(),
        token: row.room.token,
        epoch: row.room.epoch,
    };
    let mut senders: HashMap<UserId, Sender> = HashMap::new();
    let messages = all(conn, SQL, places, |it| {
        let message = rows::message(it, &of, |user| {
            if let Some(sender) = senders.get(&user) {
                return Ok(sender.clone());
            }
            let found = sender(conn, user)?.ok_or(StoreFault::Damaged {
                table: "messages",
                what: "sender",
            })?;
            Ok(senders.entry(user).or_insert(found).clone())
        })?;
        Ok(Arc::new(message))
    })?;
    let whole = messages.len() as u64 == range.end - range.start;
    if !whole {
        return Err(StoreFault::Damaged {
            table: "messages",
            what: "a hole in a room's history",
        });
    }
    Ok(HistoryPage {
        room: row.room.id,
        room_name: row.room.name.clone(),
        messages,
        has_more,
        epoch: row.room.epoch,
        head: row.room.seq,
    })
}

/// How far a retention has come: go on after this slot, or at it if the room is not done.
pub(super) struct Retained {
    pub(super) deleted: u64,
    /// Where to go on; `None` at the end.
    pub(super) next_slot: Option<i64>,
}

/// Deletes some of what is beyond the limits, from a slot on.
pub(super) fn retain_some(
    tables: &mut Tables<'_>,
    from_slot: i64,
    keep: u64,
    not_before: Option<Timestamp>,
) -> Result<Retained, StoreFault> {
    const SQL: &str = concat!(
        "SELECT ",
        room_columns!(),
        " FROM rooms WHERE slot >= ?1 ORDER BY slot LIMIT ?2"
    );
    let conn = tables.conn;
    let rooms = all(conn, SQL, params![from_slot, RETAIN_ROOMS], |row| {
        rows::room(row).map(|row| (row.slot, row.room.seq.0, row.first_seq.0))
    })?;
    let last_slot = rooms.last().map(|(slot, ..)| *slot);
    let mut deleted = 0;
    for (slot, seq, first) in rooms {
        let budget = RETAIN_MESSAGES - deleted;
        let end = (seq + 1).min(first + budget);
        let mut stop = first;
        if keep > 0 {
            stop = (seq + 1).saturating_sub(keep).clamp(first, end);
        }
        if let Some(not_before) = not_before {
            stop = first_not_older(conn, slot, stop..end, not_before)?;
        }
        if stop > first {
            let places = [place(slot, first)?, place(slot, stop)?];
            execute(
                conn,
                "DELETE FROM messages WHERE place >= ?1 AND place < ?2",
                places,
            )?;
            let row = [slot, number(stop)?, number(seq)?];
            execute(
                conn,
                "UPDATE rooms SET first_seq = ?2, seq = ?3 WHERE slot = ?1",
                row,
            )?;
            deleted += stop - first;
        }
        if deleted >= RETAIN_MESSAGES {
            return Ok(Retained {
                deleted,
                next_slot: Some(slot),
            });
        }
    }
    Ok(Retained {
        deleted,
        next_slot: last_slot.map(|slot| slot + 1),
    })
}

/// The first seq in the range whose message is not older; the range's end if all are older.
fn first_not_older(
    conn: &Connection,
    slot: i64,
    range: Range<u64>,
    not_before: Timestamp,
) -> Result<u64, StoreFault> {
    const SQL: &str =
        "SELECT place, created_at FROM messages WHERE place >= ?1 AND place < ?2 ORDER BY place";
    let mut statement = conn.prepare_cached(SQL).sql()?;
    let mut rows = statement
        .query([place(slot, range.start)?, place(slot, range.end)?])
        .sql()?;
    while let Some(row) = rows.next().sql()? {
        let columns = Columns::of("messages", row);
        if columns.int(1, "created_at")? >= not_before.0 {
            return Ok(seq_of(columns.int(0, "place")?));
        }
    }
    Ok(range.end)
}
