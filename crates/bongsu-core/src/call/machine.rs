//! All calls that this node owns: requests in, answers and events out.
//!
//! Invariant: the four indexes say exactly what the calls say. A place that is kept has one deadline; a place on a
//! session has none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bongsu_model::media::LeaveReason;
use bongsu_model::{
    Audience, CallId, Code, EventBody, Limits, Refusal, RoomId, SessionId, Timestamp, UserId,
};

use super::coming::Joiner;
use super::effect::{CallEffect, CallEvent};
use super::input::CallInput;
use super::leaving::Told;
use super::state::Call;
use super::within::{Sent, Switched};
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

pub(super) type Granted = Result<(), Refusal>;

/// All calls that this node owns.
#[derive(Clone, Debug)]
pub struct Calls {
    pub(super) limits: CallLimits,
    pub(super) calls: BTreeMap<CallId, Call>,
    pub(super) by_room: BTreeSet<(RoomId, CallId)>,
    pub(super) by_user: BTreeSet<(UserId, CallId)>,
    pub(super) by_session: BTreeSet<(SessionId, CallId)>,
    pub(super) deadlines: Deadlines<(CallId, UserId)>,
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
        self.calls
            .range((call.map_or(Unbounded, Excluded), Unbounded))
            .take(limit)
            .map(|(_, call)| call)
            .collect()
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
}

impl Machine for Calls {
    type Input = CallInput;
    type Effect = CallEffect;

    fn handle(&mut self, input: CallInput, now: Timestamp, out: &mut Vec<CallEffect>) {
        let granted = match input {
            CallInput::Create { new, cause } => self.create(new, cause, now, out),
            CallInput::Join {
                call,
                user,
                session,
                media,
                cause,
            } => self.join(
                Joiner {
                    call,
                    user,
                    session,
                    media,
                    cause,
                },
                now,
                out,
            ),
            CallInput::Leave { call, user, session } => self.leave(call, user, session, out),
            CallInput::End { call, by } => self.end(call, by, out),
            CallInput::Signal {
                call,
                from,
                session,
                target,
                signal,
                cause,
            } => self.signal(
                Sent {
                    call,
                    from,
                    session,
                    target,
                    signal,
                    cause,
                },
                out,
            ),
            CallInput::SetMedia {
                call,
                user,
                session,
                media,
                cause,
            } => self.set_media(
                Switched {
                    call,
                    user,
                    session,
                    media,
                    cause,
                },
                out,
            ),
            CallInput::SessionEnded { session } => return self.session_ended(session, now),
            CallInput::LeftRoom { room, user, reason } => return self.left_room(room, user, reason, out),
            CallInput::Banned { user } => return self.banned(user, out),
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

pub(super) fn not_found() -> Refusal {
    Refusal::new(Code::VideoRoomNotFound)
}

pub(super) fn denied() -> Refusal {
    Refusal::new(Code::PermissionDenied)
}

pub(super) fn only(user: UserId, session: SessionId) -> Option<Audience> {
    Some(Audience::Sessions([(user, session)].into()))
}

/// Adds an event, unless nobody would hear it.
pub(super) fn event(
    out: &mut Vec<CallEffect>,
    audience: Option<Audience>,
    actor: Option<UserId>,
    cause: Option<Arc<str>>,
    body: EventBody,
) {
    if let Some(audience) = audience {
        out.push(CallEffect::Event(CallEvent {
            audience,
            actor,
            cause,
            body,
        }));
    }
}

/// The calls that an index has under a key, ascending.
pub(super) fn of<K: Ord + Copy>(index: &BTreeSet<(K, CallId)>, key: K) -> impl Iterator<Item = CallId> {
    index
        .range((key, CallId(i64::MIN))..=(key, CallId(i64::MAX)))
        .map(|(_, call)| *call)
}

#[cfg(test)]
impl Calls {
    /// Checks everything that the files of this module promise.
    pub(super) fn assert_sound(&self) {
        let (mut by_room, mut by_user, mut by_session) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut kept = 0;
        for (id, call) in &self.calls {
            assert_eq!(*id, call.id);
            assert!(!call.peers.is_empty() && call.place_of(call.host.id).is_some());
            assert!(call.count() <= call.max_participants);
            assert!(call.peers.is_sorted_by_key(super::state::Peer::joined_at));
            by_room.insert((call.room.id, *id));
            for peer in &call.peers {
                assert!(by_user.insert((peer.user.id, *id)), "a user is in a call once");
                match peer.place {
                    super::state::Place::On(session) => assert!(by_session.insert((session, *id))),
                    super::state::Place::Kept(until) => {
                        kept += 1;
                        let mut deadlines = self.deadlines.clone();
                        assert!(
                            deadlines.cancel(until, (*id, peer.user.id)),
                            "a kept place has its deadline"
                        );
                    }
                }
            }
        }
        assert_eq!(
            (&by_room, &by_user, &by_session),
            (&self.by_room, &self.by_user, &self.by_session)
        );
        assert_eq!(self.deadlines.len(), kept);
        for (room, id) in &by_room {
            assert!(self.in_room(*room).any(|call| call.id == *id) && self.get(*id).is_some());
        }
    }
}
