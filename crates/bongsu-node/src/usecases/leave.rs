//! A membership ends.

use std::sync::Arc;

use bongsu_core::call::CallInput;
use bongsu_core::policy;
use bongsu_model::media::LeaveReason;
use bongsu_model::records::RoomHead;
use bongsu_model::{Audience, Code, Event, EventBody, Person, Refusal, Reply, RoomRef, Timestamp};
use bongsu_store::Left;

use crate::node::{Ask, Node};
use crate::usecases::{calls, rooms};

pub(crate) async fn leave(ask: &mut Ask<'_>, room: RoomRef) -> Result<(), Refusal> {
    let (node, session) = (ask.node, ask.session);
    let who = session.principal();
    let (_, _, view) = rooms::view(node, &who, &room).await?;
    policy::may_leave(&who, &view)?;
    let left = node
        .ports
        .store
        .leave(room, session.user)
        .await
        .map_err(|fault| node.fault(&fault))?;
    let Some(left) = left else {
        return Err(Refusal::new(Code::RoomNotFound));
    };
    (ask.answer)(Reply::Left {
        room: left.room.named(),
    });
    if left.was_member {
        announce(node, &session.person, &left, LeaveReason::Left, ask.now).await;
    }
    Ok(())
}

/// Tells the members and the one who left; takes the user out of the room's calls.
pub(crate) async fn announce(
    node: &Arc<Node>,
    user: &Arc<Person>,
    left: &Left,
    reason: LeaveReason,
    now: Timestamp,
) {
    let room = &left.room;
    let gone = CallInput::LeftRoom {
        room: room.id,
        user: user.id,
        reason,
    };
    // Nobody asked, so nobody is refused.
    let _ = calls::happened(node, gone, now).await;
    node.note_head(RoomHead {
        room: room.id,
        seq: room.seq,
        epoch: room.epoch,
        members_version: room.members_version,
    });
    node.announce(Event {
        id: node.ports.number(),
        at: now,
        cause: None,
        // The one who left is told by its shard, unless it is a member again by then.
        audience: Audience::RoomExcept(room.id, user.id),
        actor: Some(user.id),
        body: EventBody::UserLeft {
            room: room.named(),
            user: Arc::clone(user),
            participants_count: room.members_count,
            version: room.members_version,
        },
    })
    .await;
}
