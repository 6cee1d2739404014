//! A user has read up to a message.

use std::sync::Arc;

use bongsu_core::policy;
use bongsu_model::{Audience, Code, Event, EventBody, Refusal, Reply, RoomRef, Seq};
use bongsu_store::Mark;

use crate::node::Ask;
use crate::usecases::rooms;

pub(crate) async fn mark_read(ask: &mut Ask<'_>, room: RoomRef, seq: Seq) -> Result<(), Refusal> {
    let (node, user) = (ask.node, ask.session.user);
    let who = ask.session.principal();
    let (room, _, view) = rooms::view(node, &who, &room).await?;
    policy::may_mark_read(&who, &view)?;
    let marked = node.ports.store.mark_read(RoomRef::Id(room.id), user, seq).await;
    let (_, seq, mark) = marked.map_err(|fault| node.fault(&fault))?;
    if mark == Mark::NotMember {
        return Err(Refusal::new(Code::PermissionDenied));
    }
    (ask.answer)(Reply::Marked {
        room: room.named(),
        seq,
    });
    if mark == Mark::Moved {
        node.announce(Event {
            id: node.ports.number(),
            at: ask.now,
            cause: None,
            audience: Audience::Room(room.id),
            actor: Some(user),
            body: EventBody::Read {
                room: room.named(),
                user: Arc::clone(&ask.session.person),
                seq,
            },
        })
        .await;
    }
    Ok(())
}
