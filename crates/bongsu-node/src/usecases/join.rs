//! A user becomes a member of a room, or hears it from a place in its history.

use std::sync::Arc;

use bongsu_core::policy;
use bongsu_core::shard::{Hear, Input};
use bongsu_model::records::{Membership, NewRoom, Room, RoomHead, User, Visibility};
use bongsu_model::{
    Audience, Code, Event, EventBody, MembersVersion, Person, Refusal, Reply, RoomRef, Seq, Timestamp,
    UserId, UserRef,
};
use bongsu_store::{CreateRefused, Joined};

use crate::node::{Ask, Node};
use crate::session::Session;
use crate::usecases::rooms;

pub(crate) async fn join(ask: &mut Ask<'_>, room: RoomRef, after: Option<Seq>) -> Result<(), Refusal> {
    let (node, session) = (ask.node, ask.session);
    let joined = become_member(node, session, &room, ask.now).await?;
    let online = online_members(node, &joined.room).await?;
    let recovered = after.map(|after| recovers(&joined, after));
    let Room {
        id,
        members_count,
        seq,
        epoch,
        members_version,
        ..
    } = joined.room;
    (ask.answer)(Reply::Joined {
        room: joined.room.named(),
        participants_count: members_count,
        online,
        seq,
        epoch,
        recovered,
    });
    // This session is given what it asked for before anything that the others hear.
    let from = after.filter(|_| recovered == Some(true));
    let attaches = from.is_some() || joined.first;
    if attaches {
        let after = from.unwrap_or(joined.joined_seq);
        // The change that this join made is yet to be announced.
        let version = MembersVersion(members_version.0 - u64::from(joined.first));
        let hear = Hear {
            room: id,
            head: seq,
            epoch,
            version,
            after,
            asked: from.is_some(),
        };
        node.to_shard(
            session.shard,
            Input::Attach {
                slot: session.slot,
                rooms: vec![hear],
            },
        )
        .await;
    }
    if joined.first {
        announce(node, &session.person, &joined, ask.cause.clone(), ask.now).await;
    }
    if from.is_some_and(|from| from < seq) {
        node.barrier(session, None).await;
    } else if attaches {
        // What the session asks for next happens in a room that it hears.
        node.barrier(session, Some((id, seq))).await;
    }
    Ok(())
}

/// Whether all that came after a place can be replayed: it was reached, and nothing after it was deleted.
fn recovers(joined: &Joined, after: Seq) -> bool {
    after <= joined.room.seq && after.next() >= joined.first_seq
}

async fn become_member(
    node: &Arc<Node>,
    session: &Session,
    room: &RoomRef,
    now: Timestamp,
) -> Result<Joined, Refusal> {
    let who = session.principal();
    match rooms::view(node, &who, room).await {
        Ok((_, _, view)) => policy::may_join(&who, &view)?,
        Err(refusal) => create_by_joining(node, session, room, refusal, now).await?,
    }
    let joined = node
        .ports
        .store
        .join(room.clone(), session.user, who.is_operator(), now)
        .await;
    joined.map_err(|refused| node.join_refused(&refused))
}

/// Makes a room that is joined by a number or a name that no room has yet, where that is allowed.
async fn create_by_joining(
    node: &Arc<Node>,
    session: &Session,
    room: &RoomRef,
    refusal: Refusal,
    now: Timestamp,
) -> Result<(), Refusal> {
    let rules = &node.ports.policy;
    let allowed = match room {
        RoomRef::Id(id) => rules.create_rooms_by_id && id.0 > 0,
        RoomRef::Name(_) => rules.create_rooms_by_name,
        RoomRef::Token(_) => false,
    };
    let missing = refusal.code == Code::RoomNotFound;
    if !missing || policy::may_create_by_joining(&session.principal(), allowed).is_err() {
        return Err(refusal);
    }
    let max_members = Some(node.ports.limits.room_members_max);
    let new = match room {
        RoomRef::Id(id) => NewRoom {
            id: Some(*id),
            visibility: rules.created_visibility,
            membership: rules.created_membership,
            max_members,
            ..NewRoom::default()
        },
        RoomRef::Name(name) => NewRoom {
            name: Some(rooms::name("room", name)?),
            visibility: Visibility::Open,
            membership: Membership::Session,
            max_members,
            ..NewRoom::default()
        },
        RoomRef::Token(_) => return Err(refusal),
    };
    match node.ports.store.create_room(new, now).await {
        // Another was faster; the join decides.
        Ok(_) | Err(CreateRefused::IdTaken | CreateRefused::NameTaken) => Ok(()),
        Err(refused) => Err(node.create_refused(&refused, "room")),
    }
}

/// The members with a live session, ascending, as many as are listed.
async fn online_members(node: &Arc<Node>, room: &Room) -> Result<Vec<Person>, Refusal> {
    let limits = &node.ports.limits;
    let store = &node.ports.store;
    let (mut online, mut after) = (Vec::new(), None);
    while online.len() < limits.online_listed_max {
        let limit = 1_000;
        let page = store
            .members(room.id, after, limit)
            .await
            .map_err(|fault| node.fault(&fault))?;
        let full = page.len() == limit as usize;
        after = page.last().map(|member| member.user);
        let presence = node.others.presence.lock();
        let here = page.into_iter().filter(|member| presence.is_online(member.user));
        online.extend(here.map(|member| Person {
            id: member.user,
            handle: member.handle,
            nickname: member.nickname,
        }));
        if !full {
            break;
        }
    }
    online.truncate(limits.online_listed_max);
    Ok(online)
}

/// Tells the others, and every session of the user, that the user is a member.
pub(crate) async fn announce(
    node: &Arc<Node>,
    user: &Arc<Person>,
    joined: &Joined,
    cause: Option<Arc<str>>,
    now: Timestamp,
) {
    let room = &joined.room;
    node.note_head(RoomHead {
        room: room.id,
        seq: room.seq,
        epoch: room.epoch,
        members_version: room.members_version,
    });
    node.announce(Event {
        id: node.ports.number(),
        at: now,
        cause,
        audience: Audience::RoomExcept(room.id, user.id),
        actor: Some(user.id),
        body: EventBody::UserJoined {
            room: room.named(),
            user: Arc::clone(user),
            participants_count: room.members_count,
            joined_seq: joined.joined_seq,
            version: room.members_version,
        },
    })
    .await;
}

/// A user as others are told of it; by its number if it is gone.
pub(crate) async fn person(node: &Arc<Node>, user: UserId) -> Result<Arc<Person>, Refusal> {
    let user_or_none: Option<User> = node
        .ports
        .store
        .user(UserRef::Id(user))
        .await
        .map_err(|fault| node.fault(&fault))?;
    Ok(user_or_none.map_or_else(|| Person::numbered(user, &user.to_string()), |user| user.person()))
}
