//! A client goes on where an earlier session of its user was cut off.
//!
//! Invariant: all rooms go on whole, or none does. Who asks is what the token says; the name of the earlier session says
//! only which of that user's sessions is meant.

use std::sync::Arc;

use bongsu_core::shard::Hear;
use bongsu_core::trail::{Offset, Places, Trail, TrailLimits};
use bongsu_model::records::MyRoom;
use bongsu_model::reply::RoomStanding;
use bongsu_model::{Connect, Limits, Recover, Recovery, ResumePoint, RoomRef, Timestamp, UserId};
use bongsu_store::KeptTrail;

use super::sign_in::stand;
use crate::kept::{Kept, PidHash};
use crate::node::Node;
use crate::session::Session;

/// Ends the earlier session if it is still there: its client noticed before the server did that the connection is gone.
pub(super) async fn displace(node: &Arc<Node>, recover: &Recover, user: UserId) -> Option<Arc<Session>> {
    let hash = asked_for(recover)?;
    let earlier = node
        .recoverable
        .get(hash)
        .filter(|session| session.user == user)?;
    earlier.displaced();
    // Few sign-ins come here, and the others need not be as large as this.
    Box::pin(node.sign_out(&earlier)).await;
    Some(earlier)
}

/// How far the client is in the rooms of its earlier session; `None` if that is not known for sure. Whatever the answer,
/// the earlier session cannot be asked for again.
pub(super) async fn recall(
    node: &Arc<Node>,
    recover: &Recover,
    user: UserId,
    earlier: Option<&Session>,
    now: Timestamp,
) -> Option<Places> {
    let Recover::From { offset, .. } = recover else {
        return None;
    };
    let hash = asked_for(recover)?;
    let taken = node.ports.store.take_trail(hash.0, user, now).await;
    let stored = node.healthy(taken).flatten();
    let here = earlier.and_then(Session::kept).and_then(|kept| kept.take());
    let trail = match (here, stored) {
        (Some(trail), _) => trail,
        (None, Some(bytes)) => read(node, &bytes)?,
        (None, None) => return None,
    };
    trail.after(Offset::parse(offset)?)
}

/// How a user's rooms stand for a session, from where they are to be heard, and what becomes of what its client asked
/// for. From now on what is pushed to the session is remembered, if that was asked for.
pub(super) fn stand_with(
    node: &Node,
    session: &Arc<Session>,
    rooms: &[MyRoom],
    connect: &Connect,
    places: Option<&Places>,
) -> (Option<Recovery>, Vec<RoomStanding>, Vec<Hear>) {
    let recovered = places.and_then(|places| stand_all(rooms, places));
    let again = recovered.is_some();
    let (standings, hears) =
        recovered.unwrap_or_else(|| rooms.iter().map(|room| stand(room, &connect.resume)).unzip());
    let recovery = remember(node, session, &connect.recovery, again, &hears);
    (recovery, standings, hears)
}

/// How all of a user's rooms stand when they go on from these places; `None` if one of them does not go on whole.
fn stand_all(rooms: &[MyRoom], places: &Places) -> Option<(Vec<RoomStanding>, Vec<Hear>)> {
    let mut standings = Vec::with_capacity(rooms.len());
    let mut hears = Vec::with_capacity(rooms.len());
    for room in rooms {
        let place = places.get(&room.room);
        // A room that was not heard was entered since; what came after that is lacked. So it is with one that was left
        // and entered again.
        let from = ResumePoint {
            room: RoomRef::Id(room.room),
            seq: place.map_or(room.joined_seq, |place| place.seq.max(room.joined_seq)),
            epoch: place.and_then(|place| place.epoch).or(Some(room.epoch)),
        };
        let (standing, hear) = stand(room, &[from]);
        if standing.recovered != Some(true) {
            return None;
        }
        standings.push(standing);
        hears.push(hear);
    }
    Some((standings, hears))
}

/// Remembers from now on what is pushed to a session, if its client asked for that; under the earlier name if the earlier
/// session was recovered.
fn remember(
    node: &Node,
    session: &Arc<Session>,
    recover: &Recover,
    recovered: bool,
    hears: &[Hear],
) -> Option<Recovery> {
    let limits = &node.ports.limits;
    let pid = match recover {
        _ if limits.recovery_ms == 0 => return None,
        Recover::No => return None,
        Recover::From { pid, .. } if recovered => Arc::clone(pid),
        Recover::From { .. } | Recover::Fresh => format!("{:032x}", node.ports.chance.bits()).into(),
    };
    let hash = PidHash::of(&pid);
    let kept = Kept::new(hash, Trail::new(trail_limits(limits)));
    kept.note().begin(hears.iter());
    session.keep(kept);
    node.recoverable.add(hash, session);
    Some(Recovery { pid, recovered })
}

/// Puts what is remembered of a session that has ended where it survives the server.
pub(super) async fn keep(node: &Arc<Node>, session: &Session, kept: &Kept, now: Timestamp) {
    // Nothing is pushed after this: the mailbox is closed, or the shard has let go of the session.
    node.barrier(session, None).await;
    if let Some(trail) = kept.to_bytes() {
        let kept_trail = KeptTrail {
            pid_hash: kept.hash.0,
            user: session.user,
            trail: trail.into(),
            expires_at: now.plus_ms(node.ports.limits.recovery_ms),
        };
        // If it cannot be kept, its client is told so when it asks for it.
        node.healthy(node.ports.store.keep_trail(kept_trail, now).await);
    }
    node.recoverable.remove(kept.hash, session.id);
}

fn asked_for(recover: &Recover) -> Option<PidHash> {
    match recover {
        Recover::From { pid, .. } => Some(PidHash::of(pid)),
        Recover::No | Recover::Fresh => None,
    }
}

fn read(node: &Node, bytes: &[u8]) -> Option<Trail> {
    let read = Trail::from_bytes(bytes, trail_limits(&node.ports.limits));
    read.inspect_err(|fault| tracing::warn!(%fault, "a session cannot be taken up again"))
        .ok()
}

fn trail_limits(limits: &Limits) -> TrailLimits {
    TrailLimits {
        steps_max: limits.recovery_trail_max,
        rooms_max: limits.rooms_per_user_max,
    }
}
