//! What every call request has in common: the machine decides, the one who asked is answered, the others are told.

use std::sync::Arc;

use bongsu_core::call::{CallAnswer, CallEffect, CallInput};
use bongsu_core::machine::Machine;
use bongsu_core::policy;
use bongsu_model::{CallId, Code, Refusal, Reply, RoomId, RoomRef, Timestamp};

use crate::node::{Ask, Node};
use crate::usecases::rooms;

/// Puts a request to the machine, answers it, and tells the others.
pub(crate) async fn ask_machine(ask: &mut Ask<'_>, input: CallInput) -> Result<(), Refusal> {
    let (node, now) = (ask.node, ask.now);
    // What follows from one request is told before what follows from the next.
    let _in_order = node.calls_told.lock().await;
    let mut out = Vec::new();
    node.calls.lock().handle(input, now, &mut out);
    let mut events = Vec::with_capacity(out.len());
    for effect in out {
        match effect {
            CallEffect::Refuse(refusal) => return Err(refusal),
            CallEffect::Answer(CallAnswer::Done) => {}
            CallEffect::Answer(CallAnswer::Created {
                call,
                room,
                name,
                host,
                max_participants,
            }) => (ask.answer)(Reply::CallCreated {
                call,
                room,
                name,
                host,
                max_participants,
            }),
            CallEffect::Answer(CallAnswer::Ended { call, room, reason }) => {
                (ask.answer)(Reply::CallEnded { call, room, reason });
            }
            CallEffect::Answer(CallAnswer::MediaSet { call }) => (ask.answer)(Reply::MediaSet { call }),
            CallEffect::Answer(CallAnswer::Joined { call, participants }) => {
                let ice_servers = node.ports.ice.servers(ask.session.user, now);
                (ask.answer)(Reply::CallJoined {
                    call,
                    participants,
                    ice_servers,
                });
            }
            CallEffect::Answer(CallAnswer::Left { call }) => (ask.answer)(Reply::CallLeft { call }),
            CallEffect::Event(_) => events.push(effect),
        }
    }
    tell(node, events, now).await;
    Ok(())
}

/// Takes in what concerns calls without a request, and tells the others.
pub(crate) async fn happened(node: &Arc<Node>, input: CallInput, now: Timestamp) -> Result<(), Refusal> {
    let _in_order = node.calls_told.lock().await;
    let mut out = Vec::new();
    node.calls.lock().handle(input, now, &mut out);
    if let Some(CallEffect::Refuse(refusal)) = out.first() {
        return Err(refusal.clone());
    }
    tell(node, out, now).await;
    Ok(())
}

/// Does what has become due in calls, and tells the others.
pub(crate) async fn due(node: &Arc<Node>, now: Timestamp) {
    if node.calls.lock().next_deadline().is_none_or(|at| at > now) {
        return;
    }
    let _in_order = node.calls_told.lock().await;
    let mut out = Vec::new();
    node.calls.lock().handle_deadline(now, &mut out);
    tell(node, out, now).await;
}

/// Tells the others what happened in calls.
async fn tell(node: &Arc<Node>, effects: Vec<CallEffect>, now: Timestamp) {
    for effect in effects {
        match effect {
            CallEffect::Event(event) => node.announce(event.at(node.ports.number(), now)).await,
            CallEffect::Answer(_) | CallEffect::Refuse(_) => {}
        }
    }
}

/// The room of a call; `VIDEO_ROOM_NOT_FOUND` if there is none, or the asker is no member of its room.
pub(crate) async fn room_of(ask: &mut Ask<'_>, call: CallId) -> Result<RoomId, Refusal> {
    let room = ask.node.calls.lock().get(call).map(bongsu_core::call::Call::room);
    let Some(room) = room else {
        return Err(Refusal::new(Code::VideoRoomNotFound));
    };
    let who = ask.session.principal();
    let (_, _, view) = rooms::view(ask.node, &who, &RoomRef::Id(room)).await?;
    policy::may_call(&who, &view)?;
    Ok(room)
}
