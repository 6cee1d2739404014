//! Messages as they are kept, pages of history, and the deletion of old ones.
//!
//! Invariant: a room's messages are exactly those from `first_seq` to `seq`; a page that is not whole is damaged.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bongsu_model::records::Room;
use bongsu_model::{
    HistoryPage, MembersVersion, Message, MessageKind, PageFrom, RawJson, RoomId, RoomRef, Sender, Timestamp,
    UserId,
};
use tokio_postgres::Row;

use super::rooms::{self, RoomRow};
use super::rows::{Columns, number};
use super::tx::{Conn, Param};
use super::users::{self, user_columns};
use crate::StoreFault;

/// Messages deleted, and rooms looked at, in one statement: others get their turn in between.
const RETAIN_MESSAGES: i64 = 2_000;
const RETAIN_ROOMS: i64 = 100;

macro_rules! message_columns {
    () => {
        "messages.seq, messages.id, messages.sender, messages.kind, messages.created_at, messages.members_version, \
         messages.reply_to, messages.metadata, messages.content"
    };
}
pub(super) use message_columns;

/// Who sent what is read, by number.
pub(super) type Senders = HashMap<UserId, Sender>;

pub(super) fn senders(rows: &[Row]) -> Result<Senders, StoreFault> {
    rows.iter()
        .map(|row| users::of_row(row).map(|user| (user.id, user.sender())))
        .collect()
}

/// Reads a message of a room.
pub(super) fn of_row(row: &Row, of: &Room, senders: &Senders) -> Result<Message, StoreFault> {
    let columns = Columns::of("messages", row);
    let metadata = columns.str_if(7, "metadata")?;
    if metadata.is_some_and(|text| text.contains('\n')) {
        return Err(columns.damaged("metadata"));
    }
    let sender = UserId(columns.int(2, "sender")?);
    Ok(Message {
        id: columns.message_id(1, "id")?,
        room: of.id,
        room_name: of.name.clone(),
        room_token: of.token,
        seq: columns.seq(0, "seq")?,
        epoch: of.epoch,
        members: MembersVersion(columns.count(5, "members_version")?),
        sender: senders
            .get(&sender)
            .cloned()
            .ok_or_else(|| columns.damaged("sender"))?,
        content: columns.text(8, "content")?,
        kind: columns.named(3, "kind", MessageKind::parse)?,
        metadata: metadata.map(|text| RawJson::from_validated(text.to_owned().into())),
        reply_to: columns.id_if(6, "reply_to")?.map(bongsu_model::MessageId),
        created_at: columns.time(4, "created_at")?,
    })
}

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

pub(super) async fn history(
    conn: &Conn,
    room: RoomId,
    from: PageFrom,
    limit: u32,
) -> Result<Option<HistoryPage>, StoreFault> {
    const MESSAGES: &str = concat!(
        "SELECT ",
        message_columns!(),
        " FROM messages WHERE room = $1 AND seq >= $2 AND seq < $3 ORDER BY seq"
    );
    const SENDERS: &str = concat!(
        "SELECT ",
        user_columns!(),
        " FROM users WHERE id IN (SELECT sender FROM messages WHERE room = $1 AND seq >= $2 AND seq < $3)"
    );
    let Some(row) = rooms::room(conn, &RoomRef::Id(room)).await? else {
        return Ok(None);
    };
    let (range, has_more) = page_range(&row, from, limit);
    let (start, end) = (number(range.start)?, number(range.end)?);
    let page: [Param<'_>; 3] = [&room.0, &start, &end];
    let read = conn.each(&[(MESSAGES, &page), (SENDERS, &page)]).await?;
    let (kept, known) = match &read[..] {
        [kept, known] => (&kept[..], senders(known)?),
        _ => (&[][..], Senders::new()),
    };
    let messages = kept
        .iter()
        .map(|kept| of_row(kept, &row.room, &known).map(Arc::new))
        .collect::<Result<Vec<_>, _>>()?;
    let whole = messages.iter().map(|message| message.seq.0).eq(range);
    if !whole {
        return Err(StoreFault::Damaged {
            table: "messages",
            what: "a hole in a room's history",
        });
    }
    Ok(Some(HistoryPage {
        room: row.room.id,
        room_name: row.room.name.clone(),
        messages,
        has_more,
        epoch: row.room.epoch,
        head: row.room.seq,
    }))
}

/// The oldest messages of a room that are to go: from the first to before another one.
pub(super) struct Due {
    room: i64,
    first: i64,
    stop: i64,
}

/// What is beyond the limits in the next rooms after one.
pub(super) struct Found {
    pub(super) due: Vec<Due>,
    /// The last room that was looked at, if there may be more after it.
    pub(super) last: Option<i64>,
}

/// Looks what is beyond the limits, in a few rooms from a number on, and not more of each than goes in one statement.
pub(super) async fn find_old(
    conn: &Conn,
    from: i64,
    keep: u64,
    not_before: Option<Timestamp>,
) -> Result<Found, StoreFault> {
    const SQL: &str = "WITH piece AS (SELECT id, first_seq, seq + 1 AS head, least(seq + 1, first_seq + $3) AS most \
                       FROM rooms WHERE id >= $1 ORDER BY id LIMIT $2), \
                       beyond AS (SELECT *, CASE WHEN $4::int8 > 0 THEN least(most, greatest(first_seq, head - $4)) \
                       ELSE first_seq END AS counted FROM piece) \
                       SELECT id, first_seq, CASE WHEN $5::int8 IS NULL THEN counted ELSE coalesce( \
                       (SELECT seq FROM messages WHERE room = beyond.id AND seq >= counted AND seq < most \
                       AND messages.created_at >= $5 ORDER BY seq LIMIT 1), most) END FROM beyond ORDER BY id";
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    let not_before = not_before.map(|moment| moment.0);
    let values: [Param<'_>; 5] = [&from, &RETAIN_ROOMS, &RETAIN_MESSAGES, &keep, &not_before];
    let found = conn
        .all(SQL, &values, |row| {
            let columns = Columns::of("rooms", row);
            Ok(Due {
                room: columns.int(0, "id")?,
                first: columns.int(1, "first_seq")?,
                stop: columns.int(2, "seq")?,
            })
        })
        .await?;
    let mut due = found;
    let last = due.last().map(|due| due.room);
    due.retain(|due| due.stop > due.first);
    Ok(Found { due, last })
}

impl Due {
    /// The room, if there may be more of it than was looked at.
    pub(super) fn unfinished(&self) -> Option<i64> {
        (self.stop - self.first >= RETAIN_MESSAGES).then_some(self.room)
    }

    /// Deletes them, unless somebody else has deleted some of them meanwhile; how many.
    pub(super) async fn delete(&self, conn: &Conn) -> Result<u64, StoreFault> {
        const SQL: &str = "WITH moved AS (UPDATE rooms SET first_seq = $3 WHERE id = $1 AND first_seq = $2 RETURNING id) \
             DELETE FROM messages USING moved WHERE messages.room = moved.id AND messages.room = $1 \
             AND messages.seq >= $2 AND messages.seq < $3";
        conn.execute(SQL, &[&self.room, &self.first, &self.stop]).await
    }
}
