//! The ways out of a call, and its end.
//!
//! Invariant: [`Calls::take_out`] is the one way out but for the end of the whole call; it keeps a host in every call.

use std::sync::Arc;

use bongsu_model::media::{EndReason, LeaveReason};
use bongsu_model::{Audience, CallId, EventBody, RoomId, SessionId, Timestamp, UserId};

use super::effect::{CallAnswer, CallEffect};
use super::input::Ender;
use super::machine::{Calls, Granted, denied, event, not_found, of};
use super::state::{Peer, Place};

/// Who hears that a participant is out. One who asked for it has its answer; one who was taken out must be told.
#[derive(Clone, Copy)]
pub(super) enum Told {
    Others,
    AlsoItself,
}

impl Calls {
    /// Only the session that is in the call takes its user out; while the place is only kept, any of them does. So a
    /// client that was moved away from and tidies up does not end the call where it goes on.
    pub(super) fn leave(
        &mut self,
        id: CallId,
        user: UserId,
        session: SessionId,
        out: &mut Vec<CallEffect>,
    ) -> Granted {
        let call = self.calls.get(&id).ok_or_else(not_found)?;
        let place = call.place_of(user).ok_or_else(denied)?;
        if call.peers[place].session().is_some_and(|own| own != session) {
            return Err(denied());
        }
        out.push(CallEffect::Answer(CallAnswer::Left { call: id }));
        self.take_out(id, user, LeaveReason::Left, Told::Others, out);
        Ok(())
    }

    pub(super) fn end(&mut self, id: CallId, by: Ender, out: &mut Vec<CallEffect>) -> Granted {
        let call = self.calls.get(&id).ok_or_else(not_found)?;
        let reason = match by {
            Ender::User(user) if user == call.host.id => EndReason::EndedByHost,
            Ender::User(_) => return Err(denied()),
            Ender::Operator => EndReason::EndedByOperator,
        };
        let call = self.calls.remove(&id).expect("it was found above");
        self.by_room.remove(&(call.room.id, id));
        for peer in &call.peers {
            self.forget_place(id, peer);
        }
        out.push(CallEffect::Answer(CallAnswer::Ended {
            call: id,
            room: call.room.clone(),
            reason,
        }));
        let actor = (reason == EndReason::EndedByHost).then_some(call.host.id);
        let at = call.room.id;
        let body = EventBody::CallEnded {
            call: id,
            room: call.room,
            reason,
        };
        event(out, Some(Audience::Room(at)), actor, None, body);
        Ok(())
    }

    /// Keeps the places of a session that is gone. Nobody hears of it before the grace time has passed.
    pub(super) fn session_ended(&mut self, session: SessionId, now: Timestamp) {
        let until = now.plus_ms(self.limits.call_grace_ms);
        for id in of(&self.by_session, session).collect::<Vec<_>>() {
            self.by_session.remove(&(session, id));
            let call = self.calls.get_mut(&id).expect("the index names calls that exist");
            for peer in &mut call.peers {
                if peer.place == Place::On(session) {
                    peer.place = Place::Kept(until);
                    self.deadlines.set(until, (id, peer.user.id));
                }
            }
        }
    }

    pub(super) fn left_room(
        &mut self,
        room: RoomId,
        user: UserId,
        reason: LeaveReason,
        out: &mut Vec<CallEffect>,
    ) {
        for id in of(&self.by_room, room).collect::<Vec<_>>() {
            self.take_out(id, user, reason, Told::AlsoItself, out);
        }
    }

    pub(super) fn banned(&mut self, user: UserId, out: &mut Vec<CallEffect>) {
        for id in of(&self.by_user, user).collect::<Vec<_>>() {
            self.take_out(id, user, LeaveReason::Removed, Told::AlsoItself, out);
        }
    }

    /// Takes a user out of a call, if it is in it: the one way out but for the end of the whole call.
    pub(super) fn take_out(
        &mut self,
        id: CallId,
        user: UserId,
        reason: LeaveReason,
        told: Told,
        out: &mut Vec<CallEffect>,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(place) = call.place_of(user) else { return };
        let peer = call.peers.remove(place);
        let itself = match told {
            Told::Others => None,
            Told::AlsoItself => peer.hears(),
        };
        let body = EventBody::CallLeft {
            call: id,
            user: Arc::clone(&peer.user),
            participants_count: call.count(),
            reason,
        };
        event(out, call.audience(itself), Some(user), None, body);
        if let Some(oldest) = call.peers.first() {
            if call.host.id == user {
                call.host = Arc::clone(&oldest.user);
                let body = EventBody::CallHostChanged {
                    call: id,
                    host: Arc::clone(&oldest.user),
                };
                event(out, call.audience(None), Some(user), None, body);
            }
        } else {
            let room = call.room.clone();
            let at = room.id;
            self.calls.remove(&id);
            self.by_room.remove(&(at, id));
            let body = EventBody::CallEnded {
                call: id,
                room,
                reason: EndReason::Empty,
            };
            event(out, Some(Audience::Room(at)), Some(user), None, body);
        }
        self.forget_place(id, &peer);
    }

    fn forget_place(&mut self, id: CallId, peer: &Peer) {
        self.by_user.remove(&(peer.user.id, id));
        match peer.place {
            Place::On(session) => {
                self.by_session.remove(&(session, id));
            }
            Place::Kept(until) => {
                self.deadlines.cancel(until, (id, peer.user.id));
            }
        }
    }
}
