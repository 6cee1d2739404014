//! Rooms, memberships and read marks.
//!
//! Invariant: whoever changes who is a member has the room's row, and bumps its version and count in the same
//! transaction. Locks are taken in this order: counters, rooms by number, users.

use std::collections::HashMap;

use bongsu_model::records::{
    Member, MemberRole, Membership, MyRoom, NewRoom, Room, RoomHead, RoomKind, Visibility,
};
use bongsu_model::{Epoch, MembersVersion, RoomId, RoomRef, RoomToken, Seq, Timestamp, UserId};
use tokio_postgres::Row;

use super::rows::{Columns, is_text, number};
use super::tx::{Conn, Param, PostgresFault};
use super::users::{self, next_after, random};
use crate::{CreateRefused, JoinRefused, Joined, Left, Mark, RoomMembers, StoreFault, StoreLimits};

macro_rules! room_columns {
    () => {
        "rooms.id, rooms.name, rooms.token, rooms.kind, rooms.visibility, rooms.membership, rooms.max_members, \
         rooms.members_count, rooms.members_version, rooms.seq, rooms.first_seq, rooms.epoch, rooms.created_at"
    };
}
pub(super) use room_columns;

/// A room's row.
pub(super) struct RoomRow {
    pub(super) first_seq: Seq,
    pub(super) room: Room,
}

pub(super) fn of_row(row: &Row) -> Result<RoomRow, StoreFault> {
    let columns = Columns::of("rooms", row);
    let (seq, first_seq) = head(&columns, 9, 10)?;
    let room = Room {
        id: RoomId(columns.int(0, "id")?),
        name: columns.text_if(1, "name")?,
        token: RoomToken(columns.bytes(2, "token")?),
        kind: columns.named(3, "kind", RoomKind::parse)?,
        visibility: columns.named(4, "visibility", Visibility::parse)?,
        membership: columns.named(5, "membership", Membership::parse)?,
        max_members: columns.small(6, "max_members")?,
        members_count: columns.small(7, "members_count")?,
        seq,
        epoch: columns.epoch(11)?,
        members_version: MembersVersion(columns.count(8, "members_version")?),
        created_at: columns.time(12, "created_at")?,
    };
    Ok(RoomRow { first_seq, room })
}

/// A room's last message and its first.
fn head(columns: &Columns<'_>, seq_at: usize, first_at: usize) -> Result<(Seq, Seq), StoreFault> {
    let (seq, first) = (columns.seq(seq_at, "seq")?, columns.seq(first_at, "first_seq")?);
    if first.0 == 0 || first > seq.next() {
        return Err(columns.damaged("seq does not fit first_seq"));
    }
    Ok((seq, first))
}

macro_rules! read_room {
    ($conn:expr, $room:expr, $rest:literal) => {{
        const BY_ID: &str = concat!("SELECT ", room_columns!(), " FROM rooms WHERE id = $1", $rest);
        const BY_NAME: &str = concat!("SELECT ", room_columns!(), " FROM rooms WHERE name = $1", $rest);
        const BY_TOKEN: &str = concat!("SELECT ", room_columns!(), " FROM rooms WHERE token = $1", $rest);
        match $room {
            RoomRef::Id(id) => $conn.one(BY_ID, &[&id.0], of_row).await,
            RoomRef::Name(name) if is_text(name) => $conn.one(BY_NAME, &[&&**name], of_row).await,
            RoomRef::Name(_) => Ok(None),
            RoomRef::Token(token) => $conn.one(BY_TOKEN, &[&&token.0[..]], of_row).await,
        }
    }};
}

pub(super) async fn room(conn: &Conn, room: &RoomRef) -> Result<Option<RoomRow>, StoreFault> {
    read_room!(conn, room, "")
}

/// A room, which nobody else changes before this transaction has ended.
async fn lock(conn: &Conn, room: &RoomRef) -> Result<Option<RoomRow>, StoreFault> {
    read_room!(conn, room, " FOR NO KEY UPDATE")
}

pub(super) async fn rooms(
    conn: &Conn,
    of: Option<UserId>,
    after: Option<RoomId>,
    limit: u32,
) -> Result<Vec<Room>, StoreFault> {
    const ALL: &str = concat!(
        "SELECT ",
        room_columns!(),
        " FROM rooms WHERE id >= $1 ORDER BY id LIMIT $2"
    );
    const OF: &str = concat!(
        "SELECT ",
        room_columns!(),
        " FROM members JOIN rooms ON rooms.id = members.room",
        " WHERE members.user_id = $3 AND members.room >= $1 ORDER BY members.room LIMIT $2"
    );
    let Some(from) = next_after(after.map(|room| room.0)) else {
        return Ok(Vec::new());
    };
    let (limit, read) = (i64::from(limit), |row: &Row| Ok(of_row(row)?.room));
    match of {
        Some(user) => conn.all(OF, &[&from, &limit, &user.0], read).await,
        None => conn.all(ALL, &[&from, &limit], read).await,
    }
}

pub(super) async fn my_rooms(conn: &Conn, user: UserId) -> Result<Vec<MyRoom>, StoreFault> {
    // A membership of a room that is not there is damage, not a membership less.
    const SQL: &str = "SELECT rooms.id, rooms.name, rooms.token, rooms.seq, rooms.first_seq, rooms.epoch, \
                       rooms.members_version, members.joined_seq, rooms.membership \
                       FROM members LEFT JOIN rooms ON rooms.id = members.room WHERE members.user_id = $1 \
                       ORDER BY members.room";
    conn.all(SQL, &[&user.0], |row| {
        let columns = Columns::of("rooms", row);
        let room = RoomId(columns.int(0, "id")?);
        let (seq, first_seq) = head(&columns, 3, 4)?;
        Ok(MyRoom {
            room,
            name: columns.text_if(1, "name")?,
            token: RoomToken(columns.bytes(2, "token")?),
            seq,
            first_seq,
            epoch: columns.epoch(5)?,
            members_version: MembersVersion(columns.count(6, "members_version")?),
            joined_seq: columns.seq(7, "joined_seq")?,
            membership: columns.named(8, "membership", Membership::parse)?,
        })
    })
    .await
}

pub(super) async fn session_members(
    conn: &Conn,
    after: Option<(RoomId, UserId)>,
    limit: u32,
) -> Result<Vec<(RoomId, UserId)>, StoreFault> {
    const SQL: &str = "SELECT rooms.id, members.user_id FROM rooms JOIN members ON members.room = rooms.id \
                       WHERE rooms.membership = 'session' AND rooms.id >= $1 \
                       AND (rooms.id > $1 OR members.user_id >= $2) ORDER BY rooms.id, members.user_id LIMIT $3";
    let (room, user) = match after {
        None => (i64::MIN, i64::MIN),
        Some((room, user)) => match (user.0.checked_add(1), room.0.checked_add(1)) {
            (Some(next), _) => (room.0, next),
            (None, Some(next)) => (next, i64::MIN),
            (None, None) => return Ok(Vec::new()),
        },
    };
    conn.all(SQL, &[&room, &user, &i64::from(limit)], |row| {
        let columns = Columns::of("members", row);
        Ok((
            RoomId(columns.int(0, "room")?),
            UserId(columns.int(1, "user_id")?),
        ))
    })
    .await
}

macro_rules! member_columns {
    () => {
        "members.user_id, users.nickname, members.role, members.joined_seq, members.read_seq, users.handle"
    };
}

fn member_of_row(row: &Row) -> Result<Member, StoreFault> {
    let columns = Columns::of("members", row);
    Ok(Member {
        user: UserId(columns.int(0, "user_id")?),
        handle: columns.text(5, "handle")?,
        nickname: columns.text(1, "nickname")?,
        role: columns.role(2)?,
        joined_seq: columns.seq(3, "joined_seq")?,
        read_seq: columns.seq(4, "read_seq")?,
    })
}

pub(super) async fn member(conn: &Conn, room: RoomId, user: UserId) -> Result<Option<Member>, StoreFault> {
    const SQL: &str = concat!(
        "SELECT ",
        member_columns!(),
        " FROM members LEFT JOIN users ON users.id = members.user_id",
        " WHERE members.room = $1 AND members.user_id = $2"
    );
    conn.one(SQL, &[&room.0, &user.0], member_of_row).await
}

pub(super) async fn members(
    conn: &Conn,
    room: RoomId,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<Member>, StoreFault> {
    const SQL: &str = concat!(
        "SELECT ",
        member_columns!(),
        " FROM members LEFT JOIN users ON users.id = members.user_id",
        " WHERE members.room = $1 AND members.user_id >= $2 ORDER BY members.user_id LIMIT $3"
    );
    let Some(from) = next_after(after.map(|user| user.0)) else {
        return Ok(Vec::new());
    };
    let limit = i64::from(limit);
    conn.all(SQL, &[&room.0, &from, &limit], member_of_row).await
}

pub(super) async fn room_members(conn: &Conn, room: RoomId) -> Result<Option<RoomMembers>, StoreFault> {
    const ROOM: &str = concat!("SELECT ", room_columns!(), " FROM rooms WHERE id = $1");
    const MEMBERS: &str = "SELECT user_id, joined_seq FROM members WHERE room = $1 ORDER BY user_id";
    let id: [Param<'_>; 1] = [&room.0];
    let read = conn.each(&[(ROOM, &id), (MEMBERS, &id)]).await?;
    let [rooms, members] = &read[..] else {
        return Ok(None);
    };
    let Some(row) = rooms.first() else {
        return Ok(None);
    };
    let room = of_row(row)?.room;
    let members = members
        .iter()
        .map(|row| {
            let columns = Columns::of("members", row);
            Ok((UserId(columns.int(0, "user_id")?), columns.seq(1, "joined_seq")?))
        })
        .collect::<Result<Vec<_>, StoreFault>>()?;
    if members.len() as u64 != u64::from(room.members_count) {
        return Err(StoreFault::Damaged {
            table: "rooms",
            what: "members_count",
        });
    }
    let head = RoomHead {
        room: room.id,
        seq: room.seq,
        epoch: room.epoch,
        members_version: room.members_version,
    };
    Ok(Some(RoomMembers { head, members }))
}

pub(super) async fn heads(conn: &Conn, rooms: &[RoomId]) -> Result<Vec<RoomHead>, StoreFault> {
    const SQL: &str = "SELECT id, seq, first_seq, epoch, members_version FROM rooms WHERE id = ANY($1)";
    let ids: Vec<i64> = rooms.iter().map(|room| room.0).collect();
    let heads = conn
        .all(SQL, &[&ids], |row| {
            let columns = Columns::of("rooms", row);
            let room = RoomId(columns.int(0, "id")?);
            let head = RoomHead {
                room,
                seq: head(&columns, 1, 2)?.0,
                epoch: columns.epoch(3)?,
                members_version: MembersVersion(columns.count(4, "members_version")?),
            };
            Ok((room, head))
        })
        .await?;
    let heads: HashMap<_, _> = heads.into_iter().collect();
    Ok(rooms.iter().filter_map(|room| heads.get(room).copied()).collect())
}

pub(super) async fn create(
    conn: &Conn,
    limits: &StoreLimits,
    new: &NewRoom,
    at: Timestamp,
) -> Result<Room, CreateRefused> {
    let mut next = match new.id {
        Some(id) => {
            users::pass_number(conn, "room", id.0).await?;
            id.0
        }
        None => free_id(conn, users::counter(conn, "room").await?).await?,
    };
    if new.id.is_some() && exists(conn, next).await? {
        return Err(CreateRefused::IdTaken);
    }
    if is_named(conn, new).await? {
        return Err(CreateRefused::NameTaken);
    }
    let (members, max_members) = first_members(conn, limits, new).await?;
    let count = u32::try_from(members.len()).map_err(|_| CreateRefused::Members)?;
    loop {
        let made = Room {
            id: RoomId(next),
            name: new.name.clone(),
            token: RoomToken(random()?),
            kind: new.kind,
            visibility: new.visibility,
            membership: new.membership,
            max_members,
            members_count: count,
            seq: Seq::ZERO,
            epoch: Epoch(u64::from_be_bytes(random()?)),
            members_version: MembersVersion(u64::from(count > 0)),
            created_at: at,
        };
        if insert(conn, &made).await? {
            insert_members(conn, &made, &members).await?;
            if new.id.is_none() {
                users::set_counter(conn, "room", next.saturating_add(1)).await?;
            }
            return Ok(made);
        }
        // Somebody else was first.
        if is_named(conn, new).await? {
            return Err(CreateRefused::NameTaken);
        }
        if new.id.is_some() {
            return Err(CreateRefused::IdTaken);
        }
        next = free_id(conn, next.saturating_add(1)).await?;
    }
}

async fn exists(conn: &Conn, id: i64) -> Result<bool, StoreFault> {
    conn.any("SELECT 1 FROM rooms WHERE id = $1", &[&id]).await
}

async fn is_named(conn: &Conn, new: &NewRoom) -> Result<bool, StoreFault> {
    match &new.name {
        Some(name) => conn.any("SELECT 1 FROM rooms WHERE name = $1", &[&&**name]).await,
        None => Ok(false),
    }
}

/// Who is to be a member from the beginning, ascending, and how many there may be.
async fn first_members(
    conn: &Conn,
    limits: &StoreLimits,
    new: &NewRoom,
) -> Result<(Vec<(UserId, MemberRole)>, u32), CreateRefused> {
    const SQL: &str = "SELECT user_id FROM unnest($1::int8[]) WITH ORDINALITY AS first (user_id, place) \
                       WHERE NOT EXISTS (SELECT 1 FROM users WHERE users.id = first.user_id) ORDER BY place LIMIT 1";
    let ids: Vec<i64> = new.members.iter().map(|(user, _)| user.0).collect();
    let missing = conn
        .one(SQL, &[&ids], |row| Columns::of("users", row).int(0, "id"))
        .await?;
    if let Some(missing) = missing {
        return Err(CreateRefused::NoUser(UserId(missing)));
    }
    // A user named twice is one member, with the role it was named with first.
    let mut members = new.members.clone();
    members.sort_by_key(|(user, _)| *user);
    members.dedup_by_key(|(user, _)| *user);
    let max_members = match new.kind {
        RoomKind::Direct => 2,
        RoomKind::Group | RoomKind::Broadcast => new.max_members.unwrap_or(limits.room_members_max),
    };
    let fits = members.len() as u64 <= u64::from(max_members);
    if !fits || (new.kind == RoomKind::Direct && members.len() != 2) {
        return Err(CreateRefused::Members);
    }
    Ok((members, max_members))
}

async fn free_id(conn: &Conn, from: i64) -> Result<i64, StoreFault> {
    const SQL: &str = "SELECT number FROM generate_series($1::int8, $2::int8) AS number \
                       WHERE NOT EXISTS (SELECT 1 FROM rooms WHERE id = number) ORDER BY number LIMIT 1";
    let mut from = from;
    loop {
        let to = from.saturating_add(1_000);
        let free = conn
            .one(SQL, &[&from, &to], |row| Columns::of("rooms", row).int(0, "id"))
            .await?;
        match free {
            Some(free) => return Ok(free),
            None if to == i64::MAX => return Err(PostgresFault::TooLarge.into()),
            None => from = to.saturating_add(1),
        }
    }
}

/// Whether the room is one of its kind, and kept.
async fn insert(conn: &Conn, room: &Room) -> Result<bool, StoreFault> {
    const SQL: &str = "INSERT INTO rooms (id, name, token, kind, visibility, membership, max_members, members_count, \
                       members_version, seq, first_seq, epoch, created_at) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 1, $10, $11) ON CONFLICT DO NOTHING";
    let inserted = conn
        .execute(
            SQL,
            &[
                &room.id.0,
                &room.name.as_deref(),
                &&room.token.0[..],
                &room.kind.name(),
                &room.visibility.name(),
                &room.membership.name(),
                &i64::from(room.max_members),
                &i64::from(room.members_count),
                &number(room.members_version.0)?,
                &room.epoch.0.cast_signed(),
                &room.created_at.0,
            ],
        )
        .await?;
    Ok(inserted > 0)
}

async fn insert_members(
    conn: &Conn,
    room: &Room,
    members: &[(UserId, MemberRole)],
) -> Result<(), StoreFault> {
    const SQL: &str = "INSERT INTO members (room, user_id, role, joined_seq, read_seq, joined_at) \
                       SELECT $1, first.user_id, first.role, $4, 0, $5 \
                       FROM unnest($2::int8[], $3::text[]) AS first (user_id, role)";
    let users: Vec<i64> = members.iter().map(|(user, _)| user.0).collect();
    let roles: Vec<&str> = members.iter().map(|(_, role)| role.name()).collect();
    let joined = number(room.seq.0)?;
    let values: [Param<'_>; 5] = [&room.id.0, &users, &roles, &joined, &room.created_at.0];
    conn.execute(SQL, &values).await.map(drop)
}

pub(super) async fn join(
    conn: &Conn,
    limits: &StoreLimits,
    room: &RoomRef,
    user: UserId,
    (by_operator, at): (bool, Timestamp),
) -> Result<Joined, JoinRefused> {
    const JOINED: &str = "SELECT joined_seq FROM members WHERE room = $1 AND user_id = $2";
    const JOIN: &str = "INSERT INTO members (room, user_id, role, joined_seq, read_seq, joined_at) \
                        VALUES ($1, $2, $3, $4, 0, $5)";
    let RoomRow { first_seq, mut room } = lock(conn, room).await?.ok_or(JoinRefused::NoRoom)?;
    // Whoever has the user counts its rooms alone.
    if !users::lock(conn, user).await? {
        return Err(JoinRefused::NoUser);
    }
    let joined = conn
        .one(JOINED, &[&room.id.0, &user.0], |row| {
            Columns::of("members", row).seq(0, "joined_seq")
        })
        .await?;
    if let Some(joined_seq) = joined {
        return Ok(Joined {
            room,
            first: false,
            joined_seq,
            first_seq,
        });
    }
    if room.visibility == Visibility::Closed && !by_operator {
        return Err(JoinRefused::Closed);
    }
    if room.members_count >= room.max_members {
        return Err(JoinRefused::Full);
    }
    if users::rooms_of(conn, user).await? >= limits.rooms_per_user_max as u64 {
        return Err(JoinRefused::TooManyRooms);
    }
    let joined_seq = room.seq;
    let (role, seq) = (MemberRole::Member.name(), number(joined_seq.0)?);
    let values: [Param<'_>; 5] = [&room.id.0, &user.0, &role, &seq, &at.0];
    conn.execute(JOIN, &values).await?;
    room.members_count += 1;
    bump(conn, &mut room).await?;
    Ok(Joined {
        room,
        first: true,
        joined_seq,
        first_seq,
    })
}

/// Writes a room's new number of members under a new version.
async fn bump(conn: &Conn, room: &mut Room) -> Result<(), StoreFault> {
    const SQL: &str = "UPDATE rooms SET members_count = $2, members_version = $3 WHERE id = $1";
    room.members_version.0 += 1;
    let (count, version) = (i64::from(room.members_count), number(room.members_version.0)?);
    conn.execute(SQL, &[&room.id.0, &count, &version]).await.map(drop)
}

pub(super) async fn leave(conn: &Conn, room: &RoomRef, user: UserId) -> Result<Option<Left>, StoreFault> {
    const SQL: &str = "DELETE FROM members WHERE room = $1 AND user_id = $2";
    let Some(RoomRow { mut room, .. }) = lock(conn, room).await? else {
        return Ok(None);
    };
    let was_member = conn.execute(SQL, &[&room.id.0, &user.0]).await? > 0;
    if was_member {
        room.members_count = room.members_count.checked_sub(1).ok_or(StoreFault::Damaged {
            table: "rooms",
            what: "members_count",
        })?;
        bump(conn, &mut room).await?;
    }
    Ok(Some(Left { room, was_member }))
}

/// Moves a read mark; each statement is on its own, for it goes one way only.
pub(super) async fn mark_read(
    conn: &Conn,
    room: &RoomRef,
    user: UserId,
    seq: Seq,
) -> Result<(RoomId, Seq, Mark), StoreFault> {
    const MOVE: &str = "UPDATE members SET read_seq = $3 WHERE room = $1 AND user_id = $2 AND read_seq < $3";
    const READ: &str = "SELECT read_seq FROM members WHERE room = $1 AND user_id = $2";
    let Some(RoomRow { room: found, .. }) = self::room(conn, room).await? else {
        let id = match room {
            RoomRef::Id(id) => *id,
            RoomRef::Name(_) | RoomRef::Token(_) => RoomId(0),
        };
        return Ok((id, Seq::ZERO, Mark::NotMember));
    };
    let (id, wanted) = (found.id, seq.min(found.seq));
    if conn.execute(MOVE, &[&id.0, &user.0, &number(wanted.0)?]).await? > 0 {
        return Ok((id, wanted, Mark::Moved));
    }
    let kept = conn
        .one(READ, &[&id.0, &user.0], |row| {
            Columns::of("members", row).seq(0, "read_seq")
        })
        .await?;
    Ok(kept.map_or((id, Seq::ZERO, Mark::NotMember), |kept| (id, kept, Mark::Kept)))
}
