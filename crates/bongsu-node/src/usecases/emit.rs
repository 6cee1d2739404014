//! A member tells the others of a room what only their application understands.

use std::sync::Arc;

use bongsu_core::policy;
use bongsu_model::{ApplicationEvent, Audience, Emit, Event, EventBody, Refusal};

use crate::node::Ask;
use crate::usecases::rooms;

/// Every live session of every member hears it, the sender's own included; nobody else ever does.
pub(crate) async fn emit(ask: &mut Ask<'_>, emit: Emit) -> Result<(), Refusal> {
    let (node, session) = (ask.node, ask.session);
    let who = session.principal();
    let (room, _, view) = rooms::view(node, &who, &emit.room).await?;
    policy::may_emit(&who, &view)?;
    let told = ApplicationEvent {
        room: room.named(),
        user: Arc::clone(&session.person),
        kind: emit.kind,
        key: emit.key,
        data: emit.data,
    };
    node.announce(Event {
        id: node.ports.number(),
        at: ask.now,
        cause: None,
        audience: Audience::Room(room.id),
        actor: Some(session.user),
        body: EventBody::Application(Arc::new(told)),
    })
    .await;
    Ok(())
}
