//! One batch of appends, of any rooms, in one transaction of two exchanges with the server.
//!
//! Invariant: a room's row is locked from before anything is read that decides about its messages until they are
//! committed with the room's new head: so seqs have neither hole nor double, however many nodes append. What refuses one
//! message leaves the others as they are.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bongsu_model::records::{MemberRole, Room, RoomKind};
use bongsu_model::{ClientMessageId, Message, MessageId, RoomId, UserId};
use parking_lot::Mutex;
use tokio_postgres::Row;

use super::messages::{self, Senders, message_columns};
use super::rooms::{self, room_columns};
use super::rows::{Columns, Id, number};
use super::tx::{Conn, Param, Said};
use super::users::user_columns;
use crate::{AppendRefused, Appended, NewMessage, StoreFault};

const ROOMS: &str = concat!(
    "SELECT ",
    room_columns!(),
    " FROM rooms WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE"
);
const SENDERS: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE id = ANY($1)");
const ROLES: &str = "SELECT members.room, members.user_id, members.role \
                     FROM unnest($1::int8[], $2::int8[]) AS who (room, user_id) \
                     JOIN members ON members.room = who.room AND members.user_id = who.user_id";
const BLOCKED: &str = "SELECT who.room, who.user_id FROM unnest($1::int8[], $2::int8[]) AS who (room, user_id) \
                       JOIN rooms ON rooms.id = who.room AND rooms.kind = 'direct' \
                       JOIN members ON members.room = who.room AND members.user_id <> who.user_id \
                       JOIN blocks ON blocks.user_id = members.user_id AND blocks.other_id = who.user_id";
const KNOWN: &str = concat!(
    "SELECT ",
    message_columns!(),
    ", messages.room, messages.client_id FROM unnest($1::int8[], $2::int8[], $3::text[]) AS new (room, sender, client_id)",
    " JOIN messages ON messages.room = new.room AND messages.sender = new.sender AND messages.client_id = new.client_id"
);
const REPLIED: &str = "SELECT messages.room, messages.id FROM unnest($1::int8[], $2::uuid[]) AS old (room, id) \
                       JOIN messages ON messages.id = old.id AND messages.room = old.room";
const INSERT: &str = "INSERT INTO messages (room, seq, id, sender, kind, created_at, members_version, reply_to, \
                      client_id, metadata, content) SELECT * FROM unnest($1::int8[], $2::int8[], $3::uuid[], $4::int8[], \
                      $5::text[], $6::int8[], $7::int8[], $8::uuid[], $9::text[], $10::text[], $11::text[])";
const HEADS: &str = "UPDATE rooms SET seq = new.seq FROM unnest($1::int8[], $2::int8[]) AS new (id, seq) \
                     WHERE rooms.id = new.id";

/// Senders that are remembered.
const SENDERS_KEPT: usize = 16_384;

type Answer = Result<Appended, AppendRefused>;
type Named = (RoomId, UserId, ClientMessageId);

/// Senders as they were last: a message of one who has not changed shares what the one before had.
#[derive(Default)]
pub(super) struct Faces(Mutex<Senders>);

impl Faces {
    fn share(&self, senders: Senders) -> Senders {
        let mut kept = self.0.lock();
        if kept.len() + senders.len() > SENDERS_KEPT {
            kept.clear();
        }
        let share = |(user, sender)| {
            let last = kept.entry(user).or_insert_with(|| Clone::clone(&sender));
            if *last != sender {
                *last = sender;
            }
            (user, last.clone())
        };
        senders.into_iter().map(share).collect()
    }
}

/// All that is known of the rooms, senders and messages that a batch speaks of.
struct Known {
    rooms: BTreeMap<RoomId, Room>,
    senders: Senders,
    roles: HashMap<(RoomId, UserId), MemberRole>,
    blocked: HashSet<(RoomId, UserId)>,
    named: HashMap<Named, Arc<Message>>,
    replied: HashSet<(RoomId, MessageId)>,
}

/// Appends the messages in their order; what became of each. Where a room is named otherwise than by number, `rooms` has
/// its number.
pub(super) async fn append(
    conn: &Conn,
    faces: &Faces,
    batch: &[(RoomId, &NewMessage)],
) -> Result<Vec<Answer>, StoreFault> {
    let mut known = read(conn, faces, batch).await?;
    let mut rows = Rows::default();
    let mut answers = Vec::with_capacity(batch.len());
    for (room, new) in batch {
        let answer = known.judge(*room, new);
        if let Ok(Appended::New(message)) = &answer {
            rows.push(message, new)?;
        }
        answers.push(answer);
    }
    if !rows.room.is_empty() {
        write(conn, &rows, &known).await?;
    }
    Ok(answers)
}

async fn read(conn: &Conn, faces: &Faces, batch: &[(RoomId, &NewMessage)]) -> Result<Known, StoreFault> {
    let mut who: Vec<(i64, i64)> = batch.iter().map(|(room, new)| (room.0, new.sender.0)).collect();
    who.sort_unstable();
    who.dedup();
    let (in_rooms, people): (Vec<i64>, Vec<i64>) = who.into_iter().unzip();
    let mut ids = in_rooms.clone();
    ids.dedup();
    let (mut named_rooms, mut named_by, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let (mut replied_rooms, mut replied) = (Vec::new(), Vec::new());
    for (room, new) in batch {
        if let Some(name) = &new.client_id {
            named_rooms.push(room.0);
            named_by.push(new.sender.0);
            names.push(name.as_str());
        }
        if let Some(id) = new.reply_to {
            replied_rooms.push(room.0);
            replied.push(Id(id.0));
        }
    }
    let by_room: [Param<'_>; 1] = [&ids];
    let by_person: [Param<'_>; 1] = [&people];
    let by_both: [Param<'_>; 2] = [&in_rooms, &people];
    let by_name: [Param<'_>; 3] = [&named_rooms, &named_by, &names];
    let by_reply: [Param<'_>; 2] = [&replied_rooms, &replied];
    // The locks first: what comes after them is read as it is for as long as they are held.
    let mut said: Vec<Said<'_>> = vec![
        (ROOMS, &by_room),
        (SENDERS, &by_person),
        (ROLES, &by_both),
        (BLOCKED, &by_both),
    ];
    if !names.is_empty() {
        said.push((KNOWN, &by_name));
    }
    if !replied.is_empty() {
        said.push((REPLIED, &by_reply));
    }
    let mut rows = conn.each(&said).await?.into_iter();
    let mut next = || rows.next().unwrap_or_default();
    let (rooms, senders, roles, blocked) = (next(), next(), next(), next());
    let named = if names.is_empty() { Vec::new() } else { next() };
    let mut known = Known {
        rooms: rooms
            .iter()
            .map(|row| rooms::of_row(row).map(|row| (row.room.id, row.room)))
            .collect::<Result<_, _>>()?,
        senders: faces.share(messages::senders(&senders)?),
        roles: roles.iter().map(role).collect::<Result<_, _>>()?,
        blocked: blocked.iter().map(pair).collect::<Result<_, _>>()?,
        named: HashMap::new(),
        replied: next().iter().map(reply).collect::<Result<_, _>>()?,
    };
    for row in &named {
        known.name(row)?;
    }
    Ok(known)
}

fn pair(row: &Row) -> Result<(RoomId, UserId), StoreFault> {
    let columns = Columns::of("members", row);
    Ok((
        RoomId(columns.int(0, "room")?),
        UserId(columns.int(1, "user_id")?),
    ))
}

fn role(row: &Row) -> Result<((RoomId, UserId), MemberRole), StoreFault> {
    Ok((pair(row)?, Columns::of("members", row).role(2)?))
}

fn reply(row: &Row) -> Result<(RoomId, MessageId), StoreFault> {
    let columns = Columns::of("messages", row);
    Ok((RoomId(columns.int(0, "room")?), columns.message_id(1, "id")?))
}

impl Known {
    /// Notes a message that is there already under a client id.
    fn name(&mut self, row: &Row) -> Result<(), StoreFault> {
        let columns = Columns::of("messages", row);
        let room = RoomId(columns.int(9, "room")?);
        let client_id = columns.named(10, "client_id", ClientMessageId::new)?;
        let Some(of) = self.rooms.get(&room) else {
            return Err(columns.damaged("room"));
        };
        let message = messages::of_row(row, of, &self.senders)?;
        let name = (room, message.sender.user, client_id);
        self.named.insert(name, Arc::new(message));
        Ok(())
    }

    /// What becomes of a message after those before it.
    fn judge(&mut self, room: RoomId, new: &NewMessage) -> Answer {
        let Some(of) = self.rooms.get_mut(&room) else {
            return Err(AppendRefused::NoRoom);
        };
        let Some(sender) = self.senders.get(&new.sender) else {
            return Err(AppendRefused::NotMember);
        };
        let who = (room, new.sender);
        let role = self.roles.get(&who).copied();
        if new.as_member && role.is_none() {
            return Err(AppendRefused::NotMember);
        }
        let name = new.client_id.clone().map(|name| (room, new.sender, name));
        // A repeat is answered with what was stored, though the sender could not post it now.
        if let Some(first) = name.as_ref().and_then(|name| self.named.get(name)) {
            return Ok(Appended::Repeat(Arc::clone(first)));
        }
        if new.as_member {
            let refused = match of.kind {
                RoomKind::Group => None,
                RoomKind::Broadcast => (role != Some(MemberRole::Owner)).then_some(AppendRefused::NotOwner),
                RoomKind::Direct => self.blocked.contains(&who).then_some(AppendRefused::Blocked),
            };
            if let Some(refused) = refused {
                return Err(refused);
            }
        }
        if new.reply_to.is_some_and(|id| !self.replied.contains(&(room, id))) {
            return Err(AppendRefused::NoSuchReply);
        }
        of.seq = of.seq.next();
        let message = Arc::new(Message {
            id: new.id,
            room,
            room_name: of.name.clone(),
            room_token: of.token,
            seq: of.seq,
            epoch: of.epoch,
            members: of.members_version,
            sender: sender.clone(),
            content: Arc::clone(&new.content),
            kind: new.kind,
            metadata: new.metadata.clone(),
            reply_to: new.reply_to,
            created_at: new.at,
        });
        // Those behind it in the batch may repeat it or answer it.
        self.replied.insert((room, new.id));
        if let Some(name) = name {
            self.named.insert(name, Arc::clone(&message));
        }
        Ok(Appended::New(message))
    }
}

/// New rows, column by column.
#[derive(Default)]
struct Rows<'a> {
    room: Vec<i64>,
    seq: Vec<i64>,
    id: Vec<Id>,
    sender: Vec<i64>,
    kind: Vec<&'static str>,
    created_at: Vec<i64>,
    members_version: Vec<i64>,
    reply_to: Vec<Option<Id>>,
    client_id: Vec<Option<&'a str>>,
    metadata: Vec<Option<&'a str>>,
    content: Vec<&'a str>,
}

impl<'a> Rows<'a> {
    fn push(&mut self, message: &Message, new: &'a NewMessage) -> Result<(), StoreFault> {
        self.room.push(message.room.0);
        self.seq.push(number(message.seq.0)?);
        self.id.push(Id(new.id.0));
        self.sender.push(new.sender.0);
        self.kind.push(new.kind.name());
        self.created_at.push(new.at.0);
        self.members_version.push(number(message.members.0)?);
        self.reply_to.push(new.reply_to.map(|id| Id(id.0)));
        self.client_id
            .push(new.client_id.as_ref().map(ClientMessageId::as_str));
        self.metadata
            .push(new.metadata.as_ref().map(|json| json.as_str()));
        self.content.push(&new.content);
        Ok(())
    }
}

/// Writes the messages and the heads of their rooms, and commits.
async fn write(conn: &Conn, rows: &Rows<'_>, known: &Known) -> Result<(), StoreFault> {
    let mut heads = (rows.room.clone(), Vec::new());
    heads.0.sort_unstable();
    heads.0.dedup();
    for room in &heads.0 {
        let seq = known.rooms.get(&RoomId(*room)).map_or(0, |room| room.seq.0);
        heads.1.push(number(seq)?);
    }
    let rows: [Param<'_>; 11] = [
        &rows.room,
        &rows.seq,
        &rows.id,
        &rows.sender,
        &rows.kind,
        &rows.created_at,
        &rows.members_version,
        &rows.reply_to,
        &rows.client_id,
        &rows.metadata,
        &rows.content,
    ];
    let heads: [Param<'_>; 2] = [&heads.0, &heads.1];
    conn.last(&[(INSERT, &rows), (HEADS, &heads)]).await
}
