//! A room as the one who asks stands in it: what policy decides on.

use std::sync::Arc;

use bongsu_core::policy::{Principal, RoomView};
use bongsu_model::records::{Member, Room};
use bongsu_model::{Code, Refusal, RoomRef};

use crate::node::Node;

/// Reads a room and the principal's place in it.
pub(crate) async fn view(
    node: &Arc<Node>,
    who: &Principal,
    room: &RoomRef,
) -> Result<(Room, Option<Member>, RoomView), Refusal> {
    let room = node
        .ports
        .store
        .room(room.clone())
        .await
        .map_err(|fault| node.fault(&fault))?;
    let Some(room) = room else {
        return Err(Refusal::new(Code::RoomNotFound));
    };
    let member = match who.user {
        Some(user) => node
            .ports
            .store
            .member(room.id, user)
            .await
            .map_err(|fault| node.fault(&fault))?,
        None => None,
    };
    let view = RoomView::of(&room, member.as_ref().map(|member| member.role));
    Ok((room, member, view))
}
