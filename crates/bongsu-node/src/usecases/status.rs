//! A user comes online, or has been offline for the grace time: those who share a room with it hear of it.

use std::sync::Arc;

use bongsu_model::{Audience, Event, EventBody, Person, RoomId, Timestamp, UserId, UserRef};

use crate::node::Node;

pub(crate) async fn came_online(node: &Arc<Node>, user: &Arc<Person>, rooms: Arc<[RoomId]>, now: Timestamp) {
    tell(node, user, rooms, true, now).await;
}

pub(crate) async fn went_offline(node: &Arc<Node>, user: UserId, last_seen: Timestamp) {
    let store = &node.ports.store;
    let Some(rooms) = node.healthy(store.my_rooms(user).await) else {
        return;
    };
    let Some(known) = node.healthy(store.user(UserRef::Id(user)).await).flatten() else {
        return;
    };
    tell(
        node,
        &known.person(),
        rooms.iter().map(|room| room.room).collect(),
        false,
        last_seen,
    )
    .await;
}

async fn tell(
    node: &Arc<Node>,
    user: &Arc<Person>,
    rooms: Arc<[RoomId]>,
    is_online: bool,
    last_seen: Timestamp,
) {
    if rooms.is_empty() {
        return;
    }
    node.announce(Event {
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
    .await;
}
