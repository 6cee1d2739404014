//! All calls that this node owns: requests in, answers and events out.
//!
//! Invariant: the four indexes say exactly what the calls say. A place that is kept has one deadline; a place on a
//! session has none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bongsu_model::media::{EndReason, LeaveReason, MediaStatus, Participant, Signal};
use bongsu_model::{
    Audience, CallId, Code, EventBody, Limits, Refusal, RoomId, SessionId, Timestamp, UserId, Want,
};

use super::effect::{CallAnswer, CallEffect, CallEvent};
use super::input::{CallInput, Ender, NewCall};
use super::state::{Call, Peer, Place};
use crate::deadlines::Deadlines;
use crate::machine::Machine;

/// The reason given to who makes one call too many in a room.
pub const TOO_MANY_CALLS: &str = "too_many_calls";

/// The limits that calls keep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallLimits {
    /// As [`Limits::calls_per_room_max`].
    pub calls_per_room_max: usize,
    /// As [`Limits::call_participants_max`].
    pub call_participants_max: u32,
    /// As [`Limits::call_grace_ms`].
    pub call_grace_ms: u64,
    /// As [`Limits::signal_bytes_max`].
    pub signal_bytes_max: usize,
    /// As [`Limits::name_bytes_max`].
    pub name_bytes_max: usize,
}

impl From<&Limits> for CallLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            calls_per_room_max: limits.calls_per_room_max,
            call_participants_max: limits.call_participants_max,
            call_grace_ms: limits.call_grace_ms,
            signal_bytes_max: limits.signal_bytes_max,
            name_bytes_max: limits.name_bytes_max,
        }
    }
}

type Granted = Result<(), Refusal>;

/// All calls that this node owns.
#[derive(Clone, Debug)]
pub struct Calls {
    limits: CallLimits,
    calls: BTreeMap<CallId, Call>,
    by_room: BTreeSet<(RoomId, CallId)>,
    by_user: BTreeSet<(UserId, CallId)>,
    by_session: BTreeSet<(SessionId, CallId)>,
    deadlines: Deadlines<(CallId, UserId)>,
}

impl Calls {
    /// No calls.
    #[must_use]
    pub const fn new(limits: CallLimits) -> Self {
        Self {
            limits,
            calls: BTreeMap::new(),
            by_room: BTreeSet::new(),
            by_user: BTreeSet::new(),
            by_session: BTreeSet::new(),
            deadlines: Deadlines::new(),
        }
    }

    /// Takes new limits; what is there already stays.
    pub const fn set_limits(&mut self, limits: CallLimits) {
        self.limits = limits;
    }

    /// One call.
    #[must_use]
    pub fn get(&self, call: CallId) -> Option<&Call> {
        self.calls.get(&call)
    }

    /// The calls of a room, ascending.
    pub fn in_room(&self, room: RoomId) -> impl Iterator<Item = &Call> {
        of(&self.by_room, room).filter_map(|call| self.calls.get(&call))
    }

    /// The calls after a number, ascending, at most `limit`.
    #[must_use]
    pub fn after(&self, call: Option<CallId>, limit: usize) -> Vec<&Call> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.calls.range((call.map_or(Unbounded, Excluded), Unbounded)).take(limit).map(|(_, call)| call).collect()
    }

    /// How many calls there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    fn create(&mut self, new: NewCall, cause: Option<Arc<str>>, now: Timestamp, out: &mut Vec<CallEffect>) -> Granted {
        let NewCall { call, room, name, host, nickname, session, max_participants } = new;
        if !(1..=self.limits.name_bytes_max).contains(&name.len()) {
            return Err(Refusal::field("video_room_name", Want::TextOf(1, self.limits.name_bytes_max)));
        }
        if !(2..=self.limits.call_participants_max).contains(&max_participants) {
            let most = i64::from(self.limits.call_participants_max);
            return Err(Refusal::field("max_participants", Want::Between(2, most)));
        }
        if of(&self.by_room, room).count() >= self.limits.calls_per_room_max {
            return Err(Refusal::because(Code::PermissionDenied, TOO_MANY_CALLS));
        }
        if self.calls.contains_key(&call) {
            return Err(Refusal::new(Code::InternalError));
        }
        let peer =
            Peer { user: host, nickname, media: MediaStatus::default(), joined_at: now, place: Place::On(session) };
        let peers = vec![peer];
        self.calls.insert(
            call,
            Call { id: call, room, name: Arc::clone(&name), host, max_participants, created_at: now, peers },
        );
        self.by_room.insert((room, call));
        self.by_user.insert((host, call));
        self.by_session.insert((session, call));
        out.push(CallEffect::Answer(CallAnswer::Done));
        let body = EventBody::CallCreated { call, room, name, host, max_participants };
        event(out, Some(Audience::Room(room)), Some(host), cause, body);
        Ok(())
    }

    fn join(&mut self, joiner: Joiner, now: Timestamp, out: &mut Vec<CallEffect>) -> Granted {
        let id = joiner.call;
        let call = self.calls.get(&id).ok_or_else(not_found)?;
        if let Some(place) = call.place_of(joiner.user) {
            self.join_again(place, joiner, out);
            return Ok(());
        }
        if call.count() >= call.max_participants {
            return Err(Refusal::new(Code::VideoRoomFull));
        }
        let Joiner { call: _, user, nickname, session, media, cause } = joiner;
        let call = self.calls.get_mut(&id).expect("it was found above");
        out.push(CallEffect::Answer(CallAnswer::Joined { call: id, participants: others_in(call, user) }));
        call.peers.push(Peer {
            user,
            nickname: Arc::clone(&nickname),
            media,
            joined_at: now,
            place: Place::On(session),
        });
        self.by_user.insert((user, id));
        self.by_session.insert((session, id));
        let body = EventBody::CallJoined { call: id, user, nickname, media, participants_count: call.count() };
        event(out, call.audience(None), Some(user), cause, body);
        Ok(())
    }

    /// One who has a place joins: it comes back, moves to another session, or says the same again.
    ///
    /// It hears what every joiner hears. The others hear neither of a leaving nor of a joining, because nobody did
    /// either; only of other media, if they are other. A live session that it moves from hears that it left there.
    fn join_again(&mut self, place: usize, joiner: Joiner, out: &mut Vec<CallEffect>) {
        let Joiner { call: id, user, nickname, session, media, cause } = joiner;
        let call = self.calls.get_mut(&id).expect("the caller found it");
        out.push(CallEffect::Answer(CallAnswer::Joined { call: id, participants: others_in(call, user) }));
        let peer = &mut call.peers[place];
        let was = std::mem::replace(&mut peer.place, Place::On(session));
        let other_media = peer.media != media;
        peer.media = media;
        peer.nickname = Arc::clone(&nickname);
        let participants_count = call.count();
        match was {
            Place::On(old) if old == session => {}
            Place::On(old) => {
                self.by_session.remove(&(old, id));
                let nickname = Arc::clone(&nickname);
                let body =
                    EventBody::CallLeft { call: id, user, nickname, participants_count, reason: LeaveReason::Left };
                event(out, only(old), Some(user), None, body);
            }
            Place::Kept(until) => {
                self.deadlines.cancel(until, (id, user));
            }
        }
        self.by_session.insert((session, id));
        let body = EventBody::CallJoined { call: id, user, nickname: Arc::clone(&nickname), media, participants_count };
        event(out, only(session), Some(user), cause, body);
        if other_media {
            let body = EventBody::MediaChanged { call: id, user, nickname, media };
            event(out, call.others(user), Some(user), None, body);
        }
    }

    /// Only the session that is in the call takes its user out; while the place is only kept, any of them does. So a
    /// client that was moved away from and tidies up does not end the call where it goes on.
    fn leave(&mut self, id: CallId, user: UserId, session: SessionId, out: &mut Vec<CallEffect>) -> Granted {
        let call = self.calls.get(&id).ok_or_else(not_found)?;
        let place = call.place_of(user).ok_or_else(denied)?;
        if call.peers[place].session().is_some_and(|own| own != session) {
            return Err(denied());
        }
        out.push(CallEffect::Answer(CallAnswer::Left { call: id }));
        self.take_out(id, user, LeaveReason::Left, Told::Others, out);
        Ok(())
    }

    fn end(&mut self, id: CallId, by: Ender, out: &mut Vec<CallEffect>) -> Granted {
        let call = self.calls.get(&id).ok_or_else(not_found)?;
        let reason = match by {
            Ender::User(user) if user == call.host => EndReason::EndedByHost,
            Ender::User(_) => return Err(denied()),
            Ender::Operator => EndReason::EndedByOperator,
        };
        let call = self.calls.remove(&id).expect("it was found above");
        self.by_room.remove(&(call.room, id));
        for peer in &call.peers {
            self.forget_place(id, peer);
        }
        out.push(CallEffect::Answer(CallAnswer::Done));
        let actor = (reason == EndReason::EndedByHost).then_some(call.host);
        let body = EventBody::CallEnded { call: id, room: call.room, reason };
        event(out, Some(Audience::Room(call.room)), actor, None, body);
        Ok(())
    }

    /// A target whose place is only kept cannot be reached now, which is as if it were not there.
    fn signal(&self, sent: Sent, out: &mut Vec<CallEffect>) -> Granted {
        let Sent { call: id, from, session, target, signal, cause } = sent;
        let call = self.calls.get(&id).ok_or_else(not_found)?;
        peer_on(call, from, session)?;
        if signal.payload().as_bytes().len() > self.limits.signal_bytes_max {
            return Err(Refusal::too_large("signal", self.limits.signal_bytes_max as u64));
        }
        if target == from {
            return Err(Refusal::field("target_user_id", Want::Other));
        }
        let session = call.place_of(target).and_then(|place| call.peers[place].session());
        let session = session.ok_or(Refusal::new(Code::UserNotFound))?;
        out.push(CallEffect::Answer(CallAnswer::Done));
        event(out, only(session), Some(from), cause, EventBody::Signalled { call: id, from, signal });
        Ok(())
    }

    fn set_media(&mut self, switched: Switched, out: &mut Vec<CallEffect>) -> Granted {
        let Switched { call: id, user, session, media, cause } = switched;
        let call = self.calls.get_mut(&id).ok_or_else(not_found)?;
        let place = peer_on(call, user, session)?;
        call.peers[place].media = media;
        let nickname = Arc::clone(&call.peers[place].nickname);
        out.push(CallEffect::Answer(CallAnswer::Done));
        let body = EventBody::MediaChanged { call: id, user, nickname, media };
        event(out, call.audience(None), Some(user), cause, body);
        Ok(())
    }

    /// Keeps the places of a session that is gone. Nobody hears of it before the grace time has passed.
    fn session_ended(&mut self, session: SessionId, now: Timestamp) {
        let until = now.plus_ms(self.limits.call_grace_ms);
        for id in of(&self.by_session, session).collect::<Vec<_>>() {
            self.by_session.remove(&(session, id));
            let call = self.calls.get_mut(&id).expect("the index names calls that exist");
            for peer in &mut call.peers {
                if peer.place == Place::On(session) {
                    peer.place = Place::Kept(until);
                    self.deadlines.set(until, (id, peer.user));
                }
            }
        }
    }

    fn left_room(&mut self, room: RoomId, user: UserId, reason: LeaveReason, out: &mut Vec<CallEffect>) {
        for id in of(&self.by_room, room).collect::<Vec<_>>() {
            self.take_out(id, user, reason, Told::AlsoItself, out);
        }
    }

    fn banned(&mut self, user: UserId, out: &mut Vec<CallEffect>) {
        for id in of(&self.by_user, user).collect::<Vec<_>>() {
            self.take_out(id, user, LeaveReason::Removed, Told::AlsoItself, out);
        }
    }

    /// Takes a user out of a call, if it is in it: the one way out but for the end of the whole call.
    fn take_out(&mut self, id: CallId, user: UserId, reason: LeaveReason, told: Told, out: &mut Vec<CallEffect>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(place) = call.place_of(user) else { return };
        let peer = call.peers.remove(place);
        let itself = match told {
            Told::Others => None,
            Told::AlsoItself => peer.session(),
        };
        let nickname = Arc::clone(&peer.nickname);
        let body = EventBody::CallLeft { call: id, user, nickname, participants_count: call.count(), reason };
        event(out, call.audience(itself), Some(user), None, body);
        if let Some(oldest) = call.peers.first() {
            if call.host == user {
                call.host = oldest.user;
                let nickname = Arc::clone(&oldest.nickname);
                let body = EventBody::CallHostChanged { call: id, host: oldest.user, nickname };
                event(out, call.audience(None), Some(user), None, body);
            }
        } else {
            let room = call.room;
            self.calls.remove(&id);
            self.by_room.remove(&(room, id));
            let body = EventBody::CallEnded { call: id, room, reason: EndReason::Empty };
            event(out, Some(Audience::Room(room)), Some(user), None, body);
        }
        self.forget_place(id, &peer);
    }

    fn forget_place(&mut self, id: CallId, peer: &Peer) {
        self.by_user.remove(&(peer.user, id));
        match peer.place {
            Place::On(session) => {
                self.by_session.remove(&(session, id));
            }
            Place::Kept(until) => {
                self.deadlines.cancel(until, (id, peer.user));
            }
        }
    }
}

impl Machine for Calls {
    type Input = CallInput;
    type Effect = CallEffect;

    fn handle(&mut self, input: CallInput, now: Timestamp, out: &mut Vec<CallEffect>) {
        let granted = match input {
            CallInput::Create { new, cause } => self.create(new, cause, now, out),
            CallInput::Join { call, user, nickname, session, media, cause } => {
                self.join(Joiner { call, user, nickname, session, media, cause }, now, out)
            }
            CallInput::Leave { call, user, session } => self.leave(call, user, session, out),
            CallInput::End { call, by } => self.end(call, by, out),
            CallInput::Signal { call, from, session, target, signal, cause } => {
                self.signal(Sent { call, from, session, target, signal, cause }, out)
            }
            CallInput::SetMedia { call, user, session, media, cause } => {
                self.set_media(Switched { call, user, session, media, cause }, out)
            }
            CallInput::SessionEnded { session } => {
                self.session_ended(session, now);
                Ok(())
            }
            CallInput::LeftRoom { room, user, reason } => {
                self.left_room(room, user, reason, out);
                Ok(())
            }
            CallInput::Banned { user } => {
                self.banned(user, out);
                Ok(())
            }
        };
        if let Err(refusal) = granted {
            out.push(CallEffect::Refuse(refusal));
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.next()
    }

    fn handle_deadline(&mut self, now: Timestamp, out: &mut Vec<CallEffect>) {
        while let Some((_, (call, user))) = self.deadlines.pop_due(now) {
            self.take_out(call, user, LeaveReason::Disconnected, Told::Others, out);
        }
    }
}

/// The fields of [`CallInput::Join`].
struct Joiner {
    call: CallId,
    user: UserId,
    nickname: Arc<str>,
    session: SessionId,
    media: MediaStatus,
    cause: Option<Arc<str>>,
}

/// The fields of [`CallInput::SetMedia`].
struct Switched {
    call: CallId,
    user: UserId,
    session: SessionId,
    media: MediaStatus,
    cause: Option<Arc<str>>,
}

/// The fields of [`CallInput::Signal`].
struct Sent {
    call: CallId,
    from: UserId,
    session: SessionId,
    target: UserId,
    signal: Signal,
    cause: Option<Arc<str>>,
}

/// Who hears that a participant is out. One who asked for it has its answer; one who was taken out must be told.
#[derive(Clone, Copy)]
enum Told {
    Others,
    AlsoItself,
}

fn not_found() -> Refusal {
    Refusal::new(Code::VideoRoomNotFound)
}

fn denied() -> Refusal {
    Refusal::new(Code::PermissionDenied)
}

/// The place of a user who speaks from the session that is in the call.
fn peer_on(call: &Call, user: UserId, session: SessionId) -> Result<usize, Refusal> {
    let place = call.place_of(user).ok_or_else(denied)?;
    (call.peers[place].place == Place::On(session)).then_some(place).ok_or_else(denied)
}

fn others_in(call: &Call, user: UserId) -> Vec<Participant> {
    call.peers.iter().filter(|peer| peer.user != user).map(Peer::participant).collect()
}

fn only(session: SessionId) -> Option<Audience> {
    Some(Audience::Sessions([session].into()))
}

/// Adds an event, unless nobody would hear it.
fn event(
    out: &mut Vec<CallEffect>,
    audience: Option<Audience>,
    actor: Option<UserId>,
    cause: Option<Arc<str>>,
    body: EventBody,
) {
    if let Some(audience) = audience {
        out.push(CallEffect::Event(CallEvent { audience, actor, cause, body }));
    }
}

/// The calls that an index has under a key, ascending.
fn of<K: Ord + Copy>(index: &BTreeSet<(K, CallId)>, key: K) -> impl Iterator<Item = CallId> {
    index.range((key, CallId(i64::MIN))..=(key, CallId(i64::MAX))).map(|(_, call)| *call)
}
