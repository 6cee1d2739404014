//! What participants do in a call: signal and switch their media.
//!
//! Invariant: only the session that is in the call speaks for its user.

use std::sync::Arc;

use bongsu_model::media::{MediaStatus, Signal};
use bongsu_model::{CallId, Code, EventBody, Refusal, SessionId, UserId, Want};

use super::effect::{CallAnswer, CallEffect};
use super::machine::{Calls, Granted, denied, event, not_found, only};
use super::state::{Call, Place};

/// The fields of [`CallInput::SetMedia`].
pub(super) struct Switched {
    pub(super) call: CallId,
    pub(super) user: UserId,
    pub(super) session: SessionId,
    pub(super) media: MediaStatus,
    pub(super) cause: Option<Arc<str>>,
}

/// The fields of [`CallInput::Signal`].
pub(super) struct Sent {
    pub(super) call: CallId,
    pub(super) from: UserId,
    pub(super) session: SessionId,
    pub(super) target: UserId,
    pub(super) signal: Signal,
    pub(super) cause: Option<Arc<str>>,
}

impl Calls {
    /// A target whose place is only kept cannot be reached now, which is as if it were not there.
    pub(super) fn signal(&self, sent: Sent, out: &mut Vec<CallEffect>) -> Granted {
        let Sent {
            call: id,
            from,
            session,
            target,
            signal,
            cause,
        } = sent;
        let call = self.calls.get(&id).ok_or_else(not_found)?;
        let speaker = Arc::clone(&call.peers[peer_on(call, from, session)?].user);
        if signal.payload().as_bytes().len() > self.limits.signal_bytes_max {
            return Err(Refusal::too_large("signal", self.limits.signal_bytes_max as u64));
        }
        if target == from {
            return Err(Refusal::field("target_user_id", Want::Other));
        }
        let session = call
            .place_of(target)
            .and_then(|place| call.peers[place].session());
        let session = session.ok_or(Refusal::new(Code::UserNotFound))?;
        out.push(CallEffect::Answer(CallAnswer::Done));
        event(
            out,
            only(target, session),
            Some(from),
            cause,
            EventBody::Signalled {
                call: id,
                from: speaker,
                signal,
            },
        );
        Ok(())
    }

    pub(super) fn set_media(&mut self, switched: Switched, out: &mut Vec<CallEffect>) -> Granted {
        let Switched {
            call: id,
            user,
            session,
            media,
            cause,
        } = switched;
        let call = self.calls.get_mut(&id).ok_or_else(not_found)?;
        let place = peer_on(call, user, session)?;
        call.peers[place].media = media;
        out.push(CallEffect::Answer(CallAnswer::MediaSet { call: id }));
        let body = EventBody::MediaChanged {
            call: id,
            user: Arc::clone(&call.peers[place].user),
            media,
        };
        event(out, call.audience(None), Some(user), cause, body);
        Ok(())
    }
}

/// The place of a user who speaks from the session that is in the call.
fn peer_on(call: &Call, user: UserId, session: SessionId) -> Result<usize, Refusal> {
    let place = call.place_of(user).ok_or_else(denied)?;
    (call.peers[place].place == Place::On(session))
        .then_some(place)
        .ok_or_else(denied)
}
