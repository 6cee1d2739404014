//! A user types, or stopped.

use bongsu_core::policy;
use bongsu_model::{Audience, Event, EventBody, Refusal, RoomRef};

use crate::node::Ask;
use crate::usecases::rooms;

pub(crate) async fn typing(ask: &mut Ask<'_>, room: RoomRef, is_typing: bool) -> Result<(), Refusal> {
    let (node, user) = (ask.node, ask.session.user);
    let who = ask.session.principal();
    let (room, _, view) = rooms::view(node, &who, &room).await?;
    policy::may_type(&who, &view)?;
    node.announce(Event {
        id: node.ports.number(),
        at: ask.now,
        cause: None,
        audience: Audience::RoomExcept(room.id, user),
        actor: Some(user),
        body: EventBody::Typing {
            room: room.named(),
            user: std::sync::Arc::clone(&ask.session.person),
            is_typing,
        },
    })
    .await;
    Ok(())
}
