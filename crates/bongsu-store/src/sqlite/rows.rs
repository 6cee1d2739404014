//! From a stored row to a record, and back for the few values that need it.
//!
//! Invariant: a value that cannot be read is [`StoreFault::Damaged`]; it is never taken for an absent one.

use std::sync::Arc;

use bongsu_model::records::{Ban, MemberRole, Room, User};
use bongsu_model::{
    Epoch, LocalizedNick, MembersVersion, Message, MessageId, MessageKind, NamedRoom, Profile, RawJson,
    RoomId, RoomToken, Sender, Seq, Timestamp, UserId,
};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params, Row};

use crate::{StoreFault, json};

/// How many bits of a message's place are its seq; the rest is the room's slot.
pub(super) const SEQ_BITS: u32 = 36;
const SEQ_MAX: u64 = (1 << SEQ_BITS) - 1;
const SLOT_MAX: i64 = (1 << (63 - SEQ_BITS)) - 1;

/// Something that the file cannot hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum SqliteFault {
    #[error("the thread of the store has ended")]
    ThreadEnded,
    #[error("the file takes no more rooms, or a room no more messages")]
    Exhausted,
    #[error("a number is larger than the file can hold")]
    TooLarge,
    #[error("the system gives no random bytes")]
    NoChance,
}

impl From<SqliteFault> for StoreFault {
    fn from(fault: SqliteFault) -> Self {
        Self::Broken(Arc::new(fault))
    }
}

pub(super) trait Sql<T> {
    /// A failure of SQLite as a fault of the store.
    fn sql(self) -> Result<T, StoreFault>;
}

impl<T> Sql<T> for rusqlite::Result<T> {
    fn sql(self) -> Result<T, StoreFault> {
        self.map_err(|fault| StoreFault::Broken(Arc::new(fault)))
    }
}

/// The place of a message in its table.
pub(super) fn place(slot: i64, seq: u64) -> Result<i64, StoreFault> {
    if !(0..=SLOT_MAX).contains(&slot) || seq > SEQ_MAX {
        return Err(SqliteFault::Exhausted.into());
    }
    Ok((slot << SEQ_BITS) | seq.cast_signed())
}

pub(super) const fn seq_of(place: i64) -> u64 {
    place.cast_unsigned() & SEQ_MAX
}

pub(super) fn number(value: u64) -> Result<i64, StoreFault> {
    i64::try_from(value).map_err(|_| SqliteFault::TooLarge.into())
}

/// The stored number of a kind; never changes for a kind.
pub(super) const fn kind_code(kind: MessageKind) -> i64 {
    match kind {
        MessageKind::Text => 0,
        MessageKind::Image => 1,
        MessageKind::File => 2,
        MessageKind::Audio => 3,
        MessageKind::Video => 4,
        MessageKind::Location => 5,
        MessageKind::Custom => 6,
    }
}

fn kind_of(code: i64) -> Option<MessageKind> {
    MessageKind::ALL.into_iter().find(|kind| kind_code(*kind) == code)
}

/// A row of one table, read by column number.
pub(super) struct Columns<'r, 's> {
    row: &'r Row<'s>,
    table: &'static str,
}

impl<'r, 's> Columns<'r, 's> {
    pub(super) const fn of(table: &'static str, row: &'r Row<'s>) -> Self {
        Self { row, table }
    }

    pub(super) const fn damaged(&self, what: &'static str) -> StoreFault {
        StoreFault::Damaged {
            table: self.table,
            what,
        }
    }

    pub(super) fn value(&self, at: usize) -> Result<ValueRef<'_>, StoreFault> {
        self.row.get_ref(at).sql()
    }

    pub(super) fn int_if(&self, at: usize, what: &'static str) -> Result<Option<i64>, StoreFault> {
        match self.value(at)? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(value) => Ok(Some(value)),
            ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => Err(self.damaged(what)),
        }
    }

    pub(super) fn int(&self, at: usize, what: &'static str) -> Result<i64, StoreFault> {
        self.int_if(at, what)?.ok_or_else(|| self.damaged(what))
    }

    pub(super) fn count(&self, at: usize, what: &'static str) -> Result<u64, StoreFault> {
        u64::try_from(self.int(at, what)?).map_err(|_| self.damaged(what))
    }

    pub(super) fn str_if(&self, at: usize, what: &'static str) -> Result<Option<&str>, StoreFault> {
        match self.value(at)? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(text) => std::str::from_utf8(text)
                .map(Some)
                .map_err(|_| self.damaged(what)),
            ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => Err(self.damaged(what)),
        }
    }

    pub(super) fn text_if(&self, at: usize, what: &'static str) -> Result<Option<Arc<str>>, StoreFault> {
        Ok(self.str_if(at, what)?.map(Arc::from))
    }

    pub(super) fn str(&self, at: usize, what: &'static str) -> Result<&str, StoreFault> {
        self.str_if(at, what)?.ok_or_else(|| self.damaged(what))
    }

    pub(super) fn text(&self, at: usize, what: &'static str) -> Result<Arc<str>, StoreFault> {
        self.str(at, what).map(Arc::from)
    }

    pub(super) fn blob(&self, at: usize, what: &'static str) -> Result<&[u8], StoreFault> {
        match self.value(at)? {
            ValueRef::Blob(bytes) => Ok(bytes),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => {
                Err(self.damaged(what))
            }
        }
    }

    pub(super) fn bytes<const N: usize>(&self, at: usize, what: &'static str) -> Result<[u8; N], StoreFault> {
        self.blob(at, what)?.try_into().map_err(|_| self.damaged(what))
    }

    pub(super) fn message_id(&self, at: usize, what: &'static str) -> Result<MessageId, StoreFault> {
        self.bytes(at, what)
            .map(|bytes| MessageId(u128::from_be_bytes(bytes)))
    }

    pub(super) fn seq(&self, at: usize, what: &'static str) -> Result<Seq, StoreFault> {
        self.count(at, what).map(Seq)
    }

    pub(super) fn time_if(&self, at: usize, what: &'static str) -> Result<Option<Timestamp>, StoreFault> {
        Ok(self.int_if(at, what)?.map(Timestamp))
    }

    pub(super) fn role(&self, at: usize) -> Result<MemberRole, StoreFault> {
        MemberRole::parse(self.str(at, "role")?).ok_or_else(|| self.damaged("role"))
    }

    pub(super) fn epoch(&self, at: usize) -> Result<Epoch, StoreFault> {
        self.int(at, "epoch").map(|bits| Epoch(bits.cast_unsigned()))
    }
}

/// Reads all rows of a statement.
pub(super) fn all<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T, StoreFault>,
) -> Result<Vec<T>, StoreFault> {
    let mut statement = conn.prepare_cached(sql).sql()?;
    let mut rows = statement.query(params).sql()?;
    let mut records = Vec::new();
    while let Some(row) = rows.next().sql()? {
        records.push(read(row)?);
    }
    Ok(records)
}

/// Reads the first row of a statement.
pub(super) fn one<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, StoreFault>,
) -> Result<Option<T>, StoreFault> {
    let mut statement = conn.prepare_cached(sql).sql()?;
    let mut rows = statement.query(params).sql()?;
    rows.next().sql()?.map(read).transpose()
}

/// Runs a statement that gives no rows; how many it changed.
pub(super) fn execute(conn: &Connection, sql: &str, params: impl Params) -> Result<usize, StoreFault> {
    conn.prepare_cached(sql).sql()?.execute(params).sql()
}

macro_rules! user_columns {
    () => {
        "users.id, users.handle, users.nickname, users.nick, users.profile_img, users.profile_thumb, users.region, \
         users.language, users.gender, users.public_token, users.ban_reason, users.banned_at, users.last_seen, \
         users.created_at"
    };
}
pub(super) use user_columns;

pub(super) fn user(row: &Row<'_>) -> Result<User, StoreFault> {
    let columns = Columns::of("users", row);
    let ban = match (
        columns.text_if(10, "ban_reason")?,
        columns.time_if(11, "banned_at")?,
    ) {
        (Some(reason), Some(at)) => Some(Ban { reason, at }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(columns.damaged("half a ban")),
    };
    let profile = Profile {
        public_token: columns.text(9, "public_token")?,
        nick: nick(&columns, 3)?,
        profile_img: columns.text_if(4, "profile_img")?,
        profile_thumb: columns.text_if(5, "profile_thumb")?,
        region: columns.text_if(6, "region")?,
        language: columns.text_if(7, "language")?,
        gender: columns.text_if(8, "gender")?,
    };
    Ok(User {
        id: UserId(columns.int(0, "id")?),
        handle: columns.text(1, "handle")?,
        nickname: columns.text(2, "nickname")?,
        profile: Arc::new(profile),
        ban,
        last_seen: columns.time_if(12, "last_seen")?,
        created_at: Timestamp(columns.int(13, "created_at")?),
    })
}

fn nick(columns: &Columns<'_, '_>, at: usize) -> Result<LocalizedNick, StoreFault> {
    json::nick(columns.str(at, "nick")?).ok_or_else(|| columns.damaged("nick"))
}

macro_rules! room_columns {
    () => {
        "rooms.slot, rooms.id, rooms.name, rooms.token, rooms.kind, rooms.visibility, rooms.membership, \
         rooms.max_members, rooms.members_count, rooms.members_version, rooms.seq, rooms.first_seq, rooms.epoch, \
         rooms.created_at, (SELECT max(place) FROM messages WHERE place >= rooms.slot << 36 AND place < (rooms.slot + 1) << 36)"
    };
}
pub(super) use room_columns;

/// A room's row.
pub(super) struct RoomRow {
    pub(super) slot: i64,
    pub(super) first_seq: Seq,
    pub(super) room: Room,
}

pub(super) fn room(row: &Row<'_>) -> Result<RoomRow, StoreFault> {
    let columns = Columns::of("rooms", row);
    let small = |at, what| u32::try_from(columns.int(at, what)?).map_err(|_| columns.damaged(what));
    let first_seq = columns.seq(11, "first_seq")?;
    let seq = head_seq(&columns, 10, 11, 14)?;
    let room = Room {
        id: RoomId(columns.int(1, "id")?),
        name: columns.text_if(2, "name")?,
        token: RoomToken(columns.bytes(3, "token")?),
        kind: named(&columns, 4, "kind", bongsu_model::records::RoomKind::parse)?,
        visibility: named(
            &columns,
            5,
            "visibility",
            bongsu_model::records::Visibility::parse,
        )?,
        membership: named(
            &columns,
            6,
            "membership",
            bongsu_model::records::Membership::parse,
        )?,
        max_members: small(7, "max_members")?,
        members_count: small(8, "members_count")?,
        seq,
        epoch: columns.epoch(12)?,
        members_version: MembersVersion(columns.count(9, "members_version")?),
        created_at: Timestamp(columns.int(13, "created_at")?),
    };
    Ok(RoomRow {
        slot: columns.int(0, "slot")?,
        first_seq,
        room,
    })
}

/// A room's head, from the columns of the least it can be, its first message and the place of its last.
///
/// A head that went back would give seqs a second time, so a row that does not fit its messages is damaged.
pub(super) fn head_seq(
    columns: &Columns<'_, '_>,
    least_at: usize,
    first_at: usize,
    last_place_at: usize,
) -> Result<Seq, StoreFault> {
    let (least, first) = (
        columns.count(least_at, "seq")?,
        columns.count(first_at, "first_seq")?,
    );
    let last = columns.int_if(last_place_at, "place")?.map(seq_of);
    let fits = match last {
        Some(last) => first >= 1 && first <= last && least <= last,
        None => first == least + 1,
    };
    if fits {
        Ok(Seq(last.unwrap_or(least)))
    } else {
        Err(columns.damaged("seq does not fit the messages"))
    }
}

pub(super) fn named<T>(
    columns: &Columns<'_, '_>,
    at: usize,
    what: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, StoreFault> {
    parse(columns.str(at, what)?).ok_or_else(|| columns.damaged(what))
}

macro_rules! message_columns {
    () => {
        "place, id, sender, kind, created_at, members_version, reply_to, metadata, content"
    };
}
pub(super) use message_columns;

/// The room that messages are read of.
pub(super) struct Place {
    pub(super) room: NamedRoom,
    pub(super) token: RoomToken,
    pub(super) epoch: Epoch,
}

/// Reads a message of a room; `sender` finds who sent it.
pub(super) fn message(
    row: &Row<'_>,
    of: &Place,
    sender: impl FnOnce(UserId) -> Result<Sender, StoreFault>,
) -> Result<Message, StoreFault> {
    let columns = Columns::of("messages", row);
    let reply_to = match columns.value(6)? {
        ValueRef::Null => None,
        ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => {
            Some(columns.message_id(6, "reply_to")?)
        }
    };
    let metadata = columns.str_if(7, "metadata")?;
    if metadata.is_some_and(|text| text.contains('\n')) {
        return Err(columns.damaged("metadata"));
    }
    Ok(Message {
        id: columns.message_id(1, "id")?,
        room: of.room.id,
        room_name: of.room.name.clone(),
        room_token: of.token,
        seq: Seq(seq_of(columns.int(0, "place")?)),
        epoch: of.epoch,
        members: MembersVersion(columns.count(5, "members_version")?),
        sender: sender(UserId(columns.int(2, "sender")?))?,
        content: columns.text(8, "content")?,
        kind: kind_of(columns.int(3, "kind")?).ok_or_else(|| columns.damaged("kind"))?,
        metadata: metadata.map(|text| RawJson::from_validated(text.to_owned().into())),
        reply_to,
        created_at: Timestamp(columns.int(4, "created_at")?),
    })
}
