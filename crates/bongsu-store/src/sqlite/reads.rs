//! Reads of users, rooms and the rest, on any connection.
//!
//! Invariant: a read of several statements sees one moment, because it runs inside [`snapshot`] or the writer's transaction.

use std::sync::Arc;

use bongsu_model::records::{AuditEntry, Member, MyRoom, Revocation, Room, RoomHead, User};
use bongsu_model::{MembersVersion, RoomId, RoomRef, RoomToken, Timestamp, TokenHash, UserId, UserRef};
use rusqlite::{Connection, params};

use super::rows::{self, Columns, RoomRow, all, execute, head_seq, named, one, room_columns, user_columns};
use crate::{MemberToken, RoomMembers, SignedIn, StoreFault, StoredAnswer};

/// Runs a read of several statements at one moment.
pub(super) fn snapshot<T>(
    conn: &Connection,
    read: impl FnOnce(&Connection) -> Result<T, StoreFault>,
) -> Result<T, StoreFault> {
    execute(conn, "BEGIN", [])?;
    let answer = read(conn);
    // Nothing was written: both ends of the transaction are the same, and the next one begins afresh.
    execute(conn, "COMMIT", [])?;
    answer
}

pub(super) fn user(conn: &Connection, user: &UserRef) -> Result<Option<User>, StoreFault> {
    match user {
        UserRef::Id(id) => one(
            conn,
            concat!("SELECT ", user_columns!(), " FROM users WHERE id = ?1"),
            [id.0],
            rows::user,
        ),
        UserRef::Handle(handle) => one(
            conn,
            concat!("SELECT ", user_columns!(), " FROM users WHERE handle = ?1"),
            [&**handle],
            rows::user,
        ),
    }
}

pub(super) fn user_by_public_token(conn: &Connection, token: &str) -> Result<Option<User>, StoreFault> {
    const SQL: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE public_token = ?1");
    one(conn, SQL, [token], rows::user)
}

pub(super) fn users(conn: &Connection, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreFault> {
    const SQL: &str = concat!(
        "SELECT ",
        user_columns!(),
        " FROM users WHERE id >= ?1 ORDER BY id LIMIT ?2"
    );
    let Some(from) = next_after(after.map(|user| user.0)) else {
        return Ok(Vec::new());
    };
    all(conn, SQL, params![from, limit], rows::user)
}

/// The first number after one; `None` if there is none.
fn next_after(after: Option<i64>) -> Option<i64> {
    after.map_or(Some(i64::MIN), |after| after.checked_add(1))
}

pub(super) fn signed_in(conn: &Connection, user: &UserRef) -> Result<Option<SignedIn>, StoreFault> {
    snapshot(conn, |conn| {
        let Some(user) = self::user(conn, user)? else {
            return Ok(None);
        };
        let (rooms, blocked) = (my_rooms(conn, user.id)?, blocked(conn, user.id)?);
        Ok(Some(SignedIn { user, rooms, blocked }))
    })
}

pub(super) fn blocked(conn: &Connection, user: UserId) -> Result<Vec<UserId>, StoreFault> {
    all(
        conn,
        "SELECT other_id FROM blocks WHERE user_id = ?1 ORDER BY other_id",
        [user.0],
        |row| Columns::of("blocks", row).int(0, "other_id").map(UserId),
    )
}

pub(super) fn has_blocked(conn: &Connection, user: UserId, other: UserId) -> Result<bool, StoreFault> {
    let sql = "SELECT 1 FROM blocks WHERE user_id = ?1 AND other_id = ?2";
    Ok(one(conn, sql, [user.0, other.0], |_| Ok(()))?.is_some())
}

pub(super) fn member_token(
    conn: &Connection,
    hash: &TokenHash,
    at: Timestamp,
) -> Result<Option<MemberToken>, StoreFault> {
    const SQL: &str = "SELECT user_id, expires_at FROM member_tokens \
                       WHERE hash = ?1 AND (expires_at IS NULL OR expires_at > ?2)";
    one(conn, SQL, params![&hash.0[..], at.0], |row| {
        let columns = Columns::of("member_tokens", row);
        Ok(MemberToken {
            user: UserId(columns.int(0, "user_id")?),
            expires_at: columns.time_if(1, "expires_at")?,
        })
    })
}

pub(super) fn revocations(conn: &Connection, at: Timestamp) -> Result<Vec<Revocation>, StoreFault> {
    all(
        conn,
        "SELECT jti, expires_at FROM revocations WHERE expires_at > ?1 ORDER BY jti",
        [at.0],
        |row| {
            let columns = Columns::of("revocations", row);
            Ok(Revocation {
                jti: columns.text(0, "jti")?,
                expires_at: Timestamp(columns.int(1, "expires_at")?),
            })
        },
    )
}

pub(super) fn is_revoked(conn: &Connection, jti: &str) -> Result<bool, StoreFault> {
    Ok(one(
        conn,
        "SELECT 1 FROM revocations WHERE jti = ?1",
        [jti],
        |_| Ok(()),
    )?
    .is_some())
}

pub(super) fn room(conn: &Connection, room: &RoomRef) -> Result<Option<RoomRow>, StoreFault> {
    match room {
        RoomRef::Id(id) => one(
            conn,
            concat!("SELECT ", room_columns!(), " FROM rooms WHERE id = ?1"),
            [id.0],
            rows::room,
        ),
        RoomRef::Name(name) => one(
            conn,
            concat!("SELECT ", room_columns!(), " FROM rooms WHERE name = ?1"),
            [&**name],
            rows::room,
        ),
        RoomRef::Token(token) => one(
            conn,
            concat!("SELECT ", room_columns!(), " FROM rooms WHERE token = ?1"),
            [&token.0[..]],
            rows::room,
        ),
    }
}

pub(super) fn rooms(
    conn: &Connection,
    of: Option<UserId>,
    after: Option<RoomId>,
    limit: u32,
) -> Result<Vec<Room>, StoreFault> {
    const ALL: &str = concat!(
        "SELECT ",
        room_columns!(),
        " FROM rooms WHERE id >= ?1 ORDER BY id LIMIT ?2"
    );
    const OF: &str = concat!(
        "SELECT ",
        room_columns!(),
        " FROM members CROSS JOIN rooms ON rooms.slot = members.slot",
        " WHERE members.user_id = ?3 AND rooms.id >= ?1 ORDER BY rooms.id LIMIT ?2"
    );
    let Some(from) = next_after(after.map(|room| room.0)) else {
        return Ok(Vec::new());
    };
    let read = |row: &rusqlite::Row<'_>| Ok(rows::room(row)?.room);
    match of {
        Some(user) => all(conn, OF, params![from, limit, user.0], read),
        None => all(conn, ALL, params![from, limit], read),
    }
}

pub(super) fn my_rooms(conn: &Connection, user: UserId) -> Result<Vec<MyRoom>, StoreFault> {
    const SQL: &str = "SELECT rooms.id, rooms.name, rooms.seq, rooms.first_seq, rooms.epoch, rooms.members_version, \
                       members.joined_seq, rooms.membership, rooms.token, (SELECT max(place) FROM messages \
                       WHERE place >= rooms.slot << 36 AND place < (rooms.slot + 1) << 36) \
                       FROM members LEFT JOIN rooms ON rooms.slot = members.slot WHERE members.user_id = ?1";
    let mut rooms = all(conn, SQL, [user.0], |row| {
        let columns = Columns::of("rooms", row);
        Ok(MyRoom {
            room: RoomId(columns.int(0, "id")?),
            name: columns.text_if(1, "name")?,
            token: RoomToken(columns.bytes(8, "token")?),
            seq: head_seq(&columns, 2, 3, 9)?,
            first_seq: columns.seq(3, "first_seq")?,
            epoch: columns.epoch(4)?,
            members_version: MembersVersion(columns.count(5, "members_version")?),
            joined_seq: columns.seq(6, "joined_seq")?,
            membership: named(
                &columns,
                7,
                "membership",
                bongsu_model::records::Membership::parse,
            )?,
        })
    })?;
    rooms.sort_unstable_by_key(|room| room.room);
    Ok(rooms)
}

pub(super) fn session_members(
    conn: &Connection,
    after: Option<(RoomId, UserId)>,
    limit: u32,
) -> Result<Vec<(RoomId, UserId)>, StoreFault> {
    // Left to itself the planner goes through every room by its number, of which the index knows the few that count.
    macro_rules! places {
        ($of:literal) => {
            concat!(
                "SELECT rooms.id, members.user_id FROM rooms INDEXED BY session_rooms ",
                "CROSS JOIN members ON members.slot = rooms.slot WHERE rooms.membership = 'session' AND ",
                $of,
                " ORDER BY rooms.id, members.user_id LIMIT ?2"
            )
        };
    }
    const ALL: &str = places!("rooms.id >= ?1");
    const LATER: &str = places!("rooms.id > ?1");
    const REST: &str = places!("rooms.id = ?1 AND members.user_id > ?3");
    let place = |row: &rusqlite::Row<'_>| {
        let columns = Columns::of("members", row);
        Ok((
            RoomId(columns.int(0, "room_id")?),
            UserId(columns.int(1, "user_id")?),
        ))
    };
    let Some((room, user)) = after else {
        return all(conn, ALL, params![i64::MIN, limit], place);
    };
    snapshot(conn, |conn| {
        // What is left of the room that the last page ended in, and then the rooms after it.
        let mut places = all(conn, REST, params![room.0, limit, user.0], place)?;
        let wanted = limit.saturating_sub(u32::try_from(places.len()).unwrap_or(u32::MAX));
        if wanted > 0 {
            places.extend(all(conn, LATER, params![room.0, wanted], place)?);
        }
        Ok(places)
    })
}

macro_rules! member_columns {
    () => {
        "members.user_id, users.nickname, members.role, members.joined_seq, members.read_seq, users.handle"
    };
}

fn read_member(row: &rusqlite::Row<'_>) -> Result<Member, StoreFault> {
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

pub(super) fn member(conn: &Connection, room: RoomId, user: UserId) -> Result<Option<Member>, StoreFault> {
    const SQL: &str = concat!(
        "SELECT ",
        member_columns!(),
        " FROM members LEFT JOIN users ON users.id = members.user_id",
        " WHERE members.slot = (SELECT slot FROM rooms WHERE id = ?1) AND members.user_id = ?2"
    );
    one(conn, SQL, [room.0, user.0], read_member)
}

pub(super) fn members(
    conn: &Connection,
    room: RoomId,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<Member>, StoreFault> {
    const SQL: &str = concat!(
        "SELECT ",
        member_columns!(),
        " FROM members LEFT JOIN users ON users.id = members.user_id",
        " WHERE members.slot = (SELECT slot FROM rooms WHERE id = ?1) AND members.user_id >= ?2",
        " ORDER BY members.user_id LIMIT ?3"
    );
    let Some(from) = next_after(after.map(|user| user.0)) else {
        return Ok(Vec::new());
    };
    all(conn, SQL, params![room.0, from, limit], read_member)
}

pub(super) fn room_members(conn: &Connection, room: RoomId) -> Result<Option<RoomMembers>, StoreFault> {
    const SQL: &str = "SELECT user_id, joined_seq FROM members WHERE slot = ?1 ORDER BY user_id";
    snapshot(conn, |conn| {
        let Some(row) = self::room(conn, &RoomRef::Id(room))? else {
            return Ok(None);
        };
        let members = all(conn, SQL, [row.slot], |row| {
            let columns = Columns::of("members", row);
            Ok((UserId(columns.int(0, "user_id")?), columns.seq(1, "joined_seq")?))
        })?;
        if members.len() as u64 != u64::from(row.room.members_count) {
            return Err(StoreFault::Damaged {
                table: "rooms",
                what: "members_count",
            });
        }
        Ok(Some(RoomMembers {
            head: head(&row.room),
            members,
        }))
    })
}

fn head(room: &Room) -> RoomHead {
    RoomHead {
        room: room.id,
        seq: room.seq,
        epoch: room.epoch,
        members_version: room.members_version,
    }
}

pub(super) fn heads(conn: &Connection, rooms: &[RoomId]) -> Result<Vec<RoomHead>, StoreFault> {
    const SQL: &str = "SELECT seq, epoch, members_version, first_seq, (SELECT max(place) FROM messages \
                       WHERE place >= rooms.slot << 36 AND place < (rooms.slot + 1) << 36) FROM rooms WHERE id = ?1";
    snapshot(conn, |conn| {
        let mut heads = Vec::with_capacity(rooms.len());
        for room in rooms {
            heads.extend(one(conn, SQL, [room.0], |row| {
                let columns = Columns::of("rooms", row);
                Ok(RoomHead {
                    room: *room,
                    seq: head_seq(&columns, 0, 3, 4)?,
                    epoch: columns.epoch(1)?,
                    members_version: MembersVersion(columns.count(2, "members_version")?),
                })
            })?);
        }
        Ok(heads)
    })
}

pub(super) fn audits(
    conn: &Connection,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<AuditEntry>, StoreFault> {
    const SQL: &str =
        "SELECT id, at, actor, action, object, detail FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
    all(conn, SQL, params![before.unwrap_or(i64::MAX), limit], |row| {
        let columns = Columns::of("audit", row);
        Ok(AuditEntry {
            id: columns.int(0, "id")?,
            at: Timestamp(columns.int(1, "at")?),
            actor: columns.text(2, "actor")?,
            action: columns.text(3, "action")?,
            object: columns.text(4, "object")?,
            detail: columns.text_if(5, "detail")?,
        })
    })
}

pub(super) fn kept_answer(
    conn: &Connection,
    principal: &str,
    key: &str,
) -> Result<Option<StoredAnswer>, StoreFault> {
    const SQL: &str = "SELECT request_hash, status, body FROM answers WHERE principal = ?1 AND key = ?2";
    one(conn, SQL, [principal, key], |row| {
        let columns = Columns::of("answers", row);
        Ok(StoredAnswer {
            request_hash: columns.bytes(0, "request_hash")?,
            status: u16::try_from(columns.int(1, "status")?).map_err(|_| columns.damaged("status"))?,
            body: Arc::from(columns.blob(2, "body")?),
        })
    })
}
