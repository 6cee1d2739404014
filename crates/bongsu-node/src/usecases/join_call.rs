//! A member joins a video room, or moves its place in it to this session.

use std::sync::Arc;

use bongsu_core::call::CallInput;
use bongsu_model::media::{LeaveReason, MediaStatus};
use bongsu_model::{CallId, Refusal};

use crate::node::Ask;
use crate::usecases::calls;

pub(crate) async fn join_call(ask: &mut Ask<'_>, call: CallId, media: MediaStatus) -> Result<(), Refusal> {
    let room = calls::room_of(ask, call).await?;
    let input = CallInput::Join {
        call,
        user: Arc::clone(&ask.session.person),
        session: ask.session.id,
        media,
        cause: ask.cause.clone(),
    };
    calls::ask_machine(ask, input).await?;
    // A membership that ended between the check and the join takes its user out again.
    let (node, user) = (ask.node, ask.session.user);
    let member = node
        .ports
        .store
        .member(room, user)
        .await
        .map_err(|fault| node.fault(&fault))?;
    if member.is_none() {
        calls::happened(
            node,
            CallInput::LeftRoom {
                room,
                user,
                reason: LeaveReason::Removed,
            },
            ask.now,
        )
        .await?;
    }
    Ok(())
}
