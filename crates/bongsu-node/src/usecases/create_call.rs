//! A member makes a video room.

use std::sync::Arc;

use bongsu_core::call::{CallInput, NewCall};
use bongsu_core::policy;
use bongsu_model::{Refusal, RoomRef};

use crate::node::Ask;
use crate::usecases::{calls, rooms};

pub(crate) async fn create_call(
    ask: &mut Ask<'_>,
    room: RoomRef,
    name: Arc<str>,
    max_participants: u32,
) -> Result<(), Refusal> {
    let (node, session) = (ask.node, ask.session);
    let who = session.principal();
    let (room, _, view) = rooms::view(node, &who, &room).await?;
    policy::may_create_call(&who, &view)?;
    let call = node
        .ports
        .store
        .next_call()
        .await
        .map_err(|fault| node.fault(&fault))?;
    let new = NewCall {
        call,
        room: room.named(),
        name,
        host: Arc::clone(&session.person),
        session: session.id,
        max_participants,
    };
    let cause = ask.cause.clone();
    calls::ask_machine(ask, CallInput::Create { new, cause }).await
}
