//! Making calls and joining them.
//!
//! Invariant: whoever joins gets an answer that names the others, and then hears of its own joining.

use std::sync::Arc;

use bongsu_model::media::{LeaveReason, MediaStatus, Participant};
use bongsu_model::{Audience, CallId, Code, EventBody, Person, Refusal, SessionId, Timestamp, UserId, Want};

use super::effect::{CallAnswer, CallEffect};
use super::input::NewCall;
use super::machine::{Calls, Granted, TOO_MANY_CALLS, event, not_found, of, only};
use super::state::{Call, Peer, Place};

/// The fields of [`CallInput::Join`].
pub(super) struct Joiner {
    pub(super) call: CallId,
    pub(super) user: Arc<Person>,
    pub(super) session: SessionId,
    pub(super) media: MediaStatus,
    pub(super) cause: Option<Arc<str>>,
}

impl Calls {
    pub(super) fn create(
        &mut self,
        new: NewCall,
        cause: Option<Arc<str>>,
        now: Timestamp,
        out: &mut Vec<CallEffect>,
    ) -> Granted {
        let NewCall {
            call,
            room,
            name,
            host,
            session,
            max_participants,
        } = new;
        if !(1..=self.limits.name_bytes_max).contains(&name.len()) {
            return Err(Refusal::field(
                "video_room_name",
                Want::TextOf(1, self.limits.name_bytes_max),
            ));
        }
        if !(2..=self.limits.call_participants_max).contains(&max_participants) {
            let most = i64::from(self.limits.call_participants_max);
            return Err(Refusal::field("max_participants", Want::Between(2, most)));
        }
        if of(&self.by_room, room.id).count() >= self.limits.calls_per_room_max {
            return Err(Refusal::because(Code::PermissionDenied, TOO_MANY_CALLS));
        }
        if self.calls.contains_key(&call) {
            return Err(Refusal::new(Code::InternalError));
        }
        let peer = Peer {
            user: Arc::clone(&host),
            media: MediaStatus::default(),
            joined_at: now,
            place: Place::On(session),
        };
        self.calls.insert(
            call,
            Call {
                id: call,
                room: room.clone(),
                name: Arc::clone(&name),
                host: Arc::clone(&host),
                max_participants,
                created_at: now,
                peers: vec![peer],
            },
        );
        self.by_room.insert((room.id, call));
        self.by_user.insert((host.id, call));
        self.by_session.insert((session, call));
        out.push(CallEffect::Answer(CallAnswer::Created {
            call,
            room: room.clone(),
            name: Arc::clone(&name),
            host: Arc::clone(&host),
            max_participants,
        }));
        let (at, by) = (room.id, host.id);
        let body = EventBody::CallCreated {
            call,
            room,
            name,
            host,
            max_participants,
        };
        event(out, Some(Audience::Room(at)), Some(by), cause, body);
        Ok(())
    }

    pub(super) fn join(&mut self, joiner: Joiner, now: Timestamp, out: &mut Vec<CallEffect>) -> Granted {
        let id = joiner.call;
        let call = self.calls.get(&id).ok_or_else(not_found)?;
        if let Some(place) = call.place_of(joiner.user.id) {
            self.join_again(place, joiner, out);
            return Ok(());
        }
        if call.count() >= call.max_participants {
            return Err(Refusal::new(Code::VideoRoomFull));
        }
        let Joiner {
            call: _,
            user,
            session,
            media,
            cause,
        } = joiner;
        let call = self.calls.get_mut(&id).expect("it was found above");
        out.push(CallEffect::Answer(CallAnswer::Joined {
            call: id,
            participants: others_in(call, user.id),
        }));
        call.peers.push(Peer {
            user: Arc::clone(&user),
            media,
            joined_at: now,
            place: Place::On(session),
        });
        self.by_user.insert((user.id, id));
        self.by_session.insert((session, id));
        let body = EventBody::CallJoined {
            call: id,
            user: Arc::clone(&user),
            media,
            participants_count: call.count(),
        };
        event(out, call.audience(None), Some(user.id), cause, body);
        Ok(())
    }

    /// One who has a place joins: it comes back, moves to another session, or says the same again.
    ///
    /// It hears what every joiner hears. The others hear neither of a leaving nor of a joining, because nobody did
    /// either; only of other media, if they are other. A live session that it moves from hears that it moved.
    fn join_again(&mut self, place: usize, joiner: Joiner, out: &mut Vec<CallEffect>) {
        let Joiner {
            call: id,
            user,
            session,
            media,
            cause,
        } = joiner;
        let call = self.calls.get_mut(&id).expect("the caller found it");
        out.push(CallEffect::Answer(CallAnswer::Joined {
            call: id,
            participants: others_in(call, user.id),
        }));
        let peer = &mut call.peers[place];
        let was = std::mem::replace(&mut peer.place, Place::On(session));
        let other_media = peer.media != media;
        peer.media = media;
        peer.user = Arc::clone(&user);
        let participants_count = call.count();
        match was {
            Place::On(old) if old == session => {}
            Place::On(old) => {
                self.by_session.remove(&(old, id));
                let body = EventBody::CallLeft {
                    call: id,
                    user: Arc::clone(&user),
                    participants_count,
                    reason: LeaveReason::Moved,
                };
                event(out, only(user.id, old), Some(user.id), None, body);
            }
            Place::Kept(until) => {
                self.deadlines.cancel(until, (id, user.id));
            }
        }
        self.by_session.insert((session, id));
        let body = EventBody::CallJoined {
            call: id,
            user: Arc::clone(&user),
            media,
            participants_count,
        };
        event(out, only(user.id, session), Some(user.id), cause, body);
        if other_media {
            let others = call.others(user.id);
            let by = Some(user.id);
            let body = EventBody::MediaChanged {
                call: id,
                user,
                media,
            };
            event(out, others, by, None, body);
        }
    }
}

fn others_in(call: &Call, user: UserId) -> Vec<Participant> {
    call.peers
        .iter()
        .filter(|peer| peer.user.id != user)
        .map(Peer::participant)
        .collect()
}
