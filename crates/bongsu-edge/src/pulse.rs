//! The clocks of one connection: what was heard of it, what is awaited, and when that runs out.
//!
//! Invariant: what the sweeper reads is written without a lock by whoever serves the connection.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, Ordering::Relaxed};

use bongsu_model::refusal::CloseCause;
use bongsu_model::{Code, Limits, Refusal, Slot, Timestamp};
use bongsu_wire::socketio::engine;
use bytes::Bytes;

use crate::dialect;

/// Who asks whether the other one is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Heartbeat {
    /// This side, of a signed-in client that has said nothing for a while.
    Quiet,
    /// This side, at every interval, whatever else goes on: Engine.IO 4.
    Periodic,
    /// The other side, at every interval: Engine.IO 3.
    Theirs,
}

/// What is known of a connection's liveliness.
pub(crate) struct Pulse {
    /// Since when a sign-in is awaited.
    awaited_ms: AtomicI64,
    heard_ms: AtomicI64,
    /// When the frame under way was begun; 0 for none.
    frame_ms: AtomicI64,
    /// When this side was seen to have finished; 0 while it has not, `FINISHED` until the sweeper has seen it.
    finished_ms: AtomicI64,
    /// When the next ping of a periodic heartbeat is due, by the clock of [`short`].
    next_ping_ms: AtomicU32,
    /// The first ping since something was heard, by the same; 0 for none.
    pinged_ms: AtomicU32,
    /// What was heard is being carried out, and nothing is read meanwhile.
    busy: AtomicBool,
    signed_in: AtomicBool,
    /// The wire format that the client is answered in, by its number.
    slot: AtomicU8,
    ended_by: AtomicU8,
    heartbeat: Heartbeat,
    /// Where the other side is. Here because here it costs no padding.
    pub(crate) address: IpAddr,
}

/// Whatever has a pulse.
pub(crate) trait Lives: Send + Sync {
    fn pulse(&self) -> &Pulse;

    /// What has run out by now, if anything. A ping that is due is told once.
    fn ran_out(&self, now: Timestamp, limits: &Limits) -> Option<RanOut> {
        self.pulse().ran_out(now, limits)
    }
}

/// Who ended a connection, for the meters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum EndedBy {
    Client,
    SignInTimeout,
    FrameTimeout,
    Idle,
    Refusal,
    /// The node: an operator, the token's end, a ban, or because it stops.
    Node,
}

/// What has run out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RanOut {
    SignIn,
    Frame,
    Idle,
    /// It is time to ask whether somebody is there.
    Ping,
    /// This side has finished and the other has not for a while.
    Linger,
}

/// How long the other side may take to finish after this one.
const LINGER_MS: u64 = 2_000;
/// This side has finished, at a time that nobody has looked at yet.
const FINISHED: i64 = i64::MIN;

impl Pulse {
    pub(crate) fn new(heartbeat: Heartbeat, address: IpAddr, now: Timestamp, limits: &Limits) -> Self {
        Self {
            awaited_ms: AtomicI64::new(now.0),
            heard_ms: AtomicI64::new(now.0),
            frame_ms: AtomicI64::new(0),
            finished_ms: AtomicI64::new(0),
            next_ping_ms: AtomicU32::new(short(now.plus_ms(limits.engine_ping_interval_ms))),
            pinged_ms: AtomicU32::new(0),
            busy: AtomicBool::new(false),
            signed_in: AtomicBool::new(false),
            slot: AtomicU8::new(0),
            ended_by: AtomicU8::new(0),
            heartbeat,
            address,
        }
    }

    /// The pulse of the same connection on another transport: its deadlines go on.
    pub(crate) fn goes_on(&self) -> Self {
        let same = |ms: &AtomicI64| AtomicI64::new(ms.load(Relaxed));
        Self {
            awaited_ms: same(&self.awaited_ms),
            heard_ms: same(&self.heard_ms),
            frame_ms: AtomicI64::new(0),
            finished_ms: AtomicI64::new(0),
            next_ping_ms: AtomicU32::new(self.next_ping_ms.load(Relaxed)),
            pinged_ms: AtomicU32::new(self.pinged_ms.load(Relaxed)),
            busy: AtomicBool::new(self.busy.load(Relaxed)),
            signed_in: AtomicBool::new(self.signed_in.load(Relaxed)),
            slot: AtomicU8::new(self.slot.load(Relaxed)),
            ended_by: AtomicU8::new(self.ended_by.load(Relaxed)),
            heartbeat: self.heartbeat,
            address: self.address,
        }
    }

    /// The transport's own ping, where it has one beside what is spoken on it.
    pub(crate) const fn own_ping(&self) -> Option<Bytes> {
        match self.heartbeat {
            Heartbeat::Periodic => Some(engine::ping()),
            Heartbeat::Quiet | Heartbeat::Theirs => None,
        }
    }

    /// Notes who ends the connection; the first counts.
    pub(crate) fn ended_by(&self, who: EndedBy) {
        let _ = self
            .ended_by
            .compare_exchange(EndedBy::Client as u8, who as u8, Relaxed, Relaxed);
    }

    /// Why the connection ended; `None` if its client ended it.
    pub(crate) fn cause(&self) -> Option<CloseCause> {
        match self.ended_by.load(Relaxed) {
            1 => Some(CloseCause::SignInTimeout),
            2 => Some(CloseCause::FrameTimeout),
            3 => Some(CloseCause::Idle),
            4 => Some(CloseCause::Refused(Refusal::new(Code::InvalidData))),
            5 => Some(CloseCause::Disconnected),
            _ => None,
        }
    }

    /// Notes that something was read, whether a frame is incomplete after it, and whether the one before is complete.
    pub(crate) fn heard(&self, now: Timestamp, in_frame: bool, completed: bool) {
        self.heard_ms.store(now.0, Relaxed);
        self.pinged_ms.store(0, Relaxed);
        if !in_frame {
            self.frame_ms.store(0, Relaxed);
        } else if completed || self.frame_ms.load(Relaxed) == 0 {
            self.frame_ms.store(now.0, Relaxed);
        }
    }

    /// Notes whether somebody is signed in. Whoever has signed out has as long to sign in again as a new connection.
    pub(crate) fn signed_in(&self, signed_in: bool, now: Timestamp) {
        if self.signed_in.load(Relaxed) == signed_in {
            return;
        }
        if !signed_in {
            self.awaited_ms.store(now.0, Relaxed);
        }
        self.signed_in.store(signed_in, Relaxed);
    }

    /// Whoever was refused a moment ago has as long to sign in as a new connection.
    pub(crate) fn awaits_again(&self, now: Timestamp) {
        self.awaited_ms.store(now.0, Relaxed);
    }

    /// Notes in which wire format the client is answered.
    pub(crate) fn speaks(&self, slot: Slot) {
        self.slot.store(slot as u8, Relaxed);
    }

    pub(crate) fn slot(&self) -> Slot {
        dialect::slot_of(self.slot.load(Relaxed))
    }

    /// Nothing is read for a while because of us: no deadline of the other side runs.
    pub(crate) fn busy(&self) {
        self.busy.store(true, Relaxed);
    }

    /// Reading goes on; what was sent meanwhile counts as heard. `completed` as in [`Self::heard`].
    pub(crate) fn reads_on(&self, now: Timestamp, in_frame: bool, completed: bool) {
        self.heard(now, in_frame, completed);
        self.busy.store(false, Relaxed);
    }

    /// This side says no more.
    pub(crate) fn finished(&self) {
        self.finished_ms.store(FINISHED, Relaxed);
    }

    /// What has run out by now, if anything. A ping that is due is told once.
    pub(crate) fn ran_out(&self, now: Timestamp, limits: &Limits) -> Option<RanOut> {
        let since = |ms: i64| now.ms_since(Timestamp(ms));
        let finished = self.finished_ms.load(Relaxed);
        if finished == FINISHED {
            self.finished_ms.store(now.0, Relaxed);
            return None;
        }
        if finished != 0 {
            return (since(finished) >= LINGER_MS).then_some(RanOut::Linger);
        }
        let busy = self.busy.load(Relaxed);
        if !busy {
            if !self.signed_in.load(Relaxed) && since(self.awaited_ms.load(Relaxed)) >= limits.sign_in_ms {
                return Some(RanOut::SignIn);
            }
            let frame = self.frame_ms.load(Relaxed);
            if frame != 0 && since(frame) >= limits.frame_ms {
                return Some(RanOut::Frame);
            }
            if self.is_idle(now, limits) {
                return Some(RanOut::Idle);
            }
        }
        self.ping_due(now, busy, limits).then_some(RanOut::Ping)
    }

    /// Whether the other side was silent for longer than its heartbeat allows, although it could have been heard.
    pub(crate) fn is_idle(&self, now: Timestamp, limits: &Limits) -> bool {
        let since = |ms: i64| now.ms_since(Timestamp(ms));
        if self.busy.load(Relaxed) {
            return false;
        }
        match self.heartbeat {
            Heartbeat::Quiet => since(self.heard_ms.load(Relaxed)) >= limits.idle_ms,
            Heartbeat::Periodic => {
                let pinged = self.pinged_ms.load(Relaxed);
                pinged != 0 && since_short(pinged, now).is_some_and(|ms| ms >= limits.engine_ping_timeout_ms)
            }
            Heartbeat::Theirs => since(self.heard_ms.load(Relaxed)) >= beat_ms(limits),
        }
    }

    fn ping_due(&self, now: Timestamp, busy: bool, limits: &Limits) -> bool {
        match self.heartbeat {
            // Who has not signed in has another deadline, and nothing to answer with.
            Heartbeat::Quiet => {
                !busy
                    && self.signed_in.load(Relaxed)
                    && now.ms_since(Timestamp(self.heard_ms.load(Relaxed))) >= limits.ping_interval_ms
                    && self.first_ping(now)
            }
            Heartbeat::Periodic => {
                let due = self.next_ping_ms.load(Relaxed);
                let Some(late_ms) = since_short(due, now) else {
                    return false;
                };
                let due = Timestamp(now.0 - late_ms.cast_signed());
                // Those that were missed are not made up for.
                let in_step = late_ms < limits.engine_ping_interval_ms;
                let next = if in_step { due } else { now }.plus_ms(limits.engine_ping_interval_ms);
                self.next_ping_ms.store(short(next), Relaxed);
                // The client keeps time from the moment at which it was due, unless that leaves it too little.
                let fair = late_ms <= limits.engine_ping_timeout_ms / 2;
                self.first_ping(if fair { due } else { now });
                true
            }
            Heartbeat::Theirs => false,
        }
    }

    /// Notes a ping, and whether it is the first since something was heard.
    fn first_ping(&self, at: Timestamp) -> bool {
        self.pinged_ms
            .compare_exchange(0, short(at).max(1), Relaxed, Relaxed)
            .is_ok()
    }
}

/// How long a client of Engine.IO may be away: until its next heartbeat, and the time for that.
pub(crate) const fn beat_ms(limits: &Limits) -> u64 {
    limits
        .engine_ping_interval_ms
        .saturating_add(limits.engine_ping_timeout_ms)
}

/// A clock that goes round in seven weeks: enough for what is looked at several times a minute.
const fn short(at: Timestamp) -> u32 {
    (at.0 & 0xffff_ffff) as u32
}

/// How long ago a moment of that clock was; `None` if it is still to come.
fn since_short(at: u32, now: Timestamp) -> Option<u64> {
    let ms = short(now).wrapping_sub(at);
    (ms <= u32::MAX / 2).then_some(u64::from(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        sign_in_ms: 1_000,
        engine_ping_interval_ms: 300,
        engine_ping_timeout_ms: 200,
        ..Limits::DEFAULT
    };

    fn pulse(heartbeat: Heartbeat, opened_ms: i64) -> Pulse {
        let pulse = Pulse::new(
            heartbeat,
            IpAddr::from([127, 0, 0, 1]),
            Timestamp(opened_ms),
            &LIMITS,
        );
        pulse.signed_in(true, Timestamp(opened_ms));
        pulse
    }

    #[test]
    fn a_periodic_heartbeat_pings_at_every_interval_and_wants_to_hear_something_after_each() {
        // The second opening has the short clock go round meanwhile.
        for opened in [0x1_0000_0001, 0x1_ffff_ff80] {
            let it = pulse(Heartbeat::Periodic, opened);
            let at = |ms: i64| it.ran_out(Timestamp(opened + ms), &LIMITS);
            assert_eq!(at(299), None);
            assert_eq!(at(300), Some(RanOut::Ping));
            assert_eq!(at(301), None, "it is told once");
            it.heard(Timestamp(opened + 499), false, true);
            assert_eq!(at(599), None);
            assert_eq!(at(650), Some(RanOut::Ping), "by the clock, whatever was heard");
            assert_eq!(at(799), None);
            assert_eq!(at(800), Some(RanOut::Idle), "200 after it was due");
        }
    }

    #[test]
    fn a_ping_that_goes_out_very_late_leaves_time_for_its_answer() {
        let it = pulse(Heartbeat::Periodic, 1_000);
        assert_eq!(it.ran_out(Timestamp(9_000), &LIMITS), Some(RanOut::Ping));
        assert_eq!(it.ran_out(Timestamp(9_199), &LIMITS), None);
        assert_eq!(it.ran_out(Timestamp(9_200), &LIMITS), Some(RanOut::Idle));
    }

    #[test]
    fn a_client_that_pings_by_itself_has_its_interval_and_the_timeout() {
        let it = pulse(Heartbeat::Theirs, 1_000);
        assert_eq!(it.ran_out(Timestamp(1_499), &LIMITS), None);
        it.heard(Timestamp(1_499), false, true);
        assert_eq!(it.ran_out(Timestamp(1_998), &LIMITS), None);
        assert_eq!(it.ran_out(Timestamp(1_999), &LIMITS), Some(RanOut::Idle));
        assert!(it.own_ping().is_none());
    }

    #[test]
    fn nothing_runs_out_for_one_who_is_kept_waiting() {
        for heartbeat in [Heartbeat::Quiet, Heartbeat::Theirs] {
            let it = pulse(heartbeat, 1_000);
            it.busy();
            assert_eq!(it.ran_out(Timestamp(9_000_000), &LIMITS), None);
            it.reads_on(Timestamp(9_000_000), false, true);
            assert_eq!(it.ran_out(Timestamp(9_000_001), &LIMITS), None);
        }
    }

    #[test]
    fn who_has_signed_out_has_as_long_to_sign_in_as_a_new_connection() {
        let it = pulse(Heartbeat::Quiet, 1_000);
        it.heard(Timestamp(50_000), false, true);
        it.signed_in(false, Timestamp(50_000));
        assert_eq!(it.ran_out(Timestamp(50_999), &LIMITS), None);
        assert_eq!(it.ran_out(Timestamp(51_000), &LIMITS), Some(RanOut::SignIn));
        let moved = it.goes_on();
        assert_eq!(moved.ran_out(Timestamp(51_000), &LIMITS), Some(RanOut::SignIn));
    }
}
