//! A user comes online, or has been offline for the grace time: those who share a room with it hear of it.
//!
//! Invariant: each node tells those that are on it, when its own view of who is online changes; what it tells them comes with
//! the other node's word, or is looked up.

use std::sync::Arc;

use bongsu_model::{Audience, Event, EventBody, Outbound, Person, RoomId, Timestamp, UserId, UserRef};

use crate::node::Node;

/// A user has its first session here. `tells` says whether it had none anywhere.
pub(crate) async fn came_online(
    node: &Arc<Node>,
    user: &Arc<Person>,
    rooms: Arc<[RoomId]>,
    now: Timestamp,
    tells: bool,
) {
    let event = event(node, user, rooms, true, now);
    said(node, user.id, true, event, tells).await;
}

/// A user has no session here any more. `tells` says whether it has none anywhere.
pub(crate) async fn went_offline(node: &Arc<Node>, user: UserId, last_seen: Timestamp, tells: bool) {
    let event = look(node, user, false, Some(last_seen)).await;
    said(node, user, false, event, tells).await;
}

/// Tells those who are here of somebody of whom no other node had more to say than that it came or went.
pub(crate) async fn found(node: &Arc<Node>, user: UserId, is_online: bool) {
    if let Some(event) = look(node, user, is_online, None).await {
        node.route(Outbound::new((*event).clone())).await;
    }
}

async fn said(node: &Arc<Node>, user: UserId, is_here: bool, event: Option<Arc<Event>>, tells: bool) {
    let said = node.others.presence.lock().says(user, is_here, event.clone());
    if !said {
        return;
    }
    node.tell_presence().await;
    if let Some(event) = event.filter(|_| tells) {
        node.route(Outbound::new((*event).clone())).await;
    }
}

/// What there is to tell of a user; `None` if nobody shares a room with it, or the store could not say.
async fn look(
    node: &Arc<Node>,
    user: UserId,
    is_online: bool,
    last_seen: Option<Timestamp>,
) -> Option<Arc<Event>> {
    let store = &node.ports.store;
    let rooms = node.healthy(store.my_rooms(user).await)?;
    let known = node.healthy(store.user(UserRef::Id(user)).await).flatten()?;
    let now = node.now();
    let last_seen = last_seen
        .or(known.last_seen)
        .filter(|_| !is_online)
        .unwrap_or(now);
    let rooms = rooms.iter().map(|room| room.room).collect();
    event(node, &known.person(), rooms, is_online, last_seen)
}

fn event(
    node: &Node,
    user: &Arc<Person>,
    rooms: Arc<[RoomId]>,
    is_online: bool,
    last_seen: Timestamp,
) -> Option<Arc<Event>> {
    (!rooms.is_empty()).then(|| {
        Arc::new(Event {
            id: node.ports.number(),
            at: node.ports.clock.now(),
            cause: None,
            audience: Audience::Related(user.id, rooms),
            actor: Some(user.id),
            body: EventBody::Status {
                user: Arc::clone(user),
                is_online,
                last_seen,
            },
        })
    })
}
